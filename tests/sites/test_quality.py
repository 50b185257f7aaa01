"""The pages of data quality: what they say, of what, and to whom."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from cpo_platform.sites import operations, tasks
from cpo_platform.sites.models import SiteQuality
from cpo_platform.sites.phrases import PHRASES, SEVERITIES
from locations.models import Location
from locations.quality import RULES
from tests.factories import NOW, LocationFactory
from tests.sites.test_availability import scoped, text_of
from tests.staff.world import MARK, make_world

pytestmark = pytest.mark.django_db
PAGE = "/admin/sites/quality/"
FILE = "/admin/sites/quality.csv"


def look() -> None:
    due = operations.due_locations(now=NOW, limit=1000)
    operations.check_locations(location_ids=due, now=NOW)


def test_every_rule_has_words() -> None:
    assert set(PHRASES) == set(RULES)
    assert set(SEVERITIES) == set(RULES.values())


def test_the_page_of_a_site_says_what_to_do_and_leads_there(admin_client: Client) -> None:
    location = LocationFactory(help_phone=None)
    page = admin_client.get(f"/admin/locations/location/{location.pk}/change/").content.decode()
    assert "Write the number that drivers call for help." in page
    assert 'href="#id_help_phone"' in page
    assert 'id="id_help_phone"' in page


def test_new_sites_are_looked_at_first_then_those_longest_ago() -> None:
    first, second, third = (LocationFactory(id=name) for name in ("L1", "L2", "L3"))
    operations.check_locations(location_ids=[second.pk], now=NOW - timedelta(days=3))
    operations.check_locations(location_ids=[first.pk], now=NOW - timedelta(days=2))
    assert operations.due_locations(now=NOW, limit=2) == [third.pk, second.pk]
    look()
    assert operations.due_locations(now=NOW, limit=10) == []


def test_what_breaks_the_rules_of_ocpi_is_said_to() -> None:
    location = LocationFactory()
    Location.objects.filter(pk=location.pk).update(
        time_zone="Mars/Olympus", last_updated=NOW + timedelta(hours=1)
    )
    look()
    found = SiteQuality.objects.get()
    assert found.rules == ["breaks_rules"]
    assert found.score < 100


def test_looking_again_replaces_what_was_found() -> None:
    location = LocationFactory(help_phone=None)
    look()
    before = SiteQuality.objects.get()
    assert "no_help_phone" in before.rules
    Location.objects.filter(pk=location.pk).update(
        help_phone="+31", last_updated=NOW + timedelta(hours=1)
    )
    operations.check_locations(location_ids=[location.pk], now=NOW + timedelta(days=1))
    after = SiteQuality.objects.get()
    assert "no_help_phone" not in after.rules
    assert after.score == before.score + 6


def test_the_task_looks_at_every_site() -> None:
    for number in range(3):
        LocationFactory(id=f"L{number}")
    tasks.check_quality()
    assert SiteQuality.objects.count() == 3


def test_to_look_at_many_sites_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    for number in range(8):
        LocationFactory(id=f"L{number}")
    with django_assert_max_num_queries(11):
        look()


def test_the_page_counts_rules_and_shows_the_worst_first(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    good = LocationFactory(id="GOOD", name="Good", help_phone="+31 1")
    LocationFactory(id="BAD", name="Bad", help_phone=None)
    look()
    admin_client.get(PAGE)
    with django_assert_max_num_queries(13):
        answer = admin_client.get(PAGE)
    assert ["Bad" in str(row[0]) for row in answer.context["panel"].rows] == [True, False]
    counts = {str(row[0]): row[3] for row in answer.context["rules"].rows}
    assert [count for text, count in counts.items() if "No help phone" in text] == ["1"]
    answer = admin_client.get(PAGE, {"rule": "no_help_phone"})
    assert answer.context["page"].paginator.count == 1
    assert good.name not in str(answer.context["panel"].rows)


def test_an_unknown_rule_or_page_shows_all(admin_client: Client) -> None:
    LocationFactory()
    look()
    answer = admin_client.get(PAGE, {"rule": "x'", "page": "99"})
    assert answer.context["page"].paginator.count == 1
    assert answer.context["rule"] == ""


@pytest.mark.parametrize("language", ["en", "ja"])
def test_before_anything_was_looked_at_the_page_says_when(
    admin_client: Client, language: str
) -> None:
    admin_client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    text = admin_client.get(PAGE).content.decode()
    with translation.override(language):
        assert translation.gettext("No site was looked at yet") in text


@pytest.mark.parametrize("by", ["party", "group"])
def test_who_has_a_scope_sees_their_own_sites_only(by: str) -> None:
    world = make_world()
    look()
    client = scoped(world, by)
    for asked in ({}, {"party": f"NL*{MARK}"}, {"rule": "no_photos"}):
        assert MARK not in client.get(PAGE, asked).content.decode()
        assert MARK not in text_of(client.get(FILE, asked))
    assert "OWN-L" in text_of(client.get(FILE))


def test_a_file_names_what_is_to_be_done(admin_client: Client) -> None:
    LocationFactory(id="L1", name="One", help_phone=None)
    look()
    lines = text_of(admin_client.get(FILE)).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("NL*TST,L1,One,")
    assert "No help phone" in lines[1]

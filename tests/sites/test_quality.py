"""The pages of data quality: what they say, of what, and to whom."""

import csv
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from cpo_platform.common import clock
from cpo_platform.sites import operations, quality_pages, tasks
from cpo_platform.sites.list_column import score as score_of
from cpo_platform.sites.models import SiteQuality
from cpo_platform.sites.phrases import PHRASES, SEVERITIES
from locations.models import Location
from locations.quality import RULES
from tests.factories import NOW, LocationFactory, evse
from tests.sites.test_availability import scoped, text_of
from tests.staff.world import MARK, make_world

pytestmark = pytest.mark.django_db
PAGE = "/admin/sites/quality/"
FILE = "/admin/sites/quality.csv"
AGAIN = "/admin/sites/quality/again/"
LIST = "/admin/locations/location/"


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
    with django_assert_max_num_queries(13):
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


def rules_of(location: Location) -> list[str]:
    return SiteQuality.objects.get(location=location).rules


@pytest.mark.parametrize(
    ("second", "is_found"),
    [
        ({"coordinates": {"latitude": "52.090008", "longitude": "5.110000"}}, True),
        ({"coordinates": {"latitude": "52.090000", "longitude": "5.110013"}}, True),
        # Two metres north; and one that was closed before the other was built.
        ({"coordinates": {"latitude": "52.090020", "longitude": "5.110000"}}, False),
        ({"evses": [evse("E2", status="REMOVED")]}, False),
        ({"party_id": "OTH"}, False),
    ],
)
def test_sites_of_one_party_at_the_same_place_are_found(
    second: dict[str, Any], is_found: Any
) -> None:
    here = {"coordinates": {"latitude": "52.090000", "longitude": "5.110000"}}
    first = LocationFactory(id="L1", **here)
    LocationFactory(id="L2", **({"evses": [evse("E2")]} | here | second))
    look()
    assert ("same_place" in rules_of(first)) is is_found


def test_evses_of_one_site_may_stand_at_one_place() -> None:
    location = LocationFactory(evses=[evse("E1"), evse("E2")])
    look()
    assert "same_place" not in rules_of(location)


def test_the_list_of_locations_shows_scores_at_the_price_of_none(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        LocationFactory(id=f"L{number}", help_phone=None)
    admin_client.get(LIST)
    with CaptureQueriesContext(connection) as before:
        text = admin_client.get(LIST).content.decode()
    assert "#quality" not in text
    look()
    with django_assert_num_queries(len(before)):
        text = admin_client.get(LIST).content.decode()
    assert text.count("change/#quality") == 3


def test_the_list_of_locations_is_sorted_and_filtered_by_score(admin_client: Client) -> None:
    good, bad = LocationFactory(id="A"), LocationFactory(id="B")
    for location, score in ((good, 90), (bad, 50)):
        SiteQuality.objects.create(location=location, score=score, checked_at=NOW)
    LocationFactory(id="C")

    def ids(query: dict[str, str]) -> list[str]:
        answer = admin_client.get(LIST, query)
        return [row.ocpi_id for row in answer.context["cl"].result_list]

    column = 1 + admin_client.get(LIST).context["cl"].list_display.index(score_of)
    assert ids({"o": str(column - 1)})[:2] == ["B", "A"]
    assert ids({"quality": "work"}) == ids({"quality": "much"}) == ["B"]
    assert ids({"quality": "good"}) == ["A"]
    assert ids({"quality": "unknown"}) == ["C"]
    assert len(ids({"quality": "x'"})) == 3


def test_a_file_of_the_list_has_the_scores(admin_client: Client) -> None:
    location = LocationFactory()
    SiteQuality.objects.create(location=location, score=73, checked_at=NOW)
    answer = admin_client.post("/admin/locations/location/export/", {"format": "csv"})
    heads, values = csv.reader(text_of(answer).splitlines())
    assert dict(zip(heads, values, strict=True))["score"] == "73"


def test_to_look_again_shows_what_is_true_now(admin_client: Client) -> None:
    location = LocationFactory(help_phone=None)
    look()
    LocationFactory(id="NEW")
    Location.objects.filter(pk=location.pk).update(
        help_phone="+31", last_updated=NOW + timedelta(hours=1)
    )
    answer = admin_client.post(AGAIN, follow=True)
    assert "2 sites were looked at again." in answer.content.decode()
    assert "no_help_phone" not in rules_of(location)
    assert SiteQuality.objects.count() == 2
    assert admin_client.get(AGAIN).status_code == 405


def test_many_sites_are_looked_at_again_in_the_background(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(quality_pages, "AT_ONCE", 1)
    monkeypatch.setattr(tasks, "wake", lambda: woken.append(True))
    first, second = LocationFactory(id="L1"), LocationFactory(id="L2")
    later = clock.now() - timedelta(minutes=1)
    operations.check_locations(location_ids=[first.pk, second.pk], now=later)
    assert operations.due_locations(now=later, limit=10) == []
    answer = admin_client.post(AGAIN, follow=True)
    assert "2 sites are being looked at again" in answer.content.decode()
    assert woken == [True]
    assert operations.due_locations(now=later, limit=10) == [first.pk, second.pk]
    tasks.check_quality()
    assert operations.due_locations(now=later, limit=10) == []


def test_who_has_a_scope_looks_again_at_their_own_sites_only() -> None:
    world = make_world()
    scoped(world, "party").post(AGAIN)
    looked_at = SiteQuality.objects.select_related("location")
    assert looked_at.exists()
    assert MARK not in {row.location.party_id for row in looked_at}


def test_a_site_that_changes_is_looked_at_soon(
    admin_client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    location = LocationFactory(id="L1", help_phone=None)
    look()
    assert operations.due_locations(now=NOW, limit=10) == []
    with django_capture_on_commit_callbacks(execute=True):
        LocationFactory(id="L1", help_phone="+31", now=NOW + timedelta(hours=1))
    assert operations.due_locations(now=NOW, limit=10) == [location.pk]

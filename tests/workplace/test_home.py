"""The home page: what needs somebody, and the day's charts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cpo_platform.common import clock
from cpo_platform.common.admin import Scope
from cpo_platform.staff import operations
from cpo_platform.workplace import attention, tallies, today
from cpo_platform.workplace.models import Tally
from locations.models import Evse, Status
from sessions_app.models import Session
from sessions_app.models.sessions import stuck
from tests.factories import SessionFactory
from tests.roaming.conftest import make_partner
from tests.staff.world import MARK, World, make_world

pytestmark = pytest.mark.django_db
PARTS = "/admin/home/parts/"


def out_of_order(evses: QuerySet[Evse]) -> None:
    later = clock.now() + timedelta(days=900)
    assert evses.update(status=Status.OUTOFORDER, last_updated=later)


def items(client: Client) -> dict[str, attention.Item]:
    return {one.kind: one for one in client.get(PARTS).context["attention"]}


def scoped(world: World, by: str) -> Client:
    user = User.objects.create_user("scoped", is_staff=True)
    operations.set_roles(user_id=user.pk, roles=["operator_admin"])
    ids: Any = {"party_ids": [world.party.pk]} if by == "party" else {"group_ids": [world.group.pk]}
    operations.set_scope(user_id=user.pk, everything=False, **ids)
    client = Client()
    client.force_login(user)
    return client


def test_where_nothing_is_wrong_it_says_so(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert "Nothing: all is well." in page
    assert "Next steps" in page


def test_what_is_out_of_order_is_counted_and_leads_to_its_list(admin_client: Client) -> None:
    session = SessionFactory()
    out_of_order(Evse.objects.filter(sessions=session))
    one = items(admin_client)["out-of-order"]
    assert (one.title, one.count) == ("EVSE out of order", 1)
    assert one.url == "/admin/locations/evse/?status__exact=OUTOFORDER"
    assert admin_client.get(one.url).status_code == 200


def test_a_session_that_was_silent_for_long_seems_stuck(admin_client: Client) -> None:
    session = SessionFactory()
    said = session.start_date_time
    later = said + timedelta(hours=3)
    assert not Session.objects.filter(stuck(now=said + timedelta(minutes=1))).exists()
    assert Session.objects.filter(stuck(now=later)).exists()
    one = items(admin_client)["stuck"]
    assert one.count == 1
    listed = admin_client.get(one.url).content.decode()
    assert f"/admin/sessions_app/session/{session.pk}/change/" in listed


def test_a_trend_is_told_in_words() -> None:
    item = attention.Item("x", "x", 3, "/", before=1)
    assert item.trend == "2 more than 24 hours ago"
    assert attention.Item("x", "x", 1, "/", before=1).trend == "as many as 24 hours ago"
    assert attention.Item("x", "x", 1, "/").trend == ""


def test_a_trend_is_what_was_counted_a_day_ago(admin_client: Client) -> None:
    now = clock.now()
    session = SessionFactory()
    out_of_order(Evse.objects.filter(sessions=session))
    assert tallies.count(now=now - timedelta(hours=24)) == 1
    assert items(admin_client)["out-of-order"].before == 1
    SessionFactory()
    out_of_order(Evse.objects.all())
    tallies.count(now=now - timedelta(hours=24))  # twice in an hour: the first counts
    assert items(admin_client)["out-of-order"].trend == "1 more than 24 hours ago"


@pytest.mark.parametrize("by", ["party", "group"])
def test_a_trend_is_of_what_the_person_may_see(by: str) -> None:
    world = make_world()
    out_of_order(Evse.objects.all())
    client = scoped(world, by)
    now = clock.now()
    tallies.count(now=now - timedelta(hours=24))
    own = items(client)["out-of-order"]
    whole = Tally.objects.get(scope="", kind="out-of-order").count
    assert own.before == own.count < whole


def test_tallies_are_kept_for_a_week(admin_client: Client) -> None:
    now = clock.now()
    tallies.count(now=now - timedelta(days=9))
    tallies.count(now=now)
    assert set(Tally.objects.values_list("at__date", flat=True)) == {now.date()}


def test_a_partner_without_a_granted_party_is_named_and_leads_to_its_list(
    admin_client: Client,
) -> None:
    make_partner("Sound", "SND")
    claiming = make_partner("Claiming", "CLM").partner
    claiming.roles.update(granted=False)
    one = items(admin_client)["not-granted"]
    assert (one.count, one.tone) == (1, "amber")
    listed = admin_client.get(one.url).context["cl"].result_list
    assert [partner.name for partner in listed] == ["Claiming"]


def used_by_hour(*, total: int, now: datetime) -> list[float]:
    request: Any = HttpRequest()
    request.user = User.objects.create_superuser("boss")
    request.staff_scope = Scope()
    charts = today.charts(request, total=total, now=now)
    return list(next(one for one in charts if "in use" in one.title).now)


def test_the_use_of_evses_is_their_time_in_sessions() -> None:
    now = datetime(2026, 11, 27, 10, 40, tzinfo=UTC)
    for begun in (now - timedelta(minutes=130), now - timedelta(minutes=4)):
        SessionFactory(now=begun)
    brief = SessionFactory(now=now - timedelta(minutes=3))
    Session.objects.filter(pk=brief.pk).update(
        status="COMPLETED", end_date_time=now - timedelta(minutes=1), last_updated=now
    )
    used = used_by_hour(total=4, now=now)
    # 30 and 60 minutes of four hours; 40, 4 and 2 minutes of four times 40 so far.
    assert used[7:] == [0.0, 12.5, 25.0, 28.75]


@pytest.mark.parametrize(("minute", "second"), [(0, 20), (59, 30)])
def test_a_station_that_is_ahead_makes_no_use_of_the_time_to_come(minute: int, second: int) -> None:
    now = datetime(2026, 11, 27, 10, minute, second, tzinfo=UTC)
    over = SessionFactory(now=now - timedelta(seconds=10))
    ends = now + timedelta(seconds=100)
    Session.objects.filter(pk=over.pk).update(
        status="COMPLETED", end_date_time=ends, last_updated=ends
    )
    SessionFactory(now=now + timedelta(seconds=90))
    used = used_by_hour(total=1, now=now)
    assert used[9:] == [0.0, pytest.approx(100 * 10 / (minute * 60 + second))]


def test_charts_have_a_table_that_says_the_same(admin_client: Client) -> None:
    SessionFactory()
    page = admin_client.get(PARTS).content.decode()
    assert "<svg" in page
    assert "<caption>Energy sold (kWh)</caption>" in page
    assert 'style="width' not in page


@pytest.mark.parametrize("by", ["party", "group"])
def test_a_scoped_person_sees_no_sum_of_another_party(by: str) -> None:
    world = make_world()
    out_of_order(Evse.objects.filter(location=world.other["locations.location"]))
    client = scoped(world, by)
    assert MARK not in client.get("/admin/").content.decode()
    assert MARK not in client.get(PARTS).content.decode()
    assert "out-of-order" not in items(client)
    assert "quarantined" not in items(client)


def test_the_number_of_questions_does_not_grow(admin_client: Client) -> None:
    counts = []
    for _round in range(2):
        SessionFactory()
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(PARTS)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 26


def test_it_is_closed_to_strangers(client: Client) -> None:
    assert client.get(PARTS).status_code == 302
    assert clock.now() is not None


def test_no_page_takes_the_time_to_list_all_models(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = Mock(return_value={})
    monkeypatch.setattr(AdminSite, "_build_app_dict", listing)
    for path in ("/admin/", "/admin/locations/evse/", "/accounts/"):
        assert admin_client.get(path).status_code == 200
    listing.assert_not_called()
    admin_client.get("/admin/locations/")
    listing.assert_called()

"""The pages of availability: what they compute, of what, and for whom."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from cpo_platform.audit.models import Entry
from cpo_platform.common import clock
from cpo_platform.sites import availability
from cpo_platform.staff import operations as staff
from locations import operations, tallying
from locations.models import Evse, Location, LocationUptime
from locations.uptime import Uptime
from tests.factories import LocationFactory, evse
from tests.staff.world import MARK, World, make_world

pytestmark = pytest.mark.django_db

# The factories' EVSEs begin on 1 June at 08:00; it is the tenth now.
FIRST = datetime(2026, 6, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 10, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE_DAY = timedelta(days=1)
PAGE = "/admin/sites/availability/"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def site(name: str, *uids: str) -> Location:
    return LocationFactory(id=name, name=name, evses=[evse(uid) for uid in uids])


def becomes(uid: str, status: str, at: datetime) -> None:
    operations.set_evse_status(evse_id=Evse.objects.get(uid=uid).pk, status=status, now=at)


def tally() -> None:
    assert all(number for _day, number in tallying.tally(now=NOW))


def test_the_page_shows_the_worst_site_first_and_all_together(admin_client: Client) -> None:
    good, bad = site("Good", "G1"), site("Bad", "B1", "B2")
    becomes("B1", "OUTOFORDER", FIRST + 3 * ONE_DAY)
    tally()
    answer = admin_client.get(PAGE, {"from": "2026-06-03", "to": "2026-06-06"})
    rows = answer.context["panel"].rows
    assert [str(bad.name) in str(row[0]) for row in rows] == [True, False]
    assert str(good.name) in str(rows[1][0])
    # Two EVSEs for four days; one of them was down for three.
    assert "62.50 %" in str(rows[0][3])
    assert "75.00 %" in str(answer.context["whole"])
    assert answer.context["below"] == "1"
    days = [value for _name, value in answer.context["chart"].points]
    assert days == pytest.approx([100, 200 / 3, 200 / 3, 200 / 3])


def test_a_period_that_reaches_back_too_far_begins_with_the_first_day(
    admin_client: Client,
) -> None:
    site("Good", "G1")
    tally()
    answer = admin_client.get(PAGE, {"from": "2025-01-01", "to": "2026-06-30"})
    assert (answer.context["since"], answer.context["until"]) == (FIRST, FIRST + 9 * ONE_DAY)
    assert answer.context["is_cut"]
    row = availability.by_location(
        LocationUptime.objects.all(), answer.context["since"], answer.context["until"]
    )
    seconds = 9 * 86400 - 8 * 3600
    assert [uptime for _pk, uptime in row] == [Uptime(seconds, seconds)]


def test_before_any_day_is_over_the_page_says_when_there_will_be_something(
    admin_client: Client,
) -> None:
    text = admin_client.get(PAGE).content.decode()
    assert "No whole day is counted in this period yet" in text


@pytest.mark.parametrize("asked", [{"days": "x"}, {"month": "2026-99"}, {"from": "x"}])
def test_what_is_no_period_is_told_and_the_usual_one_is_shown(
    admin_client: Client, asked: dict[str, str]
) -> None:
    site("Good", "G1")
    tally()
    answer = admin_client.get(PAGE, asked)
    assert answer.status_code == 200
    assert answer.context["asked"].problem
    assert answer.context["asked"].period.days == 30


def test_the_number_of_queries_does_not_grow_with_the_sites(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        site(f"S{number}", f"E{number}")
    tally()
    admin_client.get(PAGE)
    # Who asks (4), choices of parties twice and of groups, bounds, sites, days, and their names.
    with django_assert_max_num_queries(14):
        answer = admin_client.get(PAGE, {"page": "2"})
    assert len(answer.context["panel"].rows) == 10


def test_the_recent_uptime_of_an_evse_holds_today_so_far() -> None:
    site("Good", "G1")
    becomes("G1", "OUTOFORDER", NOW - 3 * HOUR)
    tally()
    pk = Evse.objects.get().pk
    found = availability.recent([pk], now=NOW)[pk]
    week = 7 * 86400 + 6 * 3600
    assert found.by_days[7] == Uptime(week - 3 * 3600, week)
    whole = (NOW - FIRST - 8 * HOUR).total_seconds()
    assert found.by_days[90] == Uptime(whole - 3 * 3600, whole)


def test_an_evse_that_is_new_today_is_measured_from_its_first_status_on() -> None:
    site("Good", "G1")
    pk = Evse.objects.get().pk
    seconds = (NOW - FIRST - 8 * HOUR).total_seconds()
    assert availability.recent([pk], now=NOW)[pk].by_days[7] == Uptime(seconds, seconds)


def test_of_a_new_evse_nothing_is_known_before_its_first_status(admin_client: Client) -> None:
    place = LocationFactory(
        id="New", evses=[evse("N1", status="UNKNOWN")], now=NOW - timedelta(minutes=2)
    )
    evse_page = f"/admin/locations/evse/{Evse.objects.get().pk}/change/"
    for url in (evse_page, f"/admin/locations/location/{place.pk}/change/"):
        text = availability_of(admin_client, url)
        assert "not yet known" in text
        assert "0.00 %" not in text

    # Once it was heard of, not to know is an outage as any other.
    becomes("N1", "AVAILABLE", NOW - timedelta(seconds=90))
    becomes("N1", "UNKNOWN", NOW - timedelta(seconds=60))
    text = availability_of(admin_client, evse_page)
    assert "not yet known" not in text
    # Thirty of 120 seconds.
    assert "25.00 %" in text


def availability_of(client: Client, url: str) -> str:
    page = client.get(url).content.decode()
    return page.partition('id="availability"')[2].partition("</section>")[0]


def test_an_evse_that_was_never_heard_of_on_its_first_day_is_down() -> None:
    LocationFactory(id="New", evses=[evse("N1", status="UNKNOWN")], now=NOW - ONE_DAY)
    pk = Evse.objects.get().pk
    assert availability.recent([pk], now=NOW)[pk].by_days[7] == Uptime()
    tally()
    assert availability.recent([pk], now=NOW)[pk].by_days[7] == Uptime(0, 86400)


def test_a_status_whose_change_is_not_kept_any_more_is_that_of_the_totals() -> None:
    site("Good", "G1")
    tally()
    evse_row = Evse.objects.get()
    evse_row.status_changes.all().delete()
    since = FIRST + 3 * ONE_DAY
    (part,) = availability.statuses_of(evse_row.pk, since=since, until=NOW)
    assert (part.status, part.since, part.until) == ("AVAILABLE", since, NOW)


def test_the_pages_of_a_site_and_of_an_evse_show_their_uptime(admin_client: Client) -> None:
    place = site("Good", "G1")
    becomes("G1", "OUTOFORDER", FIRST + 3 * ONE_DAY)
    tally()
    page = admin_client.get(f"/admin/locations/location/{place.pk}/change/").content.decode()
    assert "Availability of all sites" in page
    pk = Evse.objects.get().pk
    page = admin_client.get(f"/admin/locations/evse/{pk}/change/").content.decode()
    assert "cpo-look-out" in page
    assert "last 30 days and today" in page.lower()


def test_a_file_has_a_row_for_each_site_and_is_written_down(admin_client: Client) -> None:
    site("Good", "G1")
    site("=Bad", "B1")
    becomes("B1", "UNKNOWN", FIRST + 8 * ONE_DAY)
    tally()
    answer = admin_client.get(f"{PAGE}sites.csv", {"from": "2026-06-08", "to": "2026-06-09"})
    lines = text_of(answer).splitlines()
    assert len(lines) == 3
    values = "2026-06-08T00:00:00Z,2026-06-10T00:00:00Z"
    assert lines[1] == f"NL*TST,Good,Good,{place_city()},{values},100.00,172800,172800"
    # A name that a spreadsheet would compute is defused.
    assert lines[2].startswith("NL*TST,'=Bad,'=Bad,")
    assert lines[2].endswith(",50.00,86400,172800")
    note = Entry.objects.filter(action="act").order_by("-id")[0]
    assert "exported 2 rows as CSV: availability-sites" in str(note.after)


def place_city() -> str:
    return str(Location.objects.values_list("city", flat=True)[0])


def test_a_file_has_a_row_for_each_evse(admin_client: Client) -> None:
    site("Good", "G1", "G2")
    tally()
    answer = admin_client.get(f"{PAGE}evses.csv", {"days": "7"})
    lines = text_of(answer).splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["G1", "G2"]
    assert admin_client.get(f"{PAGE}others.csv").status_code == 404


@pytest.mark.parametrize("by", ["party", "group"])
def test_who_has_a_scope_sees_and_takes_their_own_sites_only(by: str) -> None:
    world = make_world()
    tally()
    client = scoped(world, by)
    for path in ("", "sites.csv", "evses.csv"):
        for asked in ({}, {"group": "1"}, {"party": f"NL*{MARK}"}, {"group": other_group(world)}):
            answer = client.get(PAGE + path, {"from": "2026-06-01", **asked})
            text = text_of(answer) if path else answer.content.decode()
            assert answer.status_code == 200
            assert MARK not in text
    assert "OWN-L" in text_of(client.get(f"{PAGE}sites.csv", {"from": "2026-06-01"}))


def other_group(world: World) -> str:
    return str(world.other["locations.locationgroup"])


def scoped(world: World, by: str) -> Client:
    user = User.objects.create_user("scoped", is_staff=True)
    staff.set_roles(user_id=user.pk, roles=["operator_admin"])
    ids: Any = {"party_ids": [world.party.pk]} if by == "party" else {"group_ids": [world.group.pk]}
    staff.set_scope(user_id=user.pk, everything=False, **ids)
    client = Client()
    client.force_login(user)
    return client


def test_without_the_permission_to_see_locations_there_is_nothing() -> None:
    user = User.objects.create_user("nobody", is_staff=True)
    client = Client()
    client.force_login(user)
    for path in ("", "sites.csv", "evses.csv"):
        assert client.get(PAGE + path).status_code == 403


def text_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode().lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")

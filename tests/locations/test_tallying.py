"""The history of statuses, and the totals that are made of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cpo_platform.common import clock
from locations import canonical, operations, tallying, tasks
from locations.models import Evse, EvseUptime, Location, LocationUptime, StatusChange
from locations.uptime import spans, uptime_of
from tests.factories import NOW, LocationFactory, evse

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE_DAY = timedelta(days=1)


@pytest.fixture
def site() -> Location:
    return LocationFactory(evses=[evse("E1"), evse("E2")])


def history() -> list[tuple[str, datetime, str]]:
    rows = StatusChange.objects.order_by("at", "evse__uid")
    return list(rows.values_list("evse__uid", "at", "status"))


def totals(uid: str, at: datetime) -> tuple[int, int, str]:
    return EvseUptime.objects.values_list("up", "measured", "status").get(evse__uid=uid, at=at)


def test_a_new_evse_begins_its_history(site: Location) -> None:
    assert history() == [("E1", NOW, "AVAILABLE"), ("E2", NOW, "AVAILABLE")]


def test_a_change_of_status_is_kept_once_and_no_change_is_not(site: Location) -> None:
    pk = Evse.objects.get(uid="E1").pk
    operations.set_evse_status(evse_id=pk, status="CHARGING", now=NOW + HOUR)
    operations.set_evse_status(evse_id=pk, status="CHARGING", now=NOW + 2 * HOUR)
    assert history()[2:] == [("E1", NOW + HOUR, "CHARGING")]


def test_a_clock_that_goes_back_does_not_turn_the_history_around(site: Location) -> None:
    pk = Evse.objects.get(uid="E1").pk
    operations.set_evse_status(evse_id=pk, status="CHARGING", now=NOW + HOUR)
    operations.set_evse_status(evse_id=pk, status="AVAILABLE", now=NOW)
    rows = [(at, status) for uid, at, status in history() if uid == "E1"]
    assert rows == [
        (NOW, "AVAILABLE"),
        (NOW + HOUR, "CHARGING"),
        (NOW + HOUR + timedelta(milliseconds=1), "AVAILABLE"),
    ]


def test_an_import_that_changes_a_status_keeps_it_and_another_field_does_not(
    site: Location,
) -> None:
    shape = canonical.shape_of(Location.objects.complete().get())
    first, second = shape.evses or []
    changed = shape.model_copy(
        update={
            "evses": [
                first.model_copy(update={"status": "OUTOFORDER"}),
                second.model_copy(update={"floor_level": "-1"}),
            ]
        }
    )
    operations.put_location(location=changed, now=NOW + HOUR)
    assert history()[2:] == [("E1", NOW + HOUR, "OUTOFORDER")]


def test_to_set_a_status_takes_one_statement_beside_its_announcement(
    site: Location, django_assert_num_queries: Any
) -> None:
    pk = Evse.objects.get(uid="E1").pk
    # A savepoint, the statement, the row of the feed, and the savepoint's end.
    with django_assert_num_queries(4):
        operations.set_evse_status(evse_id=pk, status="CHARGING", now=NOW + HOUR)


def test_the_totals_of_days_are_what_the_statuses_say(site: Location) -> None:
    pk = Evse.objects.get(uid="E1").pk
    for hours, status in ((4, "OUTOFORDER"), (6, "CHARGING"), (30, "UNKNOWN"), (40, "RESERVED")):
        operations.set_evse_status(evse_id=pk, status=status, now=NOW + hours * HOUR)
    for number in range(3):
        assert tallying.tally_day(day=DAY + number * ONE_DAY) == 2
    changes = [(at, status) for uid, at, status in history() if uid == "E1"]
    for number in range(1, 4):
        end = DAY + number * ONE_DAY
        expected = uptime_of(spans(changes, before=None, since=DAY, until=end))
        assert totals("E1", end)[:2] == (expected.up, expected.measured)
        both = LocationUptime.objects.get(at=end)
        assert both.up == expected.up + (end - NOW).total_seconds()
        assert both.measured == 2 * (end - NOW).total_seconds()
    assert totals("E1", DAY + ONE_DAY)[2] == "CHARGING"
    assert totals("E1", DAY + 3 * ONE_DAY)[2] == "RESERVED"


def test_a_change_at_midnight_belongs_to_the_day_that_begins(site: Location) -> None:
    pk = Evse.objects.get(uid="E1").pk
    midnight = DAY + ONE_DAY
    operations.set_evse_status(evse_id=pk, status="UNKNOWN", now=midnight)
    tallying.tally_day(day=DAY)
    tallying.tally_day(day=midnight)
    assert totals("E1", midnight) == (16 * 3600, 16 * 3600, "AVAILABLE")
    assert totals("E1", midnight + ONE_DAY) == (16 * 3600, 40 * 3600, "UNKNOWN")


def test_a_day_that_is_done_twice_is_the_same(site: Location) -> None:
    for day in (DAY, DAY + ONE_DAY):
        tallying.tally_day(day=day)
    before = [list(model.objects.order_by("pk").values()) for model in (EvseUptime, LocationUptime)]
    assert tallying.tally_day(day=DAY + ONE_DAY) == 2
    assert before == [
        list(model.objects.order_by("pk").values()) for model in (EvseUptime, LocationUptime)
    ]


def test_days_are_done_in_order_when_they_are_over(site: Location) -> None:
    assert tallying.next_day(now=DAY + ONE_DAY) is None
    over = DAY + ONE_DAY + tallying.GRACE
    assert tallying.next_day(now=over) == DAY
    tallying.tally_day(day=DAY)
    assert tallying.next_day(now=over) is None
    assert tallying.next_day(now=over + 5 * ONE_DAY) == DAY + ONE_DAY


def test_the_task_makes_up_for_every_day_that_was_missed(
    site: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: DAY + 3 * ONE_DAY + HOUR)
    tasks.tally_uptime()
    ends = LocationUptime.objects.order_by("at").values_list("at", flat=True)
    assert list(ends) == [DAY + number * ONE_DAY for number in range(4)]
    tasks.tally_uptime()
    assert LocationUptime.objects.count() == 4


def test_a_network_without_evses_has_no_day_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 7, 1, tzinfo=UTC))
    tasks.tally_uptime()
    assert not LocationUptime.objects.exists()


def test_what_is_removed_is_measured_no_more_and_its_site_keeps_what_it_had(
    site: Location,
) -> None:
    pk = Evse.objects.get(uid="E1").pk
    operations.set_evse_status(evse_id=pk, status="REMOVED", now=NOW + HOUR)
    for day in (DAY, DAY + ONE_DAY):
        tallying.tally_day(day=day)
    end = DAY + 2 * ONE_DAY
    assert totals("E1", end) == (3600, 3600, "REMOVED")
    assert LocationUptime.objects.get(at=end).measured == 3600 + (end - NOW).total_seconds()

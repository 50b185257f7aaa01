"""Uptime of statuses, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from locations.models import Status
from locations.uptime import (
    DOWN,
    FREE,
    IN_USE,
    MEASURED,
    OUT,
    PARTLY,
    UNMEASURED,
    UP,
    Span,
    Uptime,
    spans,
    timeline,
    uptime_of,
)

DAY = datetime(2026, 3, 29, tzinfo=UTC)
END = DAY + timedelta(days=1)
HOUR = timedelta(hours=1)

CHANGES = st.lists(
    st.tuples(st.integers(-90_000, 180_000), st.sampled_from(Status.values)), max_size=30
).map(lambda all_: sorted({DAY + timedelta(seconds=at): one for at, one in all_}.items()))


def test_every_status_is_up_down_or_outside_of_the_measure() -> None:
    outside = {"PLANNED", "REMOVED"}
    assert {*UP} | {*DOWN} | outside == {*Status.values}
    assert not {*UP} & {*DOWN}


def test_what_was_before_the_first_known_status_is_not_counted() -> None:
    found = spans([(DAY + 6 * HOUR, "AVAILABLE")], before=None, since=DAY, until=END)
    assert found == [Span("AVAILABLE", DAY + 6 * HOUR, END)]
    assert uptime_of(found) == Uptime(up=18 * 3600, measured=18 * 3600)


def test_a_status_that_crosses_the_ends_of_the_period_counts_within_only() -> None:
    changes = [(DAY - HOUR, "OUTOFORDER"), (DAY + HOUR, "CHARGING"), (END + HOUR, "AVAILABLE")]
    found = uptime_of(spans(changes, before=None, since=DAY, until=END))
    assert found == Uptime(up=23 * 3600, measured=24 * 3600)


def test_while_an_evse_is_planned_or_removed_it_is_not_measured() -> None:
    changes = [(DAY + 8 * HOUR, "AVAILABLE"), (DAY + 20 * HOUR, "REMOVED")]
    found = uptime_of(spans(changes, before="PLANNED", since=DAY, until=END))
    assert found == Uptime(up=12 * 3600, measured=12 * 3600)
    assert Uptime().percent is None


@given(changes=CHANGES, before=st.sampled_from([None, *Status.values]))
def test_uptime_is_what_counting_each_minute_gives(
    changes: list[tuple[datetime, str]], before: str | None
) -> None:
    minutes = [(at.replace(second=0), status) for at, status in changes]
    changes = sorted(dict(minutes).items())
    up = measured = 0
    for number in range(24 * 60):
        begin = DAY + timedelta(minutes=number)
        status = next((one for at, one in reversed(changes) if at <= begin), before)
        up += 60 * (status in UP)
        measured += 60 * (status in MEASURED)
    found = uptime_of(spans(changes, before=before, since=DAY, until=END))
    assert (found.up, found.measured) == (up, measured)


@given(changes=CHANGES, before=st.sampled_from([None, *Status.values]))
def test_a_period_is_the_sum_of_its_parts(
    changes: list[tuple[datetime, str]], before: str | None
) -> None:
    noon = DAY + 12 * HOUR
    whole = spans(changes, before=before, since=DAY, until=END)
    first = spans(changes, before=before, since=DAY, until=noon)
    at_noon = first[-1].status if first and first[-1].until == noon else None
    if changes and changes[0][0] <= noon:
        at_noon = next((one for at, one in reversed(changes) if at <= noon), at_noon)
    second = spans(changes, before=at_noon, since=noon, until=END)
    assert uptime_of(first) + uptime_of(second) == uptime_of(whole)


@given(changes=CHANGES, before=st.sampled_from([None, *Status.values]))
def test_a_timeline_covers_the_time_once_and_hides_no_outage(
    changes: list[tuple[datetime, str]], before: str | None
) -> None:
    parts = spans(changes, before=before, since=DAY, until=END)
    found = timeline(parts, since=DAY, until=END, step=HOUR)
    assert found[0].since == DAY
    assert found[-1].until == END
    assert all(one.until == other.since for one, other in pairwise(found))
    assert len(found) <= 24
    for part in parts:
        if part.status in DOWN:
            met = [one for one in found if one.since < part.until and one.until > part.since]
            assert {one.look for one in met} <= {OUT, PARTLY}


def test_an_evse_that_flaps_makes_one_stretch_and_not_a_thousand() -> None:
    changes = [
        (DAY + timedelta(minutes=number), ("CHARGING", "AVAILABLE")[number % 2])
        for number in range(24 * 60)
    ]
    parts = spans(changes, before=None, since=DAY, until=END)
    found = timeline(parts, since=DAY, until=END, step=HOUR)
    assert len(parts) == 24 * 60
    assert [one.look for one in found] == [FREE]


def test_a_timeline_tells_use_from_waiting_and_from_nothing_known() -> None:
    changes = [(DAY + HOUR, "CHARGING"), (DAY + 2 * HOUR, "UNKNOWN"), (DAY + 3 * HOUR, "REMOVED")]
    parts = spans(changes, before=None, since=DAY, until=DAY + 4 * HOUR)
    found = timeline(parts, since=DAY, until=DAY + 4 * HOUR, step=HOUR)
    assert [one.look for one in found] == [UNMEASURED, IN_USE, OUT, UNMEASURED]

"""Periods, as they are asked for."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpo_platform.sites.periods import MOST_POINTS, BadPeriod, points, read

TODAY = date(2026, 11, 27)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({}, date(2026, 10, 28), date(2026, 11, 26)),
        ({"days": "7"}, date(2026, 11, 20), date(2026, 11, 26)),
        ({"days": "7", "month": "2026-02"}, date(2026, 2, 1), date(2026, 2, 28)),
        ({"month": "2024-02"}, date(2024, 2, 1), date(2024, 2, 29)),
        ({"from": "2026-03-01", "to": "2026-03-02"}, date(2026, 3, 1), date(2026, 3, 2)),
        ({"from": "2026-11-25"}, date(2026, 11, 25), date(2026, 11, 26)),
        ({"to": "2026-03-02"}, date(2026, 3, 2), date(2026, 3, 2)),
    ],
)
def test_a_period_has_the_days_that_are_asked_for(
    asked: dict[str, str], first: date, last: date
) -> None:
    found = read(asked, today=TODAY)
    assert (found.first, found.last) == (first, last)
    assert found.until - found.since == timedelta(days=found.days)


@pytest.mark.parametrize(
    "asked",
    [
        *({"days": "8"}, {"days": "-7"}, {"month": "2026-13"}, {"month": "11/2026"}),
        *({"from": "yesterday"}, {"from": "2026-03-02", "to": "2026-03-01"}),
        *({"from": "1026-03-02", "to": "2026-03-01"}, {"month": "0000-01"}, {"to": "2026-02-30"}),
    ],
)
def test_what_is_no_period_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(BadPeriod):
        read(asked, today=TODAY)


@given(days=st.integers(1, 4000))
def test_a_chart_covers_the_whole_period_with_few_points(days: int) -> None:
    end = BEGIN + timedelta(days=days)
    found = points(BEGIN, end)
    assert found[0] == BEGIN
    assert found[-1] == end
    assert found == sorted(set(found))
    assert len(found) <= MOST_POINTS + 1

"""Weeks of opening hours, as people at the location live them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from locations.opening import ALSO_OPEN, CLOSED, DAY, OPEN, Part, coming, week

BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
MONDAY = date(2026, 3, 23)


def hours(**more: Any) -> dict[str, Any]:
    return {
        "twentyfourseven": False,
        "regular_hours": [
            {"weekday": 1, "period_begin": "08:00", "period_end": "12:00"},
            {"weekday": 1, "period_begin": "13:00", "period_end": "23:59"},
        ],
        **more,
    }


def exception(begin: str, end: str) -> list[dict[str, str]]:
    return [{"period_begin": begin, "period_end": end}]


def test_regular_hours_are_those_of_their_weekday_and_end_at_midnight() -> None:
    found = week(hours(), zone=BERLIN, first=MONDAY)
    assert found[0].parts == (Part(OPEN, 480, 720), Part(OPEN, 780, DAY))
    assert [one.parts for one in found[1:]] == [()] * 6
    assert [one.day.isoweekday() for one in found] == [1, 2, 3, 4, 5, 6, 7]


def test_a_closing_goes_before_regular_hours_and_openings() -> None:
    stated = hours(
        exceptional_openings=exception("2026-03-23T06:00:00Z", "2026-03-23T08:00:00Z"),
        exceptional_closings=exception("2026-03-23T07:30:00Z", "2026-03-23T09:00:00Z"),
    )
    # 07:00 to 09:00 in Berlin; closed from 08:30 to 10:00.
    assert week(stated, zone=BERLIN, first=MONDAY)[0].parts == (
        *(Part(ALSO_OPEN, 420, 480), Part(OPEN, 480, 510), Part(CLOSED, 510, 600)),
        *(Part(OPEN, 600, 720), Part(OPEN, 780, DAY)),
    )


def test_an_exception_in_utc_is_on_the_local_day() -> None:
    stated = {
        "twentyfourseven": True,
        "exceptional_closings": exception("2026-03-23T20:00:00Z", "2026-03-24T02:00:00Z"),
    }
    found = week(stated, zone=TOKYO, first=MONDAY)
    assert found[0].parts == (Part(OPEN, 0, DAY),)
    assert found[1].parts == (Part(OPEN, 0, 300), Part(CLOSED, 300, 660), Part(OPEN, 660, DAY))


def test_the_day_on_which_clocks_go_forward_has_the_hours_that_its_clock_shows() -> None:
    # 29 March: 02:00 becomes 03:00 in Berlin, so that 01:00 UTC is 03:00.
    stated = {
        "twentyfourseven": True,
        "exceptional_closings": exception("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
    }
    sunday = week(stated, zone=BERLIN, first=date(2026, 3, 29))[0]
    assert sunday.parts == (Part(OPEN, 0, 60), Part(CLOSED, 60, 240), Part(OPEN, 240, DAY))


def test_an_exception_of_many_days_fills_the_days_between() -> None:
    stated = {
        "twentyfourseven": True,
        "exceptional_closings": exception("2026-03-23T11:00:00Z", "2026-03-25T11:00:00Z"),
    }
    found = week(stated, zone=BERLIN, first=MONDAY)
    assert found[1].parts == (Part(CLOSED, 0, DAY),)
    assert found[2].parts == (Part(CLOSED, 0, 720), Part(OPEN, 720, DAY))


def test_the_coming_exceptions_are_those_that_touch_the_time_in_order() -> None:
    stated = hours(
        exceptional_openings=exception("2026-03-30T06:00:00Z", "2026-03-30T08:00:00Z"),
        exceptional_closings=[
            *exception("2026-03-20T00:00:00Z", "2026-03-24T00:00:00Z"),
            *exception("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"),
        ],
    )
    since = datetime(2026, 3, 23, tzinfo=UTC)
    found = coming(stated, zone=BERLIN, since=since, until=since + timedelta(days=14))
    assert [one.kind for one in found] == [CLOSED, ALSO_OPEN]
    assert found[1].since.hour == 8


MINUTES = st.integers(0, 7 * DAY)
SPANS = st.lists(st.tuples(MINUTES, MINUTES).map(sorted).filter(lambda one: one[0] < one[1]))


@given(opened=SPANS, closed=SPANS, zone=st.sampled_from([BERLIN, TOKYO]))
def test_parts_of_a_day_are_in_order_and_never_overlap(
    opened: list[list[int]], closed: list[list[int]], zone: ZoneInfo
) -> None:
    begin = datetime(2026, 3, 25, tzinfo=UTC)

    def periods(spans: list[list[int]]) -> list[dict[str, str]]:
        return [
            {
                name: (begin + timedelta(minutes=minute)).isoformat()
                for name, minute in zip(("period_begin", "period_end"), span, strict=True)
            }
            for span in spans
        ]

    stated = hours(exceptional_openings=periods(opened), exceptional_closings=periods(closed))
    for one in week(stated, zone=zone, first=MONDAY):
        edges = [edge for part in one.parts for edge in (part.begin, part.end)]
        assert edges == sorted(edges)
        assert all(0 <= part.begin < part.end <= DAY for part in one.parts)

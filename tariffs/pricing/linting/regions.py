"""Say in words which states a box holds."""

from collections.abc import Iterator
from datetime import time
from decimal import Decimal

from tariffs.pricing.linting.findings import Said, Seconds, Value, Words
from tariffs.pricing.linting.space import (
    AXES,
    DAY,
    DURATION,
    MAY_BE_UNKNOWN,
    MINUTES,
    TIME,
    Box,
    Space,
    places,
    runs,
)
from tariffs.pricing.types import DayOfWeek

UNITS = {2: "kWh", 3: "kW", 4: "A"}
DASH = "\N{EN DASH}"
_WEEK = tuple(DayOfWeek)


def region(space: Space, box: Box) -> Value:
    """Return the phrases that tell a box from all states."""
    parts = [
        part for axis in AXES if box[axis] != space.full[axis] for part in _axis(space, box, axis)
    ]
    return Words(tuple(parts)) if parts else Said("ALWAYS")


def _axis(space: Space, box: Box, axis: int) -> Iterator[Value]:
    if axis == DAY:
        yield from _days(space, box[DAY])
    elif axis == TIME:
        yield Words(tuple(_times(space, box[TIME])))
    else:
        yield from _numbers(space, box[axis], axis)


def _days(space: Space, cells: int) -> Iterator[Value]:
    chosen = [space.days[place] for place in places(cells)]
    weekdays = sorted({cell.weekday for cell in chosen})
    if len(weekdays) < 7:
        yield Words(tuple(Said(_WEEK[day].value) for day in weekdays))
    starts = [cell.start for cell in chosen]
    ends = [cell.end for cell in chosen]
    first = None if None in starts else min(day for day in starts if day)
    last = None if None in ends else max(day for day in ends if day)
    if first is not None:
        yield Said("FROM", {"bound": first.isoformat()})
    if last is not None:
        yield Said("BEFORE", {"bound": last.isoformat()})


def _times(space: Space, cells: int) -> Iterator[Value]:
    ranges = [(space.minutes(one)[0], space.minutes(last)[1]) for one, last in runs(cells)]
    # Around midnight it is one range.
    if len(ranges) > 1 and ranges[0][0] == 0 and ranges[-1][1] == MINUTES:
        ranges = [*ranges[1:-1], (ranges[-1][0], ranges[0][1])]
    for start, end in ranges:
        yield f"{_clock(start)}{DASH}{_clock(end)}"


def _clock(minute: int) -> str:
    return "24:00" if minute == MINUTES else f"{time(minute // 60, minute % 60):%H:%M}"


def _numbers(space: Space, cells: int, axis: int) -> Iterator[Value]:
    if axis in MAY_BE_UNKNOWN and cells == space.unknown(axis):
        yield Said("UNKNOWN_POWER" if UNITS[axis] == "kW" else "UNKNOWN_CURRENT")
        return
    known = cells & ((1 << len(space.bounds[axis])) - 1)
    for first, last in runs(known):
        low, high = space.limits(axis, first)[0], space.limits(axis, last)[1]
        if low:
            yield Said("AFTER" if axis == DURATION else "FROM", {"bound": _bound(axis, low)})
        if high is not None:
            yield Said("UNTIL" if axis == DURATION else "BELOW", {"bound": _bound(axis, high)})


def _bound(axis: int, value: Decimal) -> Value:
    if axis == DURATION:
        return Seconds(int(value))
    text = f"{value.normalize():f}"
    return f"{text} {UNITS[axis]}"

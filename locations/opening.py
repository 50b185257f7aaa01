"""When a location is open, as a week of days that people can look at. Pure: no database, no clock.

OCPI 2.3.0, mod_locations, Hours: exceptional openings come on top of regular hours, exceptional
closings go before both. Regular hours are local time, exceptions are UTC.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

OPEN, ALSO_OPEN, CLOSED = "open", "also_open", "closed"
DAY = 24 * 60
# The last minute that a form can write stands for the end of the day.
_LAST_MINUTE = DAY - 1


@dataclass(frozen=True)
class Part:
    """From a minute of the day, by the clock on the wall, until another."""

    kind: str
    begin: int
    end: int


@dataclass(frozen=True)
class Day:
    """A day at the location; what is in none of its parts is closed as usual."""

    day: date
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Special:
    """An exceptional opening (`ALSO_OPEN`) or closing (`CLOSED`): aware moments, local."""

    kind: str
    since: datetime
    until: datetime


def week(hours: Mapping[str, Any], *, zone: ZoneInfo, first: date) -> list[Day]:
    """Return seven days from `first` on, in the time of the location."""
    exceptions = list(_exceptions(hours, zone))
    return [_day(hours, exceptions, first + timedelta(days=number), zone) for number in range(7)]


def coming(
    hours: Mapping[str, Any], *, zone: ZoneInfo, since: datetime, until: datetime
) -> list[Special]:
    """Return the exceptions that touch a span of time, in order."""
    found = [one for one in _exceptions(hours, zone) if one.until > since and one.since < until]
    return sorted(found, key=lambda one: (one.since, one.until))


def _exceptions(hours: Mapping[str, Any], zone: ZoneInfo) -> Iterator[Special]:
    for name, kind in (("exceptional_openings", ALSO_OPEN), ("exceptional_closings", CLOSED)):
        for period in hours.get(name) or []:
            begin, end = (_moment(period[key]) for key in ("period_begin", "period_end"))
            yield Special(kind, begin.astimezone(zone), end.astimezone(zone))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(hours: Mapping[str, Any], exceptions: Iterable[Special], day: date, zone: ZoneInfo) -> Day:
    spans = {OPEN: list(_regular(hours, day)), ALSO_OPEN: [], CLOSED: []}
    for one in exceptions:
        begin, end = _minute(one.since, day, zone), _minute(one.until, day, zone)
        if begin < end:
            spans[one.kind].append((begin, end))
    edges = sorted({edge for each in spans.values() for span in each for edge in span})
    parts: list[Part] = []
    for begin, end in pairwise(edges):
        kind = _kind(spans, begin)
        if kind and parts and parts[-1].kind == kind and parts[-1].end == begin:
            parts[-1] = Part(kind, parts[-1].begin, end)
        elif kind:
            parts.append(Part(kind, begin, end))
    return Day(day, tuple(parts))


def _kind(spans: Mapping[str, list[tuple[int, int]]], minute: int) -> str:
    """Return what holds from a minute on, until the next edge."""
    for kind in (CLOSED, OPEN, ALSO_OPEN):
        if any(begin <= minute < end for begin, end in spans[kind]):
            return kind
    return ""


def _regular(hours: Mapping[str, Any], day: date) -> Iterator[tuple[int, int]]:
    if hours.get("twentyfourseven"):
        yield 0, DAY
        return
    for period in hours.get("regular_hours") or []:
        if period["weekday"] == day.isoweekday():
            end = _clock(period["period_end"])
            yield _clock(period["period_begin"]), DAY if end in {0, _LAST_MINUTE} else end


def _clock(text: str) -> int:
    hour, _colon, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _minute(moment: datetime, day: date, zone: ZoneInfo) -> int:
    """Return the minute of a day that a moment is at, by its clock; its ends where it is not."""
    local = moment.astimezone(zone)
    if local.date() != day:
        return 0 if local < datetime.combine(day, time.min, tzinfo=zone) else DAY
    return local.hour * 60 + local.minute

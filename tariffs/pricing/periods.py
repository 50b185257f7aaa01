"""Cut metered segments at every moment at which another price component may become active."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cpo_platform.common.money import OCPI_PLACES
from tariffs.pricing.compiled import CompiledTariff
from tariffs.pricing.exact import duration_micros, micros_of, places_of, rounded_ratio, scaled
from tariffs.pricing.types import InvalidSegment, Segment

# Where a segment is cut, energy and time are what OCPI can tell, four decimals of a kWh and a
# millisecond: a partner that reads the charging periods has the very numbers that were priced.
# Energy that is given with more decimals keeps them.
ENERGY_PLACES = OCPI_PLACES
RESOLUTION = 1000

_DAY = timedelta(days=1)


class Piece(NamedTuple):
    """Hold a part of a segment over which no restriction of the tariffs changes its answer.

    Times are microseconds (`start` and `end` since 1970), energy is in units of the session, and
    `time` is what counts of the duration.
    `kwh_before` counts from the start of the session, `micros_before` from that of the phase, and
    `parked_before` is the parking before the piece. `interval` numbers the stretches in which the
    local clock passes no bound.
    """

    segment: Segment
    is_reserved: bool
    start: int
    end: int
    time: int
    energy: int
    kwh_before: int
    micros_before: int
    parked_before: int
    interval: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Hold all bounds that pieces end at, in whole numbers and in order."""

    clock: tuple[int, ...]
    switches: tuple[int, ...]
    durations: tuple[int, ...]
    kwh: tuple[int, ...]
    grace: tuple[int, ...]

    def moments(self, began: int) -> list[int]:
        """Return the moments at which a phase that began then may be cut."""
        return sorted({*self.clock, *self.switches, *(began + d for d in self.durations)})


def energy_places(tariffs: Iterable[CompiledTariff], segments: Iterable[Segment]) -> int:
    """Return how many decimals of a kWh make every energy that is given a whole number."""
    return max(
        ENERGY_PLACES,
        *(tariff.energy_places for tariff in tariffs),
        *(places_of(segment.energy) for segment in segments),
    )


def marks_of(
    tariffs: Sequence[CompiledTariff],
    segments: Sequence[Segment],
    *,
    zone: ZoneInfo,
    places: int,
    switches: Iterable[int] = (),
) -> Marks:
    """Return the bounds of all tariffs that matter to these segments."""
    times = {t for tariff in tariffs for t in tariff.bounds.times}
    clock = clock_moments(times, zone, segments[0].start, segments[-1].end)
    return Marks(
        clock=tuple(map(micros_of, clock)),
        switches=tuple(sorted(switches)),
        durations=tuple(sorted({d for tariff in tariffs for d in tariff.bounds.durations})),
        kwh=tuple(sorted({b for tariff in tariffs for b in tariff.kwh_bounds(places)})),
        grace=tuple(sorted({g for tariff in tariffs for g in tariff.bounds.grace})),
    )


def cut(segments: Sequence[Segment], marks: Marks, places: int) -> Iterator[Piece]:
    """Cut segments, in order of time, so that each piece has one constant set of components.

    Time and energy of the pieces of a segment add up to those of the segment exactly. The moment
    at which an energy bound is crossed is rounded to the millisecond, and the energy at a moment to
    a unit of the session: a session that is cut elsewhere, too, is cut here at the same places.

    Raises:
        InvalidSegment: the segments overlap or are not in order.
    """
    for earlier, later in pairwise(segments):
        if later.start < earlier.end:
            raise InvalidSegment("segments: must be in order of time and must not overlap")
    cutter = _Cutter(marks, places)
    for segment in segments:
        yield from cutter.pieces(segment)


def clock_moments(
    times: Iterable[time], zone: ZoneInfo, start: datetime, end: datetime
) -> list[datetime]:
    """Return in UTC when the local clock shows one of these times, between `start` and `end`.

    Changes of the offset (DST) are moments as well: the clock then jumps over or back behind some
    of the times. No times, no moments.
    """
    times = set(times)
    if not times:
        return []
    changes = list(_offset_changes(zone, start, end))
    moments = set(changes)
    # With one offset all along, which of two equal local times is meant is never a question.
    offset = None if changes else start.astimezone(zone).utcoffset()
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for time_of_day in times:
            moments.update(_moments_of(datetime.combine(day, time_of_day), zone, offset))
        day += _DAY
    return sorted(moment for moment in moments if start < moment < end)


def _moments_of(local: datetime, zone: ZoneInfo, offset: timedelta | None) -> tuple[datetime, ...]:
    """Return when a local clock shows a time: at a fixed offset once, else perhaps twice."""
    if offset is not None:
        return ((local - offset).replace(tzinfo=UTC),)
    return tuple(local.replace(fold=fold, tzinfo=zone).astimezone(UTC) for fold in (0, 1))


class _Cutter:
    """Goes through the segments of a session and keeps what has been used so far."""

    def __init__(self, marks: Marks, places: int) -> None:
        self._marks = marks
        self._places = places
        self._kwh = 0
        self._parked = 0
        # When each phase began (reserved or not), and the moments at which it may be cut.
        self._phases: dict[bool, tuple[int, list[int]]] = {}

    def pieces(self, segment: Segment) -> Iterator[Piece]:
        """Return the pieces of the next segment."""
        start, end, kwh = micros_of(segment.start), micros_of(segment.end), self._kwh
        energy = scaled(segment.energy, self._places)
        is_reserved = segment.phase.is_reservation
        is_parking = not segment.requesting_power and not is_reserved
        if is_reserved not in self._phases:
            self._phases[is_reserved] = start, self._marks.moments(start)
        began, moments = self._phases[is_reserved]
        inside = moments[bisect_right(moments, start) : bisect_left(moments, end)]
        if is_parking and self._marks.grace:
            inside = sorted({*inside, *self._grace_ends(start, end)})
        bounds = self._marks.kwh
        crossed = bounds[bisect_right(bounds, kwh) : bisect_left(bounds, kwh + energy)]
        clock = self._marks.clock
        at, used = start, kwh
        for next_at, next_used in _points(inside, crossed, (start, kwh), (end, kwh + energy)):
            time = next_at - at
            if segment.billable is not None:
                time = _billable(segment, (at, used - kwh), (next_at, next_used - kwh))
            parked = self._parked + at - start if is_parking else self._parked
            interval = bisect_right(clock, at) if clock else 0
            # In the order of its fields: by name it takes half as long again.
            yield Piece(
                *(segment, is_reserved, at, next_at, time, next_used - used),
                *(used, at - began, parked, interval),
            )
            at, used = next_at, next_used
        self._kwh += energy
        if is_parking:
            self._parked += end - start

    def _grace_ends(self, start: int, end: int) -> Iterator[int]:
        began = start - self._parked
        return (began + free for free in self._marks.grace if start < began + free < end)


def _points(
    moments: Sequence[int], crossed: Sequence[int], first: tuple[int, int], last: tuple[int, int]
) -> Sequence[tuple[int, int]]:
    """Return where the pieces of a segment end: the moment, and the energy by then.

    Energy and time both grow evenly from `first` to `last`.
    """
    if not moments and not crossed:
        return (last,)
    (start, kwh), (end, kwh_after) = first, last
    length, energy = end - start, kwh_after - kwh
    points = {(at, kwh + rounded_ratio(energy * (at - start), length)) for at in moments}
    for bound in crossed:
        exact = start * energy + (bound - kwh) * length
        at = rounded_ratio(exact, energy * RESOLUTION) * RESOLUTION
        points.add((min(max(at, start), end), bound))
    points.discard(first)
    points.add(last)
    return sorted(points)


def _billable(segment: Segment, first: tuple[int, int], last: tuple[int, int]) -> int:
    """Return a piece's share in the time of its segment that counts; the shares add up.

    `first` and `last` are where it begins and ends: the moment, and the energy in the segment.
    """
    assert segment.billable is not None  # noqa: S101  the caller has looked
    total, start = duration_micros(segment.billable), micros_of(segment.start)
    length = micros_of(segment.end) - start
    if length:
        return rounded_ratio(total * (last[0] - start), length) - rounded_ratio(
            total * (first[0] - start), length
        )
    # All of it happened in one moment: what was told first is told with the first energy.
    return total if first[1] == 0 else 0


def _offset_changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterable[datetime]:
    day = start
    while day < end:
        next_day = min(day + _DAY, end)
        if _offset(zone, day) != _offset(zone, next_day):
            yield _offset_change(zone, day, next_day)
        day = next_day


def _offset_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    # Offsets change on whole seconds of UTC.
    before, after = before.replace(microsecond=0), after.replace(microsecond=0)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // timedelta(seconds=2) * timedelta(seconds=1)
        if _offset(zone, middle) == _offset(zone, before):
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()

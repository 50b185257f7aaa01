"""Cut metered segments at every moment at which another price component may become active."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

from tariffs.pricing.restrictions import State
from tariffs.pricing.types import InvalidSegment, Segment, Tariff, TariffRestrictions

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a part of a segment over which no restriction of the tariff changes its answer.

    `energy` is kWh in this piece; `kwh_before` and `seconds_before` count from the start of the
    session (of the reservation for a reservation) to the start of the piece.
    """

    segment: Segment
    start: datetime
    end: datetime
    energy: Fraction
    kwh_before: Fraction
    seconds_before: Fraction

    @property
    def seconds(self) -> Fraction:
        """Return the exact duration."""
        return _seconds(self.end - self.start)

    def state(self, zone: ZoneInfo) -> State:
        """Return the state at the start, which holds for the whole piece.

        Every bound that the session can move through is inclusive below and exclusive above.
        """
        return State(
            local=self.start.astimezone(zone),
            seconds=self.seconds_before,
            kwh=self.kwh_before,
            current=self.segment.current,
            power=self.segment.power,
            phase=self.segment.phase,
        )


def cut(tariff: Tariff, segments: Sequence[Segment], zone: ZoneInfo) -> tuple[Piece, ...]:
    """Cut segments, in order of time, so that each piece has one constant set of components.

    Time and energy of the pieces of a segment add up to those of the segment exactly. The moment
    at which an energy threshold is crossed is rounded to the microsecond.

    Raises:
        InvalidSegment: the segments overlap or are not in order.
    """
    if not segments:
        return ()
    for earlier, later in pairwise(segments):
        if later.start < earlier.end:
            raise InvalidSegment("segments: must be in order of time and must not overlap")
    restrictions = [element.restrictions for element in tariff.elements]
    clock = clock_moments(_times_of_day(restrictions), zone, segments[0].start, segments[-1].end)
    durations = _numbers(restrictions, "min_duration", "max_duration")
    thresholds = _numbers(restrictions, "min_kwh", "max_kwh")

    pieces: list[Piece] = []
    kwh = Fraction(0)
    phase_starts: dict[bool, datetime] = {}
    for segment in segments:
        began = phase_starts.setdefault(segment.phase.is_reservation, segment.start)
        moments = [
            *clock[bisect_right(clock, segment.start) : bisect_left(clock, segment.end)],
            *(began + timedelta(seconds=int(duration)) for duration in durations),
        ]
        pieces.extend(_cut_segment(segment, began, kwh, moments, thresholds))
        kwh += Fraction(segment.energy)
    return tuple(pieces)


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
    moments = set(_offset_changes(zone, start, end))
    day, last = start.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + _DAY
    while day <= last:
        for time_of_day in times:
            for fold in (0, 1):
                local = datetime.combine(day, time_of_day, tzinfo=zone).replace(fold=fold)
                moments.add(local.astimezone(UTC))
        day += _DAY
    return sorted(moment for moment in moments if start < moment < end)


def _cut_segment(
    segment: Segment,
    began: datetime,
    kwh_before: Fraction,
    moments: Iterable[datetime],
    thresholds: Iterable[Decimal],
) -> list[Piece]:
    # Positions run from 0 (start of the segment) to 1 (its end): energy and time both grow evenly.
    length = Fraction((segment.end - segment.start) // _MICROSECOND)
    energy = Fraction(segment.energy)
    positions = {Fraction(0), Fraction(1)}
    if length:
        positions.update((moment - segment.start) // _MICROSECOND / length for moment in moments)
    if energy:
        positions.update((Fraction(threshold) - kwh_before) / energy for threshold in thresholds)
    inside = sorted(position for position in positions if 0 <= position <= 1)
    bounds = [segment.start + round(position * length) * _MICROSECOND for position in inside]
    return [
        Piece(
            segment=segment,
            start=bounds[index],
            end=bounds[index + 1],
            energy=energy * (inside[index + 1] - inside[index]),
            kwh_before=kwh_before + energy * inside[index],
            seconds_before=_seconds(bounds[index] - began),
        )
        for index in range(len(inside) - 1)
    ]


def _times_of_day(restrictions: Iterable[TariffRestrictions]) -> set[time]:
    times: set[time] = set()
    for restriction in restrictions:
        times.update(t for t in (restriction.start_time, restriction.end_time) if t is not None)
        # A start without an end lasts until midnight, and dates and weekdays change at midnight.
        if times or restriction.day_of_week or restriction.start_date or restriction.end_date:
            times.add(time(0))
    return times


def _numbers(restrictions: Iterable[TariffRestrictions], *names: str) -> set[Decimal]:
    values = (getattr(restriction, name) for restriction in restrictions for name in names)
    return {Decimal(value) for value in values if value is not None}


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


def _seconds(duration: timedelta) -> Fraction:
    return Fraction(duration // _MICROSECOND, 10**6)

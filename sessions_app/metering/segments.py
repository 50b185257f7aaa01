"""Segments that cover a session: from one state or reading to the next."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise

from cpo_platform.common.clock import in_utc
from sessions_app.metering.readings import InvalidMetering, Reading
from sessions_app.metering.registers import usable_readings
from sessions_app.metering.states import NO_BOUNDS, LevelBounds, State, states
from tariffs.pricing.types import Segment

MAX_GAP = timedelta(minutes=15)

# Between readings kWh and kW have OCPI's four decimals: what is told is what is priced.
_PRECISION = Decimal("0.0001")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class MeteredUse:
    """Hold the segments of a session, and in plain words what was doubtful in its readings."""

    segments: tuple[Segment, ...]
    flags: tuple[str, ...] = ()


def metered_use(
    *,
    readings: Iterable[Reading],
    start: datetime,
    end: datetime,
    max_gap: timedelta = MAX_GAP,
    bounds: LevelBounds = NO_BOUNDS,
) -> MeteredUse:
    """Return segments that cover `start` to `end`, with energy spread evenly between readings.

    Readings may come in any order and more than once; odd ones have their rules (`registers`), and
    are flagged. Readings outside the session only help to find the register at its bounds.
    What a reading says about power, current and the vehicle's request holds until the next one,
    or until power or current crosses one of the `bounds` (`states`); a missing power is energy by
    time. Before the first and after the last reading no energy is counted. Energy is told in
    ten-thousandths of a kWh, as in OCPI.

    Raises:
        InvalidMetering: naive datetimes, or an end before the start.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise InvalidMetering(f"{name}: must be an aware datetime")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end < start:
        raise InvalidMetering("end: must not be before start")
    usable, flags = usable_readings(readings)
    flags += _gaps(usable, start, end, max_gap)
    known = states(usable, bounds)
    moments = [start, *sorted({s.at for s in known if start < s.at < end}), end]
    registers = [_register(usable, moment) for moment in moments]
    segments: list[Segment] = []
    for (begin, before), (finish, after) in pairwise(zip(moments, registers, strict=True)):
        previous = segments[-1] if segments else None
        segments.append(
            _segment(known, usable, (begin, finish), energy=after - before, previous=previous)
        )
    return MeteredUse(tuple(segments), tuple(flags))


def _gaps(
    readings: Sequence[Reading], start: datetime, end: datetime, max_gap: timedelta
) -> list[str]:
    if not readings:
        return ["There are no meter readings: no energy is counted."]
    flags = []
    moments = [reading.at for reading in readings]
    if moments[0] - start > max_gap:
        flags.append(
            f"The first reading is of {in_utc(moments[0])}: "
            f"no energy is counted from {in_utc(start)} until then."
        )
    for earlier, later in pairwise(moments):
        if later - earlier > max_gap and earlier < end and later > start:
            flags.append(
                f"There are no readings between {in_utc(earlier)} and {in_utc(later)}: "
                "the energy is spread evenly."
            )
    if end - moments[-1] > max_gap:
        flags.append(
            f"The last reading is of {in_utc(moments[-1])}: "
            f"no energy is counted from then until {in_utc(end)}."
        )
    return flags


def _register(readings: Sequence[Reading], moment: datetime) -> Decimal:
    """Return the register at a moment: on the line between two readings, flat outside them."""
    if not readings:
        return Decimal(0)
    index = bisect_right(readings, moment, key=lambda reading: reading.at)
    if index in {0, len(readings)}:
        return readings[max(index - 1, 0)].kwh
    before, after = readings[index - 1], readings[index]
    if moment == before.at:
        return before.kwh
    share = Fraction((moment - before.at) // _MICROSECOND, (after.at - before.at) // _MICROSECOND)
    added = Fraction(after.kwh - before.kwh) * share
    # Rounding must not pass the later reading: registers with more places exist.
    return min(before.kwh + _to_precision(added), after.kwh)


def _segment(
    known: Sequence[State],
    readings: Sequence[Reading],
    moments: tuple[datetime, datetime],
    *,
    energy: Decimal,
    previous: Segment | None,
) -> Segment:
    start, end = moments
    if not known:
        return Segment(start=start, end=end)
    index = bisect_right(known, start, key=lambda state: state.at)
    state = known[max(index - 1, 0)]
    power = state.power
    if power is None:
        # After the last reading nothing says that the power has changed.
        if readings[0].at <= start < readings[-1].at:
            power = _power(energy, end - start)
        elif previous is not None:
            power = previous.power
    return Segment(
        start=start,
        end=end,
        energy=energy,
        power=power,
        current=state.current,
        requesting_power=state.requesting_power,
    )


def _power(energy: Decimal, duration: timedelta) -> Decimal | None:
    if not duration:
        return None
    return _to_precision(Fraction(energy) * 3600 * 10**6 / (duration // _MICROSECOND))


def _to_precision(value: Fraction) -> Decimal:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(_PRECISION, rounding=ROUND_HALF_EVEN)

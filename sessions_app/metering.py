"""Turn meter readings of a session into the segments that the pricing engine reads."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise

from tariffs.pricing.types import Segment

MAX_GAP = timedelta(minutes=15)

# kWh and kW between readings are kept to a millionth.
_PRECISION = Decimal("0.000001")
_MICROSECOND = timedelta(microseconds=1)


class InvalidMetering(ValueError):
    """The bounds or a reading of a session make no sense; the message names the field."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what the meter showed at one moment.

    `kwh` is the cumulative register, `power_kw` the power, `current_a` A summed over the phases.
    `requesting_power` tells whether the vehicle asks for power; a pause of the station is not
    parking.
    """

    at: datetime
    kwh: Decimal
    power_kw: Decimal | None = None
    current_a: Decimal | None = None
    requesting_power: bool = True


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
) -> MeteredUse:
    """Return segments that cover `start` to `end`, with energy spread evenly between readings.

    Readings may come in any order and more than once. A register below an earlier one is ignored
    and flagged. Readings outside the session only help to find the register at its bounds.
    What a reading says about power, current and the vehicle's request holds until the next one;
    a missing power is energy by time. Before the first and after the last reading no energy is
    counted.

    Raises:
        InvalidMetering: naive datetimes, or an end before the start.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise InvalidMetering(f"{name}: must be an aware datetime")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end < start:
        raise InvalidMetering("end: must not be before start")
    usable, flags = _usable(readings)
    flags += _gaps(usable, start, end, max_gap)
    bounds = [start, *(r.at for r in usable if start < r.at < end), end]
    registers = [_register(usable, moment) for moment in bounds]
    segments: list[Segment] = []
    for index in range(len(bounds) - 1):
        previous = segments[-1] if segments else None
        energy = registers[index + 1] - registers[index]
        segments.append(_segment(usable, bounds[index], bounds[index + 1], energy, previous))
    return MeteredUse(tuple(segments), tuple(flags))


def _usable(readings: Iterable[Reading]) -> tuple[list[Reading], list[str]]:
    """Return readings in order, one per moment, whose register never falls."""
    usable: list[Reading] = []
    flags = []
    for reading in sorted(map(_in_utc, readings), key=lambda reading: (reading.at, reading.kwh)):
        if usable and reading.kwh < usable[-1].kwh:
            flags.append(
                f"The reading of {_clock(reading.at)} was ignored: its register, "
                f"{reading.kwh} kWh, is below an earlier one of {usable[-1].kwh} kWh."
            )
            continue
        if usable and reading.at == usable[-1].at:
            if reading.kwh != usable[-1].kwh:
                flags.append(
                    f"Two readings of {_clock(reading.at)} differ: {usable[-1].kwh} kWh "
                    f"and {reading.kwh} kWh. The higher one counts."
                )
            usable.pop()
        usable.append(reading)
    return usable, flags


def _in_utc(reading: Reading) -> Reading:
    if reading.at.tzinfo is None:
        raise InvalidMetering("at: must be an aware datetime")
    return Reading(
        reading.at.astimezone(UTC),
        reading.kwh,
        reading.power_kw,
        reading.current_a,
        reading.requesting_power,
    )


def _gaps(
    readings: Sequence[Reading], start: datetime, end: datetime, max_gap: timedelta
) -> list[str]:
    if not readings:
        return ["There are no meter readings: no energy is counted."]
    flags = []
    moments = [reading.at for reading in readings]
    if moments[0] - start > max_gap:
        flags.append(
            f"The first reading is of {_clock(moments[0])}: "
            f"no energy is counted from {_clock(start)} until then."
        )
    for earlier, later in pairwise(moments):
        if later - earlier > max_gap and earlier < end and later > start:
            flags.append(
                f"There are no readings between {_clock(earlier)} and {_clock(later)}: "
                "the energy is spread evenly."
            )
    if end - moments[-1] > max_gap:
        flags.append(
            f"The last reading is of {_clock(moments[-1])}: "
            f"no energy is counted from then until {_clock(end)}."
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
    readings: Sequence[Reading],
    start: datetime,
    end: datetime,
    energy: Decimal,
    previous: Segment | None,
) -> Segment:
    index = bisect_right(readings, start, key=lambda reading: reading.at)
    state = readings[max(index - 1, 0)] if readings else None
    if state is None:
        return Segment(start=start, end=end)
    power = state.power_kw
    if power is None:
        # After the last reading nothing says that the power has changed.
        if 0 < index < len(readings):
            power = _power(energy, end - start)
        elif previous is not None:
            power = previous.power
    return Segment(
        start=start,
        end=end,
        energy=energy,
        power=power,
        current=state.current_a,
        requesting_power=state.requesting_power,
    )


def _power(energy: Decimal, duration: timedelta) -> Decimal | None:
    if not duration:
        return None
    return _to_precision(Fraction(energy) * 3600 * 10**6 / (duration // _MICROSECOND))


def _to_precision(value: Fraction) -> Decimal:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(_PRECISION, rounding=ROUND_HALF_EVEN)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

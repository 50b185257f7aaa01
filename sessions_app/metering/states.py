"""Power and current between readings: when they cross a bound that a price depends on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from sessions_app.metering.readings import Reading

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LevelBounds:
    """Hold the powers (kW) and currents (A) at which a tariff has another price."""

    power: tuple[Decimal, ...] = ()
    current: tuple[Decimal, ...] = ()

    @classmethod
    def of(cls, tariffs: Iterable[Mapping[str, Any]]) -> "LevelBounds":
        """Return the bounds of tariffs in their canonical JSON."""
        elements = [element for tariff in tariffs for element in tariff["elements"]]
        return cls(power=_bounds(elements, "power"), current=_bounds(elements, "current"))


NO_BOUNDS = LevelBounds()


class State(NamedTuple):
    """Hold what holds from a moment until the next state."""

    at: datetime
    power: Decimal | None
    current: Decimal | None
    requesting_power: bool


def states(readings: Sequence[Reading], bounds: LevelBounds) -> list[State]:
    """Return the states of a session in order.

    What a reading says holds until the next one, but where power or current moves across a bound
    on the way to it: they are taken to move evenly, and cross it at the moment in between (OCPI
    2.2.1, mod_cdrs, ChargingPeriod: thresholds are interpolated from meter values).
    """
    found: list[State] = []
    for reading, following in pairwise([*readings, None]):
        if reading is None:
            continue
        if following is None:
            found.append(_state(reading.at, reading.power_kw, reading.current_a, reading))
            continue
        power = dict(_levels(reading, following, "power_kw", bounds.power))
        current = dict(_levels(reading, following, "current_a", bounds.current))
        kw, ampere = reading.power_kw, reading.current_a
        for moment in sorted({reading.at, *power, *current}):
            kw, ampere = power.get(moment, kw), current.get(moment, ampere)
            found.append(_state(moment, kw, ampere, reading))
    return found


def _bounds(elements: Iterable[Mapping[str, Any]], name: str) -> tuple[Decimal, ...]:
    restrictions = [element.get("restrictions") or {} for element in elements]
    values = (item.get(f"{end}_{name}") for item in restrictions for end in ("min", "max"))
    return tuple(sorted({Decimal(value) for value in values if value is not None}))


def _state(at: datetime, power: Decimal | None, current: Decimal | None, reading: Reading) -> State:
    return State(at, power, current, reading.requesting_power)


def _levels(
    reading: Reading, following: Reading, name: str, bounds: Iterable[Decimal]
) -> Iterator[tuple[datetime, Decimal]]:
    """Return the moments at which a level crosses bounds, each with the level that then holds."""
    first, last = getattr(reading, name), getattr(following, name)
    if first is None or last is None or first == last:
        return
    # A bound belongs to what is above it: a rise that ends at one has not crossed it before.
    crossed = [b for b in bounds if (first < b < last if last > first else last < b <= first)]
    crossed.sort(reverse=last < first)
    for bound, end in pairwise([*crossed, last]):
        share = Fraction(bound - first) / Fraction(last - first)
        moment = _rounded(reading.at + (following.at - reading.at) * float(share))
        yield min(max(moment, reading.at), following.at), (bound + end) / 2


def _rounded(moment: datetime) -> datetime:
    """Return the nearest whole millisecond: as fine as OCPI can tell."""
    return _EPOCH + round((moment - _EPOCH) / _MILLISECOND) * _MILLISECOND

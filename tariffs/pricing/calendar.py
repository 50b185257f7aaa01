"""Show what a tariff costs over a typical week: which price holds on which day at what time.

What a price depends on besides the clock (energy, power, current, the time since the session
started) is held still, in a `Reference`. Days are cut exactly where the tariff cuts them. Prices of
reservations are not shown: they are a phase of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from tariffs.pricing.restrictions import ActiveComponent, State, applies, find_component
from tariffs.pricing.types import (
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
)

DAYS = 7
MIDNIGHT = time(0)

Active = Mapping[TariffDimensionType, ActiveComponent]


@dataclass(frozen=True, slots=True)
class Reference:
    """Hold the state of a session whose prices are shown.

    `power` is kW, `current` A summed over the phases, `minutes` count since the session started.
    The default is a car that has just begun to charge on three phases of 16 A.
    """

    kwh: Decimal = Decimal(0)
    power: Decimal | None = Decimal(11)
    current: Decimal | None = Decimal(48)
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Band:
    """Hold a stretch of a day with constant prices; an end at 00:00 is the end of the day.

    A dimension that is not in `active` costs nothing.
    """

    start: time
    end: time
    active: Active

    @property
    def start_minute(self) -> int:
        """Return the minute of the day at which it starts."""
        return self.start.hour * 60 + self.start.minute

    @property
    def end_minute(self) -> int:
        """Return the minute of the day at which it ends: 1440 is the end of the day."""
        return self.end.hour * 60 + self.end.minute or 1440


@dataclass(frozen=True, slots=True)
class Day:
    """Hold a day of the week, from its first minute to its last without a gap."""

    date: date
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Point at an element that applies on a day at some time; `place` is that in the tariff."""

    place: int
    element: TariffElement


def typical_week(
    tariff: Tariff, *, week: date, reference: Reference | None = None
) -> tuple[Day, ...]:
    """Return the prices of the week from Monday to Sunday that the date `week` is in.

    Restrictions on dates are those of that week. A change of the clock (DST) is not shown: the
    time is that on the wall.
    """
    at = reference or Reference()
    monday = week - timedelta(days=week.weekday())
    known: dict[tuple[int, ...], tuple[Band, ...]] = {}
    days = []
    for number in range(DAYS):
        today = monday + timedelta(days=number)
        candidates = _candidates(tariff, today, at)
        # Most tariffs have two kinds of days, and some of them many elements: cut each kind once.
        key = tuple(candidate.place for candidate in candidates)
        if key not in known:
            known[key] = tuple(_bands(tariff, candidates, today, at))
        days.append(Day(today, known[key]))
    return tuple(days)


def _candidates(tariff: Tariff, day: date, reference: Reference) -> tuple[_Candidate, ...]:
    """Return the elements that apply at some time of this day, to charging or to parking."""
    charging = _state(day, MIDNIGHT, reference)
    states = (charging, _parked(charging))
    found = []
    for place, element in enumerate(tariff.elements):
        whole_day = replace(element.restrictions, start_time=None, end_time=None)
        if any(applies(whole_day, state) for state in states):
            found.append(_Candidate(place, element))
    return tuple(found)


def _bands(
    tariff: Tariff, candidates: Sequence[_Candidate], day: date, reference: Reference
) -> Iterator[Band]:
    if not candidates:
        yield Band(MIDNIGHT, MIDNIGHT, {})
        return
    reduced = {
        dimension: _only(tariff, candidates, dimension)
        for dimension in TariffDimensionType
        if any(_has(candidate.element, dimension) for candidate in candidates)
    }
    current: Band | None = None
    bounds = _bounds([candidate.element.restrictions for candidate in candidates])
    for start, end in zip(bounds, [*bounds[1:], MIDNIGHT], strict=True):
        active = _active(reduced, _state(day, start, reference))
        if current is not None and current.active == active:
            current = replace(current, end=end)
            continue
        if current is not None:
            yield current
        current = Band(start, end, active)
    if current is not None:
        yield current


def _only(
    tariff: Tariff, candidates: Sequence[_Candidate], dimension: TariffDimensionType
) -> tuple[Tariff, tuple[int, ...]]:
    """Return the tariff with the candidates that have a dimension alone, and their places."""
    kept = [candidate for candidate in candidates if _has(candidate.element, dimension)]
    smaller = replace(tariff, elements=tuple(candidate.element for candidate in kept))
    return smaller, tuple(candidate.place for candidate in kept)


def _has(element: TariffElement, dimension: TariffDimensionType) -> bool:
    return any(component.type is dimension for component in element.price_components)


def _active(
    reduced: Mapping[TariffDimensionType, tuple[Tariff, tuple[int, ...]]], state: State
) -> Active:
    parked = _parked(state)
    active = {}
    for dimension, (tariff, places) in reduced.items():
        at = parked if dimension is TariffDimensionType.PARKING_TIME else state
        found = find_component(tariff, dimension, at)
        if found is not None:
            active[dimension] = replace(found, element=places[found.element])
    return active


def _bounds(restrictions: Sequence[TariffRestrictions]) -> list[time]:
    times = {MIDNIGHT}
    for item in restrictions:
        times.update(moment for moment in (item.start_time, item.end_time) if moment is not None)
    return sorted(times)


def _state(day: date, moment: time, reference: Reference) -> State:
    return State(
        local=datetime.combine(day, moment),
        seconds=Fraction(reference.minutes * 60),
        kwh=Fraction(reference.kwh),
        current=reference.current,
        power=reference.power,
    )


def _parked(state: State) -> State:
    # A vehicle that asks for no power gets none, whatever the reference says of charging.
    return replace(state, power=Decimal(0), current=Decimal(0))

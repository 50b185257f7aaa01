"""A tariff prepared for pricing: which components apply is looked up once per kind of moment.

The bounds of all restrictions divide what they look at (the clock, energy, duration, power and
current) into cells in which every restriction gives one answer. The first moment in a cell asks
`find_component`; later ones, also of other sessions, find the answer here.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tariffs.pricing import taxes
from tariffs.pricing.exact import MICROS_PER_SECOND, moment_of, places_of, scaled
from tariffs.pricing.restrictions import ActiveComponent, State, find_component
from tariffs.pricing.types import (
    Phase,
    PriceComponent,
    Tariff,
    TariffDimensionType,
    TariffRestrictions,
    TaxIncluded,
)

# More kinds of moments than this are not kept: a hostile tariff must not fill the memory.
MOST_CELLS = 4_000

_MIDNIGHT = time(0)


class Selection(NamedTuple):
    """Hold the components that apply in a cell, each dimension apart."""

    flat: ActiveComponent | None
    energy: ActiveComponent | None
    time: ActiveComponent | None
    parking: ActiveComponent | None


class Moment(NamedTuple):
    """Hold what restrictions look at, in whole numbers.

    `at` and `seconds` are microseconds, `kwh` counts units of the session's energy; `clock` is the
    cell of the local time (`CompiledTariff.clock_cell`).
    """

    at: int
    clock: tuple[int, int, int]
    kwh: int
    micros: int
    power: Decimal | None
    current: Decimal | None
    phase: Phase


@dataclass(frozen=True, slots=True)
class Bounds:
    """Hold every bound at which a restriction of a tariff may change its answer."""

    times: tuple[time, ...]
    dates: tuple[int, ...]
    has_days: bool
    kwh: tuple[Decimal, ...]
    durations: tuple[int, ...]
    power: tuple[Decimal, ...]
    current: tuple[Decimal, ...]
    grace: tuple[int, ...]


class CompiledTariff:
    """Answers for one tariff in one time zone which components apply at a moment."""

    def __init__(self, tariff: Tariff, zone: ZoneInfo) -> None:
        self.tariff = tariff
        self.zone = zone
        self.bounds = _bounds_of(tariff)
        self.rates_are_unknown = taxes.rates_are_unknown(tariff)
        self.inclusive = tariff.tax_included is TaxIncluded.YES
        self.tax_free = tariff.tax_included is TaxIncluded.NOT_APPLICABLE
        # How many decimals prices and rates have, and energy needs.
        components = [c for element in tariff.elements for c in element.price_components]
        self.price_places = max((places_of(c.price) for c in components), default=0)
        self.vat_places = max(
            (places_of(c.vat) for c in components if c.vat is not None), default=0
        )
        self.energy_places = max(map(places_of, self.bounds.kwh), default=0)
        self._kwh_units: dict[int, tuple[int, ...]] = {}
        self._cells: dict[tuple[object, ...], Selection] = {}
        # One object per component, so that whether a use goes on is a question of identity.
        self._actives: dict[tuple[int, TariffDimensionType], ActiveComponent] = {}

    def kwh_bounds(self, places: int) -> tuple[int, ...]:
        """Return the energy bounds in units of 10^-places kWh, in order."""
        found = self._kwh_units.get(places)
        if found is None:
            found = tuple(scaled(bound, places) for bound in self.bounds.kwh)
            self._kwh_units[places] = found
        return found

    def clock_cell(self, local: datetime) -> tuple[int, int, int]:
        """Return the cell of a local time: among the dates, the weekdays and the times of day."""
        bounds = self.bounds
        return (
            bisect_right(bounds.dates, local.toordinal()) if bounds.dates else 0,
            local.weekday() if bounds.has_days else 0,
            bisect_right(bounds.times, local.time()) if bounds.times else 0,
        )

    def selection(self, moment: Moment, places: int) -> Selection:
        """Return what applies at a moment; `places` is the unit of its energy."""
        bounds = self.bounds
        cell = (
            moment.phase,
            moment.clock,
            bisect_right(bounds.durations, moment.micros) if bounds.durations else 0,
            *self.levels(moment.kwh, moment.power, moment.current, places),
        )
        found = self._cells.get(cell)
        if found is None:
            if len(self._cells) >= MOST_CELLS:
                self._cells.clear()
            found = self._cells[cell] = self._select(moment, places)
        return found

    def levels(
        self, kwh: int, power: Decimal | None, current: Decimal | None, places: int
    ) -> tuple[int, int, int]:
        """Return among which bounds the energy so far, a power and a current lie.

        `kwh` counts units of 10^-places kWh.
        """
        bounds = self.bounds
        return (
            bisect_right(self.kwh_bounds(places), kwh) if bounds.kwh else 0,
            _level(bounds.power, power),
            _level(bounds.current, current),
        )

    def grace_of(self, active: ActiveComponent) -> int:
        """Return the free parking time before a component is charged, in microseconds."""
        return active.component.grace_period * MICROS_PER_SECOND

    def _select(self, moment: Moment, places: int) -> Selection:
        state = State(
            local=moment_of(moment.at).astimezone(self.zone),
            seconds=Fraction(moment.micros, MICROS_PER_SECOND),
            kwh=Fraction(moment.kwh, 10**places),
            current=moment.current,
            power=moment.power,
            phase=moment.phase,
        )
        dimensions = TariffDimensionType
        return Selection(
            flat=self._find(dimensions.FLAT, state),
            energy=self._find(dimensions.ENERGY, state),
            time=self._find(dimensions.TIME, state),
            parking=self._find(dimensions.PARKING_TIME, state),
        )

    def _find(self, dimension: TariffDimensionType, state: State) -> ActiveComponent | None:
        found = find_component(self.tariff, dimension, state)
        return found and self._actives.setdefault((found.element, dimension), found)


@lru_cache(maxsize=128)
def compiled(tariff: Tariff, time_zone: str) -> CompiledTariff:
    """Return a tariff prepared for pricing; the same tariff is prepared once.

    Raises:
        ZoneInfoNotFoundError: the time zone does not exist.
    """
    return CompiledTariff(tariff, ZoneInfo(time_zone))


def _level(bounds: tuple[Decimal, ...], value: Decimal | None) -> int:
    """Return the cell of a power or a current; one that is not known has a cell of its own."""
    if not bounds:
        return 0
    return -1 if value is None else bisect_right(bounds, value)


def _bounds_of(tariff: Tariff) -> Bounds:
    restrictions = [element.restrictions for element in tariff.elements]
    components = [c for element in tariff.elements for c in element.price_components]
    return Bounds(
        times=tuple(sorted(_times_of_day(restrictions))),
        dates=tuple(
            sorted({d.toordinal() for r in restrictions for d in (r.start_date, r.end_date) if d})
        ),
        has_days=any(r.day_of_week for r in restrictions),
        kwh=_numbers(restrictions, "min_kwh", "max_kwh"),
        durations=tuple(
            int(bound) * MICROS_PER_SECOND
            for bound in _numbers(restrictions, "min_duration", "max_duration")
        ),
        power=_numbers(restrictions, "min_power", "max_power"),
        current=_numbers(restrictions, "min_current", "max_current"),
        grace=_graces(components),
    )


def _graces(components: Iterable[PriceComponent]) -> tuple[int, ...]:
    return tuple(sorted({c.grace_period * MICROS_PER_SECOND for c in components if c.grace_period}))


def _times_of_day(restrictions: Iterable[TariffRestrictions]) -> set[time]:
    times: set[time] = set()
    for restriction in restrictions:
        times.update(t for t in (restriction.start_time, restriction.end_time) if t is not None)
        # A start without an end lasts until midnight, and dates and weekdays change at midnight.
        if times or restriction.day_of_week or restriction.start_date or restriction.end_date:
            times.add(_MIDNIGHT)
    return times


def _numbers(restrictions: Iterable[TariffRestrictions], *names: str) -> tuple[Decimal, ...]:
    values = (getattr(restriction, name) for restriction in restrictions for name in names)
    return tuple(sorted({Decimal(value) for value in values if value is not None}))

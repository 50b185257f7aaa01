"""What the pricing engine answers: a total, its parts, and how a person gets to them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from zoneinfo import ZoneInfo

from cpo_platform.common.money import Price, add_prices
from tariffs.pricing import explain
from tariffs.pricing.restrictions import ActiveComponent
from tariffs.pricing.steps import STEPS_PER_UNIT, Stretch
from tariffs.pricing.types import LineKind, Phase, Tariff, TariffDimensionType


class CdrDimensionType(StrEnum):
    """Name a volume of a charging period (OCPI 2.3.0, mod_cdrs); FLAT is none of them."""

    ENERGY = "ENERGY"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    TIME = "TIME"


@dataclass(frozen=True, slots=True)
class CdrDimension:
    """Hold a volume: kWh, hours, A over all phases, or kW."""

    type: CdrDimensionType
    volume: Decimal


@dataclass(frozen=True, slots=True)
class ChargingPeriod:
    """Hold a time with constant active components; it ends where the next one starts.

    `tariff_id` is empty where no tariff is relevant: nothing is charged for.
    """

    start_date_time: datetime
    dimensions: tuple[CdrDimension, ...]
    tariff_id: str


@dataclass(frozen=True, slots=True)
class PriceLine:
    """Explain one amount of the total: `billed_volume` times `unit_price` is its price.

    `volume` is what was used, in `unit` (kWh, h, or empty for FLAT); `element` counts from 0, in
    the `tariff` that the line is priced by, whose times are those of `zone`. `unit_price` is with
    or without taxes as the tariff states it. The line of a limit has neither dimension nor volumes,
    and its price is what the limit adds to (or takes off) the total. A line of a grace period has a
    volume, of which nothing is billed. `text` says it in words, made when it is asked for: most
    prices are never explained.
    """

    kind: LineKind
    start: datetime
    end: datetime
    price: Price
    tariff: Tariff
    zone: ZoneInfo
    dimension: TariffDimensionType | None = None
    phase: Phase = Phase.SESSION
    element: int | None = None
    volume: Decimal = Decimal(0)
    billed_volume: Decimal = Decimal(0)
    unit: str = ""
    unit_price: Decimal | None = None
    vat: Decimal | None = None

    @property
    def net_amount(self) -> Decimal:
        """Return the amount before taxes."""
        return self.price.before_taxes

    @property
    def tax_amount(self) -> Decimal | None:
        """Return the taxes, or None when they are not known."""
        return self.price.tax

    @property
    def text(self) -> str:
        """Return a sentence with all numbers needed to compute the amount again."""
        if self.element is None:
            is_minimum = self.kind is LineKind.MIN_PRICE
            limit = self.tariff.min_price if is_minimum else self.tariff.max_price
            assert limit is not None  # noqa: S101  the line is there because of it
            template = explain.MIN_PRICE if is_minimum else explain.MAX_PRICE
            return explain.limit_text(template, limit, self.tariff.currency)
        restrictions = self.tariff.elements[self.element].restrictions
        return explain.line_text(self._stretch(), restrictions, self.tariff.currency, self.zone)

    @property
    def remark(self) -> str:
        """Say why more was billed than used, or less; nothing where it is the same."""
        return "" if self.element is None else explain.step_remark(self._stretch())

    def _stretch(self) -> Stretch:
        assert self.element is not None  # noqa: S101  a limit is no stretch
        components = self.tariff.elements[self.element].price_components
        component = next(c for c in components if c.type is self.dimension)
        steps = STEPS_PER_UNIT[component.type]
        return Stretch(
            active=ActiveComponent(self.element, component),
            phase=self.phase,
            start=self.start,
            end=self.end,
            used=Fraction(self.volume) * steps,
            billed=Fraction(self.billed_volume) * steps,
        )


@dataclass(frozen=True, slots=True)
class ComponentUse:
    """Sum up what was used and billed of one component, in kWh or hours (1 for FLAT)."""

    element: int
    dimension: TariffDimensionType
    volume: Decimal
    billed_volume: Decimal
    price: Price


@dataclass(frozen=True)
class PricedSession:
    """Hold the price of a session, in the terms of a CDR (OCPI 2.3.0, mod_cdrs, CDR object).

    Amounts are not rounded: `Price.rounded` does that at the edge. The five parts add up to
    `total_cost`, but for `min_price` and `max_price`. The lines add up to it always.
    `total_time` holds `total_parking_time` but not the reservation; hours and kWh.
    `tariff_id` is that of the tariff that the session began with. Lines and charging periods are
    made when they are asked for.
    """

    tariff_id: str
    currency: str
    total_cost: Price
    total_fixed_cost: Price
    total_energy_cost: Price
    total_time_cost: Price
    total_parking_cost: Price
    total_reservation_cost: Price
    total_energy: Decimal
    total_time: Decimal
    total_parking_time: Decimal
    total_reservation_time: Decimal
    make_lines: Callable[[], tuple[PriceLine, ...]] = field(repr=False, compare=False)
    make_periods: Callable[[], tuple[ChargingPeriod, ...]] = field(repr=False, compare=False)
    remarks: tuple[str, ...] = ()

    @cached_property
    def lines(self) -> tuple[PriceLine, ...]:
        """Return every part of the price, in order of time; the limits last."""
        return self.make_lines()

    @cached_property
    def charging_periods(self) -> tuple[ChargingPeriod, ...]:
        """Return the charging periods that a Session or CDR tells."""
        return self.make_periods()

    @property
    def components(self) -> tuple[ComponentUse, ...]:
        """Return what was used and billed of each component, in order of first use."""
        groups: dict[tuple[int, int, TariffDimensionType], list[PriceLine]] = {}
        for line in self.lines:
            if line.kind is LineKind.COMPONENT:
                assert line.element is not None  # noqa: S101  as every component has
                assert line.dimension is not None  # noqa: S101
                key = (id(line.tariff), line.element, line.dimension)
                groups.setdefault(key, []).append(line)
        return tuple(
            ComponentUse(
                element=element,
                dimension=dimension,
                volume=sum((line.volume for line in group), Decimal(0)),
                billed_volume=sum((line.billed_volume for line in group), Decimal(0)),
                price=add_prices(line.price for line in group),
            )
            for (_tariff, element, dimension), group in groups.items()
        )

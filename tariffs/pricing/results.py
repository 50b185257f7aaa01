"""What the pricing engine answers: a total, its parts, and how a person gets to them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from cpo_platform.common.money import Price
from tariffs.pricing.types import Phase, TariffDimensionType


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


class LineKind(StrEnum):
    """Say where the amount of a line comes from."""

    COMPONENT = "COMPONENT"
    MIN_PRICE = "MIN_PRICE"
    MAX_PRICE = "MAX_PRICE"


@dataclass(frozen=True, slots=True)
class CdrDimension:
    """Hold a volume: kWh, hours, A over all phases, or kW."""

    type: CdrDimensionType
    volume: Decimal


@dataclass(frozen=True, slots=True)
class ChargingPeriod:
    """Hold a time with constant active components; it ends where the next one starts."""

    start_date_time: datetime
    dimensions: tuple[CdrDimension, ...]
    tariff_id: str


@dataclass(frozen=True, slots=True)
class PriceLine:
    """Explain one amount of the total: `billed_volume` times `unit_price` is its price.

    `volume` is what was used, in `unit` (kWh, h, or empty for FLAT); `element` counts from 0.
    `unit_price` is with or without taxes as the tariff states it. A line of a limit has neither
    dimension nor volumes, and its price is what the limit adds to (or takes off) the total.
    """

    kind: LineKind
    start: datetime
    end: datetime
    price: Price
    text: str
    dimension: TariffDimensionType | None = None
    phase: Phase = Phase.SESSION
    element: int | None = None
    volume: Decimal = Decimal(0)
    billed_volume: Decimal = Decimal(0)
    unit: str = ""
    unit_price: Decimal | None = None
    vat: Decimal | None = None
    remark: str = ""

    @property
    def net_amount(self) -> Decimal:
        """Return the amount before taxes."""
        return self.price.before_taxes

    @property
    def tax_amount(self) -> Decimal | None:
        """Return the taxes, or None when they are not known."""
        return self.price.tax


@dataclass(frozen=True, slots=True)
class ComponentUse:
    """Sum up what was used and billed of one component, in kWh or hours (1 for FLAT)."""

    element: int
    dimension: TariffDimensionType
    volume: Decimal
    billed_volume: Decimal
    price: Price


@dataclass(frozen=True, slots=True)
class PricedSession:
    """Hold the price of a session, in the terms of a CDR (OCPI 2.3.0, mod_cdrs, CDR object).

    Amounts are not rounded: `Price.rounded` does that at the edge. The five parts add up to
    `total_cost`, but for `min_price` and `max_price`. The lines add up to it always.
    `total_time` holds `total_parking_time` but not the reservation; hours and kWh.
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
    components: tuple[ComponentUse, ...]
    lines: tuple[PriceLine, ...]
    charging_periods: tuple[ChargingPeriod, ...]
    remarks: tuple[str, ...] = ()

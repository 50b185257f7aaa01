"""Build tariffs and segments for tests in one line each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tariffs.pricing.compiled import compiled
from tariffs.pricing.periods import Piece, cut, energy_places, marks_of
from tariffs.pricing.types import (
    Phase,
    PriceComponent,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TaxIncluded,
)

NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)  # a Monday
ALWAYS = TariffRestrictions()


def component(
    dimension: TariffDimensionType, price: str, vat: str | None = None, step_size: int = 1
) -> PriceComponent:
    return PriceComponent(
        dimension, Decimal(price), None if vat is None else Decimal(vat), step_size
    )


def element(*components: PriceComponent, when: TariffRestrictions = ALWAYS) -> TariffElement:
    return TariffElement(components, when)


def tariff(
    *elements: TariffElement, tax_included: TaxIncluded = TaxIncluded.NO, **fields: Any
) -> Tariff:
    return Tariff("T1", "EUR", elements, tax_included, **fields)


def segment(minutes: float, energy: str = "0", *, start: datetime = NOON, **fields: Any) -> Segment:
    return Segment(start, start + timedelta(minutes=minutes), Decimal(energy), **fields)


def segment_from_json(data: Mapping[str, Any]) -> Segment:
    return Segment(
        start=datetime.fromisoformat(data["start"]),
        end=datetime.fromisoformat(data["end"]),
        energy=Decimal(data.get("energy", 0)),
        power=Decimal(data["power"]) if "power" in data else None,
        current=Decimal(data["current"]) if "current" in data else None,
        requesting_power=data.get("requesting_power", True),
        phase=Phase(data.get("phase", "SESSION")),
    )


def pieces_of(
    priced_by: Tariff, segments: Sequence[Segment], time_zone: str
) -> tuple[list[Piece], int]:
    """Return the pieces that the engine looks at, and the decimals of their energy."""
    tariffs = [compiled(priced_by, time_zone)]
    places = energy_places(tariffs, segments)
    marks = marks_of(tariffs, segments, zone=ZoneInfo(time_zone), places=places)
    return list(cut(segments, marks, places)), places

"""A tariff as a partner reads it in a version of OCPI, and what it makes of it.

OCPI cannot say everything that we price: that parking is free for a while (`grace_period`), and in
older versions more. The nearest that a version can say is made here, once, for what is sent and for
telling staff where a partner that prices a session by it gets another amount.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from cpo_platform.common.money import Price, round_money
from tariffs.pricing.engine import price_session
from tariffs.pricing.types import (
    PriceComponent,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TaxIncluded,
)

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")

# An element with one of these cannot be told in 2.1.1: without it, it would say another price.
UNKNOWN_IN_2_1_1 = ("reservation", "min_current", "max_current")

_PARKING = TariffDimensionType.PARKING_TIME
# OCPI 2.2.1, mod_tariffs: a tariff that charges nothing.
_FREE = TariffElement((PriceComponent(TariffDimensionType.FLAT, Decimal(0)),))


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what a session costs, and what a partner makes of it that has a version's tariff.

    `told` is None when the version is told no tariff at all.
    """

    version: str
    ours: Price
    told: Price | None

    @property
    def difference(self) -> Decimal | None:
        """Return how much more (or less) the partner gets, before taxes, in four decimals."""
        if self.told is None:
            return None
        return self.told.rounded().before_taxes - self.ours.rounded().before_taxes


def readings(tariff: Tariff, segments: Sequence[Segment], time_zone: str) -> tuple[Reading, ...]:
    """Return what partners in each version make of a session that they price by themselves."""
    ours = price_session(tariff=tariff, segments=segments, time_zone=time_zone).total_cost
    return tuple(
        Reading(version, ours, _total(as_told(tariff, version), segments, time_zone))
        for version in VERSIONS
    )


def as_told(tariff: Tariff, version: str) -> Tariff | None:
    """Return a tariff as a version tells it; None where nothing of it is left to tell."""
    told = without_grace(tariff)
    if version == VERSIONS[2]:
        return told
    elements = tuple(_net(element, tariff.tax_included) for element in told.elements)
    if version == VERSIONS[1]:
        is_taxed = tariff.tax_included is not TaxIncluded.NOT_APPLICABLE
        return replace(
            told,
            elements=elements,
            tax_included=TaxIncluded.NO if is_taxed else TaxIncluded.NOT_APPLICABLE,
        )
    kept = tuple(_without_rates(e) for e in elements if is_known_in_2_1_1(e.restrictions))
    if not kept:
        return None
    return replace(told, elements=kept, tax_included=TaxIncluded.NO, min_price=None, max_price=None)


def is_known_in_2_1_1(restrictions: TariffRestrictions) -> bool:
    """Tell whether OCPI 2.1.1 has every restriction that is set."""
    return all(getattr(restrictions, name) is None for name in UNKNOWN_IN_2_1_1)


def without_grace(tariff: Tariff) -> Tariff:
    """Return the nearest tariff that OCPI can say: parking is charged after the session's first
    `grace_period` instead of after the first `grace_period` of parking.

    Both are free until then, since parking is a part of the session. A partner that prices by it
    gets more for parking that was free, and never less.
    """
    if not has_grace(tariff):
        return tariff
    elements: list[TariffElement] = []
    for index, element in enumerate(tariff.elements):
        later = tariff.elements[index + 1 :]
        elements.extend(_split(element, is_last=not any(map(_prices_parking, later))))
    return replace(tariff, elements=tuple(elements) or (_FREE,))


def has_grace(tariff: Tariff) -> bool:
    """Tell whether some parking is free for a while."""
    return any(c.grace_period for element in tariff.elements for c in element.price_components)


def _split(element: TariffElement, *, is_last: bool) -> Iterator[TariffElement]:
    """Return an element as elements without a grace period.

    Where a later element would charge for parking instead, an element without a price comes before.
    """
    parking = next((c for c in element.price_components if c.type is _PARKING), None)
    # Of two prices for parking in one element the second never holds.
    others = tuple(c for c in element.price_components if c.type is not _PARKING)
    if parking is None or not parking.grace_period:
        yield replace(element, price_components=(*others, parking)) if parking else element
        return
    when, grace = element.restrictions, parking.grace_period
    if others:
        yield replace(element, price_components=others)
    if not is_last and (when.min_duration or 0) < grace:
        free = replace(parking, price=Decimal(0), grace_period=0)
        until = min(when.max_duration or grace, grace)
        yield TariffElement((free,), replace(when, max_duration=until))
    if when.max_duration is None or when.max_duration > grace:
        charged = replace(parking, grace_period=0)
        after = max(when.min_duration or 0, grace)
        yield TariffElement((charged,), replace(when, min_duration=after))


def _prices_parking(element: TariffElement) -> bool:
    return any(component.type is _PARKING for component in element.price_components)


def _net(element: TariffElement, tax_included: TaxIncluded) -> TariffElement:
    """Return an element with prices before taxes, as far as the rate is known."""
    if tax_included is TaxIncluded.NOT_APPLICABLE:
        return _without_rates(element)
    if tax_included is TaxIncluded.NO:
        return element
    components = (replace(c, price=net_of(c.price, c.vat)) for c in element.price_components)
    return replace(element, price_components=tuple(components))


def net_of(price: Decimal, vat: Decimal | None) -> Decimal:
    """Return what a price that includes tax is before it, in OCPI's four decimals.

    One that includes tax of an unknown rate stays as it is.
    """
    return round_money(price / (1 + vat / 100)) if vat else price


def _without_rates(element: TariffElement) -> TariffElement:
    components = tuple(replace(component, vat=None) for component in element.price_components)
    return replace(element, price_components=components)


def _total(tariff: Tariff | None, segments: Sequence[Segment], time_zone: str) -> Price | None:
    if tariff is None:
        return None
    return price_session(tariff=tariff, segments=segments, time_zone=time_zone).total_cost

"""Price a session: the one place where use becomes money. `docs/pricing.md` has the reasoning."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from cpo_platform.common.money import Price, add_prices, to_decimal
from tariffs.pricing import explain, taxes
from tariffs.pricing.charging_periods import charging_periods, total_volume
from tariffs.pricing.periods import Piece, cut
from tariffs.pricing.restrictions import find_component
from tariffs.pricing.results import (
    CdrDimensionType,
    ComponentUse,
    LineKind,
    PricedSession,
    PriceLine,
)
from tariffs.pricing.steps import STEPS_PER_UNIT, Choice, Stretch, apply_step_sizes, measure
from tariffs.pricing.types import (
    Phase,
    Segment,
    Tariff,
    TariffDimensionType,
    TaxIncluded,
)


def price_session(*, tariff: Tariff, segments: Sequence[Segment], time_zone: str) -> PricedSession:
    """Return the price of the given segments, with the explanation of every amount.

    An open session is priced by its segments so far, step sizes included: as if it ended now.
    `segments` are in order of time, reservation first; `time_zone` is the IANA name of the
    Location's zone. No segments, no cost.

    Source: OCPI 2.3.0, mod_tariffs (restrictions, step_size, price limits) and mod_cdrs.

    Raises:
        InvalidSegment: the segments overlap or are not in order.
        ZoneInfoNotFoundError: the time zone does not exist.
    """
    zone = ZoneInfo(time_zone)
    choices = [_choose(tariff, piece, zone) for piece in cut(tariff, segments, zone)]
    stretches = apply_step_sizes(measure(choices))
    amounts = taxes.prices(tariff, [(_amount(s), s.active.component.vat) for s in stretches])
    priced = list(zip(stretches, amounts, strict=True))
    lines = [_line(tariff, stretch, price, zone) for stretch, price in priced]
    lines += _limit_lines(tariff, lines, segments)
    periods = charging_periods(tariff, choices)
    time = total_volume(periods, CdrDimensionType.TIME)
    parking_time = total_volume(periods, CdrDimensionType.PARKING_TIME)
    return PricedSession(
        tariff_id=tariff.id,
        currency=tariff.currency,
        total_cost=add_prices(line.price for line in lines),
        total_fixed_cost=_part(priced, TariffDimensionType.FLAT),
        total_energy_cost=_part(priced, TariffDimensionType.ENERGY),
        total_time_cost=_part(priced, TariffDimensionType.TIME),
        total_parking_cost=_part(priced, TariffDimensionType.PARKING_TIME),
        total_reservation_cost=add_prices(p for s, p in priced if s.is_reservation),
        total_energy=sum((segment.energy for segment in segments), Decimal(0)),
        total_time=time + parking_time,
        total_parking_time=parking_time,
        total_reservation_time=total_volume(periods, CdrDimensionType.RESERVATION_TIME),
        components=_components(priced),
        lines=tuple(lines),
        charging_periods=periods,
        remarks=_remarks(tariff, lines),
    )


def _choose(tariff: Tariff, piece: Piece, zone: ZoneInfo) -> Choice:
    # A reservation is priced by TIME components whatever the vehicle does elsewhere.
    charges_time = piece.segment.requesting_power or piece.segment.phase.is_reservation
    time = TariffDimensionType.TIME if charges_time else TariffDimensionType.PARKING_TIME
    state = piece.state(zone)
    return Choice(
        piece=piece,
        flat=find_component(tariff, TariffDimensionType.FLAT, state),
        time=find_component(tariff, time, state),
        energy=find_component(tariff, TariffDimensionType.ENERGY, state),
    )


def _amount(stretch: Stretch) -> Fraction:
    units = stretch.billed / STEPS_PER_UNIT[stretch.dimension]
    return units * Fraction(stretch.active.component.price)


def _line(tariff: Tariff, stretch: Stretch, price: Price, zone: ZoneInfo) -> PriceLine:
    active = stretch.active
    restrictions = tariff.elements[active.element].restrictions
    return PriceLine(
        kind=LineKind.COMPONENT,
        start=stretch.start,
        end=stretch.end,
        price=price,
        text=explain.line_text(stretch, restrictions, tariff.currency, zone),
        dimension=stretch.dimension,
        phase=stretch.phase,
        element=active.element,
        volume=_units(stretch.used, stretch.dimension),
        billed_volume=_units(stretch.billed, stretch.dimension),
        unit=explain.UNITS[stretch.dimension],
        unit_price=active.component.price,
        vat=active.component.vat,
        remark=explain.step_remark(stretch),
    )


def _limit_lines(
    tariff: Tariff, lines: Iterable[PriceLine], segments: Sequence[Segment]
) -> list[PriceLine]:
    """Return what the price limits change; the maximum has the last word.

    The minimum is that of a charging session: an unused reservation does not reach for it.
    """
    if not segments:
        return []
    total = add_prices(line.price for line in lines)
    added = []
    is_session = any(segment.phase is Phase.SESSION for segment in segments)
    for kind, template, limit, limited in (
        (LineKind.MIN_PRICE, explain.MIN_PRICE, tariff.min_price, taxes.raised),
        (LineKind.MAX_PRICE, explain.MAX_PRICE, tariff.max_price, taxes.lowered),
    ):
        if limit is None or (kind is LineKind.MIN_PRICE and not is_session):
            continue
        new_total = limited(total, limit)
        if new_total == total:
            continue
        added.append(
            PriceLine(
                kind=kind,
                start=segments[0].start,
                end=segments[-1].end,
                price=new_total + -total,
                text=explain.limit_text(template, limit, tariff.currency),
            )
        )
        total = new_total
    return added


def _part(priced: Iterable[tuple[Stretch, Price]], dimension: TariffDimensionType) -> Price:
    return add_prices(
        price
        for stretch, price in priced
        if stretch.dimension is dimension and not stretch.is_reservation
    )


def _components(priced: Iterable[tuple[Stretch, Price]]) -> tuple[ComponentUse, ...]:
    groups: dict[tuple[int, TariffDimensionType], list[tuple[Stretch, Price]]] = {}
    for stretch, price in priced:
        groups.setdefault((stretch.active.element, stretch.dimension), []).append((stretch, price))
    return tuple(
        ComponentUse(
            element=element,
            dimension=dimension,
            volume=_units(sum((s.used for s, _ in group), Fraction(0)), dimension),
            billed_volume=_units(sum((s.billed for s, _ in group), Fraction(0)), dimension),
            price=add_prices(price for _, price in group),
        )
        for (element, dimension), group in groups.items()
    )


def _units(volume: Fraction, dimension: TariffDimensionType) -> Decimal:
    return to_decimal(volume / STEPS_PER_UNIT[dimension], taxes.EXACT_PLACES)


def _remarks(tariff: Tariff, lines: Iterable[PriceLine]) -> tuple[str, ...]:
    if not taxes.rates_are_unknown(tariff) or not any(line.net_amount for line in lines):
        return ()
    if tariff.tax_included is TaxIncluded.YES:
        return (explain.TAX_RATE_UNKNOWN,)
    return (explain.TAX_TO_BE_ADDED,)

"""Price a session: the one place where use becomes money. `docs/pricing.md` has the reasoning."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from cpo_platform.common.money import Price, add_prices
from tariffs.pricing import explain, taxes
from tariffs.pricing.amounts import Bill
from tariffs.pricing.charging_periods import charging_periods, kind_of_time
from tariffs.pricing.compiled import CompiledTariff, Moment, compiled
from tariffs.pricing.exact import (
    MICROS_PER_HOUR,
    micros_of,
    moment_of,
    rounded_ratio,
    unscaled,
)
from tariffs.pricing.periods import Piece, cut, energy_places, marks_of
from tariffs.pricing.results import (
    CdrDimensionType,
    PricedSession,
    PriceLine,
)
from tariffs.pricing.steps import Choice, Use, apply_step_sizes, measure
from tariffs.pricing.taxes import EXACT_PLACES
from tariffs.pricing.types import (
    InvalidTariff,
    LineKind,
    Phase,
    Segment,
    Tariff,
    TariffDimensionType,
    TaxIncluded,
)


@dataclass(frozen=True, slots=True)
class TariffSwitch:
    """Say that a session is priced by another tariff from a moment on, or by none.

    Source: OCPI 2.2.1, mod_sessions, set charging preferences (another preference may be another
    tariff); mod_cdrs, ChargingPeriod.tariff_id (absent: no tariff is relevant).

    Raises:
        InvalidTariff: the moment is naive.
    """

    at: datetime
    tariff: Tariff | None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise InvalidTariff("at: must be an aware datetime")
        object.__setattr__(self, "at", self.at.astimezone(UTC))


def price_session(
    *,
    tariff: Tariff | None,
    segments: Sequence[Segment],
    time_zone: str,
    switches: Sequence[TariffSwitch] = (),
) -> PricedSession:
    """Return the price of the given segments, with the explanation of every amount.

    An open session is priced by its segments so far, step sizes included: as if it ended now.
    `segments` are in order of time, reservation first; `time_zone` is the IANA name of the
    Location's zone. No segments, no cost. `switches`, in order of time, name the tariffs that the
    session goes on with: thresholds and step sizes are those of one session, FLAT is paid once, and
    the price limits are those of the last tariff.

    Source: OCPI 2.3.0, mod_tariffs (restrictions, step_size, price limits) and mod_cdrs.

    Raises:
        InvalidSegment: the segments overlap or are not in order.
        InvalidTariff: the tariffs have different currencies, or there is none at all.
        ZoneInfoNotFoundError: the time zone does not exist.
    """
    plan = _Plan.of(tariff, switches, time_zone)
    if not segments:
        return _priced(plan, (), [], segments, energy_places=0)
    places = energy_places(plan.known, segments)
    choices = tuple(_choices(plan, segments, places))
    uses = measure(choices)
    apply_step_sizes(uses, places)
    return _priced(plan, choices, uses, segments, energy_places=places)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Hold which tariff holds when: `tariffs[i]` until the switch at `moments[i]`."""

    tariffs: tuple[CompiledTariff | None, ...]
    moments: tuple[int, ...]
    zone: ZoneInfo

    @classmethod
    def of(cls, tariff: Tariff | None, switches: Sequence[TariffSwitch], time_zone: str) -> "_Plan":
        moments = tuple(micros_of(switch.at) for switch in switches)
        if any(later <= earlier for earlier, later in pairwise(moments)):
            raise InvalidTariff("switches: must be in order of time")
        stated = (tariff, *(switch.tariff for switch in switches))
        plan = cls(
            tuple(compiled(item, time_zone) if item else None for item in stated),
            moments,
            ZoneInfo(time_zone),
        )
        currencies = {item.tariff.currency for item in plan.known}
        if len(currencies) != 1:
            raise InvalidTariff(
                "currency: the tariffs of a session have one currency, not "
                f"{', '.join(sorted(currencies)) or 'none'}"
            )
        return plan

    @property
    def known(self) -> list[CompiledTariff]:
        return [tariff for tariff in self.tariffs if tariff is not None]

    def at(self, micros: int) -> int:
        """Return the place of the tariff that holds at a moment."""
        return bisect_right(self.moments, micros) if self.moments else 0

    def held(self, segments: Sequence[Segment]) -> list[CompiledTariff]:
        """Return the tariffs that held for some time, in order."""
        start, end = micros_of(segments[0].start), micros_of(segments[-1].end)
        until = self.at(max(start, end - 1))
        return [tariff for tariff in self.tariffs[: until + 1] if tariff] or self.known[:1]


def _choices(plan: _Plan, segments: Sequence[Segment], places: int) -> Iterator[Choice]:
    marks = marks_of(plan.known, segments, zone=plan.zone, places=places, switches=plan.moments)
    clocks: dict[tuple[int, int], tuple[int, int, int]] = {}
    for piece in cut(segments, marks, places):
        place = plan.at(piece.start)
        tariff = plan.tariffs[place]
        if tariff is None:
            yield Choice(piece, None, None, None, None, None)
            continue
        clock = clocks.get((place, piece.interval))
        if clock is None:
            clock = tariff.clock_cell(moment_of(piece.start).astimezone(plan.zone))
            clocks[place, piece.interval] = clock
        yield _choose(tariff, piece, clock, places)


def _choose(
    tariff: CompiledTariff, piece: Piece, clock: tuple[int, int, int], places: int
) -> Choice:
    segment = piece.segment
    selection = tariff.selection(
        Moment(
            piece.start,
            clock,
            piece.kwh_before,
            piece.micros_before,
            segment.power,
            segment.current,
            segment.phase,
        ),
        places,
    )
    # A reservation is priced by TIME components whatever the vehicle does elsewhere.
    if segment.requesting_power or piece.is_reserved:
        return Choice(piece, tariff, selection.flat, selection.time, selection.energy, None)
    parking = selection.parking
    if parking is not None and piece.parked_before < tariff.grace_of(parking):
        return Choice(piece, tariff, selection.flat, None, selection.energy, parking)
    return Choice(piece, tariff, selection.flat, parking, selection.energy, None)


def _priced(
    plan: _Plan,
    choices: Sequence[Choice],
    uses: Sequence[Use],
    segments: Sequence[Segment],
    *,
    energy_places: int,
) -> PricedSession:
    bill = Bill(uses, energy_places)
    total = bill.total()
    limits = list(_limits(plan, total, segments))
    if limits:
        total = limits[-1][1]
    micros = dict.fromkeys(CdrDimensionType, 0)
    for choice in choices:
        micros[kind_of_time(choice)] += choice.piece.time
    hours = {kind: _hours(value) for kind, value in micros.items()}
    parking = hours[CdrDimensionType.PARKING_TIME]
    first = plan.known[0].tariff

    return PricedSession(
        tariff_id=first.id,
        currency=first.currency,
        total_cost=total,
        total_fixed_cost=bill.part(TariffDimensionType.FLAT),
        total_energy_cost=bill.part(TariffDimensionType.ENERGY),
        total_time_cost=bill.part(TariffDimensionType.TIME),
        total_parking_cost=bill.part(TariffDimensionType.PARKING_TIME),
        total_reservation_cost=bill.part(Phase.RESERVATION),
        total_energy=sum((segment.energy for segment in segments), Decimal(0)),
        total_time=hours[CdrDimensionType.TIME] + parking,
        total_parking_time=parking,
        total_reservation_time=hours[CdrDimensionType.RESERVATION_TIME],
        make_lines=lambda: (
            *(
                _line(use, price, energy_places)
                for use, price in zip(uses, bill.prices(), strict=True)
            ),
            *(line for line, _total in limits),
        ),
        make_periods=lambda: charging_periods(choices, energy_places),
        remarks=() if bill.is_nothing else _remarks(plan.held(segments)),
    )


def _line(use: Use, price: Price, energy_places: int) -> PriceLine:
    component = use.active.component
    return PriceLine(
        kind=LineKind.GRACE if use.is_free else LineKind.COMPONENT,
        start=moment_of(use.start),
        end=moment_of(use.end),
        price=price,
        tariff=use.tariff.tariff,
        zone=use.tariff.zone,
        dimension=component.type,
        phase=use.phase,
        element=use.active.element,
        volume=_volume(use.used, component.type, energy_places),
        billed_volume=Decimal(0)
        if use.is_free
        else _volume(use.billed, component.type, energy_places),
        unit=explain.UNITS[component.type],
        unit_price=component.price,
        vat=component.vat,
    )


def _volume(units: int, dimension: TariffDimensionType, energy_places: int) -> Decimal:
    """Return kWh, hours, or 1 for FLAT."""
    if dimension is TariffDimensionType.FLAT:
        return Decimal(units)
    if dimension is TariffDimensionType.ENERGY:
        return unscaled(units, energy_places)
    return _hours(units)


def _hours(micros: int) -> Decimal:
    return unscaled(rounded_ratio(micros * 10**EXACT_PLACES, MICROS_PER_HOUR), EXACT_PLACES)


def _limits(
    plan: _Plan, total: Price, segments: Sequence[Segment]
) -> Iterator[tuple[PriceLine, Price]]:
    """Return what the price limits change, each with the new total; the maximum has the last word.

    The minimum is that of a charging session: an unused reservation does not reach for it.
    """
    if not segments:
        return
    # The limits that count are those of the last tariff that held.
    tariff = plan.held(segments)[-1].tariff
    is_session = any(segment.phase is Phase.SESSION for segment in segments)
    for kind, limit, limited in (
        (LineKind.MIN_PRICE, tariff.min_price, taxes.raised),
        (LineKind.MAX_PRICE, tariff.max_price, taxes.lowered),
    ):
        if limit is None or (kind is LineKind.MIN_PRICE and not is_session):
            continue
        new_total = limited(total, limit)
        if new_total == total:
            continue
        line = PriceLine(
            kind=kind,
            start=segments[0].start,
            end=segments[-1].end,
            price=add_prices((new_total, -total)),
            tariff=tariff,
            zone=plan.zone,
        )
        yield line, new_total
        total = new_total


def _remarks(held: Sequence[CompiledTariff]) -> tuple[str, ...]:
    unknown = [tariff for tariff in held if tariff.rates_are_unknown]
    if not unknown:
        return ()
    if any(tariff.tariff.tax_included is TaxIncluded.YES for tariff in unknown):
        return (explain.TAX_RATE_UNKNOWN,)
    return (explain.TAX_TO_BE_ADDED,)

"""What a session costs: its readings, priced by the one engine (`tariffs.pricing`).

A session is priced by the tariff that was frozen when it started, in the time zone of its
location. One that began as a reservation has a phase more: the time that the EVSE was kept free.
Costs and volumes are rounded to OCPI's four decimals here.

Nothing is saved here: `reprice` is a step of the operations in `sessions_app.operations.sessions`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.money import OCPI_PLACES, Price, round_money, to_decimal, trimmed
from sessions_app.corrections import Correction, spread, usable
from sessions_app.metering import LevelBounds, Reading, metered_use
from sessions_app.models import Reservation, ReservationStatus, Session
from tariffs.pricing.charging_periods import total_volume
from tariffs.pricing.engine import TariffSwitch, price_session
from tariffs.pricing.results import CdrDimension, CdrDimensionType, PriceLine
from tariffs.pricing.results import ChargingPeriod as PricedPeriod
from tariffs.pricing.types import Phase, Segment
from tariffs.pricing.types import Tariff as PricingTariff

COSTS = (
    "total_cost",
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
# What adds up over the periods of a session, and to which total; the others are extremes.
TOTALS = {
    CdrDimensionType.ENERGY: "energy",
    CdrDimensionType.TIME: "time",
    CdrDimensionType.PARKING_TIME: "time",
    CdrDimensionType.RESERVATION_TIME: "reservation",
}


@dataclass(frozen=True)
class Settlement:
    """A session's price and use up to a moment."""

    costs: dict[str, Price]
    lines: tuple[PriceLine, ...]
    periods: tuple[PricedPeriod, ...]
    energy: Decimal
    hours: Decimal
    parking_hours: Decimal
    remarks: tuple[str, ...]


def reprice(
    session: Session, *, until: datetime, correction: Correction | None = None
) -> Settlement:
    """Set the session's energy and cost to what its readings say up to `until`.

    A step of an operation, which holds the session's lock and saves it. The session was fetched
    with its reservation, where it has one.

    Raises:
        ImpossibleCorrection: a correction puts energy where there is no time for it.

    """
    correction = correction or Correction()
    reservation: Reservation | None = getattr(session, "reservation", None)
    reserved = _reserved(reservation, until)
    if reservation is not None and reservation.status != ReservationStatus.USED:
        return _set_price(session, _settle(session, reserved), flags=())
    readings = usable(readings_of(session), correction)
    use = metered_use(
        readings=readings,
        start=session.start_date_time,
        end=until,
        bounds=LevelBounds.of(session.tariffs),
    )
    segments = use.segments
    if correction.energy is not None:
        power_kw = session.connector.power_kw if session.connector else None
        segments = spread(segments, correction.energy, power_kw=power_kw)
    return _set_price(session, _settle(session, (*reserved, *segments)), use.flags)


def readings_of(session: Session) -> list[Reading]:
    """Return what the meter showed, in order of time."""
    return [
        Reading(
            at=row.at,
            kwh=row.kwh,
            power_kw=row.power,
            current_a=row.current,
            requesting_power=row.requesting_power,
            stamped_at=row.stamped_at,
        )
        for row in session.meter_readings.order_by("at")
    ]


def _reserved(reservation: Reservation | None, until: datetime) -> tuple[Segment, ...]:
    """Return the time that a reservation took; one that we canceled ourselves is not charged for.

    One that expired is so for the whole of its time (OCPI 2.3.0, mod_tariffs,
    ReservationRestrictionType).
    """
    if reservation is None or reservation.status == ReservationStatus.CANCELED_BY_CPO:
        return ()
    end = reservation.ended_at or until
    expired = reservation.status == ReservationStatus.EXPIRED
    return (
        Segment(
            start=reservation.reserved_at,
            end=max(end, reservation.reserved_at),
            phase=Phase.RESERVATION_EXPIRES if expired else Phase.RESERVATION,
        ),
    )


def _set_price(session: Session, settlement: Settlement, flags: Sequence[str]) -> Settlement:
    session.kwh = settlement.energy
    total = settlement.costs["total_cost"]
    session.total_cost_before_taxes = total.before_taxes
    session.total_cost_after_taxes = total.after_taxes
    session.price_details = {
        "costs": {name: price_json(price) for name, price in settlement.costs.items()},
        "lines": [_line_json(line) for line in settlement.lines],
        "remarks": [*settlement.remarks, *flags],
    }
    return settlement


def _settle(session: Session, segments: Sequence[Segment]) -> Settlement:
    if not session.tariffs:
        return _settle_without_tariff(segments)
    first = session.frozen_tariff
    priced = price_session(
        tariff=PricingTariff.from_json(first) if first else None,
        segments=segments,
        time_zone=session.frozen_location["time_zone"],
        switches=[
            TariffSwitch(
                datetime.fromisoformat(switch["at"]), PricingTariff.from_json(switch["tariff"])
            )
            for switch in session.tariff_switches
        ],
    )
    periods = _rounded(priced.charging_periods)
    parking_hours = total_volume(periods, CdrDimensionType.PARKING_TIME)
    return Settlement(
        costs={name: getattr(priced, name).rounded() for name in COSTS},
        lines=priced.lines,
        periods=periods,
        energy=_four(priced.total_energy),
        hours=total_volume(periods, CdrDimensionType.TIME) + parking_hours,
        parking_hours=parking_hours,
        remarks=priced.remarks,
    )


def _rounded(periods: Sequence[PricedPeriod]) -> tuple[PricedPeriod, ...]:
    """Return the periods with volumes of four decimals that add up to the rounded totals.

    What a period is rounded to does not depend on the periods after it.
    """
    exact: defaultdict[str, Fraction] = defaultdict(Fraction)
    shown: defaultdict[str, Decimal] = defaultdict(Decimal)

    def rounded(dimension: CdrDimension) -> CdrDimension:
        total = TOTALS.get(dimension.type)
        if total is None:
            return replace(dimension, volume=_four(dimension.volume))
        exact[total] += Fraction(dimension.volume)
        volume = to_decimal(exact[total], OCPI_PLACES) - shown[total]
        shown[total] += volume
        return replace(dimension, volume=trimmed(volume))

    return tuple(
        replace(period, dimensions=tuple(map(rounded, period.dimensions))) for period in periods
    )


def _settle_without_tariff(segments: Sequence[Segment]) -> Settlement:
    """Price nothing: the connector had no tariff. Time and energy are still told."""
    reserved = [segment for segment in segments if segment.phase.is_reservation]
    used = [segment for segment in segments if not segment.phase.is_reservation]
    energy = sum((segment.energy for segment in used), Decimal(0))
    hours = _hours(used)
    parking_hours = _hours([segment for segment in used if not segment.requesting_power])
    dimensions = tuple(
        CdrDimension(type_, _four(volume))
        for type_, volume in (
            (CdrDimensionType.ENERGY, energy),
            (CdrDimensionType.TIME, hours - parking_hours),
            (CdrDimensionType.PARKING_TIME, parking_hours),
        )
        if volume or type_ is CdrDimensionType.ENERGY
    )
    kept = (CdrDimension(CdrDimensionType.RESERVATION_TIME, _four(_hours(reserved))),)
    periods = tuple(
        PricedPeriod(part[0].start, volumes, tariff_id="")
        for part, volumes in ((reserved, kept), (used, dimensions))
        if part
    )
    return Settlement(
        costs={name: Price(Decimal(0)) for name in COSTS},
        lines=(),
        periods=periods,
        energy=_four(energy),
        hours=_four(hours),
        parking_hours=_four(parking_hours),
        remarks=("The connector had no tariff when the session started: it costs nothing.",),
    )


def _hours(segments: Sequence[Segment]) -> Decimal:
    seconds = sum((segment.end - segment.start).total_seconds() for segment in segments)
    return Decimal(str(seconds)) / 3600


def _four(value: Decimal) -> Decimal:
    return round_money(value, OCPI_PLACES)


def dimensions_json(period: PricedPeriod) -> list[dict[str, str]]:
    """Return a period's dimensions in the canonical (2.3.0) form."""
    return [
        {"type": dimension.type.value, "volume": str(dimension.volume)}
        for dimension in period.dimensions
    ]


def price_json(price: Price) -> dict[str, Any]:
    """Return a Price in the canonical (2.3.0) form; `taxes` is absent when they are not known."""
    document: dict[str, Any] = {"before_taxes": str(price.before_taxes)}
    if price.taxes is not None:
        document["taxes"] = [
            {
                "name": tax.name,
                "amount": str(tax.amount),
                **({} if tax.percentage is None else {"percentage": str(tax.percentage)}),
            }
            for tax in price.taxes
        ]
    return document


def _line_json(line: PriceLine) -> dict[str, Any]:
    price = line.price.rounded()
    return {
        "kind": line.kind.value,
        "phase": line.phase.value,
        "tariff_id": line.tariff.id,
        "element": line.element,
        "text": line.text,
        "remark": line.remark,
        "dimension": line.dimension.value if line.dimension else "",
        "start": format_datetime(line.start),
        "end": format_datetime(line.end),
        "volume": str(_four(line.volume)),
        "billed_volume": str(_four(line.billed_volume)),
        "unit": line.unit,
        "unit_price": None if line.unit_price is None else str(line.unit_price),
        "vat": None if line.vat is None else str(line.vat),
        "before_taxes": str(price.before_taxes),
        "after_taxes": None if price.after_taxes is None else str(price.after_taxes),
    }

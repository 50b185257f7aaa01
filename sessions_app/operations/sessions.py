"""Sessions from start to bill: the only code that writes sessions, readings, periods and CDRs.

The tariff and the location are frozen when the session starts. Every meter value re-prices the
session with the one engine (`tariffs.pricing`); the CDR is made of the same result, in the
transaction that completes the session, so that no completed session is without its CDR.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import IntegrityError, transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.json import format_datetime
from cpo_platform.common.money import OCPI_PLACES, Price, round_money, to_decimal, trimmed
from cpo_platform.common.shapes import CdrToken
from locations.models import Connector, Location
from locations.operations import coordinate_text
from sessions_app.metering import Reading, metered_use
from sessions_app.models import (
    AuthMethod,
    Cdr,
    ChargingPeriod,
    MeterReading,
    Session,
    SessionStatus,
)
from sessions_app.signals import cdr_issued, session_changed
from tariffs.models import Tariff, TariffType
from tariffs.operations import shape_of as tariff_shape_of
from tariffs.pricing.charging_periods import total_volume
from tariffs.pricing.engine import price_session
from tariffs.pricing.results import CdrDimension, CdrDimensionType, PriceLine
from tariffs.pricing.results import ChargingPeriod as PricedPeriod
from tariffs.pricing.types import Segment
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


class EvseOccupied(ValueError):
    """A session is running at this EVSE already."""


class SessionNotOngoing(ValueError):
    """The session has ended: it takes no readings and cannot be stopped."""


@dataclass(frozen=True)
class _Settlement:
    """A session's price and use up to a moment."""

    costs: dict[str, Price]
    lines: tuple[PriceLine, ...]
    periods: tuple[PricedPeriod, ...]
    energy: Decimal
    hours: Decimal
    parking_hours: Decimal
    remarks: tuple[str, ...]


def start_session(
    *,
    connector_id: int,
    cdr_token: CdrToken,
    auth_method: str,
    meter_start: Decimal,
    now: datetime,
    authorization_reference: str = "",
    meter_id: str = "",
) -> Session:
    """Open a session at a connector, PENDING until energy may flow.

    Raises:
        Connector.DoesNotExist: there is no such connector.
        EvseOccupied: another session is running at its EVSE.

    """
    connector = Connector.objects.select_related("evse__location").get(pk=connector_id)
    location = connector.evse.location
    tariff = _tariff_for(connector, now)
    session = Session(
        country_code=location.country_code,
        party_id=location.party_id,
        ocpi_id=str(uuid4()),
        start_date_time=truncate(now),
        auth_method=AuthMethod(auth_method).value,
        authorization_reference=authorization_reference,
        location=location,
        evse=connector.evse,
        connector=connector,
        meter_id=meter_id,
        meter_start=meter_start,
        currency=tariff.currency if tariff else settings.DEFAULT_CURRENCY,
        status=SessionStatus.PENDING,
        tariff=tariff,
        frozen_tariff=_frozen_tariff(tariff),
        frozen_location=_frozen_location(location, connector),
    )
    session.cdr_token = cdr_token
    session.touch(now)
    session.full_clean(validate_constraints=False)
    with transaction.atomic():
        try:
            with transaction.atomic():
                session.save()
        except IntegrityError as error:
            if "session_one_ongoing_per_evse" not in str(error):
                raise
            raise EvseOccupied(f"EVSE {connector.evse.uid}: a session is running") from error
        session_changed.send(sender=Session, session_id=session.pk, now=now)
    return session


def activate_session(*, session_id: int, now: datetime) -> Session:
    """Begin the session proper: its start moves to this moment (OCPI 2.2.1, mod_sessions).

    Raises:
        SessionNotOngoing: the session is not PENDING.

    """
    with transaction.atomic():
        session = _locked(session_id)
        if session.status != SessionStatus.PENDING:
            raise SessionNotOngoing(f"session {session.ocpi_id} is {session.status}, not PENDING")
        session.status = SessionStatus.ACTIVE
        session.start_date_time = truncate(now)
        _add_readings(session, [Reading(at=now, kwh=session.meter_start)])
        _reprice(session, until=session.start_date_time)
        _save(session, now)
    return session


def record_meter_values(*, session_id: int, readings: Sequence[Reading], now: datetime) -> Session:
    """Take meter readings of an active session and price it anew.

    A reading of a moment that we have already is dropped; where none tells anything new (the
    meter stands, and standing costs nothing), the session stays as it is. Readings may be late
    or out of order.

    Raises:
        SessionNotOngoing: the session is not ACTIVE.

    """
    with transaction.atomic():
        session = _locked(session_id)
        if session.status != SessionStatus.ACTIVE:
            raise SessionNotOngoing(f"session {session.ocpi_id} is {session.status}, not ACTIVE")
        if not _add_readings(session, readings):
            return session
        before = _visible(session)
        newest = session.meter_readings.order_by("-at").values_list("at", flat=True)[0]
        settlement = _reprice(session, until=max(newest, session.start_date_time))
        # The last period is open until the session ends.
        period_closed = _append_periods(session, settlement.periods[:-1])
        if period_closed or _visible(session) != before:
            _save(session, now)
    return session


def stop_session(
    *,
    session_id: int,
    ended_at: datetime,
    now: datetime,
    readings: Sequence[Reading] = (),
) -> tuple[Session, Cdr | None]:
    """Complete a session and issue its CDR; one that never became active is INVALID instead.

    Raises:
        SessionNotOngoing: the session has ended before.

    """
    with transaction.atomic():
        session = _locked(session_id)
        if session.status == SessionStatus.PENDING:
            session.status = SessionStatus.INVALID
            session.end_date_time = max(truncate(ended_at), session.start_date_time)
            _save(session, now)
            return session, None
        if session.status != SessionStatus.ACTIVE:
            raise SessionNotOngoing(f"session {session.ocpi_id} is {session.status}")
        _add_readings(session, readings)
        session.status = SessionStatus.COMPLETED
        session.end_date_time = max(truncate(ended_at), session.start_date_time)
        settlement = _reprice(session, until=session.end_date_time)
        _append_periods(session, settlement.periods)
        _save(session, now)
        cdr = _issue_cdr(session, settlement, now)
    return session, cdr


def _locked(session_id: int) -> Session:
    return Session.objects.select_for_update().get(pk=session_id)


def _visible(session: Session) -> tuple[object, ...]:
    """Return what of a running session partners see and a reading can change."""
    return (
        session.kwh,
        session.total_cost_before_taxes,
        session.total_cost_after_taxes,
    )


def _save(session: Session, now: datetime) -> None:
    session.touch(now)
    session.save()
    session_changed.send(sender=Session, session_id=session.pk, now=now)


def _add_readings(session: Session, readings: Sequence[Reading]) -> bool:
    """Store the readings of moments that we have none of; return whether there were any."""
    # The first of two of one moment counts; the session's lock keeps others from adding more.
    by_moment = {truncate(reading.at): reading for reading in reversed(readings)}
    known = set(session.meter_readings.filter(at__in=list(by_moment)).values_list("at", flat=True))
    rows = [
        MeterReading(
            session=session,
            at=at,
            kwh=reading.kwh,
            power=reading.power_kw,
            current=reading.current_a,
            requesting_power=reading.requesting_power,
        )
        for at, reading in by_moment.items()
        if at not in known
    ]
    MeterReading.objects.bulk_create(rows)
    return bool(rows)


def _tariff_for(connector: Connector, now: datetime) -> Tariff | None:
    """Return the connector's tariff for an ordinary session that starts now, if it has one.

    REGULAR before untyped, since it is the more specific (OCPI 2.2.1, mod_tariffs, TariffType).
    """
    valid = [
        tariff
        for tariff in _whole_tariffs(connector)
        if tariff.type in ("", TariffType.REGULAR)
        and (tariff.start_date_time is None or tariff.start_date_time <= now)
        and (tariff.end_date_time is None or now < tariff.end_date_time)
    ]
    return min(valid, key=lambda tariff: (tariff.type == "", tariff.ocpi_id), default=None)


def _whole_tariffs(connector: Connector) -> list[Tariff]:
    """Return the connector's tariffs, each of them as it was at one moment.

    A tariff is three queries, and one that is changed between them would be read half old and half
    new: the prices of today as including the tax of yesterday. A change moves `last_updated`.
    """
    tariffs = connector.tariffs.in_use()
    while True:
        rows = list(tariffs.with_elements())
        moments = {tariff.pk: tariff.last_updated for tariff in rows}
        if moments == dict(tariffs.values_list("pk", "last_updated")):
            return rows


def _frozen_tariff(tariff: Tariff | None) -> dict[str, Any] | None:
    if tariff is None:
        return None
    return tariff_shape_of(tariff).model_dump(mode="json", exclude_none=True) | {
        "last_updated": format_datetime(tariff.last_updated)
    }


def _frozen_location(location: Location, connector: Connector) -> dict[str, Any]:
    """Return what a CDR says of the place (OCPI 2.2.1, CdrLocation), and its time zone."""
    evse = connector.evse
    frozen = {
        "id": location.ocpi_id,
        "name": location.name,
        "address": location.address,
        "city": location.city,
        "postal_code": location.postal_code,
        "state": location.state,
        "country": location.country,
        "coordinates": {
            "latitude": coordinate_text(location.latitude),
            "longitude": coordinate_text(location.longitude),
        },
        "evse_uid": evse.uid,
        # Required in a CDR although optional on an EVSE: the uid names it as well.
        "evse_id": evse.evse_id or evse.uid,
        "connector_id": connector.ocpi_id,
        "connector_standard": connector.standard,
        "connector_format": connector.format,
        "connector_power_type": connector.power_type,
        "time_zone": location.time_zone,
    }
    return {name: value for name, value in frozen.items() if value != ""}


def _reprice(session: Session, *, until: datetime) -> _Settlement:
    """Set the session's energy and cost to what its readings say up to `until`."""
    readings = [
        Reading(
            at=row.at,
            kwh=row.kwh,
            power_kw=row.power,
            current_a=row.current,
            requesting_power=row.requesting_power,
        )
        for row in session.meter_readings.order_by("at")
    ]
    use = metered_use(readings=readings, start=session.start_date_time, end=until)
    settlement = _settle(session, use.segments)
    session.kwh = settlement.energy
    total = settlement.costs["total_cost"]
    session.total_cost_before_taxes = total.before_taxes
    session.total_cost_after_taxes = total.after_taxes
    session.price_details = {
        "costs": {name: _price_json(price) for name, price in settlement.costs.items()},
        "lines": [_line_json(line) for line in settlement.lines],
        "remarks": [*settlement.remarks, *use.flags],
    }
    return settlement


def _settle(session: Session, segments: Sequence[Segment]) -> _Settlement:
    if session.frozen_tariff is None:
        return _settle_without_tariff(segments)
    priced = price_session(
        tariff=PricingTariff.from_json(session.frozen_tariff),
        segments=segments,
        time_zone=session.frozen_location["time_zone"],
    )
    periods = _rounded(priced.charging_periods)
    parking_hours = total_volume(periods, CdrDimensionType.PARKING_TIME)
    return _Settlement(
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


def _settle_without_tariff(segments: Sequence[Segment]) -> _Settlement:
    """Price nothing: the connector had no tariff. Time and energy are still told."""
    energy = sum((segment.energy for segment in segments), Decimal(0))
    hours = _hours(segments)
    parking_hours = _hours([segment for segment in segments if not segment.requesting_power])
    dimensions = tuple(
        CdrDimension(type_, _four(volume))
        for type_, volume in (
            (CdrDimensionType.ENERGY, energy),
            (CdrDimensionType.TIME, hours - parking_hours),
            (CdrDimensionType.PARKING_TIME, parking_hours),
        )
        if volume or type_ is CdrDimensionType.ENERGY
    )
    periods = (PricedPeriod(segments[0].start, dimensions, tariff_id=""),) if segments else ()
    return _Settlement(
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


def _append_periods(session: Session, closed: Sequence[PricedPeriod]) -> bool:
    """Store the periods that are closed by now; return whether there were new ones.

    A late reading may change what the stored ones should have been. They stay, and only what
    follows them is added: the CDR has them all as they should be.
    """
    last = session.charging_periods.order_by("-position").first()
    stored, until = (last.position + 1, last.start_date_time) if last else (0, None)
    added = [
        period for period in closed if until is None or truncate(period.start_date_time) > until
    ]
    ChargingPeriod.objects.bulk_create(
        ChargingPeriod(
            session=session,
            position=position,
            start_date_time=truncate(period.start_date_time),
            dimensions=_dimensions_json(period),
            tariff_id=period.tariff_id,
        )
        for position, period in enumerate(added, start=stored)
    )
    return bool(added)


def _dimensions_json(period: PricedPeriod) -> list[dict[str, str]]:
    return [
        {"type": dimension.type.value, "volume": str(dimension.volume)}
        for dimension in period.dimensions
    ]


def _price_json(price: Price) -> dict[str, Any]:
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


def _issue_cdr(session: Session, settlement: _Settlement, now: datetime) -> Cdr:
    assert session.end_date_time is not None  # noqa: S101  stop_session has just set it
    location = dict(session.frozen_location)
    location.pop("time_zone", None)
    total = settlement.costs["total_cost"]
    cdr = Cdr(
        country_code=session.country_code,
        party_id=session.party_id,
        ocpi_id=str(uuid4()),
        start_date_time=session.start_date_time,
        end_date_time=session.end_date_time,
        session=session,
        session_ocpi_id=session.ocpi_id,
        auth_method=session.auth_method,
        authorization_reference=session.authorization_reference,
        cdr_location=location,
        meter_id=session.meter_id,
        currency=session.currency,
        tariffs=[session.frozen_tariff] if session.frozen_tariff else [],
        charging_periods=[
            {
                "start_date_time": format_datetime(truncate(period.start_date_time)),
                "dimensions": _dimensions_json(period),
                **({"tariff_id": period.tariff_id} if period.tariff_id else {}),
            }
            for period in settlement.periods
        ]
        or [_instant(session)],
        total_cost_before_taxes=total.before_taxes,
        total_cost_after_taxes=total.after_taxes,
        costs={name: _price_json(price) for name, price in settlement.costs.items()},
        price_lines=session.price_details["lines"],
        total_energy=settlement.energy,
        total_time=settlement.hours,
        total_parking_time=settlement.parking_hours,
        remark="" if session.frozen_tariff else "No tariff applied.",
    )
    cdr.cdr_token = session.cdr_token
    cdr.touch(now)
    # No tariff, and no line of a price, is a CDR's right; Django's forms call it blank.
    cdr.full_clean(
        exclude={"tariffs", "price_lines"}, validate_unique=False, validate_constraints=False
    )
    cdr.save()
    cdr_issued.send(sender=Cdr, cdr_id=cdr.pk, now=now)
    return cdr


def _instant(session: Session) -> dict[str, Any]:
    """Return the one period of a session that ended as it began: a CDR needs at least one."""
    return {
        "start_date_time": format_datetime(session.start_date_time),
        "dimensions": [{"type": CdrDimensionType.TIME.value, "volume": "0"}],
    }

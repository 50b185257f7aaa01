"""Sessions from start to bill: the operations that write sessions, their readings and periods.

The tariff and the location are frozen when the session starts. Every meter value re-prices the
session (`settlement`); the CDR (`cdrs`) is made of the same result, in the transaction that
completes the session, or held for staff (`holds`): no completed session is without the one or the
other.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import IntegrityError, transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.shapes import CdrToken, ChargingPreferences, plain
from locations.models import Connector
from sessions_app.metering import Reading
from sessions_app.models import (
    AuthMethod,
    Cdr,
    ChargingPeriod,
    MeterReading,
    Session,
    SessionStatus,
)
from sessions_app.operations.freezing import frozen_location, frozen_tariff, tariff_for
from sessions_app.operations.holds import examine, issue_or_hold
from sessions_app.operations.preferences import (
    default_preferences,
    tariff_types,
)
from sessions_app.operations.settlement import dimensions_json, reprice
from sessions_app.signals import session_changed
from tariffs.models import Tariff
from tariffs.pricing.results import ChargingPeriod as PricedPeriod

# How far a station's clock may be ahead of ours before we take its readings as of their arrival.
MAX_CLOCK_LEAD = timedelta(minutes=2)
# What a reading says of its moment.
_SHOWN = ["kwh", "power", "current", "requesting_power", "stamped_at"]


class EvseOccupied(ValueError):
    """A session is running at this EVSE already."""


class SessionNotOngoing(ValueError):
    """The session has ended: it takes no readings and cannot be stopped."""


def start_session(
    *,
    connector_id: int,
    cdr_token: CdrToken,
    auth_method: str,
    meter_start: Decimal,
    now: datetime,
    authorization_reference: str = "",
    meter_id: str = "",
    started_at: datetime | None = None,
) -> Session:
    """Open a session at a connector, PENDING until energy may flow.

    `started_at` is when it began, where a station tells so later: it has the tariff that was valid
    then, as that is now.

    Raises:
        Connector.DoesNotExist: there is no such connector.
        EvseOccupied: another session is running at its EVSE.

    """
    connector = Connector.objects.select_related("evse__location").get(pk=connector_id)
    location = connector.evse.location
    moment = truncate(started_at or now)
    session = Session(
        country_code=location.country_code,
        party_id=location.party_id,
        ocpi_id=str(uuid4()),
        start_date_time=moment,
        auth_method=AuthMethod(auth_method).value,
        authorization_reference=authorization_reference,
        location=location,
        meter_id=meter_id,
        meter_start=meter_start,
        status=SessionStatus.PENDING,
    )
    wanted = default_preferences(connector, cdr_token, moment)
    freeze(session, connector, tariff_for(connector, cdr_token, moment, tariff_types(wanted)))
    session.evse, session.connector = connector.evse, connector
    session.charging_preferences = wanted and plain(ChargingPreferences, wanted)
    session.cdr_token = cdr_token
    session.touch(now)
    session.full_clean(validate_constraints=False)
    with transaction.atomic():
        save_alone(session)
        session_changed.send(sender=Session, session_id=session.pk, now=now)
    return session


def activate_session(
    *, session_id: int, now: datetime, active_at: datetime | None = None
) -> Session:
    """Begin the session proper: its start moves to this moment (OCPI 2.2.1, mod_sessions).

    `active_at` is when energy could flow, where a station tells so later.

    Raises:
        SessionNotOngoing: the session is not PENDING.

    """
    with transaction.atomic():
        session = locked(session_id)
        if session.status != SessionStatus.PENDING:
            raise SessionNotOngoing(f"session {session.ocpi_id} is {session.status}, not PENDING")
        session.status = SessionStatus.ACTIVE
        moment = active_at or now
        session.start_date_time = truncate(moment)
        add_readings(session, [Reading(at=moment, kwh=session.meter_start)], now)
        reprice(session, until=session.start_date_time)
        _save(session, now)
    return session


def record_meter_values(
    *,
    session_id: int,
    readings: Sequence[Reading],
    now: datetime,
    since: datetime | None = None,
) -> Session:
    """Take meter readings of an active session and price it anew.

    A reading of a moment that we have already is dropped; where none tells anything new (the
    meter stands, and standing costs nothing), the session stays as it is. Readings may be late
    or out of order.

    With `since`, the readings are the whole of what the meter showed, as it is known by now: they
    take the place of those that we have, and the session starts at that moment.

    Raises:
        SessionNotOngoing: the session is not ACTIVE.

    """
    with transaction.atomic():
        session = locked(session_id)
        if session.status != SessionStatus.ACTIVE:
            raise SessionNotOngoing(f"session {session.ocpi_id} is {session.status}, not ACTIVE")
        before = _visible(session)
        if not _take(session, readings, since, now):
            return session
        newest = session.meter_readings.order_by("-at").values_list("at", flat=True)[0]
        settlement = reprice(session, until=max(newest, session.start_date_time))
        # The last period is open until the session ends.
        period_closed = append_periods(session, settlement.periods[:-1])
        if period_closed or _visible(session) != before:
            _save(session, now)
    return session


def stop_session(
    *,
    session_id: int,
    ended_at: datetime,
    now: datetime,
    readings: Sequence[Reading] = (),
    since: datetime | None = None,
    signed_data: dict[str, Any] | None = None,
) -> tuple[Session, Cdr | None]:
    """Complete a session and issue its CDR; one that never became active is INVALID instead.

    There is no CDR either where its numbers cannot be right: it is held for staff. `since` is as
    in `record_meter_values`; `signed_data` is what the meter signed, for the CDR, whenever that is
    issued (OCPI 2.3.0, mod_cdrs, SignedData, in its plain form).

    Raises:
        SessionNotOngoing: the session has ended before.

    """
    with transaction.atomic():
        session = locked(session_id)
        if session.status == SessionStatus.PENDING:
            session.status = SessionStatus.INVALID
            session.end_date_time = max(truncate(ended_at), session.start_date_time)
            _save(session, now)
            return session, None
        if session.status != SessionStatus.ACTIVE:
            raise SessionNotOngoing(f"session {session.ocpi_id} is {session.status}")
        _take(session, readings, since, now)
        session.signed_data = signed_data
        session.status = SessionStatus.COMPLETED
        session.end_date_time = max(truncate(ended_at), session.start_date_time)
        settlement = reprice(session, until=session.end_date_time)
        append_periods(session, settlement.periods)
        found = examine(session, settlement, stopped_at=truncate(ended_at))
        session.price_details["findings"] = [finding.to_json() for finding in found]
        _save(session, now)
        cdr = issue_or_hold(session, settlement, found, now)
    return session, cdr


def locked(session_id: int) -> Session:
    """Lock a session for the transaction; its reservation comes with it, where it began as one."""
    return (
        Session.objects.select_for_update(of=("self",))
        .select_related("reservation")
        .get(pk=session_id)
    )


def freeze(session: Session, connector: Connector, tariff: Tariff | None) -> None:
    """Set what a session is priced and billed by: this tariff, this place, as they are now."""
    session.tariff = tariff
    session.frozen_tariff = frozen_tariff(tariff)
    session.currency = tariff.currency if tariff else settings.DEFAULT_CURRENCY
    session.frozen_location = frozen_location(session.location, connector)


def save_alone(session: Session) -> None:
    """Save a session that is ongoing from now on.

    Raises:
        EvseOccupied: another one is, at its EVSE.

    """
    try:
        with transaction.atomic():
            session.save()
    except IntegrityError as error:
        if "session_one_ongoing_per_evse" not in str(error):
            raise
        uid = session.evse.uid if session.evse else ""
        raise EvseOccupied(f"EVSE {uid}: a session is running") from error


def _visible(session: Session) -> tuple[object, ...]:
    """Return what of a running session partners see and a reading can change."""
    return (
        session.start_date_time,
        session.kwh,
        session.total_cost_before_taxes,
        session.total_cost_after_taxes,
    )


def _save(session: Session, now: datetime) -> None:
    session.touch(now)
    session.save()
    session_changed.send(sender=Session, session_id=session.pk, now=now)


def _take(
    session: Session, readings: Sequence[Reading], since: datetime | None, now: datetime
) -> bool:
    if since is None:
        return add_readings(session, readings, now)
    return _tell_anew(session, readings, truncate(since), now)


def add_readings(session: Session, readings: Sequence[Reading], now: datetime) -> bool:
    """Store the readings of moments that we have none of; return whether there were any.

    One from the future comes of a clock that is ahead: it counts as of now.
    """
    told = _by_moment(readings, now)
    known = set(session.meter_readings.filter(at__in=list(told)).values_list("at", flat=True))
    rows = [_row(session, at, reading) for at, reading in told.items() if at not in known]
    MeterReading.objects.bulk_create(rows)
    return bool(rows)


def _tell_anew(
    session: Session, readings: Sequence[Reading], since: datetime, now: datetime
) -> bool:
    """Set the start and the readings to these; return whether anything is another than before."""
    moved, session.start_date_time = session.start_date_time != since, since
    told = _by_moment(readings, now)
    stored = {at: shown for at, *shown in session.meter_readings.values_list("at", *_SHOWN)}
    gone = [at for at in stored if at not in told]
    if gone:
        session.meter_readings.filter(at__in=gone).delete()
    rows = [
        _row(session, at, reading)
        for at, reading in told.items()
        if at not in stored or _shown(reading) != stored[at]
    ]
    MeterReading.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["session", "at"], update_fields=_SHOWN
    )
    return moved or bool(gone or rows)


def _by_moment(readings: Sequence[Reading], now: datetime) -> dict[datetime, Reading]:
    # The first of two of one moment counts; the session's lock keeps others from adding more. Of
    # several from the future that is the one with the highest register.
    ahead = sorted(
        (_as_of(now, reading) for reading in readings if reading.at > now + MAX_CLOCK_LEAD),
        key=lambda reading: -reading.kwh,
    )
    believed = [reading for reading in readings if reading.at <= now + MAX_CLOCK_LEAD]
    return {truncate(reading.at): reading for reading in reversed([*believed, *ahead])}


def _row(session: Session, at: datetime, reading: Reading) -> MeterReading:
    shown = dict(zip(_SHOWN, _shown(reading), strict=True))
    return MeterReading(session=session, at=at, **shown)


def _shown(reading: Reading) -> list[Any]:
    return [
        *(reading.kwh, reading.power_kw, reading.current_a),
        *(reading.requesting_power, reading.stamped_at),
    ]


def _as_of(moment: datetime, reading: Reading) -> Reading:
    return replace(reading, at=moment, stamped_at=reading.at)


def append_periods(session: Session, closed: Sequence[PricedPeriod]) -> bool:
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
            dimensions=dimensions_json(period),
            tariff_id=period.tariff_id,
        )
        for position, period in enumerate(added, start=stored)
    )
    return bool(added)

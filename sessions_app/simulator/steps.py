"""What a simulated station does next, one short transaction each.

The caller holds the lock of the station's row, except of `advance_one`, which takes it.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.shapes import CdrToken, parse
from locations import operations as locations
from locations.models import Connector, PowerType, Status
from sessions_app.models import Session, SessionStatus, SimulatedStation
from sessions_app.operations import sessions
from sessions_app.simulator.car import Charge

# A meter that runs is read this often, one that stands still (parking) less.
METER_INTERVAL = timedelta(seconds=10)
PARKED_INTERVAL = timedelta(minutes=1)
# When the driver comes back to his car.
LEAVES_AFTER_END = timedelta(seconds=10)
LEAVES_AFTER_FULL = timedelta(minutes=10)

AC_CAR = (Decimal(11), Decimal(20))
DC_CAR = (Decimal(120), Decimal(35))
PHASES = {
    PowerType.AC_1_PHASE: 1,
    PowerType.AC_2_PHASE: 2,
    PowerType.AC_2_PHASE_SPLIT: 2,
    PowerType.AC_3_PHASE: 3,
    PowerType.DC: 1,
}
OUT_OF_SERVICE = (Status.INOPERATIVE, Status.OUTOFORDER, Status.PLANNED, Status.REMOVED)


def connector_power_kw(connector: Connector) -> Decimal:
    """Return what a connector can give, in kW."""
    watts = connector.max_electric_power or (
        connector.max_voltage
        * connector.max_amperage
        * PHASES.get(PowerType(connector.power_type), 1)
    )
    return Decimal(watts) / 1000


def ongoing(station: SimulatedStation) -> Session | None:
    """Return the session that runs at the station, with its connector."""
    return (
        Session.objects.ongoing()
        .filter(evse_id=station.evse_id)
        .select_related("connector")
        .first()
    )


def advance_one(station_id: int, now: datetime) -> str:
    """Take a station's next step and return what happened; nothing if another process has it."""
    with transaction.atomic():
        station = (
            SimulatedStation.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("evse")
            .filter(pk=station_id)
            .first()
        )
        if station is None or station.faulted:
            return ""
        event = _next_step(station, ongoing(station), now)
    return f"EVSE {station.evse.uid}: {event}" if event else ""


def _next_step(station: SimulatedStation, session: Session | None, now: datetime) -> str:
    if station.request is not None:
        return _open(station, session, now)
    if not station.plugged_in:
        return ""
    if station.leaves_at is not None and now >= station.leaves_at:
        return _leave(station, session, now)
    if session is None:
        return ""
    if session.status == SessionStatus.PENDING:
        return _activate(station, session, now)
    return _measure(station, session, now)


def _open(station: SimulatedStation, session: Session | None, now: datetime) -> str:
    """Take the next step of a start that was accepted: wait, give up, or open the session."""
    request = station.request
    assert request is not None  # noqa: S101  the caller has looked
    assert station.request_until is not None  # noqa: S101  a constraint of the table
    if session is not None or station.evse.status in OUT_OF_SERVICE:
        return _drop_request(station, "the start was dropped: the EVSE is not free any more")
    if not station.evse.connectors.filter(pk=request["connector_id"]).exists():
        return _drop_request(station, "the start was dropped: its connector is gone")
    if not station.plugged_in:
        if now >= station.request_until:
            return _drop_request(station, "the start was dropped: no car was plugged in")
        if not station.has_driver:
            return ""
        plug(station, None, None, now)
    # First, since an EVSE that was REMOVED meanwhile refuses it.
    locations.set_evse_status(evse_id=station.evse_id, status=Status.CHARGING, now=now)
    opened = sessions.start_session(
        connector_id=request["connector_id"],
        cdr_token=parse(CdrToken, request["cdr_token"]),
        auth_method=request["auth_method"],
        authorization_reference=request["authorization_reference"],
        meter_start=station.meter_kwh,
        now=now,
    )
    station.request = station.request_until = None
    station.save()
    return f"session {opened.ocpi_id} is PENDING"


def _drop_request(station: SimulatedStation, why: str) -> str:
    station.request = station.request_until = None
    station.save(update_fields=["request", "request_until"])
    return why


def _activate(station: SimulatedStation, session: Session, now: datetime) -> str:
    sessions.activate_session(session_id=session.pk, now=now)
    station.meter_at = now
    station.save(update_fields=["meter_at"])
    return f"session {session.ocpi_id} is ACTIVE"


def _measure(station: SimulatedStation, session: Session, now: datetime) -> str:
    interval = METER_INTERVAL if station.car_need_kwh else PARKED_INTERVAL
    since = station.meter_at or session.start_date_time
    if now - since < interval:
        return ""
    charge = _charge(station, session)
    was_charging = bool(station.car_need_kwh)
    readings = charge.readings(since, now)
    sessions.record_meter_values(session_id=session.pk, readings=readings, now=now)
    _set_meter(station, charge, readings[-1].kwh, now)
    if was_charging and not station.car_need_kwh and station.has_driver:
        station.leaves_at = station.leaves_at or now + LEAVES_AFTER_FULL
    station.save()
    state = f"{charge.power_kw:f} kW" if station.car_need_kwh else "the car is full"
    return f"session {session.ocpi_id}: meter {station.meter_kwh:f} kWh, {state}"


def end(station: SimulatedStation, session: Session, now: datetime) -> None:
    """End a session with what the meter shows; the car stays."""
    now = truncate(now)
    readings = []
    if session.status == SessionStatus.ACTIVE:
        since = station.meter_at or session.start_date_time
        if station.plugged_in and now > since:
            charge = _charge(station, session)
            readings = charge.readings(since, now)
            _set_meter(station, charge, readings[-1].kwh, now)
    sessions.stop_session(session_id=session.pk, ended_at=now, now=now, readings=readings)
    if station.plugged_in and station.has_driver:
        station.leaves_at = now + LEAVES_AFTER_END
    station.save()


def _charge(station: SimulatedStation, session: Session) -> Charge:
    assert session.connector is not None  # noqa: S101  only a reservation has none
    return Charge(
        register=station.meter_kwh,
        need=station.car_need_kwh,
        power_kw=min(station.car_power_kw, connector_power_kw(session.connector)),
        volts=session.connector.max_voltage,
    )


def _set_meter(station: SimulatedStation, charge: Charge, register: Decimal, now: datetime) -> None:
    station.car_need_kwh = charge.need - (register - charge.register)
    station.meter_kwh = register
    station.meter_at = now


def _leave(station: SimulatedStation, session: Session | None, now: datetime) -> str:
    if session is not None:
        end(station, session, now)
    unplug(station, now)
    return "the car left"


def plug(
    station: SimulatedStation,
    power_kw: Decimal | None,
    need_kwh: Decimal | None,
    now: datetime,
) -> None:
    """Put a car at the station; the caller saves it."""
    is_dc = station.evse.connectors.filter(power_type=PowerType.DC).exists()
    power, need = DC_CAR if is_dc else AC_CAR
    station.plugged_in = True
    station.car_power_kw = power if power_kw is None else power_kw
    station.car_need_kwh = need if need_kwh is None else need_kwh
    station.leaves_at = None
    if station.evse.status in {Status.AVAILABLE, Status.RESERVED}:
        locations.set_evse_status(evse_id=station.evse_id, status=Status.CHARGING, now=now)


def unplug(station: SimulatedStation, now: datetime) -> None:
    """Take the car away."""
    station.plugged_in = False
    station.car_power_kw = station.car_need_kwh = Decimal(0)
    station.leaves_at = None
    station.save()
    if station.evse.status == Status.CHARGING:
        locations.set_evse_status(evse_id=station.evse_id, status=Status.AVAILABLE, now=now)

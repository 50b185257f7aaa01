"""What a simulated station does next, one short transaction each.

The caller holds the lock of the station's row, except of `advance_one`, which takes it.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.db import transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import CdrToken, ChargingProfile, parse, parse_datetime, plain
from locations import operations as locations
from locations.models import PowerType, Status
from sessions_app.metering import Reading
from sessions_app.models import Session, SessionStatus, SimulatedStation
from sessions_app.operations import profiles, reservations, sessions
from sessions_app.simulator.car import Charge
from sessions_app.simulator.profiles import Limits

# A meter that runs is read this often, one that stands still (parking) less.
METER_INTERVAL = timedelta(seconds=10)
PARKED_INTERVAL = timedelta(minutes=1)
# When the driver comes back to his car.
LEAVES_AFTER_END = timedelta(seconds=10)
LEAVES_AFTER_FULL = timedelta(minutes=10)

AC_CAR = (Decimal(11), Decimal(20))
DC_CAR = (Decimal(120), Decimal(35))
OUT_OF_SERVICE = (Status.INOPERATIVE, Status.OUTOFORDER, Status.PLANNED, Status.REMOVED)


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
    if station.reservation is not None and reservation_of(station, now) is None:
        return _forget_reservation(station, now)
    return _with_car(station, session, now) if station.plugged_in else ""


def _with_car(station: SimulatedStation, session: Session | None, now: datetime) -> str:
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
    opened = _begin(station, request, now)
    station.request = station.request_until = None
    station.save()
    return f"session {opened.ocpi_id} is {opened.status}"


def _begin(station: SimulatedStation, request: dict[str, Any], now: datetime) -> Session:
    """Use the reservation that the start is for; without one, or if it is over, open a session."""
    start: dict[str, Any] = {
        "connector_id": request["connector_id"],
        "cdr_token": parse(CdrToken, request["cdr_token"]),
        "auth_method": request["auth_method"],
        "authorization_reference": request["authorization_reference"],
        "meter_start": station.meter_kwh,
        "now": now,
    }
    number = request.get("reservation")
    if number is not None:
        with suppress(reservations.ReservationOver):
            session = reservations.use_reservation(number=number, **start)
            if station.reservation is not None and station.reservation["number"] == number:
                station.reservation = None
            station.meter_at = now
            return session
    return sessions.start_session(**start)


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
    readings, power_kw = _take(station, session, since, now)
    sessions.record_meter_values(session_id=session.pk, readings=readings, now=now)
    station.save()
    state = f"{power_kw:f} kW" if station.car_need_kwh else "the car is full"
    return f"session {session.ocpi_id}: meter {station.meter_kwh:f} kWh, {state}"


def end(station: SimulatedStation, session: Session, now: datetime) -> None:
    """End a session with what the meter shows; the car stays."""
    now = truncate(now)
    readings: list[Reading] = []
    if session.status == SessionStatus.ACTIVE:
        since = station.meter_at or session.start_date_time
        if station.plugged_in and now > since:
            readings, _power_kw = _take(station, session, since, now)
    sessions.stop_session(session_id=session.pk, ended_at=now, now=now, readings=readings)
    _forget_profile(station, session, now)
    if station.plugged_in and station.has_driver:
        station.leaves_at = now + LEAVES_AFTER_END
    station.save()


def limits(station: SimulatedStation, session: Session) -> Limits:
    """Return what the station gives in a session; its profile is that of this session only."""
    connector = session.connector
    assert connector is not None  # noqa: S101  only a reservation has none
    told: dict[str, Any] = station.charging_profile or {}
    profile = told.get("profile") if told.get("session_id") == session.pk else None
    local = told.get("local_limit_w")
    return Limits(
        capacity_w=connector.power_kw * 1000,
        volts=connector.max_voltage,
        phases=connector.phases,
        started=session.start_date_time,
        profile=parse(ChargingProfile, profile) if profile else None,
        local_limit_w=None if local is None else Decimal(local),
    )


def set_limits(
    station: SimulatedStation, session: Session | None, told: dict[str, Any], now: datetime
) -> None:
    """Let the station give no more than `told` from now on; what was taken before stays."""
    if session is None or session.status != SessionStatus.ACTIVE:
        station.charging_profile = told or None
        station.save()
        return
    now = truncate(now)
    since = station.meter_at or session.start_date_time
    if station.plugged_in and now > since:
        readings, _power_kw = _take(station, session, since, now)
        station.charging_profile = told or None
        readings[-1] = _charge(station, session, now).first_reading(now)
        sessions.record_meter_values(session_id=session.pk, readings=readings, now=now)
    station.charging_profile = told or None
    station.save()
    profiles.report_profile_change(session_id=session.pk, now=now)


def _forget_profile(station: SimulatedStation, session: Session, now: datetime) -> None:
    """Drop the profile of a session that has ended: it was for this session only."""
    told: dict[str, Any] = station.charging_profile or {}
    if told.get("session_id") != session.pk:
        return
    kept = {name: value for name, value in told.items() if name == "local_limit_w"}
    station.charging_profile = kept or None
    profiles.report_profile_change(session_id=session.pk, now=now)


def _take(
    station: SimulatedStation, session: Session, since: datetime, now: datetime
) -> tuple[list[Reading], Decimal]:
    """Move the meter from `since` to `now`; return what it showed and the last power (kW).

    Where a charging profile changes the power on the way, that moment has a reading of its own.
    The driver of a car that is full by then comes back some time later.
    """
    was_charging = bool(station.car_need_kwh)
    readings: list[Reading] = []
    power_kw = Decimal(0)
    changes = limits(station, session).changes(since, now)
    for start, end in pairwise([since, *changes, now]):
        charge = _charge(station, session, start)
        if readings:
            readings[-1] = charge.first_reading(start)
        readings += charge.readings(start, end)
        _set_meter(station, charge, readings[-1].kwh, end)
        power_kw = charge.power_kw
    if was_charging and not station.car_need_kwh and station.has_driver:
        station.leaves_at = station.leaves_at or now + LEAVES_AFTER_FULL
    return readings, power_kw


def _charge(station: SimulatedStation, session: Session, at: datetime) -> Charge:
    assert session.connector is not None  # noqa: S101  only a reservation has none
    return Charge(
        register=station.meter_kwh,
        need=station.car_need_kwh,
        power_kw=min(station.car_power_kw, limits(station, session).at(at) / 1000),
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
        status = idle_status(station, now)
        locations.set_evse_status(evse_id=station.evse_id, status=status, now=now)


def reserve(
    station: SimulatedStation,
    *,
    number: int,
    token: CdrToken,
    group_id: str,
    until: datetime,
    now: datetime,
) -> None:
    """Keep the station free for a token, and for its group, until a moment."""
    station.reservation = {
        "number": number,
        "cdr_token": plain(CdrToken, token),
        "group_id": group_id,
        "until": format_datetime(until),
    }
    station.save(update_fields=["reservation"])
    locations.set_evse_status(evse_id=station.evse_id, status=Status.RESERVED, now=now)


def give_back(station: SimulatedStation, now: datetime) -> None:
    """Forget the reservation; the EVSE is AVAILABLE again unless something else is the matter."""
    station.reservation = None
    station.save(update_fields=["reservation"])
    if station.evse.status == Status.RESERVED:
        locations.set_evse_status(evse_id=station.evse_id, status=Status.AVAILABLE, now=now)


def _forget_reservation(station: SimulatedStation, now: datetime) -> str:
    give_back(station, now)
    return "the reservation has expired"


def reservation_of(station: SimulatedStation, now: datetime) -> dict[str, Any] | None:
    """Return what the station was told of a reservation, while its time is not up."""
    told: dict[str, Any] | None = station.reservation
    if told is None:
        return None
    until = parse_datetime(told["until"])
    return told if isinstance(until, datetime) and now < until else None


def is_reserved_for(
    station: SimulatedStation, token: CdrToken, group_id: str, now: datetime
) -> bool:
    """Tell whether the station is reserved, for this token or for another of its group."""
    told = reservation_of(station, now)
    if told is None:
        return False
    holder = parse(CdrToken, told["cdr_token"])
    if _owner(holder) != _owner(token):
        return False
    same = (holder.uid.lower(), holder.type) == (token.uid.lower(), token.type)
    return same or bool(group_id and group_id.lower() == told["group_id"].lower())


def may_be_reserved_for(station: SimulatedStation, uid: str, now: datetime) -> bool:
    """Tell whether a card may be one that the station is reserved for: its group is not known."""
    told = reservation_of(station, now)
    if told is None:
        return False
    return bool(told["group_id"]) or told["cdr_token"]["uid"].lower() == uid.lower()


def waits_for(station: SimulatedStation, uid: str, now: datetime) -> bool:
    """Tell whether a start by this very token waits for its car."""
    if station.request is None or station.request_until is None or now >= station.request_until:
        return False
    return str(station.request["cdr_token"].get("uid", "")).lower() == uid.lower()


def idle_status(station: SimulatedStation, now: datetime) -> Status:
    """Return what a station without a car shows."""
    return Status.RESERVED if reservation_of(station, now) is not None else Status.AVAILABLE


def _owner(token: CdrToken) -> tuple[str, str]:
    return token.country_code.lower(), token.party_id.lower()

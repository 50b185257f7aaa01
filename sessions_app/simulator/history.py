"""Whole sessions in the past, by the platform's own operations with the clock of that time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction
from django.db.models import Q

from cpo_platform.common.clock import truncate
from cpo_platform.common.shapes import CdrToken
from locations.models import Connector
from sessions_app.models import AuthMethod, Cdr, Session, SimulatedStation
from sessions_app.operations import sessions
from sessions_app.simulator.car import Charge
from sessions_app.simulator.stations import Impossible


@dataclass(frozen=True)
class Visit:
    """What a driver did: he stayed from `start` for `minutes` and took `energy_kwh`.

    At `power_kw`, then parked; or evenly over the whole time where it is None.
    """

    start: datetime
    minutes: int
    energy_kwh: Decimal
    power_kw: Decimal | None = None

    @property
    def end(self) -> datetime:
        return truncate(self.start) + timedelta(minutes=self.minutes)


def play_session(
    *,
    connector: Connector,
    cdr_token: CdrToken,
    visit: Visit,
    now: datetime,
    auth_method: str = AuthMethod.WHITELIST,
    authorization_reference: str = "",
) -> Cdr | None:
    """Play a session that is over by `now`, with meter readings every few minutes.

    None: its CDR is held for staff, as of a session that costs something and gave no energy.
    Fetch the connector with its EVSE.

    Raises:
        Impossible: it is not over yet, no connector gives that much, or another session was there.
        sessions_app.operations.sessions.EvseOccupied: one is running there now.

    """
    power_kw = _power(connector, visit)
    if visit.end > now:
        raise Impossible(f"a session from {visit.start} for {visit.minutes} minutes is not over")
    with transaction.atomic():
        station = _held(connector)
        _refuse_overlap(connector, visit)
        start = truncate(visit.start)
        session = sessions.start_session(
            connector_id=connector.pk,
            cdr_token=cdr_token,
            auth_method=auth_method,
            authorization_reference=authorization_reference,
            meter_start=station.meter_kwh,
            now=start,
        )
        sessions.activate_session(session_id=session.pk, now=start)
        charge = Charge(
            register=station.meter_kwh,
            need=visit.energy_kwh,
            power_kw=power_kw,
            volts=connector.max_voltage,
        )
        readings = charge.readings(start, visit.end)
        _session, cdr = sessions.stop_session(
            session_id=session.pk, ended_at=visit.end, now=visit.end, readings=readings
        )
        station.meter_kwh = readings[-1].kwh
        station.save(update_fields=["meter_kwh"])
    return cdr


def _power(connector: Connector, visit: Visit) -> Decimal:
    if visit.minutes < 1 or visit.energy_kwh < 0:
        raise Impossible("a session takes at least a minute and no negative energy")
    hours = Decimal(visit.minutes) / 60
    power = visit.power_kw
    if power is None:
        power = (visit.energy_kwh / hours).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    most = connector.power_kw
    if power > most:
        raise Impossible(
            f"connector {connector.ocpi_id} of EVSE {connector.evse.uid} gives {most:f} kW: "
            f"{power:f} kW are too much"
        )
    if visit.power_kw is not None and power * hours < visit.energy_kwh:
        raise Impossible(
            f"{power:f} kW give less than {visit.energy_kwh:f} kWh in {visit.minutes} minutes"
        )
    return power


def _held(connector: Connector) -> SimulatedStation:
    SimulatedStation.objects.get_or_create(evse_id=connector.evse_id)
    return SimulatedStation.objects.select_for_update().get(evse_id=connector.evse_id)


def _refuse_overlap(connector: Connector, visit: Visit) -> None:
    other = (
        Session.objects.filter(evse_id=connector.evse_id, start_date_time__lt=visit.end)
        .filter(Q(end_date_time__isnull=True) | Q(end_date_time__gt=visit.start))
        .first()
    )
    if other is not None:
        raise Impossible(f"EVSE {connector.evse.uid}: session {other.ocpi_id} was there")

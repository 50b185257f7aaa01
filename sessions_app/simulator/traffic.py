"""Drivers who come and go by themselves, so that a demonstration is never still."""

from datetime import datetime, timedelta

from django.db.models import F, Q

from locations.models import Status
from sessions_app.models import Session, SimulatedStation, Token
from sessions_app.simulator.stations import SimulatedStations
from sessions_app.stations import StationResult

SHORTEST_VISIT = timedelta(minutes=3)
# Visits differ by whole steps of this, so that they do not all end at once.
STEP = timedelta(seconds=47)
STEPS = 10


def keep_busy(stations: SimulatedStations, *, count: int, now: datetime) -> list[str]:
    """Send a driver to a free station while fewer than `count` are in use; return what happened.

    The drivers hold the valid tokens that eMSPs gave us, in turns; the stations that were idle for
    longest come first.
    """
    in_use = SimulatedStation.objects.filter(Q(plugged_in=True) | Q(request__isnull=False)).count()
    if in_use >= count:
        return []
    tokens = list(Token.objects.filter(valid=True, type="RFID").order_by("pk"))
    if not tokens:
        return ["No eMSP has given us a valid RFID token yet: nobody comes."]
    station = (
        SimulatedStation.objects.filter(
            plugged_in=False, request__isnull=True, faulted=False, has_driver=True
        )
        .filter(evse__status=Status.AVAILABLE)
        .select_related("evse")
        # The remainder scatters neighbours over the network.
        .order_by(F("meter_at").asc(nulls_first=True), F("pk") * 17 % 41, "pk")
        .first()
    )
    if station is None:
        return ["No station is free."]
    number = Session.objects.count()
    return [_visit(stations, station, tokens[number % len(tokens)], number, now)]


def _visit(
    stations: SimulatedStations,
    station: SimulatedStation,
    token: Token,
    number: int,
    now: datetime,
) -> str:
    evse = station.evse
    stations.plug(evse_id=evse.pk, now=now)
    answer = stations.present_token(evse_id=evse.pk, uid=token.uid, now=now)
    if answer.result is not StationResult.ACCEPTED:
        stations.unplug(evse_id=evse.pk, now=now)
        return f"EVSE {evse.uid}: token {token.uid} was refused: {answer.message}"
    stay = SHORTEST_VISIT + number % STEPS * STEP
    stations.leave_at(evse_id=evse.pk, moment=now + stay)
    return f"EVSE {evse.uid}: a driver with token {token.uid} plugged in"

"""Starts by command: what a station is told, and what is known of it when it begins."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from cpo_platform.common.shapes import CdrToken, plain
from locations.models import Evse
from ocpp_gateway import tags
from ocpp_gateway.calling import call_station
from ocpp_gateway.frames import Version
from ocpp_gateway.models import CallState, Outlet, RemoteStart, StationCall
from sessions_app.commanded import NEVER_ASKED, VOUCHED_FOR
from sessions_app.models import AuthMethod
from sessions_app.operations import reservations
from sessions_app.stations import StartRequest

# What no reader reads is of the command alone: it counts when a station that was offline tells of
# it late. A card may be shown later by itself.
COMMAND_ONLY_COUNTS_FOR = timedelta(days=1)
# How long an EVSE for which a start was accepted is not free any more.
WAITS_FOR_A_CAR = timedelta(minutes=2)


def ask_to_start(
    outlet: Outlet,
    request: StartRequest,
    *,
    asked_by: str,
    now: datetime,
    auth_method: AuthMethod = AuthMethod.COMMAND,
) -> StationCall | None:
    """Ask for a start; whose it is when it comes is known before. None: it is kept for others.

    Raises:
        NeverConnected: there is no version to speak.

    """
    start = _expect(outlet, request, auth_method, now)
    if start is None:
        return None
    action, payload = _start_call(outlet, start, request)
    call = call_station(
        station=outlet.station, action=action, payload=payload, asked_by=asked_by, now=now
    )
    if _has_refused(call):
        RemoteStart.objects.filter(pk=start.pk).update(refused=True)
    return call


def _expect(
    outlet: Outlet, request: StartRequest, auth_method: AuthMethod, now: datetime
) -> RemoteStart | None:
    """Note a start that is about to be asked for; None where the EVSE is kept for others."""
    evse, token = outlet.connector.evse, request.cdr_token
    # Only 1.6 needs one.
    stands_in = outlet.station.version is Version.V1_6 and tags.needs_stand_in(token)
    only_commanded = stands_in or token.type in NEVER_ASKED
    with transaction.atomic():
        mine = reservations.usable_at(
            evse=evse, cdr_token=token, group_id=request.group_id, now=now
        )
        taken = _waiting_at(evse.location_id, now)
        if mine is None and reservations.is_kept_free(evse=evse, taken=taken, now=now):
            return None
        return RemoteStart.objects.create(
            outlet=outlet,
            id_tag=tags.id_tag(token) if stands_in else token.uid,
            cdr_token=plain(CdrToken, token),
            authorization_reference=request.authorization_reference,
            group_id=request.group_id,
            auth_method=auth_method,
            asked_at=now,
            until=now + (COMMAND_ONLY_COUNTS_FOR if only_commanded else VOUCHED_FOR),
        )


def _waiting_at(location_id: int, now: datetime) -> list[int]:
    """Return the EVSEs of a location for which a start was asked for just now."""
    rows = Evse.objects.filter(
        location=location_id,
        connectors__outlet__remote_starts__refused=False,
        connectors__outlet__remote_starts__asked_at__gt=now - WAITS_FOR_A_CAR,
    )
    return list(rows.values_list("pk", flat=True).distinct())


def _start_call(
    outlet: Outlet, start: RemoteStart, request: StartRequest
) -> tuple[str, dict[str, Any]]:
    """Return the call that asks for a start (OCPP 1.6, 5.11; OCPP 2.0.1, F01)."""
    if outlet.station.version is Version.V1_6:
        number = {"connectorId": outlet.ordinal}
        return "RemoteStartTransaction", {**number, "idTag": start.id_tag}
    return "RequestStartTransaction", {
        "evseId": outlet.evse_number,
        "remoteStartId": start.pk,
        "idToken": tags.id_token(request.cdr_token.uid, request.cdr_token.type),
        **tags.group_id_token(request.group_id),
    }


def _has_refused(call: StationCall) -> bool:
    """Tell whether a start cannot come of a call: what was sent and not answered may have been."""
    if call.state == CallState.ANSWERED:
        return (call.answer or {}).get("status") != "Accepted"
    if call.state == CallState.REFUSED:
        return True
    return call.state == CallState.OFFLINE and call.sent_at is None

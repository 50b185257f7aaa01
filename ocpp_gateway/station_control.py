"""Stations that speak OCPP, as the rest of the platform sees them: a `StationControl`.

Each request is a call to the station that the connector or EVSE is an outlet of, in the words of
its version; what it answers is put into those of OCPI. What happens then comes as its messages.
"""

from datetime import datetime
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import ChargingProfile, ShapeError
from locations.models import Capability, Connector, Evse
from ocpp_gateway import charging_profiles, tags
from ocpp_gateway.answers import (
    NOT_CHARGING,
    RESERVATIONS,
    UNLOCKS,
    failure,
    offline,
    profile_failure,
    rejection,
)
from ocpp_gateway.calling import NeverConnected, call_station
from ocpp_gateway.charges import stop_charge
from ocpp_gateway.charging import (
    charging_of,
    connector_number,
    evse_number,
    id_of,
    place_of,
    supply_of,
    transaction_of,
)
from ocpp_gateway.frames import Version
from ocpp_gateway.models import (
    Outlet,
    StationCall,
    StationState,
)
from ocpp_gateway.remote_starts import ask_to_start
from sessions_app.models import Session
from sessions_app.operations import profiles
from sessions_app.stations import (
    ProfileAnswer,
    ProfileResult,
    ReserveRequest,
    StartRequest,
    StationAnswer,
    StationResult,
)

# Partners' feeds wait for this.
SCHEDULE_SECONDS = 5.0


class OcppStations:
    """A `StationControl` for the stations that are connected to a gateway of ours."""

    def start(self, request: StartRequest, *, now: datetime) -> StationAnswer:
        """Ask for a start; whose it is when it comes is known before it is asked for."""
        connector = _connector(request.connector_id)
        if connector is None:
            return _no_connector()
        if Capability.REMOTE_START_STOP_CAPABLE not in connector.evse.capabilities:
            return StationAnswer(
                StationResult.NOT_SUPPORTED, f"EVSE {connector.evse.uid} has no remote start."
            )
        outlet = _outlet(connector.evse, connector)
        if isinstance(outlet, StationAnswer):
            return outlet
        call = ask_to_start(outlet, request, asked_by="START_SESSION", now=now)
        if call is None:
            return _occupied(connector.evse, "it is kept free for a reservation")
        answer = failure(call, connector.evse)
        if answer is None and _status(call) == "Accepted":
            return StationAnswer(StationResult.ACCEPTED)
        return answer or _no_start(call, outlet)

    def stop(self, *, session_id: int, now: datetime) -> StationAnswer:
        """Ask for the end of the transaction that the session is made of."""
        session = Session.objects.filter(pk=session_id).select_related("evse").first()
        if session is None or session.evse is None:
            return StationAnswer(StationResult.REJECTED, "There is no such session.")
        charging = transaction_of(session)
        if charging is None:
            return StationAnswer(StationResult.REJECTED, "The session has ended already.")
        try:
            call = stop_charge(charging, asked_by="STOP_SESSION", now=now)
        except NeverConnected:
            return offline(session.evse)
        return failure(call, session.evse) or _accepted_or_rejected(call)

    def reserve(self, request: ReserveRequest, *, now: datetime) -> StationAnswer:
        """Have an EVSE kept free; with several connectors, 1.6 keeps the first."""
        evse = Evse.objects.filter(pk=request.evse_id).first()
        if evse is None or Capability.RESERVABLE not in evse.capabilities:
            return StationAnswer(StationResult.NOT_SUPPORTED, "The EVSE cannot be reserved.")
        outlet = _outlet(evse)
        if isinstance(outlet, StationAnswer):
            return outlet
        call = call_station(
            station=outlet.station,
            action="ReserveNow",
            payload=_reservation(outlet, request),
            asked_by="RESERVE_NOW",
            now=now,
        )
        return failure(call, evse) or rejection(call, evse, RESERVATIONS)

    def cancel_reservation(self, *, number: int, evse_id: int, now: datetime) -> StationAnswer:
        """Give an EVSE back."""
        evse = Evse.objects.filter(pk=evse_id).first()
        if evse is None:
            return StationAnswer(StationResult.REJECTED, "There is no such reservation.")
        outlet = _outlet(evse, in_service=False)
        if isinstance(outlet, StationAnswer):
            return outlet
        call = call_station(
            station=outlet.station,
            action="CancelReservation",
            payload={"reservationId": number},
            asked_by="CANCEL_RESERVATION",
            now=now,
        )
        answer = failure(call, evse)
        if answer is None and _status(call) != "Accepted":
            return StationAnswer(StationResult.REJECTED, "There is no such reservation.")
        return answer or StationAnswer(StationResult.ACCEPTED)

    def unlock(self, *, connector_id: int, now: datetime) -> StationAnswer:
        """Release the cable. 1.6 ends what runs there by itself, 2.0.1 refuses: it is ended first.

        OCPP 1.6, 5.18; OCPP 2.0.1, F05.
        """
        connector = _connector(connector_id)
        if connector is None:
            return _no_connector()
        evse = connector.evse
        if Capability.UNLOCK_CAPABLE not in evse.capabilities:
            return StationAnswer(StationResult.NOT_SUPPORTED, "It cannot be unlocked remotely.")
        outlet = _outlet(evse, connector, in_service=False)
        if isinstance(outlet, StationAnswer):
            return outlet
        session = Session.objects.ongoing().filter(evse=evse).first()
        if session is not None and session.connector_id != connector.pk:
            return _occupied(evse, "a session is running at another connector")
        charging = transaction_of(session) if session else None
        if session and charging and outlet.station.version is Version.V2_0_1:
            stop_charge(charging, asked_by="UNLOCK_CONNECTOR", now=now)
        call = call_station(
            station=outlet.station,
            action="UnlockConnector",
            payload=connector_number(outlet),
            asked_by="UNLOCK_CONNECTOR",
            now=now,
            session_id=session.pk if session else None,
        )
        return failure(call, evse) or rejection(call, evse, UNLOCKS)

    def set_charging_profile(
        self, *, session_id: int, profile: ChargingProfile, now: datetime
    ) -> ProfileAnswer:
        """Limit the transaction; a profile without any period limits nothing."""
        charging = charging_of(session_id)
        if charging is None:
            return NOT_CHARGING
        if not profile.charging_profile_period:
            cleared = self.clear_charging_profile(session_id=session_id, now=now)
            is_gone = cleared.result is ProfileResult.UNKNOWN
            return ProfileAnswer(ProfileResult.ACCEPTED) if is_gone else cleared
        outlet, version = place_of(charging)
        call = call_station(
            station=charging.station,
            action="SetChargingProfile",
            payload=charging_profiles.to_set(
                version,
                profile,
                number=evse_number(outlet, version),
                profile_id=charging.pk,
                transaction_id=id_of(charging, version),
                supply=supply_of(outlet.connector),
            ),
            asked_by="charging profile",
            now=now,
            session_id=session_id,
        )
        return _profile_answer(call, session_id, now)

    def clear_charging_profile(self, *, session_id: int, now: datetime) -> ProfileAnswer:
        """Lift the limit of the transaction."""
        charging = charging_of(session_id)
        if charging is None:
            return NOT_CHARGING
        name = "id" if charging.station.version is Version.V1_6 else "chargingProfileId"
        call = call_station(
            station=charging.station,
            action="ClearChargingProfile",
            payload={name: charging.pk},
            asked_by="charging profile",
            now=now,
            session_id=session_id,
        )
        return _profile_answer(call, session_id, now)

    def active_charging_profile(
        self, *, session_id: int, duration: int, now: datetime
    ) -> ProfileAnswer:
        """Return what the station says that it plans; it is not waited for long."""
        session = Session.objects.filter(pk=session_id).select_related("connector").first()
        if session is None or session.connector is None:
            return NOT_CHARGING
        charging = charging_of(session_id)
        if charging is None:
            supply = supply_of(session.connector)
            return ProfileAnswer(
                ProfileResult.ACCEPTED,
                profile=charging_profiles.unlimited(supply, duration=duration, now=now),
            )
        outlet, version = place_of(charging)
        call = call_station(
            station=charging.station,
            action="GetCompositeSchedule",
            payload={**evse_number(outlet, version), "duration": duration},
            asked_by="charging profile",
            now=now,
            session_id=session_id,
            seconds=SCHEDULE_SECONDS,
        )
        refusal = profile_failure(call)
        if refusal is not None:
            return refusal
        try:
            planned = charging_profiles.active(
                version, call.answer or {}, duration=duration, now=now
            )
        except ShapeError as error:
            return ProfileAnswer(ProfileResult.REJECTED, f"The station's plan: {error}")
        return ProfileAnswer(ProfileResult.ACCEPTED, profile=planned)


def _connector(connector_id: int) -> Connector | None:
    return Connector.objects.select_related("evse").filter(pk=connector_id).first()


def _outlet(
    evse: Evse, connector: Connector | None = None, *, in_service: bool = True
) -> Outlet | StationAnswer:
    """Return the outlet to ask of, or why nobody can be asked.

    `in_service`: a station in maintenance is not asked either.
    """
    rows = Outlet.objects.select_related("station", "connector__evse").filter(connector__evse=evse)
    if connector is not None:
        rows = rows.filter(connector=connector)
    outlet = rows.order_by("ordinal").first()
    if outlet is None or outlet.station.state != StationState.PLACED:
        return StationAnswer(
            StationResult.NOT_SUPPORTED, f"EVSE {evse.uid} belongs to no charging station."
        )
    if in_service and outlet.station.in_maintenance:
        return StationAnswer(StationResult.EVSE_INOPERATIVE, f"EVSE {evse.uid} is in maintenance.")
    return offline(evse) if outlet.station.version is None else outlet


def _no_start(call: StationCall, outlet: Outlet) -> StationAnswer:
    """Say why a station has rejected a start, as far as that can be known."""
    evse = outlet.connector.evse
    if outlet.reported_status in {"Faulted", "Unavailable"}:
        return StationAnswer(
            StationResult.EVSE_INOPERATIVE, f"EVSE {evse.uid} is {outlet.reported_status}."
        )
    if Session.objects.ongoing().filter(evse=evse).exists():
        return _occupied(evse, "a session is running")
    return _accepted_or_rejected(call)


def _reservation(outlet: Outlet, request: ReserveRequest) -> dict[str, Any]:
    until, token = format_datetime(request.expiry_date), request.cdr_token
    if outlet.station.version is Version.V1_6:
        return {
            "connectorId": outlet.ordinal,
            "expiryDate": until,
            "idTag": tags.id_tag(token),
            "reservationId": request.number,
            **tags.parent_id_tag(request.group_id),
        }
    return {
        "id": request.number,
        "expiryDateTime": until,
        "idToken": tags.id_token(token.uid, token.type),
        "evseId": outlet.evse_number,
        **tags.group_id_token(request.group_id),
    }


def _profile_answer(call: StationCall, session_id: int, now: datetime) -> ProfileAnswer:
    """Return what came of a change of limits; partners are told of those that hold now."""
    refusal = profile_failure(call)
    if refusal is not None:
        return refusal
    profiles.report_profile_change(session_id=session_id, now=now)
    return ProfileAnswer(ProfileResult.ACCEPTED)


def _status(call: StationCall) -> str:
    return str((call.answer or {}).get("status", ""))


def _accepted_or_rejected(call: StationCall) -> StationAnswer:
    if _status(call) == "Accepted":
        return StationAnswer(StationResult.ACCEPTED)
    return StationAnswer(StationResult.REJECTED, "The station has rejected it.")


def _occupied(evse: Evse, reason: str) -> StationAnswer:
    return StationAnswer(StationResult.EVSE_OCCUPIED, f"EVSE {evse.uid}: {reason}.")


def _no_connector() -> StationAnswer:
    return StationAnswer(StationResult.REJECTED, "The station has no such connector.")

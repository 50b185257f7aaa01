"""What stations answer, in OCPI's words and in a sentence for whoever asked."""

from collections.abc import Mapping

from locations.models import Evse
from ocpp_gateway.models import CallState, StationCall
from sessions_app.stations import ProfileAnswer, ProfileResult, StationAnswer, StationResult

# Error codes by which a station says that it has no such action (OCPP 1.6J, 4.2.3; 2.0.1, 4.3).
NOT_KNOWN = frozenset({"NotImplemented", "NotSupported"})

Answers = Mapping[str, tuple[StationResult, str]]

# OCPP 1.6, 7.36, ReservationStatus; OCPP 2.0.1, part 2, ReserveNowStatusEnumType.
RESERVATIONS: Answers = {
    "Accepted": (StationResult.ACCEPTED, ""),
    "Faulted": (StationResult.EVSE_INOPERATIVE, "EVSE {uid} is faulted."),
    "Occupied": (StationResult.EVSE_OCCUPIED, "EVSE {uid}: it is in use."),
    "Rejected": (StationResult.REJECTED, "The station has rejected it."),
    "Unavailable": (StationResult.EVSE_INOPERATIVE, "EVSE {uid} is unavailable."),
}
# OCPP 1.6, 7.47, UnlockStatus; OCPP 2.0.1, part 2, UnlockStatusEnumType.
UNLOCKS: Answers = {
    "Unlocked": (StationResult.ACCEPTED, ""),
    "UnlockFailed": (StationResult.FAILED, "EVSE {uid}: the lock is stuck."),
    "NotSupported": (StationResult.NOT_SUPPORTED, "It cannot be unlocked remotely."),
    "OngoingAuthorizedTransaction": (
        StationResult.EVSE_OCCUPIED,
        "EVSE {uid}: a session is running.",
    ),
    "UnknownConnector": (StationResult.REJECTED, "The station has no such connector."),
}

NOT_CHARGING = ProfileAnswer(ProfileResult.REJECTED, "The session does not charge.")
# OCPP 1.6, 7.13, 7.15, 7.24; in 2.0.1 there are fewer.
PROFILE_REFUSALS = {
    "NotSupported": ProfileAnswer(
        ProfileResult.REJECTED, "The station does not support charging profiles."
    ),
    "Rejected": ProfileAnswer(ProfileResult.REJECTED, "The station has rejected it."),
    "Unknown": ProfileAnswer(ProfileResult.UNKNOWN, "The session has no profile."),
}


def offline(evse: Evse) -> StationAnswer:
    """Say that nobody can be asked now."""
    return StationAnswer(StationResult.TIMEOUT, f"EVSE {evse.uid} is offline.")


def failure(call: StationCall, evse: Evse) -> StationAnswer | None:
    """Say why a call has no answer; None where it has one."""
    match call.state:
        case CallState.ANSWERED:
            return None
        case CallState.OFFLINE:
            return offline(evse)
        case CallState.REFUSED if _code(call) in NOT_KNOWN:
            return StationAnswer(
                StationResult.NOT_SUPPORTED, f"The station does not support {call.action}."
            )
        case CallState.REFUSED:
            return StationAnswer(StationResult.FAILED, f"The station has failed: {_code(call)}.")
    return StationAnswer(
        StationResult.TIMEOUT, f"EVSE {evse.uid}: its station has not answered in time."
    )


def rejection(call: StationCall, evse: Evse, answers: Answers) -> StationAnswer:
    """Return what a station that has answered made of a request."""
    status = (call.answer or {}).get("status", "")
    result, text = answers.get(status, (StationResult.REJECTED, "The station has rejected it."))
    return StationAnswer(result, text.format(uid=evse.uid))


def profile_failure(call: StationCall) -> ProfileAnswer | None:
    """Say why a request on limits has failed; None where it was accepted."""
    match call.state:
        case CallState.ANSWERED:
            return PROFILE_REFUSALS.get((call.answer or {}).get("status", ""))
        case CallState.OFFLINE:
            return ProfileAnswer(ProfileResult.REJECTED, "The station is offline.")
        case CallState.REFUSED if _code(call) in NOT_KNOWN:
            return PROFILE_REFUSALS["NotSupported"]
        case CallState.REFUSED:
            return ProfileAnswer(ProfileResult.REJECTED, f"The station has failed: {_code(call)}.")
    return ProfileAnswer(ProfileResult.REJECTED, "The station has not answered in time.")


def _code(call: StationCall) -> str:
    return call.error.partition(":")[0]

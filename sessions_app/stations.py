"""How a command reaches a station, whatever speaks to it: the port, without an implementation.

`STATION_CONTROL` names the class that is used, as `EMAIL_BACKEND` does for mail. Implementations
report what happens afterwards (a session that starts, meter values, a stop) by the operations of
`sessions_app` and `locations`, as a real station would.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from cpo_platform.common.shapes import ActiveChargingProfile, CdrToken, ChargingProfile


class StationResult(StrEnum):
    """What the station made of a command (OCPI 2.2.1, mod_commands, CommandResultType)."""

    ACCEPTED = "ACCEPTED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True)
class StationAnswer:
    result: StationResult
    message: str = ""


class ProfileResult(StrEnum):
    """What the station made of a request on its limits (OCPI 2.2.1, ChargingProfileResultType).

    UNKNOWN: there was no profile to clear.
    """

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class ProfileAnswer:
    """`profile` is what the station plans, where it was asked for that and accepted."""

    result: ProfileResult
    message: str = ""
    profile: ActiveChargingProfile | None = None


@dataclass(frozen=True)
class StartRequest:
    """What a station needs to start charging at a connector on behalf of a token."""

    connector_id: int
    cdr_token: CdrToken
    authorization_reference: str
    group_id: str = ""


@dataclass(frozen=True)
class ReserveRequest:
    """What a station needs to keep an EVSE free; `number` is ours, never an eMSP's id."""

    number: int
    evse_id: int
    cdr_token: CdrToken
    group_id: str
    expiry_date: datetime


class StationControl(Protocol):
    """What can be asked of a station. Calls may wait for it; never call one in a transaction."""

    def start(self, request: StartRequest, *, now: datetime) -> StationAnswer:
        """Ask the station to start charging; the session follows when the car is there."""

    def stop(self, *, session_id: int, now: datetime) -> StationAnswer:
        """Ask the station to stop the session."""

    def reserve(self, request: ReserveRequest, *, now: datetime) -> StationAnswer:
        """Ask the station to keep an EVSE free; a known number replaces what it stood for."""

    def cancel_reservation(self, *, number: int, evse_id: int, now: datetime) -> StationAnswer:
        """Give an EVSE back; REJECTED when the station knows of no such reservation."""

    def unlock(self, *, connector_id: int, now: datetime) -> StationAnswer:
        """Ask the station to release the cable; a session that runs there ends first."""

    def set_charging_profile(
        self, *, session_id: int, profile: ChargingProfile, now: datetime
    ) -> ProfileAnswer:
        """Give the session's car no more than this from now on; replaces an earlier profile.

        The limits are W over all phases, or A of each phase (OCPI 2.2.1, ChargingRateUnit).
        """

    def clear_charging_profile(self, *, session_id: int, now: datetime) -> ProfileAnswer:
        """Lift what a profile limits; UNKNOWN when the session has none."""

    def active_charging_profile(
        self, *, session_id: int, duration: int, now: datetime
    ) -> ProfileAnswer:
        """Return what the station will give at most in the next `duration` seconds.

        All limits together: the profile, the station's own, the connector's. Where no session
        runs any more it is what the connector can give. Partners' feeds ask this while they are
        drained: answer from what the station told last rather than wait long for it.
        """


def station_control() -> StationControl:
    """Return the implementation that `STATION_CONTROL` names."""
    control: StationControl = import_string(settings.STATION_CONTROL)()
    return control

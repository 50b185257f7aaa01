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

from cpo_platform.common.shapes import CdrToken


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


@dataclass(frozen=True)
class StartRequest:
    """What a station needs to start charging at a connector on behalf of a token."""

    connector_id: int
    cdr_token: CdrToken
    authorization_reference: str


class StationControl(Protocol):
    """What can be asked of a station. Calls may wait for it; never call one in a transaction."""

    def start(self, request: StartRequest, *, now: datetime) -> StationAnswer:
        """Ask the station to start charging; the session follows when the car is there."""

    def stop(self, *, session_id: int, now: datetime) -> StationAnswer:
        """Ask the station to stop the session."""


def station_control() -> StationControl:
    """Return the implementation that `STATION_CONTROL` names."""
    control: StationControl = import_string(settings.STATION_CONTROL)()
    return control

"""What commands of partners say, and what they are answered at once (OCPI 2.2.1, mod_commands)."""

from dataclasses import dataclass
from datetime import datetime

from cpo_platform.common.shapes import CdrToken


@dataclass(frozen=True)
class StartSessionRequest:
    """OCPI 2.2.1, mod_commands, StartSession."""

    response_url: str
    token: CdrToken
    location_id: str
    evse_uid: str | None
    connector_id: str | None
    authorization_reference: str
    group_id: str = ""
    # Whether the version has a way to name a connector at all.
    can_name_connector: bool = True


@dataclass(frozen=True)
class StopSessionRequest:
    """OCPI 2.2.1, mod_commands, StopSession."""

    response_url: str
    session_id: str


@dataclass(frozen=True)
class ReserveNowRequest:
    """OCPI 2.2.1, mod_commands, ReserveNow; `reservation_id` is a number in 2.1.1."""

    response_url: str
    token: CdrToken
    group_id: str
    expiry_date: datetime
    reservation_id: str
    location_id: str
    evse_uid: str | None
    connector_id: str | None
    authorization_reference: str


@dataclass(frozen=True)
class CancelReservationRequest:
    """OCPI 2.2.1, mod_commands, CancelReservation."""

    response_url: str
    reservation_id: str


@dataclass(frozen=True)
class UnlockConnectorRequest:
    """OCPI 2.2.1, mod_commands, UnlockConnector."""

    response_url: str
    location_id: str
    evse_uid: str
    connector_id: str


AnyRequest = (
    StartSessionRequest
    | StopSessionRequest
    | ReserveNowRequest
    | CancelReservationRequest
    | UnlockConnectorRequest
)


@dataclass(frozen=True)
class Reception:
    """The immediate answer: whether the command was understood and passed on.

    Only an ACCEPTED one has a `command_id`, and only that one gets a result later.
    """

    result: str
    message: str = ""
    command_id: int | None = None
    unknown_location: bool = False

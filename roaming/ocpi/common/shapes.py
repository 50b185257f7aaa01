"""What a version package offers: how each object of ours looks in that version."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cpo_platform.common.shapes import ActiveChargingProfile, ChargingPreferences
from locations.models import Location
from roaming.models import ClientInfo
from roaming.ocpi.common.audience import Audience
from roaming.operations.charging_profiles import ProfileCall
from roaming.operations.command_requests import (
    CancelReservationRequest,
    ReserveNowRequest,
    StartSessionRequest,
    StopSessionRequest,
    UnlockConnectorRequest,
)
from roaming.operations.hubs import TheirClientInfo
from roaming.operations.partners import TheirCredentials
from sessions_app.models import Cdr, Session, Token
from sessions_app.shapes import TokenShape
from tariffs.models import Tariff

Json = dict[str, Any]


@dataclass(frozen=True)
class OurRole:
    """One of our CPO parties, as we introduce it in credentials."""

    country_code: str
    party_id: str
    business_details: Json


@dataclass(frozen=True)
class Owner:
    """The eMSP that a token belongs to, where the object itself does not say (OCPI 2.1.1)."""

    country_code: str
    party_id: str


@dataclass(frozen=True)
class ProfileShapes:
    """The shapes of charging profiles and charging preferences (OCPI 2.2.1 and later)."""

    # The raw query, since a URL in it may not be percent-encoded.
    read_get: Callable[[str], ProfileCall]
    read_set: Callable[[object], ProfileCall]
    read_clear: Callable[[str], ProfileCall]
    read_preferences: Callable[[object], ChargingPreferences]
    response: Callable[[str, int], Json]
    result: Callable[[str, ActiveChargingProfile | None], Json]
    active_profile: Callable[[ActiveChargingProfile], Json]


@dataclass(frozen=True)
class Shapes:
    """One version's shapes. Renderers take rows with everything prefetched and run no query.

    Readers raise `cpo_platform.common.shapes.ShapeError`. Those of objects with a token are told
    its owner: 2.1.1 has it in the URL, or in the connection, and later versions in the object.
    """

    location: Callable[[Location, Audience], Json]
    # What a PATCH of an EVSE says: its status, and since when.
    evse_status: Callable[[str, datetime], Json]
    tariff: Callable[[Tariff], Json]
    session: Callable[[Session], Json]
    cdr: Callable[[Cdr], Json]
    token: Callable[[Token], Json]
    # identifier, role, URL
    endpoint: Callable[[str, str, str], Json]
    credentials: Callable[[str, str, list[OurRole]], Json]
    command_response: Callable[[str, int, str], Json]
    command_result: Callable[[str, str], Json]
    # location id, EVSE uid, connector id: what an eMSP is told when it is asked about a token
    location_references: Callable[[str, str, str], Json]
    read_token: Callable[[object, Owner | None], TokenShape]
    # The changes of a PATCH, in the canonical names.
    read_token_patch: Callable[[object], Json]
    # A token type as the version calls it.
    token_type: Callable[[str], str]
    read_credentials: Callable[[object], TheirCredentials]
    read_start_session: Callable[[object, Owner | None], StartSessionRequest]
    read_stop_session: Callable[[object], StopSessionRequest]
    read_reserve_now: Callable[[object, Owner | None], ReserveNowRequest]
    read_unlock_connector: Callable[[object], UnlockConnectorRequest]
    # None: the version has no such command (OCPI 2.1.1).
    read_cancel_reservation: Callable[[object], CancelReservationRequest] | None
    # Whether a token is known by its uid alone, and not by its uid and type (OCPI 2.1.1).
    token_by_uid: bool = False
    # None: the version has none (OCPI 2.1.1).
    charging_profiles: ProfileShapes | None = None
    # None: the version has no module hubclientinfo (OCPI 2.1.1).
    client_info: Callable[[ClientInfo], Json] | None = None
    read_client_info: Callable[[object], TheirClientInfo] | None = None

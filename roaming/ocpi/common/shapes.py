"""What a version package offers: how each object of ours looks in that version."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from locations.models import Location
from roaming.operations.commands import StartSessionRequest, StopSessionRequest
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
class Shapes:
    """One version's shapes. Renderers take rows with everything prefetched and run no query.

    Readers raise `cpo_platform.common.shapes.ShapeError`.
    """

    location: Callable[[Location], Json]
    tariff: Callable[[Tariff], Json]
    session: Callable[[Session], Json]
    cdr: Callable[[Cdr], Json]
    token: Callable[[Token], Json]
    credentials: Callable[[str, str, list[OurRole]], Json]
    command_response: Callable[[str, int, str], Json]
    command_result: Callable[[str, str], Json]
    read_token: Callable[[object], TokenShape]
    read_credentials: Callable[[object], TheirCredentials]
    read_start_session: Callable[[object], StartSessionRequest]
    read_stop_session: Callable[[object], StopSessionRequest]

"""OCPI 2.1.1, mod_commands: one answer shape for both the response and the result."""

from typing import Annotated, Any

from pydantic import Field

from cpo_platform.common.shapes import DateTime, Shape, Url, ci_string, parse
from roaming.ocpi.common.shapes import Owner
from roaming.ocpi.v2_1_1.tokens import read_token
from roaming.operations.command_requests import (
    ReserveNowRequest,
    StartSessionRequest,
    StopSessionRequest,
    UnlockConnectorRequest,
)

RESULTS = frozenset(["NOT_SUPPORTED", "REJECTED", "ACCEPTED", "TIMEOUT", "UNKNOWN_SESSION"])


class _StartSession(Shape):
    response_url: Url
    token: dict[str, Any]
    location_id: ci_string(39)  # type: ignore[valid-type]
    evse_uid: ci_string(39) | None = None  # type: ignore[valid-type]


class _StopSession(Shape):
    response_url: Url
    session_id: ci_string(36)  # type: ignore[valid-type]


class _ReserveNow(_StartSession):
    expiry_date: DateTime
    reservation_id: Annotated[int, Field(strict=True)]


class _UnlockConnector(Shape):
    response_url: Url
    location_id: ci_string(39)  # type: ignore[valid-type]
    evse_uid: ci_string(39)  # type: ignore[valid-type]
    connector_id: ci_string(36)  # type: ignore[valid-type]


def read_start_session(document: object, owner: Owner | None) -> StartSessionRequest:
    request = parse(_StartSession, document)
    return StartSessionRequest(
        response_url=request.response_url,
        token=read_token(request.token, owner).cdr_token,
        location_id=request.location_id,
        evse_uid=request.evse_uid,
        connector_id=None,
        authorization_reference="",
        can_name_connector=False,
    )


def read_stop_session(document: object) -> StopSessionRequest:
    request = parse(_StopSession, document)
    return StopSessionRequest(request.response_url, request.session_id)


def read_reserve_now(document: object, owner: Owner | None) -> ReserveNowRequest:
    request = parse(_ReserveNow, document)
    return ReserveNowRequest(
        response_url=request.response_url,
        token=read_token(request.token, owner).cdr_token,
        group_id="",
        expiry_date=request.expiry_date,
        reservation_id=str(request.reservation_id),
        location_id=request.location_id,
        evse_uid=request.evse_uid,
        connector_id=None,
        authorization_reference="",
    )


def read_unlock_connector(document: object) -> UnlockConnectorRequest:
    request = parse(_UnlockConnector, document)
    return UnlockConnectorRequest(
        request.response_url, request.location_id, request.evse_uid, request.connector_id
    )


def render_command_response(result: str, _timeout: int, _message: str) -> dict[str, Any]:
    return {"result": result}


def render_command_result(result: str, _message: str) -> dict[str, Any]:
    """Return the result of a command; 2.1.1 has no name for most reasons to refuse."""
    return {"result": result if result in RESULTS else "REJECTED"}

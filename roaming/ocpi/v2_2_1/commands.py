"""OCPI 2.2.1, mod_commands: the commands we take and the answers we give."""

from typing import Any

from pydantic import model_validator

from cpo_platform.common.shapes import DateTime, Shape, Url, ci_string, parse
from roaming.ocpi.common.shapes import Owner
from roaming.operations.command_requests import (
    CancelReservationRequest,
    ReserveNowRequest,
    StartSessionRequest,
    StopSessionRequest,
    UnlockConnectorRequest,
)
from sessions_app.shapes import TokenShape


class _StartSession(Shape):
    response_url: Url
    token: TokenShape
    location_id: ci_string(36)  # type: ignore[valid-type]
    evse_uid: ci_string(36) | None = None  # type: ignore[valid-type]
    connector_id: ci_string(36) | None = None  # type: ignore[valid-type]
    authorization_reference: ci_string(36) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _connector_needs_evse(self) -> "_StartSession":
        if self.connector_id and not self.evse_uid:
            raise ValueError("evse_uid is required with connector_id")
        return self


class _StopSession(Shape):
    response_url: Url
    session_id: ci_string(36)  # type: ignore[valid-type]


class _ReserveNow(_StartSession):
    expiry_date: DateTime
    reservation_id: ci_string(36)  # type: ignore[valid-type]


class _CancelReservation(Shape):
    response_url: Url
    reservation_id: ci_string(36)  # type: ignore[valid-type]


class _UnlockConnector(Shape):
    response_url: Url
    location_id: ci_string(36)  # type: ignore[valid-type]
    evse_uid: ci_string(36)  # type: ignore[valid-type]
    connector_id: ci_string(36)  # type: ignore[valid-type]


def read_reserve_now(document: object, _owner: Owner | None = None) -> ReserveNowRequest:
    request = parse(_ReserveNow, document)
    return ReserveNowRequest(
        response_url=request.response_url,
        token=request.token.cdr_token,
        group_id=request.token.group_id or "",
        expiry_date=request.expiry_date,
        reservation_id=request.reservation_id,
        location_id=request.location_id,
        evse_uid=request.evse_uid,
        connector_id=request.connector_id,
        authorization_reference=request.authorization_reference or "",
    )


def read_cancel_reservation(document: object) -> CancelReservationRequest:
    request = parse(_CancelReservation, document)
    return CancelReservationRequest(request.response_url, request.reservation_id)


def read_unlock_connector(document: object) -> UnlockConnectorRequest:
    request = parse(_UnlockConnector, document)
    return UnlockConnectorRequest(
        request.response_url, request.location_id, request.evse_uid, request.connector_id
    )


def read_start_session(document: object, _owner: Owner | None = None) -> StartSessionRequest:
    request = parse(_StartSession, document)
    return StartSessionRequest(
        response_url=request.response_url,
        token=request.token.cdr_token,
        location_id=request.location_id,
        evse_uid=request.evse_uid,
        connector_id=request.connector_id,
        authorization_reference=request.authorization_reference or "",
        group_id=request.token.group_id or "",
    )


def read_stop_session(document: object) -> StopSessionRequest:
    request = parse(_StopSession, document)
    return StopSessionRequest(request.response_url, request.session_id)


def render_command_response(result: str, timeout: int, message: str) -> dict[str, Any]:
    return {"result": result, "timeout": timeout} | _message(message)


def render_command_result(result: str, message: str) -> dict[str, Any]:
    return {"result": result} | _message(message)


def _message(message: str) -> dict[str, Any]:
    if not message:
        return {}
    return {"message": [{"language": "en", "text": message[:512]}]}

"""OCPI 2.2.1, mod_commands: the commands we take and the answers we give."""

from typing import Any

from pydantic import model_validator

from cpo_platform.common.shapes import CdrToken, Shape, Url, ci_string, parse
from roaming.operations.commands import StartSessionRequest, StopSessionRequest
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


def read_start_session(document: object) -> StartSessionRequest:
    request = parse(_StartSession, document)
    token = request.token
    return StartSessionRequest(
        response_url=request.response_url,
        token=CdrToken(
            country_code=token.country_code,
            party_id=token.party_id,
            uid=token.uid,
            type=token.type,
            contract_id=token.contract_id,
        ),
        location_id=request.location_id,
        evse_uid=request.evse_uid,
        connector_id=request.connector_id,
        authorization_reference=request.authorization_reference or "",
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

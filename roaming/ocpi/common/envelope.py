"""The OCPI envelope, and JSON in and out of the views."""

from datetime import datetime
from typing import Any

import orjson
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from cpo_platform.common import json
from cpo_platform.common.text import unstorable_reason
from roaming.ocpi.common.errors import BadJson, InvalidParameters, OcpiError

SUCCESS = 1000
MAX_BODY_BYTES = 1024 * 1024


def ready(text: str) -> orjson.Fragment:
    """Return JSON text that is rendered already, to be put into an answer as it is."""
    return orjson.Fragment(text)


def answer(
    *,
    now: datetime,
    data: Any = None,
    status_code: int = SUCCESS,
    message: str = "",
    http_status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an OCPI answer; `data` is left out when there is none (OCPI 2.2.1, transport)."""
    body: dict[str, Any] = {} if data is None else {"data": data}
    body["status_code"] = status_code
    body["status_message"] = message or ("Success" if status_code == SUCCESS else "Error")
    body["timestamp"] = json.format_datetime(now)
    return Response(body, status=http_status, headers=headers)


def error_answer(error: OcpiError, *, now: datetime) -> Response:
    return answer(
        now=now,
        data=error.data,
        status_code=error.status_code,
        message=error.message,
        http_status=error.http_status,
    )


class OcpiRenderer(BaseRenderer):
    """Render with our own JSON: exact numbers, and documents that are rendered already."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "text"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return json.dumps(data)


class OcpiParser(BaseParser):
    """Parse any body as JSON, whatever its Content-Type says, up to a size."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = stream.read(MAX_BODY_BYTES + 1)
        if len(text) > MAX_BODY_BYTES:
            raise BadJson(f"the body is larger than {MAX_BODY_BYTES} bytes")
        try:
            document = json.loads(text)
        except json.InvalidJson as error:
            raise BadJson(f"the body is not JSON: {error}") from error
        reason = unstorable_reason(document)
        if reason:
            raise InvalidParameters(f"the body {reason}")
        return document

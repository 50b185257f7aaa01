"""The message log: what went in and out, with secrets taken out."""

from typing import Any

import orjson

from sandbox.emsp.peer import Peer
from sandbox.emsp.store import MAX_LOGGED, Store
from sandbox.emsp.wire import authorization

REDACTED = "[redacted]"


class MessageLog:
    """Record messages; every known token, and every `token` of a credentials body, is redacted."""

    def __init__(self, store: Store, peer: Peer) -> None:
        self._store = store
        self._peer = peer

    def add(
        self,
        *,
        direction: str,
        module: str,
        method: str,
        url: str,
        request_body: bytes,
        status: int,
        response_body: bytes,
        milliseconds: float,
        request_id: str,
        correlation_id: str = "",
        to: str = "",
        error: str = "",
    ) -> None:
        """Record one message; `direction` is "in" or "out", `status` 0 when no answer came.

        `to` is the party that the routing headers address (`NL*EMS`), "" without them.
        """
        self._store.record(
            "messages",
            {
                "direction": direction,
                "module": module,
                "method": method,
                "url": self._text(url.encode(), module=""),
                "request": self._text(request_body, module=module),
                "status": status,
                "status_code": _status_code(response_body),
                "response": self._text(response_body, module=module),
                "milliseconds": round(milliseconds, 1),
                "request_id": request_id[:100],
                "correlation_id": correlation_id[:100],
                "to": to,
                "error": error,
            },
        )

    def _text(self, body: bytes, *, module: str) -> str:
        if module == "credentials":
            body = _without_token(body)
        text = body[:MAX_LOGGED].decode(errors="replace")
        for secret in self._peer.secrets():
            text = text.replace(secret, REDACTED)
            text = text.replace(authorization(secret, "").removeprefix("Token "), REDACTED)
        return text


def _without_token(body: bytes) -> bytes:
    try:
        return orjson.dumps(_redact(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return body if not body.strip() else b"(not JSON)"


def _redact(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        name: REDACTED if name == "token" and isinstance(entry, str) else _redact(entry)
        for name, entry in value.items()
    }


def _status_code(body: bytes) -> int | None:
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    code = envelope.get("status_code") if isinstance(envelope, dict) else None
    return code if isinstance(code, int) else None

"""A plain HTTP client for these tests: one connection per call, closed again."""

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Got:
    """Hold one answer; `json` is None when the body is not JSON."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> int:
        return int(self.json["status_code"])

    @property
    def data(self) -> Any:
        return self.json.get("data")


def call(
    method: str,
    url: str,
    body: Any = None,
    *,
    token: str = "",
    plain: bool = False,
    headers: dict[str, str] | None = None,
    raw: bytes | None = None,
) -> Got:
    """Make one call; `token` is sent in Base64 (OCPI 2.2 and later), or plain (2.1.1)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    sent = {"X-Request-ID": "request-1", "X-Correlation-ID": "correlation-1"} | (headers or {})
    if token:
        value = token if plain else base64.b64encode(token.encode()).decode()
        sent["Authorization"] = f"Token {value}"
    content = raw
    if body is not None:
        content = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path or "/", body=content, headers=sent)
        response = connection.getresponse()
        received = response.read()
        return Got(status=response.status, headers=dict(response.headers), text=received.decode())
    finally:
        connection.close()

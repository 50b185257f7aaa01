"""A tiny CPO for these tests: credentials both ways, lists with pages, tokens, commands.

It speaks every version the sandbox does, one at a time: `version` is the one in use.
"""

import base64
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.sandbox.wire import Got, call

NOW = "2026-07-01T10:00:00Z"
PAGE = 2
SWAPPED = {
    "OCPI-to-party-id": "OCPI-from-party-id",
    "OCPI-to-country-code": "OCPI-from-country-code",
    "OCPI-from-party-id": "OCPI-to-party-id",
    "OCPI-from-country-code": "OCPI-to-country-code",
}
ROLE = {
    "role": "CPO",
    "party_id": "CPO",
    "country_code": "NL",
    "business_details": {"name": "Fake CPO"},
}


class FakeCpo:
    """Hold the state of the CPO; the handler below speaks for it."""

    def __init__(self) -> None:
        self.token_a = "token-a+/="
        self.inbound = ""
        self.outbound = ""
        self.endpoints: list[dict[str, str]] = []
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.tokens: dict[str, Any] = {}
        self.commands: list[dict[str, Any]] = []
        self.command_answer: dict[str, Any] = {"result": "ACCEPTED", "timeout": 30}
        self.callbacks_seen: list[int] = []
        self.profiles: list[dict[str, Any]] = []
        self.preferences: list[dict[str, Any]] = []
        self.clients: list[dict[str, Any]] = []
        self.preferences_answer = "ACCEPTED"
        self.headers_seen: list[dict[str, str]] = []
        self.peer_credentials: dict[str, Any] = {}
        self.version = "2.2.1"
        self.offered = ["2.1.1", "2.2.1", "2.3.0"]
        self.modules = ["credentials", "locations", "tariffs", "sessions", "cdrs"]
        self.receivers = ["tokens", "commands", "chargingprofiles", "hubclientinfo"]
        self.down = 0
        self.next_link = ""
        self.calls: list[str] = []
        self.url = ""

    @property
    def versions_url(self) -> str:
        return f"{self.url}/versions"

    @property
    def plain(self) -> bool:
        return self.version == "2.1.1"

    def credentials(self, token: str) -> dict[str, Any]:
        found = {"token": token, "url": self.versions_url}
        if self.plain:
            return found | {name: value for name, value in ROLE.items() if name != "role"}
        return found | {"roles": [ROLE]}

    def call_back(self, body: dict[str, Any]) -> None:
        """Read the peer's versions and endpoints with the token it just sent."""
        versions = call("GET", body["url"], token=body["token"], plain=self.plain)
        url = next(e["url"] for e in versions.data if e["version"] == self.version)
        details = call("GET", url, token=body["token"], plain=self.plain)
        self.callbacks_seen += [versions.status, details.status]
        self.endpoints = details.data["endpoints"]
        self.outbound = body["token"]
        self.peer_credentials = body

    def register_with(self, versions_url: str, token_a: str) -> Got:
        """Start the handshake as the CPO."""
        versions = call("GET", versions_url, token=token_a, plain=self.plain)
        url = next(e["url"] for e in versions.data if e["version"] == self.version)
        details = call("GET", url, token=token_a, plain=self.plain)
        self.endpoints = details.data["endpoints"]
        self.inbound = secrets.token_urlsafe(16)
        body = self.credentials(self.inbound)
        answer = call("POST", self.peer("credentials"), body, token=token_a, plain=self.plain)
        if answer.status == 200 and answer.code == 1000:
            self.outbound = answer.data["token"]
        return answer

    def peer(self, identifier: str) -> str:
        return next(e["url"] for e in self.endpoints if e["identifier"] == identifier)

    def push(self, method: str, path: str, body: Any = None, **options: Any) -> Got:
        """Call an interface of the eMSP; `path` starts with the module."""
        module = re.split("[/?]", path, maxsplit=1)[0]
        url = self.peer(module) + path.removeprefix(module)
        token = options.pop("token", self.outbound)
        return call(method, url, body, token=token, plain=self.plain, **options)


class _Handler(BaseHTTPRequestHandler):
    cpo: FakeCpo

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        pass

    def _token(self) -> str:
        value = self.headers.get("Authorization", "").removeprefix("Token ")
        wanted = self.cpo.inbound or self.cpo.token_a
        if value == wanted:
            return value
        with suppress(ValueError):
            return base64.b64decode(value, validate=True).decode()
        return ""

    def _answer(self, status: int, code: int, data: Any = None, **headers: str) -> None:
        envelope = {"status_code": code, "timestamp": NOW, "data": data}
        content = json.dumps(envelope).encode()
        self.send_response(status)
        for name in ("X-Request-ID", "X-Correlation-ID"):
            self.send_header(name, self.headers.get(name, ""))
        for name, source in SWAPPED.items():
            if source in self.headers:
                self.send_header(name, self.headers[source])
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _handle(self) -> None:
        cpo, path = self.cpo, urlsplit(self.path).path
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        cpo.calls.append(f"{self.command} {self.path}")
        cpo.headers_seen.append(dict(self.headers))
        if cpo.down:
            cpo.down -= 1
            self._answer(503, 3000)
        elif self._token() != (cpo.inbound or cpo.token_a):
            self._answer(401, 2000)
        elif path == "/versions":
            entries = [{"version": name, "url": f"{cpo.url}/{name}"} for name in cpo.offered]
            self._answer(200, 1000, entries)
        elif path.strip("/") in cpo.offered:
            number = path.strip("/")
            self._answer(200, 1000, {"version": number, "endpoints": self._endpoints(number)})
        else:
            number, *segments = path.strip("/").split("/")
            if segments[0] == "credentials" and self.command != "DELETE":
                cpo.version = number
            self._module(segments, body)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - named by http.server

    def _endpoints(self, number: str) -> list[dict[str, str]]:
        roles = [(name, "SENDER") for name in self.cpo.modules]
        roles += [(name, "RECEIVER") for name in self.cpo.receivers]
        url = f"{self.cpo.url}/{number}"
        if number == "2.1.1":
            return [{"identifier": name, "url": f"{url}/{name}"} for name, _ in roles]
        return [{"identifier": name, "role": role, "url": f"{url}/{name}"} for name, role in roles]

    def _module(self, segments: list[str], body: Any) -> None:
        if segments[0] == "credentials":
            self._credentials(body)
        elif segments[0] == "tokens":
            self.cpo.tokens[segments[3]] = body
            self._answer(200, 1000)
        elif segments[0] == "chargingprofiles":
            query = parse_qs(urlsplit(self.path).query)
            asked = {"method": self.command, "session_id": segments[1], "query": query}
            self.cpo.profiles.append(asked | {"body": body})
            self._answer(200, 1000, {"result": "ACCEPTED", "timeout": 30})
        elif segments[0] == "hubclientinfo":
            self.cpo.clients.append(body)
            self._answer(200, 1000)
        elif segments[-1] == "charging_preferences":
            self.cpo.preferences.append(body)
            self._answer(200, 1000, self.cpo.preferences_answer)
        elif segments[0] == "commands":
            self.cpo.commands.append({"name": segments[1], **body})
            self._answer(200, 1000, self.cpo.command_answer)
        else:
            self._list(segments[0])

    def _credentials(self, body: Any) -> None:
        cpo = self.cpo
        if self.command == "DELETE":
            cpo.inbound = cpo.outbound = ""
            self._answer(200, 1000)
        elif (self.command == "POST") == bool(cpo.inbound):
            self._answer(405, 2000)
        else:
            cpo.call_back(body)
            cpo.inbound = secrets.token_urlsafe(16)
            self._answer(200, 1000, cpo.credentials(cpo.inbound))

    def _list(self, module: str) -> None:
        found = self.cpo.lists.get(module, [])
        offset = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
        headers = {"X_Total_Count": str(len(found)), "X_Limit": str(PAGE)}
        if offset + PAGE < len(found):
            following = (
                f"{self.cpo.url}/{self.cpo.version}/{module}?offset={offset + PAGE}&limit={PAGE}"
            )
            headers["Link"] = f'<{self.cpo.next_link or following}>; rel="next"'
        self._answer(200, 1000, found[offset : offset + PAGE], **headers)


@contextmanager
def running_cpo() -> Iterator[FakeCpo]:
    """Run the CPO on a free port for the length of a with block."""
    cpo = FakeCpo()
    handler = type("Handler", (_Handler,), {"cpo": cpo})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    cpo.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield cpo
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

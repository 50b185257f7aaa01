"""A partner of any version, over HTTP: it answers as a test has told it, and keeps what it got.

The sandbox eMSP judges what we send; this one is for handshakes and lists that go wrong, which a
decent eMSP would never produce.
"""

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]

# What an eMSP serves, by module (OCPI 2.2.1, version_information_endpoint, InterfaceRole).
EMSP_ENDPOINTS = {
    "credentials": "SENDER",
    "cdrs": "RECEIVER",
    "commands": "SENDER",
    "locations": "RECEIVER",
    "sessions": "RECEIVER",
    "tariffs": "RECEIVER",
    "tokens": "SENDER",
}


@dataclass
class Seen:
    """One request of the platform's."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    @property
    def value(self) -> str:
        """What follows `Token ` in the Authorization header."""
        return self.headers.get("authorization", "").removeprefix("Token ")


@dataclass
class Answered:
    """An answer: `raw` is sent as it is, `hang` closes the connection without one."""

    data: Any = None
    http: int = 200
    code: int = 1000
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


class Peer:
    """A partner NL*EMS with the given versions; `answers` replaces what it says at a path."""

    def __init__(self, *versions: str) -> None:
        self.versions = versions or ("2.2.1",)
        self.party = ("NL", "EMS")
        self.roles: list[Json] | None = None
        self.hub_party_id = ""
        self.endpoints = dict(EMSP_ENDPOINTS)
        # Tokens that it takes, and in which form: both, base64 or raw.
        self.tokens = {"A-token"}
        self.form = "both"
        # The token that it gives us.
        self.gives = "C-token"
        self.answers: dict[str, Answered | Callable[[Seen], Answered]] = {}
        self.seen: list[Seen] = []
        self.received: list[Json] = []
        self.before_answer: Callable[[Json], None] = lambda _credentials: None
        handler = type("Handler", (_Handler,), {"peer": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def versions_url(self) -> str:
        return f"{self.url}/versions"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def credentials(self, version: str, token: str) -> Json:
        """Return its Credentials object, in a version."""
        country_code, party_id = self.party
        details = {"name": "Peer"}
        common = {"token": token, "url": self.versions_url}
        if version == "2.1.1":
            return common | {
                "country_code": country_code,
                "party_id": party_id,
                "business_details": details,
            }
        role = {
            "role": "EMSP",
            "country_code": country_code,
            "party_id": party_id,
            "business_details": details,
        }
        hub = {"hub_party_id": self.hub_party_id} if self.hub_party_id else {}
        return common | hub | {"roles": self.roles or [role]}

    def requests(self, method: str, path: str) -> list[Seen]:
        return [one for one in self.seen if (one.method, one.path) == (method, path)]

    def answer(self, seen: Seen) -> Answered:
        self.seen.append(seen)
        if not self._knows(seen.value):
            return Answered(http=401, code=2000)
        prepared = self.answers.get(seen.path)
        if prepared is not None:
            return prepared(seen) if callable(prepared) else prepared
        parts = seen.path.strip("/").split("/")
        if parts == ["versions"]:
            return Answered([{"version": one, "url": f"{self.url}/{one}"} for one in self.versions])
        if len(parts) == 1 and parts[0] in self.versions:
            return Answered({"version": parts[0], "endpoints": self._endpoints(parts[0])})
        if parts[1:] == ["credentials"]:
            return self._credentials(seen, parts[0])
        return Answered(http=404, code=2001)

    def _knows(self, value: str) -> bool:
        raw = value in self.tokens
        try:
            decoded = b64decode(value, validate=True).decode() in self.tokens
        except ValueError:
            decoded = False
        return {"both": raw or decoded, "raw": raw, "base64": decoded}[self.form]

    def _endpoints(self, version: str) -> list[Json]:
        return [
            {"identifier": identifier, "url": f"{self.url}/{version}/{identifier}"}
            | ({} if version == "2.1.1" else {"role": role})
            for identifier, role in self.endpoints.items()
        ]

    def _credentials(self, seen: Seen, version: str) -> Answered:
        if seen.method == "DELETE":
            return Answered()
        self.received.append(seen.body)
        self.before_answer(seen.body)
        self.tokens = {self.gives}
        return Answered(self.credentials(version, self.gives))


class _Handler(BaseHTTPRequestHandler):
    peer: Peer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        url = urlsplit(self.path)
        seen = Seen(
            self.command,
            unquote(url.path),
            {name: values[0] for name, values in parse_qs(url.query).items()},
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(text) if text else None,
        )
        answered = self.peer.answer(seen)
        if answered.hang:
            self.close_connection = True
            return
        body = answered.raw
        if body is None:
            envelope = {"status_code": answered.code, "timestamp": "2026-06-01T08:00:00Z"}
            if answered.data is not None:
                envelope["data"] = answered.data
            body = json.dumps(envelope).encode()
        # Who asked may wait no longer.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._send(answered, body)

    def _send(self, answered: Answered, body: bytes) -> None:
        self.send_response(answered.http)
        for name, value in answered.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815  the server's names

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def held_back(answered: Answered, *, seconds: float = 60) -> Iterator[Callable[[Seen], Answered]]:
    """Give an answer that comes when the block has ended, or so late if it does not end."""
    goes_on = threading.Event()

    def answer(_seen: Seen) -> Answered:
        goes_on.wait(seconds)
        return answered

    try:
        yield answer
    finally:
        goes_on.set()


@contextmanager
def running_peer(*versions: str) -> Iterator[Peer]:
    peer = Peer(*versions)
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()

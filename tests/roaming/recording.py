"""A partner that keeps every request as it came, headers and all, and answers what it is told to.

For what the sandbox partner does not show: which headers were sent, in which order, in which
version. It judges nothing.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cpo_platform.common.secrets import encrypt
from roaming.models import Endpoint, Partner, PartnerRole
from tests.roaming import lanes
from tests.roaming.conftest import make_partner

Json = dict[str, Any]
MODULES = ("locations", "tariffs", "sessions", "cdrs")


@dataclass(frozen=True)
class Received:
    """One request: `line` is `PUT locations/NL/TST/SITE`."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"

    def party(self, direction: str) -> str:
        """Return who the routing headers name (`from` or `to`), as `NL*ABC`; "" for nobody."""
        code = self.headers.get(f"ocpi-{direction}-country-code", "")
        return f"{code}*{self.headers[f'ocpi-{direction}-party-id']}" if code else ""


@dataclass
class RecordingPeer:
    """Where the requests end up; `answers` are taken in turn, then everything is a success."""

    url: str
    received: list[Received] = field(default_factory=list)
    # HTTP status, and the body as it is sent.
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    # A GET shows what was POSTed last.
    copies_posts_to_gets: bool = False
    # What is answered to every request that names one of these.
    fails: dict[str, int] = field(default_factory=dict)
    _read: int = 0

    def new(self) -> list[Received]:
        """Return what came since this was asked last."""
        fresh, self._read = self.received[self._read :], len(self.received)
        return fresh

    def lines(self) -> list[str]:
        return [request.line for request in self.new()]

    def connect(
        self,
        version: str,
        party_id: str = "EMS",
        *,
        behind: tuple[str, ...] = (),
        **fields: Any,
    ) -> Partner:
        """Return a partner that pushes come here for; `behind` makes it the hub NL*HUB."""
        partner = make_partner(f"Partner {version} {party_id}", party_id).partner
        if behind:
            partner.roles.all().delete()
            fields["hub_party_id"] = "NLHUB"
            names = [("HUB", "HUB")] if version == "2.2.1" else []
            for role, name in [*names, *(("EMSP", name) for name in behind)]:
                PartnerRole.objects.create(
                    partner=partner,
                    role=role,
                    country_code="NL",
                    party_id=name,
                    via_hub=role == "EMSP" and version == "2.2.1",
                )
        Partner.objects.filter(pk=partner.pk).update(
            version=version, token_encrypted=encrypt("token"), **fields
        )
        for identifier in MODULES:
            Endpoint.objects.create(
                partner=partner,
                identifier=identifier,
                role="RECEIVER",
                url=f"{self.url}/{identifier}",
            )
        return Partner.objects.get(pk=partner.pk)


def drain(partner: Partner) -> int:
    """Drain a partner's feed now, whatever pause was set."""
    return lanes.drain(partner)


def success(**fields: Any) -> bytes:
    """Return an envelope that says 1000."""
    stamp = datetime.now(tz=UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"status_code": 1000, "timestamp": stamp, **fields}).encode()


@contextmanager
def recording_peer() -> Iterator[RecordingPeer]:
    """Run one on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer goes out in one piece: what follows a first one waits for its acknowledgement.
        wbufsize = -1

        def _take(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            peer.received.append(
                Received(
                    self.command,
                    self.path.removeprefix("/"),
                    {name.lower(): value for name, value in self.headers.items()},
                    json.loads(raw) if raw else None,
                )
            )
            status, body = peer.answers.pop(0) if peer.answers else (200, success())
            for name, failure in peer.fails.items():
                if name in self.path:
                    status, body = failure, b"{}"
            posts = [one.body for one in peer.received if one.method == "POST"]
            if self.command == "GET" and peer.copies_posts_to_gets and posts:
                status, body = 200, success(data=posts[-1])
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if self.command == "POST":
                self.send_header("Location", f"{peer.url}{self.path}/1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._take)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer = RecordingPeer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

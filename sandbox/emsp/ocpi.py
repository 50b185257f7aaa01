"""The OCPI server: authentication, headers, envelope, faults and the message log."""

import logging
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web

from sandbox.emsp.config import Settings
from sandbox.emsp.faults import Fault, Faults, misbehave
from sandbox.emsp.hub import Hub
from sandbox.emsp.message import Message
from sandbox.emsp.messages import MessageLog
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.receiver import Receiver
from sandbox.emsp.registration import Registration
from sandbox.emsp.sender import Tokens
from sandbox.emsp.under_way import UnderWay
from sandbox.emsp.wire import (
    CONFIGURATION_MODULES,
    ROUTING_HEADERS,
    SWAPPED,
    VERSIONS,
    Answer,
    Json,
    Party,
    presented_token,
    utc_now,
)

logger = logging.getLogger("sandbox.emsp")
MODULES = {
    "locations": "RECEIVER",
    "tariffs": "RECEIVER",
    "sessions": "RECEIVER",
    "cdrs": "RECEIVER",
    "tokens": "SENDER",
    "commands": "SENDER",
    "credentials": "SENDER",
}
# What 2.1.1 has not: OCPI 2.2 brought it.
LATER_MODULES = {"chargingprofiles": "SENDER"}
HUB_MODULES = {"hubclientinfo": "SENDER"}
_NEVER_PLAIN = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Say which module of which version a path addresses, and the decoded segments behind it."""

    module: str
    version: str = ""
    path: tuple[str, ...] = ()


class OcpiServer:
    """Answer everything under /ocpi/."""

    def __init__(
        self,
        *,
        settings: Settings,
        peer: Peer,
        violations: Violations,
        log: MessageLog,
        faults: Faults,
        registration: Registration,
        receiver: Receiver,
        tokens: Tokens,
        hub: Hub,
        public_url: str,
    ) -> None:
        self._settings = settings
        self._peer = peer
        self._violations = violations
        self._log = log
        self._faults = faults
        self._registration = registration
        self._receiver = receiver
        self._tokens = tokens
        self._hub = hub
        self._root = f"{public_url}/ocpi"
        self._under_way = UnderWay()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or spoil the answer when a fault is switched on."""
        started = time.monotonic()
        place = _place(request)
        with self._under_way.one(request, place.module, place.path) as second:
            if second:
                detail = f"{request.method} while another of this object is not answered yet"
                self._violations.note("in-flight", place.module, "/".join(place.path), detail)
            body = await request.read()
            response, fault = await self._response(request, place, body)
        sent = response.body if isinstance(response, web.Response) else b""
        self._log.add(
            direction="in",
            module=place.module,
            method=request.method,
            url=request.path_qs,
            request_body=body,
            status=response.status,
            response_body=sent if isinstance(sent, bytes) else b"",
            milliseconds=(time.monotonic() - started) * 1000,
            request_id=request.headers.get("X-Request-ID", ""),
            correlation_id=request.headers.get("X-Correlation-ID", ""),
            to=str(_named(request, "to") or ""),
            error=f"fault: {fault.kind}" if fault else "",
        )
        return response

    async def _response(
        self, request: web.Request, place: _Place, body: bytes
    ) -> tuple[web.StreamResponse, Fault | None]:
        """Answer honestly, unless a fault is switched on; return that as well."""
        if fault := self._faults.take(place.module, "before"):
            return await misbehave(fault, request, web.Response(body=b"{}")), fault
        honest = await self._honest(request, place, body)
        if fault := self._faults.take(place.module, "after"):
            return await misbehave(fault, request, honest), fault
        return honest, None

    async def _honest(self, request: web.Request, place: _Place, body: bytes) -> web.Response:
        try:
            answer = await self._answer(request, place, body)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            answer = Answer(code=3000, message="the sandbox failed: see its log")
        headers = {**answer.headers, **self._message_ids(request, place)}
        if place.module not in CONFIGURATION_MODULES:
            headers |= _swapped(request)
        return web.Response(
            status=answer.http,
            body=answer.body(utc_now()),
            content_type="application/json",
            headers=headers,
        )

    def _message_ids(self, request: web.Request, place: _Place) -> dict[str, str]:
        ids = {}
        version = place.version or self._peer.version
        for name in ("X-Request-ID", "X-Correlation-ID"):
            # OCPI 2.1.1 has no message ids; and the list of versions is asked before one is chosen.
            if not request.headers.get(name) and version not in {"", "2.1.1"}:
                self._violations.note("message-ids", place.module, request.path, f"no {name}")
            ids[name] = request.headers.get(name) or str(uuid.uuid4())
        return ids

    async def _answer(self, request: web.Request, place: _Place, body: bytes) -> Answer:
        standing, token = self._standing(request, place)
        if standing == "pending" and place.module not in CONFIGURATION_MODULES:
            # The CPO pushes before its answer to our handshake has arrived here.
            await self._registration.settled()
            standing, token = self._standing(request, place)
        if not standing or (standing == "token_a" and place.module not in CONFIGURATION_MODULES):
            # OCPI 2.2.1, credentials: token A is for versions and credentials.
            return Answer(http=401, code=2000, message="unknown, missing or not sufficient token")
        if place.module in {"versions", "details"}:
            return self._versions(request.method, place)
        if place.module not in self.modules(place.version):
            return Answer(http=404, code=2001, message="unknown path")
        content, broken = self._content(request, place, body)
        if broken is not None:
            return broken
        if place.module in CONFIGURATION_MODULES:
            return await self._configuration(request, place, content, token, standing)
        return self._functional(request, place, content)

    def _standing(self, request: web.Request, place: _Place) -> tuple[str, str]:
        """Look the token up as its version writes it: as it is in 2.1.1, in Base64 later."""
        raw, decoded = presented_token(request.headers.get("Authorization", ""))
        plain, encoded = self._peer.standing_of(raw), self._peer.standing_of(decoded)
        offered = self._peer.offered
        if place.version:
            right_plain = place.version == "2.1.1"
            right_encoded = not right_plain
        else:
            # The list of versions is asked before one is chosen: what one of them takes is right.
            right_plain, right_encoded = "2.1.1" in offered, offered != ["2.1.1"]
        if encoded and right_encoded:
            return encoded, decoded
        if plain and right_plain:
            return plain, raw
        if plain or (encoded and place.version):
            detail = "Base64-encoded" if encoded else "not Base64-encoded"
            detail = f"the token is valid but {detail}"
            self._violations.refuse("token-encoding", place.module, request.path, detail)
        return "", decoded

    def modules(self, version: str) -> dict[str, str]:
        """Return the modules we have in a version, with our role."""
        found = dict(MODULES)
        if version != "2.1.1":
            found |= LATER_MODULES
        if self._settings.is_hub:
            found |= HUB_MODULES
        return found if version in self._peer.offered else {}

    def _versions(self, method: str, place: _Place) -> Answer:
        if method != "GET":
            return Answer(http=405, code=2000, message="method not allowed")
        if place.module == "versions":
            entries = [
                {"version": number, "url": f"{self._root}/{number}"}
                for number in self._peer.offered
            ]
            return Answer(data=entries)
        version = place.version
        endpoints = [
            {"identifier": name, "role": role, "url": f"{self._root}/{version}/{name}"}
            for name, role in self.modules(version).items()
        ]
        if not endpoints:
            return Answer(http=404, code=2001, message=f"OCPI {version} is not offered")
        if version == "2.1.1":
            for entry in endpoints:
                del entry["role"]
        return Answer(data={"version": version, "endpoints": endpoints})

    def _content(
        self, request: web.Request, place: _Place, body: bytes
    ) -> tuple[Any, Answer | None]:
        if not body:
            return None, None
        if request.method in _NEVER_PLAIN and request.content_type != "application/json":
            detail = f"Content-Type is {request.content_type}"
            self._violations.note("content-type", place.module, request.path, detail)
        try:
            return orjson.loads(body), None
        except orjson.JSONDecodeError:
            self._violations.refuse("not-json", place.module, request.path, "the body is not JSON")
            return None, Answer(http=400, code=2001, message="the body is not JSON")

    async def _configuration(
        self, request: web.Request, place: _Place, content: Any, token: str, standing: str
    ) -> Answer:
        if any(name in request.headers for name in ROUTING_HEADERS):
            detail = "routing headers on a configuration module"
            self._violations.note("routing", place.module, request.path, detail)
        if place.module == "hubclientinfo":
            return self._hub.answer(_message(request, place, content, None))
        return await self._registration.serve(
            request.method, content, token=token, standing=standing, version=place.version
        )

    def _functional(self, request: web.Request, place: _Place, content: Any) -> Answer:
        if place.version != self._peer.version:
            detail = f"OCPI {place.version}, though {self._peer.version} is registered"
            self._violations.refuse("version", place.module, request.path, detail)
            return Answer(http=404, code=2001, message=detail)
        to_party = _named(request, "to")
        if problem := self._misrouted(request, to_party, place):
            self._violations.refuse("routing", place.module, request.path, problem)
            return Answer(http=404, code=2001, message=problem)
        self._judge_routing(request, place, to_party)
        message = _message(request, place, content, to_party)
        if place.module == "tokens":
            return self._tokens.answer(message)
        return self._receiver.answer(message)

    def _misrouted(self, request: web.Request, to_party: Party | None, place: _Place) -> str:
        """Check the routing headers: TO is us, FROM is a role of the CPO; both may be absent."""
        if place.version == "2.1.1":
            return ""
        ours = (self._settings.party, *self._settings.behind)
        if to_party and not any(
            party.matches(to_party.country_code, to_party.party_id) for party in ours
        ):
            return f"we are not {to_party}"
        sender = _named(request, "from")
        # A registration without roles is one that a test assumes: it is not about them.
        known = bool(self._peer.registration.get("roles"))
        if sender and known and not self._peer.owns(sender.country_code, sender.party_id):
            return f"{sender} is not a role of this platform"
        return ""

    def _judge_routing(self, request: web.Request, place: _Place, to_party: Party | None) -> None:
        """Note routing headers that should be there, or should not (OCPI 2.2.1, transport)."""
        present = [name for name in ROUTING_HEADERS if name in request.headers]
        problem = ""
        if place.version == "2.1.1":
            problem = "routing headers, unknown to OCPI 2.1.1" if present else ""
        elif (
            present and len(present) < len(ROUTING_HEADERS) and "OCPI-from-party-id" not in present
        ):
            problem = f"only {', '.join(present)}"
        elif not present and (len(self._peer.parties) > 1 or self._settings.is_hub):
            problem = "no routing headers, though there are several parties"
        elif self._is_for_hub(to_party) and request.method == "GET" and place.module != "tokens":
            problem = "a GET that is broadcast"
        if problem:
            self._violations.note("routing", place.module, request.path, problem)

    def _is_for_hub(self, to_party: Party | None) -> bool:
        """Answer whether a message is for the hub itself: for everybody behind it."""
        hub = self._settings.party
        is_ours = to_party and hub.matches(to_party.country_code, to_party.party_id)
        return self._settings.is_hub and bool(is_ours)

    def state(self) -> Json:
        """Summarise the registration for /inspect/state, without any token."""
        known = self._peer.registration
        return {
            "registered": self._peer.registered,
            "party": f"{self._settings.country_code}*{self._settings.party_id}",
            "behind": [str(party) for party in self._settings.behind],
            "version": self._peer.version or self._settings.ocpi_version,
            "offered": self._peer.offered,
            "name": self._settings.name,
            "versions_url": f"{self._root}/versions",
            "cpo": {
                name: known.get(name)
                for name in ("versions_url", "endpoints", "roles", "initiated_by", "at")
            }
            if known
            else None,
            "faults": self._faults.listing(),
        }


def _place(request: web.Request) -> _Place:
    segments = [unquote(part) for part in request.rel_url.raw_path.strip("/").split("/")][1:]
    if segments == ["versions"]:
        return _Place(module="versions")
    if not segments or segments[0] not in VERSIONS:
        return _Place(module="unknown")
    if len(segments) == 1:
        return _Place(module="details", version=segments[0])
    return _Place(module=segments[1], version=segments[0], path=tuple(segments[2:]))


def _message(request: web.Request, place: _Place, content: Any, to_party: Party | None) -> Message:
    return Message(
        version=place.version,
        method=request.method,
        module=place.module,
        path=place.path,
        query=dict(request.query),
        body=content,
        to=to_party,
    )


def _named(request: web.Request, direction: str) -> Party | None:
    """Read a party from the routing headers; None when it is not named."""
    party_id = request.headers.get(f"OCPI-{direction}-party-id", "")
    country_code = request.headers.get(f"OCPI-{direction}-country-code", "")
    if not party_id:
        return None
    return Party(country_code=country_code, party_id=party_id)


def _swapped(request: web.Request) -> dict[str, str]:
    """Answer TO the sender, FROM the addressee; nothing when there were no routing headers."""
    return {
        answered: request.headers[sent]
        for answered, sent in SWAPPED.items()
        if sent in request.headers
    }

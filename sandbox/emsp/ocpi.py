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
from sandbox.emsp.faults import Faults, misbehave
from sandbox.emsp.messages import MessageLog
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.receiver import Message, Receiver
from sandbox.emsp.registration import Registration
from sandbox.emsp.sender import Tokens
from sandbox.emsp.wire import (
    CONFIGURATION_MODULES,
    ROUTING_HEADERS,
    VERSION,
    Answer,
    Json,
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
_NEVER_PLAIN = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Say which module a path addresses, and the decoded segments behind it."""

    module: str
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
        self._root = f"{public_url}/ocpi"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or spoil the answer when a fault is switched on."""
        started = time.monotonic()
        place = _place(request)
        body = await request.read()
        if fault := self._faults.take(place.module, "before"):
            response: web.StreamResponse = await misbehave(fault, request, web.Response(body=b"{}"))
        else:
            honest = await self._honest(request, place, body)
            fault = self._faults.take(place.module, "after")
            response = await misbehave(fault, request, honest) if fault else honest
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
            error=f"fault: {fault.kind}" if fault else "",
        )
        return response

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
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if not request.headers.get(name):
                self._violations.note("message-ids", place.module, request.path, f"no {name}")
            ids[name] = request.headers.get(name) or str(uuid.uuid4())
        return ids

    async def _answer(self, request: web.Request, place: _Place, body: bytes) -> Answer:
        standing, token = self._standing(request, place)
        if not standing:
            return Answer(http=401, code=2000, message="unknown or missing token")
        if standing == "token_a" and place.module not in CONFIGURATION_MODULES:
            return Answer(http=401, code=2000, message="token A is for versions and credentials")
        if place.module not in MODULES:
            return self._versions(request.method, place)
        content, broken = self._content(request, place, body)
        if broken:
            return broken
        if place.module == "credentials":
            return await self._credentials(request, place, content, token, standing)
        return self._functional(request, place, content)

    def _standing(self, request: web.Request, place: _Place) -> tuple[str, str]:
        raw, decoded = presented_token(request.headers.get("Authorization", ""))
        standing = self._peer.standing_of(decoded)
        if not standing and self._peer.standing_of(raw):
            detail = "the token is valid but not Base64-encoded"
            self._violations.refuse("token-encoding", place.module, request.path, detail)
        return standing, decoded

    def _versions(self, method: str, place: _Place) -> Answer:
        if place.module not in CONFIGURATION_MODULES:
            return Answer(http=404, code=2001, message="unknown path")
        if method != "GET":
            return Answer(http=405, code=2000, message="method not allowed")
        if place.module == "versions":
            return Answer(data=[{"version": VERSION, "url": f"{self._root}/{VERSION}"}])
        endpoints = [
            {"identifier": name, "role": role, "url": f"{self._root}/{VERSION}/{name}"}
            for name, role in MODULES.items()
        ]
        return Answer(data={"version": VERSION, "endpoints": endpoints})

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

    async def _credentials(
        self, request: web.Request, place: _Place, content: Any, token: str, standing: str
    ) -> Answer:
        if any(name in request.headers for name in ROUTING_HEADERS):
            detail = "routing headers on a configuration module"
            self._violations.note("routing", place.module, request.path, detail)
        return await self._registration.serve(
            request.method, content, token=token, standing=standing
        )

    def _functional(self, request: web.Request, place: _Place, content: Any) -> Answer:
        if problem := self._misrouted(request):
            self._violations.refuse("routing", place.module, request.path, problem)
            return Answer(http=404, code=2001, message=problem)
        if ROUTING_HEADERS[2] not in request.headers and len(self._peer.parties) > 1:
            detail = "no routing headers, though this platform has several parties"
            self._violations.note("routing", place.module, request.path, detail)
        message = Message(
            method=request.method,
            module=place.module,
            path=place.path,
            query=dict(request.query),
            body=content,
        )
        if place.module == "tokens":
            return self._tokens.answer(message)
        return self._receiver.answer(message)

    def _misrouted(self, request: web.Request) -> str:
        """Check the routing headers: TO is us, FROM is a role of the CPO; both may be absent."""
        to_party, to_country, from_party, from_country = (
            request.headers.get(name, "") for name in ROUTING_HEADERS
        )
        if to_party and not self._settings.party.matches(to_country, to_party):
            return f"we are not {to_country}*{to_party}"
        if from_party and not self._peer.owns(from_country, from_party):
            return f"{from_country}*{from_party} is not a role of this platform"
        return ""

    def state(self) -> Json:
        """Summarise the registration for /inspect/state, without any token."""
        known = self._peer.registration
        return {
            "registered": self._peer.registered,
            "party": f"{self._settings.country_code}*{self._settings.party_id}",
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
    if not segments or segments[0] != VERSION:
        return _Place(module="unknown")
    if len(segments) == 1:
        return _Place(module="details")
    return _Place(module=segments[1], path=tuple(segments[2:]))


def _swapped(request: web.Request) -> dict[str, str]:
    """Answer TO the sender, FROM the addressee; nothing when there were no routing headers."""
    pairs = (
        ("OCPI-to-party-id", "OCPI-from-party-id"),
        ("OCPI-to-country-code", "OCPI-from-country-code"),
        ("OCPI-from-party-id", "OCPI-to-party-id"),
        ("OCPI-from-country-code", "OCPI-to-country-code"),
    )
    return {answered: request.headers[sent] for answered, sent in pairs if sent in request.headers}

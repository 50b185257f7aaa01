"""The client side: calls to the CPO, pulls page by page, pushes of tokens, commands."""

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import orjson

from sandbox.emsp.config import Settings
from sandbox.emsp.messages import MessageLog
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.receiver import Receiver
from sandbox.emsp.store import Store, object_key
from sandbox.emsp.validation import check, fatal
from sandbox.emsp.wire import (
    MAX_BODY,
    Json,
    Party,
    authorization,
    date_time,
    next_link,
    parse_date_time,
    routing,
    utc_now,
)

PULLED_MODULES = ("tariffs", "locations", "sessions", "cdrs")
_COMPLETE_LISTS = frozenset({"tariffs", "locations"})
_MAX_PAGES = 10_000
_EVERYTHING_SINCE = "2015-01-01T00:00:00Z"


class PeerError(Exception):
    """Report a call that failed: no connection, no envelope, or a status other than 1xxx.

    `http` and `code` hold the statuses of the answer, 0 when there was none.
    """

    def __init__(self, text: str, *, http: int = 0, code: int = 0) -> None:
        super().__init__(text)
        self.http = http
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Hold a successful answer of the CPO."""

    data: Any
    headers: Mapping[str, str]


class Client:
    """Talk to the CPO; every call has a timeout, a size limit and no redirects."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        peer: Peer,
        log: MessageLog,
        violations: Violations,
        receiver: Receiver,
        public_url: str,
    ) -> None:
        self._store = store
        self._settings = settings
        self._peer = peer
        self._log = log
        self._violations = violations
        self._receiver = receiver
        self._public_url = public_url
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def call(
        self,
        method: str,
        url: str,
        *,
        module: str,
        token: str = "",
        body: Any = None,
        to: Party | None = None,
    ) -> Reply:
        """Make one call; raise PeerError unless HTTP is 2xx and `status_code` 1xxx.

        `token` defaults to the one of the registration; `to` adds the routing headers.
        """
        request_id = str(uuid.uuid4())
        headers = {
            "Authorization": authorization(token or self._peer.outbound_token),
            "X-Request-ID": request_id,
            "X-Correlation-ID": str(uuid.uuid4()),
        }
        if to:
            headers |= routing(to=to, sender=self._settings.party)
        content = b"" if body is None else orjson.dumps(body)
        if content:
            headers["Content-Type"] = "application/json"
        started = time.monotonic()
        status, received, error = 0, b"", ""
        answered: Mapping[str, str] = {}
        try:
            status, received, answered = await self._send(method, url, headers, content)
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = f"{type(problem).__name__}: {problem}".rstrip(": ")
        self._log.add(
            direction="out",
            module=module,
            method=method,
            url=url,
            request_body=content,
            status=status,
            response_body=received,
            milliseconds=(time.monotonic() - started) * 1000,
            request_id=request_id,
            correlation_id=headers["X-Correlation-ID"],
            error=error,
        )
        if error:
            raise PeerError(f"{method} {url}: {error}")
        self._judge_headers(module, method, request_id, headers, answered)
        return _reply(f"{method} {url}", status, received, answered)

    async def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes
    ) -> tuple[int, bytes, Mapping[str, str]]:
        async with self._http.request(
            method, url, headers=headers, data=content or None, allow_redirects=False
        ) as response:
            received = b""
            async for chunk in response.content.iter_chunked(64 * 1024):
                received += chunk
                if len(received) > MAX_BODY:
                    raise ValueError(f"the answer is larger than {MAX_BODY} bytes")
            return response.status, received, response.headers

    def _judge_headers(
        self,
        module: str,
        method: str,
        request_id: str,
        sent: Mapping[str, str],
        answered: Mapping[str, str],
    ) -> None:
        where = f"answer to {method} {module}"
        if answered.get("X-Request-ID") != request_id:
            self._violations.note("message-ids", module, where, "X-Request-ID is not echoed")
        if answered.get("X-Correlation-ID") != sent["X-Correlation-ID"]:
            self._violations.note("message-ids", module, where, "X-Correlation-ID is not echoed")
        to_party = answered.get("OCPI-to-party-id")
        if to_party and "OCPI-to-party-id" not in sent:
            self._violations.note("routing", module, where, "routing headers nobody asked for")
        elif to_party and to_party.lower() != self._settings.party_id.lower():
            self._violations.note("routing", module, where, "TO and FROM are not swapped")

    def _url(self, identifier: str, role: str) -> str:
        url = self._peer.endpoint(identifier, role)
        if not url:
            reason = "offers no" if self._peer.registered else "is not registered: no"
            raise PeerError(f"the CPO {reason} {identifier} {role} endpoint")
        return url

    def _any_party(self) -> Party | None:
        return self._peer.parties[0] if self._peer.parties else None

    # Pull

    async def pull(self, modules: tuple[str, ...] = PULLED_MODULES) -> dict[str, int]:
        """Fetch whole lists from every CPO party; return how many objects each module gave.

        A full list of tariffs or locations is the new truth: what it lacks is dropped.
        """
        counts = {}
        for module in modules:
            seen: set[str] = set()
            for party in self._peer.parties:
                async for key in self._pull_from(module, party):
                    seen.add(key)
            if module in _COMPLETE_LISTS:
                for key in self._store.keys(module) - seen:
                    self._store.delete(module, key)
            counts[module] = len(seen)
        return counts

    async def _pull_from(self, module: str, party: Party) -> AsyncIterator[str]:
        start = self._url(module, "SENDER")
        url = start
        if module == "sessions":
            url += "?" + urlencode({"date_from": _EVERYTHING_SINCE})
        visited: set[str] = set()
        while url and url not in visited and len(visited) < _MAX_PAGES:
            visited.add(url)
            reply = await self.call("GET", url, module=module, to=party)
            if not isinstance(reply.data, list):
                raise PeerError(f"GET {url}: data must be an array")
            for body in reply.data:
                if key := self._receiver.pulled(module, body):
                    yield key
            url = self._next_page(module, start, reply)

    def _next_page(self, module: str, start: str, reply: Reply) -> str:
        for name in ("X-Total-Count", "X-Limit"):
            if not reply.headers.get(name, "").isdigit():
                self._violations.note("pagination", module, "list", f"{name} is missing")
        url = next_link(reply.headers)
        # The call carries the credentials token: a page elsewhere is not fetched.
        if url and urlsplit(url)[:2] != urlsplit(start)[:2]:
            self._violations.refuse(
                "pagination", module, "list", f"Link leads elsewhere: {url[:200]}"
            )
            return ""
        return url

    # Tokens

    async def put_token(self, token: Json) -> None:
        """PUT one of our tokens to the CPO."""
        path = "/".join(quote(token[name], safe="") for name in ("country_code", "party_id", "uid"))
        url = f"{self._url('tokens', 'RECEIVER')}/{path}?{urlencode({'type': token['type']})}"
        await self.call("PUT", url, module="tokens", body=token, to=self._any_party())

    async def put_tokens(self) -> int:
        """PUT all our tokens to the CPO; return how many."""
        tokens = self._store.objects("tokens")
        for token in tokens:
            await self.put_token(token)
        return len(tokens)

    # Commands

    async def start_session(
        self, *, location_id: str, evse_uid: str, connector_id: str = "", token_uid: str
    ) -> Json:
        """Send START_SESSION; return the stored command (`id`, `response`, later `result`)."""
        token = self._token(token_uid)
        reference = uuid.uuid4().hex[:20]
        self._store.add_reference(reference)
        body = {
            "token": token,
            "location_id": location_id,
            "evse_uid": evse_uid,
            "connector_id": connector_id,
            "authorization_reference": reference,
        }
        owner = self._owner("locations", location_id)
        sent = {name: value for name, value in body.items() if value}
        return await self._command("START_SESSION", sent, owner)

    async def stop_session(self, session_id: str) -> Json:
        """Send STOP_SESSION; return the stored command."""
        owner = self._owner("sessions", session_id)
        return await self._command("STOP_SESSION", {"session_id": session_id}, owner)

    def _token(self, uid: str) -> Json:
        for token in self._store.objects("tokens"):
            if token["uid"].lower() == uid.lower():
                return token
        raise PeerError(f"token {uid} is not one of ours")

    def _owner(self, module: str, object_id: str) -> Party | None:
        for party in self._peer.parties:
            key = object_key(party.country_code, party.party_id, object_id)
            if self._store.get(module, key):
                return party
        return self._any_party()

    async def _command(self, name: str, body: Json, to: Party | None) -> Json:
        command_id = uuid.uuid4().hex
        url = f"{self._public_url}/ocpi/2.2.1/commands/{name}/{command_id}"
        body = {"response_url": url, **body}
        # Stored before it is sent: the result may overtake the answer.
        command = {
            "id": command_id,
            "command": name,
            "sent_at": date_time(utc_now()),
            "request": body,
            "response": None,
            "result": None,
            "error": "",
        }
        self._store.add_command(command)
        target = f"{self._url('commands', 'RECEIVER')}/{name}"
        outcome: Json = {}
        try:
            reply = await self.call("POST", target, module="commands", body=body, to=to)
            outcome = {"response": self._command_response(name, reply)}
        except PeerError as error:
            outcome = {"error": str(error)}
            raise
        finally:
            latest = self._store.get("commands", object_key(command_id)) or command
            self._store.add_command({**latest, **outcome})
        return {**latest, **outcome}

    def _command_response(self, name: str, reply: Reply) -> Json | None:
        problems = check("CommandResponse", reply.data)
        self._violations.report("commands", f"answer to {name}", problems)
        return None if fatal(problems) else reply.data


def _reply(what: str, status: int, received: bytes, headers: Mapping[str, str]) -> Reply:
    envelope: Any = None
    with suppress(orjson.JSONDecodeError):
        envelope = orjson.loads(received)
    if not isinstance(envelope, dict) or not isinstance(envelope.get("status_code"), int):
        raise PeerError(f"{what}: HTTP {status} without an OCPI envelope", http=status)
    code = envelope["status_code"]
    if not 200 <= status < 300 or not 1000 <= code < 2000:
        text = str(envelope.get("status_message", ""))[:300]
        raise PeerError(f"{what}: HTTP {status}, OCPI {code} {text}", http=status, code=code)
    _check_timestamp(what, envelope)
    return Reply(data=envelope.get("data"), headers=headers)


def _check_timestamp(what: str, envelope: Json) -> None:
    try:
        parse_date_time(str(envelope.get("timestamp")))
    except ValueError as error:
        raise PeerError(f"{what}: the envelope has no timestamp") from error

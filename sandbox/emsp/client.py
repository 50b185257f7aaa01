"""The client side: calls to the CPO, pulls page by page, pushes of tokens."""

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
from sandbox.emsp.sender import rendered
from sandbox.emsp.store import Store
from sandbox.emsp.wire import (
    MAX_BODY,
    SWAPPED,
    Json,
    Party,
    authorization,
    next_link,
    parse_date_time,
    routing,
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
    ) -> None:
        self._store = store
        self._settings = settings
        self._peer = peer
        self._log = log
        self._violations = violations
        self._receiver = receiver
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
        sender: Party | None = None,
        version: str = "",
    ) -> Reply:
        """Make one call; raise PeerError unless HTTP is 2xx and `status_code` 1xxx.

        `token` and `version` default to those of the registration; `to` adds the routing headers,
        with `sender` as the party that speaks (we, unless a party behind the hub does).
        """
        version = version or self._peer.version
        request_id = str(uuid.uuid4())
        headers = {
            "Authorization": authorization(token or self._peer.outbound_token, version),
            "X-Request-ID": request_id,
            "X-Correlation-ID": str(uuid.uuid4()),
        }
        if to and version != "2.1.1":
            headers |= routing(to=to, sender=sender or self._settings.party)
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
            to=str(to or ""),
            error=error,
        )
        if error:
            raise PeerError(f"{method} {url}: {error}")
        if version != "2.1.1":
            self._judge_headers(module, method, headers, answered)
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
        sent: Mapping[str, str],
        answered: Mapping[str, str],
    ) -> None:
        """Check the answer's message ids and routing headers (OCPI 2.2.1, transport)."""
        where = f"answer to {method} {module}"
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if answered.get(name) != sent[name]:
                self._violations.note("message-ids", module, where, f"{name} is not echoed")
        for answer_name, request_name in SWAPPED.items():
            value, expected = answered.get(answer_name), sent.get(request_name)
            if value and expected is None:
                self._violations.note("routing", module, where, f"{answer_name}: nobody asked")
            elif expected and (value or "").lower() != expected.lower():
                detail = f"{answer_name} is {value}, expected {expected}"
                self._violations.note("routing", module, where, detail)

    def url(self, identifier: str, role: str) -> str:
        """Return the address of one of the CPO's interfaces; raise PeerError without one."""
        url = self._peer.endpoint(identifier, role)
        if not url:
            reason = "offers no" if self._peer.registered else "is not registered: no"
            raise PeerError(f"the CPO {reason} {identifier} {role} endpoint")
        return url

    def any_party(self) -> Party | None:
        """Return a party of the CPO for what is not about one of them."""
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
                for sender in self._readers(module):
                    async for key in self._pull_from(module, party, sender):
                        seen.add(key)
            if module in _COMPLETE_LISTS:
                for key in self._store.keys(module) - seen:
                    self._store.delete(module, key)
            counts[module] = len(seen)
        return counts

    def _readers(self, module: str) -> tuple[Party, ...]:
        """Say who asks: for what belongs to one party's drivers, each party behind the hub."""
        return self._settings.emsps if module in {"sessions", "cdrs"} else self._settings.emsps[:1]

    async def _pull_from(self, module: str, party: Party, sender: Party) -> AsyncIterator[str]:
        start = self.url(module, "SENDER")
        url = start
        if module == "sessions":
            url += "?" + urlencode({"date_from": _EVERYTHING_SINCE})
        visited: set[str] = set()
        while url and url not in visited and len(visited) < _MAX_PAGES:
            visited.add(url)
            reply = await self.call("GET", url, module=module, to=party, sender=sender)
            if not isinstance(reply.data, list):
                raise PeerError(f"GET {url}: data must be an array")
            for body in reply.data:
                if key := self._receiver.pulled(module, body, party):
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
        """PUT one of our tokens to the CPO, in the registered version's form."""
        version = self._peer.version
        path = "/".join(quote(token[name], safe="") for name in ("country_code", "party_id", "uid"))
        query = "" if version == "2.1.1" else "?" + urlencode({"type": token["type"]})
        owner = Party(country_code=token["country_code"], party_id=token["party_id"])
        await self.call(
            "PUT",
            f"{self.url('tokens', 'RECEIVER')}/{path}{query}",
            module="tokens",
            body=rendered(token, version),
            to=self.any_party(),
            sender=owner,
        )

    async def put_tokens(self) -> int:
        """PUT all our tokens to the CPO; return how many."""
        tokens = self._store.objects("tokens")
        for token in tokens:
            await self.put_token(token)
        return len(tokens)


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

"""Speak OCPI to a partner: headers, envelope, and what an answer means."""

import asyncio
import random
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from cpo_platform.common import clock, http, json
from cpo_platform.common.secrets import decrypt
from cpo_platform.common.shapes import parse
from cpo_platform.common.text import storable
from roaming import failures
from roaming.dialect import Dialect
from roaming.models import Endpoint, Partner
from roaming.models.messages import MAX_LOGGED_BODY

SUCCESS = range(1000, 2000)
HTTP_SUCCESS = range(200, 300)
STATUS_CODES = range(10_000)
# The version that has no routing headers.
NO_ROUTING = "2.1.1"
HUB_TROUBLE = range(4000, 5000)
LONGEST_RETRY_AFTER = 3600.0
KEPT_HEADERS = ("Location", "Retry-After", "Link", "X-Total-Count", "X-Limit")
# How a partner says that it does not know a token: OCPI has 401, FastAPI's security says 403.
NOT_AUTHENTICATED = frozenset([401, 403])
# Redirects that keep the method and the body; the others keep a GET at least.
KEEPING_REDIRECTS = frozenset([307, 308])
GET_REDIRECTS = frozenset([301, 302, 307, 308])


class Verdict(StrEnum):
    """What an answer means for the object that was sent."""

    DONE = "DONE"
    UNKNOWN_OBJECT = "UNKNOWN_OBJECT"
    REFUSED = "REFUSED"
    TROUBLE = "TROUBLE"


@dataclass(frozen=True)
class Party:
    country_code: str
    party_id: str

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"


def new_id() -> str:
    """Return a random UUID (version 4) for X-Request-ID or X-Correlation-ID. It is no secret."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


@dataclass(frozen=True)
class Request:
    """One OCPI request; `sender` and `receiver` are the routing headers (functional modules)."""

    method: str
    url: str
    body: bytes | None = None
    sender: Party | None = None
    receiver: Party | None = None
    request_id: str = field(default_factory=new_id)
    correlation_id: str = field(default_factory=new_id)


_THROTTLED = re.compile(r"too many requests|rate.?limit|throttl|slow down", re.IGNORECASE).search


@dataclass(frozen=True)
class Reply:
    """What came back: the HTTP status, the envelope if there was one, and the error if not."""

    request: Request
    http_status: int | None
    status_code: int | None = None
    status_message: str = ""
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    duration_ms: int = 0
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """HTTP 2xx and an OCPI 1xxx: either alone is a failure (OCPI 2.2.1, transport)."""
        return (
            self.http_status in HTTP_SUCCESS
            and self.status_code is not None
            and self.status_code in SUCCESS
        )

    @property
    def was_too_long(self) -> bool:
        """Whether there was an answer, of which we did not read the end."""
        return self.error.startswith(http.TOO_LONG)

    @property
    def is_of_hub(self) -> bool:
        """A hub's own trouble with passing the request on: its receiver said nothing.

        OCPI 2.2.1, status_codes: 4xxx, whatever the HTTP status.
        """
        return self.status_code is not None and self.status_code in HUB_TROUBLE

    @property
    def is_throttled(self) -> bool:
        """Whether the partner asks us to be slower, in whichever way it says so.

        By HTTP 429; by a Retry-After beside an OCPI error or a 503; or, since OCPI has no code for
        it, by the words of an OCPI error, often in an HTTP 200. A 400 is about the object, whatever
        it says beside.
        """
        if self.ok or self.http_status in {400, 405, 413, 422}:
            return False
        if self.http_status == 429 or "Retry-After" in self.headers:
            return True
        return self.status_code is not None and bool(_THROTTLED(self.status_message))

    @property
    def is_about_the_partner(self) -> bool:
        """Whether this is likely to be the answer to any other object as well."""
        return self.http_status in {None, 503} or self.is_unauthorized or self.is_throttled

    @property
    def is_for_all(self) -> bool:
        """Whether this is the answer to any other object, without a doubt."""
        return self.http_status == 401 or self.is_throttled

    @property
    def verdict(self) -> Verdict:
        if self.ok:
            return Verdict.DONE
        if self.is_of_hub or self.is_throttled:
            return Verdict.TROUBLE
        if self.http_status == 404 or self.status_code == 2003:
            return Verdict.UNKNOWN_OBJECT
        if self.http_status in {400, 405, 413, 422}:
            return Verdict.REFUSED
        if self.http_status in HTTP_SUCCESS and self.status_code in range(2000, 3000):
            return Verdict.REFUSED
        return Verdict.TROUBLE

    @property
    def is_unauthorized(self) -> bool:
        """Whether the partner refuses our token."""
        return self.http_status in NOT_AUTHENTICATED

    def retry_after_seconds(self, now: datetime) -> float | None:
        """Return how long the partner asks us to wait (RFC 9110, Retry-After), an hour at most."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            # More digits than a float has room for are a joke.
            return min(float(value[:9]), LONGEST_RETRY_AFTER)
        try:
            until = parsedate_to_datetime(value)
            seconds = (until - now).total_seconds() if until.tzinfo else None
        except (ValueError, OverflowError):
            return None
        return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)

    @property
    def reason(self) -> str:
        """Say in one line what went wrong."""
        if self.error:
            return self.error
        parts = [f"HTTP {self.http_status}"]
        if self.status_code is not None:
            parts.append(f"OCPI {self.status_code}")
        if self.status_message:
            parts.append(self.status_message)
        return ", ".join(parts)


@dataclass(frozen=True)
class Credential:
    """The token that a partner gave us, and how he wants it in the header.

    `previous` is the one before it: for a while after an exchange the partner may know no other.
    """

    token: str
    base64: bool = True
    previous: str = ""

    @classmethod
    def of(cls, partner: Partner, *, now: datetime | None = None) -> "Credential":
        """Return what to call a partner with; `now` is for tests and operations."""
        until = partner.previous_token_until
        current = until is not None and until > (now or clock.now())
        return cls(
            decrypt(partner.token_encrypted),
            partner.token_base64,
            decrypt(partner.previous_token_encrypted) if current else "",
        )

    @property
    def header(self) -> str:
        value = b64encode(self.token.encode()).decode() if self.base64 else self.token
        return f"Token {value}"


def _headers(request: Request, credential: Credential) -> dict[str, str]:
    headers = {
        "Authorization": credential.header,
        "X-Request-ID": request.request_id,
        "X-Correlation-ID": request.correlation_id,
        "Accept": "application/json",
    }
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    if request.sender:
        headers["OCPI-from-country-code"] = request.sender.country_code
        headers["OCPI-from-party-id"] = request.sender.party_id
    if request.receiver:
        headers["OCPI-to-country-code"] = request.receiver.country_code
        headers["OCPI-to-party-id"] = request.receiver.party_id
    return headers


class _Limits(NamedTuple):
    seconds: float
    most_bytes: int
    with_data: bool


async def send(
    client: http.Client,
    request: Request,
    credential: Credential,
    *,
    timeout_seconds: float = http.TIMEOUT_SECONDS,
    most_bytes: int = http.MAX_BODY_BYTES,
    with_data: bool = True,
) -> Reply:
    """Send a request to a partner. Never raises for what the network or the partner does.

    Without `with_data` nothing is kept of the answer but what it says of itself, and of its body
    what is logged: many replies are held at a time.

    Shortly after an exchange of tokens a 401 or 403 is answered by one more try with the token
    before: the partner may not have taken the new one yet.
    """
    limits = _Limits(timeout_seconds, most_bytes, with_data)
    reply = await _send_as(client, request, credential, limits)
    if reply.http_status not in NOT_AUTHENTICATED or not credential.previous:
        return reply
    before = replace(credential, token=credential.previous, previous="")
    again = replace(request, request_id=new_id())
    return await _send_as(client, again, before, limits)


async def _send_as(
    client: http.Client, request: Request, credential: Credential, limits: _Limits
) -> Reply:
    answer = await _send_to(client, request.url, request, credential, limits)
    url = _other_slash(request, answer)
    left = limits.seconds - answer.duration_ms / 1000
    if url and left > 0:
        first = answer.duration_ms
        answer = await _send_to(client, url, request, credential, limits._replace(seconds=left))
        answer = replace(answer, duration_ms=first + answer.duration_ms)
    return _reply(request, answer, with_data=limits.with_data)


async def _send_to(
    client: http.Client, url: str, request: Request, credential: Credential, limits: _Limits
) -> http.Answer:
    return await client.send(
        request.method,
        url,
        headers=_headers(request, credential),
        body=request.body,
        timeout_seconds=limits.seconds,
        most_bytes=limits.most_bytes,
    )


def _other_slash(request: Request, answer: http.Answer) -> str:
    """Return our own URL with the slash at its end added or taken, if that is all they ask for.

    Web frameworks redirect so between `cdrs` and `cdrs/`. No other redirect is followed: host,
    scheme and query stay those that the partner registered, so that our token goes nowhere else.
    """
    if answer.status not in (GET_REDIRECTS if request.method == "GET" else KEEPING_REDIRECTS):
        return ""
    location = answer.headers.get("Location", "")
    try:
        ours, theirs = urlsplit(request.url), urlsplit(urljoin(request.url, location))
    except ValueError:
        return ""
    path = ours.path.removesuffix("/") if ours.path.endswith("/") else ours.path + "/"
    # A proxy that ends TLS makes them name http: only the scheme may differ, and ours is kept.
    wanted = (ours.netloc, unquote(path), unquote(ours.query))
    # What needs no escape is escaped by one and not by the other (`:` in a date).
    if (theirs.netloc, unquote(theirs.path), unquote(theirs.query)) != wanted:
        return ""
    return ours._replace(path=path).geturl()


def send_once(
    request: Request, credential: Credential, *, timeout_seconds: float = http.TIMEOUT_SECONDS
) -> Reply:
    """Send one request from code that is not asynchronous."""

    async def run() -> Reply:
        async with http.Client(connections=1) as client:
            return await send(client, request, credential, timeout_seconds=timeout_seconds)

    return asyncio.run(run())


def _reply(request: Request, answer: http.Answer, *, with_data: bool) -> Reply:
    if answer.status is None:
        error = storable(answer.error)[:500]
        return Reply(request, None, error=error, duration_ms=answer.duration_ms)
    status_code, message, data, error = _envelope(answer, with_data=with_data)
    return Reply(
        request,
        answer.status,
        status_code=status_code,
        status_message=message,
        data=data,
        # A partner may send a megabyte of them.
        headers={name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers},
        error=storable(error)[:500],
        duration_ms=answer.duration_ms,
        body=answer.body if with_data else answer.body[:MAX_LOGGED_BODY],
    )


def _envelope(answer: http.Answer, *, with_data: bool) -> tuple[int | None, str, Any, str]:
    """Return status_code, status_message, data, and what is wrong with the envelope."""
    assert answer.status is not None  # noqa: S101  the caller has checked
    try:
        # Numbers need be exact in data only.
        document = json.loads(answer.body) if with_data else json.loads_quickly(answer.body)
    except json.InvalidJson as error:
        return None, "", None, _no_envelope(answer.status, str(error))
    code = document.get("status_code") if isinstance(document, dict) else None
    # True is an int to Python, and what is no OCPI code at all is not worth telling apart.
    if isinstance(code, bool) or not isinstance(code, int) or code not in STATUS_CODES:
        return None, "", None, _no_envelope(answer.status, str(failures.NO_CODE))
    message = document.get("status_message")
    text = storable(message)[:500] if isinstance(message, str) else ""
    return code, text, document.get("data") if with_data else None, ""


def _no_envelope(status: int, why: str) -> str:
    # A 404 may come without an envelope; its status says enough. A 2xx may not.
    return str(failures.NO_ENVELOPE.filled(status=str(status), why=why)) if status < 400 else ""


def with_routing(partner: Partner, request: Request) -> Request:
    """Return a request with its routing headers, or without them where they have no place.

    2.1.1 has none; a partner's dialect may want none (OCPI 2.2.1, transport_and_format).
    """
    if partner.version != NO_ROUTING and parse(Dialect, partner.dialect or {}).routing_headers:
        return request
    return replace(request, sender=None, receiver=None)


def endpoint_url(partner: Partner, identifier: str, role: str) -> str | None:
    """Return where a partner has a module, or None. No query when `endpoints` are prefetched."""
    endpoint: Endpoint
    for endpoint in partner.endpoints.all():
        if endpoint.identifier == identifier and endpoint.role == role:
            return endpoint.url
    return None


_NEEDS_NO_ESCAPE = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch


def _escaped(segment: str) -> str:
    return segment if _NEEDS_NO_ESCAPE(segment) else quote(segment, safe="")


def host_of(url: str) -> tuple[str, str]:
    """Return scheme, and host with port; nothing of what is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as http://[half
        return "", ""
    return parts.scheme, parts.netloc


def http_join(base: str, *segments: str) -> str:
    """Return a URL with path segments added, percent-encoded, with exactly one slash between."""
    head, mark, query = base.partition("?")
    path = "/".join([head.rstrip("/"), *(_escaped(segment) for segment in segments)])
    return path + mark + query

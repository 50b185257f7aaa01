"""The one HTTP client: bounded, timed, guarded, and without redirects.

Every URL that a partner gave us is hostile until shown otherwise. The address is checked on the
connection itself (a name that resolves to a public address now and a private one later gains
nothing); redirects are not followed here (`roaming.client` asks again where only the last slash
differs); bodies are read up to a limit.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yarl
from aiohappyeyeballs import AddrInfoType, start_connection
from django.conf import settings

from cpo_platform.common import http1

TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 4.0
# Answers to OCPI requests are small: the largest are the details of a version.
MAX_BODY_BYTES = 1024 * 1024
MAX_CONNECTIONS = 32
# What the errors of answers say, for those who tell people in words of their own.
TOO_LONG = http1.TOO_LONG
NO_ANSWER = "no answer in time"
NOT_PUBLIC = "is not a public address"
# An idle connection is used again for so long, and an address of a name.
IDLE_SECONDS = 15.0
NAME_SECONDS = 30.0
# What does no harm when it is done twice: a PATCH of OCPI sets fields to what it says.
REPEATABLE = frozenset(["GET", "PUT", "PATCH", "DELETE"])
WITH_BODY = frozenset(["POST", "PUT", "PATCH"])


class UnsafeUrl(ValueError):
    """The URL points where this platform must not send anything."""


@dataclass(frozen=True)
class Answer:
    """What came back, or why nothing did: `error` is empty when there is a status."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    duration_ms: int = 0


def check_url(url: str) -> None:
    """Refuse a URL that is not http(s), carries credentials, or names a private address.

    A host name is checked again when it is resolved, on the address that is connected to.

    Raises:
        UnsafeUrl: with the reason.

    """
    try:
        parts = urlsplit(url)
        # As the client itself reads the URL: other digits than 0 to 9 are digits to it as well.
        host, _port = yarl.URL(url).host, parts.port
    except ValueError as error:
        # Not with the URL: it may hold a password.
        raise UnsafeUrl("it is not a URL") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UnsafeUrl("only http:// and https:// URLs with a host are allowed")
    if parts.username or parts.password:
        raise UnsafeUrl("a URL with a user name or a password is not allowed")
    if parts.scheme == "http" and not settings.OUTBOUND_ALLOW_PRIVATE:
        raise UnsafeUrl(
            "https:// is required; partners on this machine need OUTBOUND_ALLOW_PRIVATE=true"
        )
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        # `127.1` and `2130706433` are addresses to the operating system, which nobody asks to
        # resolve them: the client connects to what looks like an address as it is.
        if ":" in host or host.replace(".", "").isdigit():
            raise UnsafeUrl(f"{host} is neither a host name nor a full address") from error
        return
    _check_address(str(address))


def _check_address(address: str) -> None:
    if settings.OUTBOUND_ALLOW_PRIVATE:
        return
    if not _is_public(ipaddress.ip_address(address.split("%", maxsplit=1)[0])):
        raise UnsafeUrl(
            f"{address} {NOT_PUBLIC} (OUTBOUND_ALLOW_PRIVATE allows it for development)"
        )


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    # An IPv4 address can hide in an IPv6 one, and reach the same machine.
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _TRANSLATED):
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


# IPv4-compatible addresses, and those that a NAT64 gateway turns into IPv4.
_TRANSLATED = tuple(
    ipaddress.IPv6Network(text)
    for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)


class _Origin(NamedTuple):
    """Where requests go: `host` as a name server or a certificate knows it."""

    is_tls: bool
    host: str
    port: int
    # The value of the header of this name.
    host_header: str


class _Target(NamedTuple):
    origin: _Origin
    path: str


class Client:
    """Kept-alive connections to the outside, for use within one event loop.

    `async with Client() as client: answer = await client.send("GET", url, headers={...})`
    """

    def __init__(self, *, connections: int = MAX_CONNECTIONS) -> None:
        self._most = connections
        self._places = asyncio.Semaphore(connections)
        # The one that was used last is at the end.
        self._idle: dict[_Origin, deque[http1.Connection]] = defaultdict(deque)
        # What is before the path of URLs that have been checked.
        self._origins: dict[str, _Origin] = {}
        self._names: dict[_Origin, tuple[float, Sequence[AddrInfoType]]] = {}
        self._lookups: dict[_Origin, asyncio.Task[Sequence[AddrInfoType]]] = {}

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_error: object) -> None:
        for lookup in self._lookups.values():
            lookup.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        # They are closed by the loop, the next time it goes round.
        await asyncio.sleep(0)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        most_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """Send one request. Never raises for what the network or the other side does.

        An answer of more than `most_bytes` is not read to its end, and is no answer.
        """
        started = time.monotonic()
        try:
            target = self._target(url)
            request = _request(method, target, headers, body)
            async with asyncio.timeout(timeout_seconds), self._places:
                received = await self._exchange(method, target.origin, request, most_bytes)
            return Answer(
                received.status, received.body(), received.headers, "", _milliseconds_since(started)
            )
        except (OSError, ValueError, TimeoutError) as error:
            return Answer(None, error=_reason(error), duration_ms=_milliseconds_since(started))

    def _target(self, url: str) -> _Target:
        """Take a URL apart, checked unless another one with the same scheme, host and port was.

        What needs no escape any more is not taken apart again: that takes as long as the rest.
        """
        path_at = url.find("/", len("https://"))
        if path_at < 0 or "?" in url[:path_at] or not _IS_PLAIN(url):
            check_url(url)
            parsed = yarl.URL(url)
            return _Target(_origin(parsed), parsed.raw_path_qs)
        origin = self._origins.get(url[:path_at])
        if origin is None:
            check_url(url)
            origin = self._origins[url[:path_at]] = _origin(yarl.URL(url[:path_at]))
        return _Target(origin, url[path_at:])

    async def _exchange(
        self, method: str, origin: _Origin, request: bytes, most_bytes: int
    ) -> http1.Received:
        kept = self._take_idle(origin)
        connection = kept or await self._connect(origin)
        try:
            received = await connection.exchange(request, most_bytes=most_bytes)
        except http1.ClosedBefore:
            # The other side may close what is idle at the very moment at which we use it.
            if kept is None or method not in REPEATABLE:
                raise
            connection = await self._connect(origin)
            received = await connection.exchange(request, most_bytes=most_bytes)
        self._keep(origin, connection)
        return received

    def _take_idle(self, origin: _Origin) -> http1.Connection | None:
        idle, oldest = self._idle[origin], time.monotonic() - IDLE_SECONDS
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.used_at >= oldest:
                return connection
            connection.close()
        return None

    def _keep(self, origin: _Origin, connection: http1.Connection) -> None:
        if not connection.is_open:
            return
        idle, now = self._idle[origin], time.monotonic()
        connection.used_at = now
        idle.append(connection)
        while len(idle) > self._most or idle[0].used_at < now - IDLE_SECONDS:
            idle.popleft().close()

    async def _connect(self, origin: _Origin) -> http1.Connection:
        """Connect to one of the addresses that were checked."""
        addresses = await self._addresses(origin)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connected = await start_connection(addresses, happy_eyeballs_delay=0.25)
        except RuntimeError as error:
            # As uvloop says that it cannot.
            raise ConnectionError(str(error)) from error
        try:
            _transport, connection = await asyncio.get_running_loop().create_connection(
                http1.Connection,
                sock=connected,
                ssl=_tls() if origin.is_tls else None,
                server_hostname=origin.host.rstrip(".") if origin.is_tls else None,
            )
        except BaseException:
            connected.close()
            raise
        return connection

    async def _addresses(self, origin: _Origin) -> Sequence[AddrInfoType]:
        asked_at, addresses = self._names.get(origin, (0.0, ()))
        if addresses and asked_at >= time.monotonic() - NAME_SECONDS:
            return addresses
        lookup = self._lookups.get(origin)
        if lookup is None:
            lookup = self._lookups[origin] = asyncio.create_task(_resolve(origin))
            lookup.add_done_callback(partial(self._keep_addresses, origin))
        # Who waits may give up: the answer is good for those who ask next.
        return await asyncio.shield(lookup)

    def _keep_addresses(
        self, origin: _Origin, lookup: asyncio.Task[Sequence[AddrInfoType]]
    ) -> None:
        del self._lookups[origin]
        if not lookup.cancelled() and lookup.exception() is None:
            self._names[origin] = time.monotonic(), lookup.result()


async def _resolve(origin: _Origin) -> Sequence[AddrInfoType]:
    """Resolve a name, and refuse the addresses that must not be connected to.

    In a thread of the loop's executor: uvloop's own `getaddrinfo` has two threads for all.
    """
    addresses = await asyncio.get_running_loop().run_in_executor(
        None, partial(socket.getaddrinfo, origin.host, origin.port, type=socket.SOCK_STREAM)
    )
    for address in addresses:
        _check_address(str(address[4][0]))
    return addresses


# Nothing in it that would have to be escaped, and no fragment (RFC 3986, 2).
_IS_PLAIN = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+").fullmatch


def _origin(url: yarl.URL) -> _Origin:
    host, port = url.raw_host or "", url.port or 0
    return _Origin(url.scheme == "https", host, port, url.host_port_subcomponent or host)


def _request(method: str, target: _Target, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return a request as it goes over the wire.

    Raises:
        ValueError: something in it would be taken for the end of a line.

    """
    lines = [
        f"{method} {target.path} HTTP/1.1",
        f"Host: {target.origin.host_header}",
        "Accept-Encoding: gzip",
        *[f"{name}: {value}" for name, value in headers.items()],
    ]
    if body is not None or method in WITH_BODY:
        lines.append(f"Content-Length: {len(body or b'')}")
    head = "\r\n".join(lines)
    ends = len(lines) - 1
    if head.count("\r") != ends or head.count("\n") != ends or "\0" in head:
        raise ValueError("a header must not hold the end of a line")
    return b"%b\r\n\r\n%b" % (head.encode(), body or b"")


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _milliseconds_since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    return str(error) or type(error).__name__


def send(method: str, url: str, **kwargs: Any) -> Answer:
    """Send one request from code that is not asynchronous. Arguments as `Client.send`."""

    async def run() -> Answer:
        async with Client(connections=1) as client:
            return await client.send(method, url, **kwargs)

    return asyncio.run(run())

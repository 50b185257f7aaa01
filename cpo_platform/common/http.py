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
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from django.conf import settings

TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 4.0
# Answers to OCPI requests are small: the largest are the details of a version.
MAX_BODY_BYTES = 1024 * 1024
MAX_CONNECTIONS = 32
TOO_LONG = "the answer is larger than"


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
        raise UnsafeUrl(f"{url!r} is not a URL") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise UnsafeUrl("only http:// and https:// URLs with a host are allowed")
    if parts.username or parts.password:
        raise UnsafeUrl("a URL with a user name or a password is not allowed")
    if parts.scheme == "http" and not settings.OUTBOUND_ALLOW_PRIVATE:
        raise UnsafeUrl("https:// is required")
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
            f"{address} is not a public address (OUTBOUND_ALLOW_PRIVATE allows it for development)"
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
_TRANSLATED = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b::/96"))


class _GuardedResolver(AbstractResolver):
    """Resolve names, and refuse the addresses that must not be connected to."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._resolver.resolve(host, port, family)
        for result in results:
            _check_address(result["host"])
        return results

    async def close(self) -> None:
        await self._resolver.close()


class Client:
    """Kept-alive connections to the outside, for use within one event loop.

    `async with Client() as client: answer = await client.send("GET", url, headers={...})`
    """

    def __init__(self, *, connections: int = MAX_CONNECTIONS) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        # What is before the path of URLs that have been checked: scheme, and host with port.
        self._checked: dict[str, tuple[str, str]] = {}

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, resolver=_GuardedResolver(), ttl_dns_cache=30
            ),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()

    def _checked_url(self, url: str) -> yarl.URL | str:
        """Return a URL, checked unless another one with the same scheme, host and port was.

        What needs no escape any more is not taken apart again: that takes as long as the rest.
        """
        path_at = url.find("/", len("https://"))
        if path_at < 0 or not _IS_PLAIN(url):
            check_url(url)
            return url
        origin = self._checked.get(url[:path_at])
        if origin is None:
            check_url(url)
            parts = urlsplit(url)
            origin = self._checked[url[:path_at]] = (parts.scheme, parts.netloc)
        path, _mark, query = url[path_at:].partition("?")
        return yarl.URL.build(
            scheme=origin[0], authority=origin[1], path=path, query_string=query, encoded=True
        )

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
        assert self._session is not None, "use `async with`"  # noqa: S101
        started = time.monotonic()
        try:
            async with self._session.request(
                method,
                self._checked_url(url),
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=_timeout(timeout_seconds),
            ) as response:
                text = await _read(response, most_bytes)
                return Answer(
                    status=response.status,
                    body=text,
                    headers=response.headers,
                    duration_ms=_milliseconds_since(started),
                )
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            return Answer(
                status=None, error=_reason(error), duration_ms=_milliseconds_since(started)
            )


# Nothing in it that would have to be escaped, and no fragment.
_IS_PLAIN = re.compile(r"[!$-~]+").fullmatch


@lru_cache(maxsize=100)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds))


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(65536):
        size += len(chunk)
        if size > most_bytes:
            raise ValueError(f"{TOO_LONG} {most_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _milliseconds_since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    cause = error.__cause__
    if isinstance(cause, UnsafeUrl):
        return str(cause)
    return str(error) or type(error).__name__


def send(method: str, url: str, **kwargs: Any) -> Answer:
    """Send one request from code that is not asynchronous. Arguments as `Client.send`."""

    async def run() -> Answer:
        async with Client(connections=1) as client:
            return await client.send(method, url, **kwargs)

    return asyncio.run(run())

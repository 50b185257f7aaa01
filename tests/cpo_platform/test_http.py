"""The one HTTP client: where it does not go, whatever a partner's URL or name server says."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from pytest_django import Settings

from cpo_platform.common import http

FORBIDDEN = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.9",
    "169.254.169.254",  # where clouds keep their credentials
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104  as an address to connect to
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::a00:1",
]


def resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[str]:
    """What the name server says, one address for each time it is asked; the last for ever."""
    settings.OUTBOUND_ALLOW_PRIVATE = False
    said: list[str] = []

    async def resolve(
        _self: Any, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = said.pop(0) if len(said) > 1 else said[0]
        return [resolved(host, address, port)]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return said


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    answers: list[str], address: str
) -> None:
    answers.append(address)

    answer = http.send("GET", "https://partner.example/ocpi", headers={})

    assert answer.status is None
    assert "is not a public address" in answer.error


def test_a_name_that_changes_its_address_gains_nothing(
    answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is checked each time that one is connected to, not once for the name."""
    answers += ["203.0.113.7", "127.0.0.1"]
    # Documentation's addresses are not public, either: for the test, one of them is.
    real = http._is_public
    monkeypatch.setattr(http, "_is_public", lambda one: str(one) == "203.0.113.7" or real(one))

    async def twice() -> list[http.Answer]:
        found = []
        for _each in range(2):
            async with http.Client(connections=1) as client:
                url = "https://partner.example/ocpi"
                found.append(await client.send("GET", url, headers={}, timeout_seconds=0.2))
        return found

    first, second = asyncio.run(twice())
    assert "is not a public address" not in first.error
    assert "127.0.0.1 is not a public address" in second.error


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "127.1", "[fe80::1%25eth0]"])
def test_an_address_in_the_url_is_checked_as_well(settings: Settings, host: str) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False

    assert http.send("GET", f"https://{host}/ocpi", headers={}).status is None


def test_plain_http_is_for_development_only(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False

    assert "https:// is required" in http.send("GET", "http://8.8.8.8/", headers={}).error

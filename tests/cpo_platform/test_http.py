"""The one HTTP client: where it does not go, whatever a partner's URL or name server says.

And what it takes for an answer: each test's server says what it is told to, byte by byte.
"""

import asyncio
import contextlib
import gzip
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from django.test import override_settings
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
    "64:ff9b:1::a00:1",
    "::ffff:0:127.0.0.1",
]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[str]:
    """What the name server says, one address for each time it is asked; the last for ever."""
    settings.OUTBOUND_ALLOW_PRIVATE = False
    said: list[str] = []

    def resolve(_host: str, port: int, *_rest: Any, **_more: Any) -> list[Any]:
        address = said.pop(0) if len(said) > 1 else said[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    # asyncio's own loop asks this one.
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
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


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each request with the next of what it was told, and counts connections."""

    def __init__(self, says: Sequence[bytes]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self._says = iter(says)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(found[1]) if found else 0)
        self.requests.append(head + body)
        said = next(self._says, OK)
        writer.write(said.removesuffix(b"<close>"))
        await writer.drain()
        return not said.endswith(b"<close>")


def ask(
    *says: bytes, work: Callable[[http.Client, str], Awaitable[Any]] | None = None
) -> tuple[Any, Server]:
    """Send a GET for each of what the server is to say, one after the other, by one client."""

    async def each(client: http.Client, url: str) -> list[http.Answer]:
        return [await client.send("GET", url, headers={}, timeout_seconds=5) for _each in says]

    async def run() -> tuple[Any, Server]:
        served = Server(says)
        server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, http.Client(connections=2) as client:
            found = await (work or each)(client, f"http://127.0.0.1:{port}/a?b=c")
        await asyncio.gather(*served.tasks)
        return found, served

    with override_settings(OUTBOUND_ALLOW_PRIVATE=True):
        return asyncio.run(run())


def test_a_connection_is_used_again() -> None:
    found, server = ask(OK, OK, OK)

    assert [(answer.status, answer.body) for answer in found] == [(200, b"hi")] * 3
    assert server.connections == 1
    assert server.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", id="close"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", id="http 1.0"),
        pytest.param(OK + OK, id="two answers at once"),
        pytest.param(OK + b"nonsense", id="nonsense behind it"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nhi<close>", id="its end is its length"),
    ],
)
def test_a_connection_with_anything_amiss_is_not_used_again(says: bytes) -> None:
    found, server = ask(says, OK)

    assert [(answer.status, answer.body) for answer in found] == [(200, b"hi")] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="100 first"),
        pytest.param(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, id="103 first"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
            id="chunks",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(gzip.compress(b"hi")), gzip.compress(b"hi")),
            id="gzip",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(gzip.compress(b"h") * 2), gzip.compress(b"h") + gzip.compress(b"i")),
            id="gzip in two members",
        ),
    ],
)
def test_whatever_way_an_answer_is_written(says: bytes) -> None:
    found, server = ask(says, OK)

    assert [(answer.status, answer.body) for answer in found] == [(200, b"hi")] * 2
    assert server.connections == 1


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (b"<close>", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi<close>", "closed"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nhi", "not HTTP"),
        (b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "the protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "the head of the answer is larger than 65536"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_048_600, "larger than"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nhi", "nobody asked"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "not gzip"),
    ],
)
def test_what_is_no_answer(says: bytes, error: str) -> None:
    (answer, after), _server = ask(says, OK)

    assert (answer.status, after.status) == (None, 200)
    assert error in answer.error


def test_a_small_body_that_grows_is_too_long() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    (answer,), _server = ask(head + bomb)

    assert answer.error == "the answer is larger than 1048576 bytes"


@pytest.mark.parametrize(
    "endless", [b"0\r\nX: " + b"x" * 100_000, b"2;" + b"x" * 100_000, b"0" * 100_000]
)
def test_what_is_beside_the_body_is_bounded(endless: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n"

    (answer,), _server = ask(head + endless)

    assert answer.status is None
    assert "is larger than 65536 bytes" in answer.error or "not HTTP" in answer.error


def test_what_nobody_answers_is_sent_twice_at_the_most() -> None:
    async def work(client: http.Client, url: str) -> http.Answer:
        await asyncio.gather(*(client.send("GET", url, headers={}) for _each in range(2)))
        return await client.send("PATCH", url, headers={}, body=b"{}")

    answer, server = ask(OK, OK, b"<close>", b"<close>", b"<close>", work=work)

    assert answer.status is None
    assert [request[:5] for request in server.requests[2:]] == [b"PATCH", b"PATCH"]


def test_what_was_idle_for_too_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(client: http.Client, url: str) -> list[http.Answer]:
        first = await client.send("GET", url, headers={})
        monkeypatch.setattr(http, "IDLE_SECONDS", 0.0)
        return [first, await client.send("POST", url, headers={}, body=b"{}")]

    found, server = ask(work=work)

    assert [answer.status for answer in found] == [200, 200]
    assert server.connections == 2


def test_a_name_server_that_is_late_is_asked_once(
    answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.append("203.0.113.7")
    real, asked, release = socket.getaddrinfo, [], threading.Event()

    def late(*question: Any, **more: Any) -> Any:
        asked.append(question[0])
        assert release.wait(10)
        return real(*question, **more)

    monkeypatch.setattr(socket, "getaddrinfo", late)

    async def run() -> list[http.Answer]:
        async with http.Client(connections=9) as client:
            url = "https://partner.example/ocpi"
            found = await asyncio.gather(
                *(client.send("GET", url, headers={}, timeout_seconds=0.1) for _each in range(3))
            )
            release.set()
            return [*found, await client.send("GET", url, headers={}, timeout_seconds=5)]

    found = asyncio.run(run())
    assert [answer.error for answer in found[:3]] == ["no answer in time"] * 3
    # The answer to the first question came too late for those, and in time for this one.
    assert "is not a public address" in found[3].error
    assert asked == ["partner.example"]


@pytest.mark.parametrize(("method", "status"), [("PATCH", 200), ("PUT", 200), ("POST", None)])
def test_a_connection_that_was_closed_while_idle_costs_nothing_but_a_post(
    method: str, status: int | None
) -> None:
    """The other side may close it at the moment at which it is used; only a POST counts twice."""

    async def work(client: http.Client, url: str) -> http.Answer:
        await client.send("GET", url, headers={})
        return await client.send(method, url, headers={}, body=b"{}")

    answer, server = ask(OK, b"<close>", work=work)

    assert answer.status == status
    assert len(server.requests) == (3 if status else 2)


def test_no_more_connections_than_are_allowed() -> None:
    async def work(client: http.Client, url: str) -> list[http.Answer]:
        return await asyncio.gather(*(client.send("GET", url, headers={}) for _each in range(10)))

    found, server = ask(work=work)

    assert {answer.status for answer in found} == {200}
    assert server.connections == 2


def test_who_does_not_answer_is_not_waited_for() -> None:
    async def work(client: http.Client, url: str) -> list[http.Answer]:
        hung = await client.send("GET", url, headers={}, timeout_seconds=0.2)
        return [hung, await client.send("GET", url, headers={})]

    (hung, after), server = ask(b"HTTP/1.1 200 OK\r\n", work=work)

    assert (hung.status, hung.error) == (None, "no answer in time")
    assert (after.status, server.connections) == (200, 2)


@pytest.mark.parametrize("value", ["a\r\nX-Other: 1", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_add_lines(value: str) -> None:
    async def work(client: http.Client, url: str) -> http.Answer:
        return await client.send("GET", url, headers={"Authorization": value})

    answer, server = ask(work=work)

    assert answer.status is None
    assert "must not hold the end of a line" in answer.error
    assert server.requests == []

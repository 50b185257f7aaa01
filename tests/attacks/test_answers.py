"""What a partner answers to hurt: bounded, understood as trouble, and never a reason to crash."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common import http
from roaming import draining
from roaming.authorizing import read_authorization
from roaming.client import Credential, Reply, Request, send_once
from roaming.models import Delivery, Feed, Lane, Message, Partner
from sessions_app.authorization import Allowed
from tests.factories import NOW, SessionFactory, TariffFactory
from tests.roaming import lanes
from tests.roaming.conftest import make_partner

OK = b'{"status_code": 1000, "timestamp": "2026-06-01T08:00:00Z"}'
Answering = Callable[[bytes, dict[str, str], int], str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = OK
    headers_sent: dict[str, str] = {}
    status = 200

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def answering(settings: Settings) -> Iterator[Answering]:
    """Return a function that starts a partner which always gives one answer; it returns its URL."""
    settings.OUTBOUND_ALLOW_PRIVATE = True
    servers = []

    def start(body: bytes, headers: dict[str, str], status: int) -> str:
        handler = type(
            "Handler", (_Handler,), {"body": body, "headers_sent": headers, "status": status}
        )
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/ocpi"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def connect(url: str, *modules: str) -> Feed:
    partner = make_partner(endpoints=dict.fromkeys(modules, url)).partner
    lane = Lane.CHARGING if "cdrs" in modules else Lane.NETWORK
    return lanes.feed_of(partner, lane)


HOSTILE_BODIES = [
    b'{"status_code": 3000, "status_message": "a\\u0000b"}',
    b'{"status_code": 3000, "status_message": "\\ud800"}',
    b'{"status_code": 3000, "status_message": {"a": ["\\u0000"]}}',
    b'{"status_code": 1e9999999999999999999}',
    b'{"status_code": ' + b"9" * 4000 + b"}",
    b'{"status_code": ' + b"9" * 9000 + b"}",
    b'{"status_code": true}',
    b'{"status_code": "1000"}',
    b'{"status_code": 1000.0}',
    b'{"status_code": -1}',
    b"[" * 200_000,
    b"\x00",
    b"\xff\xfe",
    b"",
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", HOSTILE_BODIES)
def test_a_hostile_answer_is_trouble_that_staff_can_read(
    answering: Answering, body: bytes, status: int
) -> None:
    TariffFactory()
    waiting = connect(answering(body, {}, status), "tariffs")

    assert draining.drain(waiting.pk) == 1

    waiting.refresh_from_db()
    assert (waiting.failures, waiting.lease_key) == (1, "")
    assert waiting.last_error
    assert not waiting.last_error.startswith("internal error")
    assert Message.objects.get().http_status == status


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "location", ["http://[half", "\xff\xfe", "javascript:alert(1)", "x" * 5000, "//", "http://a:b"]
)
def test_a_hostile_location_does_not_make_us_send_a_cdr_twice(
    answering: Answering, location: str
) -> None:
    session = SessionFactory()
    waiting = connect(answering(OK, {"Location": location}, 200), "cdrs")
    from sessions_app.operations import sessions

    sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)

    assert draining.drain(waiting.pk) == 1

    Feed.objects.update(retry_at=None, lease_until=None)
    assert draining.drain(waiting.pk) == 0
    assert Delivery.objects.get(module="cdrs").sent == {"delivered": True}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "broken", [{"token_encrypted": "nonsense"}, {"version": "9.9"}, {"told_parties": None}]
)
def test_an_error_of_our_own_is_shown_and_leaves_the_lease(broken: dict[str, Any]) -> None:
    TariffFactory()
    waiting = connect("https://emsp.example/tariffs", "tariffs")
    if broken["told_parties"] is None if "told_parties" in broken else False:
        broken = {"told_parties": [], "token_encrypted": "nonsense"}
    Partner.objects.update(**broken)

    assert draining.drain(waiting.pk) == 0

    waiting.refresh_from_db()
    assert (waiting.failures, waiting.lease_key, waiting.lease_until) == (1, "", None)
    assert waiting.last_error.startswith("internal error: ")


def test_a_bomb_of_gzip_is_refused(answering: Answering) -> None:
    bomb = gzip.compress(b" " * 300_000_000)
    url = answering(bomb, {"Content-Encoding": "gzip"}, 200)

    reply = send_once(Request("GET", url), Credential("t"))

    assert reply.http_status is None
    assert reply.error == f"the answer is larger than {http.MAX_BODY_BYTES} bytes"


def test_a_header_of_a_megabyte_is_refused(answering: Answering) -> None:
    reply = send_once(
        Request("GET", answering(OK, {"Location": "x" * 1_000_000}, 200)), Credential("t")
    )

    assert reply.http_status is None
    assert len(reply.error) <= 500


def test_a_body_that_drips_ends_in_time(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _address = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"1\r\n \r\n")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        answer = http.send(
            "GET",
            f"http://127.0.0.1:{server.getsockname()[1]}/",
            headers={},
            timeout_seconds=0.5,
        )
        stop.set()

    assert answer.status is None
    assert answer.error == "no answer in time"
    assert answer.duration_ms < 2000


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0",
        "0x7f.1",
        "0177.0.0.1",
        "１２７.０.０.１",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fec0::1]",
        "169.254.169.254",
        "10.0.0.1",
    ],
)
def test_no_way_of_writing_a_private_address_gets_a_connection(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        port = server.getsockname()[1]

        answer = http.send("GET", f"https://{host}:{port}/", headers={}, timeout_seconds=3)

        assert answer.status is None
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("uids", [5, True, "E1", {"E1": 1}])
def test_an_authorization_with_nonsense_is_no_permission(uids: object) -> None:
    data = {"allowed": "ALLOWED", "location": {"evse_uids": uids}}
    reply = Reply(Request("POST", "https://x.example"), 200, status_code=1000, data=data)

    assert read_authorization(reply, evse_uid="E1").allowed is Allowed.UNREACHABLE

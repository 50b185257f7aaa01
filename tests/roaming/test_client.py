"""What a partner's answer means, whatever module it belongs to (OCPI transport, status codes)."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from roaming.client import Credential, Reply, Request, Verdict, send_once
from tests.roaming.peer import Answered, Peer, running_peer

REQUEST = Request("PUT", "https://emsp.example/locations")


@pytest.mark.rule("TR-31", "TR-32")
@pytest.mark.parametrize(
    ("http_status", "status_code", "verdict"),
    [
        (200, 1000, Verdict.DONE),
        (201, 1999, Verdict.DONE),
        (200, None, Verdict.TROUBLE),
        (200, 2000, Verdict.REFUSED),
        (200, 2003, Verdict.UNKNOWN_OBJECT),
        (200, 3000, Verdict.TROUBLE),
        (302, 1000, Verdict.TROUBLE),
        (400, 2001, Verdict.REFUSED),
        (404, None, Verdict.UNKNOWN_OBJECT),
        (404, 1000, Verdict.UNKNOWN_OBJECT),
        (500, 1000, Verdict.TROUBLE),
        (None, None, Verdict.TROUBLE),
        # 4xxx is the hub's own trouble: the receiver behind it has said nothing.
        (200, 4000, Verdict.TROUBLE),
        (404, 4001, Verdict.TROUBLE),
        (400, 4003, Verdict.TROUBLE),
    ],
)
def test_only_http_2xx_with_1xxx_is_success_and_a_hubs_trouble_is_not_the_receivers(
    http_status: int | None, status_code: int | None, verdict: Verdict
) -> None:
    reply = Reply(REQUEST, http_status, status_code=status_code)

    assert reply.verdict is verdict
    assert reply.ok is (verdict is Verdict.DONE)


def _moved(peer: Peer, location: str, http: int = 307) -> None:
    """Let the peer answer at `/cdrs` only with a redirect, as web frameworks do."""
    peer.answers["/cdrs"] = Answered(raw=b"", http=http, headers={"Location": location})
    peer.answers["/cdrs/"] = Answered({"taken": True})


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with running_peer() as running:
        running.tokens = {"our-token"}
        yield running


@pytest.mark.parametrize(("method", "http"), [("POST", 307), ("PUT", 308), ("GET", 301)])
@pytest.mark.parametrize("location", ["/cdrs/?at=1:2", "{url}/cdrs/?at=1%3A2"])
def test_a_redirect_to_the_same_url_with_a_slash_is_followed(
    peer: Peer, method: str, http: int, location: str
) -> None:
    _moved(peer, location.format(url=peer.url), http)
    body = None if method == "GET" else b'{"id": "1"}'
    url = f"{peer.url}/cdrs?at=1%3A2"

    reply = send_once(Request(method, url, body), Credential("our-token"))

    assert (reply.ok, reply.data) == (True, {"taken": True})
    seen = peer.seen[-1]
    assert (seen.method, seen.path, seen.query) == (method, "/cdrs/", {"at": "1:2"})
    assert seen.body == (None if body is None else {"id": "1"})
    assert seen.value == peer.seen[0].value
    assert len(peer.seen) == 2


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/cdrs",
        "/cdrs/2",
        "/cdrs/?other=1",
        "//elsewhere.example/cdrs/",
        "http://127.0.0.1:9/cdrs/",
        "http://[/cdrs/",
    ],
)
def test_no_other_redirect_is_followed(peer: Peer, location: str) -> None:
    _moved(peer, location)

    reply = send_once(Request("POST", f"{peer.url}/cdrs", b"{}"), Credential("our-token"))

    assert (reply.http_status, reply.verdict) == (307, Verdict.TROUBLE)
    assert len(peer.seen) == 1


@pytest.mark.parametrize("http", [301, 302, 303])
def test_a_redirect_that_would_lose_the_body_is_not_followed(peer: Peer, http: int) -> None:
    _moved(peer, "/cdrs/", http)

    reply = send_once(Request("POST", f"{peer.url}/cdrs", b"{}"), Credential("our-token"))

    assert (reply.http_status, len(peer.seen)) == (http, 1)


def test_a_slash_that_is_asked_for_in_circles_ends_after_one(peer: Peer) -> None:
    _moved(peer, "/cdrs/")
    peer.answers["/cdrs/"] = Answered(raw=b"", http=307, headers={"Location": "/cdrs"})

    reply = send_once(Request("POST", f"{peer.url}/cdrs", b"{}"), Credential("our-token"))

    assert (reply.http_status, len(peer.seen)) == (307, 2)

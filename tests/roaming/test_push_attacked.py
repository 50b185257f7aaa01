"""What a broken or hostile partner does to push, found by attacking it; each is mended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from locations.models import Evse
from roaming import draining, message_log
from roaming.client import Reply, Request
from roaming.draining import Turn
from roaming.models import Change, Delivery, Feed, Lane, Message, Pace, Partner
from roaming.operations import feed, registering
from roaming.redaction import redact_body, redact_url
from sessions_app.models import Session
from sessions_app.operations import sessions
from tests.conftest import Clock
from tests.factories import LocationFactory, SessionFactory, cdr_token, evse
from tests.roaming import lanes
from tests.roaming.conftest import make_partner
from tests.roaming.recording import RecordingPeer, drain, recording_peer, success

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def peer(settings: Settings) -> Iterator[RecordingPeer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with recording_peer() as running:
        yield running


def site(name: str, uid: str) -> None:
    LocationFactory(id=name, tariff=None, evses=[evse(uid)], now=clock.now())


def started(uid: str) -> Session:
    connector = Evse.objects.get(uid=uid).connectors.get()
    session: Session = SessionFactory(connector=connector, cdr_token=cdr_token(), now=clock.now())
    return session


def lost_cdr(peer: RecordingPeer, partner: Partner) -> None:
    site("SITE", "E1")
    session = started("E1")
    drain(partner)
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())
    peer.answers = [(200, success()), (200, b"")]
    drain(partner)
    peer.new()


def test_a_gateway_that_forbids_our_question_does_not_stop_the_lanes(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    lost_cdr(peer, partner)
    peer.answers = [(403, b'{"message": "Missing Authentication Token"}')] * 3

    drain(partner)

    assert [request.method for request in peer.new()] == ["GET"] * 3 + ["POST"]
    assert Delivery.objects.get(module="cdrs").delivered_at is not None
    assert not Feed.objects.filter(unauthorized_at__isnull=False).exists()


def test_a_list_that_is_too_long_to_be_read_does_not_block_the_lane(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    lost_cdr(peer, partner)
    endless = success(data=[{"id": "X" * 200}] * 8000)
    peer.answers = [(404, b"")] * 2 + [(200, endless)]

    drain(partner)

    assert peer.lines()[-1] == "POST cdrs"
    assert Delivery.objects.get(module="cdrs").delivered_at is not None


def test_a_question_that_is_never_answered_sets_the_cdr_aside(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    lost_cdr(peer, partner)
    for number in range(5):
        # Something else goes through each time: the partner is there.
        site(f"L{number}", f"X{number}")
        started(f"X{number}")
        peer.answers = [(200, success()), (200, success()), (503, b"")]
        drain(partner)

    delivery = Delivery.objects.get(module="cdrs")
    assert (delivery.delivered_at, delivery.refused_at is not None) == (None, True)


@pytest.mark.parametrize("status", [400, 403, 503])
def test_one_session_that_the_partner_cannot_take_does_not_block_the_others(
    peer: RecordingPeer, status: int
) -> None:
    partner = peer.connect("2.2.1")
    for name in ("A", "B", "C"):
        site(name, f"E{name}")
    drain(partner)
    peer.new()
    poison = started("EA").ocpi_id
    others = {started(uid).ocpi_id for uid in ("EB", "EC")}
    peer.fails[poison] = status

    refused = Delivery.objects.filter(module="sessions", refused_at__isnull=False)
    number = 0
    while not refused.exists():
        # Something else goes through each time: the partner is there. Which of them is the probe is
        # left to chance, so it takes five rounds or some more.
        site(f"L{number}", f"X{number}")
        others.add(started(f"X{number}").ocpi_id)
        drain(partner)
        number += 1
        assert number < 60
    drain(partner)

    taken = {
        request.path.split("/")[-1] for request in peer.new() if request.path[:8] == "sessions"
    }
    assert others <= taken
    assert refused.count() == 1
    assert not Feed.objects.filter(unauthorized_at__isnull=False).exists()


def test_new_credentials_start_every_lane_again(peer: RecordingPeer, platform_clock: Clock) -> None:
    partner = peer.connect("2.2.1")
    site("A", "EA")
    peer.answers = [(401, b"")]
    draining.drain(lanes.feed_of(partner).pk)
    assert Feed.objects.filter(partner=partner, unauthorized_at__isnull=False).count() == 3

    feed.open_feeds(partner, now=clock.now())
    platform_clock.forward(seconds=3)

    waiting = Feed.objects.filter(partner=partner, unauthorized_at__isnull=True)
    assert waiting.filter(retry_at__lte=clock.now()).count() == 3


def test_an_exchange_of_tokens_ends_who_is_sending_with_the_old_one(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    lease = feed.lease_feed(feed_id=lanes.feed_of(partner).pk, now=clock.now())
    assert lease is not None

    feed.open_feeds(partner, now=clock.now())

    # What the old token meets is nobody's concern any more.
    feed.back_off(lease=lease, error="HTTP 401", now=clock.now(), is_unauthorized=True)
    assert not Feed.objects.filter(unauthorized_at__isnull=False).exists()


def test_a_lane_that_was_stopped_by_another_probes_as_well(
    peer: RecordingPeer, platform_clock: Clock
) -> None:
    partner = peer.connect("2.2.1")
    for number in range(5):
        site(f"L{number}", f"E{number}")
        started(f"E{number}")
    peer.answers = [(401, b"")] * 40
    draining.drain(lanes.feed_of(partner).pk)
    peer.new()
    platform_clock.forward(minutes=61)

    draining.drain(lanes.feed_of(partner, Lane.CHARGING).pk)

    assert len(peer.new()) == 1
    # And it speaks for all: the others wait another hour.
    assert feed.feeds_with_news(now=clock.now() + timedelta(minutes=29)) == {}


def test_turns_that_were_not_used_are_given_back(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1", dialect={"requests_per_minute": 6})
    for number in range(10):
        site(f"L{number}", f"E{number}")
    sent: list[Any] = []
    while not sent:
        # A turn may be over before anything is sent.
        before = clock.now()
        lanes.attend(partner, Turn(seconds=0.2))
        Feed.objects.update(retry_at=None)
        sent += peer.new()

    for _each in range(2):
        lanes.attend(partner, Turn(seconds=0.2))
        Feed.objects.update(retry_at=None)

    # One could go at once; nobody took what he did not use.
    assert len(sent + peer.new()) == 1
    spacing = timedelta(seconds=10)
    assert Pace.objects.get().taken_until < before + 2 * spacing


@pytest.mark.parametrize(
    "value", ["Sun, 06 Nov 99999 08:49:37 GMT", "Mon, 01 Jan 0001 00:00:00 +2359", "1e9", "-5", ""]
)
def test_a_retry_after_that_makes_no_sense_is_none(value: str) -> None:
    reply = Reply(Request("PUT", "https://x"), 503, headers={"Retry-After": value})
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert reply.retry_after_seconds(now) in {None, 0.0}


def test_internal_trouble_does_not_move_a_feed_back(db: None) -> None:
    partner = make_partner().partner
    Change.objects.create(lane="NETWORK", module="tariffs", object_id=1)
    feed.sequence_changes()
    lease = feed.lease_feed(feed_id=lanes.feed_of(partner).pk, now=clock.now())
    assert lease is not None
    feed.move_on(lease=lease, position=lease.position + 7, now=clock.now())

    feed.back_off(lease=lease, error="internal error", now=clock.now())

    assert lanes.feed_of(partner).position == lease.position + 7


def test_addresses_within_addresses_are_masked_and_not_followed() -> None:
    nested = "https://x/?response_url=" * 300 + "secret"
    assert "secret" not in redact_url(nested)
    assert "secret" not in redact_body("commands", f'{{"response_url": "{nested}"}}')
    assert redact_body("credentials", "[" * 100_000) == ""


def test_a_message_that_cannot_be_taken_apart_takes_no_others_with_it(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = make_partner().partner
    entry = message_log.Entry(
        partner_id=partner.pk,
        at=clock.now(),
        direction=message_log.Direction.OUT,
        method="PUT",
        url="https://x/?response_url=" * 2000,
        response_body=b"?response_url=" * 580,
    )

    message_log.write([entry] * 3)

    assert Message.objects.count() == 3


def test_endpoints_that_were_read_for_another_version_are_not_stored(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    before = set(partner.endpoints.values_list("url", flat=True))

    assert not registering.replace_endpoints(partner_id=partner.pk, version="2.1.1", endpoints=[])

    assert set(partner.endpoints.values_list("url", flat=True)) == before

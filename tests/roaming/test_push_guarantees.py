"""What docs/push.md guarantees, provoked: each test names one promise."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from cpo_platform.common import clock
from locations.canonical import shape_of
from locations.models import Evse, Location
from locations.operations import put_location, set_evse_status
from roaming import draining, wake
from roaming.draining import attending
from roaming.models import Change, Delivery, Endpoint, Feed, Lane, Partner
from roaming.operations import feed, walks
from sessions_app.metering import Reading
from sessions_app.models import Cdr, Session
from sessions_app.operations import sessions
from tariffs.operations import delete_tariff
from tests.conftest import Clock
from tests.factories import LocationFactory, SessionFactory, TariffFactory, cdr_token, evse
from tests.roaming import lanes, listening
from tests.roaming.conftest import make_partner
from tests.roaming.recording import Received, RecordingPeer, drain, recording_peer, success

pytestmark = pytest.mark.django_db(transaction=True)

WRITING = {"INSERT", "UPDATE", "DELETE", "WITH"}


@pytest.fixture
def peer(settings: Settings) -> Iterator[RecordingPeer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with recording_peer() as running:
        yield running


def site(name: str = "SITE", *uids: str) -> Location:
    location: Location = LocationFactory(
        id=name, tariff=None, evses=[evse(uid) for uid in uids or ("E1",)], now=clock.now()
    )
    return location


def flip(uid: str, status: str) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid=uid).pk, status=status, now=clock.now())


def started() -> Session:
    connector = Evse.objects.get(uid="E1").connectors.get()
    session: Session = SessionFactory(connector=connector, cdr_token=cdr_token(), now=clock.now())
    return session


def measured(session: Session, kwh: str) -> None:
    now = clock.now()
    sessions.record_meter_values(
        session_id=session.pk, readings=[Reading(now, Decimal(kwh))], now=now
    )


def ended(session: Session) -> Cdr:
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())
    return Cdr.objects.get(session=session)


# CDRs: until they are acknowledged, and never twice


def lost_cdr(peer: RecordingPeer, partner: Partner) -> dict[str, Any]:
    """Post a CDR whose answer is lost; return what was posted."""
    site()
    session = started()
    drain(partner)
    peer.new()
    ended(session)
    # The session's end, the POST, whose answer has no envelope.
    peer.answers = [(200, success()), (200, b"")]
    drain(partner)
    (posted,) = [request for request in peer.new() if request.method == "POST"]
    assert Delivery.objects.get(module="cdrs").delivered_at is None
    body: dict[str, Any] = posted.body
    return body


@pytest.mark.rule("CDR-03")
def test_a_lost_answer_is_healed_by_asking_before_anything_is_posted_again(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    body = lost_cdr(peer, partner)
    peer.answers = [(200, success(data=body))]

    drain(partner)

    assert [request.line for request in peer.new()] == [f"GET cdrs/{body['id']}"]
    delivery = Delivery.objects.get(module="cdrs")
    assert delivery.delivered_at is not None
    assert delivery.url == f"{peer.url}/cdrs/{body['id']}"


def test_a_cdr_that_the_partner_does_not_have_is_posted_again(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    lost_cdr(peer, partner)
    peer.answers = [(404, b"")] * 3

    drain(partner)

    assert [request.method for request in peer.new()] == ["GET", "GET", "GET", "POST"]
    assert Delivery.objects.get(module="cdrs").delivered_at is not None


def test_another_cdr_under_the_same_id_is_told_to_staff_and_not_booked(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    body = lost_cdr(peer, partner)
    peer.answers = [(200, success(data=body | {"total_energy": 999}))]

    drain(partner)

    assert [request.method for request in peer.new()] == ["GET"]
    delivery = Delivery.objects.get(module="cdrs")
    assert (delivery.delivered_at, delivery.refused_at is not None) == (None, True)
    assert "another CDR under this id" in delivery.error


def test_already_exists_is_success_once_it_has_been_compared(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site()
    session = started()
    drain(partner)
    peer.new()
    cdr = ended(session)
    known = json.dumps({"status_code": 2001, "status_message": "CDR exists already"}).encode()
    peer.answers = [(200, success()), (200, known)]
    peer.copies_posts_to_gets = True

    drain(partner)

    methods = [request.method for request in peer.new()]
    assert methods == ["PATCH", "POST", "GET"]
    delivery = Delivery.objects.get(module="cdrs", object_id=cdr.pk)
    assert delivery.delivered_at is not None


def test_no_answer_to_our_question_is_no_reason_to_post(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    lost_cdr(peer, partner)
    peer.answers = [(503, b"")]

    drain(partner)

    assert [request.method for request in peer.new()] == ["GET"]
    assert lanes.feed_of(partner, Lane.CHARGING).failures == 1


# Order


def test_statuses_of_one_location_go_one_after_the_other_the_oldest_first(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    site("SITE", "E1", "E2", "E3")
    drain(partner)
    peer.new()
    for uid in ("E3", "E1", "E2"):
        flip(uid, "CHARGING")

    drain(partner)

    requests = peer.new()
    assert [request.path.split("/")[-1] for request in requests] == ["E3", "E1", "E2"]
    moments = [request.body["last_updated"] for request in requests]
    assert moments == sorted(moments)


def test_a_location_waits_for_the_tariff_that_the_partner_cannot_take_now(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    LocationFactory(id="PRICED", tariff=TariffFactory(id="T1"), evses=[evse("E1")], now=clock.now())
    site("FREE", "E2")
    peer.fails["T1"] = 500

    drain(partner)
    drain(partner)

    lines = peer.lines()
    assert "PUT tariffs/NL/TST/T1" in lines
    assert "PUT locations/NL/TST/FREE" in lines
    assert "PUT locations/NL/TST/PRICED" not in lines
    peer.fails.clear()
    for _each in range(2):
        drain(partner)
    assert peer.lines() == ["PUT tariffs/NL/TST/T1", "PUT locations/NL/TST/PRICED"]


def test_a_location_waits_no_longer_for_a_tariff_that_was_set_aside(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    LocationFactory(id="PRICED", tariff=TariffFactory(id="T1"), evses=[evse("E1")], now=clock.now())
    peer.answers = [(400, success(status_code=2001))]

    drain(partner)
    drain(partner)

    assert peer.lines() == ["PUT tariffs/NL/TST/T1", "PUT locations/NL/TST/PRICED"]


def test_a_tariff_goes_before_the_location_that_names_it_however_often_it_changed_since(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roaming.draining.attendance.CHUNK", 2)
    partner = peer.connect("2.2.1")
    tariff = TariffFactory(id="LATE")
    LocationFactory(id="NAMES", tariff=tariff, evses=[evse("E1")])
    for number in range(4):
        site(f"L{number}", f"X{number}")
    # Its newest change is the last of all.
    feed.announce(module="tariffs", object_id=tariff.pk)

    drain(partner)

    assert peer.lines()[0] == "PUT tariffs/NL/TST/LATE"


# What is taken back


def hide(name: str) -> None:
    shape = shape_of(Location.objects.complete().get(ocpi_id=name))
    put_location(location=shape.model_copy(update={"publish": False}), now=clock.now())


def test_a_location_that_may_have_arrived_is_withdrawn_all_the_same(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site()
    peer.answers = [(500, b"")]
    drain(partner)
    hide("SITE")

    drain(partner)

    first, second = peer.new()
    assert (first.body["publish"], second.body["publish"]) == (True, False)
    assert drain(partner) == 0


def test_a_tariff_that_may_have_arrived_is_deleted_all_the_same(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    tariff = TariffFactory(id="GONE")
    peer.answers = [(500, b"")]
    drain(partner)
    delete_tariff(tariff_id=tariff.pk, now=clock.now())

    drain(partner)

    assert peer.lines() == ["PUT tariffs/NL/TST/GONE", "DELETE tariffs/NL/TST/GONE"]


def test_what_was_refused_need_not_be_taken_back(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site()
    peer.answers = [(400, b"")]
    drain(partner)
    hide("SITE")

    drain(partner)

    assert peer.lines() == ["PUT locations/NL/TST/SITE"]


# Coalescing


def test_a_partner_that_was_away_gets_one_request_for_each_object(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roaming.draining.attendance.CHUNK", 3)
    partner = peer.connect("2.2.1")
    uids = [f"E{number}" for number in range(8)]
    for uid in uids:
        site(f"L{uid}", uid)
    drain(partner)
    peer.new()
    for status in ("CHARGING", "BLOCKED", "AVAILABLE", "CHARGING"):
        for uid in uids:
            flip(uid, status)

    drain(partner)

    requests = peer.new()
    assert len(requests) == len(uids)
    assert {request.body["status"] for request in requests} == {"CHARGING"}
    assert feed.waiting(lanes.feed_of(partner)) == 0


@pytest.mark.long
def test_a_session_of_ten_hours_sends_less_than_50_kb(
    peer: RecordingPeer, settings: Settings, platform_clock: Clock
) -> None:
    settings.SESSION_UPDATE_SECONDS = 60
    partner = peer.connect("2.2.1")
    site()
    drain(partner)
    peer.new()
    session = started()
    lane = lanes.feed_of(partner, Lane.CHARGING)
    for step in range(150):
        draining.drain(lane.pk)
        platform_clock.forward(minutes=4)
        feed.announce_due(now=clock.now())
        measured(session, f"{1000 + step / 5:.1f}")
    ended(session)
    draining.drain(lane.pk)

    requests = peer.new()
    assert requests[0].method == "PUT"
    assert {request.method for request in requests[1:-1]} == {"PATCH"}
    assert requests[-2].body["status"] == "COMPLETED"
    assert requests[-1].method == "POST"
    assert sum(_size(request) for request in requests[:-1]) < 50 * 1024
    # And yet it is told of often enough to be followed.
    assert len(requests) > 40


def _size(request: Received) -> int:
    head = f"{request.line} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items()
    )
    return len(head) + len(json.dumps(request.body))


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_progress_that_could_wait_is_told_when_it_is_due(
    peer: RecordingPeer, settings: Settings, platform_clock: Clock, version: str
) -> None:
    settings.SESSION_UPDATE_SECONDS = 60
    partner = peer.connect(version)
    site()
    session = started()
    drain(partner)
    peer.new()
    lane = lanes.feed_of(partner, Lane.CHARGING)
    platform_clock.forward(seconds=10)
    measured(session, "1000.5")

    draining.drain(lane.pk)
    assert peer.new() == []
    # The car is full: no meter value follows that would take this one along.
    platform_clock.forward(seconds=120)
    assert feed.announce_due(now=clock.now()) == 1
    draining.drain(lane.pk)

    (told,) = peer.new()
    assert told.body["kwh"] == 0.5
    assert feed.announce_due(now=clock.now() + timedelta(hours=1)) == 0


# What a change costs


@pytest.mark.parametrize("number", [1, 10])
def test_a_status_is_written_down_once_whatever_the_number_of_partners(
    peer: RecordingPeer, number: int
) -> None:
    partners = [peer.connect("2.2.1", f"P{place:02}") for place in range(number)]
    site()
    for partner in partners:
        drain(partner)
    before = _rows_written()
    with CaptureQueriesContext(connection) as queries:
        flip("E1", "CHARGING")
    feed.sequence_changes()
    written = _rows_written() - before

    # The EVSE, its location, the change and its number.
    assert written == 4
    # The first two with one statement.
    writes = [one["sql"].split()[0] for one in queries if one["sql"].split()[0] in WRITING]
    assert writes == ["WITH", "INSERT"]
    deliveries = list(Delivery.objects.order_by("pk").values())
    for partner in partners:
        drain(partner)
    assert len(peer.new()) >= 2 * number
    # Nothing is noted of what arrived: the partner is past the change, and that is all.
    assert list(Delivery.objects.order_by("pk").values()) == deliveries


def _rows_written() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            """
            SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables
            WHERE relname IN (
                'locations_evse', 'locations_location', 'roaming_change', 'roaming_delivery'
            )
            """
        )
        return int(cursor.fetchone()[0])


# Isolation


def test_a_result_that_leads_nowhere_does_not_delay_what_else_there_is(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    site()
    Feed.objects.filter(partner=partner, lane=Lane.RESULTS).update(
        failures=9, retry_at=clock.now() + timedelta(minutes=1)
    )

    assert draining.drain(lanes.feed_of(partner).pk) == 1
    assert [request.method for request in peer.new()] == ["PUT"]


def test_what_fails_by_itself_is_tried_later_and_the_others_go_on(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site("A", "EA")
    site("B", "EB")
    site("C", "EC")
    peer.answers = [(500, b"{}")]

    draining.drain(lanes.feed_of(partner).pk)

    assert len(peer.new()) == 3
    assert feed.waiting(lanes.feed_of(partner)) == 0
    assert lanes.feed_of(partner).failures == 0
    late = Delivery.objects.get(due_at__isnull=False)
    assert late.attempts == 1
    drain(partner)
    assert len(peer.new()) == 1
    late.refresh_from_db()
    assert (late.due_at, late.attempts, late.delivered_at is not None) == (None, 0, True)


# Self-healing


def test_a_refused_token_stops_every_lane_until_the_partner_takes_it_again(
    peer: RecordingPeer, platform_clock: Clock
) -> None:
    partner = peer.connect("2.2.1")
    site("A", "EA")
    site("B", "EB")
    peer.answers = [(401, b"")] * 4

    draining.drain(lanes.feed_of(partner).pk)
    seen = len(peer.new())
    started_at = clock.now()
    lane = lanes.feed_of(partner, Lane.CHARGING)

    # Requests that were under way together are all.
    assert seen <= 2
    assert lane.unauthorized_at is not None
    assert feed.feeds_with_news(now=started_at + timedelta(minutes=29)) == {}
    platform_clock.forward(minutes=61)
    peer.answers = [(401, b"")] * 4
    draining.drain(lanes.feed_of(partner).pk)
    # One request shows that nothing has changed.
    assert len(peer.new()) == 1
    platform_clock.forward(minutes=61)
    peer.answers = []
    draining.drain(lanes.feed_of(partner).pk)
    assert len(peer.new()) == 2
    assert not Feed.objects.filter(unauthorized_at__isnull=False).exists()
    assert lanes.feed_of(partner, Lane.CHARGING).retry_at is None


def test_an_endpoint_that_has_moved_is_looked_up_again(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1", versions_url=f"{peer.url}/versions")
    site()
    moved = f"{peer.url}/new/locations"
    versions = success(data=[{"version": "2.2.1", "url": f"{peer.url}/2.2.1"}])
    endpoints = [
        {"identifier": "credentials", "role": "SENDER", "url": f"{peer.url}/credentials"},
        {"identifier": "locations", "role": "RECEIVER", "url": moved},
        {"identifier": "cdrs", "role": "RECEIVER", "url": f"{peer.url}/cdrs"},
    ]
    details = success(data={"version": "2.2.1", "endpoints": endpoints})
    peer.answers = [(404, b"not here"), (200, versions), (200, details)]

    drain(partner)

    assert peer.lines() == [
        "PUT locations/NL/TST/SITE",
        "GET versions",
        "GET 2.2.1",
        "PUT new/locations/NL/TST/SITE",
    ]
    assert Endpoint.objects.get(partner=partner, identifier="locations").url == moved
    assert Delivery.objects.get(module="locations").refused_at is None


def test_a_status_of_what_the_partner_does_not_know_is_followed_by_the_whole(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    site("SITE", "E1", "E2")
    drain(partner)
    peer.new()
    flip("E1", "CHARGING")
    flip("E2", "CHARGING")
    unknown = json.dumps({"status_code": 2003, "status_message": "unknown"}).encode()
    peer.answers = [(404, unknown), (404, unknown)]

    drain(partner)

    assert peer.lines() == [
        "PATCH locations/NL/TST/SITE/E1",
        "PATCH locations/NL/TST/SITE/E2",
        "PUT locations/NL/TST/SITE",
    ]
    assert drain(partner) == 0


# Back-off


@pytest.mark.parametrize(
    "answer",
    [
        (429, b""),
        (200, b'{"status_code": 2000, "status_message": "Rate limit exceeded"}'),
        (200, b'{"status_code": 3000, "status_message": "too many requests"}'),
    ],
)
def test_a_throttle_is_obeyed_however_it_is_said(
    peer: RecordingPeer, answer: tuple[int, bytes]
) -> None:
    partner = peer.connect("2.2.1")
    site()
    peer.answers = [answer]

    draining.drain(lanes.feed_of(partner).pk)

    resting = lanes.feed_of(partner)
    assert resting.retry_at is not None
    assert resting.failures == 1
    assert not Delivery.objects.filter(refused_at__isnull=False).exists()
    drain(partner)
    assert [request.method for request in peer.new()] == ["PUT", "PUT"]


def test_a_partner_that_was_away_is_tried_with_one_request(
    peer: RecordingPeer,
) -> None:
    partner = peer.connect("2.2.1")
    for number in range(6):
        site(f"L{number}", f"E{number}")
    Feed.objects.update(failures=3)
    peer.answers = [(503, b"")] * 10

    drain(partner)

    assert len(peer.new()) == 1
    peer.answers = []
    drain(partner)
    assert len(peer.new()) == 6
    assert lanes.feed_of(partner).failures == 0


def test_no_minute_has_more_turns_than_the_partner_wants(db: None) -> None:
    partner = make_partner().partner
    now = clock.now()
    turns = []
    for _taking in range(150):
        first, _spacing = feed.take_turns(
            partner_id=partner.pk, requests_per_minute=60, turns=1, now=now
        )
        turns.append(first)

    for begin in turns:
        within = [turn for turn in turns if begin <= turn < begin + timedelta(minutes=1)]
        assert len(within) <= 60
    # The first few may go at once, so that a single change does not wait.
    assert sum(turn <= now for turn in turns) == 7


def test_a_pause_of_staff_sends_nothing_and_loses_nothing(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site()
    drain(partner)
    peer.new()
    feed.pause(partner_id=partner.pk, now=clock.now())
    flip("E1", "CHARGING")
    flip("E1", "BLOCKED")

    assert drain(partner) == 0
    feed.go_on(partner_id=partner.pk)
    assert drain(partner) == 1

    assert [request.body["status"] for request in peer.new()] == ["BLOCKED"]


# Staying


def test_a_worker_stays_with_a_partner_and_learns_of_more_by_a_nudge(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "LINGER_SECONDS", 30.0)
    monkeypatch.setattr(attending, "LOOK_SECONDS", 10.0)
    partner = peer.connect("2.2.1")
    site()
    drain(partner)
    lane = lanes.feed_of(partner)
    flip("E1", "CHARGING")
    attendants = attending.Attendants()
    attendants.attend(lane.pk)
    try:
        _until(lambda: len(peer.received) == 2)
        key = lanes.feed_of(partner).lease_key
        flip("E1", "BLOCKED")
        # As whoever looks at the feeds does, before the nudge.
        feed.sequence_changes()
        assert not feed.feeds_with_news(now=clock.now()) or attendants.nudge(lane.pk)
        attendants.nudge(lane.pk)
        _until(lambda: len(peer.received) == 3)
        # Under the same lease: nobody had to be sent for.
        assert lanes.feed_of(partner).lease_key == key
    finally:
        assert attendants.leave(seconds=20)
    assert lanes.feed_of(partner).lease_key == ""
    assert attendants.nudge(lane.pk) is False


def test_a_partner_that_hangs_keeps_nobody_waiting(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "LINGER_SECONDS", 0.0)
    hangs, other = peer.connect("2.2.1"), peer.connect("2.2.1", "OTH")
    site()
    feed.sequence_changes()
    with listening.silence() as url:
        hangs.endpoints.update(url=url)
        attendants = attending.Attendants()
        attendants.attend(lanes.feed_of(hangs).pk)
        _until(lambda: lanes.feed_of(hangs).lease_key)
        attendants.attend(lanes.feed_of(other).pk)
        _until(lambda: len(peer.received) == 1)
    assert attendants.leave(seconds=20)


def test_feeds_that_find_no_place_get_theirs_when_somebody_leaves(
    peer: RecordingPeer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUSH_CONCURRENCY = 1
    monkeypatch.setattr(attending, "LINGER_SECONDS", 30.0)
    monkeypatch.setattr(attending, "LOOK_SECONDS", 0.01)
    partners = [peer.connect("2.2.1", party_id) for party_id in ("AAA", "BBB", "CCC")]
    site()
    feed.sequence_changes()
    attendants = attending.Attendants()

    for partner in partners:
        attendants.attend(lanes.feed_of(partner).pk)

    # Nobody stays for half a minute while others wait, and who came first is served first.
    _until(lambda: len(peer.received) == 3)
    assert [one.party("to") for one in peer.received] == ["NL*AAA", "NL*BBB", "NL*CCC"]
    assert attendants.leave(seconds=20)


def test_a_feed_is_attended_once_in_a_process(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "LINGER_SECONDS", 30.0)
    partner = peer.connect("2.2.1")
    site()
    feed_id = lanes.feed_of(partner).pk
    begun: list[int] = []
    attend = draining.attend

    def counted(feed_id: int, turn: draining.Turn) -> Any:
        begun.append(feed_id)
        return attend(feed_id, turn)

    monkeypatch.setattr(draining, "attend", counted)
    attendants = attending.Attendants()
    attendants.attend(feed_id)
    _until(lambda: len(peer.received) == 1)

    attendants.attend(feed_id)
    assert attendants.nudge(feed_id)
    assert attendants.leave(seconds=20)
    assert begun == [feed_id]


def test_nobody_leaves_after_his_time_while_nobody_waits_for_his_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attending, "LONGEST_SECONDS", 0.0)
    queue: list[int] = []
    bell = attending.Bell(are_others_waiting=lambda: bool(queue))

    assert not bell.is_over()
    queue.append(1)
    assert bell.is_over()
    queue.clear()
    bell.end()
    assert bell.is_over()


def test_while_there_is_news_one_looks_again_and_again_and_no_commit_sends_for_anybody(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch, broker: redis.Redis
) -> None:
    partner = peer.connect("2.2.1")
    site()
    drain(partner)
    attendants = attending.Attendants()
    sent_for: list[int] = []
    sent: list[object] = []
    monkeypatch.setattr(wake, "_send", lambda *args, **_kwargs: sent.append(args))
    broker.delete(wake.FEEDS_WOKEN)
    flip("E1", "CHARGING")
    assert len(sent) == 1
    attendants.watch(sent_for.append)
    try:
        _until(lambda: lanes.feed_of(partner).pk in sent_for)
        sent_for.clear()
        flip("E1", "BLOCKED")
        _until(lambda: lanes.feed_of(partner).pk in sent_for)
        assert len(sent) == 1
        _until(lambda: not broker.exists(wake.FEEDS_WOKEN))
        flip("E1", "CHARGING")
        assert len(sent) == 2
    finally:
        assert attendants.leave(seconds=20)


def _until(condition: Any) -> None:
    deadline = clock.now() + timedelta(seconds=20)
    pause = threading.Event()
    while not condition():
        assert clock.now() < deadline
        pause.wait(0.01)


# Walks


def test_a_time_window_is_sent_again_whole(peer: RecordingPeer) -> None:
    partner = peer.connect("2.2.1")
    site("OLD", "E1")
    drain(partner)
    middle = clock.now()
    site("NEW", "E2")
    drain(partner)
    peer.new()
    window: dict[str, Any] = {
        "partner_id": partner.pk,
        "modules": ["locations"],
        "begin": middle,
        "end": clock.now(),
        "now": clock.now(),
    }

    assert walks.count_window(**window) == {"locations": 1}
    walks.send_window_again(**window)
    drain(partner)

    assert peer.lines() == ["PUT locations/NL/TST/NEW"]


def test_a_walk_that_was_interrupted_goes_on_where_it_was(
    peer: RecordingPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roaming.draining.attendance.CHUNK", 2)
    partner = peer.connect("2.2.1")
    for number in range(6):
        site(f"L{number}", f"E{number}")
    Change.objects.all().delete()
    walks.announce_everything(partner_id=partner.pk, now=clock.now())
    peer.answers = [(200, success())] * 3 + [(429, b"")] * 9

    drain(partner)
    (progress,) = walks.progress(partner)
    # Of the two that were under way together, the first or the second failed.
    assert progress.walk.total == 6
    assert progress.done in {2, 3}
    assert progress.percent == 100 * progress.done // 6
    peer.answers = []
    peer.new()
    drain(partner)

    assert walks.progress(partner) == []
    # What arrived before is not sent twice.
    assert len(peer.new()) == 3

"""Who holds a station, and calls to it and back, over a real Redis."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import redis

from cpo_platform.common import clock
from ocpp_gateway import registry
from ocpp_gateway.registry import CallOutcome, CallRequest, Holder, OutcomeKind
from tests.ocpp_gateway.gateways import FakeGateway, running, until

pytestmark = pytest.mark.usefixtures("broker")

STATION = 7


@pytest.fixture
def first(broker: redis.Redis) -> Iterator[FakeGateway]:
    with running("first", {"Reset": {"status": "Accepted"}}) as gateway:
        yield gateway


@pytest.fixture
def second(broker: redis.Redis) -> Iterator[FakeGateway]:
    with running("second", {"Reset": {"status": "Rejected"}}) as gateway:
        yield gateway


def request(action: str = "Reset", *, seconds: float = 30, **payload: Any) -> CallRequest:
    deadline = clock.now() + timedelta(seconds=seconds)
    return CallRequest(uuid4().hex, STATION, action, payload, deadline)


def test_a_call_reaches_the_gateway_that_holds_the_station_and_its_outcome_comes_back(
    first: FakeGateway, second: FakeGateway
) -> None:
    first.claim(STATION)
    second.claim(STATION + 1)
    asked = request(type="Soft", limit=Decimal("16.10"))

    outcome = registry.ask(asked, 10)

    assert (outcome.kind, outcome.payload) == (OutcomeKind.ANSWERED, {"status": "Accepted"})
    assert outcome.sent_at is not None
    assert outcome.answered_at is not None
    assert first.asked == [asked]
    assert str(first.asked[0].payload["limit"]) == "16.10"
    assert second.asked == []


def test_numbers_of_an_answer_are_what_the_station_wrote(first: FakeGateway) -> None:
    first.script["Reset"] = {"limit": Decimal("0.30")}
    first.claim(STATION)

    outcome = registry.ask(request(), 10)

    assert outcome.payload is not None
    assert str(outcome.payload["limit"]) == "0.30"


def test_a_station_that_nobody_holds_is_offline_at_once(first: FakeGateway) -> None:
    assert registry.ask(request(), 10) == CallOutcome(OutcomeKind.OFFLINE)
    assert registry.holder_of(STATION) is None


def test_the_newest_connection_has_the_station_and_the_older_is_told_to_close(
    first: FakeGateway, second: FakeGateway
) -> None:
    first.claim(STATION, 1)
    second.claim(STATION, 2)

    until(lambda: first.closed == [(STATION, 1)])
    assert registry.holder_of(STATION) == Holder("second", 2)
    assert registry.ask(request(), 10).payload == {"status": "Rejected"}
    assert second.closed == []


def test_who_claims_with_an_older_connection_is_told_to_close_his_own(
    first: FakeGateway, second: FakeGateway
) -> None:
    second.claim(STATION, 2)
    first.claim(STATION, 1)

    until(lambda: first.closed == [(STATION, 1)])
    assert registry.holder_of(STATION) == Holder("second", 2)
    assert second.closed == []


def test_a_station_that_connects_anew_to_the_same_gateway_has_its_new_connection(
    first: FakeGateway,
) -> None:
    first.claim(STATION, 1)
    first.claim(STATION, 2)

    until(lambda: first.closed == [(STATION, 1)])
    assert registry.holder_of(STATION) == Holder("first", 2)


def test_an_older_connection_that_ends_takes_nothing_from_the_newer(
    first: FakeGateway, second: FakeGateway
) -> None:
    first.claim(STATION, 1)
    second.claim(STATION, 2)

    first.release(STATION, 1)
    assert registry.holder_of(STATION) == Holder("second", 2)

    second.release(STATION, 2)
    assert registry.holder_of(STATION) is None


def test_a_renewal_heals_a_wiped_redis(first: FakeGateway, broker: redis.Redis) -> None:
    held = dict.fromkeys(range(1, 2500), 1)
    first.renew(held)
    broker.flushdb()
    broker.script_flush()
    assert registry.holder_of(STATION) is None

    assert first.renew(held) == set()

    assert registry.holder_of(1) == registry.holder_of(2499) == Holder("first", 1)
    assert registry.ask(request(), 10).payload == {"status": "Accepted"}


def test_a_renewal_tells_which_stations_a_newer_connection_has_taken(
    first: FakeGateway, second: FakeGateway, broker: redis.Redis
) -> None:
    first.claim(STATION, 1)
    first.claim(STATION + 1, 5)
    broker.flushdb()
    second.claim(STATION, 2)

    assert first.renew({STATION: 1, STATION + 1: 5}) == {STATION}

    assert registry.holder_of(STATION) == Holder("second", 2)
    assert registry.holder_of(STATION + 1) == Holder("first", 5)
    assert 0 < broker.pttl(f"cpo:ocpp:station:{STATION + 1}") <= registry.LEASE_MILLISECONDS


def test_what_is_past_its_deadline_is_not_carried_out(first: FakeGateway) -> None:
    first.claim(STATION)

    assert registry.ask(request(seconds=-1), 0.2) == CallOutcome(OutcomeKind.TIMEOUT)

    assert registry.ask(request(type="Hard"), 10).kind is OutcomeKind.ANSWERED
    assert [one.payload for one in first.asked] == [{"type": "Hard"}]


def test_a_gateway_that_dies_answers_nothing_and_its_stations_are_offline_when_its_lease_is_over(
    first: FakeGateway, broker: redis.Redis
) -> None:
    first.claim(STATION)
    first.stop()

    assert registry.ask(request(), 0.2) == CallOutcome(OutcomeKind.TIMEOUT)

    key = f"cpo:ocpp:station:{STATION}"
    assert 0 < broker.pttl(key) <= registry.LEASE_MILLISECONDS
    # What is left of the lease passes at once: how long the steps above took must not matter.
    broker.pexpire(key, 1)
    until(lambda: registry.holder_of(STATION) is None)
    assert registry.ask(request(), 10) == CallOutcome(OutcomeKind.OFFLINE)


def test_nothing_is_left_in_redis_for_good(first: FakeGateway, broker: redis.Redis) -> None:
    first.claim(STATION)
    registry.ask(request(), 10)
    first.stop()
    registry.ask(request(), 0.1)

    keys = broker.keys("cpo:ocpp:*")
    assert len(keys) >= 3
    assert all(broker.pttl(key) > 0 for key in keys)


def test_a_call_that_fails_in_the_gateway_does_not_end_the_others(
    first: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_request: CallRequest) -> CallOutcome:
        raise KeyError("broken")

    first.script["Broken"] = fail
    first.claim(STATION)

    assert registry.ask(request("Broken"), 0.2).kind is OutcomeKind.TIMEOUT
    assert registry.ask(request(), 10).kind is OutcomeKind.ANSWERED
    assert "could not be carried out" in caplog.text


def test_the_same_request_sent_twice_reaches_the_station_once(first: FakeGateway) -> None:
    first.claim(STATION)
    asked = request()

    assert registry.ask(asked, 10).kind is OutcomeKind.ANSWERED
    assert registry.ask(asked, 0.2).kind is OutcomeKind.TIMEOUT

    assert first.asked == [asked]


def test_staff_can_have_a_connection_closed(first: FakeGateway) -> None:
    assert not registry.disconnect(STATION)
    first.claim(STATION, 3)

    assert registry.disconnect(STATION)

    until(lambda: first.closed == [(STATION, 3)])


def test_while_redis_is_away_stations_are_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis.Redis.from_url("redis://127.0.0.1:1/0")
    monkeypatch.setattr(registry, "_sender", lambda: away.register_script("return 1"))

    outcome = registry.ask(request(), 10)

    assert outcome == CallOutcome(OutcomeKind.OFFLINE, error="the broker cannot be reached")


def test_calls_go_on_when_every_connection_to_redis_was_lost(
    first: FakeGateway, broker: redis.Redis
) -> None:
    first.claim(STATION)
    assert registry.ask(request(), 10).kind is OutcomeKind.ANSWERED

    for _ in range(3):
        # Those of other tests, at the same time, are in another database.
        database, own = str(broker.get_connection_kwargs()["db"]), str(broker.client_id())
        for client in broker.client_list():
            if client["db"] == database and client["id"] != own:
                broker.client_kill_filter(_id=client["id"])
        assert registry.ask(request(), 10).kind is OutcomeKind.ANSWERED
        assert first.renew({STATION: 1}) == set()

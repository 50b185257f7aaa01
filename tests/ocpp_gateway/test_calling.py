"""A call to a station and the row that is kept of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from django.db import transaction
from pytest_django import Settings

from cpo_platform.common import clock
from ocpp_gateway.calling import NeverConnected, call_station
from ocpp_gateway.frames import Version
from ocpp_gateway.models import CallState, Station, StationCall
from ocpp_gateway.registry import CallOutcome, CallRequest, OutcomeKind
from ocpp_gateway.schemas import BadPayload
from tests.concurrency import elsewhere
from tests.factories import NOW, LocationFactory, SessionFactory
from tests.ocpp_gateway.gateways import FakeGateway, refused, running
from tests.ocpp_gateway.placing import place

pytestmark = pytest.mark.django_db


@pytest.fixture
def station() -> Station:
    return place(LocationFactory())


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    with running("gateway", {"Reset": {"status": "Accepted"}}) as gateway:
        gateway.claim(station.pk)
        yield gateway


def reset(station: Station, **options: Any) -> StationCall:
    return call_station(
        station=station,
        action="Reset",
        payload={"type": "Soft"},
        asked_by="anna",
        now=NOW,
        **options,
    )


def test_an_answer_is_kept_with_every_moment_of_the_call(
    station: Station, gateway: FakeGateway
) -> None:
    session = SessionFactory()
    before = clock.now()

    call = reset(station, session_id=session.pk)

    row = StationCall.objects.get()
    assert row.pk == call.pk
    assert (row.station, row.session, row.action) == (station, session, "Reset")
    assert (row.payload, row.asked_by, row.asked_at) == ({"type": "Soft"}, "anna", NOW)
    assert (row.state, row.answer, row.error) == (CallState.ANSWERED, {"status": "Accepted"}, "")
    assert row.sent_at is not None
    assert row.answered_at is not None
    assert before <= row.sent_at <= row.answered_at


def test_a_call_may_take_as_long_as_the_setting_says_by_the_clock(
    station: Station, gateway: FakeGateway, settings: Settings
) -> None:
    settings.OCPP_CALL_SECONDS = 40
    before = clock.now()

    reset(station)
    reset(station, seconds=5)

    ours, short = gateway.asked
    assert timedelta(seconds=40) <= ours.deadline - before < timedelta(seconds=60)
    assert timedelta(seconds=5) <= short.deadline - before < timedelta(seconds=25)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (refused("NotSupported: no"), CallState.REFUSED),
        (CallOutcome(OutcomeKind.TIMEOUT, sent_at=NOW), CallState.TIMEOUT),
        (CallOutcome(OutcomeKind.OFFLINE), CallState.OFFLINE),
    ],
    ids=["refused", "timeout", "offline"],
)
def test_what_is_no_answer_is_kept_as_what_it_is(
    station: Station, gateway: FakeGateway, outcome: CallOutcome, state: CallState
) -> None:
    gateway.script["Reset"] = outcome

    row = StationCall.objects.get(pk=reset(station).pk)

    assert (row.state, row.answer, row.error) == (state, None, outcome.error)
    assert (row.sent_at, row.answered_at) == (outcome.sent_at, outcome.answered_at)


def test_a_station_without_a_gateway_is_offline(station: Station, broker: redis.Redis) -> None:
    assert reset(station).state == CallState.OFFLINE


@pytest.mark.django_db(transaction=True)
def test_the_row_is_there_while_the_station_is_asked(broker: redis.Redis) -> None:
    station = place(LocationFactory())
    seen: list[str] = []

    def look(_request: CallRequest) -> dict[str, str]:
        elsewhere(lambda: seen.extend(StationCall.objects.values_list("state", flat=True)))
        return {"status": "Accepted"}

    with running("gateway", {"Reset": look}) as gateway:
        gateway.claim(station.pk)
        reset(station)

    assert seen == [CallState.WAITING]


@pytest.mark.django_db(transaction=True)
def test_nobody_calls_a_station_in_a_transaction(broker: redis.Redis) -> None:
    station = place(LocationFactory())

    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        reset(station)

    assert not StationCall.objects.exists()


def test_a_payload_that_breaks_its_schema_is_our_mistake_and_not_sent(
    station: Station, gateway: FakeGateway
) -> None:
    with pytest.raises(BadPayload, match="type: is required"):
        call_station(station=station, action="Reset", payload={}, asked_by="", now=NOW)

    assert not StationCall.objects.exists()
    assert gateway.asked == []


def test_a_station_that_was_never_here_speaks_no_version(broker: redis.Redis) -> None:
    with pytest.raises(NeverConnected, match="CP-1"):
        reset(place(LocationFactory(), None))


def test_secrets_reach_the_station_and_are_not_kept(station: Station, gateway: FakeGateway) -> None:
    gateway.script["ChangeConfiguration"] = {"status": "Accepted"}
    gateway.script["GetConfiguration"] = {
        "configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": "s3cret"}]
    }
    gateway.script["UpdateFirmware"] = {}

    for action, payload in [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "s3cret"}),
        ("GetConfiguration", {}),
        (
            "UpdateFirmware",
            {
                "location": "ftp://us3r:s3cret@files/a.bin?s3cret",
                "retrieveDate": "2026-06-01T08:00:00Z",
            },
        ),
    ]:
        call_station(station=station, action=action, payload=payload, asked_by="", now=NOW)

    assert gateway.asked[0].payload["value"] == "s3cret"
    kept = json.dumps(list(StationCall.objects.values_list("payload", "answer")))
    assert "s3cret" not in kept
    assert "us3r" not in kept
    assert "ftp://***@files/a.bin?***" in kept


def test_numbers_reach_the_station_digit_by_digit(broker: redis.Redis) -> None:
    station = place(LocationFactory(), Version.V2_0_1)
    limit = Decimal("16.10")
    payload = {
        "evseId": 1,
        "chargingProfile": {
            "id": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": [
                {
                    "id": 1,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
                }
            ],
        },
    }
    with running("gateway", {"SetChargingProfile": {"status": "Accepted"}}) as gateway:
        gateway.claim(station.pk)
        call = call_station(
            station=station, action="SetChargingProfile", payload=payload, asked_by="", now=NOW
        )

    assert gateway.asked[0].payload == payload
    assert "16.10" in str(gateway.asked[0].payload)
    assert call.state == CallState.ANSWERED

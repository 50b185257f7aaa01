"""Stations, and strangers, that are rude or unlucky: what they break is theirs alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import DatabaseError
from pytest_django import Settings
from websockets.exceptions import ConnectionClosed

from cpo_platform.common import clock, json
from ocpp_gateway import registry
from ocpp_gateway.models import Outlet, Station, StationState
from ocpp_gateway.operations import alerts
from ocpp_gateway.registry import CallRequest, OutcomeKind
from ocpp_gateway.server.admission import TurnedAway, identity_of
from tests.factories import ConnectorFactory
from tests.ocpp_gateway.serving import connected, running_gateway

BOOT = {"chargePointVendor": "Maker", "chargePointModel": "One"}


def stranger(identity: str = "CP-1") -> Station:
    return Station.objects.create(identity=identity, state=StationState.HELD)


def put_in_service(station: Station) -> Outlet:
    connector = ConnectorFactory()
    Station.objects.filter(pk=station.pk).update(
        state=StationState.PLACED, location=connector.evse.location
    )
    return Outlet.objects.create(
        station=station, connector=connector, ordinal=1, evse_number=1, connector_number=1
    )


@pytest.mark.parametrize("path", ["//[", "//[::1/ocpp/CP-1", "http://[x"])
def test_an_address_that_is_none_is_turned_away(path: str) -> None:
    with pytest.raises(TurnedAway):
        identity_of(path)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_overtaken_does_not_take_over(
    broker: "redis.Redis", settings: Settings
) -> None:
    settings.OCPP_REQUIRE_PASSWORD = False
    station = stranger()
    put_in_service(station)
    Station.objects.update(connection=7)
    with running_gateway() as running, connected(running.url, "CP-1", password=None) as newer:
        newer.call("BootNotification", BOOT)
        # As if this one had been given its number before the other one.
        Station.objects.update(connection=3)
        with connected(running.url, "CP-1", password=None) as older:
            with pytest.raises(ConnectionClosed) as caught:
                older.receive()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1000
        assert "currentTime" in newer.call("Heartbeat", {})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("GetVariables", [3, {"getVariableResult": [{"variable": None}]}]),
        ("GetBaseReport", [3, {"status": []}]),
        ("ClearCache", [4, "", "", {}]),
    ],
)
def test_an_answer_that_is_none_is_a_refusal_and_no_silence(
    broker: "redis.Redis", settings: Settings, action: str, answer: list[Any]
) -> None:
    settings.OCPP_REQUIRE_PASSWORD = False
    station = stranger()
    put_in_service(station)
    boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "M", "model": "T"}}
    with (
        running_gateway() as running,
        connected(running.url, "CP-1", ocpp="2.0.1", password=None) as charger,
        ThreadPoolExecutor(1) as pool,
    ):
        charger.call("BootNotification", boot)
        request = CallRequest(
            f"wrecked-{action}", station.pk, action, {}, clock.now() + timedelta(seconds=20)
        )
        outcome = pool.submit(registry.ask, request, 20)
        _kind, unique_id, _action, _payload = charger.receive()
        charger.send(json.dumps([answer[0], unique_id, *answer[1:]]))
        assert outcome.result(20).kind is OutcomeKind.REFUSED


@pytest.mark.django_db(transaction=True)
def test_a_flood_that_cannot_be_told_of_costs_no_connection(
    broker: "redis.Redis", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_fields: Any) -> bool:
        raise DatabaseError("the server is gone")

    settings.OCPP_REQUIRE_PASSWORD = False
    settings.OCPP_MESSAGES_PER_MINUTE = 6000
    monkeypatch.setattr("ocpp_gateway.server.link.FLOOD_SECONDS", 0)
    monkeypatch.setattr(alerts, "raise_alert", away)
    put_in_service(stranger())
    with running_gateway() as running, connected(running.url, "CP-1", password=None) as charger:
        charger.call("BootNotification", BOOT)
        for number in range(1010):
            charger.send(json.dumps([2, f"f{number}", "Heartbeat", {}]))
        assert len([charger.receive() for _ in range(1010)]) == 1010

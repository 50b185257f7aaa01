"""Gateways that crash while chargers charge: every bill is right all the same.

`bench.ocpp_kill` does so with many, and with processes.
"""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from bench import ocpp_checks
from ocpp_gateway import passwords, tasks
from ocpp_gateway.models import News, Outlet, Station, StationState
from sandbox.charger import Handle, RunningFleet, running
from sessions_app.models import Session
from tests.conftest import Clock
from tests.factories import ConnectorFactory, TokenFactory
from tests.ocpp_gateway.gateways import until
from tests.ocpp_gateway.serving import CONNECTED_EMSPS, PASSWORD, RunningGateway

pytestmark = pytest.mark.django_db(transaction=True)

STATIONS = 6
QUICK = {
    "meter_seconds": 0.2,
    # So much that some Wh flow at once, and not more than the connector could give.
    "time_factor": 50,
    "leave_after": None,
    "reconnect_seconds": 0.05,
    "retry_seconds": 0.05,
}


@pytest.fixture
def stations(transactional_db: None) -> list[str]:
    """Stations in service at an EVSE each, and a card."""
    encoded = passwords.make(PASSWORD)
    TokenFactory(uid="CARD", whitelist="ALWAYS")
    for number in range(STATIONS):
        connector = ConnectorFactory()
        station = Station.objects.create(
            identity=f"CP-{number}",
            state=StationState.PLACED,
            location=connector.evse.location,
            password_hash=encoded,
        )
        Outlet.objects.create(
            station=station, connector=connector, ordinal=1, evse_number=1, connector_number=1
        )
    return [f"CP-{number}" for number in range(STATIONS)]


class Crashing:
    """A gateway that is crashed, and started again where it was."""

    def __init__(self) -> None:
        self._running = RunningGateway()
        self._running.start()

    @property
    def url(self) -> str:
        return self._running.url

    def crash(self) -> None:
        self._running.crash()

    def start(self) -> None:
        self._running = RunningGateway(self._running.port)
        self._running.start()

    def stop(self) -> None:
        self._running.stop()


@pytest.fixture
def gateway(
    broker: "redis.Redis",
    transactional_db: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Crashing]:
    settings.REALTIME_AUTHORIZER = CONNECTED_EMSPS
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    crashing = Crashing()
    yield crashing
    crashing.stop()


class Charges:
    """What each charger has delivered, in Wh, by its own register."""

    def __init__(self, fleet: RunningFleet) -> None:
        self.done: dict[str, list[Decimal]] = {one.identity: [] for one in fleet}
        self._began: dict[str, Decimal] = {}

    def begin(self, station: Handle) -> None:
        self._began[station.identity] = station.register_wh()
        station.plug(max_kw=11)
        assert station.present("CARD") == "Accepted"

    def end(self, station: Handle) -> None:
        station.unplug()
        wh = station.register_wh() - self._began.pop(station.identity)
        self.done[station.identity].append(wh)

    def flows(self, station: Handle) -> bool:
        return station.register_wh() > self._began[station.identity]


def is_digested() -> bool:
    tasks.digest_news()
    return not News.objects.exists()


def test_a_gateway_that_crashes_again_and_again_costs_nobody_a_wh(
    gateway: Crashing, stations: list[str], platform_clock: Clock
) -> None:
    config = {
        "stations": [
            {"identity": one, "ocpp": "2.0.1" if number % 2 else "1.6", "password": PASSWORD}
            for number, one in enumerate(stations)
        ]
    }
    with running(config, url=gateway.url, **QUICK) as fleet:
        charges = Charges(fleet)
        fleet.wait_for(lambda all_: all(one.connected for one in all_), what="all are online")
        first, second, *others = fleet
        for station in fleet:
            charges.begin(station)
        for station in fleet:
            station.wait_for(charges.flows, what="energy flows")

        # One ends and one starts while nobody is there; the others go on.
        gateway.crash()
        for station in (first, second):
            charges.end(station)
            charges.begin(station)
        fleet.wait_for(lambda all_: not any(one.connected for one in all_), what="all are off")
        gateway.start()
        # Again, while they tell what they have kept.
        fleet.wait_for(lambda all_: any(one.connected for one in all_), what="one is back")
        gateway.crash()
        for station in others:
            charges.end(station)
        gateway.start()

        for station in (first, second):
            station.wait_for(charges.flows, what="energy flows")
            charges.end(station)
        fleet.wait_for(
            lambda all_: all(one.connected and one.quiet for one in all_), what="all was told"
        )
    # Readings may be looked at some seconds later.
    platform_clock.forward(seconds=30)
    until(is_digested, seconds=60)

    for identity, delivered in charges.done.items():
        assert list(ocpp_checks.energy(identity, delivered)) == []
    assert list(ocpp_checks.foreign()) == []
    assert not Session.objects.unfinished().exists()

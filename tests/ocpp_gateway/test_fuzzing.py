"""Stations that say what no station should: a gateway stays, and the good ones do not notice.

`bench.ocpp_fuzz` does so with many more frames, beside simulated chargers, and with processes.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal

import pytest
import redis
from pytest_django import Settings
from websockets.exceptions import ConnectionClosed

from bench import ocpp_checks
from bench.ocpp_frames import Frames, NotText
from ocpp_gateway import frames as ocpp
from ocpp_gateway import passwords, tasks
from ocpp_gateway.models import News, Outlet, Station, StationState, Transaction
from sessions_app.models import Cdr, Session
from tests.conftest import Clock
from tests.factories import ConnectorFactory, TokenFactory
from tests.ocpp_gateway.gateways import until
from tests.ocpp_gateway.serving import (
    CONNECTED_EMSPS,
    PASSWORD,
    RunningGateway,
    ScriptedStation,
    connected,
    running_gateway,
)

pytestmark = pytest.mark.django_db(transaction=True)

FRAMES = 100
MOST_BYTES = 20_000
START = {"connectorId": 1, "idTag": "CARD", "meterStart": 1200, "timestamp": "2026-11-01T10:00:00Z"}
# Version, identity, cards: who has a real one may have sessions, at its own EVSE.
HOSTILE = (
    *(("1.6", "CP-1", "CARD"), ("2.0.1", "CP-2", "CARD"), ("1.6", "CP-3", "NOBODYS")),
    *(("2.0.1", "CP-4", "NOBODYS"), ("1.6", "STRANGER-1", "CARD"), ("2.0.1", "STRANGER-2", "CARD")),
)


@pytest.fixture
def gateway(
    broker: "redis.Redis", transactional_db: None, settings: Settings
) -> Iterator[RunningGateway]:
    settings.REALTIME_AUTHORIZER = CONNECTED_EMSPS
    settings.OCPP_MESSAGES_PER_MINUTE = 1_000_000
    settings.OCPP_MAX_MESSAGE_BYTES = MOST_BYTES
    with running_gateway() as running:
        yield running


@pytest.fixture
def stations(transactional_db: None) -> None:
    encoded = passwords.make(PASSWORD)
    TokenFactory(uid="CARD", whitelist="ALWAYS")
    for number in range(5):
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


class Hostile:
    """A hostile station, which connects anew when it is cut off."""

    def __init__(self, url: str, version: str, identity: str, card: str) -> None:
        self.identity = identity
        self._frames = Frames(version, len(identity), [card], identity, MOST_BYTES)
        self._connect = lambda: connected(url, identity, ocpp=version)

    def run(self, count: int) -> "Counter[str]":
        """Send so many frames; count what came of them."""
        came: Counter[str] = Counter()
        while sum(came.values()) < count:
            with ExitStack() as stack:
                station = stack.enter_context(self._connect())
                station.send(self._frames.boot())
                station.receive()
                try:
                    while sum(came.values()) < count:
                        came[self._one(station)] += 1
                except ConnectionClosed as closed:
                    came[f"closed {closed.rcvd.code if closed.rcvd else ''}"] += 1
        return came

    def _one(self, station: ScriptedStation) -> str:
        _kind, frame = self._frames.next()
        is_text = isinstance(frame, (str, NotText))
        station.socket.send(frame, text=is_text)
        if not _is_answered(frame):
            return "no answer"
        answer = station.receive()
        if answer[0] == 4:
            return str(answer[2])
        self._frames.transactions += [answer[2].get("transactionId", 0)]
        return "result"


def _is_answered(frame: str | bytes) -> bool:
    raw = frame.encode() if isinstance(frame, str) else frame
    try:
        return isinstance(ocpp.parse(raw, most_bytes=MOST_BYTES), ocpp.Call)
    except ocpp.BadFrame as error:
        return error.message_type in {ocpp.CALL, None}


def is_digested() -> bool:
    tasks.digest_news()
    return not ocpp_checks.left_undone()


def test_what_no_station_should_say_harms_nobody(
    gateway: RunningGateway,
    stations: None,
    platform_clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR), connected(gateway.url, "CP-0") as good:
        good.call("BootNotification", {"chargePointVendor": "Maker", "chargePointModel": "One"})
        number = good.call("StartTransaction", START)["transactionId"]
        came: Counter[str] = Counter()
        for told in HOSTILE:
            came += Hostile(gateway.url, *told).run(FRAMES)
            good.call("Heartbeat", {})
        stop = {"transactionId": number, "meterStop": 1700, "timestamp": "2026-11-01T11:00:00Z"}
        good.call("StopTransaction", stop)
        platform_clock.forward(minutes=1)
        until(is_digested, seconds=60)
    assert [record.getMessage() for record in caplog.records] == []

    assert sum(came.values()) == FRAMES * len(HOSTILE)
    # Each of these was met: the frames are not all turned away at once.
    assert {"result", "NotImplemented", "SecurityError"} <= set(came)
    session = Session.objects.get(ocpp_transaction__station__identity="CP-0")
    assert session.kwh == Decimal("0.5")
    assert Cdr.objects.get(session=session).total_energy == session.kwh
    assert ocpp_checks.sessions_elsewhere({"CP-0", "CP-1", "CP-2"}) == []
    assert list(ocpp_checks.foreign()) == []
    assert not Transaction.objects.filter(station__identity__startswith="STRANGER").exists()
    assert not News.objects.filter(transaction__station__identity="CP-0").exists()

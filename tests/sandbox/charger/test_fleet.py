"""Fleets: their files and flags, the people who come, and what goes wrong."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from sandbox.charger import BadConfig, CallFailed, NotConnected, StationConfig, read, running
from sandbox.charger.__main__ import parse
from sandbox.charger.charger import Charger
from sandbox.charger.driver import drive
from sandbox.charger.faults import FAULTS, spoil
from sandbox.charger.outlet import Card
from sandbox.charger.vehicle import arriving
from tests.sandbox.charger.conftest import QUICK, Start
from tests.sandbox.charger.csms import Csms

URL = "ws://localhost:9000/ocpp"
FILE = {
    "stations": [
        {
            "identity": "NL-AMS-1",
            "password": "secret",
            "ocpp": "2.0.1",
            "vendor": "V",
            "model": "M",
            "signs": True,
            "outlets": [{"evse": 1, "connector": 1, "max_kw": 22, "current": "AC"}],
        },
        {"identity": "NL-AMS-2"},
    ],
    "cards": ["A", "B"],
    "drivers": 3,
}


def test_a_file_lists_chargers(tmp_path: Path) -> None:
    path = tmp_path / "stations.json"
    path.write_bytes(orjson.dumps(FILE))

    config, url = parse(["--url", URL, "--file", str(path), "--meter-seconds", "10", "--faults"])

    assert url == URL
    first, second = config.stations
    assert (first.identity, first.ocpp, first.signs) == ("NL-AMS-1", "2.0.1", True)
    assert first.outlets[0].max_kw == Decimal(22)
    assert {first.meter_seconds, second.meter_seconds} == {10.0}
    assert (config.cards, config.drivers, config.faults) == (("A", "B"), 3, True)


def test_flags_make_chargers() -> None:
    config, _ = parse(
        [
            *("--url", URL, "--count", "2", "--ocpp", "2.0.1", "--prefix", "X"),
            *("--password", "p", "--drivers", "4", "--cards", "A, B", "--seed", "9"),
        ]
    )

    assert [one.identity for one in config.stations] == ["X1", "X2"]
    assert {(one.ocpp, one.password) for one in config.stations} == {("2.0.1", "p")}
    assert (config.drivers, config.cards, config.seed) == (4, ("A", "B"), 9)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--count", "1"],
        ["--url", URL],
        ["--url", URL, "--count", "1", "--file", "x"],
        ["--url", URL, "--file", "/nowhere/stations.json"],
    ],
)
def test_flags_that_make_none_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "must be an object"),
        ({}, "stations: must be a list"),
        ({"stations": [{}]}, "stations[0].identity: is required"),
        ({"stations": [{"identity": 1}]}, "stations[0].identity: must be str"),
        ({"stations": [{"identity": "A", "x": 1}]}, "stations[0].x: is no field"),
        ({"stations": [{"identity": "A", "ocpp": "1.5"}]}, "stations[0].ocpp: must be 1.6"),
        ({"stations": [{"identity": "A"}, {"identity": "A"}]}, "unique: A"),
        (
            {"stations": [{"identity": "A", "outlets": [{"current": "XC"}]}]},
            "stations[0].outlets[0].current: must be AC or DC",
        ),
        ({"stations": [{"identity": "A", "outlets": []}]}, "outlets: must have one"),
    ],
)
def test_a_file_that_makes_none_is_refused(document: Any, text: str) -> None:
    with pytest.raises(BadConfig) as found:
        read(document)

    assert text in str(found.value)


def test_many_chargers_live_in_one_process(csms: Csms) -> None:
    ocpp = csms.version.removeprefix("ocpp")
    stations = [{"identity": f"CS-{number}", "ocpp": ocpp} for number in range(40)]

    with running({"stations": stations}, url=csms.url, **QUICK) as fleet:
        fleet.wait_for(lambda all_of: all(one.connected for one in all_of), what="all online")

        assert len(fleet) == 40
    assert len(csms.payloads("BootNotification")) == 40


class Life:
    """A charger in the event loop of the test, with people and, if wanted, faults."""

    def __init__(self, csms: Csms) -> None:
        station = StationConfig(
            identity="CS-1",
            ocpp=csms.version.removeprefix("ocpp"),
            reconnect_seconds=0.005,
            meter_seconds=0.01,
            plug_after=None,
        )
        self._csms = csms
        self._happened = asyncio.Event()
        self.charger = Charger(station, csms.url, rng=random.Random(1), changed=self._happened.set)

    def ends(self) -> int:
        """Return how many ends of transactions have been told."""
        events = self._csms.payloads("TransactionEvent")
        ended = [one for one in events if one["eventType"] == "Ended"]
        return len(ended) + len(self._csms.payloads("StopTransaction"))

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._happened.clear()
            await self._happened.wait()

    async def beside(
        self, *others: Coroutine[Any, Any, None], what: Coroutine[Any, Any, None]
    ) -> None:
        """Let the charger and the others live while something happens."""
        async with asyncio.timeout(15), asyncio.TaskGroup() as group:
            lives = [group.create_task(one) for one in (self.charger.run(), *others)]
            await what
            for life in lives:
                life.cancel()


def test_people_come_and_go(csms: Csms) -> None:
    async def live() -> None:
        life = Life(csms)
        drivers = [
            drive([life.charger], ["CARD"], random.Random(seed), pace=2000) for seed in range(2)
        ]
        await life.beside(*drivers, what=life.until(lambda: life.ends() >= 4))

    asyncio.run(live())


def test_people_go_on_whatever_goes_wrong(csms: Csms) -> None:
    async def live() -> None:
        life = Life(csms)
        people = drive([life.charger], ["CARD"], random.Random(1), pace=2000)
        faults = spoil([life.charger], random.Random(2), pace=2000)
        await life.beside(people, faults, what=life.until(lambda: life.ends() >= 4))

    asyncio.run(live())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_charger_recovers_from_every_fault(csms: Csms, fault: str) -> None:
    async def live() -> None:
        life = Life(csms)
        charging, link = life.charger.charging, life.charger.link
        outlet = life.charger.outlet(1)

        async def suffer() -> None:
            await life.until(lambda: link.is_online)
            charging.plug(outlet, arriving(20, 22, "AC"))
            await charging.present(Card("CARD"), outlet)
            await FAULTS[fault](life.charger, random.Random(3), 2000)
            await life.until(lambda: link.is_online and not link.has_any)
            charging.unplug(outlet)
            charging.plug(outlet, arriving(20, 22, "AC"))
            assert await charging.present(Card("CARD"), outlet) == "Accepted"
            charging.unplug(outlet)
            await life.until(lambda: not link.has_any)

        await life.beside(what=suffer())
        assert life.ends() >= 1

    asyncio.run(live())


def test_answers_that_make_no_sense_break_nothing(csms: Csms, start: Start) -> None:
    csms.is_strict = False
    for action in ("Authorize", "StartTransaction", "TransactionEvent"):
        csms.scripts[action] = lambda _: {"idTagInfo": [], "idTokenInfo": 3, "transactionId": None}
    csms.scripts["BootNotification"] = lambda _: {"status": "Accepted", "interval": "often"}
    charger = start(csms)
    charger.plug()

    assert charger.present("CARD") == "Invalid"

    assert charger.send("Heartbeat", {})


def test_an_error_of_the_csms_is_told(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charger.drop()

    with pytest.raises(NotConnected):
        charger.send("Heartbeat", {})
    with pytest.raises(TimeoutError, match="a wonder"):
        charger.wait_for(lambda _: False, timeout=0.01, what="a wonder")
    with pytest.raises(ValueError, match="has no outlet 2"):
        charger.plug(outlet=2)
    charger.plug()
    with pytest.raises(ValueError, match="there is a car already"):
        charger.plug()
    assert issubclass(CallFailed, Exception)

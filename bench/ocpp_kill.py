"""Kill what serves chargers, again and again while they charge, and look at every bill.

    python -m bench.ocpp_kill [--stations 200] [--seed 1] [--kills 5]

A gateway, a worker and the beat as the Procfile has them, on servers of their own, and simulated
chargers of both versions, each with a car. Cars come and go, and in the middle of it the gateway is
killed, and started again; once it is the worker, once PostgreSQL. Chargers come back by themselves
and tell what they have kept. When all cars have gone, each of their transactions must have one
session and one CDR, with what the charger's own register says, to the Wh. Ends with 1 if not. The
same seed makes the same decisions; when each of them happens depends on the machine.
"""

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from bench.chaos import logs
from bench.ocpp_house import CARD, PASSWORD, PROCESSES, House, standing, table
from bench.stack import NotInTime, wait_until
from sandbox.charger import Handle, RunningFleet, running

# How long a gateway is away, and how long chargers charge between two kills, in seconds.
AWAY = (0.0, 4.0)
BETWEEN = (4.0, 8.0)
# Of a hundred cars, so many change while something is killed.
CHANGING = 10
CALM_SECONDS = 240.0
ONLINE_SECONDS = 120.0


@dataclass
class Driver:
    """Whoever charges at one charger, one after the other: Wh of each, by its register."""

    station: Handle
    card: str = CARD
    charges: list[Decimal] = field(default_factory=list)
    began_at: Decimal | None = None

    def come(self) -> None:
        """Plug in and show the card, whether or not somebody can be asked about it."""
        if self.began_at is not None:
            return
        began_at = self.station.register_wh()
        self.station.plug(max_kw=11)
        # Who was let charge before may again, with nobody there; others have to wait.
        with suppress(TimeoutError):
            while self.station.present(self.card) != "Accepted":
                self.station.wait_for(lambda one: one.connected, ONLINE_SECONDS, "online")
        self.began_at = began_at

    def go(self) -> None:
        if self.began_at is None:
            return
        self.station.unplug()
        self.charges.append(self.station.register_wh() - self.began_at)
        self.began_at = None


class Story:
    """What is killed, and who comes and goes meanwhile."""

    def __init__(self, house: House, fleet: RunningFleet, seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self.drivers = [Driver(station) for station in fleet]
        self._house, self._fleet = house, fleet
        self._chance = random.Random(seed)
        self._threads = ThreadPoolExecutor(16)

    def begin(self) -> None:
        self._fleet.wait_for(
            lambda fleet: all(one.connected for one in fleet), ONLINE_SECONDS, "all are online"
        )
        list(self._threads.map(Driver.come, self.drivers))

    def kill(self, kills: int) -> None:
        """Kill the gateway so often, and the worker and the database once, in between."""
        misfortunes = [self._kill_gateway] * kills
        misfortunes[1:1] = [self._kill_worker, self._crash_database]
        for happens in misfortunes:
            time.sleep(self._chance.uniform(*BETWEEN))
            changing = self._change()
            happens()
            for one in changing:
                one.result()

    def _change(self) -> "list[Any]":
        """Have some cars go, and others come, beside whatever happens now."""
        some = self._chance.sample(self.drivers, max(1, len(self.drivers) * CHANGING // 100))
        return [self._threads.submit(_turn, one) for one in some]

    def _kill_gateway(self) -> None:
        self.killed["gateway"] += 1
        self._house.stack.kill("ocpp")
        time.sleep(self._chance.uniform(*AWAY))
        self._house.start("ocpp")

    def _kill_worker(self) -> None:
        self.killed["worker"] += 1
        self._house.stack.kill("worker")
        self._house.stack.start("worker")

    def _crash_database(self) -> None:
        self.killed["PostgreSQL"] += 1
        self._house.servers.crash_postgres()
        self._house.servers.start()

    def end(self) -> None:
        """Have all cars go, and wait until every charger has told all that it knows."""
        for driver in self.drivers:
            driver.go()
        self._fleet.wait_for(
            lambda fleet: all(one.quiet and one.connected for one in fleet),
            ONLINE_SECONDS,
            "all has been told",
        )
        self._threads.shutdown()


def _turn(driver: Driver) -> None:
    is_there = driver.began_at is not None
    driver.go()
    # Some come at once, some leave the place to nobody.
    if not is_there or int(driver.station.identity.removeprefix("BENCH-")) % 4:
        driver.come()


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with standing(stations=options.stations, more={"OCPP_HEARTBEAT_SECONDS": "60"}) as house:
        began = time.monotonic()
        with running(fleet_of(options.stations, seed=options.seed), url=house.url) as fleet:
            story = Story(house, fleet, options.seed)
            story.begin()
            story.kill(options.kills)
            story.end()
        wrong = list(_differences(story))
        _print(options, story, time.monotonic() - began)
        wrong += _unexpected(house)
    for line in wrong[:40]:
        print(f"  WRONG: {line}")
    return 1 if wrong else 0


def fleet_of(number_of_stations: int, *, seed: int) -> dict[str, Any]:
    """Return chargers of both versions that come back soon, as `sandbox.charger` wants them."""
    stations = [
        {"identity": f"BENCH-{number}", "ocpp": "2.0.1" if number % 2 else "1.6"}
        for number in range(number_of_stations)
    ]
    # So that no CDR is held for more energy than the connector could give.
    quick = {"meter_seconds": 10, "time_factor": 2, "reconnect_seconds": 0.5, "retry_seconds": 1}
    return {
        "stations": stations,
        "seed": seed,
        "defaults": {**quick, "password": PASSWORD, "leave_after": None},
    }


def _differences(story: Story) -> Iterator[str]:
    from bench import ocpp_checks
    from sessions_app.models import Session

    def is_done() -> bool:
        # The database was crashed under our connection, too.
        return _patiently(
            lambda: not ocpp_checks.left_undone() and not Session.objects.unfinished().exists()
        )

    try:
        wait_until(is_done, seconds=CALM_SECONDS, what="all sessions have ended", every=0.5)
    except NotInTime:
        yield from ocpp_checks.left_undone()
        for session in Session.objects.unfinished()[:20]:
            yield f"session {session.pk} is {session.status}"
    yield from ocpp_checks.foreign()
    for driver in story.drivers:
        yield from ocpp_checks.energy(driver.station.identity, driver.charges)


def _patiently(ask: Callable[[], bool]) -> bool:
    from django.db import DatabaseError, InterfaceError, connection

    try:
        return ask()
    except (DatabaseError, InterfaceError):
        connection.close()
        return False


def _unexpected(house: House) -> list[str]:
    """Return the errors in the logs that killing does not explain."""
    found: Counter[str] = Counter()
    for name in PROCESSES:
        found += logs.errors(house.stack.lines(name))
    return [f"in the logs: {name}, {n} times" for name, n in logs.unexpected(found).items()]


def _print(options: argparse.Namespace, story: Story, seconds: float) -> None:
    from sessions_app.models import Cdr, Session

    charges = [wh for driver in story.drivers for wh in driver.charges]
    killed = ", ".join(f"{name} {number}" for name, number in story.killed.items())
    total = sum(Cdr.objects.values_list("total_energy", flat=True), Decimal(0))
    print(f"Seed {options.seed}: {options.stations} chargers, {seconds:.0f} s; killed: {killed}\n")
    print(
        table(
            [
                ("", "chargers", "platform"),
                ("transactions, sessions", len(charges), Session.objects.count()),
                ("ended, CDRs", len(charges), Cdr.objects.count()),
                ("energy in Wh", sum(charges, Decimal(0)), (total * 1000).normalize()),
            ]
        )
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.ocpp_kill", description=__doc__)
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=5)
    return parser.parse_args()


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())

"""Two of each process, one of which is killed, each in turn: what goes on meanwhile?

    python -m bench.two_of_each [--chargers 20] [--seconds 12] [--seed 1] [--broker URL]

The platform as docs/deployment.md has it for more than one machine: two web processes and two
gateways behind a balancer, two workers, two that push, two beats; one PostgreSQL with a standby
that follows it, one Valkey. Three partners, one for each version of OCPI; simulated chargers with
cars; a load. Each process is killed (-9) and left away for some seconds. In the end every partner
must have what we have, every charge one session and one CDR to the Wh, and the standby what the
primary has: a backup is taken from it, exports are read from it, and go on when it is killed. Ends
with 1 if not. `--broker` names a RabbitMQ of your own that carries the tasks in place of Valkey;
its queues `cpo` and `push` must be nobody else's.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from bench.balancer import Balancer
from bench.chaos import logs
from bench.chaos.sandboxes import Sandbox
from bench.chaos.servers import Servers
from bench.ocpp_house import PASSWORD, table
from bench.ocpp_kill import Driver, fleet_of
from bench.stack import NotInTime, Stack, environment, free_port, is_open, wait_until
from bench.standby import Standby

KINDS = ("web", "worker", "push", "beat", "ocpp")
PARTNERS = {"2.2.1": "EM1", "2.3.0": "EM2", "2.1.1": "EM3"}
START_SECONDS = 120.0
CALM_SECONDS = 240.0
# As many of the cars change while a process is away.
CHANGING = 4


class Visitor(threading.Thread):
    """Somebody who asks a page of the platform again and again, each time anew."""

    def __init__(self, url: str) -> None:
        super().__init__(name="visitor", daemon=True)
        self.answers: Counter[str] = Counter()
        self._url = url
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.05):
            try:
                with urllib.request.urlopen(self._url, timeout=10) as answer:  # noqa: S310  our own
                    self.answers["answered"] += answer.status == 200
            except OSError:
                self.answers["failed"] += 1

    def end(self) -> None:
        self._ended.set()
        self.join()


@dataclass(frozen=True)
class Work:
    """What the platform had done at a moment, in all."""

    pages: int
    failed: int
    tasks: int
    pushes: int
    messages: int

    def since(self, before: "Work") -> tuple[int, ...]:
        return tuple(
            getattr(self, name) - getattr(before, name)
            for name in ("pages", "failed", "tasks", "pushes", "messages")
        )


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="cpo-two-") as directory, ExitStack() as open_things:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        servers = open_things.enter_context(closing(Servers(var)))
        servers.start()
        ports = {name: (free_port(), free_port()) for name in ("web", "ocpp")}
        doors = {name: Balancer(ports[name]) for name in ports}
        for door in doors.values():
            door.start()
            open_things.enter_context(closing(door))
        standby = open_things.enter_context(closing(Standby(var, servers)))
        environ = _environment(var, servers, doors["web"].port, options.broker, standby)
        os.environ.clear()
        os.environ.update(environ)
        import django
        from django.core.management import call_command

        # The settings read the environment: only now is it there.
        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        stack = open_things.enter_context(closing(Stack(environ, var / "log")))
        run = Run(options, var, stack, ports, doors)
        standby.start()
        try:
            rows = run.everything()
        except BaseException:
            for name in run.names:
                print(f"--- {name}\n{stack.last_lines(name)}", file=sys.stderr)
            raise
        wrong = [*run.wrong, *standby.compare(), *standby.exports()]
        wrong += _unexpected(stack, run.names)
    print(table(rows))
    print("\n".join(run.notes))
    for line in wrong[:40]:
        print(f"  WRONG: {line}")
    return 1 if wrong else 0


def _environment(
    var: Path, servers: Servers, port: int, broker: str, standby: Standby
) -> dict[str, str]:
    url = f"http://localhost:{port}"
    more = {"PUBLIC_URL": url, "FEED_LEASE_SECONDS": "6", "OCPP_HEARTBEAT_SECONDS": "60"}
    more |= {"CELERY_BROKER_URL": broker, "DATABASE_REPLICA_URL": standby.url}
    return environment(var, {**more, **servers.urls})


class Run:
    """One run; `wrong` is what must not be."""

    def __init__(
        self,
        options: argparse.Namespace,
        var: Path,
        stack: Stack,
        ports: dict[str, tuple[int, int]],
        doors: dict[str, Balancer],
    ) -> None:
        self.wrong: list[str] = []
        self.notes: list[str] = []
        self._options, self._var, self._stack = options, var, stack
        self._ports, self._doors = ports, doors
        self._sandboxes = [Sandbox(version, party_id) for version, party_id in PARTNERS.items()]
        self._visitor = Visitor(f"http://127.0.0.1:{doors['web'].port}/healthz")
        self.names = [f"{kind}{which}" for kind in KINDS for which in ("", "-2")]
        for kind in KINDS:
            stack.double(kind, f"{kind}-2")

    def everything(self) -> list[tuple[Any, ...]]:
        """Do all of it; return a table of what went on while each was away."""
        from sandbox.charger import running

        self._begin()
        url = f"ws://127.0.0.1:{self._doors['ocpp'].port}/ocpp"
        with running(fleet_of(self._options.chargers, seed=self._options.seed), url=url) as fleet:
            drivers = [Driver(station, self._card) for station in fleet]
            fleet.wait_for(lambda all_: all(one.connected for one in all_), START_SECONDS, "online")
            for driver in drivers:
                driver.come()
            rows = [self._without(name, fleet, drivers) for name in self.names]
            for driver in drivers:
                driver.go()
            fleet.wait_for(
                lambda all_: all(one.quiet and one.connected for one in all_),
                START_SECONDS,
                "all has been told",
            )
        self._visitor.end()
        self._load.rest()
        self._check(drivers)
        self._load.end()
        self._load.join()
        heads = ("one was killed", "pages", "failed", "tasks", "pushes", "messages", "online")
        return [heads, *rows]

    def _start(self, name: str) -> None:
        kind, _line, second = name.partition("-")
        ports = self._ports.get(kind, (0, 0))
        port = str(ports[1 if second else 0])
        variable = {"web": "PORT", "ocpp": "OCPP_PORT"}.get(kind, "UNUSED_PORT")
        self._stack.start(name, **{variable: port, "INSTANCE": second})

    def _begin(self) -> None:
        from bench.chaos import network
        from bench.chaos.load import Load
        from bench.chaos.story import invite, token_of
        from bench.ocpp_world import place
        from cpo_platform.common import clock
        from ocpp_gateway.models import Station
        from roaming.models import Partner
        from roaming.operations import walks

        # In an empty database first: it copies all that is there.
        place(stations=self._options.chargers, password=PASSWORD)
        network.make()
        for sandbox in self._sandboxes:
            self._stack.add(sandbox.name, invite(sandbox, self._var))
        for name in self.names:
            self._start(name)
        self._stack.start(*(sandbox.name for sandbox in self._sandboxes))
        for sandbox in self._sandboxes:
            what = f"the registration of {sandbox.name}"
            wait_until(lambda: sandbox.registered, seconds=START_SECONDS, what=what)  # noqa: B023
        wait_until(
            self._all_there, seconds=START_SECONDS, what="two of each say that they are there"
        )
        for partner in Partner.objects.order_by("pk"):
            walks.announce_everything(partner_id=partner.pk, now=clock.now())
        tokens = [token_of(sandbox) for sandbox in self._sandboxes]
        self._card = tokens[0].uid
        stations = Station.objects.values_list("location_id", flat=True)
        self._load = Load(self._sandboxes, tokens, self._options.seed, spared=list(stations))
        self._load.start()
        self._load.go()
        self._visitor.start()

    def _all_there(self) -> bool:
        from cpo_platform.common import clock
        from cpo_platform.upkeep import readiness

        checks = readiness.look(clock.now())
        return all(checks.get(kind, {}).get("processes") == 2 for kind in readiness.KINDS)

    def _is_up(self, name: str) -> bool:
        """Tell whether a process that was started again does its work."""
        from cpo_platform.common import figures

        kind, _line, second = name.partition("-")
        if kind in self._ports:
            return is_open(self._ports[kind][1 if second else 0])
        if kind == "beat":
            return any(one.endswith(f"-{self._stack.pid(name)}") for one in figures.alive(kind))
        started = sum(" ready." in line for line in self._stack.lines(name))
        return started == 2

    def _work(self) -> Work:
        from cpo_platform.common import figures
        from cpo_platform.upkeep.families import TASKS
        from ocpp_gateway.models import StationMessage
        from roaming.models import Message

        ((_family, runs),) = figures.read([TASKS])
        return Work(
            pages=self._visitor.answers["answered"],
            failed=self._visitor.answers["failed"],
            tasks=int(sum(figure.total for figure in runs)),
            pushes=Message.objects.filter(direction="OUT").count(),
            messages=StationMessage.objects.count(),
        )

    def _without(self, name: str, fleet: Any, drivers: Sequence[Driver]) -> tuple[Any, ...]:
        """Kill a process, see what goes on without it, and start it again."""
        self._stack.kill(name)
        before = self._work()
        place = self.names.index(name) * CHANGING
        for driver in [*drivers, *drivers][place % len(drivers) :][:CHANGING]:
            driver.go()
            driver.come()
        time.sleep(self._options.seconds)
        fleet.wait_for(lambda all_: all(one.connected for one in all_), START_SECONDS, "online")
        done = self._work().since(before)
        self.wrong += [
            f"without {name}: no {what}"
            for what, number in zip(("pages", "", "tasks", "pushes", "messages"), done, strict=True)
            if what and not number
        ]
        self._start(name)
        wait_until(lambda: self._is_up(name), seconds=START_SECONDS, what=f"{name} is back")
        online = sum(one.connected for one in fleet)
        return (name, *done, f"{online} of {len(drivers)}")

    def _check(self, drivers: Sequence[Driver]) -> None:
        from bench import ocpp_checks
        from bench.chaos.comparing import compare
        from bench.chaos.story import is_calm
        from sessions_app.models import Cdr, Session

        def is_told() -> bool:
            by_chargers = Session.objects.unfinished().filter(ocpp_transaction__isnull=False)
            return not ocpp_checks.left_undone() and not by_chargers.exists()

        try:
            wait_until(is_told, seconds=CALM_SECONDS, what="what chargers told is digested")
            wait_until(is_calm, seconds=CALM_SECONDS, what="calm", every=0.5)
        except NotInTime as error:
            self.wrong.append(str(error))
        self.wrong += [str(line) for line in ocpp_checks.left_undone()]
        for driver in drivers:
            self.wrong += ocpp_checks.energy(driver.station.identity, driver.charges)
        compared = 0
        for sandbox in self._sandboxes:
            found = compare(sandbox)
            compared += found.compared
            self.wrong += found.differences
        charges = sum(len(driver.charges) for driver in drivers)
        self.notes.append(
            f"\n{compared} objects of {len(self._sandboxes)} partners compared; {charges} charges"
            f" at {len(drivers)} chargers, to the Wh; {Session.objects.count()} sessions and"
            f" {Cdr.objects.count()} CDRs in all"
        )


def _unexpected(stack: Stack, names: Sequence[str]) -> Iterator[str]:
    found: Counter[str] = Counter()
    for name in names:
        found += logs.errors(stack.lines(name))
    for name, number in logs.unexpected(found).items():
        yield f"in the logs: {name}, {number} times"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.two_of_each", description=__doc__)
    parser.add_argument("--chargers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", default="", help="such as amqp://user:password@host:5672/vhost")
    return parser.parse_args()


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())

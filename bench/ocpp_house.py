"""The processes that stations and their sessions need, as the Procfile has them, to be wrecked.

A gateway, a worker and the beat on servers of their own, in an empty directory, with a station at
each EVSE of a made network. Each is killed and started again by whoever uses this, and by nobody
else.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.chaos.logs import TRACEBACK
from bench.chaos.servers import Servers
from bench.stack import Stack, environment, free_port, is_open, wait_until

PASSWORD = "0123456789abcdef0123456789abcdef"  # noqa: S105  of no real station
CARD = "BENCH"
PROCESSES = ("worker", "beat", "ocpp")
MOST_LINES = 60
_RUNS_SECONDS = 60.0
# What was logged as wrong, by Python and by Celery, whose lines begin with the time in brackets.
_ERROR = re.compile(r"^\S+ \S+ (?:ERROR|CRITICAL) |^\[[^\]]*: (?:ERROR|CRITICAL)/")


@dataclass(frozen=True)
class House:
    """What runs: `stack` are the processes, `servers` the database and the broker."""

    stack: Stack
    servers: Servers
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def start(self, *names: str) -> None:
        """Start what does not run; return once chargers can connect."""
        self.stack.start(*names)
        wait_until(lambda: is_open(self.port), seconds=_RUNS_SECONDS, what="the gateway")

    def errors(self) -> "Counter[str]":
        """Count what the processes have logged as errors, by process and what it says."""
        return Counter(
            f"{name}: {_gist(line)}"
            for name in PROCESSES
            for line in self.stack.lines(name)
            if _ERROR.search(line)
        )

    def tracebacks(self) -> str:
        """Return the last traceback of each process that has written one."""
        found = []
        for name in PROCESSES:
            lines = self.stack.lines(name)
            begins = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
            if begins:
                found += [f"--- {name}", *lines[begins[-1] - 1 : begins[-1] + MOST_LINES]]
        return "\n".join(found)

    def megabytes(self) -> float:
        """Return how much memory the gateway holds (RSS)."""
        lines = Path(f"/proc/{self.stack.pid('ocpp')}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@contextlib.contextmanager
def standing(*, stations: int, more: Mapping[str, str]) -> Iterator[House]:
    """Have everything run for the length of a block; `more` is added to the environment."""
    with tempfile.TemporaryDirectory(prefix="cpo-ocpp-") as directory:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        servers = Servers(var)
        try:
            servers.start()
            port = free_port()
            environ = environment(var, {"OCPP_PORT": str(port), **servers.urls, **more})
            os.environ.clear()
            os.environ.update(environ)
            _fill(stations)
            yield from _running(House(Stack(environ, var / "log"), servers, port))
        finally:
            servers.close()


def _fill(stations: int) -> None:
    import django
    from django.core.management import call_command

    # The settings read the environment: only now is it there.
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from bench.ocpp_world import build

    build(stations=stations, password=PASSWORD)


def _running(house: House) -> Iterator[House]:
    try:
        house.start(*PROCESSES)
        yield house
    except BaseException:
        for name in PROCESSES:
            print(f"--- {name}\n{house.stack.last_lines(name)}", file=sys.stderr)
        raise
    finally:
        house.stack.close()


def table(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return rows as a table: the first column to the left, the others to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in texts) for n in range(len(texts[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    )


def _gist(line: str) -> str:
    # Without numbers, so that what happens to many counts as one thing.
    said = re.sub(r"^.*?(?:ERROR|CRITICAL)[ /]", "", line)
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", said)[:120]

"""`make bench`: pages of 50 locations a second, as served, beside bare psycopg and beside DRF.

    python -m bench.pages [--seconds 10] [--rounds 5] [--connections 4]

Everything is its own: an embedded database in an empty directory, granian with the options of the
Procfile, a port of loopback for each of the three. They all run all the time, and are asked one
after the other in short rounds: a noisy machine slows all of them. The medians of the rounds are
printed, and what counts is their ratio.
"""

import argparse
import contextlib
import os
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import client
from cpo_platform.runner import processes, servers, supervisor

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


@dataclass
class Candidate:
    """One way to serve the page."""

    name: str
    application: str
    target: client.Target
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    length: int = 0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def percentile(self, share: float) -> float:
        """Return milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="cpo-bench-") as directory:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        environ = _environ(var)
        os.environ.clear()
        os.environ.update(environ)
        with servers.attached(os.environ, var):
            token, rendering = _fill(options)
            os.environ["BENCH_RENDERING"] = rendering
            candidates = _candidates(token, options.locations)
            with contextlib.ExitStack() as stack:
                for candidate in candidates:
                    stack.enter_context(_serving(candidate, var))
                _measure(candidates, options)
            print(_report(candidates, options))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.pages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each candidate, in all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--locations", type=int, default=50)
    parser.add_argument("--evses", type=int, default=4)
    return parser.parse_args()


def _environ(var: Path) -> dict[str, str]:
    """Return the environment of everything: nothing of a developer's own settings counts."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "cpo_platform.settings",
        "PYTHONPATH": str(ROOT),
        "LOG_LEVEL": "WARNING",
        # What is measured is how many there can be.
        "OCPI_REQUESTS_PER_MINUTE": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
    }


def _fill(options: argparse.Namespace) -> tuple[str, str]:
    """Make the network; return the partner's token and the name of what is rendered for it."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    from django.db import connection

    from bench import network
    from cpo_platform.common import clock
    from roaming.ocpi.common.audience import Audience
    from roaming.ocpi.versions import VERSIONS

    token = network.make(locations=options.locations, evses=options.evses)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()
    return token, VERSIONS["2.2.1"].rendering(Audience(clock.now()))


def _candidates(token: str, limit: int) -> list[Candidate]:
    os.environ["BENCH_LIMIT"] = str(limit)
    authorization = ("Authorization", f"Token {b64encode(token.encode()).decode()}")
    ids = (("X-Request-ID", "bench"), ("X-Correlation-ID", "bench"))
    ours = f"/ocpi/2.2.1/locations?limit={limit}"
    ports = [_free_port() for _ in range(3)]
    return [
        Candidate(
            "the platform",
            "cpo_platform.wsgi:application",
            client.Target(ports[0], ours, (authorization, *ids)),
        ),
        Candidate("bare psycopg", "bench.bare:application", client.Target(ports[1], "/")),
        Candidate(
            "DRF ModelSerializer",
            "bench.serializers:application",
            client.Target(ports[2], f"/locations?limit={limit}"),
        ),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _serving(candidate: Candidate, var: Path) -> Iterator[None]:
    """Run the Procfile's web process with another application."""
    web = next(
        entry for entry in supervisor.read_procfile(ROOT / "Procfile") if entry.name == "web"
    )
    command = os.path.expandvars(_defaults(web.command))
    command = command.replace("cpo_platform.wsgi:application", candidate.application)
    with (var / f"{candidate.target.port}.log").open("wb") as log:
        process = subprocess.Popen(
            [*shlex.split(command), "--port", str(candidate.target.port)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(candidate.target.port, process)
        yield
    finally:
        processes.stop(process, signal.SIGTERM, seconds=10)


def _defaults(command: str) -> str:
    """Put in the defaults of the Procfile: `${PORT:-8000}` becomes 8000."""
    import re

    without_port = re.sub(r'--port\s+"[^"]*"', "", command)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", without_port)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"no server at port {port}")


def _measure(candidates: list[Candidate], options: argparse.Namespace) -> None:
    for candidate in candidates:
        status, _body = client.fetch(candidate.target)
        if " 200 " not in f"{status} ":
            raise RuntimeError(f"{candidate.name} answers {status}")
        client.measure(candidate.target, seconds=1, connections=options.connections)
    for _round in range(options.rounds):
        for candidate in candidates:
            result = client.measure(
                candidate.target,
                seconds=options.seconds / options.rounds,
                connections=options.connections,
            )
            candidate.rates.append(result.rate)
            candidate.seconds += result.seconds
            candidate.length = result.length


def _report(candidates: list[Candidate], options: argparse.Namespace) -> str:
    ours, bare, _drf = candidates
    lines = [
        f"{options.locations} locations of {options.evses} EVSEs in a page, "
        f"{options.connections} connections, {options.rounds} rounds of "
        f"{options.seconds / options.rounds:.1f} s each, alternating; medians",
        "",
        f"{'':22}{'pages/s':>9}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}{'bytes':>10}",
    ]
    lines += [
        f"{one.name:22}{one.rate:9.0f}{one.rate / bare.rate:9.2f}{one.percentile(0.5):9.2f}"
        f"{one.percentile(0.99):9.2f}{one.length:10}"
        for one in candidates
    ]
    pairs = zip(ours.rates, bare.rates, strict=True)
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    lines += ["", f"ratio of each round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: what chargers say a second, how soon they are answered, and what they weigh.

    python -m bench.ocpp [messages latency idle reconnect] [--quick]

A gateway as the Procfile has it, on a database of its own, in an empty directory; the stations are
a process of their own (`bench.ocpp_load`), and so is each of those that it is measured beside
(`bench.ocpp_echo`). All share the machine, so what counts are the ratios of one run. That every
message that was answered was kept is counted in the database, and a part that misses one fails.
"""

import argparse
import contextlib
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import orjson

from bench.stack import ROOT, Stack, environment, free_port, wait_until
from cpo_platform.runner import servers

PARTS = ("messages", "latency", "idle", "reconnect")
PASSWORD = "0123456789abcdef0123456789abcdef"  # noqa: S105  of no real station
MOST_STATIONS = 5_000


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 16_384), hard), hard))
    with tempfile.TemporaryDirectory(prefix="cpo-bench-") as directory:
        var = Path(directory)
        var.chmod(0o755)  # PostgreSQL may have to run as another user
        more = {
            "OCPP_PORT": str(free_port()),
            "OCPP_MESSAGES_PER_MINUTE": "1000000",
            "OCPP_HEARTBEAT_SECONDS": "3600",
        }
        os.environ.update(environment(var, more))
        with servers.attached(os.environ, var):
            stack = Stack(dict(os.environ), var / "log")
            bench = Bench(stack, options)
            try:
                bench.prepare()
                for part in options.parts or PARTS:
                    print(f"\n== {part}\n{getattr(bench, part)()}", flush=True)
            except BaseException:
                print(stack.last_lines("ocpp"), file=sys.stderr)
                raise
            finally:
                stack.close()
    return 0


class Bench:
    """The parts, each of which returns its table."""

    def __init__(self, stack: Stack, options: argparse.Namespace) -> None:
        self._stack = stack
        self._quick = options.quick
        self._port = int(stack.environ["OCPP_PORT"])

    def prepare(self) -> None:
        """Make a network with a station at each of its EVSEs."""
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        from bench.ocpp_world import build

        build(stations=100 if self._quick else MOST_STATIONS, password=PASSWORD)

    def messages(self) -> str:
        """Readings a second, as fast as 50 stations are answered."""
        lines = [f"{'':14}{'gateway':>10}{'library':>10}{'bare':>10}   to the library, to the bare"]
        with _echo("library") as library, _echo("bare") as bare, self._gateway():
            for ocpp in ("1.6", "2.0.1"):
                rates: dict[str, list[float]] = {"gateway": [], "library": [], "bare": []}
                for _round in range(1 if self._quick else 3):
                    before = _kept()
                    rates["gateway"].append(self._rate(self._port, ocpp, before))
                    rates["library"].append(_load(library, ocpp, seconds=self._seconds)["rate"])
                    rates["bare"].append(_load(bare, ocpp, seconds=self._seconds)["rate"])
                ours, theirs, echo = (statistics.median(rates[name]) for name in rates)
                action = "MeterValues" if ocpp == "1.6" else "TransactionEvent"
                lines.append(
                    f"{action:16}{ours:8.0f}{theirs:10.0f}{echo:10.0f}"
                    f"   {ours / theirs:.2f}, {ours / echo:.2f}"
                    f"   rounds {', '.join(f'{one:.0f}' for one in rates['gateway'])}"
                )
        return "\n".join(lines)

    @property
    def _seconds(self) -> float:
        return 2 if self._quick else 10

    def _rate(self, port: int, ocpp: str, before: int) -> float:
        report = _load(port, ocpp, seconds=self._seconds, password=PASSWORD)
        kept = _kept() - before
        if kept < report["messages"]:
            raise RuntimeError(f"{report['messages']} were answered, {kept} were kept")
        return float(report["rate"])

    def latency(self) -> str:
        """How soon calls are answered at 500 a second over 500 stations, for a minute."""
        stations = 50 if self._quick else 500
        with self._gateway():
            report = _load(
                self._port,
                "1.6",
                seconds=3 if self._quick else 60,
                stations=stations,
                rate=500,
                password=PASSWORD,
            )
        return (
            f"{report['rate']:.0f} messages/s of {stations} stations: "
            f"p50 {report['p50'] * 1000:.1f} ms, p99 {report['p99'] * 1000:.1f} ms"
        )

    def idle(self) -> str:
        """What stations weigh that do nothing."""
        stations = 100 if self._quick else MOST_STATIONS
        with self._gateway() as pid:
            before = _megabytes(pid)
            with _holding(self._port, stations) as arrived:
                after = _megabytes(pid)
        return (
            f"{stations} stations: {after:.0f} MB, {before:.0f} without them: "
            f"{(after - before) * 1024 / stations:.1f} KB each; all there after {arrived:.1f} s"
        )

    def reconnect(self) -> str:
        """How soon a thousand stations are served again after the gateway was killed."""
        stations = 100 if self._quick else 1000
        with self._gateway():
            load = _spawn_load(
                self._port, stations=stations, hold=True, password=PASSWORD, again=True
            )
            try:
                _line(load)
                self._stack.kill("ocpp")
                self._start()
                report = orjson.loads(_line(load))
            finally:
                _end_load(load)
        return f"{stations} stations, all at once: each is answered within {report['again']:.1f} s"

    @contextlib.contextmanager
    def _gateway(self) -> Iterator[int]:
        self._start()
        try:
            yield self._stack.pid("ocpp")
        finally:
            self._stack.stop("ocpp")

    def _start(self) -> None:
        self._stack.start("ocpp")
        wait_until(lambda: _listens(self._port), seconds=30, what="the gateway")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _kept() -> int:
    from ocpp_gateway.models import StationMessage

    return StationMessage.objects.filter(transaction__isnull=False).count()


@contextlib.contextmanager
def _echo(kind: str) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.ocpp_echo", kind], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield int(_line(process))
    finally:
        process.terminate()
        process.wait()


def _load(port: int, ocpp: str, **options: Any) -> dict[str, Any]:
    process = _spawn_load(port, ocpp=ocpp, **options)
    try:
        return dict(orjson.loads(_line(process)))
    finally:
        _end_load(process)


@contextlib.contextmanager
def _holding(port: int, stations: int) -> Iterator[float]:
    process = _spawn_load(port, stations=stations, hold=True, password=PASSWORD)
    try:
        yield float(orjson.loads(_line(process))["arrived"])
    finally:
        _end_load(process)


def _spawn_load(port: int, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.ocpp_load", "--url", f"ws://127.0.0.1:{port}/ocpp"]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _end_load(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended")
    return line


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    return parser.parse_args()


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())

"""Say everything to a gateway that no station should, and see whether the good ones notice.

    python -m bench.ocpp_fuzz [--frames 50000] [--seed 1]

A gateway, a worker and the beat as the Procfile has them, on servers of their own. Hostile stations
of both versions, in service and not, send frames that are wrong in every way; beside them a good
station of each version charges again and again, and a third is asked for a sign of life. Ends with
1 when the gateway ended, grew, logged an error, kept a good station waiting, or when a session is
not what its own station's meter said. By the same seed each station sends the same frames, as far
as it comes, but for the numbers of transactions that it is given.
"""

import argparse
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

import orjson
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from bench.ocpp_hostile import command
from bench.ocpp_house import CARD, PASSWORD, House, standing, table
from bench.stack import ROOT, NotInTime, wait_until
from sandbox.charger import Handle, running

GOOD = ("BENCH-0", "BENCH-1")
PROBE = "BENCH-2"
# Version, identity, number, and the cards that it shows: those with a real card may have sessions.
RECKLESS = (f"1.6:BENCH-3:3:{CARD},NOBODYS", f"2.0.1:BENCH-4:4:{CARD},NOBODYS")
HOSTILE = (
    *("1.6:BENCH-5:5:NOBODYS", "2.0.1:BENCH-6:6:NOBODYS", "1.6:BENCH-7:7:NOBODYS"),
    *("2.0.1:BENCH-8:8:NOBODYS", "1.6:STRANGER-1:9:NOBODYS", "2.0.1:STRANGER-2:10:NOBODYS"),
)
ANSWER_SECONDS = 1.0
# What the gateway may grow by after the first 10 000 frames: pools, caches and what the allocator
# keeps, but nothing for each frame.
GROWTH = 1.15
GROWTH_MEGABYTES = 16.0
CALM_SECONDS = 180.0
WAIT_SECONDS = 30.0


@dataclass
class Lived:
    """What happened to the good stations: Wh of each charge by station, and seconds of answers."""

    charges: dict[str, list[Decimal]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    # As many messages as it can take: who sends them all is one process.
    more = {"OCPP_MESSAGES_PER_MINUTE": "1000000", "OCPP_HEARTBEAT_SECONDS": "3600"}
    with standing(stations=12, more=more) as house:
        pid = house.stack.pid("ocpp")
        lived = Lived()
        with _good(house, lived):
            report, memory = _rage(house, options)
        wrong = [*report["wrong"], *lived.wrong, *_slow(lived)]
        if house.stack.pid("ocpp") != pid or not house.stack.runs("ocpp"):
            wrong.append("the gateway has ended")
        wrong += _after(lived)
        wrong += _memory(memory)
        wrong += [f"logged {n} times: {said}" for said, n in house.errors().items()]
        if wrong:
            print(house.tracebacks(), file=sys.stderr)
    _print(options, report, memory, lived)
    for line in wrong[:40]:
        print(f"  WRONG: {line}")
    return 1 if wrong else 0


def _rage(house: House, options: argparse.Namespace) -> tuple[dict[str, Any], list[float]]:
    """Let the hostile stations send; return their report, and the memory after each mark."""
    line = command(
        url=house.url,
        frames=options.frames,
        seed=options.seed,
        password=PASSWORD,
        stations=[*RECKLESS, *HOSTILE],
    )
    memory = [house.megabytes()]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last: dict[str, Any] = {}
    try:
        for text in process.stdout:
            last = orjson.loads(text)
            memory.append(house.megabytes())
    finally:
        process.terminate()
        process.wait()
    if "frames" not in last:
        raise RuntimeError("the hostile stations have ended before they were done")
    return last, memory


@contextmanager
def _good(house: House, lived: Lived) -> Iterator[None]:
    """Have good stations charge, and be answered, for the length of a block."""
    stations = [
        {"identity": identity, "ocpp": ocpp, "password": PASSWORD}
        for identity, ocpp in zip(GOOD, ("1.6", "2.0.1"), strict=True)
    ]
    settings: dict[str, Any] = {"meter_seconds": 2, "time_factor": 4, "leave_after": None}
    with running({"stations": stations}, url=house.url, **settings) as fleet:
        threads = [
            threading.Thread(target=_watched, args=(lived, _charge, fleet[one], lived))
            for one in GOOD
        ]
        threads.append(threading.Thread(target=_watched, args=(lived, _probe, house, lived)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            lived.over.set()
            for thread in threads:
                thread.join()


def _watched(lived: Lived, work: Any, *values: Any) -> None:
    try:
        work(*values)
    except Exception as error:  # noqa: BLE001  whatever it was, the main thread has to hear of it
        lived.wrong.append(f"a good station was let down: {error!r}")


def _charge(station: Handle, lived: Lived) -> None:
    """Charge again and again, some seconds each time."""
    charges = lived.charges.setdefault(station.identity, [])
    station.wait_for(lambda one: one.connected, WAIT_SECONDS, "the boot is accepted")
    while not lived.over.is_set():
        before = station.register_wh()
        station.plug(max_kw=11)
        status = station.present(CARD, timeout=WAIT_SECONDS)
        if status != "Accepted":
            lived.wrong.append(f"{station.identity}: the card was answered with {status}")
        station.wait_for(lambda one: one.transaction(), WAIT_SECONDS, "a transaction")
        lived.over.wait(8)
        station.unplug()
        station.wait_for(lambda one: one.quiet, WAIT_SECONDS, "everything is answered")
        charges.append(station.register_wh() - before)


def _probe(house: House, lived: Lived) -> None:
    """Say one thing that is kept, and one that is not, five times a second."""
    import base64

    secret = base64.b64encode(f"{PROBE}:{PASSWORD}".encode()).decode()
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    with connect(
        f"{house.url}/{PROBE}",
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": f"Basic {secret}"},
    ) as socket:
        while not lived.over.wait(0.2):
            for action, payload in (("Heartbeat", {}), ("StatusNotification", status)):
                began = time.perf_counter()
                socket.send(orjson.dumps([2, "probe", action, payload]).decode())
                answer = orjson.loads(socket.recv(timeout=WAIT_SECONDS))
                lived.seconds.append(time.perf_counter() - began)
                if answer[0] != 3:
                    lived.wrong.append(f"{action} was answered with {answer}")


def _after(lived: Lived) -> list[str]:
    """Wait until all was made of what was said; return what is wrong with it."""
    from bench import ocpp_checks

    try:
        wait_until(
            lambda: not ocpp_checks.left_undone(),
            seconds=CALM_SECONDS,
            what="news are digested",
            every=0.5,
        )
    except NotInTime:
        return ocpp_checks.left_undone()
    found = list(ocpp_checks.foreign())
    for identity, charges in lived.charges.items():
        found += ocpp_checks.energy(identity, charges)
    ours = {*GOOD, *(told.split(":")[1] for told in RECKLESS)}
    found += ocpp_checks.sessions_elsewhere(ours)
    return found


def _memory(memory: list[float]) -> list[str]:
    first, last = memory[min(1, len(memory) - 1)], memory[-1]
    if last > first * GROWTH + GROWTH_MEGABYTES:
        return [f"the gateway grew from {first:.0f} MB to {last:.0f} MB"]
    return []


def _slow(lived: Lived) -> list[str]:
    worst = max(lived.seconds, default=float("inf"))
    return [f"a good station waited for {worst:.2f} s"] if worst > ANSWER_SECONDS else []


def _print(
    options: argparse.Namespace, report: dict[str, Any], memory: list[float], lived: Lived
) -> None:
    seconds, worst = lived.seconds, max(lived.seconds, default=float("inf"))
    frames, answers = report["frames"], report["answers"]
    print(f"Seed {options.seed}: {sum(frames.values())} frames\n")
    print(table([("frames", "sent"), *sorted(frames.items())]))
    print()
    print(table([("answers", "came"), *sorted(answers.items())]))
    marks = ", ".join(f"{one:.0f}" for one in memory)
    print(f"\nMemory of the gateway, before and after each 10 000 frames: {marks} MB")
    print(
        f"A good station was answered {len(seconds)} times: half within "
        f"{statistics.median(seconds or [0]) * 1000:.1f} ms, all within {worst * 1000:.0f} ms"
    )
    charges = {name: f"{len(one)}, {sum(one)} Wh" for name, one in lived.charges.items()}
    print(f"Good charges, energy exact: {charges}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.ocpp_fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())

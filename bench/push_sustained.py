"""Sustained: many changes wait for one partner; how many requests a second does it get?

Beside it the bare client: aiohttp sends the very same requests, recorded in the round before, to
the same sink. In turns, so that a noisy machine slows both.
"""

import argparse
import pickle
import statistics
import subprocess
import sys

from bench import network
from bench.push_sink import Request, rate
from bench.push_world import STUCK_SECONDS, World, evse_ids, flip
from bench.stack import ROOT

EVSES = 4
CONNECTIONS = 32
LOGS = ("all", "off")
# What aiohttp sets by itself.
_OWN = frozenset({"host", "content-length"})


def run(here: World, options: argparse.Namespace) -> str:
    number = options.number or (1000 if options.quick else 5000)
    rounds = options.rounds or (1 if options.quick else 3)
    locations = -(-number // EVSES)
    network.fill(locations=locations, evses=EVSES)
    here.partners(1, locations=locations)
    ids = evse_ids(number)
    lines = [
        f"{number} changes of distinct EVSEs waiting for one partner; medians of {rounds} "
        "alternating rounds",
        "",
        f"{'MESSAGE_LOG':12}{'push/s':>9}{'bare/s':>9}{'of bare':>9}   push and bare, each round",
    ]
    for log in LOGS:
        pairs = [_round(here, ids, log) for _ in range(rounds)]
        pushed, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
        all_rounds = ", ".join(f"{ours:.0f}/{theirs:.0f}" for ours, theirs in pairs)
        lines.append(f"{log:12}{pushed:9.0f}{bare:9.0f}{pushed / bare:9.2f}   {all_rounds}")
    return "\n".join(lines)


def _round(here: World, ids: list[int], log: str) -> tuple[float, float]:
    """Return requests a second of the platform, and of the bare client after it."""
    flip(ids)
    here.sink.clear()
    here.start(MESSAGE_LOG=log)
    try:
        here.sink.wait_for(len(ids), seconds=STUCK_SECONDS, what="the changes")
        here.sink.wait_for_quiet()
    finally:
        here.stop()
    pushed = here.sink.requests()
    paths = {request.path for request in pushed}
    if len(pushed) != len(ids) or len(paths) != len(ids):
        raise RuntimeError(f"{len(pushed)} requests to {len(paths)} places for {len(ids)} changes")
    return rate(pushed), bare_rate(here, pushed)


def bare_rate(here: World, pushed: list[Request]) -> float:
    """Return how many of the same requests a second the bare client makes."""
    base = f"http://127.0.0.1:{here.sink.port}"
    wanted = [
        (
            request.method,
            base + request.path,
            {name: text for name, text in request.headers.items() if name.lower() not in _OWN},
            request.body or None,
        )
        for request in pushed
    ]
    here.sink.clear()
    subprocess.run(
        [sys.executable, "-m", "bench.push_bare", "--connections", str(CONNECTIONS)],
        input=pickle.dumps(wanted),
        cwd=ROOT,
        check=True,
    )
    got = here.sink.requests()
    if len(got) != len(pushed):
        raise RuntimeError(f"the bare client made {len(got)} requests of {len(pushed)}")
    return rate(got)

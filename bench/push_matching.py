"""Changes made, and requests received: how long each change took to each partner.

A change has arrived with the first request that told its EVSE's `last_updated`, or a later one: a
newer state stands for the older ones.
"""

import subprocess
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from bench.push_changes import Change
from bench.push_sink import Request
from bench.push_world import STUCK_SECONDS, World
from bench.stack import ROOT, NotInTime, wait_until


@dataclass(frozen=True)
class Arrival:
    """One change at one partner: the seconds from its commit to the sink, and how it came."""

    change: Change
    seconds: float
    coalesced: bool


def make_changes(here: World, *, rate: float, seconds: float, evses: int) -> list[Change]:
    """Change EVSEs at a steady rate in another process; return what was changed, in order."""
    numbers = ["--rate", str(rate), "--seconds", str(seconds), "--evses", str(evses)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.push_changes", *numbers],
        cwd=ROOT,
        env=here.stack.environ,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Change.of(line) for line in done.stdout.splitlines()]


def arrivals(
    here: World, changes: list[Change], partners: Collection[str]
) -> dict[str, list[Arrival]]:
    """Wait until every change has arrived at all these partners; return how long each took.

    Raises:
        NotInTime: some have not arrived, and nothing comes any more.

    """
    newest = {change.uid: change.last_updated for change in changes}
    wanted = {(partner, uid): moment for partner in partners for uid, moment in newest.items()}

    def missing() -> list[tuple[str, str]]:
        held = _newest(here.sink.requests())
        return [name for name, moment in wanted.items() if name not in held or held[name] < moment]

    def complete() -> bool:
        here.sink.wait_for_quiet(seconds=1.0)
        return not missing()

    try:
        wait_until(complete, seconds=STUCK_SECONDS, what="every change at every partner", every=1)
    except NotInTime as error:
        left = missing()
        raise NotInTime(f"{error}; {len(left)} of {len(wanted)} missing, as {left[:5]}") from error
    told = _told(here.sink.requests())
    return {
        partner: [_arrival(change, told[partner, change.uid]) for change in changes]
        for partner in partners
    }


def _newest(requests: Iterable[Request]) -> dict[tuple[str, str], datetime]:
    found: dict[tuple[str, str], datetime] = {}
    for request in requests:
        if request.taken:
            for uid, moment in request.moments():
                name = (request.partner, uid)
                found[name] = max(moment, found.get(name, moment))
    return found


def _told(requests: Iterable[Request]) -> dict[tuple[str, str], list[tuple[datetime, int]]]:
    """Return by partner and EVSE what was told and when, as far as it was newer than before."""
    told: dict[tuple[str, str], list[tuple[datetime, int]]] = defaultdict(list)
    for request in requests:
        if request.taken:
            for uid, moment in request.moments():
                states = told[request.partner, uid]
                if not states or states[-1][0] < moment:
                    states.append((moment, request.at))
    return told


def _arrival(change: Change, told: list[tuple[datetime, int]]) -> Arrival:
    place = bisect_left(told, (change.last_updated, 0))
    if place == len(told):
        raise NotInTime(f"{change.uid} of {change.last_updated} has not arrived")
    moment, at = told[place]
    # Noted after the commit: a worker may have been faster than the note.
    return Arrival(change, max(at - change.at, 0) / 1e9, moment != change.last_updated)

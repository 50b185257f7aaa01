"""Latency: from the commit of a status change to the last byte of its request at the partner.

A process of its own changes EVSEs at a steady rate, ten partners listen. Then at three times the
rate: does the lag grow, and what is left out because a newer state came in time?
"""

import argparse
from collections.abc import Sequence

from bench import network
from bench.push_matching import Arrival, arrivals, make_changes
from bench.push_world import World, percentile

PARTNERS = 10
EVSES = 4
RATES = (100, 300)
# Around a moment of the run, as a part of all changes: what the lag there is taken of.
AROUND = 0.025


def run(here: World, options: argparse.Namespace) -> str:
    seconds = options.seconds or (10 if options.quick else 60)
    locations = 100 if options.quick else 500
    network.fill(locations=locations, evses=EVSES)
    names = [partner.name for partner in here.partners(PARTNERS, locations=locations)]
    here.start()
    make_changes(here, rate=10, seconds=2, evses=EVSES)
    here.sink.wait_for_quiet()
    lines = [f"{PARTNERS} partners, {locations * EVSES} EVSEs, {seconds} s; milliseconds", ""]
    for rate in RATES:
        here.sink.clear()
        changes = make_changes(here, rate=rate, seconds=seconds, evses=locations * EVSES)
        made = len(changes) / ((changes[-1].at - changes[0].at) / 1e9)
        found = arrivals(here, changes, names)
        every = [arrival for some in found.values() for arrival in some]
        lines += [
            f"{rate} changes a second wanted, {made:.0f} made; {len(every)} to deliver, "
            f"{here.sink.taken()} requests, {sum(one.coalesced for one in every)} coalesced",
            _row("", "p50", "p95", "p99", "max", "at 1/4", "at 1/2", "at 3/4", "at the end"),
            _figures("all", every),
        ]
        lines += [_figures(name, some) for name, some in found.items()]
        lines += [""]
    return "\n".join(lines)


def _figures(name: str, found: Sequence[Arrival]) -> str:
    values = [one.seconds for one in found]
    figures = [percentile(values, share) for share in (0.5, 0.95, 0.99, 1)]
    figures += [_lag(found, share) for share in (0.25, 0.5, 0.75, 1)]
    return _row(name, *(f"{value * 1000:.0f}" for value in figures))


def _lag(found: Sequence[Arrival], share: float) -> float:
    """Return the median of the changes that were made around a part of the run."""
    ordered = sorted(found, key=lambda one: one.change.at)
    width = max(int(len(ordered) * AROUND), 1)
    middle = min(int(len(ordered) * share), len(ordered) - width)
    return percentile(
        [one.seconds for one in ordered[max(middle - width, 0) : middle + width]], 0.5
    )


def _row(name: str, *values: str) -> str:
    return f"{name:8}" + "".join(f"{value:>11}" for value in values)

"""Isolation: ten partners, one of which misbehaves; what do the nine others notice?

In every round a run without a fault, then one for each fault of the sink, in the same processes.
What counts is the p99 of the nine others, as a multiple of the p99 of the round without a fault;
the first two seconds of each run are not looked at.
"""

import argparse
import statistics

from bench import network
from bench.push_matching import arrivals, make_changes
from bench.push_world import World, percentile
from bench.sink import FAULTS
from bench.stack import peak_megabytes
from roaming.models import Partner

PARTNERS = 10
EVSES = 4
RATE = 50
NONE = "none"
# Partners that had nothing to hear come to life at once, whoever of them is broken.
AWAKE_SECONDS = 2


def run(here: World, options: argparse.Namespace) -> str:
    seconds = options.seconds or (5 if options.quick else 20)
    rounds = options.rounds or (1 if options.quick else 3)
    locations = 100
    network.fill(locations=locations, evses=EVSES)
    partners = here.partners(PARTNERS, locations=locations)
    here.start()
    make_changes(here, rate=10, seconds=2, evses=EVSES)
    here.sink.wait_for_quiet()
    found: dict[str, list[float]] = {name: [] for name in (NONE, *FAULTS)}
    ratios: dict[str, list[float]] = {name: [] for name in FAULTS}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        found[NONE].append(_p99(here, partners, NONE, seconds, locations))
        for place, fault in enumerate(FAULTS):
            # Another partner each time, so that none has an old fault to get over.
            turned = partners[place % PARTNERS :] + partners[: place % PARTNERS]
            found[fault].append(_p99(here, turned, fault, seconds, locations))
            ratios[fault].append(found[fault][-1] / found[NONE][-1])
            peaks[fault] = peak_megabytes(here.pusher_pids())
    lines = [
        f"{PARTNERS} partners, {RATE} changes a second for {seconds} s, medians of {rounds} rounds",
        "",
        f"{'fault of one':14}{'p99 ms':>9}{'ratio':>8}{'peak MB':>9}   ratio of each round",
        f"{NONE:14}{statistics.median(found[NONE]) * 1000:9.0f}",
    ]
    lines += [
        f"{fault:14}{statistics.median(found[fault]) * 1000:9.0f}"
        f"{statistics.median(ratios[fault]):8.2f}{peaks[fault]:9.0f}"
        f"   {', '.join(f'{ratio:.2f}' for ratio in ratios[fault])}"
        for fault in FAULTS
    ]
    return "\n".join(lines)


def _p99(here: World, partners: list[Partner], fault: str, seconds: float, locations: int) -> float:
    """Return the p99 in seconds of all but the first partner, which has the fault meanwhile."""
    bad, *others = partners
    here.sink.clear()
    if fault != NONE:
        here.sink.misbehave(bad.name, fault)
    changes = make_changes(here, rate=RATE, seconds=seconds, evses=locations * EVSES)
    later = changes[RATE * AWAKE_SECONDS :]
    found = arrivals(here, later, [partner.name for partner in others])
    here.sink.behave(bad.name)
    here.retry(bad)
    # It has to catch up before the next run, or that one would pay for this fault.
    arrivals(here, changes, [bad.name])
    p99 = percentile([one.seconds for some in found.values() for one in some], 0.99)
    print(f"{fault}: {p99 * 1000:.0f} ms", flush=True)
    return p99

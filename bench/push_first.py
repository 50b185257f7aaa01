"""First push: a partner is sent a whole network; once in peace, once with the worker killed.

The second partner finds every location rendered already. Whoever pushes is killed (SIGKILL, with
its children) when half of it has arrived, and started again at once.
"""

import argparse
import time

from bench import network
from bench.push_sink import Request, rate
from bench.push_world import STUCK_SECONDS, World
from bench.stack import peak_megabytes
from cpo_platform.common import clock
from roaming.models import Partner
from roaming.operations import walks

EVSES = 4


def run(here: World, options: argparse.Namespace) -> str:
    evses = options.evses or (4_000 if options.quick else 100_000)
    locations = evses // EVSES
    network.fill(locations=locations, evses=EVSES)
    partners = [
        network.add_partner(name, number=place, url=here.sink.url(name))
        for place, name in enumerate(("p0", "p1"))
    ]
    here.start()
    lines = [
        f"{locations} locations with {evses} EVSEs in all",
        "",
        f"{'':26}{'seconds':>9}{'requests':>10}{'a second':>10}{'twice':>7}{'peak MB':>9}",
    ]
    for partner, kill in zip(partners, (False, True), strict=True):
        here.sink.clear()
        began = time.monotonic()
        walks.announce_everything(partner_id=partner.pk, now=clock.now())
        peak = _in_the_middle(here, locations // 2, kill=kill)
        found = _wait_for_all(here, partner, locations)
        lasted = time.monotonic() - began
        peak = max(peak, peak_megabytes(here.pusher_pids()))
        twice = len(found) - len({request.path for request in found})
        name = "killed in the middle" if kill else "in peace"
        lines.append(
            f"{name:26}{lasted:9.1f}{len(found):10}{rate(found):10.0f}{twice:7}{peak:9.0f}"
        )
    return "\n".join(lines)


def _in_the_middle(here: World, number: int, *, kill: bool) -> float:
    """Wait until so many requests came, kill the worker if wanted; return its megabytes so far."""
    here.sink.wait_for(number, seconds=STUCK_SECONDS, what="half of the first push")
    peak = peak_megabytes(here.pusher_pids())
    if kill:
        here.stack.kill(here.stack.pusher)
        here.stack.start(here.stack.pusher)
    return peak


def _wait_for_all(here: World, partner: Partner, locations: int) -> list[Request]:
    """Wait until the tariff and every location came; return all requests."""
    here.sink.wait_for(locations + 1, seconds=STUCK_SECONDS, what="the first push")
    while True:
        here.sink.wait_for_quiet()
        found = [request for request in here.sink.requests() if request.partner == partner.name]
        places = {request.path for request in found if request.taken}
        if len(places) >= locations + 1:
            return found
        here.sink.wait_for(len(found) + 1, seconds=STUCK_SECONDS, what="the rest of it")

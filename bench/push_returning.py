"""Coming back: a partner was away for a long time, and many changes of few EVSEs wait for it.

It needs the present state and no more: one request for each EVSE. The changes are written in SQL
and announced by the domain's signal; a hundred thousand calls of the operation would take minutes.
"""

import argparse
import time

from bench import network
from bench.push_sink import rate
from bench.push_sustained import bare_rate
from bench.push_world import STUCK_SECONDS, World, evse_ids, flip_in_bulk

EVSES = 4
# An odd number: in the end every EVSE has another status than before.
TIMES = 5


def run(here: World, options: argparse.Namespace) -> str:
    number = options.number or (5_000 if options.quick else 100_000)
    locations = number // TIMES // EVSES
    network.fill(locations=locations, evses=EVSES)
    (partner,) = here.partners(1, locations=locations)
    ids = evse_ids()
    here.sink.misbehave(partner.name, "503")
    here.start()
    began = time.monotonic()
    for _ in range(TIMES):
        flip_in_bulk(ids)
    made = time.monotonic() - began
    here.sink.clear()
    here.sink.behave(partner.name)
    here.retry(partner)
    began = time.monotonic()
    here.sink.wait_for(len(ids), seconds=STUCK_SECONDS, what="the changes")
    lasted = time.monotonic() - began
    here.sink.wait_for_quiet()
    taken = [request for request in here.sink.requests() if request.taken]
    here.stop()
    places = {request.path for request in taken}
    if len(places) < len(ids):
        raise RuntimeError(f"{len(places)} places were told of, not {len(ids)}")
    pushed = rate(taken)
    bare = bare_rate(here, taken)
    return "\n".join(
        [
            f"{len(ids) * TIMES} changes over {len(ids)} EVSEs while the partner was away "
            f"(made in {made:.0f} s)",
            f"  until the partner has the last one  {lasted:8.1f} s",
            f"  requests                            {len(taken):8} of {len(ids)} needed",
            f"  requests a second                   {pushed:8.0f}",
            f"  the bare client, the same requests  {bare:8.0f}   ratio {pushed / bare:.2f}",
        ]
    )

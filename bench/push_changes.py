"""Changes at a steady rate, made in a process of its own by the operation that stations call.

    python -m bench.push_changes --rate 100 --seconds 60 --evses 2000 > changes.ndjson

A line for each change, once it is committed: uid of the EVSE, its `last_updated`, and the moment
after the commit (time.time_ns). Every EVSE belongs to one thread, so its changes are in order.
"""

import argparse
import json
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STATUSES = ("CHARGING", "AVAILABLE")
THREADS = 4


@dataclass(frozen=True)
class Change:
    """One change that was committed: `at` in nanoseconds."""

    uid: str
    last_updated: datetime
    at: int

    def line(self) -> str:
        return json.dumps([self.uid, self.last_updated.isoformat(), self.at])

    @classmethod
    def of(cls, line: str) -> "Change":
        uid, moment, at = json.loads(line)
        return cls(uid, datetime.fromisoformat(moment), at)


class Changer(threading.Thread):
    """Flips every EVSE of its share in turn, at its share of the moments."""

    def __init__(self, evses: list[Any], *, first: float, interval: float, number: int) -> None:
        super().__init__()
        self.changes: list[Change] = []
        self._evses = evses
        self._first, self._interval, self._number = first, interval, number

    def run(self) -> None:
        from django.db import connection

        for turn in range(self._number):
            wait = self._first + turn * self._interval - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self._change(turn)
        connection.close()

    def _change(self, turn: int) -> None:
        from cpo_platform.common import clock
        from locations.operations import set_evse_status

        pk, uid, status = self._evses[turn % len(self._evses)]
        flipped = (turn // len(self._evses)) % 2 == 1
        new = STATUSES[(status == STATUSES[0]) != flipped]
        now = clock.now()
        if set_evse_status(evse_id=pk, status=new, now=now):
            self.changes.append(Change(uid, now, time.time_ns()))


def main() -> None:
    options = _options()
    import django

    django.setup()
    from locations.models import Evse

    evses = list(Evse.objects.order_by("pk").values_list("pk", "uid", "status")[: options.evses])
    # In a stride over the locations: two changes after one another are not of one location.
    evses = [evse for first in range(4) for evse in evses[first::4]]
    interval, began = THREADS / options.rate, time.monotonic() + 0.5
    threads = [
        Changer(
            evses[share::THREADS],
            first=began + share / options.rate,
            interval=interval,
            number=int(options.rate * options.seconds / THREADS),
        )
        for share in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for change in sorted((c for t in threads for c in t.changes), key=lambda change: change.at):
        sys.stdout.write(f"{change.line()}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.push_changes", description=__doc__)
    parser.add_argument("--rate", type=float, default=100, help="changes a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--evses", type=int, default=2000)
    return parser.parse_args()


if __name__ == "__main__":
    main()

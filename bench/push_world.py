"""What every part of the push benchmark stands on: a platform of its own, a sink, partners.

Only what a partner is told is looked at: how the engine does it is its own affair.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from bench import network
from bench.push_sink import Sink
from bench.stack import Stack
from cpo_platform.common import clock
from locations.models import Evse
from locations.operations import set_evse_status
from locations.signals import evse_status_changed
from roaming.models import Partner
from roaming.operations import feed, walks

# As long as this without a request, and it is stuck.
STUCK_SECONDS = 90.0
FLIPPED = {"AVAILABLE": "CHARGING", "CHARGING": "AVAILABLE"}
TRANSACTION = 100


@dataclass
class World:
    """The platform's processes (not started yet), and the sink."""

    stack: Stack
    sink: Sink

    def start(self, **more: str) -> None:
        """Start every process but the one for pages: beat, and whoever pushes."""
        self.stack.start(*(name for name in self.stack.platform if name != "web"), **more)

    def stop(self) -> None:
        self.stack.stop(*self.stack.platform)

    def partners(self, number: int, *, locations: int, first: int = 0) -> list[Partner]:
        """Register partners p0, p1, ... that have the tariff and all locations already.

        They get them from a worker of their own, which is stopped again.
        """

        made = []
        for place in range(first, first + number):
            name = f"p{place}"
            made.append(network.add_partner(name, number=place, url=self.sink.url(name)))
        for partner in made:
            walks.announce_everything(partner_id=partner.pk, now=clock.now())
        self.start()
        try:
            wanted = number * (locations + 1)
            self.sink.wait_for(wanted, seconds=STUCK_SECONDS, what="the first push")
            self.sink.wait_for_quiet()
        finally:
            self.stop()
        self.sink.clear()
        return made

    def retry(self, partner: Partner) -> None:
        """End the rest of a partner's feeds, as staff would who knows that it is back."""

        feed.retry_now(partner_id=partner.pk)

    def pusher_pids(self) -> list[int]:
        return self.stack.pids(self.stack.pusher)


def flip(evse_ids: Iterable[int]) -> int:
    """Flip the status of EVSEs by the operation, many to a transaction; return how many."""

    ids, done = list(evse_ids), 0
    for start in range(0, len(ids), TRANSACTION):
        some = ids[start : start + TRANSACTION]
        with transaction.atomic():
            for pk, status in Evse.objects.filter(pk__in=some).values_list("pk", "status"):
                done += set_evse_status(evse_id=pk, status=FLIPPED[status], now=clock.now())
    return done


def flip_in_bulk(evse_ids: Sequence[int]) -> None:
    """Flip the status of EVSEs in SQL, and say so by the domain's signal, once for each.

    What is written is what the operation writes; it just takes a tenth of the time.
    """

    for start in range(0, len(evse_ids), TRANSACTION * 10):
        some, now = list(evse_ids[start : start + TRANSACTION * 10]), clock.now()
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_FLIP, [now, some])
                cursor.execute(_FOLLOW, [now, some])
            for pk, location_id in Evse.objects.filter(pk__in=some).values_list(
                "pk", "location_id"
            ):
                evse_status_changed.send(sender=Evse, location_id=location_id, evse_id=pk, now=now)


_FLIP = """
UPDATE locations_evse SET last_updated = greatest(%s, last_updated + interval '1 millisecond'),
    status = CASE status WHEN 'AVAILABLE' THEN 'CHARGING' ELSE 'AVAILABLE' END
WHERE id = ANY(%s)
"""
# As the cascade of `touch` has it: a location is as new as its newest EVSE.
_FOLLOW = """
UPDATE locations_location SET last_updated = newest.moment
FROM (
    SELECT location_id, greatest(%s, max(last_updated)) AS moment
    FROM locations_evse WHERE location_id IN (
        SELECT location_id FROM locations_evse WHERE id = ANY(%s)
    ) GROUP BY location_id
) AS newest
WHERE locations_location.id = newest.location_id
"""


def evse_ids(number: int | None = None) -> list[int]:
    """Return the first so many EVSEs; all without a number."""

    return list(Evse.objects.order_by("pk").values_list("pk", flat=True)[:number])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that such a share of all is not above; `values` may be in any order."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

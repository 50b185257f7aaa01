"""The commonest news, told the shortest way: the status of an EVSE that the partner knows.

The location is neither rendered nor compared: who the partner is, what it may see and what it has
is one query for a whole slice of news, and nothing is noted of what arrives. A location that it
does not have as it should, or that changed otherwise, goes the long way (`jobs.jobs_for`).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet

from cpo_platform.common import clock
from roaming import visibility
from roaming.client import Party
from roaming.draining import reading
from roaming.draining.jobs import Job, endpoint_of
from roaming.ocpi.pushing import Plan, Push
from roaming.ocpi.target import Target
from roaming.operations.feed import News

# What the partner has: not uncertain, not refused, and with this EVSE.
_ROWS = """
SELECT location.id, location.country_code, location.party_id, location.ocpi_id,
    evse.uid, evse.status, evse.last_updated,
    delivery.id IS NOT NULL AND delivery.refused_at IS NULL AND delivery.due_at IS NULL
        AND delivery.sent ? 'digest' AND NOT delivery.sent ? 'uncertain'
        AND delivery.sent -> 'evses' ? evse.uid
FROM locations_evse AS evse
JOIN locations_location AS location ON location.id = evse.location_id
LEFT JOIN roaming_delivery AS delivery
    ON delivery.partner_id = %s AND delivery.module = 'locations'
    AND delivery.object_id = location.id
WHERE evse.id = ANY(%s) AND location.id IN ({visible})
ORDER BY location.id, evse.last_updated, evse.id
"""


class _Row(NamedTuple):
    location_id: int
    country_code: str
    party_id: str
    ocpi_id: str
    uid: str
    status: str
    last_updated: datetime
    is_held: bool

    @property
    def owner(self) -> Party:
        return Party(self.country_code, self.party_id)


class Reader:
    """Finds out what one partner is to be told of the status of EVSEs."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._url = endpoint_of(target, "locations")
        self._receiver = target.broadcast_to()
        self._sql = ""
        self._params: tuple[Any, ...] = ()
        if self._url is None or target.dialect.evse_status != "PATCH":
            return
        visible = visibility.locations_for(target.partner, now=clock.now())
        try:
            sql, self._params = visible.order_by().values("pk").query.sql_with_params()
        except EmptyResultSet:
            return
        self._sql = _ROWS.format(visible=sql)

    async def jobs(self, news: Sequence[News]) -> tuple[list[Job], set[int]]:
        """Return the PATCHes of EVSEs, and the ids of the locations that go the long way."""
        otherwise = {one.object_id for one in news if not one.evse_id}
        wanted = [one.evse_id for one in news if one.object_id not in otherwise]
        if not wanted or not self._sql:
            return [], {one.object_id for one in news}
        by_location = defaultdict(list)
        for row in await self._rows(wanted):
            by_location[row.location_id].append(row)
        jobs: list[Job] = []
        for rows in by_location.values():
            if all(row.is_held for row in rows) and self._target.knows(rows[0].owner):
                jobs += self._patches(rows)
        short = {job.object_id for job in jobs}
        return jobs, {one.object_id for one in news} - short

    async def _rows(self, evse_ids: Sequence[int]) -> list[_Row]:
        params = (self._target.partner.pk, list(evse_ids), *self._params)
        return [_Row(*row) for row in await reading.rows(self._sql, params)]

    def _patches(self, rows: Sequence[_Row]) -> list[Job]:
        """Return the PATCHes of one location, which go in a row: the oldest status first."""
        assert self._url is not None  # noqa: S101  there are no rows otherwise
        body = self._target.version.shapes.evse_status
        first = rows[0]
        path = (first.country_code, first.party_id, first.ocpi_id)
        chain = f"location {first.location_id}" if len(rows) > 1 else ""
        return [
            Job(
                "locations",
                row.location_id,
                None,
                Plan((Push("PATCH", (*path, row.uid), body(row.status, row.last_updated)),), {}),
                self._url,
                first.owner,
                self._receiver,
                chain=chain,
            )
            for row in rows
        ]

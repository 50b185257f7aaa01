"""The operation that makes totals of a day's statuses, so that nobody has to read them all again.

A day is UTC's. Days are worked off in order, each in one transaction; what was interrupted is done
again, and a day that is done twice is the same.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from locations.models import LocationUptime, StatusChange
from locations.uptime import MEASURED, UP, midnight

DAY = timedelta(days=1)
# A change is dated before it is written: by then it has been.
GRACE = timedelta(minutes=5)


def next_day(*, now: datetime) -> datetime | None:
    """Return the beginning of the first day that is over and has no totals; None: all have."""
    done = LocationUptime.objects.aggregate(last=Max("at"))["last"]
    if done is None:
        first = StatusChange.objects.aggregate(first=Min("at"))["first"]
        if first is None:
            return None
        done = midnight(first)
    return done if done + DAY + GRACE <= now else None


def tally(*, now: datetime) -> Iterator[tuple[datetime, int]]:
    """Write the totals of every day that is over and has none, the oldest first.

    Yields each day with how many EVSEs it had, once it is written; one that had none is the last.
    """
    while day := next_day(now=now):
        number = tally_day(day=day)
        yield day, number
        if not number:
            return


def tally_day(*, day: datetime) -> int:
    """Write the totals at the end of the day that begins at `day`; return how many EVSEs it had.

    The totals at its beginning must be there already, unless it is the first day of all.
    """
    end = day + DAY
    with transaction.atomic(), connection.cursor() as cursor:
        # Of the newest day the planner knows nothing: it takes it for a row or none, and would
        # compare each EVSE with each.
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(_BEGIN, [day, day, end])
        moments = {"day": day, "end": end}
        cursor.execute(_EVSES, {**moments, "up": list(UP), "measured": list(MEASURED)})
        number = cursor.rowcount
        cursor.execute(_LOCATIONS, moments)
    return int(number)


# The very first day begins with nothing, written down: periods that reach back farther begin there.
_BEGIN = """
INSERT INTO locations_locationuptime (at, location_id, up, measured)
SELECT DISTINCT %s::timestamptz, evse.location_id, 0, 0
FROM locations_statuschange AS change JOIN locations_evse AS evse ON evse.id = change.evse_id
WHERE change.at >= %s AND change.at < %s AND NOT EXISTS (SELECT FROM locations_locationuptime)
"""
# What an EVSE was at the beginning comes first, then its changes; each lasts until the next.
_EVSES = """
WITH held AS (
    SELECT evse_id, up, measured, status FROM locations_evseuptime WHERE at = %(day)s
), moments AS (
    SELECT evse_id, %(day)s::timestamptz AS at, 0 AS place, status FROM held
    UNION ALL
    SELECT evse_id, at, 1, status FROM locations_statuschange
    WHERE at >= %(day)s AND at < %(end)s
), spans AS (
    SELECT evse_id, status, at,
        lead(at, 1, %(end)s::timestamptz) OVER (PARTITION BY evse_id ORDER BY at, place) AS until
    FROM moments
), sums AS (
    SELECT evse_id,
        sum(until - at) FILTER (WHERE status = ANY(%(up)s)) AS up,
        sum(until - at) FILTER (WHERE status = ANY(%(measured)s)) AS measured,
        max(status) FILTER (WHERE until = %(end)s) AS status
    FROM spans GROUP BY evse_id
)
INSERT INTO locations_evseuptime (at, evse_id, up, measured, status)
SELECT %(end)s, sums.evse_id,
    coalesce(held.up, 0) + round(coalesce(extract(epoch FROM sums.up), 0)),
    coalesce(held.measured, 0) + round(coalesce(extract(epoch FROM sums.measured), 0)),
    sums.status
FROM sums LEFT JOIN held USING (evse_id)
ON CONFLICT (at, evse_id) DO UPDATE
SET up = excluded.up, measured = excluded.measured, status = excluded.status
"""
_LOCATIONS = """
INSERT INTO locations_locationuptime (at, location_id, up, measured)
SELECT %(end)s, evse.location_id,
    coalesce(before.up, 0) + sum(later.up - coalesce(earlier.up, 0)),
    coalesce(before.measured, 0) + sum(later.measured - coalesce(earlier.measured, 0))
FROM locations_evseuptime AS later
JOIN locations_evse AS evse ON evse.id = later.evse_id
LEFT JOIN locations_evseuptime AS earlier
    ON earlier.at = %(day)s AND earlier.evse_id = later.evse_id
LEFT JOIN locations_locationuptime AS before
    ON before.at = %(day)s AND before.location_id = evse.location_id
WHERE later.at = %(end)s
GROUP BY evse.location_id, before.up, before.measured
ON CONFLICT (at, location_id) DO UPDATE SET up = excluded.up, measured = excluded.measured
"""

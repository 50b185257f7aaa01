"""How long EVSEs were up: read from the totals of days, and from statuses for what is newer.

Totals only grow, so that a period is the difference of those at its end and at its beginning,
however long it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import (
    Count,
    F,
    FilteredRelation,
    FloatField,
    Max,
    Min,
    Q,
    QuerySet,
    Sum,
)
from django.db.models.functions import Cast, Coalesce

from cpo_platform.sites.periods import LAST_DAYS, Period, points
from locations.models import EvseUptime, LocationUptime, Status, StatusChange
from locations.uptime import Span, Uptime, midnight, spans, uptime_of

# Changes of one EVSE that are read at most, the newest.
MOST_CHANGES = 20_000


@dataclass(frozen=True)
class Bounds:
    """The midnights of the first and of the last totals that there are."""

    first: datetime
    last: datetime

    def within(self, period: Period) -> tuple[datetime, datetime]:
        """Return the part of a period that has totals; its ends are the same where it has none."""
        since = min(max(period.since, self.first), self.last)
        return since, max(min(period.until, self.last), since)


def bounds(rows: QuerySet[LocationUptime]) -> Bounds | None:
    """Return from when until when there are totals among rows; None: none yet. One query."""
    found = rows.aggregate(first=Min("at"), last=Max("at"))
    if found["first"] is None:
        return None
    return Bounds(found["first"], found["last"])


def by_location(
    rows: QuerySet[LocationUptime], since: datetime, until: datetime
) -> list[tuple[int, Uptime]]:
    """Return each location with its uptime, where something was measured. One query."""
    found = _differences(rows, since, until).values_list("location_id", "sum_up", "sum_measured")
    return [(pk, Uptime(up, measured)) for pk, up, measured in found.order_by() if measured]


@dataclass(frozen=True)
class Summary:
    """All sites together: their uptime, how many were measured, and how many are below a goal."""

    uptime: Uptime
    measured: int
    below: int


def summary(
    rows: QuerySet[LocationUptime], since: datetime, until: datetime, *, goal: float
) -> Summary:
    """Return how all sites together were; `goal` is in per cent. One query."""
    found = _shares(rows, since, until).aggregate(
        up=Sum("sum_up"),
        measured=Sum("sum_measured"),
        number=Count("location_id"),
        below=Count("location_id", filter=Q(share__lt=goal)),
    )
    uptime = Uptime(float(found["up"] or 0), float(found["measured"] or 0))
    return Summary(uptime, found["number"], found["below"])


def worst_first(
    rows: QuerySet[LocationUptime], since: datetime, until: datetime
) -> QuerySet[Any, tuple[int, int, int]]:
    """Return each location that was measured, with seconds up and measured, the worst first."""
    shares = _shares(rows, since, until).order_by("share", "location_id")
    found: QuerySet[Any, Any] = shares.values_list("location_id", "sum_up", "sum_measured")
    return found


def _shares(rows: QuerySet[Any], since: datetime, until: datetime) -> QuerySet[Any]:
    """Return what was measured at each location, and its share of time up in per cent."""
    found = _differences(rows, since, until).filter(sum_measured__gt=0).order_by()
    shares: QuerySet[Any] = found.annotate(
        share=Cast("sum_up", FloatField()) * 100 / Cast("sum_measured", FloatField())
    )
    return shares


def of_evses(rows: QuerySet[EvseUptime], since: datetime, until: datetime) -> Iterator[list[Any]]:
    """Yield the EVSEs with their place and seconds, read from a cursor: one query."""
    found = (
        _differences(rows, since, until, "evse")
        .order_by("evse_id")
        .values_list(
            *("evse__evse_id", "evse__uid", "evse__location__ocpi_id", "evse__location__name"),
            *("evse__location__address", "evse__location__city", "sum_up", "sum_measured"),
        )
    )
    for row in found.iterator(chunk_size=2000):
        yield list(row)


def _differences(
    rows: QuerySet[Any], since: datetime, until: datetime, of: str = "location"
) -> QuerySet[Any]:
    """Return the totals at the end of a period, with what was added to them from its beginning on.

    What came later had nothing then. Both ends are joined: to group the rows of two days and to add
    them up takes four times as long.
    """
    earlier = f"{of}__uptimes"
    found: QuerySet[Any] = rows.filter(at=until).annotate(
        earlier=FilteredRelation(earlier, condition=Q(**{f"{earlier}__at": since})),
        sum_up=F("up") - Coalesce("earlier__up", 0),
        sum_measured=F("measured") - Coalesce("earlier__measured", 0),
    )
    return found


def by_day(
    rows: QuerySet[LocationUptime], since: datetime, until: datetime
) -> list[tuple[datetime, datetime, Uptime]]:
    """Return the uptime of all rows together day by day, or by several days. One query."""
    moments = points(since, until)
    sums = {
        at: Uptime(up, measured)
        for at, up, measured in rows.filter(at__in=moments)
        .order_by()
        .values_list("at")
        .annotate(Sum("up"), Sum("measured"))
    }
    nothing = Uptime()
    return [
        (begin, end, _less(sums.get(end, nothing), sums.get(begin, nothing)))
        for begin, end in pairwise(moments)
    ]


def _less(later: Uptime, earlier: Uptime) -> Uptime:
    return Uptime(later.up - earlier.up, later.measured - earlier.measured)


@dataclass(frozen=True)
class Recent:
    """The uptime of one EVSE over the last days of each of `LAST_DAYS`, with today so far."""

    by_days: Mapping[int, Uptime]

    def __add__(self, other: "Recent") -> "Recent":
        return Recent({days: self.by_days[days] + other.by_days[days] for days in LAST_DAYS})


NOTHING = Recent({days: Uptime() for days in LAST_DAYS})


def recent(evse_ids: Sequence[int], *, now: datetime) -> dict[int, Recent]:
    """Return how EVSEs have done lately, until now. Three queries, however many they are.

    Of a new one nothing is measured before it has told its first status, until its first day is
    over.
    """
    known = bounds(LocationUptime.objects.all())
    today = midnight(now)
    totals: dict[int, dict[datetime, EvseUptime]] = defaultdict(dict)
    begins: dict[int, datetime] = {}
    if known:
        begins = {
            days: min(max(today - timedelta(days=days), known.first), known.last)
            for days in LAST_DAYS
        }
        wanted = {known.last, *begins.values()}
        for row in EvseUptime.objects.filter(at__in=wanted, evse_id__in=evse_ids):
            totals[row.evse_id][row.at] = row
    newer = _changes_since(evse_ids, known.last if known else None)
    return {pk: _recent_of(totals[pk], known, begins, newer.get(pk, []), now) for pk in evse_ids}


def _changes_since(
    evse_ids: Sequence[int], since: datetime | None
) -> dict[int, list[tuple[datetime, str]]]:
    rows = StatusChange.objects.filter(evse_id__in=evse_ids).order_by("-at")
    if since is not None:
        rows = rows.filter(at__gte=since)
    found: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for pk, at, status in rows.values_list("evse_id", "at", "status")[:MOST_CHANGES]:
        found[pk].append((at, status))
    return {pk: changes[::-1] for pk, changes in found.items()}


def _recent_of(
    totals: Mapping[datetime, EvseUptime],
    known: Bounds | None,
    begins: Mapping[int, datetime],
    newer: Sequence[tuple[datetime, str]],
    now: datetime,
) -> Recent:
    last = totals.get(known.last) if known else None
    since = known.last if known else (newer[0][0] if newer else now)
    before = last.status if last else None
    today = uptime_of(spans(newer, before=before, since=since, until=now))
    if last is None and all(status == Status.UNKNOWN for _at, status in newer):
        # It is new, and has told nothing yet: that is no outage.
        today = Uptime()
    sums = {}
    for days in LAST_DAYS:
        begin = totals.get(begins[days]) if begins else None
        grown = _less(_sum(last), _sum(begin))
        sums[days] = grown + today
    return Recent(sums)


def _sum(row: EvseUptime | None) -> Uptime:
    return Uptime(row.up, row.measured) if row else Uptime()


def statuses_of(evse_id: int, *, since: datetime, until: datetime) -> list[Span]:
    """Return the statuses that an EVSE had, in order; the newest where there are too many.

    At most three queries.
    """
    rows = StatusChange.objects.filter(evse_id=evse_id).order_by("-at")
    newest = list(
        rows.filter(at__gte=since, at__lt=until).values_list("at", "status")[:MOST_CHANGES]
    )
    before = None
    if len(newest) < MOST_CHANGES:
        before = rows.filter(at__lt=since).values_list("status", flat=True).first()
        before = before or _status_at(evse_id, since)
    return spans(reversed(newest), before=before, since=since, until=until)


def _status_at(evse_id: int, moment: datetime) -> str | None:
    """Return the status at a midnight, of its totals: the change may be too old to be kept."""
    rows = EvseUptime.objects.filter(evse_id=evse_id, at=midnight(moment))
    return rows.values_list("status", flat=True).first()

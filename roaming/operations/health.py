"""How partners are doing, read from the change feed: for pages, monitoring and the command line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from cpo_platform.common.http import UnsafeUrl, check_url
from roaming.models import (
    LANES,
    Change,
    Delivery,
    Endpoint,
    Feed,
    Partner,
    PartnerRole,
    PartnerStatus,
    Role,
)

# A change that is not told after so long is late: it usually takes a second.
LATE_AFTER = timedelta(seconds=30)
# Waiting changes are counted up to this, per lane.
MOST_PENDING = 1000


class LaneState(StrEnum):
    """How a lane is doing; what somebody should know of first is last."""

    NEW = "NEW"
    FINE = "FINE"
    STOPPED = "STOPPED"
    WALKING = "WALKING"
    BEHIND = "BEHIND"
    PAUSED = "PAUSED"
    FAILING = "FAILING"
    FORBIDDEN = "FORBIDDEN"
    UNAUTHORIZED = "UNAUTHORIZED"


_ORDER = {state: place for place, state in enumerate(LaneState)}
# What somebody has to look at: that is how `manage.py feed status` ends.
FAILING = frozenset([LaneState.FAILING, LaneState.FORBIDDEN, LaneState.UNAUTHORIZED])

# In these states nothing has failed, so far.
_LOOKS_WELL = frozenset([LaneState.NEW, LaneState.FINE, LaneState.WALKING, LaneState.BEHIND])


class Circuit(StrEnum):
    """Whether a lane is open to requests; as a number for monitoring, see `roaming.metrics`."""

    CLOSED = "CLOSED"
    HALF_OPEN = "HALF_OPEN"
    OPEN = "OPEN"
    PAUSED = "PAUSED"


@dataclass(frozen=True)
class Waiting:
    """What a lane has still to tell, by module, counted up to `MOST_PENDING`.

    `of_walks`: how many of these are objects of walks.
    """

    modules: Mapping[str, int] = field(default_factory=dict)
    of_walks: int = 0

    @property
    def total(self) -> int:
        return sum(self.modules.values())

    @property
    def is_more(self) -> bool:
        """Whether there is more than was counted."""
        return self.total >= MOST_PENDING


@dataclass(frozen=True)
class LaneHealth:
    """A lane: its feed, in which state it is, and how late.

    `since` is when the oldest change happened that is not told yet. The objects of a walk do not
    count: they are many, and none of them is late. `forbidden` is why we must not call the
    partner's address, which nobody would see before there is something to send.
    """

    feed: Feed
    state: LaneState
    since: datetime | None
    lag: timedelta
    circuit: Circuit
    waiting: Waiting = field(default_factory=Waiting)
    forbidden: str = ""


def watched_feeds() -> "QuerySet[Any, Any]":
    """Return feeds, each with `since` and `is_walking`: what `lane_health` reads."""
    own = Q(partner__isnull=True) | Q(partner=OuterRef("partner"))
    changes = Change.objects.filter(own, walk__isnull=True, lane=OuterRef("lane"))
    sequenced = changes.filter(sequence__gt=OuterRef("position")).order_by("sequence")
    fresh = changes.filter(sequence__isnull=True).order_by("pk")
    walked = Change.objects.filter(
        partner=OuterRef("partner"),
        lane=OuterRef("lane"),
        walk__isnull=False,
    )
    return Feed.objects.annotate(
        # Two looks: one by (lane, sequence), one at the few that have no sequence yet.
        since=Coalesce(
            Subquery(sequenced.values("created_at")[:1]), Subquery(fresh.values("created_at")[:1])
        ),
        is_walking=Exists(walked.filter(sequence__gt=OuterRef("position")))
        | Exists(walked.filter(sequence__isnull=True)),
    )


def lanes_of(partner: Partner, *, now: datetime) -> list[LaneHealth]:
    """Return the lanes of a partner, and what waits there: three queries."""
    feeds = list(watched_feeds().filter(partner=partner).order_by("pk"))
    return with_forbidden(_with_waiting(feeds, partner.status, now))


def registered_lanes(*, now: datetime) -> list[LaneHealth]:
    """Return the lanes of every registered partner, by its name: two queries."""
    feeds = watched_feeds().filter(partner__status=PartnerStatus.REGISTERED)
    feeds = feeds.select_related("partner").order_by("partner__name", "pk")
    return _with_waiting(list(feeds), PartnerStatus.REGISTERED, now)


def troubled_feeds() -> "QuerySet[Feed]":
    """Return the feeds of registered partners that fail, are paused, or whose token is refused."""
    trouble = Q(failures__gt=0) | Q(paused_at__isnull=False) | Q(unauthorized_at__isnull=False)
    return Feed.objects.filter(trouble, partner__status=PartnerStatus.REGISTERED)


def granted_nothing() -> "QuerySet[Partner]":
    """Return the registered partners that name eMSPs and may speak for none of them.

    Their drivers cannot charge, though everything else looks well.
    """
    named = PartnerRole.objects.filter(partner=OuterRef("pk"), role=Role.EMSP)
    return Partner.objects.filter(
        Exists(named), ~Exists(named.filter(granted=True)), status=PartnerStatus.REGISTERED
    )


def state_of(
    feed: Feed, *, now: datetime, since: datetime | None = None, is_walking: bool = False
) -> LaneState:
    """Return how a lane of a registered partner is doing; what is in the way goes before delay."""
    if feed.unauthorized_at is not None:
        return LaneState.UNAUTHORIZED
    if feed.paused_at is not None:
        return LaneState.PAUSED
    if feed.failures:
        return LaneState.FAILING
    if since is not None and now - since > LATE_AFTER:
        return LaneState.BEHIND
    if is_walking:
        return LaneState.WALKING
    return LaneState.FINE if feed.last_success_at else LaneState.NEW


def circuit_of(feed: Feed, *, now: datetime) -> Circuit:
    """Return whether requests go out: OPEN lets none through, HALF_OPEN one to see."""
    if feed.paused_at is not None:
        return Circuit.PAUSED
    if not feed.failures and feed.unauthorized_at is None:
        return Circuit.CLOSED
    is_resting = feed.retry_at is not None and feed.retry_at > now
    return Circuit.OPEN if is_resting else Circuit.HALF_OPEN


def worst(lanes: Iterable[LaneHealth]) -> LaneHealth | None:
    """Return the lane that fares worst; of those that fare alike, the one that is later."""
    return max(lanes, key=lambda lane: (_ORDER[lane.state], lane.lag), default=None)


def lane_health(
    feed: Any, *, status: str, now: datetime, waiting: Waiting | None = None
) -> LaneHealth:
    """Return how a feed of `watched_feeds` is doing."""
    state = state_of(feed, now=now, since=feed.since, is_walking=feed.is_walking)
    if status != PartnerStatus.REGISTERED:
        state = LaneState.STOPPED
    lag = max(now - feed.since, timedelta(0)) if feed.since else timedelta(0)
    return LaneHealth(feed, state, feed.since, lag, circuit_of(feed, now=now), waiting or Waiting())


def _with_waiting(feeds: Sequence[Any], status: str, now: datetime) -> list[LaneHealth]:
    waiting = waiting_in([feed.pk for feed in feeds])
    return [
        lane_health(feed, status=status, now=now, waiting=waiting.get(feed.pk)) for feed in feeds
    ]


def with_forbidden(lanes: Sequence[LaneHealth]) -> list[LaneHealth]:
    """Return lanes, FORBIDDEN those that look well though we must not call the address: one query.

    By the address as it is written: what a name stands for shows once something is sent.
    """
    rows = Endpoint.objects.filter(
        partner__in={lane.feed.partner_id for lane in lanes},
        role="RECEIVER",
        identifier__in=LANES,
    )
    found: dict[tuple[int, str], str] = {}
    for endpoint in rows.order_by("pk"):
        try:
            check_url(endpoint.url)
        except UnsafeUrl as error:
            found.setdefault((endpoint.partner_id, LANES[endpoint.identifier]), str(error))
    return [
        replace(lane, state=LaneState.FORBIDDEN, forbidden=reason)
        if lane.state in _LOOKS_WELL
        and (reason := found.get((lane.feed.partner_id, lane.feed.lane)))
        else lane
        for lane in lanes
    ]


_WAITING = """
SELECT feed.id, part.module, part.all_of_it, part.of_walks
FROM roaming_feed AS feed CROSS JOIN LATERAL (
    SELECT module, count(*) AS all_of_it, count(walk_id) AS of_walks
    FROM (
        (SELECT module, walk_id FROM roaming_change AS change
         WHERE change.lane = feed.lane AND change.sequence > feed.position
            AND (change.partner_id IS NULL OR change.partner_id = feed.partner_id)
         ORDER BY change.sequence LIMIT %s)
        UNION ALL
        (SELECT module, walk_id FROM roaming_change AS change
         WHERE change.sequence IS NULL AND change.lane = feed.lane
            AND (change.partner_id IS NULL OR change.partner_id = feed.partner_id)
         LIMIT %s)
        LIMIT %s
    ) AS waiting GROUP BY module
) AS part
WHERE feed.id = ANY(%s)
ORDER BY feed.id, part.module
"""


def waiting_in(feed_ids: Sequence[int]) -> dict[int, Waiting]:
    """Return what lanes have still to tell: one query, however many lanes."""
    modules: dict[int, dict[str, int]] = {}
    walks: dict[int, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [MOST_PENDING, MOST_PENDING, MOST_PENDING, list(feed_ids)])
        for feed_id, module, count, of_walks in cursor.fetchall():
            modules.setdefault(feed_id, {})[module] = count
            walks[feed_id] = walks.get(feed_id, 0) + of_walks
    return {feed_id: Waiting(found, walks[feed_id]) for feed_id, found in modules.items()}


def refused_counts() -> dict[tuple[str, str], int]:
    """Return how many objects each partner refused, by its name and the module."""
    refused = Delivery.objects.filter(refused_at__isnull=False)
    rows = refused.values_list("partner__name", "module").annotate(count=Count("pk")).order_by()
    return {(name, module): count for name, module, count in rows}

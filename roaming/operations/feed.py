"""The change feed: announcing, leasing a partner's feed, moving on, backing off."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import F, Q

from roaming import visibility, wake
from roaming.models import Change, Feed, Partner, PartnerStatus

LEASE = timedelta(seconds=30)
LONGEST_PAUSE_SECONDS = 60
SETTLING = timedelta(seconds=2)
BATCH = 500


@dataclass(frozen=True)
class Lease:
    """The right to drain one feed, for a while."""

    feed_id: int
    partner_id: int
    key: str
    position: tuple[int, int]


@dataclass(frozen=True)
class Batch:
    """Changes after a position, oldest first, and the position after the last of them."""

    changes: Sequence[Change]
    position: tuple[int, int]


def announce(*, module: str, object_id: int, partner_id: int | None = None) -> None:
    """Write down that an object changed, in the transaction that changed it."""
    Change.objects.create(module=module, object_id=object_id, partner_id=partner_id)
    wake.feeds()


def announce_everything(*, partner_id: int) -> None:
    """Announce to one partner all that it may see, tariffs before the locations that name them."""
    partner = Partner.objects.prefetch_related("roles").get(pk=partner_id)
    visible: Iterable[tuple[str, Iterable[int]]] = (
        ("tariffs", visibility.tariffs_for(partner).order_by("pk").values_list("pk", flat=True)),
        (
            "locations",
            visibility.locations_for(partner).order_by("pk").values_list("pk", flat=True),
        ),
        (
            "sessions",
            visibility.sessions_for(partner).ongoing().order_by("pk").values_list("pk", flat=True),
        ),
    )
    with transaction.atomic():
        for module, ids in visible:
            Change.objects.bulk_create(
                (
                    Change(module=module, object_id=object_id, partner_id=partner_id)
                    for object_id in ids
                ),
                batch_size=BATCH,
            )
        wake.feeds()


def open_feed(partner: Partner, *, now: datetime) -> Feed:
    """Give a partner a feed that starts here: what was committed before is not told.

    It starts a moment later: the partner has yet to read the answer that makes it know us.
    "Here" is the oldest transaction still running: what that one changes has to be told.
    """
    feed, created = Feed.objects.get_or_create(partner=partner)
    if created:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            row = cursor.fetchone()
        feed.position_xid = int(row[0])
        feed.retry_at = now + SETTLING
        feed.save(update_fields=["position_xid", "retry_at"])
    return feed


def due_feeds(*, now: datetime) -> list[int]:
    """Return the feeds that have something to send and may: not leased, not backing off."""
    return list(
        Feed.objects.filter(partner__status=PartnerStatus.REGISTERED)
        .filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now))
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        .order_by("id")
        .values_list("id", flat=True)
    )


def lease_feed(*, feed_id: int, now: datetime) -> Lease | None:
    """Take the right to drain a feed; None when another worker has it or it is not due."""
    key = uuid4().hex
    taken = (
        Feed.objects.filter(pk=feed_id, partner__status=PartnerStatus.REGISTERED)
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        .filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now))
        .update(lease_key=key, lease_until=now + LEASE)
    )
    if not taken:
        return None
    feed = Feed.objects.get(pk=feed_id)
    return Lease(feed.pk, feed.partner_id, key, (feed.position_xid, feed.position_id))


def renew_lease(*, lease: Lease, now: datetime) -> bool:
    """Keep the lease; False when it ran out and another worker took the feed."""
    held = Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key)
    return bool(held.update(lease_until=now + LEASE))


def release_lease(*, lease: Lease) -> None:
    Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key).update(
        lease_key="", lease_until=None
    )


def read_batch(*, lease: Lease, position: tuple[int, int], limit: int = BATCH) -> Batch | None:
    """Return the changes after a position that concern the partner; None when there are none.

    Only changes of transactions older than every one still running are read: a change that
    commits later can then never lie behind the position.
    """
    changes = list(
        Change.objects.raw(
            """
            SELECT id, xid::text::bigint AS xid, partner_id, module, object_id, created_at
            FROM roaming_change
            WHERE (xid, id) > (%s::text::xid8, %s)
              AND xid < pg_snapshot_xmin(pg_current_snapshot())
              AND (partner_id IS NULL OR partner_id = %s)
            ORDER BY xid, id
            LIMIT %s
            """,
            [str(position[0]), position[1], lease.partner_id, limit],
        )
    )
    if not changes:
        return None
    return Batch(changes, (changes[-1].xid, changes[-1].pk))


def move_on(*, lease: Lease, position: tuple[int, int], now: datetime) -> bool:
    """Set the position after a batch that is dealt with; False when the lease was lost."""
    held = Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key)
    return bool(
        held.update(
            position_xid=position[0],
            position_id=position[1],
            lease_until=now + LEASE,
            failures=0,
            retry_at=None,
            last_success_at=now,
        )
    )


def back_off(
    *, lease: Lease, error: str, now: datetime, retry_after_seconds: float | None = None
) -> datetime:
    """Let the feed rest: longer with each failure, up to a minute, or as the partner asked."""
    feed = Feed.objects.get(pk=lease.feed_id)
    pause = min(2.0**feed.failures, LONGEST_PAUSE_SECONDS)
    # Jitter, so that a partner that comes back is not met by everybody at once.
    pause *= random.uniform(0.5, 1.0)  # noqa: S311  not for secrets
    retry_at = now + timedelta(seconds=max(pause, retry_after_seconds or 0))
    Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key).update(
        failures=F("failures") + 1,
        retry_at=retry_at,
        last_error=error[:2000],
        last_error_at=now,
        lease_key="",
        lease_until=None,
    )
    return retry_at


def retry_now(*, feed_id: int) -> None:
    """End a feed's rest: staff knows that the partner is back."""
    with transaction.atomic():
        Feed.objects.filter(pk=feed_id).update(retry_at=None, failures=0)
        wake.feeds()


def waiting(feed: Feed, *, at_most: int = 1000) -> int:
    """Return how many changes a partner has still to learn of, counted up to `at_most`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM (
                SELECT 1 FROM roaming_change
                WHERE (xid, id) > (%s::text::xid8, %s)
                  AND (partner_id IS NULL OR partner_id = %s)
                LIMIT %s
            ) AS waiting
            """,
            [str(feed.position_xid), feed.position_id, feed.partner_id, at_most],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def forget_old_changes(*, now: datetime, keep: timedelta = timedelta(days=7)) -> int:
    """Delete changes that every registered partner is past, and that are old.

    Returns:
        How many were deleted.

    """
    slowest = (
        Feed.objects.filter(partner__status=PartnerStatus.REGISTERED)
        .order_by("position_xid", "position_id")
        .values_list("position_xid", flat=True)
        .first()
    )
    old = Change.objects.filter(created_at__lt=now - keep)
    if slowest is not None:
        old = old.filter(xid__lt=slowest)
    deleted, _by_model = old.delete()
    return deleted

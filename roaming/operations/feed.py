"""The change feed: announcing, leasing a partner's feed, moving on, backing off."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import (
    Exists,
    F,
    Func,
    JSONField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Value,
)

from roaming import visibility, wake
from roaming.models import Change, Delivery, Feed, Partner, PartnerStatus

LONGEST_PAUSE_SECONDS = 60
INTRODUCE_EVERY = timedelta(minutes=5)
SETTLING = timedelta(seconds=2)
BATCH = 500
MOST_SEQUENCED = 20_000
# Names our lock among PostgreSQL's advisory locks: any number that nobody else uses.
SEQUENCER_LOCK = 7_310_245_002


@dataclass(frozen=True)
class Lease:
    """The right to drain one feed, for a while."""

    feed_id: int
    partner_id: int
    key: str
    position: int


@dataclass(frozen=True)
class Batch:
    """Changes after a position, oldest first, and the position after the last of them."""

    changes: Sequence[Change]
    position: int


class _Merged(Func):
    """`a || b` of two JSON objects, in the database."""

    template = "(%(expressions)s)"
    arg_joiner = " || "
    output_field = JSONField()


def lease_time() -> timedelta:
    """Return how long a worker that was killed keeps a feed from the others."""
    return timedelta(seconds=settings.FEED_LEASE_SECONDS)


def announce(*, module: str, object_id: int, partner_id: int | None = None) -> None:
    """Write down that an object changed, in the transaction that changed it."""
    Change.objects.create(module=module, object_id=object_id, partner_id=partner_id)
    wake.feeds()


def announce_many(*, module: str, object_ids: Iterable[int], partner_id: int | None = None) -> None:
    """Write down that many objects changed, as `announce` does."""
    with transaction.atomic():
        for some in _slices(iter(object_ids)):
            Change.objects.bulk_create(
                Change(module=module, object_id=object_id, partner_id=partner_id)
                for object_id in some
            )
        wake.feeds()


def announce_to_group(*, group_id: int, location_ids: Sequence[int]) -> None:
    """Announce locations to the partners that see a location group, and not every location."""
    partners = Partner.objects.filter(location_groups=group_id, all_locations=False)
    for partner_id in partners.order_by("pk").values_list("pk", flat=True):
        announce_many(module="locations", object_ids=location_ids, partner_id=partner_id)


def announce_missed(*, partner_id: int, country_code: str, party_id: str, now: datetime) -> None:
    """Announce what an eMSP behind a hub missed of its sessions and CDRs while it was away.

    While its hub said that it is not connected, nothing was sent to it (OCPI 2.2.1,
    mod_hub_client_info).
    """
    partner = Partner.objects.prefetch_related("roles").get(pk=partner_id)
    owned = Q(token_country_code=country_code, token_party_id=party_id)
    _announce_all(
        partner_id, {module: rows.filter(owned) for module, rows in _missed(partner, now).items()}
    )


def announce_after_absence(*, partner_id: int, now: datetime) -> None:
    """Announce to a partner that was suspended all that it may see, and what it has missed.

    Also what it has and may not see any more; and the CDRs and ended sessions of the meantime,
    since changes that are old are not kept for those who are suspended (`forget_old_changes`).
    """
    partner = Partner.objects.prefetch_related("roles").get(pk=partner_id)
    with transaction.atomic():
        announce_everything(partner_id=partner_id, now=now)
        gone: dict[str, QuerySet[Any, Any]] = {
            "locations": visibility.locations_for(partner, now=now),
            "tariffs": visibility.tariffs_for(partner, now=now),
        }
        for module, rows in gone.items():
            has = Delivery.objects.filter(partner=partner, module=module)
            ids = has.exclude(object_id__in=rows.values("pk")).order_by("object_id")
            announce_many(
                module=module,
                object_ids=ids.values_list("object_id", flat=True),
                partner_id=partner_id,
            )
        _announce_all(partner_id, _missed(partner, now))


def _missed(partner: Partner, now: datetime) -> dict[str, QuerySet[Any, Any]]:
    """Return the sessions and CDRs since its registration that a partner was not sent as they are.

    What it has is known, so that it gets the present state and no more.
    """
    doors: dict[str, QuerySet[Any, Any]] = {
        "sessions": visibility.sessions_for(partner, now=now),
        "cdrs": visibility.cdrs_for(partner, now=now),
    }
    missed = {}
    for module, rows in doors.items():
        has_it = Delivery.objects.filter(
            partner=partner,
            module=module,
            object_id=OuterRef("pk"),
            delivered_at__gte=OuterRef("last_updated"),
        )
        since = partner.registered_at or now
        missed[module] = rows.filter(~Exists(has_it), last_updated__gte=since)
    return missed


def announce_everything(*, partner_id: int, now: datetime) -> None:
    """Announce to one partner all that it may see, tariffs before the locations that name them.

    Of sessions, those that are running; it pulls the rest, and its CDRs are announced already.
    """
    partner = Partner.objects.prefetch_related("roles").get(pk=partner_id)
    _announce_all(
        partner_id,
        {
            "tariffs": visibility.tariffs_for(partner, now=now),
            "locations": visibility.locations_for(partner, now=now),
            "sessions": visibility.sessions_for(partner, now=now).unfinished(),
        },
    )


def announce_parties(*, partner_id: int, parties: Iterable[str], now: datetime) -> None:
    """Announce all of some parties of ours (`NL*ABC`), which had to wait until it knew them."""
    partner = Partner.objects.prefetch_related("roles").get(pk=partner_id)
    owned = Q(pk__in=[])
    for party in parties:
        country_code, _star, party_id = party.partition("*")
        owned |= Q(country_code=country_code, party_id=party_id)
    _announce_all(
        partner_id,
        {
            "tariffs": visibility.tariffs_for(partner, now=now).filter(owned),
            "locations": visibility.locations_for(partner, now=now).filter(owned),
            "sessions": visibility.sessions_for(partner, now=now).filter(owned),
            "cdrs": visibility.cdrs_for(partner, now=now).filter(owned),
        },
    )


def _announce_all(partner_id: int, visible: Mapping[str, QuerySet[Any, Any]]) -> None:
    with transaction.atomic():
        for module, rows in visible.items():
            ids = rows.order_by("pk").values_list("pk", flat=True)
            announce_many(
                module=module,
                object_ids=ids.iterator(chunk_size=BATCH),
                partner_id=partner_id,
            )


def _slices(ids: Iterator[int]) -> Iterator[list[int]]:
    # bulk_create makes a list of whatever it is given: a big network must not become one.
    while some := list(islice(ids, BATCH)):
        yield some


def send_everything_again(*, partner_id: int, now: datetime) -> None:
    """Send a partner the whole of all that it may see, whatever we think it has.

    CDRs are left out: one that was acknowledged is never sent twice.
    """
    with transaction.atomic():
        # What it has is kept beside the mark: a tariff that is deleted meanwhile is still to be
        # deleted there, and a location that is hidden meanwhile is still to be hidden.
        Delivery.objects.filter(partner=partner_id).exclude(module__in=("cdrs", "commands")).update(
            sent=_Merged(F("sent"), Value({"uncertain": True}, JSONField())),
            refused_at=None,
            attempts=0,
        )
        announce_everything(partner_id=partner_id, now=now)


def open_feed(partner: Partner, *, now: datetime) -> Feed:
    """Give a partner a feed that starts here: what was committed before is not told.

    It starts a moment later: the partner has yet to read the answer that makes it know us. What is
    still to commit, or to be sequenced, gets a higher number than "here".
    """
    feed, created = Feed.objects.get_or_create(partner=partner)
    if created:
        newest = Change.objects.aggregate(newest=Max("sequence"))["newest"]
        feed.position = newest or 0
        feed.retry_at = now + SETTLING
        feed.save(update_fields=["position", "retry_at"])
    return feed


def sequence_changes() -> int:
    """Give every change that has committed its place in the feed; return how many got one.

    One sequencer at a time: when this returns, everything it sequenced is committed, and what is
    sequenced later gets a higher number. So a reader that is past a number has missed nothing
    below it, in whatever order the transactions committed, and however long others take.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEQUENCER_LOCK])
        cursor.execute(
            """
            UPDATE roaming_change SET sequence = fresh.sequence
            FROM (
                SELECT id, nextval('roaming_change_sequence') AS sequence
                FROM (
                    SELECT id FROM roaming_change WHERE sequence IS NULL ORDER BY id LIMIT %s
                ) AS unsequenced
            ) AS fresh
            WHERE roaming_change.id = fresh.id
            """,
            [MOST_SEQUENCED],
        )
        return int(cursor.rowcount)


def due_feeds(*, now: datetime) -> list[int]:
    """Return the feeds that have something to send and may: not leased, not backing off."""
    return list(
        _may_be_drained(now)
        .filter(
            Exists(
                Change.objects.filter(sequence__gt=OuterRef("position")).filter(
                    Q(partner__isnull=True) | Q(partner=OuterRef("partner"))
                )
            )
        )
        .order_by("id")
        .values_list("id", flat=True)
    )


def _may_be_drained(now: datetime) -> QuerySet[Feed]:
    return (
        Feed.objects.filter(partner__status=PartnerStatus.REGISTERED)
        .filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now))
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
    )


def lease_feed(*, feed_id: int, now: datetime) -> Lease | None:
    """Take the right to drain a feed; None when another worker has it or it is not due."""
    key = uuid4().hex
    taken = (
        _may_be_drained(now)
        .filter(pk=feed_id)
        .update(lease_key=key, lease_until=now + lease_time())
    )
    if not taken:
        return None
    feed = Feed.objects.get(pk=feed_id)
    return Lease(feed.pk, feed.partner_id, key, feed.position)


def renew_lease(*, lease: Lease, now: datetime, at_least: timedelta = timedelta(0)) -> bool:
    """Keep the lease; False when it ran out and another worker took the feed."""
    held = Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key)
    return bool(held.update(lease_until=now + max(lease_time(), at_least)))


def hold_lease(*, lease: Lease) -> bool:
    """Lock the feed if the lease is still ours: until the transaction ends, nobody takes it."""
    return Feed.objects.select_for_update().filter(pk=lease.feed_id, lease_key=lease.key).exists()


def note_error(*, lease: Lease, error: str, now: datetime) -> None:
    """Show staff what went wrong, though the feed goes on."""
    Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key).update(
        last_error=error[:2000], last_error_at=now
    )


def may_introduce(*, lease: Lease, now: datetime) -> bool:
    """Tell whether to try again to introduce our new parties to the partner, and note the try."""
    feeds = Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key).filter(
        Q(introduced_at__isnull=True) | Q(introduced_at__lte=now - INTRODUCE_EVERY)
    )
    return bool(feeds.update(introduced_at=now))


def release_lease(*, lease: Lease) -> None:
    Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key).update(
        lease_key="", lease_until=None
    )


def read_batch(*, lease: Lease, position: int, limit: int = BATCH) -> Batch | None:
    """Return the changes after a position that concern the partner; None when there are none."""
    changes = list(
        Change.objects.filter(sequence__gt=position)
        .filter(Q(partner__isnull=True) | Q(partner=lease.partner_id))
        .order_by("sequence")[:limit]
    )
    if not changes:
        return None
    last = changes[-1].sequence
    assert last is not None  # noqa: S101  the filter says so
    return Batch(changes, last)


def move_on(*, lease: Lease, position: int, now: datetime) -> bool:
    """Set the position after a batch that is dealt with; False when the lease was lost."""
    held = Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key)
    return bool(
        held.update(
            position=position,
            lease_until=now + lease_time(),
            failures=0,
            retry_at=None,
            last_success_at=now,
        )
    )


def back_off(
    *, lease: Lease, error: str, now: datetime, retry_after_seconds: float | None = None
) -> datetime:
    """Let the feed rest: longer with each failure, up to a minute, or as the partner asked."""
    # None: the registration was ended while we were sending.
    feed = Feed.objects.filter(pk=lease.feed_id).first()
    # A partner that is away for days fails thousands of times, and no float is 2 to the power of
    # that.
    doublings = min(feed.failures if feed else 0, LONGEST_PAUSE_SECONDS.bit_length())
    pause = float(min(2**doublings, LONGEST_PAUSE_SECONDS))
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


def take_away(*, partner_id: int) -> None:
    """End whatever lease there is on a partner's feed: who is sending stops before the next."""
    Feed.objects.filter(partner_id=partner_id).update(lease_key="", lease_until=None)


def retry_now(*, feed_id: int) -> None:
    """End a feed's rest: staff knows that the partner is back."""
    with transaction.atomic():
        Feed.objects.filter(pk=feed_id).update(retry_at=None, failures=0)
        wake.feeds()


def waiting(feed: Feed, *, at_most: int = 1000) -> int:
    """Return how many changes a partner has still to learn of, counted up to `at_most`."""
    return (
        Change.objects.filter(Q(sequence__gt=feed.position) | Q(sequence__isnull=True))
        .filter(Q(partner__isnull=True) | Q(partner=feed.partner_id))[:at_most]
        .count()
    )


def forget_old_changes(*, now: datetime, keep: timedelta = timedelta(days=7)) -> int:
    """Delete changes that every registered partner is past, and that are old.

    Returns:
        How many were deleted.

    """
    slowest = Feed.objects.filter(partner__status=PartnerStatus.REGISTERED).aggregate(
        position=Min("position")
    )["position"]
    old = Change.objects.filter(created_at__lt=now - keep, sequence__isnull=False)
    if slowest is not None:
        old = old.filter(sequence__lte=slowest)
    deleted, _by_model = old.delete()
    return deleted

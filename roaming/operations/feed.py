"""The change feed: announcing, leasing a lane of a partner's, moving on, backing off, pausing.

What is announced at once, many objects to one partner, is in `roaming.operations.walks`.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Concat

from cpo_platform.common import correlation
from roaming import wake
from roaming.models import LANES, Change, Feed, Lane, Pace, Partner, PartnerStatus

LONGEST_PAUSE_SECONDS = 60
# What a lease's key begins with once it was taken away.
REVOKED = "-"
KEY_LENGTH = 30
# How often a partner that refuses our token is asked whether it takes it again.
UNAUTHORIZED_PAUSE = timedelta(hours=1)
INTRODUCE_EVERY = timedelta(minutes=5)
READ_ENDPOINTS_EVERY = timedelta(minutes=5)
SETTLING = timedelta(seconds=2)
# Changes that are looked at together: of each object that is among them, the present state is sent.
WINDOW = 100_000
# Rows written with one statement.
BATCH = 500
MOST_SEQUENCED = 20_000
# Names our lock among PostgreSQL's advisory locks: any number that nobody else uses.
SEQUENCER_LOCK = 7_310_245_002


@dataclass(frozen=True)
class Lease:
    """The right to drain one lane of a partner's, for a while.

    `is_probe`: the last attempt failed. One request shows whether the partner is back.
    """

    feed_id: int
    partner_id: int
    lane: str
    key: str
    position: int
    failures: int = 0
    is_probe: bool = False
    is_unauthorized: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """An object that changed, or the status of one EVSE of a location (`evse_id`, otherwise 0).

    `sequence` is the newest change's. `since` is when the first of them happened; None when a walk
    is all that names it. `cause` is what one of them came of, where that is known.
    """

    module: str
    object_id: int
    evse_id: int
    sequence: int
    since: datetime | None = None
    cause: str = ""


@dataclass(frozen=True)
class Window:
    """What changed after a position, each object once, and the position after all of that.

    `is_particular`: some of it was announced to this partner alone. That is so whenever what it may
    see was changed, or how it is spoken to, in the transaction that changed it.
    """

    news: Sequence[News]
    position: int
    is_particular: bool = False


def lease_time() -> timedelta:
    """Return how long a worker that was killed keeps a feed from the others."""
    return timedelta(seconds=settings.FEED_LEASE_SECONDS)


def announce(
    *, module: str, object_id: int, partner_id: int | None = None, evse_id: int = 0
) -> None:
    """Write down that an object changed, in the transaction that changed it.

    `evse_id`: nothing of the location but the status of this EVSE.
    """
    Change.objects.create(
        lane=LANES[module],
        module=module,
        object_id=object_id,
        evse_id=evse_id,
        partner_id=partner_id,
        cause=correlation.current(),
    )
    wake.feeds()


def announce_many(*, module: str, object_ids: Iterable[int], partner_id: int | None = None) -> None:
    """Write down that many objects changed, as `announce` does."""
    with transaction.atomic():
        for some in _slices(iter(object_ids)):
            Change.objects.bulk_create(
                Change(
                    lane=LANES[module],
                    module=module,
                    object_id=object_id,
                    partner_id=partner_id,
                    cause=correlation.current(),
                )
                for object_id in some
            )
        wake.feeds()


def announce_to_group(*, group_id: int, location_ids: Sequence[int]) -> None:
    """Announce locations to the partners that see a location group, and not every location."""
    partners = Partner.objects.filter(location_groups=group_id, all_locations=False)
    for partner_id in partners.order_by("pk").values_list("pk", flat=True):
        announce_many(module="locations", object_ids=location_ids, partner_id=partner_id)


def _slices(ids: Iterator[int]) -> Iterator[list[int]]:
    # bulk_create makes a list of whatever it is given: a big network must not become one.
    while some := list(islice(ids, BATCH)):
        yield some


def announce_due(*, now: datetime) -> int:
    """Announce what could wait, and has (`Delivery.due_at`); return how many objects that was."""
    announced = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for module, lane in LANES.items():
            cursor.execute(
                """
                WITH due AS (
                    UPDATE roaming_delivery SET due_at = NULL WHERE due_at <= %s AND module = %s
                    RETURNING partner_id, object_id
                )
                INSERT INTO roaming_change (lane, module, object_id, evse_id, partner_id)
                SELECT %s, %s, object_id, 0, partner_id FROM due
                """,
                [now, module, lane, module],
            )
            announced += cursor.rowcount
        if announced:
            wake.feeds()
    return announced


def open_feeds(partner: Partner, *, now: datetime) -> None:
    """Give a partner its lanes, starting here: what was committed before is not told.

    They start a moment later: the partner has yet to read the answer that makes it know us. What is
    still to commit, or to be sequenced, gets a higher number than "here". A partner that has its
    lanes already is tried soon: what was in its way may be gone. Who is sending to it ends, since
    he does so with the token and in the version of before.
    """
    Feed.objects.bulk_create(
        (
            Feed(partner=partner, lane=lane, position=_newest(lane), retry_at=now + SETTLING)
            for lane in Lane
        ),
        ignore_conflicts=True,
    )
    take_away(partner_id=partner.pk)
    stopped = Q(failures__gt=0) | Q(unauthorized_at__isnull=False)
    Feed.objects.filter(stopped, partner=partner).update(
        retry_at=now + SETTLING, unauthorized_at=None
    )


def _newest(lane: Lane) -> int:
    newest: int | None = Change.objects.filter(lane=lane).aggregate(at=Max("sequence"))["at"]
    return newest or 0


def has_fresh_changes() -> bool:
    """Tell whether some that are committed have no place in the feed yet; asks no lock."""
    return Change.objects.filter(sequence__isnull=True).exists()


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


def feeds_with_news(*, now: datetime) -> dict[int, bool]:
    """Return the feeds that have something to send and may, and whether each is free to be leased.

    In SQL of its own: this is asked many times a second while much changes.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT feed.id, feed.lease_until IS NULL OR feed.lease_until <= %s
            FROM roaming_feed AS feed JOIN roaming_partner AS partner ON partner.id = partner_id
            CROSS JOIN LATERAL (
                -- Each by the index: EXISTS would have the planner read all changes once.
                SELECT 1 FROM roaming_change AS change
                WHERE change.lane = feed.lane AND change.sequence > feed.position
                    AND (change.partner_id IS NULL OR change.partner_id = feed.partner_id)
                ORDER BY change.sequence LIMIT 1
            ) AS news
            WHERE partner.status = %s AND feed.paused_at IS NULL
                AND (feed.retry_at IS NULL OR feed.retry_at <= %s)
            ORDER BY feed.id
            """,
            [now, PartnerStatus.REGISTERED, now],
        )
        return dict(cursor.fetchall())


def _may_be_drained(now: datetime) -> QuerySet[Feed]:
    return (
        Feed.objects.filter(partner__status=PartnerStatus.REGISTERED, paused_at__isnull=True)
        .filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now))
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
    )


def lease_feed(*, feed_id: int, now: datetime) -> Lease | None:
    """Take the right to drain a feed; None when another worker has it or it is not due."""
    key = uuid4().hex[:KEY_LENGTH]
    taken = (
        _may_be_drained(now)
        .filter(pk=feed_id)
        .update(lease_key=key, lease_until=now + lease_time())
    )
    if not taken:
        return None
    feed = Feed.objects.get(pk=feed_id)
    return Lease(
        feed.pk,
        feed.partner_id,
        feed.lane,
        key,
        feed.position,
        failures=feed.failures,
        is_probe=feed.failures > 0 or feed.unauthorized_at is not None,
        is_unauthorized=feed.unauthorized_at is not None,
    )


def _held(lease: Lease) -> QuerySet[Feed]:
    return Feed.objects.filter(pk=lease.feed_id, lease_key=lease.key)


def renew_lease(*, lease: Lease, now: datetime, at_least: timedelta = timedelta(0)) -> bool:
    """Keep the lease; False when it ran out and another worker took the feed."""
    return bool(_held(lease).update(lease_until=now + max(lease_time(), at_least)))


def is_held(*, lease: Lease) -> bool:
    """Tell whether the lease is still ours."""
    return _held(lease).exists()


def hold_lease(*, lease: Lease) -> bool:
    """Lock the feed if the lease is still ours: until the transaction ends, nobody takes it."""
    return _held(lease).select_for_update().exists()


def release_lease(*, lease: Lease) -> None:
    _held(lease).update(lease_key="", lease_until=None)


def note_error(*, lease: Lease, error: str, now: datetime) -> None:
    """Show staff what went wrong, though the feed goes on."""
    _held(lease).update(last_error=error[:2000], last_error_at=now)


def may_introduce(*, lease: Lease, now: datetime) -> bool:
    """Tell whether to try again to introduce our new parties to the partner, and note the try."""
    feeds = _held(lease).filter(
        Q(introduced_at__isnull=True) | Q(introduced_at__lte=now - INTRODUCE_EVERY)
    )
    return bool(feeds.update(introduced_at=now))


def may_read_endpoints(*, lease: Lease, now: datetime) -> bool:
    """Tell whether to read the partner's endpoints again, and note that it was done."""
    feeds = _held(lease).filter(
        Q(endpoints_read_at__isnull=True) | Q(endpoints_read_at__lte=now - READ_ENDPOINTS_EVERY)
    )
    return bool(feeds.update(endpoints_read_at=now))


_WINDOW = """
SELECT module, object_id, evse_id, max(sequence) AS newest,
    min(created_at) FILTER (WHERE walk_id IS NULL), max(cause), max(max(sequence)) OVER (),
    bool_or(bool_or(partner_id IS NOT NULL)) OVER ()
FROM (
    SELECT module, object_id, evse_id, sequence, created_at, walk_id, partner_id, cause
    FROM roaming_change
    WHERE lane = %s AND sequence > %s AND (partner_id IS NULL OR partner_id = %s)
    ORDER BY sequence LIMIT %s
) AS change
GROUP BY module, object_id, evse_id ORDER BY newest
"""


def window_query(
    *, lease: Lease, position: int, limit: int | None = None
) -> tuple[str, list[object]]:
    """Return SQL and parameters that ask for what concerns the partner after a position."""
    return _WINDOW, [lease.lane, position, lease.partner_id, limit or WINDOW]


def window_of(rows: Sequence[tuple[Any, ...]]) -> Window | None:
    """Return the window that the query found; None when there is nothing.

    Each object once, with its newest change, the longest unchanged first: a reader that has dealt
    with all up to a number may move on to it, since what changed again is found behind it.
    """
    if not rows:
        return None
    return Window([News(*row[:6]) for row in rows], rows[0][6], rows[0][7])


def changed_behind(*, lease: Lease, module: str, position: int) -> list[int]:
    """Return the objects of a module that changed after a position, sequenced yet or not."""
    changes = Change.objects.filter(
        Q(sequence__gt=position) | Q(sequence__isnull=True),
        Q(partner__isnull=True) | Q(partner=lease.partner_id),
        lane=lease.lane,
        module=module,
    )
    return sorted(set(changes.values_list("object_id", flat=True)[:BATCH]))


def skip_others_changes(*, now: datetime) -> int:
    """Move feeds on that have nothing to read before what is for other partners; return how many.

    A first push is a row per object for one partner, and every other one would look at all of them
    each time it looks.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH newest AS (
                SELECT lane, (
                    SELECT sequence FROM roaming_change AS change
                    WHERE change.lane = each.lane AND sequence IS NOT NULL
                    ORDER BY sequence DESC LIMIT 1
                ) AS sequence
                FROM unnest(%s::text[]) AS each (lane)
            )
            UPDATE roaming_feed AS feed SET position = newest.sequence
            FROM newest
            WHERE newest.lane = feed.lane AND feed.position < newest.sequence
                AND (feed.lease_until IS NULL OR feed.lease_until <= %s)
                AND NOT EXISTS (
                    SELECT 1 FROM roaming_change AS change
                    WHERE change.lane = feed.lane AND change.sequence > feed.position
                        AND change.sequence <= newest.sequence
                        AND (change.partner_id IS NULL OR change.partner_id = feed.partner_id)
                )
            """,
            [[lane.value for lane in Lane], now],
        )
        return int(cursor.rowcount)


# Not worth waiting for the disk: a position that a crash of the database takes back has the states
# behind it sent once more. What must not be sent twice has a note of its own, which is waited for.
_MOVE_ON = """
UPDATE roaming_feed SET position = %s, lease_until = %s, failures = 0, retry_at = NULL,
    unauthorized_at = NULL, last_success_at = %s
FROM (SELECT set_config('synchronous_commit', 'off', TRUE)) AS quickly
WHERE id = %s AND lease_key = %s
"""


def move_on(*, lease: Lease, position: int, now: datetime) -> bool:
    """Set the position after what is dealt with; False when the lease was lost."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_ON, [position, now + lease_time(), now, lease.feed_id, lease.key])
        held = cursor.rowcount
    if held and lease.is_unauthorized:
        # The token is that of all lanes.
        Feed.objects.filter(partner=lease.partner_id, unauthorized_at__isnull=False).update(
            unauthorized_at=None, retry_at=None
        )
    return bool(held)


def back_off(
    *,
    lease: Lease,
    error: str,
    now: datetime,
    position: int | None = None,
    retry_after_seconds: float | None = None,
    is_unauthorized: bool = False,
) -> datetime:
    """Let the feed rest: longer with each failure, up to a minute, or as the partner asked.

    A partner that refuses our token is left alone for an hour, in every lane. `position`: what is
    dealt with all the same.
    """
    # None: the registration was ended while we were sending.
    feed = Feed.objects.filter(pk=lease.feed_id).first()
    # A partner that is away for days fails thousands of times, and no float is 2 to the power of
    # that.
    doublings = min(feed.failures if feed else 0, LONGEST_PAUSE_SECONDS.bit_length())
    pause = float(min(2**doublings, LONGEST_PAUSE_SECONDS))
    if is_unauthorized:
        pause = UNAUTHORIZED_PAUSE.total_seconds()
    # Jitter, so that a partner that comes back is not met by everybody at once.
    pause *= random.uniform(0.5, 1.0)  # noqa: S311  not for secrets
    retry_at = now + timedelta(seconds=max(pause, retry_after_seconds or 0))
    held = _held(lease).update(
        failures=F("failures") + 1,
        position=F("position") if position is None else position,
        retry_at=retry_at,
        last_error=error[:2000],
        last_error_at=now,
        lease_key="",
        lease_until=None,
    )
    if held and is_unauthorized:
        Feed.objects.filter(partner=lease.partner_id).update(
            unauthorized_at=Coalesce("unauthorized_at", now), retry_at=retry_at
        )
    return retry_at


def take_away(*, partner_id: int) -> None:
    """Have whoever is sending to a partner stop soon; until he has, nobody else may begin.

    Two would send at once otherwise: a request may be under way for seconds.
    """
    Feed.objects.filter(partner_id=partner_id).exclude(
        Q(lease_key="") | Q(lease_key__startswith=REVOKED)
    ).update(lease_key=Concat(Value(REVOKED), "lease_key"))


def give_up(*, lease: Lease) -> bool:
    """Say that one has stopped whose lease was taken away; tell whether it was."""
    revoked = Feed.objects.filter(pk=lease.feed_id, lease_key=REVOKED + lease.key)
    return bool(revoked.update(lease_key="", lease_until=None))


def retry_now(*, partner_id: int) -> None:
    """End a partner's rest: staff knows that it is back. One request shows whether it is."""
    with transaction.atomic():
        Feed.objects.filter(partner=partner_id).update(retry_at=None)
        wake.feeds()


def pause(*, partner_id: int, now: datetime) -> None:
    """Send a partner nothing until `go_on`; what changes meanwhile is told then, as it is then."""
    with transaction.atomic():
        Feed.objects.filter(partner=partner_id, paused_at__isnull=True).update(paused_at=now)
        take_away(partner_id=partner_id)


def go_on(*, partner_id: int) -> None:
    """Undo `pause`."""
    with transaction.atomic():
        Feed.objects.filter(partner=partner_id).update(paused_at=None, retry_at=None)
        wake.feeds()


def waiting(feed: Feed, *, at_most: int = 1000) -> int:
    """Return how many changes a partner has still to learn of in a lane, counted up to a number."""
    return _behind(feed)[:at_most].count()


def _behind(feed: Feed) -> QuerySet[Change]:
    return Change.objects.filter(
        Q(sequence__gt=feed.position) | Q(sequence__isnull=True),
        Q(partner__isnull=True) | Q(partner=feed.partner_id),
        lane=feed.lane,
    )


def take_turns(
    *, partner_id: int, requests_per_minute: int, turns: int, now: datetime
) -> tuple[datetime, timedelta]:
    """Take turns of a partner that wants only so many requests a minute, all our workers together.

    A tenth of them may go at once; the rest is spread, so that no minute has more than the number.

    Returns:
        When the first may go, and how long after each the next.

    """
    burst, spacing = _turns_of(requests_per_minute)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO roaming_pace AS pace (partner_id, taken_until) VALUES (%s, %s)
            ON CONFLICT (partner_id) DO UPDATE
            SET taken_until = greatest(pace.taken_until, %s) + make_interval(secs => %s)
            RETURNING taken_until
            """,
            [partner_id, now + turns * spacing, now, (turns * spacing).total_seconds()],
        )
        (taken_until,) = cursor.fetchone()
    return max(now, taken_until - (turns + burst) * spacing), spacing


def give_turns_back(*, partner_id: int, requests_per_minute: int, turns: int) -> None:
    """Undo `take_turns` for those that were not used, so that they are not lost to the others."""
    _burst, spacing = _turns_of(requests_per_minute)
    Pace.objects.filter(partner=partner_id).update(taken_until=F("taken_until") - turns * spacing)


def _turns_of(requests_per_minute: int) -> tuple[int, timedelta]:
    """Return how many turns may be taken at once, and how far apart the others are."""
    burst = requests_per_minute // 10
    # Rounded up: a minute must not have room for one more.
    spacing = timedelta(minutes=1) / (requests_per_minute - burst) + timedelta.resolution
    return burst, spacing

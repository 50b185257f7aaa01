"""Many objects announced to one partner at once: a first push, what it missed, all once more.

Each is a row of the feed for this partner alone, so that a walk stops, goes on, and is coalesced
with what changes meanwhile. How far it is, is counted in the feed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, F, Func, JSONField, Max, OuterRef, Q, QuerySet, Value

from roaming import visibility, wake
from roaming.models import (
    LANES,
    Change,
    Delivery,
    Feed,
    Lane,
    Partner,
    PartnerStatus,
    Walk,
    WalkReason,
)

Rows = Mapping[str, QuerySet[Any, Any]]

# Tariffs before the locations that name them.
PUSHED_MODULES = ("tariffs", "locations", "sessions", "cdrs")


@dataclass(frozen=True)
class Progress:
    """How many of a walk's objects the partner has been told of."""

    walk: Walk
    done: int

    @property
    def percent(self) -> int:
        return 100 * self.done // self.walk.total if self.walk.total else 100


class _Merged(Func):
    """`a || b` of two JSON objects, in the database."""

    template = "(%(expressions)s)"
    arg_joiner = " || "
    output_field = JSONField()


def announce_everything(
    *, partner_id: int, now: datetime, reason: str = WalkReason.REGISTERED
) -> Walk:
    """Announce to one partner all that it may see, tariffs before the locations that name them.

    Of sessions, those that are running; it pulls the rest, and its CDRs are announced already.
    """
    partner = _partner(partner_id)
    rows = _doors(partner, now)
    del rows["cdrs"]
    rows["sessions"] = rows["sessions"].filter(pk__in=_running(partner, now))
    return _walk(partner, rows, reason=reason)


def announce_after_absence(
    *, partner_id: int, now: datetime, reason: str = WalkReason.ABSENCE
) -> Walk:
    """Announce to a partner all that it may see, and what it has missed.

    Also what it has and may not see any more; and the CDRs and ended sessions of the meantime,
    since changes that are old are not kept for those who are away.
    """
    partner = _partner(partner_id)
    doors = _doors(partner, now)
    missed = _missed(partner, now)
    running = Q(pk__in=_running(partner, now))
    rows = {
        "tariffs": doors["tariffs"],
        "locations": doors["locations"],
        "sessions": doors["sessions"].filter(running | Q(pk__in=missed["sessions"].values("pk"))),
        "cdrs": missed["cdrs"],
    }
    with transaction.atomic():
        walk = _walk(partner, rows, reason=reason)
        for module in ("locations", "tariffs"):
            _announce(walk, module, _gone(partner, module, doors[module]))
        _settle_total(walk)
    return walk


def announce_missed(*, partner_id: int, country_code: str, party_id: str, now: datetime) -> Walk:
    """Announce what an eMSP behind a hub missed of its sessions and CDRs while it was away.

    While its hub said that it is not connected, nothing was sent to it (OCPI 2.2.1,
    mod_hub_client_info).
    """
    partner = _partner(partner_id)
    owned = Q(token_country_code=country_code, token_party_id=party_id)
    rows = {module: rows.filter(owned) for module, rows in _missed(partner, now).items()}
    return _walk(partner, rows, reason=WalkReason.ABSENCE)


def announce_parties(*, partner_id: int, parties: Iterable[str], now: datetime) -> Walk:
    """Announce all of some parties of ours (`NL*ABC`), which had to wait until it knew them."""
    partner = _partner(partner_id)
    owned = Q(pk__in=[])
    for party in parties:
        country_code, _star, party_id = party.partition("*")
        owned |= Q(country_code=country_code, party_id=party_id)
    rows = {module: rows.filter(owned) for module, rows in _doors(partner, now).items()}
    return _walk(partner, rows, reason=WalkReason.ACCESS)


def send_everything_again(
    *, partner_id: int, now: datetime, reason: str = WalkReason.EVERYTHING
) -> Walk:
    """Send a partner the whole of all that it may see, whatever we think it has.

    CDRs are left out: one that was acknowledged is never sent twice.
    """
    with transaction.atomic():
        _doubt(Delivery.objects.filter(partner=partner_id))
        return announce_everything(partner_id=partner_id, now=now, reason=reason)


def send_window_again(
    *, partner_id: int, modules: Iterable[str], begin: datetime, end: datetime, now: datetime
) -> Walk:
    """Send a partner the whole of what changed between two moments, whatever we think it has.

    CDRs of the time that it has acknowledged are left out: they are never sent twice.
    """
    partner = _partner(partner_id)
    rows = _window(partner, modules, begin, end, now)
    with transaction.atomic():
        for module, found in rows.items():
            _doubt(
                Delivery.objects.filter(
                    partner=partner, module=module, object_id__in=found.order_by().values("pk")
                )
            )
        return _walk(partner, rows, reason=WalkReason.WINDOW)


def count_window(
    *, partner_id: int, modules: Iterable[str], begin: datetime, end: datetime, now: datetime
) -> dict[str, int]:
    """Return how many objects of each module `send_window_again` would send."""
    rows = _window(_partner(partner_id), modules, begin, end, now)
    return {module: found.count() for module, found in rows.items()}


def count_everything(*, partner_id: int, now: datetime) -> dict[str, int]:
    """Return how many objects of each module `send_everything_again` would send."""
    partner = _partner(partner_id)
    doors = _doors(partner, now)
    del doors["cdrs"]
    doors["sessions"] = doors["sessions"].filter(pk__in=_running(partner, now))
    return {module: found.count() for module, found in doors.items()}


def send_object_again(*, partner_id: int, module: str, object_id: int) -> None:
    """Send a partner the whole of one object. A CDR that it has acknowledged is not sent again."""
    with transaction.atomic():
        _doubt(Delivery.objects.filter(partner=partner_id, module=module, object_id=object_id))
        Change.objects.create(
            lane=LANES[module], module=module, object_id=object_id, partner_id=partner_id
        )
        wake.feeds()


def progress(partner: Partner) -> list[Progress]:
    """Return the walks of a partner that are not done, the newest first, and how far each is."""
    positions = dict(Feed.objects.filter(partner=partner).values_list("lane", "position"))
    told = Q(pk__in=[])
    for lane, position in positions.items():
        told |= Q(lane=lane, sequence__lte=position)
    found = []
    for walk in Walk.objects.filter(partner=partner).order_by("-pk")[:5]:
        left = Change.objects.filter(walk=walk).exclude(told).count()
        if left:
            found.append(Progress(walk, max(walk.total - left, 0)))
    return found


def forget_old_changes(*, now: datetime) -> int:
    """Delete changes that are older than `FEED_RETENTION_DAYS`; return how many that were.

    A partner that has not read them all is sent what it may see instead, by a walk.
    """
    old = Change.objects.filter(
        created_at__lt=now - timedelta(days=settings.FEED_RETENTION_DAYS), sequence__isnull=False
    )
    with transaction.atomic():
        newest = dict(old.values_list("lane").annotate(newest=Max("sequence")).order_by())
        for partner_id in _left_behind(newest):
            announce_after_absence(partner_id=partner_id, now=now, reason=WalkReason.TOO_OLD)
        deleted, _by_model = old.delete()
        _forget_walks(now)
    return deleted


def _left_behind(newest: Mapping[str, int]) -> list[int]:
    """Return the registered partners to which changes up to these numbers have not all been told.

    Those whose lanes merely stand before changes of others lose nothing by it.
    """
    behind = []
    feeds = Feed.objects.filter(partner__status=PartnerStatus.REGISTERED)
    # A result is of use for a minute only.
    for feed in feeds.exclude(lane=Lane.RESULTS).order_by("partner_id"):
        unread = Change.objects.filter(
            Q(partner__isnull=True) | Q(partner=feed.partner_id),
            lane=feed.lane,
            sequence__gt=feed.position,
            sequence__lte=newest.get(feed.lane, 0),
        )
        if feed.partner_id not in behind and unread.exists():
            behind.append(feed.partner_id)
    return behind


def _forget_walks(now: datetime) -> None:
    Walk.objects.filter(
        ~Exists(Change.objects.filter(walk=OuterRef("pk"))),
        started_at__lt=now - timedelta(days=settings.FEED_RETENTION_DAYS),
    ).delete()


def _partner(partner_id: int) -> Partner:
    return Partner.objects.prefetch_related("roles").get(pk=partner_id)


def _doors(partner: Partner, now: datetime) -> dict[str, QuerySet[Any, Any]]:
    return {
        "tariffs": visibility.tariffs_for(partner, now=now),
        "locations": visibility.locations_for(partner, now=now),
        "sessions": visibility.sessions_for(partner, now=now),
        "cdrs": visibility.cdrs_for(partner, now=now),
    }


def _running(partner: Partner, now: datetime) -> QuerySet[Any, Any]:
    return visibility.sessions_for(partner, now=now).unfinished().order_by().values("pk")


def _window(
    partner: Partner, modules: Iterable[str], begin: datetime, end: datetime, now: datetime
) -> dict[str, QuerySet[Any, Any]]:
    wanted = set(modules)
    rows = {
        module: rows.filter(last_updated__gte=begin, last_updated__lt=end)
        for module, rows in _doors(partner, now).items()
        if module in wanted
    }
    if "cdrs" in rows:
        delivered = Delivery.objects.filter(
            partner=partner, module="cdrs", object_id=OuterRef("pk"), sent__delivered=True
        )
        rows["cdrs"] = rows["cdrs"].filter(~Exists(delivered))
    return rows


def _missed(partner: Partner, now: datetime) -> dict[str, QuerySet[Any, Any]]:
    """Return the sessions and CDRs since its registration that a partner was not sent as they are.

    What it has is known, so that it gets the present state and no more.
    """
    doors: dict[str, QuerySet[Any, Any]] = {
        "sessions": visibility.sessions_for(partner, now=now),
        "cdrs": visibility.cdrs_for(partner, now=now),
    }
    missed = {}
    for module, door in doors.items():
        has_it = Delivery.objects.filter(
            partner=partner,
            module=module,
            object_id=OuterRef("pk"),
            delivered_at__gte=OuterRef("last_updated"),
        )
        since = partner.registered_at or now
        missed[module] = door.filter(~Exists(has_it), last_updated__gte=since)
    return missed


def _gone(partner: Partner, module: str, door: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Return the ids of what the partner has and may not see any more."""
    has = Delivery.objects.filter(partner=partner, module=module)
    return has.exclude(object_id__in=door.order_by().values("pk")).values("object_id")


def _doubt(deliveries: QuerySet[Delivery]) -> None:
    """Mark what we think a partner has as uncertain, so that the whole is sent.

    What it has is kept beside the mark: a tariff that is deleted meanwhile is still to be deleted
    there, and a location that is hidden meanwhile is still to be hidden.
    """
    deliveries.exclude(module__in=("cdrs", "commands")).update(
        sent=_Merged(F("sent"), Value({"uncertain": True}, JSONField())),
        refused_at=None,
        attempts=0,
    )


def _walk(partner: Partner, rows: Rows, *, reason: str) -> Walk:
    with transaction.atomic():
        walk = Walk.objects.create(partner=partner, reason=reason)
        for module in PUSHED_MODULES:
            if module in rows:
                _announce(walk, module, rows[module].order_by("pk").values("pk"))
        _settle_total(walk)
    return walk


def _settle_total(walk: Walk) -> None:
    walk.total = Change.objects.filter(walk=walk).count()
    walk.save(update_fields=["total"])


def _announce(walk: Walk, module: str, ids: QuerySet[Any, Any]) -> None:
    """Announce objects by their ids; those of a big network never come here."""
    try:
        sql, params = ids.query.sql_with_params()
    except EmptyResultSet:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO roaming_change (lane, module, object_id, evse_id, partner_id, walk_id)
            SELECT %s, %s, visible.object_id, 0, %s, %s FROM ({sql}) AS visible (object_id)
            ORDER BY visible.object_id
            """,  # noqa: S608  compiled by Django, with parameters
            [LANES[module], module, walk.partner_id, walk.pk, *params],
        )
    wake.feeds()

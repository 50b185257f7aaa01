"""Heal drift: send a partner the whole of what its copy is wrong about.

What we believe of its copy is marked as uncertain, as where everything is sent again, and the
object is announced to this partner: the feed does the rest.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from locations.models import Location
from roaming.models import Delivery, Drift, DriftCheck, DriftKind, Partner, PartnerStatus
from roaming.operations import feed
from roaming.operations.partners import NotRegistered
from sessions_app.models import Cdr, Session
from tariffs.models import Tariff

_MODELS: dict[str, Any] = {
    "locations": Location,
    "tariffs": Tariff,
    "sessions": Session,
    "cdrs": Cdr,
}
# A CDR cannot be changed once it is there (OCPI 2.2.1, mod_cdrs): it is sent where it is missing.
HEALABLE = ~Q(module="cdrs") | Q(kind=DriftKind.MISSING)
MISSING_CDRS = Q(module="cdrs", kind=DriftKind.MISSING)


def to_heal(check: DriftCheck, *, cdrs: bool = False) -> QuerySet[Drift]:
    """Return what of a check can be healed and was not: missing CDRs, or all the rest."""
    waiting = check.drifts.filter(HEALABLE, healed_at__isnull=True)
    return waiting.filter(MISSING_CDRS) if cdrs else waiting.exclude(MISSING_CDRS)


def heal(*, check_id: int, drift_ids: Iterable[int], now: datetime) -> Counter[str]:
    """Have objects of a check sent again as a whole; return how many of each module.

    What was healed before, and a CDR that differs, is left alone.

    Raises:
        DriftCheck.DoesNotExist: there is no such check.
        NotRegistered: its partner is not registered: nothing can be sent.

    """
    with transaction.atomic():
        check = DriftCheck.objects.select_related("partner").get(pk=check_id)
        if check.partner.status != PartnerStatus.REGISTERED:
            raise NotRegistered(f"{check.partner.name} is not registered")
        waiting = check.drifts.select_for_update().filter(HEALABLE, healed_at__isnull=True)
        rows = list(waiting.filter(pk__in=list(drift_ids)).order_by("pk"))
        by_module: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for row in rows:
            by_module[row.module][row.object_id] = row.kind
        for module, kinds in by_module.items():
            _doubt(check.partner, module, kinds)
            feed.announce_many(module=module, object_ids=kinds, partner_id=check.partner_id)
        Drift.objects.filter(pk__in=[row.pk for row in rows]).update(healed_at=now)
    return Counter(row.module for row in rows)


def _doubt(partner: Partner, module: str, kinds: Mapping[int, str]) -> None:
    """Note that we do not know what the partner holds of some objects. Three queries at most."""
    deliveries = list(
        Delivery.objects.select_for_update()
        .filter(partner=partner, module=module, object_id__in=list(kinds))
        .order_by("pk")
    )
    unexpected = [one for one, kind in kinds.items() if kind == DriftKind.UNEXPECTED]
    held = _held(module, unexpected)
    for delivery in deliveries:
        # A CDR is posted again only where it counts as not delivered; that the mark is there makes
        # the feed take "known already" for a delivery.
        kept = {name: value for name, value in delivery.sent.items() if name != "delivered"}
        delivery.sent = kept | held.get(delivery.object_id, {}) | {"uncertain": True}
        delivery.refused_at, delivery.attempts = None, 0
    Delivery.objects.bulk_update(deliveries, ["sent", "refused_at", "attempts"])


def _held(module: str, object_ids: list[int]) -> dict[int, dict[str, Any]]:
    """Return the notes by which a copy that should be gone is one that is there.

    See `roaming.ocpi.pushing`: a location with a `digest` is withdrawn, a tariff with a `path` is
    deleted.
    """
    if not object_ids:
        return {}
    if module == "tariffs":
        rows = Tariff.objects.filter(pk__in=object_ids)
        names = rows.values_list("pk", "country_code", "party_id", "ocpi_id")
        return {object_id: {"path": list(path)} for object_id, *path in names}
    found = Location.objects.filter(pk__in=object_ids).values_list("pk", flat=True)
    return {object_id: {"digest": "unknown"} for object_id in found}


def names_of(rows: Iterable[Drift]) -> dict[int, str]:
    """Return the OCPI ids of the objects of some findings, by finding. A query for each module."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    drifts = list(rows)
    for row in drifts:
        found[row.module].add(row.object_id)
    names = {
        (module, object_id): ocpi_id
        for module, ids in found.items()
        for object_id, ocpi_id in _MODELS[module]
        .objects.filter(pk__in=ids)
        .values_list("pk", "ocpi_id")
    }
    return {row.pk: names.get((row.module, row.object_id), str(row.object_id)) for row in drifts}

"""The operations that write down how good what we say of locations is."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from cpo_platform.common.shapes import ShapeError
from cpo_platform.sites.models import SiteQuality
from cpo_platform.sites.twins import with_twins
from locations import canonical, quality
from locations.models import Location

# A site is looked at again after so long.
AGAIN = timedelta(hours=20)
# It was changed, or a person asked, since it was looked at.
ASKED = Q(asked_at__gt=F("checked_at"))


def due_locations(*, now: datetime, limit: int) -> list[int]:
    """Return the locations that nobody has looked at yet, those asked for, those longest ago."""
    new = Location.objects.filter(quality__isnull=True).order_by("pk")
    asked = SiteQuality.objects.filter(ASKED).order_by("asked_at", "pk")
    old = SiteQuality.objects.filter(checked_at__lt=now - AGAIN).order_by("checked_at")
    found: dict[int, None] = {}
    for rows in (new, asked, old):
        if len(found) < limit:
            found |= dict.fromkeys(rows.values_list("pk", flat=True)[:limit])
    return list(found)[:limit]


def ask_again(*, rows: QuerySet[SiteQuality], now: datetime) -> None:
    """Have these sites looked at again before others; those that wait for it keep their place."""
    wanted = SiteQuality.objects.filter(pk__in=rows.order_by().values("pk"))
    wanted.exclude(ASKED).update(asked_at=now)


def check_locations(*, location_ids: list[int], now: datetime) -> int:
    """Look at these locations, and write down what was found; return how many there were."""
    # In one order: others may look at some of them at the same time.
    rows: QuerySet[Location] = Location.objects.filter(pk__in=location_ids).complete()
    twins = with_twins(location_ids)
    found = [_found(row, now, has_twin=row.pk in twins) for row in rows.order_by("pk")]
    with transaction.atomic():
        SiteQuality.objects.bulk_create(
            found,
            update_conflicts=True,
            unique_fields=["location"],
            update_fields=["score", "rules", "checked_at"],
        )
    return len(found)


def _found(row: Location, now: datetime, *, has_twin: bool) -> SiteQuality:
    findings = findings_of(row, has_twin=has_twin)
    return SiteQuality(
        location=row,
        score=quality.score(findings),
        rules=list(quality.broken_rules(findings)),
        checked_at=now,
    )


def findings_of(row: Location, *, has_twin: bool) -> list[quality.Finding]:
    """Return what is to be mended at a location. Fetch `complete()` to avoid queries."""
    try:
        return quality.check(canonical.shape_of(row), has_twin=has_twin)
    except (ShapeError, ValueError):
        # It was stored before a rule that it breaks; the pages of what is held back say which.
        return [quality.Finding("breaks_rules")]

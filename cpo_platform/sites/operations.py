"""The operation that writes down how good what we say of locations is."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from cpo_platform.common.shapes import ShapeError
from cpo_platform.sites.models import SiteQuality
from locations import canonical, quality
from locations.models import Location

# A site is looked at again after so long.
AGAIN = timedelta(hours=20)


def due_locations(*, now: datetime, limit: int) -> list[int]:
    """Return the locations that nobody has looked at yet, then those longest ago."""
    new = Location.objects.filter(quality__isnull=True).order_by("pk")
    found = list(new.values_list("pk", flat=True)[:limit])
    old = SiteQuality.objects.filter(checked_at__lt=now - AGAIN).order_by("checked_at")
    return found + list(old.values_list("pk", flat=True)[: limit - len(found)])


def check_locations(*, location_ids: list[int], now: datetime) -> int:
    """Look at these locations, and write down what was found; return how many there were."""
    rows: QuerySet[Location] = Location.objects.filter(pk__in=location_ids).complete()
    found = [_found(row, now) for row in rows]
    with transaction.atomic():
        SiteQuality.objects.bulk_create(
            found,
            update_conflicts=True,
            unique_fields=["location"],
            update_fields=["score", "rules", "checked_at"],
        )
    return len(found)


def _found(row: Location, now: datetime) -> SiteQuality:
    findings = findings_of(row)
    return SiteQuality(
        location=row,
        score=quality.score(findings),
        rules=list(quality.broken_rules(findings)),
        checked_at=now,
    )


def findings_of(row: Location) -> list[quality.Finding]:
    """Return what is to be mended at a location. Fetch `complete()` to avoid queries."""
    try:
        return quality.check(canonical.shape_of(row))
    except (ShapeError, ValueError):
        # It was stored before a rule that it breaks; the pages of what is held back say which.
        return [quality.Finding("breaks_rules")]

"""What a drift check of a partner is about: which of our objects it should hold, or no more."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Exists, OuterRef, Q, QuerySet

from cpo_platform.common.shapes import parse
from locations.models import Location
from roaming import visibility
from roaming.client import endpoint_url
from roaming.dialect import Dialect
from roaming.models import Delivery, Partner
from tariffs.models import Tariff

# What is named goes first, as it is sent.
MODULES = ("tariffs", "locations", "sessions", "cdrs")
# What we withdraw or delete where a partner may not see it any more.
WITHDRAWN = frozenset(["tariffs", "locations"])
# Partners may put older sessions away once they have the CDR.
SESSIONS_ASKED = timedelta(days=30)

# Why nothing is asked of a module.
NO_ENDPOINT, PUSH_OFF = "no_endpoint", "push_off"


def askable(partner: Partner) -> tuple[list[str], dict[str, str]]:
    """Return the modules that a partner can be asked about, and why not the others.

    No query when its endpoints are prefetched.
    """
    off = parse(Dialect, partner.dialect).push_off
    notes: dict[str, str] = {}
    for module in MODULES:
        if module in off:
            notes[module] = PUSH_OFF
        elif endpoint_url(partner, module, "RECEIVER") is None:
            notes[module] = NO_ENDPOINT
    return [module for module in MODULES if module not in notes], notes


def visible(partner: Partner, module: str, *, now: datetime) -> QuerySet[Any]:
    """Return the objects of a module that a partner may see."""
    doors: dict[str, Any] = {
        "locations": visibility.locations_for,
        "tariffs": visibility.tariffs_for,
        "sessions": visibility.sessions_for,
        "cdrs": visibility.cdrs_for,
    }
    return cast("QuerySet[Any]", doors[module](partner, now=now))


def population(partner: Partner, module: str, *, now: datetime) -> QuerySet[Any]:
    """Return the objects that a check of a partner is about.

    Of locations and tariffs, all that it should have, and what it had and should have no more. Of
    sessions and CDRs, those that it acknowledged; sessions for a while only.
    """
    seen = visible(partner, module, now=now)
    delivered = Exists(
        Delivery.objects.filter(
            partner=partner, module=module, object_id=OuterRef("pk"), delivered_at__isnull=False
        )
    )
    if module not in WITHDRAWN:
        found = seen.filter(delivered)
        since = now - SESSIONS_ASKED
        return found.filter(last_updated__gte=since) if module == "sessions" else found
    model: Any = Location if module == "locations" else Tariff
    return cast("QuerySet[Any]", model.objects.filter(Q(pk__in=seen.values("pk")) | Q(delivered)))


def count_objects(
    partner: Partner, *, now: datetime, modules: Sequence[str] | None = None
) -> dict[str, int]:
    """Return how many objects a check of everything would ask for: a query for each module."""
    chosen = askable(partner)[0] if modules is None else modules
    return {module: population(partner, module, now=now).count() for module in chosen}

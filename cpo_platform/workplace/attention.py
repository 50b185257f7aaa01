"""What needs somebody now, the most urgent first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from cpo_platform.admin_site import list_url, may_see
from cpo_platform.common.admin import visible
from locations.admin import STATUS_TONES
from locations.models import Evse, Status
from ocpp_gateway.models import Station, StationAlert, StationState
from roaming.models import PartnerStatus, PartnerToken, Quarantined, TokenPurpose
from roaming.operations.health import granted_nothing, troubled_feeds
from sessions_app.models import CdrHold, Session
from sessions_app.models.sessions import stuck

# A certificate is named from so many days before its end on.
CERTIFICATE_DAYS = 30
# An exchange of tokens is tried once they are too old; after so many days more it has failed.
RENEWAL_GRACE = timedelta(days=2)
_PERMISSIONS = (
    *("locations.evse", "ocpp_gateway.station", "ocpp_gateway.stationalert"),
    *("sessions_app.session", "sessions_app.cdrhold", "roaming.partner", "roaming.quarantined"),
)


@dataclass(frozen=True)
class Item:
    """Something that needs somebody: how often, and how often it was a day before, where known.

    The `kind` is what it is counted by from hour to hour.
    """

    kind: str
    title: Any
    count: int
    url: str
    tone: str = "red"
    before: int | None = None
    note: str = ""

    @property
    def change(self) -> int:
        """How many more there are than a day ago."""
        return 0 if self.before is None else self.count - self.before

    @property
    def trend(self) -> str:
        """Say how that has changed; nothing where that is not known."""
        if self.before is None:
            return ""
        if not self.change:
            return gettext("as many as 24 hours ago")
        if self.change > 0:
            return gettext("%(number)s more than 24 hours ago") % {"number": self.change}
        return gettext("%(number)s fewer than 24 hours ago") % {"number": -self.change}


def may_see_any(request: HttpRequest) -> bool:
    """Tell whether this person would be told of anything."""
    return any(may_see(request, model) for model in _PERMISSIONS)


def counted(request: HttpRequest, *, evses: Mapping[str, Any] | None, now: datetime) -> list[Item]:
    """Return how often there is what this person may see, also where there is none of it."""
    return [
        *_faulted(evses),
        *_stations(request, now),
        *_stuck(request, now),
        *_partners(request),
        *_held(request),
        *_expiring(request, now),
        *_quarantined(request),
        *_alerts(request),
    ]


def most_urgent(found: Iterable[Item], *, before: Mapping[str, int]) -> list[Item]:
    """Return what there is, red before amber, with what there was a day before, by kind."""
    there = [replace(one, before=before.get(one.kind)) for one in found if one.count]
    # Within a colour the order stays.
    return sorted(there, key=lambda one: one.tone != "red")


def evses_by_status(request: HttpRequest) -> dict[str, Any]:
    """Return how many EVSEs have which status, and the links to them. One query."""
    url = list_url("locations.evse")
    installed = visible(request, Evse.objects.exclude(status=Status.REMOVED))
    counts = dict(installed.values_list("status").annotate(Count("pk")))
    parts = [
        {
            "label": status.label,
            "tone": tone,
            "count": counts[status.value],
            "url": f"{url}?status__exact={status.value}",
        }
        for status, tone in STATUS_TONES.items()
        if counts.get(status.value)
    ]
    return {"total": sum(counts.values()), "parts": parts, "url": url, "counts": counts}


def _faulted(evses: Mapping[str, Any] | None) -> list[Item]:
    if evses is None:
        return []
    url = f"{list_url('locations.evse')}?status__exact={Status.OUTOFORDER}"
    count = evses["counts"].get(Status.OUTOFORDER, 0)
    title = ngettext("EVSE out of order", "EVSEs out of order", count)
    return [Item("out-of-order", title, count, url)]


def _stations(request: HttpRequest, now: datetime) -> list[Item]:
    if not may_see(request, "ocpp_gateway.station"):
        return []
    away = Q(online_until=None) | Q(online_until__lte=now)
    counts = visible(request, Station.objects.all()).aggregate(
        knocked=Count("pk", filter=Q(state=StationState.HELD)),
        offline=Count("pk", filter=Q(state=StationState.PLACED) & away),
    )
    url = list_url("ocpp_gateway.station")
    return [
        Item(
            "offline",
            ngettext("Charger offline", "Chargers offline", counts["offline"]),
            counts["offline"],
            f"{url}?connection=offline",
        ),
        Item(
            "knocked",
            ngettext("Charger that has knocked", "Chargers that have knocked", counts["knocked"]),
            counts["knocked"],
            f"{url}?place=knocked",
            "amber",
        ),
    ]


def _stuck(request: HttpRequest, now: datetime) -> list[Item]:
    if not may_see(request, "sessions_app.session"):
        return []
    count = visible(request, Session.objects.filter(stuck(now=now))).count()
    url = f"{list_url('sessions_app.session')}?state=stuck"
    title = ngettext("Session that seems stuck", "Sessions that seem stuck", count)
    return [Item("stuck", title, count, url)]


def _partners(request: HttpRequest) -> list[Item]:
    if not may_see(request, "roaming.partner"):
        return []
    counts = troubled_feeds().aggregate(
        refused=Count("partner", filter=Q(unauthorized_at__isnull=False), distinct=True),
        failing=Count(
            "partner", filter=Q(unauthorized_at__isnull=True, failures__gt=0), distinct=True
        ),
    )
    refused, failing, without = counts["refused"], counts["failing"], granted_nothing().count()
    url = list_url("roaming.partner")
    return [
        Item(
            "refusing",
            ngettext("Partner that refuses our token", "Partners that refuse our token", refused),
            refused,
            f"{url}?feed=refused",
        ),
        Item(
            "failing",
            ngettext("Partner that cannot be reached", "Partners that cannot be reached", failing),
            failing,
            f"{url}?feed=failing",
        ),
        Item(
            "not-granted",
            ngettext(
                "Partner whose drivers cannot charge: none of its parties is granted",
                "Partners whose drivers cannot charge: none of their parties is granted",
                without,
            ),
            without,
            f"{url}?granted=none",
            "amber",
        ),
    ]


def _held(request: HttpRequest) -> list[Item]:
    if not may_see(request, "sessions_app.cdrhold"):
        return []
    count = visible(request, CdrHold.objects.waiting()).count()
    url = f"{list_url('sessions_app.cdrhold')}?state__exact=HELD"
    return [Item("held", ngettext("CDR held for staff", "CDRs held for staff", count), count, url)]


def _alerts(request: HttpRequest) -> list[Item]:
    if not may_see(request, "ocpp_gateway.stationalert"):
        return []
    count = visible(request, StationAlert.objects.filter(resolved_at__isnull=True)).count()
    url = list_url("ocpp_gateway.stationalert")
    title = ngettext("Open alert of a station", "Open alerts of stations", count)
    return [Item("station-alerts", title, count, url, "amber")]


def _quarantined(request: HttpRequest) -> list[Item]:
    if not may_see(request, "roaming.quarantined"):
        return []
    count = Quarantined.objects.count()
    title = ngettext(
        "Object that partners are not served", "Objects that partners are not served", count
    )
    return [Item("quarantined", title, count, list_url("roaming.quarantined"), "amber")]


def _expiring(request: HttpRequest, now: datetime) -> list[Item]:
    """Return tokens that should have been exchanged, and our certificate when it ends soon."""
    if not may_see(request, "roaming.partner"):
        return []
    found = []
    if settings.TOKEN_RENEWAL_DAYS:
        limit = now - timedelta(days=settings.TOKEN_RENEWAL_DAYS) - RENEWAL_GRACE
        old = PartnerToken.objects.filter(
            purpose=TokenPurpose.OPERATION,
            partner__status=PartnerStatus.REGISTERED,
            valid_until__isnull=True,
            created_at__lt=limit,
        )
        count = old.aggregate(count=Count("partner", distinct=True))["count"]
        title = ngettext(
            "Partner whose tokens should have been exchanged",
            "Partners whose tokens should have been exchanged",
            count,
        )
        found.append(Item("old-tokens", title, count, list_url("roaming.partner"), "amber"))
    end = certificate_end()
    if end is not None and end - now < timedelta(days=CERTIFICATE_DAYS):
        days = max((end - now).days, 0)
        note = ngettext("%(days)s day left", "%(days)s days left", days) % {"days": days}
        url = list_url("ocpp_gateway.station")
        title = gettext("The certificate that stations connect to ends soon")
        found.append(Item("certificate", title, 1, url, "red" if days < 7 else "amber", note=note))
    return found


def certificate_end() -> datetime | None:
    """Return until when our certificate for stations is valid; None where there is none."""
    path = Path(settings.OCPP_TLS_CERTIFICATE) if settings.OCPP_TLS_CERTIFICATE else None
    if path is None or not path.is_file():
        return None
    return _end_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _end_of(path: Path, _changed: int) -> datetime | None:
    """Return the end of a certificate; it is read again when the file has changed."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (ValueError, OSError):
        return None
    return found.not_valid_after_utc.astimezone(UTC)

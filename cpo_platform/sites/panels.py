"""What the pages of locations and EVSEs show of their availability."""

from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Button, Panel, duration, link, minute, visible
from cpo_platform.sites import availability
from cpo_platform.sites.availability import NOTHING, Recent
from cpo_platform.sites.display import goal_text, timeline_picture, uptime_pill
from cpo_platform.sites.periods import LAST_DAYS
from locations.admin import status_pill
from locations.models import Evse
from locations.uptime import midnight, timeline

TIMELINE_DAYS = 30
STEP = timedelta(hours=1)
CHANGES_SHOWN = 20
# EVSEs of a location that are shown one by one.
MOST_EVSES = 200


def _since(days: int) -> str:
    return gettext("last %(days)s days and today") % {"days": days}


def evse_panel(request: HttpRequest, evse_id: int) -> Panel:
    """Return the statuses that an EVSE had lately, and how long it was up."""
    now = clock.now()
    evse = visible(request, Evse.objects.filter(pk=evse_id)).first()
    since = midnight(now) - timedelta(days=TIMELINE_DAYS)
    parts = availability.statuses_of(evse_id, since=since, until=now) if evse else []
    if not parts:
        return Panel(
            title=_("Availability"),
            anchor="availability",
            note=_("No status of this EVSE is known yet: its history begins with the next one."),
        )
    found = availability.recent([evse_id], now=now)[evse_id]
    return Panel(
        title=_("Availability"),
        anchor="availability",
        note=gettext(
            "Share of the time in which it could be used, or was in use. The goal is %(goal)s. "
            "Times are UTC."
        )
        % {"goal": goal_text()},
        picture=timeline_picture(timeline(parts, since=since, until=now, step=STEP)),
        facts=[(_since(days), uptime_pill(found.by_days[days])) for days in LAST_DAYS],
        columns=(_("since (UTC)"), _("until (UTC)"), _("for"), _("status")),
        rows=[
            (
                minute(part.since),
                _("now") if part.until == now else minute(part.until),
                duration(part.seconds),
                status_pill(part.status),
            )
            for part in parts[: -CHANGES_SHOWN - 1 : -1]
        ],
    )


def location_panel(request: HttpRequest, location_id: int) -> Panel:
    """Return how long the EVSEs of a location were up lately, each and together."""
    now = clock.now()
    rows = visible(request, Evse.objects.filter(location_id=location_id)).exclude(status="REMOVED")
    evses = list(rows.order_by("physical_reference", "evse_id", "pk")[:MOST_EVSES])
    found = availability.recent([evse.pk for evse in evses], now=now)
    return Panel(
        title=_("Availability"),
        anchor="availability",
        note=gettext(
            "Share of the time in which EVSEs could be used, or were in use. The goal is %(goal)s."
        )
        % {"goal": goal_text()},
        columns=(_("EVSE"), *(_since(days) for days in LAST_DAYS)),
        numeric=frozenset(range(1, len(LAST_DAYS) + 1)),
        rows=[
            *([(_("all together"), *_cells(sum(found.values(), start=NOTHING)))] if found else []),
            *((link(evse), *_cells(found[evse.pk])) for evse in evses),
        ],
        empty=_("There is nothing to measure yet: add an EVSE."),
        buttons=[Button(_("Availability of all sites"), reverse("sites:availability"))],
    )


def _cells(recent: Recent) -> list[object]:
    return [uptime_pill(recent.by_days[days]) for days in LAST_DAYS]

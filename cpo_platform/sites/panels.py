"""What the pages of locations and EVSEs show of their availability."""

from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import (
    Button,
    Panel,
    change_url,
    duration,
    link,
    link_to,
    minute,
    pill,
    visible,
)
from cpo_platform.sites import availability, operations
from cpo_platform.sites.availability import NOTHING, Recent
from cpo_platform.sites.display import goal_text, recent_pill, score_pill, timeline_picture
from cpo_platform.sites.periods import LAST_DAYS
from cpo_platform.sites.phrases import PHRASES, SEVERITIES
from cpo_platform.sites.twins import with_twins
from locations.admin import status_pill
from locations.models import Evse, Location
from locations.quality import Finding, score
from locations.uptime import midnight, timeline

TIMELINE_DAYS = 30
STEP = timedelta(hours=1)
CHANGES_SHOWN = 20
# EVSEs of a location that are shown one by one.
MOST_EVSES = 200
# Findings of a location that are shown.
MOST_FINDINGS = 100
# The panel's name in addresses.
QUALITY = "quality"


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
        facts=[(_since(days), recent_pill(found.by_days[days])) for days in LAST_DAYS],
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
    return [recent_pill(recent.by_days[days]) for days in LAST_DAYS]


def quality_panel(request: HttpRequest, location_id: int) -> Panel:
    """Return how good what we say of a location is, and what to do about it."""
    rows = visible(request, Location.objects.filter(pk=location_id))
    location = rows.complete().first()
    twins = with_twins([location_id]) if location else frozenset()
    findings = operations.findings_of(location, has_twin=bool(twins)) if location else []
    evses = {evse.uid: evse for evse in location.evses.all()} if location else {}
    points = score(findings)
    return Panel(
        title=_("Data quality"),
        anchor=QUALITY,
        facts=[(_("score"), score_pill(points))],
        columns=(_("what"), _("where"), _("severity"), _("what to do")) if findings else (),
        rows=[
            (
                PHRASES[one.rule].finds,
                _where(location, evses.get(one.evse_uid), one),
                pill(*SEVERITIES[one.severity]),
                PHRASES[one.rule].do,
            )
            for one in findings[:MOST_FINDINGS]
        ],
        note=""
        if findings
        else _("Everything that drivers and partners ask for is there. Nothing is to be done."),
        buttons=[Button(_("Data quality of all sites"), reverse("sites:quality"))],
    )


def _where(location: Location | None, evse: Evse | None, finding: Finding) -> object:
    """Return a link to the field that mends it: of the form on this page, or of an EVSE's."""
    field = PHRASES[finding.rule].field
    anchor = f"#id_{field}" if field else ""
    if evse is not None:
        return link_to(f"{change_url(evse)}{anchor}", evse)
    if location is None or not anchor:
        return gettext("this location")
    return link_to(anchor, gettext("this location"))

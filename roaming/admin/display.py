"""Statuses, feeds and objects of partners, as people read them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, link_to, pill
from roaming.models import Command, CommandState, Feed, Lane, PartnerStatus
from roaming.operations import health
from roaming.operations.health import LaneState

STATUS_TONES = {
    PartnerStatus.INVITED: "amber",
    PartnerStatus.REGISTERED: "green",
    PartnerStatus.SUSPENDED: "red",
    PartnerStatus.UNREGISTERED: "grey",
}
OBJECT_PAGES = {
    "locations": "locations_location",
    "tariffs": "tariffs_tariff",
    "sessions": "sessions_app_session",
    "cdrs": "sessions_app_cdr",
}
MODULE_LABELS = {
    "cdrs": _("CDR"),
    "chargingprofiles": _("Charging profile of session"),
    "commands": _("Command"),
    "locations": _("Location"),
    "profileresults": _("Result of charging profile request"),
    "sessions": _("Session"),
    "tariffs": _("Tariff"),
    "tokens": _("Token"),
}

# What goes to partners, in the plural; see `roaming.operations.walks.PUSHED_MODULES`.
MODULE_NAMES = {
    "cdrs": _("CDRs"),
    "chargingprofiles": _("Charging profiles"),
    "commands": _("Results of commands"),
    "locations": _("Locations"),
    "profileresults": _("Results of charging profiles"),
    "sessions": _("Sessions"),
    "tariffs": _("Tariffs"),
}
LANE_STATES = {
    LaneState.FINE: (_("Fine"), "green"),
    LaneState.NEW: (_("Nothing sent yet"), "grey"),
    LaneState.STOPPED: (_("Nothing is sent"), "grey"),
    LaneState.WALKING: (_("Sending many objects"), "blue"),
    LaneState.BEHIND: (_("Behind"), "amber"),
    LaneState.PAUSED: (_("Paused by staff"), "amber"),
    LaneState.FAILING: (_("Failing"), "red"),
    LaneState.FORBIDDEN: (_("We may not call it"), "red"),
    LaneState.UNAUTHORIZED: (_("Our token is refused"), "red"),
}


def partner_pill(status: str) -> str:
    """Return a partner's status in its colour."""
    known = PartnerStatus(status)
    return pill(known.label, STATUS_TONES[known])


def object_link(module: str, object_id: int) -> str:
    """Return a link to the page of an object of an OCPI module, where it has one."""
    label = MODULE_LABELS.get(module, module)
    page = OBJECT_PAGES.get(module)
    if page is None:
        return f"{label} {object_id}"
    return link_to(reverse(f"admin:{page}_change", args=[object_id]), f"{label} {object_id}")


def lane_pill(state: LaneState) -> str:
    """Say in its colour how a lane is doing."""
    return pill(*LANE_STATES[state])


def trouble_pills(feeds: Sequence[Feed], *, now: datetime) -> str:
    """Say in their colours what is in the way of a partner; which lanes, unless it is all."""
    by_state: dict[LaneState, list[Feed]] = {}
    for feed in feeds:
        by_state.setdefault(health.state_of(feed, now=now), []).append(feed)
    parts = []
    for state, alike in by_state.items():
        names = ", ".join(feed.get_lane_display() for feed in alike)
        parts.append((lane_pill(state), "" if len(alike) == len(Lane) else names))
    return format_html_join(" ", "{} {}", parts)


def waiting_text(modules: Mapping[str, int]) -> str:
    """Return how many objects there are of each module: `Locations: 12, Tariffs: 3`."""
    parts = (f"{MODULE_NAMES.get(module, module)}: {count}" for module, count in modules.items())
    return ", ".join(parts) or NONE


def count_text(waiting: health.Waiting) -> str:
    """Return how many changes wait, or that there are more than we count."""
    return f"{health.MOST_PENDING}+" if waiting.is_more else str(waiting.total)


def command_pill(command: Command) -> str:
    """Return the state of a command, or its result, in its colour."""
    if command.state == CommandState.ACCEPTED:
        return pill(_("Waiting"), "blue")
    if command.state == CommandState.REFUSED:
        return pill(_("Refused: %(result)s") % {"result": command.result}, "amber")
    return pill(command.result, "green" if command.result == "ACCEPTED" else "red")

"""Statuses, feeds and objects of partners, as people read them."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import link_to, pill
from roaming.models import Command, CommandState, Feed, PartnerStatus

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


def feed_pill(its_feed: Feed) -> str:
    """Say in its colour whether what we send arrives."""
    if its_feed.failures:
        return pill(_("Failing"), "red")
    return pill(_("Fine"), "green") if its_feed.last_success_at else pill(_("Nothing sent yet"))


def command_pill(command: Command) -> str:
    """Return the state of a command, or its result, in its colour."""
    if command.state == CommandState.ACCEPTED:
        return pill(_("Waiting"), "blue")
    return pill(command.result, "green" if command.result == "ACCEPTED" else "red")

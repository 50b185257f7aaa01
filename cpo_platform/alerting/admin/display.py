"""Incidents, alerts and deliveries, as people read them."""

from collections.abc import Mapping

from django.apps import apps
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cpo_platform.alerting import texts
from cpo_platform.alerting.models import Alert, Incident, NotificationState, Severity
from cpo_platform.common.admin import link_to, may, pill

SEVERITY_TONES = {Severity.CRITICAL: "red", Severity.WARNING: "amber", Severity.INFO: "blue"}
STATE_TONES = {
    NotificationState.WAITING: "amber",
    NotificationState.SENT: "green",
    NotificationState.SKIPPED: "grey",
    NotificationState.FAILED: "red",
}
# The page of what an alert is about, and its model.
PAGES: Mapping[str, str] = {
    "evse": "locations.evse",
    "station": "ocpp_gateway.station",
    "stationalert": "ocpp_gateway.stationalert",
    "session": "sessions_app.session",
    "cdr": "sessions_app.cdr",
    "partner": "roaming.partner",
}
LISTS: Mapping[str, str] = {"holds": "sessions_app.cdrhold", "revenue": "sessions_app.cdr"}


def severity_pill(severity: int) -> SafeString:
    """Return how bad something is, in its colour."""
    known = Severity(severity)
    return pill(known.label, SEVERITY_TONES[known])


def state_pill(incident: Incident) -> SafeString:
    """Return whether something is still wrong, and whether somebody sees to it."""
    if incident.closed_at is not None:
        return pill(_("Over"), "grey")
    if incident.acknowledged_at is not None:
        return pill(_("Acknowledged"), "blue")
    return pill(_("Open"), "red")


def delivery_pill(state: str) -> SafeString:
    """Return what became of a notification."""
    known = NotificationState(state)
    return pill(known.label, STATE_TONES[known])


def subject_link(request: HttpRequest, alert: Alert) -> str:
    """Return what is wrong with one thing, as a link to it where this person may see it."""
    text = texts.alert_text(alert)
    url = _url(request, alert)
    return link_to(url, text) if url else text


def _url(request: HttpRequest, alert: Alert) -> str:
    label = PAGES.get(alert.subject) or LISTS.get(alert.subject, "")
    if not label or apps.get_model(label) is None:
        return ""
    app, _dot, model = label.partition(".")
    if not may(request, f"{app}.view_{model}"):
        return ""
    name = "changelist" if alert.subject in LISTS else "change"
    try:
        args = [] if alert.subject in LISTS else [alert.subject_id]
        return reverse(f"admin:{app}_{model}_{name}", args=args)
    except NoReverseMatch:
        return ""

"""What is said of alerts and incidents, in the language of whoever reads it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.alerting.kinds import COMPONENTS
from cpo_platform.alerting.models import Alert, Cause, Incident, Kind
from locations.models import Status
from ocpp_gateway.models import AlertKind

_SENTENCES: Mapping[str, Any] = {
    Kind.EVSE_STATUS: _("EVSE %(name)s at %(site)s: %(status)s"),
    Kind.STATION_OFFLINE: _("Station %(name)s at %(site)s is offline"),
    Kind.STATION_ALERT: _("Station %(name)s at %(site)s: %(kind)s"),
    Kind.PARTNER_LAG: _("%(name)s is told of changes too late"),
    Kind.PARTNER_FAILING: _("%(name)s cannot be reached"),
    Kind.PARTNER_TOKEN: _("%(name)s refuses our token"),
    Kind.SESSION_SILENT: _("Session %(name)s at %(site)s: no readings any more"),
    Kind.SESSION_LONG: _("Session %(name)s at %(site)s does not end"),
    Kind.HELD_COUNT: _("%(count)s CDRs are held for staff"),
    Kind.HELD_AGE: _("A CDR is held since %(at)s (UTC)"),
    Kind.CDR_COST: _("CDR %(name)s costs %(cost)s"),
    Kind.REVENUE: _("%(name)s: %(amount)s yesterday, %(percent)s %% of what is usual"),
    Kind.PLATFORM: _("Part of the platform: %(name)s (%(text)s)"),
}
_ADVICE: Mapping[str, Any] = {
    Kind.EVSE_STATUS: _("Look at the station: its last errors, then restart it or send somebody."),
    Kind.STATION_OFFLINE: _("Check its power and its network, or call the site."),
    Kind.STATION_ALERT: _("The page of the station's alert says what to do."),
    Kind.PARTNER_LAG: _("Look at the partner's health: what waits, and how fast it answers."),
    Kind.PARTNER_FAILING: _("Look at the last error on the partner's health page; call them."),
    Kind.PARTNER_TOKEN: _("Have the partner take our token again, or exchange tokens anew."),
    Kind.SESSION_SILENT: _("Look at the session and its station; stop it if nobody charges."),
    Kind.SESSION_LONG: _("Look at the session: ask the driver, stop it, or have it corrected."),
    Kind.HELD_COUNT: _("Release or correct the held CDRs; many of one kind have one cause."),
    Kind.HELD_AGE: _("Release or correct the held CDR: until then it is not billed."),
    Kind.CDR_COST: _("Look whether it is right: if not, credit it and bill again."),
    Kind.REVENUE: _("Compare: a holiday, a tariff that was changed, CDRs that are held?"),
    Kind.PLATFORM: _("Have the one who runs the platform look at /readyz and at the processes."),
}
_CAUSE_ADVICE: Mapping[str, Any] = {
    Cause.STATION: _("Look at the station first: its power, its network, its last errors."),
    Cause.SITE: _("Check the site's router and its power before you look at single stations."),
    Cause.GATEWAY: _("Check the gateway, its address, its certificate and its network first."),
    Cause.OUTBOUND: _("Check our own way out first: proxy, firewall, DNS. Partners come later."),
    Cause.MANY: _("One rule finds this at many places at once: look for what they share."),
}


def sentence(kind: str, params: Mapping[str, Any]) -> str:
    """Return what is wrong, in one sentence, in the present language."""
    values = {"site": "", **params}
    values["site"] = values["site"] or gettext("a location without a name")
    if kind == Kind.EVSE_STATUS:
        values["status"] = Status(params["status"]).label
    elif kind == Kind.STATION_ALERT:
        values["kind"] = AlertKind(params["kind"]).label
    elif kind == Kind.PLATFORM:
        values["name"] = COMPONENTS.get(params["name"], params["name"])
    return str(_SENTENCES[kind]) % values


def alert_text(alert: Alert) -> str:
    """Return what is wrong with one thing."""
    return sentence(alert.rule.kind, alert.params)


def incident_title(incident: Incident) -> str:
    """Return what an incident is, and what is probably behind it."""
    params = incident.params
    values = {
        "n": params.get("count", 0),
        "total": params.get("total", 0),
        "site": params.get("site") or gettext("a location without a name"),
    }
    if incident.cause == Cause.SITE:
        text = gettext(
            "%(site)s: %(n)s of %(total)s stations went offline together: probably its router "
            "or its power"
        )
    elif incident.cause == Cause.GATEWAY:
        text = gettext(
            "Stations of %(n)s of %(total)s sites went offline together: probably the gateway or "
            "its network"
        )
    elif incident.cause == Cause.OUTBOUND:
        text = gettext(
            "%(n)s of %(total)s partners cannot be reached: probably our own way out of the network"
        )
    elif incident.cause == Cause.MANY:
        values["kind"] = Kind(params["kind"]).label
        text = gettext("%(kind)s: at %(n)s places at once")
    else:
        return _with_others(sentence(params["kind"], params["alert"]), incident.alert_count)
    return text % values


def _with_others(first: str, count: int) -> str:
    if count < 2:
        return first
    return gettext("%(text)s, and %(n)s more") % {"text": first, "n": count - 1}


def advice(incident: Incident) -> str:
    """Return what to do next."""
    found = _CAUSE_ADVICE.get(incident.cause) or _ADVICE[incident.params["kind"]]
    return str(found)

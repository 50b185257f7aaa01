"""Stations, calls and what they came to, as people read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, duration, link, minute, pill
from locations.admin import STATUS_TONES
from locations.models import Status
from ocpp_gateway.models import AlertKind, CallState, Outlet, Station, StationCall, StationState
from ocpp_gateway.publishing import ocpi_status
from ocpp_gateway.signatures import Verdict

STATE_TONES = {
    StationState.HELD: "amber",
    StationState.PLACED: "green",
    StationState.REFUSED: "red",
}
CALL_TONES = {
    CallState.WAITING: "blue",
    CallState.ANSWERED: "green",
    CallState.REFUSED: "red",
    CallState.TIMEOUT: "red",
    CallState.OFFLINE: "amber",
}
ALERT_TONES = {AlertKind.OFFLINE: "amber", AlertKind.FLOOD: "amber", AlertKind.LATE_FACTS: "amber"}
VERDICTS: Mapping[str, tuple[Any, str]] = {
    Verdict.VALID: (_("Signed by the meter"), "green"),
    Verdict.BROKEN: (_("Broken signature"), "red"),
    Verdict.UNVERIFIED: (_("Not verified"), "amber"),
}
# OCPI's AllowedType, as a person says it.
AUTHORISATIONS: Mapping[str, tuple[Any, str]] = {
    "ALLOWED": (_("Allowed"), "green"),
    "BLOCKED": (_("Blocked"), "red"),
    "EXPIRED": (_("Expired"), "red"),
    "NO_CREDIT": (_("No credit"), "red"),
    "NOT_ALLOWED": (_("Not allowed"), "red"),
    "UNKNOWN_TOKEN": (_("Unknown token"), "red"),
    "UNREACHABLE": (_("The provider cannot be reached"), "red"),
}
# Answers that mean that it was done, or will be.
_GOOD = frozenset(
    {"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked", "Notified"}
)


def connect_address(identity: str = "<identity>") -> str:
    """Return the address that a station connects to."""
    scheme = "wss" if settings.OCPP_TLS_CERTIFICATE else "ws"
    host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0].rpartition(":")
    name = host[0] or host[2]
    return f"{scheme}://{name}:{settings.OCPP_PORT}/ocpp/{identity}"


def how_to_connect() -> SafeString:
    """Say what to set a charger to."""
    return format_html(
        gettext(
            "Set the charger to connect to {} by OCPP 1.6J or 2.0.1, where the last part is a name "
            "of your choice. It will knock, and is listed among the stations: then you place it. "
            "No charger at hand? {} connects some that do not exist."
        ),
        format_html('<code class="cpo-anywhere">{}</code>', connect_address()),
        format_html("<code>{}</code>", "python3 manage.py simulate_chargers"),
    )


def location_link(station: Station) -> str:
    """Return a link to where a station stands, by the name that people know."""
    place = station.location
    return link(place, (place.name or place.address) if place else None)


def state_pill(station: Station) -> SafeString:
    """Return whether a station counts, in its colour."""
    known = StationState(station.state)
    if known is StationState.PLACED and station.in_maintenance:
        return pill(_("In maintenance"), "amber")
    return pill(known.label, STATE_TONES[known])


def online_pill(station: Station, *, now: datetime) -> SafeString:
    """Return whether a station is connected, in its colour."""
    if station.is_online(now=now):
        return pill(_("Online"), "green")
    if station.online_until is None:
        return pill(_("Never connected"), "grey")
    return pill(_("Offline"), "red" if station.state == StationState.PLACED else "grey")


def offline_since(station: Station) -> datetime | None:
    """Return since when a station that is not online has been away."""
    moments = (station.disconnected_at, station.online_until)
    return min((moment for moment in moments if moment), default=None)


def since_text(station: Station, *, now: datetime) -> SafeString:
    """Return since when a station is online, or is not."""
    if station.is_online(now=now):
        return minute(station.connected_at)
    return minute(offline_since(station))


def reported_pill(outlet: Outlet) -> SafeString:
    """Return what a station said of an outlet, in the colour of what OCPI makes of it."""
    if not outlet.reported_status:
        return pill(_("Nothing reported"), "grey")
    return pill(outlet.reported_status, STATUS_TONES[Status(ocpi_status(outlet))])


def outlet_pills(outlets: list[Outlet]) -> SafeString:
    """Return the outlets of a station in one line: `1 Charging`, `2 Available`."""
    return format_html_join(
        " ",
        "{}",
        (
            (
                pill(
                    f"{outlet.ordinal} {outlet.reported_status or '?'}",
                    STATUS_TONES[Status(ocpi_status(outlet))] if outlet.reported_status else "grey",
                ),
            )
            for outlet in outlets
        ),
    ) or SafeString(NONE)


def alert_pill(kind: str) -> SafeString:
    """Return what an alert is about, in its colour."""
    known = AlertKind(kind)
    return pill(known.label, ALERT_TONES.get(known, "red"))


def verdict_pill(verdict: str) -> SafeString:
    """Return whether a meter signed a value."""
    return pill(*VERDICTS.get(verdict, (verdict, "grey")))


def authorisation_pill(verdict: str) -> SafeString:
    """Return what was decided on a token."""
    if not verdict:
        return pill(_("No token yet"), "grey")
    return pill(*AUTHORISATIONS.get(verdict, (verdict, "grey")))


def answer_text(call: StationCall) -> str:
    """Return the word that a station answered with, "" where there is none."""
    answer = call.answer or {}
    results = answer.get("setVariableResult") or []
    words = [str(one.get("attributeStatus", "")) for one in results]
    return ", ".join(words) or str(answer.get("status", ""))


def is_good(call: StationCall) -> bool:
    """Tell whether a station does what it was asked for."""
    word = answer_text(call)
    return call.state == CallState.ANSWERED and (not word or word in _GOOD)


def call_pill(call: StationCall) -> SafeString:
    """Return what came of a call, in its colour."""
    state = CallState(call.state)
    word = answer_text(call)
    if state is CallState.ANSWERED and word:
        return pill(word, "green" if is_good(call) else "amber")
    return pill(state.label, CALL_TONES[state])


def outcome_text(call: StationCall) -> str:
    """Say in a sentence what came of a call."""
    state = CallState(call.state)
    if state is CallState.OFFLINE:
        return gettext("%(action)s was not sent: the station is not connected.") % {
            "action": call.action
        }
    if state in {CallState.TIMEOUT, CallState.WAITING}:
        return gettext("%(action)s was sent, and the station has not answered in time.") % {
            "action": call.action
        }
    if state is CallState.REFUSED:
        return gettext("%(action)s: the station answered with an error: %(error)s") % {
            "action": call.action,
            "error": call.error or NONE,
        }
    if not answer_text(call):
        return gettext("%(action)s: the station has answered.") % {"action": call.action}
    return gettext("%(action)s: the station has answered “%(answer)s”.") % {
        "action": call.action,
        "answer": answer_text(call),
    }


def version_text(version: str) -> str:
    """Return a version as people write it: 1.6, 2.0.1."""
    return version.removeprefix("ocpp") or NONE


def took(begin: datetime, end: datetime | None) -> str:
    """Return how long something took."""
    return NONE if end is None else duration((end - begin).total_seconds())

"""What partners asked of charging profiles, and what became of it; also on the session's page."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Panel,
    RecordAdmin,
    VisibleFilter,
    Way,
    link,
    moment,
    number,
    pill,
    register_panel,
)
from cpo_platform.common.shapes import parse_datetime
from roaming.models import ProfileRequest, ProfileResult
from sessions_app.models import Session
from sessions_app.models.tokens import ProfileType

SHOWN = 20
PERIODS_SHOWN = 100
RESULT_TONES = {
    ProfileResult.ACCEPTED: "green",
    ProfileResult.REJECTED: "red",
    ProfileResult.UNKNOWN: "amber",
}
Json = dict[str, Any]


@admin.register(ProfileRequest)
class ProfileRequestAdmin(RecordAdmin):
    """Requests on charging profiles, from the request to the result."""

    scope = Way(party="session", location="session__location")
    list_display = ("received", "what", "partner_link", "session_link", "state_pill", "took")
    list_display_links = ("received",)
    list_filter = ("action", "state", "result", ("partner", VisibleFilter))
    list_select_related = ("partner", "session")
    search_fields = ("partner__name", "session__ocpi_id")
    search_help_text = _("Search by partner or session")
    ordering = ("-received_at", "-id")
    empty_text = _(
        "Partners ask how fast a running session may charge, or set a limit for it. That needs "
        "OCPI 2.2.1 or later, and EVSEs that can take charging profiles."
    )

    def panels(self, request: HttpRequest, obj: ProfileRequest) -> list[Panel]:
        return [
            Panel(
                title=_("Request"),
                half=True,
                facts=[
                    (_("action"), obj.get_action_display()),
                    (_("partner"), link(obj.partner)),
                    (_("session"), link(obj.session, obj.session.ocpi_id)),
                    (_("received (UTC)"), moment(obj.received_at)),
                    *([(_("duration (s)"), obj.duration)] if obj.duration is not None else []),
                ],
            ),
            Panel(
                title=_("Result"),
                half=True,
                facts=[
                    (_("state"), result_pill(obj)),
                    (_("message"), obj.message or NONE),
                    (_("deadline (UTC)"), moment(obj.deadline)),
                    (_("finished (UTC)"), moment(obj.finished_at)),
                    (_("answered to"), obj.response_url),
                ],
            ),
            *self._profiles(obj),
        ]

    def _profiles(self, obj: ProfileRequest) -> list[Panel]:
        panels = []
        if obj.charging_profile:
            panels.append(_profile_panel(_("Limits asked for"), obj.charging_profile))
        if obj.active_profile:
            active = obj.active_profile
            panels.append(
                _profile_panel(
                    _("Limits in force"), active["charging_profile"], active["start_date_time"]
                )
            )
        return panels

    def heading(self, obj: ProfileRequest) -> object:
        return result_pill(obj)

    @admin.display(description=_("received (UTC)"), ordering="received_at")
    def received(self, row: ProfileRequest) -> str:
        return moment(row.received_at)

    @admin.display(description=_("action"), ordering="action")
    def what(self, row: ProfileRequest) -> str:
        return row.get_action_display()

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_link(self, row: ProfileRequest) -> str:
        return link(row.partner)

    @admin.display(description=_("session"))
    def session_link(self, row: ProfileRequest) -> str:
        return link(row.session, row.session.ocpi_id)

    @admin.display(description=_("result"), ordering="result")
    def state_pill(self, row: ProfileRequest) -> str:
        return result_pill(row)

    @admin.display(description=_("took"))
    def took(self, row: ProfileRequest) -> str:
        if row.finished_at is None:
            return NONE
        return f"{(row.finished_at - row.received_at).total_seconds():.1f} s"


def result_pill(row: ProfileRequest) -> str:
    """Return what became of a request, in its colour."""
    if not row.result:
        return pill(_("Waiting"), "blue")
    result = ProfileResult(row.result)
    return pill(result.label, RESULT_TONES[result])


def _profile_panel(title: object, profile: Json, start: object = None) -> Panel:
    """Show a profile as a table: from which second on, and how much."""
    unit = str(profile["charging_rate_unit"])
    start = start or profile.get("start_date_time")
    periods = profile.get("charging_profile_period") or []
    more = len(periods) - PERIODS_SHOWN
    return Panel(
        title=title,
        half=True,
        facts=[
            (_("from (UTC)"), _moment(start)),
            (_("for"), _seconds(profile.get("duration"))),
            (_("at least"), _rate(profile.get("min_charging_rate"), unit)),
        ],
        columns=(_("after (h:mm:ss)"), _("limit")),
        numeric=frozenset({0, 1}),
        rows=[
            (_seconds(period["start_period"]), _rate(period["limit"], unit))
            for period in periods[:PERIODS_SHOWN]
        ],
        empty=_("It names no limits."),
        note=_("And %(count)s more.") % {"count": more} if more > 0 else "",
    )


def _rate(value: Any, unit: str) -> str:
    return NONE if value is None else number(str(value), unit)


def _seconds(value: int | None) -> str:
    if value is None:
        return NONE
    return f"{value // 3600}:{value % 3600 // 60:02}:{value % 60:02}"


def _moment(value: object) -> object:
    at = parse_datetime(value) if isinstance(value, str) else value
    return moment(at) if isinstance(at, datetime) else NONE


def session_profiles_panel(_request: HttpRequest, session_id: int) -> Panel:
    """Return what partners asked of a session's charging, and what its driver wishes."""
    session = Session.objects.only("charging_preferences").get(pk=session_id)
    rows = (
        ProfileRequest.objects.filter(session=session_id)
        .select_related("partner")
        .defer("charging_profile", "active_profile")
        .order_by("-received_at", "-pk")[: SHOWN + 1]
    )
    shown = list(rows)
    return Panel(
        title=_("Charging profiles and preferences"),
        facts=[(_("charging preferences"), preferences_text(session.charging_preferences))],
        note=_("The last %(count)s, newest first.") % {"count": SHOWN}
        if len(shown) > SHOWN
        else "",
        columns=(_("received (UTC)"), _("action"), _("partner"), _("result"), _("message")),
        rows=[
            (
                link(row, moment(row.received_at)),
                row.get_action_display(),
                link(row.partner),
                result_pill(row),
                row.message or NONE,
            )
            for row in shown[:SHOWN]
        ],
        empty=_("No partner has asked for, or set, a charging profile."),
    )


def preferences_text(preferences: Json | None) -> str:
    """Say in a sentence how the driver wishes to charge."""
    if not preferences:
        return gettext("The driver has not said any.")
    kind = preferences["profile_type"]
    parts = [str(dict(ProfileType.choices).get(kind, kind))]
    departure = preferences.get("departure_time")
    at = parse_datetime(departure) if isinstance(departure, str) else departure
    if isinstance(at, datetime):
        parts.append(gettext("leaves at %(time)s UTC") % {"time": f"{at:%Y-%m-%d %H:%M}"})
    if preferences.get("energy_need") is not None:
        energy = number(str(preferences["energy_need"]), "kWh")
        parts.append(gettext("needs %(energy)s") % {"energy": energy})
    if preferences.get("discharge_allowed"):
        parts.append(gettext("the car may be discharged"))
    return "; ".join(parts)


register_panel("sessions", session_profiles_panel, needs="roaming.view_profilerequest")

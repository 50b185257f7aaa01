"""The frame of the admin: its site and its navigation."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite  # type: ignore[import-untyped]

from cpo_platform.common.admin import may
from cpo_platform.staff.roles import VIEW_OPERATIONS

_GROUPS: Sequence[tuple[Any, Sequence[tuple[Any, str, str]]]] = (
    (
        _("Network"),
        (
            (_("Map"), "map", "locations.location@workplace:map"),
            (_("Locations"), "location_on", "locations.location"),
            (_("EVSEs"), "ev_station", "locations.evse"),
            (_("Availability"), "monitoring", "locations.location@sites:availability"),
            (_("Data quality"), "fact_check", "locations.location@sites:quality"),
            (_("Location groups"), "workspaces", "locations.locationgroup"),
            (_("Parties"), "apartment", "tariffs.party"),
            (_("Bulk changes"), "edit_note", "bulk.job"),
        ),
    ),
    (
        _("Prices"),
        (
            (_("Tariffs"), "sell", "tariffs.tariff"),
            (_("Tariff check"), "rule", "tariffs.tariff/check"),
            (_("Replays"), "history", "sessions_app.replay"),
        ),
    ),
    (
        pgettext_lazy("navigation", "Charging"),
        (
            (_("Sessions"), "bolt", "sessions_app.session"),
            (_("Reservations"), "event_available", "sessions_app.reservation"),
            (_("CDRs"), "receipt_long", "sessions_app.cdr"),
            (_("Held CDRs"), "front_hand", "sessions_app.cdrhold"),
            (_("Tokens"), "badge", "sessions_app.token"),
        ),
    ),
    (
        _("Chargers"),
        (
            (_("Stations"), "charger", "ocpp_gateway.station"),
            (_("Transactions"), "electric_bolt", "ocpp_gateway.transaction"),
            (_("Station messages"), "settings_ethernet", "ocpp_gateway.stationmessage"),
            (_("Station alerts"), "notification_important", "ocpp_gateway.stationalert"),
        ),
    ),
    (
        _("Alerts"),
        (
            (_("Incidents"), "notifications", "alerting.incident"),
            (_("Rules"), "rule_settings", "alerting.rule"),
            (_("Channels"), "campaign", "alerting.channel"),
        ),
    ),
    (
        _("Roaming"),
        (
            (_("Partners"), "hub", "roaming.partner"),
            (_("Commands"), "send", "roaming.command"),
            (_("Charging profiles"), "tune", "roaming.profilerequest"),
            (_("Messages"), "forum", "roaming.message"),
            (_("Refused calls"), "gpp_bad", "roaming.refusedcall"),
            (_("Held back"), "block", "roaming.quarantined"),
            (_("Drift checks"), "difference", "roaming.driftcheck"),
        ),
    ),
    (
        _("Staff"),
        (
            (_("Users"), "person", "auth.user"),
            (_("Groups"), "group", "auth.group"),
            (_("Audit"), "manage_search", "audit.entry"),
        ),
    ),
    (
        _("Platform"),
        # Beside those of models there is one permission of its own: to keep the platform running.
        (
            (_("Operations"), "monitor_heart", "staff.operations@operations"),
            (_("Schedules"), "schedule", "upkeep.schedule"),
        ),
    ),
)


class Site(UnfoldAdminSite):  # type: ignore[misc]  # it has no types
    """The admin's site, whose frame is made anew for each page."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the apps with their models once somebody looks at them.

        Each page is handed them, and none that we have shows them beside `navigation`: to ask for
        every permission and address took two thirds of the time of the frame.
        """
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar, in the language of the moment: what this person may see."""
    home = {"title": gettext("Home"), "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [home]}]
    here = _entry_of(request.path)
    for title, entries in _GROUPS:
        items = [
            {
                # As text: the sidebar is copied for each page, and what is lazy takes long to copy.
                "title": str(name),
                "icon": icon,
                "link": list_url(model),
                "active": list_url(model) == here,
            }
            for name, icon, model in entries
            if may_see(request, model)
        ]
        if items:
            groups.append({"title": str(title), "separator": True, "items": items})
    return groups


def _entry_of(path: str) -> str:
    """Return the address of the entry that a page belongs to: the longest that it begins with."""
    links = (list_url(model) for _title, entries in _GROUPS for _name, _icon, model in entries)
    return max((link for link in links if path.startswith(link)), key=len, default="")


def section(request: HttpRequest) -> dict[str, Any]:
    """Return the section of the sidebar that a page belongs to, for the line above the page."""
    # Late: many small templates are rendered with the request, and one of them asks.
    return {"section": SimpleLazyObject(partial(section_of, request.path))}


def section_of(path: str) -> str:
    """Return the title of the section of a page; "" where it is in none.

    What has no entry of its own, such as a parking place, is where its app begins.
    """
    home = reverse("admin:index")
    app = path.removeprefix(home).partition("/")[0]
    begins = _entry_of(path) or (f"{home}{app}/" if app else "")
    titles = (
        title
        for title, entries in _GROUPS
        for _name, _icon, model in entries
        if begins and list_url(model).startswith(begins)
    )
    return str(next(titles, ""))


@cache
def list_url(model: str) -> str:
    """Return the address of a model's list, or of a page beside it: `tariffs.tariff/check`.

    After an `@` stands the name of a page that is no model's, for those who may see the model.
    """
    _model, _at, other = model.partition("@")
    if other:
        return reverse(other)
    name, _slash, page = model.partition("/")
    return reverse(f"admin:{name.replace('.', '_')}_{page or 'changelist'}")


def may_see(request: HttpRequest, model: str) -> bool:
    """Tell whether a person may see rows of a model such as `locations.evse`."""
    app, _dot, name = model.partition("@")[0].partition("/")[0].partition(".")
    permission = f"{app}.view_{name}"
    if permission == VIEW_OPERATIONS:
        return request.user.has_perm(permission)
    return may(request, permission)

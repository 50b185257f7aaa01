"""The page of a station: the same number of queries, whatever there is to show."""

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import Button, Panel, RecordAdmin
from ocpp_gateway.admin import placing
from ocpp_gateway.admin.display import online_pill, state_pill
from ocpp_gateway.admin.station_actions import button_of
from ocpp_gateway.admin.station_panels import (
    alerts_panel,
    calls_panel,
    charging_panel,
    configuration_panel,
    device_panel,
    files_panel,
    may_ask,
    may_change,
    messages_panel,
    newest_messages,
    outlets_panel,
    page_url,
    status_panel,
    transactions_panel,
)
from ocpp_gateway.models import Station, StationState


def show(admin: RecordAdmin, request: HttpRequest, station: Station) -> HttpResponse:
    """Show how a station is, what goes on there, and what can be asked of it."""
    now = clock.now()
    can_act = may_change(request)
    is_placed = station.state == StationState.PLACED
    return admin.page(
        request,
        "admin/ocpp_gateway/station/record.html",
        title=str(station),
        obj=station,
        heading=format_html("{} {}", state_pill(station), online_pill(station, now=now)),
        alert=_alert(station, now),
        alert_buttons=placing.step_buttons(station) if can_act and not is_placed else [],
        panels=_live(station, request, now, can_act=can_act and is_placed),
        still=_still(station, can_act=can_act and is_placed),
        running=True,
        buttons=_buttons(station) if can_act else [],
    )


def _live(station: Station, request: HttpRequest, now: datetime, *, can_act: bool) -> list[Panel]:
    messages = newest_messages(station, now=now)
    if station.state == StationState.HELD:
        return [
            status_panel(station, messages, [], now),
            device_panel(station, []),
            messages_panel(station, messages),
        ]
    is_placed = station.state == StationState.PLACED
    outlets = list(station.outlets.select_related("connector__evse", "station").order_by("ordinal"))
    connection = _asks(request, station, "restart", "trigger")
    charging = _asks(request, station, "start", "stop")
    sockets = _asks(request, station, "availability", "unlock")
    if can_act:
        sockets.append(Button(_("Change the connectors"), page_url(station, "outlets")))
    password = [
        button_of("rotate", station),
        Button(_("Make a new password"), page_url(station, "password")),
    ]
    return [
        *alerts_panel(station, request),
        status_panel(station, messages, connection if is_placed else [], now),
        device_panel(station, password if can_act else []),
        outlets_panel(station, outlets, sockets if is_placed else []),
        charging_panel(station, charging if is_placed else []),
        calls_panel(station),
        messages_panel(station, messages),
    ]


def _asks(request: HttpRequest, station: Station, *names: str) -> list[Button]:
    """Return the buttons to what this person may ask of a station."""
    return [button_of(name, station) for name in names if may_ask(request, name)]


def _still(station: Station, *, can_act: bool) -> list[Panel]:
    if station.state == StationState.HELD:
        return []
    names = ("read", "write", "local_list", "clear_cache")
    configuration = [button_of(name, station) for name in names]
    files = [button_of(name, station) for name in ("firmware", "logs")]
    return [
        transactions_panel(station),
        files_panel(station, files if can_act else []),
        configuration_panel(station, configuration if can_act else []),
    ]


def _buttons(station: Station) -> list[Button]:
    """Return what staff can decide on a station as it is."""
    forget = Button(_("Forget it"), page_url(station, "forget"))
    if station.state != StationState.PLACED:
        return [*placing.step_buttons(station), forget]
    text = _("End maintenance") if station.in_maintenance else _("Begin maintenance")
    return [
        Button(text, page_url(station, "maintenance")),
        Button(_("Refuse it"), page_url(station, "refuse"), tone="warn"),
        forget,
    ]


def _alert(station: Station, now: datetime) -> str:
    """Return what staff must know before anything else, or an empty text."""
    if station.state == StationState.HELD:
        return gettext(
            "It has knocked, and nothing that it says has an effect. Say where it stands, or "
            "refuse it."
        )
    if station.state == StationState.REFUSED:
        return gettext("It is turned away whenever it knocks.")
    if station.is_online(now=now):
        return ""
    if station.online_until is None:
        return gettext(
            "It has never connected. Set it to its address and password: it appears here at once."
        )
    return gettext("It is offline: what you ask of it now does not reach it.")

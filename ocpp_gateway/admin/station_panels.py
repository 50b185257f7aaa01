"""What the page of a station shows."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import NONE, Button, Panel, link, minute, moment, number
from locations.admin import connector_text, status_pill
from ocpp_gateway.admin.curve import curve
from ocpp_gateway.admin.display import (
    alert_pill,
    authorisation_pill,
    call_pill,
    location_link,
    offline_since,
    online_pill,
    reported_pill,
    state_pill,
    took,
    version_text,
)
from ocpp_gateway.admin.message_log import log_url, outcome_pill, short_payload
from ocpp_gateway.models import (
    Outlet,
    Station,
    StationCall,
    StationMessage,
    StationState,
    Transaction,
)
from ocpp_gateway.publishing import ocpi_status
from ocpp_gateway.redaction import MASK, is_secret
from sessions_app.models import MeterReading

MESSAGES_SHOWN = 10
# What may be asked of a station for a driver who stands there.
HELPS_DRIVERS = ("start", "stop", "unlock", "trigger")
CALLS_SHOWN = 10
TRANSACTIONS_SHOWN = 5
CHARGING_SHOWN = 6
MOST_READINGS = 3000
LOOKED_BACK = timedelta(days=7)


def page_url(station: Station, name: str) -> str:
    """Return the address of a page behind a button of a station's page."""
    return reverse(f"admin:ocpp_gateway_station_{name}", args=[station.pk])


def may_change(request: HttpRequest) -> bool:
    """Tell whether this person may do anything to stations."""
    return request.user.has_perm("ocpp_gateway.change_station")


def may_ask(request: HttpRequest, name: str) -> bool:
    """Tell whether this person may ask this of stations: some may only what helps a driver."""
    helps = name in HELPS_DRIVERS and request.user.has_perm("ocpp_gateway.add_stationcall")
    return may_change(request) or helps


def status_panel(
    station: Station, messages: Sequence[StationMessage], buttons: Sequence[Button], now: datetime
) -> Panel:
    """Return how a station is connected, and what it said of itself when it booted."""
    is_online = station.is_online(now=now)
    away = [] if is_online else [(_("offline since (UTC)"), moment(offline_since(station)))]
    return Panel(
        title=_("Connection"),
        half=True,
        facts=[
            (_("connection"), online_pill(station, now=now)),
            *([(_("online since (UTC)"), moment(station.connected_at))] if is_online else away),
            (_("last message (UTC)"), moment(messages[0].at if messages else None)),
            (_("IP address"), station.remote_address or NONE),
            (_("OCPP version"), version_text(station.ocpp_version)),
            (_("booted (UTC)"), moment(station.booted_at)),
            (_("reason of the boot"), station.boot_reason or NONE),
            (_("first seen (UTC)"), moment(station.first_seen_at)),
        ],
        buttons=buttons,
    )


def device_panel(station: Station, buttons: Sequence[Button]) -> Panel:
    """Return what a station is."""
    return Panel(
        title=_("Station"),
        half=True,
        facts=[
            (_("state"), state_pill(station)),
            (_("location"), location_link(station)),
            (_("vendor"), station.vendor or NONE),
            (_("model"), station.model or NONE),
            (_("serial number"), station.serial_number or NONE),
            (_("firmware"), station.firmware_version or NONE),
            (_("password"), _password_text(station)),
        ],
        buttons=buttons,
    )


def _password_text(station: Station) -> str:
    if station.state == StationState.HELD:
        if station.password_hash:
            return gettext("it has knocked with one")
        return gettext("it has knocked without one")
    if station.next_password_hash:
        return gettext("a new one was sent; the old one is good until the new one is shown")
    return gettext("set") if station.password_hash else gettext("none")


def outlets_panel(station: Station, outlets: Sequence[Outlet], buttons: Sequence[Button]) -> Panel:
    """Return each outlet: what the station reported, what it is by the table, what is shown."""
    return Panel(
        title=_("Connectors"),
        whole=True,
        columns=(
            *("#", _("EVSE"), _("connector"), _("reported"), _("that is"), _("shown to partners")),
            *(_("error"), _("reported at (UTC)")),
        ),
        rows=[
            (
                outlet.ordinal,
                link(outlet.connector.evse),
                connector_text(outlet.connector),
                _reported(outlet),
                ocpi_status(outlet) if outlet.reported_status else NONE,
                status_pill(outlet.connector.evse.status),
                outlet.error or NONE,
                moment(outlet.reported_at),
            )
            for outlet in outlets
        ],
        note=_("It is in maintenance: its EVSEs are shown as inoperative, whatever it reports.")
        if station.in_maintenance
        else "",
        empty=_("It has no connectors of ours: whatever it says of them has no effect.")
        if station.state == StationState.PLACED
        else _("It has none before it is placed."),
        buttons=buttons,
    )


def _reported(outlet: Outlet) -> SafeString:
    if not outlet.charging_state or outlet.charging_state == outlet.reported_status:
        return reported_pill(outlet)
    return format_html("{} {}", reported_pill(outlet), outlet.charging_state)


def charging_panel(station: Station, buttons: Sequence[Button]) -> Panel:
    """Return what goes on now, with its curves: three queries, however much there is."""
    rows = list(
        Transaction.objects.filter(station=station, ended_at__isnull=True)
        .select_related("outlet", "session")
        .order_by("-pk")[:CHARGING_SHOWN]
    )
    readings: dict[int, list[MeterReading]] = {}
    found = MeterReading.objects.filter(
        session__in=[row.session_id for row in rows if row.session_id]
    ).order_by("-at")[:MOST_READINGS]
    for reading in reversed(found):
        readings.setdefault(reading.session_id, []).append(reading)
    curves = format_html_join(
        "", "<div>{}{}</div>", ((_charging(row), _curve(row, readings)) for row in rows)
    )
    return Panel(
        title=_("Charging now"),
        note=format_html('<span class="cpo-curves">{}</span>', curves)
        if rows
        else gettext("Nobody charges here at the moment."),
        whole=True,
        buttons=buttons,
    )


def _charging(row: Transaction) -> SafeString:
    session = row.session
    if session is None:
        return format_html(
            "{} · {}",
            link(row, _("Transaction %(id)s") % {"id": row.pk}),
            row.why_unbilled or gettext("no session yet"),
        )
    return format_html(
        "#{} · {} · {} · {}",
        row.outlet.ordinal if row.outlet else NONE,
        link(session, session.token_contract_id),
        number(round(session.kwh, 2), "kWh"),
        link(row, _("Transaction %(id)s") % {"id": row.pk}),
    )


def _curve(row: Transaction, readings: dict[int, list[MeterReading]]) -> SafeString:
    return curve(readings.get(row.session_id or 0, []))


def alerts_panel(station: Station, request: HttpRequest) -> list[Panel]:
    """Return what needs a look, where anything does."""
    alerts = list(
        station.alerts.filter(resolved_at__isnull=True)
        .select_related("transaction")
        .order_by("-raised_at")[:20]
    )
    if not alerts:
        return []
    buttons = []
    if request.user.has_perm("ocpp_gateway.change_stationalert"):
        url = reverse("admin:ocpp_gateway_stationalert_changelist")
        buttons = [Button(_("To the alerts"), f"{url}?q={station.identity}")]
    return [
        Panel(
            title=_("Needs a look"),
            whole=True,
            columns=(_("what"), _("since (UTC)"), _("what was seen"), _("transaction")),
            rows=[
                (
                    link(alert, alert_pill(alert.kind)),
                    moment(alert.raised_at),
                    alert.seen,
                    link(alert.transaction, alert.transaction_id),
                )
                for alert in alerts
            ],
            buttons=buttons,
        )
    ]


def calls_panel(station: Station) -> Panel:
    """Return what was asked of a station lately, and what came of it."""
    calls = list(station.calls.select_related("session").order_by("-asked_at", "-pk")[:CALLS_SHOWN])
    return Panel(
        title=_("Calls to the station"),
        whole=True,
        columns=(
            *(_("asked (UTC)"), _("action"), _("request"), _("asked by"), _("outcome")),
            *(_("sent after"), _("answered after"), _("session")),
        ),
        numeric=frozenset({5, 6}),
        rows=[
            (
                moment(call.asked_at),
                call.action,
                _request(call),
                call.asked_by or NONE,
                _outcome(call),
                took(call.asked_at, call.sent_at),
                took(call.sent_at or call.asked_at, call.answered_at),
                link(call.session, call.session_id),
            )
            for call in calls
        ],
        empty=_("Nothing was asked of it yet."),
    )


def _request(call: StationCall) -> SafeString:
    text = ", ".join(f"{name}: {value}" for name, value in call.payload.items())
    return format_html('<span class="cpo-anywhere cpo-faint">{}</span>', text[:120] or NONE)


def _outcome(call: StationCall) -> SafeString:
    if not call.error:
        return call_pill(call)
    return format_html('{} <span class="cpo-anywhere">{}</span>', call_pill(call), call.error[:160])


def newest_messages(station: Station, *, now: datetime) -> list[StationMessage]:
    """Return the last of what was said, by the index of a station's messages."""
    rows = StationMessage.objects.filter(station=station, at__gte=now - LOOKED_BACK)
    return list(rows.order_by("-at", "-id")[:MESSAGES_SHOWN])


def messages_panel(station: Station, messages: Sequence[StationMessage]) -> Panel:
    """Return the last messages, and where the others are."""
    return Panel(
        title=_("Last messages"),
        whole=True,
        columns=(_("at (UTC)"), _("direction"), _("action"), _("says"), _("outcome")),
        rows=[
            (
                link(message, moment(message.at)),
                message.get_direction_display(),
                message.action or NONE,
                short_payload(message),
                outcome_pill(message),
            )
            for message in messages
        ],
        empty=_("It has said nothing in the last 7 days."),
        buttons=[Button(_("Search its messages"), log_url(station))],
    )


def transactions_panel(station: Station) -> Panel:
    """Return the last transactions."""
    rows = station.transactions.select_related("session").order_by("-opened_at")
    url = reverse("admin:ocpp_gateway_transaction_changelist")
    return Panel(
        title=_("Last transactions"),
        columns=(
            *(_("first heard of (UTC)"), _("token"), _("authorisation"), _("energy")),
            *(_("ended (UTC)"), _("session")),
        ),
        numeric=frozenset({3}),
        rows=[
            (
                link(row, minute(row.opened_at)),
                row.token_uid or NONE,
                authorisation_pill(row.verdict),
                number(round(row.energy, 2), "kWh"),
                minute(row.ended_at),
                link(row.session, _("Session")) if row.session else row.why_unbilled or NONE,
            )
            for row in rows[:TRANSACTIONS_SHOWN]
        ],
        empty=_("Nobody has charged here yet."),
        buttons=[Button(_("All of its transactions"), f"{url}?q={station.identity}")],
    )


def configuration_panel(station: Station, buttons: Sequence[Button]) -> Panel:
    """Return what a station is set to; secrets are not shown."""
    return Panel(
        title=_("Configuration"),
        note=format_html(gettext("Read at {} UTC."), moment(station.configuration_read_at))
        if station.configuration_read_at
        else "",
        columns=(_("name"), _("value")),
        rows=[
            (
                _setting(station, name, can_change=bool(buttons)),
                format_html(
                    '<span class="cpo-anywhere">{}</span>',
                    MASK if is_secret(name) and value else value,
                ),
            )
            for name, value in sorted(station.configuration.items())
        ],
        empty=_("It was not read yet."),
        buttons=buttons,
    )


def _setting(station: Station, name: str, *, can_change: bool) -> SafeString:
    if not can_change or is_secret(name):
        return format_html('<span class="cpo-anywhere">{}</span>', name)
    url = f"{page_url(station, 'write')}?{urlencode({'name': name})}"
    return format_html('<a class="cpo-link cpo-anywhere" href="{}">{}</a>', url, name)


def files_panel(station: Station, buttons: Sequence[Button]) -> Panel:
    """Return how far updates of firmware and uploads of logs are."""
    return Panel(
        title=_("Firmware and logs"),
        facts=[
            (_("firmware"), station.firmware_version or NONE),
            (_("firmware update"), station.firmware_status or NONE),
            (_("upload of logs"), station.log_status or NONE),
        ],
        buttons=buttons,
    )


def stations_of_location(_request: HttpRequest, location_id: int) -> Panel:
    """Return, on a location's page, the stations that stand there."""
    rows = list(Station.objects.filter(location=location_id).order_by("identity")[:50])
    now = clock.now()
    return Panel(
        title=_("Stations"),
        columns=(_("identity"), _("state"), _("connection"), _("OCPP version"), _("model")),
        rows=[
            (
                link(row),
                state_pill(row),
                online_pill(row, now=now),
                version_text(row.ocpp_version),
                row.model or NONE,
            )
            for row in rows
        ],
        empty=_("No charger is connected here yet."),
        buttons=[
            Button(_("To the stations"), reverse("admin:ocpp_gateway_station_changelist")),
        ],
    )

"""The pages of transactions: what a station said that it charged, and what became of it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    RecordAdmin,
    Way,
    change_url,
    link,
    minute,
    moment,
    number,
    pill,
    unbroken,
)
from ocpp_gateway.admin.curve import curve
from ocpp_gateway.admin.display import (
    alert_pill,
    authorisation_pill,
    verdict_pill,
    version_text,
)
from ocpp_gateway.admin.message_log import transaction_log_url
from ocpp_gateway.admin.session_panels import findings_of
from ocpp_gateway.charging import id_of
from ocpp_gateway.frames import Version
from ocpp_gateway.models import SignedMeterValue, Transaction
from ocpp_gateway.signatures import Verdict

MOST_SIGNED = 20
MOST_READINGS = 3000


class _BillFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "bill"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("Under way")),
            ("unbilled", _("Ended without a session")),
            ("odd", _("With findings")),
            ("broken", _("With a broken signature")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "open":
                return queryset.filter(ended_at__isnull=True)
            case "unbilled":
                return queryset.filter(ended_at__isnull=False, session__isnull=True)
            case "odd":
                return queryset.exclude(findings=[])
            case "broken":
                broken = SignedMeterValue.objects.filter(verdict=Verdict.BROKEN)
                return queryset.filter(pk__in=broken.values("transaction"))
        return queryset


@admin.register(Transaction)
class TransactionAdmin(RecordAdmin):
    """Transactions of stations, and the sessions that they became."""

    scope = Way(party="station__location", location="station__location")
    list_display = (
        *("opened", "station_link", "token_uid", "verdict_shown", "energy_shown", "ended"),
        *("odd", "outcome"),
    )
    list_display_links = ("opened",)
    list_filter = (_BillFilter, "verdict", "ocpp_version")
    list_select_related = ("station", "outlet", "session")
    search_fields = ("station__identity", "token_uid", "ref", "session__ocpi_id")
    search_help_text = _("Search by station, token, transaction id or session")
    ordering = ("-opened_at",)
    empty_text = _("Transactions appear here as soon as somebody charges at a station in service.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("station", "outlet", "session")

    def panels(self, request: HttpRequest, obj: Transaction) -> list[Panel]:
        return [
            _token_panel(obj),
            _course_panel(obj),
            *_findings_panel(obj),
            *_curve_panel(obj),
            *_alerts_panel(obj),
            *_signed_panels(obj),
        ]

    def heading(self, obj: Transaction) -> object:
        return outcome_of(obj)

    def buttons(self, request: HttpRequest, obj: Transaction) -> list[Button]:
        buttons = [Button(_("Its messages"), transaction_log_url(obj.pk))]
        if obj.session is not None:
            url = reverse("admin:sessions_app_session_story", args=[obj.session.pk])
            buttons.append(Button(_("Explain this session"), url))
        return [*buttons, Button(_("To the station"), change_url(obj.station))]

    @admin.display(description=_("first heard of (UTC)"), ordering="opened_at")
    def opened(self, row: Transaction) -> str:
        return minute(row.opened_at)

    @admin.display(description=_("station"), ordering="station__identity")
    def station_link(self, row: Transaction) -> str:
        place = f" #{row.outlet.ordinal}" if row.outlet else ""
        return format_html('<span class="cpo-unbroken">{}{}</span>', link(row.station), place)

    @admin.display(description=_("authorisation"), ordering="verdict")
    def verdict_shown(self, row: Transaction) -> str:
        return authorisation_pill(row.verdict)

    @admin.display(description=_("energy"), ordering="energy")
    def energy_shown(self, row: Transaction) -> str:
        return unbroken(number(round(row.energy, 2), "kWh"))

    @admin.display(description=_("ended (UTC)"), ordering="ended_at")
    def ended(self, row: Transaction) -> str:
        return minute(row.ended_at)

    @admin.display(description=_("findings"))
    def odd(self, row: Transaction) -> object:
        return pill(len(row.findings), "amber") if row.findings else NONE

    @admin.display(description=_("session"))
    def outcome(self, row: Transaction) -> str:
        if row.session is not None:
            return link(row.session, row.session.token_contract_id)
        return row.why_unbilled or NONE


def outcome_of(row: Transaction) -> str:
    """Return how a transaction is, in its colour."""
    if row.ended_at is None:
        return pill(_("Under way"), "green")
    if row.session_id is None:
        return pill(_("No session"), "amber")
    return pill(_("Ended"), "grey")


def _token_panel(row: Transaction) -> Panel:
    contract = (row.cdr_token or {}).get("contract_id", NONE)
    return Panel(
        title=_("Who charges"),
        half=True,
        facts=[
            (_("token"), row.token_uid or NONE),
            (_("kind of token"), row.token_type or NONE),
            (_("authorisation"), authorisation_pill(row.verdict)),
            (_("authorised by"), row.get_auth_method_display() or NONE),
            (_("contract"), contract),
            (_("authorisation reference"), row.authorization_reference or NONE),
            (_("remote start"), gettext("yes") if row.remote_start_id else gettext("no")),
            (_("session"), link(row.session)),
            *([(_("why there is no session"), row.why_unbilled)] if row.unbilled_reason else []),
        ],
    )


def _course_panel(row: Transaction) -> Panel:
    return Panel(
        title=_("Transaction"),
        half=True,
        facts=[
            (_("station"), link(row.station)),
            (_("connector"), row.outlet.ordinal if row.outlet else NONE),
            (_("id at the station"), id_of(row, Version(row.ocpp_version))),
            (_("OCPP version"), version_text(row.ocpp_version)),
            (_("first heard of (UTC)"), moment(row.opened_at)),
            (_("started (UTC)"), moment(row.started_at)),
            (_("ended (UTC)"), moment(row.ended_at)),
            (_("reason of the end"), row.end_reason or NONE),
            (_("energy"), number(row.energy, "kWh")),
            (_("last understood (UTC)"), moment(row.digested_at)),
        ],
    )


def _findings_panel(row: Transaction) -> list[Panel]:
    if not row.findings:
        return []
    return [Panel(title=_("What was odd"), note=findings_of(row))]


def _curve_panel(row: Transaction) -> list[Panel]:
    if row.session is None:
        return []
    readings = list(row.session.meter_readings.order_by("at")[:MOST_READINGS])
    return [Panel(title=_("Power and energy"), note=curve(readings))]


def _alerts_panel(row: Transaction) -> list[Panel]:
    alerts = list(row.alerts.order_by("-raised_at")[:20])
    if not alerts:
        return []
    return [
        Panel(
            title=_("Alerts"),
            columns=(_("what"), _("since (UTC)"), _("what was seen"), _("resolved (UTC)")),
            rows=[
                (
                    link(alert, alert_pill(alert.kind)),
                    moment(alert.raised_at),
                    alert.seen,
                    moment(alert.resolved_at),
                )
                for alert in alerts
            ],
        )
    ]


def _signed_panels(row: Transaction) -> list[Panel]:
    """Return each signed value, untouched, with what was found when it was judged."""
    values = list(row.signed_values.order_by("position")[:MOST_SIGNED])
    if not values:
        return [
            Panel(title=_("Signed meter values"), note=_("The station has sent none."), half=True)
        ]
    return [
        Panel(
            title=format_html(
                "{} {} {}",
                gettext("Signed meter value"),
                value.position + 1,
                verdict_pill(value.verdict),
            ),
            half=True,
            facts=[
                (_("at (UTC)"), moment(value.at)),
                (_("context"), value.context or NONE),
                (_("reason"), gettext(value.reason) if value.reason else NONE),
                (_("method"), value.signing_method or NONE),
                (_("encoding"), value.encoding_method or NONE),
                (_("judged (UTC)"), moment(value.judged_at)),
            ],
            code=value.data,
        )
        for value in values
    ]

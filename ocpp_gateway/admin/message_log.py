"""The pages of what went over the chargers' connections."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    SearchedAdmin,
    SpanSearch,
    Way,
    change_url,
    link,
    link_to,
    moment,
    pill,
    pretty_body,
    unbroken,
)
from cpo_platform.common.admin.searching import choice_of, moment_of, text_of
from ocpp_gateway.admin.display import version_text
from ocpp_gateway.admin.message_words import words_of
from ocpp_gateway.models import Direction, Station, StationMessage

MOST_STATIONS = 50
ACTIONS = (
    *("Authorize", "BootNotification", "ChangeAvailability", "ChangeConfiguration"),
    *("ClearCache", "DataTransfer", "GetConfiguration", "Heartbeat", "MeterValues"),
    *("NotifyEvent", "NotifyReport", "RemoteStartTransaction", "RemoteStopTransaction"),
    *("RequestStartTransaction", "RequestStopTransaction", "Reset", "SendLocalList"),
    *("SetChargingProfile", "SetVariables", "StartTransaction", "StatusNotification"),
    *("StopTransaction", "TransactionEvent", "TriggerMessage", "UnlockConnector"),
    "UpdateFirmware",
)


class StationMessageSearch(SpanSearch):
    """The fields above the list of messages."""

    whole_by = ("transaction",)

    station = text_of(_("Station"), "CP-17")
    action = text_of(_("Action"), "StatusNotification")
    direction = choice_of(_("Direction"), [("", _("both")), *Direction.choices])
    outcome = choice_of(_("Outcome"), [("", _("all")), ("failed", _("only failures"))])
    text = text_of(_("Text in request or answer"), "Faulted")
    transaction = forms.IntegerField(
        label=_("Transaction"),
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        widget=text_of("", "42").widget,
    )
    since = moment_of(_("Since (UTC)"))
    until = moment_of(_("Until (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["action"].widget.attrs["list"] = "ocpp-actions"

    @property
    def suggestions(self) -> tuple[str, ...]:
        return ACTIONS

    def narrow(self, rows: QuerySet[StationMessage]) -> QuerySet[StationMessage]:
        data = self.cleaned_data
        wanted = Q()
        if data["station"]:
            wanted &= Q(station__in=_stations(data["station"]))
        if data["action"]:
            wanted &= Q(action__iexact=data["action"].strip())
        if data["direction"]:
            wanted &= Q(direction=data["direction"])
        if data["outcome"]:
            wanted &= ~Q(error="")
        if data["transaction"]:
            wanted &= Q(transaction=data["transaction"])
        if data["text"]:
            # No index has it: it is looked for within the span of time only.
            text = data["text"].strip()
            wanted &= (
                Q(payload__icontains=text) | Q(answer__icontains=text) | Q(error__icontains=text)
            )
        return rows.filter(wanted)


def _stations(text: str) -> list[int]:
    """Return the stations whose identity is, or else contains, a text: few, so an index serves."""
    name = text.strip()
    exact = list(Station.objects.filter(identity=name).values_list("pk", flat=True))
    if exact:
        return exact
    alike = Station.objects.filter(identity__icontains=name).order_by("pk")
    return list(alike.values_list("pk", flat=True)[:MOST_STATIONS])


@admin.register(StationMessage)
class StationMessageAdmin(SearchedAdmin):
    """What went over the chargers' connections: a call and its answer, without secrets."""

    scope = Way(party="station__location", location="station__location")
    search_form = StationMessageSearch
    change_list_template = "admin/ocpp_gateway/stationmessage/change_list.html"
    list_display = (*("when", "station_link", "way", "what", "says", "outcome", "charge", "ms"),)
    list_display_links = ("when",)
    list_select_related = ("station",)
    empty_text = _(
        "No charger has said anything in the last 24 hours. To look further back, say since when."
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("station")

    def panels(self, request: HttpRequest, obj: StationMessage) -> list[Panel]:
        asked_by_us = obj.direction == Direction.OUT
        return [
            Panel(
                title=_("Message"),
                half=True,
                facts=[
                    (_("at (UTC)"), moment(obj.at)),
                    (_("station"), link(obj.station)),
                    (_("direction"), obj.get_direction_display()),
                    (_("action"), obj.action or NONE),
                    (_("transaction"), _transaction_link(obj)),
                ],
            ),
            Panel(
                title=_("Outcome"),
                half=True,
                facts=[
                    (_("outcome"), outcome_pill(obj)),
                    (_("error"), obj.error or NONE),
                    (_("duration"), f"{obj.duration_ms} ms"),
                    (_("message id"), obj.unique_id or NONE),
                    (_("OCPP version"), version_text(obj.ocpp_version)),
                ],
            ),
            Panel(
                title=_("Request"),
                half=True,
                note=_("From us to the station.") if asked_by_us else _("From the station to us."),
                code=pretty_body(obj.payload),
            ),
            Panel(
                title=_("Answer"),
                half=True,
                note="" if obj.answer else _("There was none."),
                code=pretty_body(obj.answer),
            ),
        ]

    def buttons(self, request: HttpRequest, obj: StationMessage) -> list[Button]:
        return [
            Button(_("All messages of this station"), log_url(obj.station)),
            Button(_("To the station"), change_url(obj.station)),
        ]

    @admin.display(description=_("at (UTC)"))
    def when(self, row: StationMessage) -> str:
        return moment(row.at)

    @admin.display(description=_("station"))
    def station_link(self, row: StationMessage) -> str:
        return link(row.station)

    @admin.display(description=_("direction"))
    def way(self, row: StationMessage) -> str:
        return unbroken(row.get_direction_display())

    @admin.display(description=_("action"))
    def what(self, row: StationMessage) -> str:
        return row.action or NONE

    @admin.display(description=_("says"))
    def says(self, row: StationMessage) -> str:
        return short_payload(row)

    @admin.display(description=_("outcome"))
    def outcome(self, row: StationMessage) -> str:
        return outcome_pill(row)

    @admin.display(description=_("transaction"))
    def charge(self, row: StationMessage) -> str:
        return _transaction_link(row)

    @admin.display(description=_("time (ms)"))
    def ms(self, row: StationMessage) -> int:
        return row.duration_ms


def log_url(station: Station) -> str:
    """Return the address of all that was said with a station."""
    return f"{_list_url()}?{urlencode({'station': station.identity})}"


def transaction_log_url(transaction_id: int) -> str:
    """Return the address of all that was said of a transaction."""
    return f"{_list_url()}?transaction={transaction_id}"


def outcome_pill(message: StationMessage) -> str:
    """Return whether a message was answered, in its colour."""
    if message.error:
        return pill(message.error.partition(":")[0][:40], "red")
    return pill(_("Answered"), "green") if message.answer else pill(_("Kept"), "grey")


def short_payload(message: StationMessage) -> str:
    """Return in a few words what a message says."""
    return format_html('<span class="cpo-anywhere cpo-faint">{}</span>', words_of(message))


def _transaction_link(message: StationMessage) -> str:
    if message.transaction_id is None:
        return NONE
    # The row is not needed for it.
    return link_to(_transaction_url(message.transaction_id), message.transaction_id)


def _transaction_url(transaction_id: int) -> str:
    return reverse("admin:ocpp_gateway_transaction_change", args=[transaction_id])


def _list_url() -> str:
    return reverse("admin:ocpp_gateway_stationmessage_changelist")

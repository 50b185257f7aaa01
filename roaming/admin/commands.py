"""The pages of commands."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Panel,
    RecordAdmin,
    VisibleFilter,
    Way,
    link,
    may,
    moment,
    register_panel,
)
from cpo_platform.common.shapes import parse_datetime
from roaming.admin.display import command_pill
from roaming.admin.panels import object_messages_panel
from roaming.models import Command, CommandState

COMMAND_LABELS = {
    "START_SESSION": _("Start a session"),
    "STOP_SESSION": _("Stop a session"),
    "RESERVE_NOW": _("Reserve"),
    "CANCEL_RESERVATION": _("Cancel a reservation"),
    "UNLOCK_CONNECTOR": _("Unlock a connector"),
}

# What a refused command named, in its own words.
_NAMED = (
    ("location_id", _("location, as it was named")),
    ("evse_uid", _("EVSE, as it was named")),
    ("connector_id", _("connector, as it was named")),
    ("session_id", _("session, as it was named")),
)


@admin.register(Command)
class CommandAdmin(RecordAdmin):
    """Commands that partners sent, from the request to the result."""

    scope = Way(party="location", location="location")
    list_display = ("received", "what", "partner_link", "state_pill", "why", "where", "took")
    list_display_links = ("received",)
    list_filter = ("state", "command", "result", ("partner", VisibleFilter))
    list_select_related = ("partner", "location", "evse")
    search_fields = ("partner__name", "authorization_reference", "evse__evse_id", "evse__uid")
    search_help_text = _("Search by partner, reference or EVSE")
    ordering = ("-received_at",)
    empty_text = _("Commands come from partners' apps: start, stop, reserve, unlock.")

    def panels(self, request: HttpRequest, obj: Command) -> list[Panel]:
        token = obj.token or {}
        return [
            Panel(
                title=_("Request"),
                half=True,
                facts=[
                    (_("command"), COMMAND_LABELS.get(obj.command, obj.command)),
                    *self._parameters(obj),
                    (_("partner"), link(obj.partner)),
                    (_("received (UTC)"), moment(obj.received_at)),
                    (_("location"), link(obj.location)),
                    (_("EVSE"), link(obj.evse)),
                    (_("connector"), obj.connector or NONE),
                    (_("token"), token.get("uid", NONE)),
                    (_("contract"), token.get("contract_id", NONE)),
                    (_("authorisation reference"), obj.authorization_reference or NONE),
                ],
            ),
            Panel(
                title=_("Result"),
                half=True,
                facts=[
                    (_("state"), command_pill(obj)),
                    (_("result"), obj.result or NONE),
                    (_("message"), obj.message or NONE),
                    (_("deadline (UTC)"), moment(obj.deadline)),
                    (_("finished (UTC)"), moment(obj.finished_at)),
                    (_("session"), link(obj.session)),
                    (_("reservation"), link(obj.reservation)),
                    *self._related(obj),
                    (_("answered to"), obj.response_url),
                ],
            ),
            *(
                [object_messages_panel("commands", obj.pk)]
                if may(request, "roaming.view_message")
                else []
            ),
        ]

    def _parameters(self, obj: Command) -> list[tuple[Any, object]]:
        said = obj.parameters
        expiry = parse_datetime(said["expiry_date"]) if "expiry_date" in said else None
        facts: list[tuple[Any, object]] = [
            (label, said[name]) for name, label in _NAMED if name in said
        ]
        if "reservation_id" in said:
            facts.append((_("the eMSP's reservation id"), said["reservation_id"]))
        if isinstance(expiry, datetime):
            facts.append((_("expires (UTC)"), moment(expiry)))
        if said.get("group_id"):
            facts.append((_("token group"), said["group_id"]))
        return facts

    def _related(self, obj: Command) -> list[tuple[Any, object]]:
        facts: list[tuple[Any, object]] = []
        if obj.follows is not None:
            facts.append((_("a later result of"), link(obj.follows)))
        facts += [(_("later result"), link(row, row.result)) for row in obj.followed_by.all()]
        return facts

    def heading(self, obj: Command) -> object:
        return command_pill(obj)

    @admin.display(description=_("command"), ordering="command")
    def what(self, row: Command) -> object:
        label = COMMAND_LABELS.get(row.command, row.command)
        if row.follows_id is None:
            return label
        return format_html("{}<div>{}</div>", label, _("canceled by us afterwards"))

    @admin.display(description=_("received (UTC)"), ordering="received_at")
    def received(self, row: Command) -> str:
        return moment(row.received_at)

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_link(self, row: Command) -> str:
        return link(row.partner)

    @admin.display(description=_("state"), ordering="state")
    def state_pill(self, row: Command) -> str:
        return command_pill(row)

    @admin.display(description=_("message"))
    def why(self, row: Command) -> str:
        return row.message or NONE

    @admin.display(description=_("where"))
    def where(self, row: Command) -> str:
        return link(row.evse) if row.evse else link(row.location)

    @admin.display(description=_("took"))
    def took(self, row: Command) -> str:
        if row.finished_at is None or row.state == CommandState.REFUSED:
            return NONE
        return f"{(row.finished_at - row.received_at).total_seconds():.1f} s"


def reservation_commands_panel(_request: HttpRequest, reservation_id: int) -> Panel:
    """Return the commands that a reservation comes from, and what its partner was told."""
    rows = Command.objects.filter(reservation=reservation_id).select_related("partner")
    return Panel(
        title=_("Commands"),
        columns=(_("received (UTC)"), _("command"), _("partner"), _("result")),
        rows=[
            (
                link(row, moment(row.received_at)),
                COMMAND_LABELS.get(row.command, row.command),
                link(row.partner),
                command_pill(row),
            )
            for row in rows.order_by("-received_at", "-pk")[:20]
        ],
        empty=_("No command has made this reservation."),
    )


register_panel("reservations", reservation_commands_panel, needs="roaming.view_command")

"""The pages of commands."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Panel, RecordAdmin, link, moment
from roaming.admin.display import command_pill
from roaming.admin.panels import object_messages_panel
from roaming.models import Command


@admin.register(Command)
class CommandAdmin(RecordAdmin):
    """Commands that partners sent, from the request to the result."""

    list_display = ("received", "command", "partner_link", "state_pill", "result", "where", "took")
    list_display_links = ("received",)
    list_filter = ("state", "command", "result", "partner")
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
                    (_("command"), obj.command),
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
                    (_("answered to"), obj.response_url),
                ],
            ),
            object_messages_panel("commands", obj.pk),
        ]

    def heading(self, obj: Command) -> object:
        return command_pill(obj)

    @admin.display(description=_("received (UTC)"), ordering="received_at")
    def received(self, row: Command) -> str:
        return moment(row.received_at)

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_link(self, row: Command) -> str:
        return link(row.partner)

    @admin.display(description=_("state"), ordering="state")
    def state_pill(self, row: Command) -> str:
        return command_pill(row)

    @admin.display(description=_("where"))
    def where(self, row: Command) -> str:
        return link(row.evse) if row.evse else link(row.location)

    @admin.display(description=_("took"))
    def took(self, row: Command) -> str:
        if row.finished_at is None:
            return NONE
        return f"{(row.finished_at - row.received_at).total_seconds():.1f} s"

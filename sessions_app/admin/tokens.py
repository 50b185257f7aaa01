"""The pages of tokens."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Panel,
    RecordAdmin,
    Way,
    known_filter,
    link_to,
    minute,
    moment,
    pill,
)
from sessions_app.models import Token, TokenType


@admin.register(Token)
class TokenAdmin(RecordAdmin):
    """Tokens of e-mobility providers: they own them, we keep what they say."""

    scope = Way(unscoped="they are the eMSPs', and good at the chargers of every party")
    list_display = (
        "uid",
        "type_text",
        "owner",
        "contract_id",
        "issuer",
        "valid",
        "white",
        "updated",
    )
    list_display_links = ("uid",)
    list_filter = (
        *("valid", "whitelist"),
        known_filter("type", _("type"), lambda: TokenType.choices),
    )
    search_fields = ("uid", "contract_id", "visual_number", "issuer", "group_id")
    search_help_text = _("Search by uid, contract, printed number, issuer or group")
    ordering = ("country_code", "party_id", "uid")
    empty_text = _("Tokens come from partners: invite an e-mobility provider.")

    def panels(self, request: HttpRequest, obj: Token) -> list[Panel]:
        contract = obj.energy_contract or {}
        sessions = reverse("admin:sessions_app_session_changelist")
        return [
            Panel(
                title=_("Token"),
                half=True,
                facts=[
                    (_("provider"), f"{obj.country_code}*{obj.party_id}"),
                    (_("uid"), obj.uid),
                    (_("type"), dict(TokenType.choices).get(obj.type, obj.type)),
                    (_("contract"), obj.contract_id),
                    (_("printed number"), obj.visual_number or NONE),
                    (_("issuer"), obj.issuer),
                    (_("group"), obj.group_id or NONE),
                    (_("sessions"), link_to(f"{sessions}?q={obj.uid}", _("show"))),
                ],
            ),
            Panel(
                title=_("What it may do"),
                half=True,
                facts=[
                    (_("valid"), gettext("yes") if obj.valid else gettext("no")),
                    (_("whitelist"), obj.get_whitelist_display()),
                    (_("language"), obj.language or NONE),
                    (
                        _("default charging preference"),
                        obj.get_default_profile_type_display() or NONE,
                    ),
                    (_("energy supplier"), contract.get("supplier_name", NONE)),
                    (_("energy contract"), contract.get("contract_id", NONE)),
                    (_("changed by its owner (UTC)"), moment(obj.last_updated)),
                    *((name, str(value)) for name, value in obj.unknown_fields.items()),
                ],
            ),
        ]

    def heading(self, obj: Token) -> object:
        return pill(_("valid"), "green") if obj.valid else pill(_("not valid"), "red")

    @admin.display(description=_("provider"), ordering="country_code")
    def owner(self, row: Token) -> str:
        return f"{row.country_code}*{row.party_id}"

    @admin.display(description=_("type"), ordering="type")
    def type_text(self, row: Token) -> str:
        return str(dict(TokenType.choices).get(row.type, row.type))

    @admin.display(description=_("whitelist"), ordering="whitelist")
    def white(self, row: Token) -> str:
        return row.get_whitelist_display()

    @admin.display(description=_("updated (UTC)"), ordering="last_updated")
    def updated(self, row: Token) -> object:
        return minute(row.last_updated)

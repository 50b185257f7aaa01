"""The pages of the message log."""

import json
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Panel, RecordAdmin, link, moment
from roaming.admin.display import object_link
from roaming.admin.panels import http_text
from roaming.models import Message
from roaming.models.messages import Direction


class FailedFilter(admin.SimpleListFilter):
    """Messages that went wrong."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", _("Failed"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() != "failed":
            return queryset
        return (
            queryset.exclude(error="")
            | queryset.filter(http_status__gte=400)
            | queryset.filter(status_code__gte=2000)
        )


@admin.register(Message)
class MessageAdmin(RecordAdmin):
    """The message log: what went over the wire, without secrets."""

    list_display = ("when", "partner_link", "direction", "address", "http", "ocpi", "ms")
    list_display_links = ("when",)
    list_filter = ("direction", "module", FailedFilter, "method", "partner")
    list_select_related = ("partner",)
    search_fields = ("url", "error", "request_id", "partner__name")
    search_help_text = _("Search by address, error, request id or partner")
    ordering = ("-id",)
    empty_text = _("Every exchange with a partner is written down here.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("request_body", "response_body")

    def panels(self, request: HttpRequest, obj: Message) -> list[Panel]:
        about = NONE if obj.object_id is None else object_link(obj.module, obj.object_id)
        return [
            Panel(
                title=_("Message"),
                facts=[
                    (_("at (UTC)"), moment(obj.at)),
                    (_("partner"), link(obj.partner)),
                    (_("direction"), Direction(obj.direction).label),
                    (_("message"), f"{obj.method} {obj.url}"),
                    (_("about"), about),
                    ("HTTP", http_text(obj)),
                    ("OCPI", obj.status_code or NONE),
                    (_("duration"), f"{obj.duration_ms} ms"),
                    (_("error"), obj.error or NONE),
                    (_("request id"), obj.request_id or NONE),
                ],
            ),
            Panel(title=_("Request"), code=_pretty(obj.request_body), half=True),
            Panel(title=_("Response"), code=_pretty(obj.response_body), half=True),
        ]

    @admin.display(description=_("at (UTC)"), ordering="id")
    def when(self, row: Message) -> str:
        return moment(row.at)

    @admin.display(description=_("partner"), ordering="partner__name")
    def partner_link(self, row: Message) -> str:
        return link(row.partner)

    @admin.display(description=_("message"))
    def address(self, row: Message) -> str:
        text = f"{row.method} {urlsplit(row.url).path}"
        return format_html('<span class="cpo-anywhere" title="{}">{}</span>', row.url, text)

    @admin.display(description="HTTP", ordering="http_status")
    def http(self, row: Message) -> object:
        return http_text(row)

    @admin.display(description="OCPI", ordering="status_code")
    def ocpi(self, row: Message) -> object:
        return row.status_code or NONE

    @admin.display(description=_("time (ms)"), ordering="duration_ms")
    def ms(self, row: Message) -> int:
        return row.duration_ms


def _pretty(body: str) -> str:
    """Return JSON with indentation; what was cut or is no JSON as it stands."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body or NONE

"""The pages of the message log."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock
from cpo_platform.common.admin import NONE, Panel, SearchedAdmin, Way, link, moment, pretty_body
from roaming.admin.display import object_link
from roaming.admin.message_search import MessageSearch
from roaming.admin.panels import http_text, messages_panel
from roaming.models import Message, MessageBody
from roaming.models.messages import Direction

SAME_CAUSE_SHOWN = 50


@admin.register(Message)
class MessageAdmin(SearchedAdmin):
    """The message log: what went over the wire, without secrets."""

    scope = Way(hidden="what is said with partners names objects of every party")
    list_display = ("when", "partner_link", "way", "address", "about", "http", "ocpi", "ms")
    list_display_links = ("when",)
    list_select_related = ("partner",)
    search_form = MessageSearch

    @property
    def empty_text(self) -> str:
        if settings.MESSAGE_LOG == "off":
            return gettext("Nothing is written down: the setting MESSAGE_LOG is off.")
        if settings.MESSAGE_LOG == "errors":
            return gettext("Only failures are written down: the setting MESSAGE_LOG is errors.")
        return gettext(
            "No exchange with a partner in the last 24 hours. To look further back, say since when."
        )

    def panels(self, request: HttpRequest, obj: Message) -> list[Panel]:
        about = NONE if obj.object_id is None else object_link(obj.module, obj.object_id)
        bodies = MessageBody.objects.filter(pk=obj.pk, at=obj.at).first()
        return [
            Panel(
                title=_("Message"),
                half=True,
                facts=[
                    (_("at (UTC)"), moment(obj.at)),
                    (_("partner"), link(obj.partner)),
                    (_("direction"), Direction(obj.direction).label),
                    (_("OCPI version"), obj.version or NONE),
                    (_("module"), obj.module or NONE),
                    (_("about"), about),
                ],
            ),
            Panel(
                title=_("Outcome"),
                half=True,
                facts=[
                    ("HTTP", http_text(obj)),
                    ("OCPI", obj.status_code or NONE),
                    (_("duration"), f"{obj.duration_ms} ms"),
                    (_("error"), obj.error or NONE),
                    ("X-Request-ID", obj.request_id or NONE),
                    ("X-Correlation-ID", obj.correlation_id or NONE),
                ],
            ),
            _body_panel(obj, _("Request"), str(obj), bodies.request_body if bodies else ""),
            _body_panel(
                obj, _("Response"), _status_line(obj), bodies.response_body if bodies else ""
            ),
            *_same_cause(obj),
        ]

    @admin.display(description=_("at (UTC)"))
    def when(self, row: Message) -> str:
        return moment(row.at)

    @admin.display(description=_("partner"))
    def partner_link(self, row: Message) -> str:
        return link(row.partner)

    @admin.display(description=_("direction"))
    def way(self, row: Message) -> str:
        return str(Direction(row.direction).label)

    @admin.display(description=_("message"))
    def address(self, row: Message) -> str:
        text = f"{row.method} {urlsplit(row.url).path}"
        return format_html('<span class="cpo-anywhere" title="{}">{}</span>', row.url, text)

    @admin.display(description=_("about"))
    def about(self, row: Message) -> object:
        return NONE if row.object_id is None else object_link(row.module, row.object_id)

    @admin.display(description="HTTP")
    def http(self, row: Message) -> object:
        return http_text(row)

    @admin.display(description="OCPI")
    def ocpi(self, row: Message) -> object:
        return row.status_code or NONE

    @admin.display(description=_("time (ms)"))
    def ms(self, row: Message) -> int:
        return row.duration_ms


def _same_cause(obj: Message) -> list[Panel]:
    """Return the other messages of the same correlation id, in both directions."""
    if not obj.correlation_id:
        return []
    others = Message.objects.filter(correlation_id=obj.correlation_id).exclude(pk=obj.pk)
    panel = messages_panel(
        _("The same correlation id"),
        others.select_related("partner").order_by("-at", "-id")[:SAME_CAUSE_SHOWN],
        with_partner=True,
    )
    return [panel] if panel.rows else []


def _status_line(obj: Message) -> str:
    if obj.http_status is None:
        return gettext("No answer came back.")
    return f"HTTP {obj.http_status}"


def _body_panel(obj: Message, title: Any, first_line: str, body: str) -> Panel:
    """Return a side of the exchange: its first line, and its body where there is (still) one."""
    return Panel(
        title=title,
        half=True,
        note=format_html(
            '<span class="cpo-address">{}</span><br>{}',
            first_line,
            "" if body else _why_empty(obj),
        ),
        code=pretty_body(body),
    )


def _why_empty(obj: Message) -> str:
    days = settings.MESSAGE_BODY_DAYS
    if days == 0:
        return gettext("Bodies are not kept: the setting MESSAGE_BODY_DAYS is 0.")
    if clock.now() - obj.at > timedelta(days=days):
        return gettext("Bodies are kept for %(days)s days only (MESSAGE_BODY_DAYS).") % {
            "days": days
        }
    return gettext("Without a body.")

"""What was sent of an object, and the messages about it, on its own page."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Panel, address, link, moment, pill, register_panel
from roaming.admin.credits import register_credit_note
from roaming.admin.display import OBJECT_PAGES
from roaming.admin.losses import register_losses
from roaming.checking import loss_remarks
from roaming.failures import in_words
from roaming.models import Delivery, Message
from roaming.redaction import redact_url
from tariffs.checking import register_check

OBJECT_MESSAGES_SHOWN = 20


def _deliveries_panel(module: str, object_id: int) -> Panel:
    deliveries = (
        Delivery.objects.filter(module=module, object_id=object_id)
        .select_related("partner")
        .order_by("partner__name")[:100]
    )
    return Panel(
        title=_("Sent to partners"),
        columns=(_("partner"), _("state"), _("delivered (UTC)"), _("stored at"), _("error")),
        rows=[
            (
                link(delivery.partner),
                _delivery_pill(delivery),
                moment(delivery.delivered_at),
                redact_url(delivery.url) or NONE,
                in_words(delivery.error) or NONE,
            )
            for delivery in deliveries
        ],
        empty=_("No partner has been sent this yet."),
    )


def _delivery_pill(delivery: Delivery) -> str:
    if delivery.refused_at:
        return pill(_("Refused"), "red")
    if delivery.delivered_at and not delivery.error:
        return pill(_("Delivered"), "green")
    return pill(_("Waiting"), "amber")


def object_messages_panel(module: str, object_id: int) -> Panel:
    """Return the last messages about an object."""
    rows = (
        Message.objects.filter(module=module, object_id=object_id)
        .select_related("partner")
        .order_by("-at", "-id")[:OBJECT_MESSAGES_SHOWN]
    )
    return messages_panel(_("Messages about it"), rows, with_partner=True)


def messages_panel(title: Any, rows: Iterable[Message], *, with_partner: bool) -> Panel:
    """Return messages as a table."""
    columns = [
        *(_("at (UTC)"), _("direction"), _("message")),
        *("HTTP", "OCPI", _("time (ms)"), _("error")),
    ]
    return Panel(
        title=title,
        columns=[*columns, _("partner")] if with_partner else columns,
        numeric=frozenset({3, 4, 5}),
        rows=[
            (
                link(message, moment(message.at)),
                message.get_direction_display(),
                address(f"{message.method} {message.url}"),
                http_text(message),
                message.status_code or NONE,
                message.duration_ms,
                in_words(message.error) or NONE,
                *([link(message.partner)] if with_partner else []),
            )
            for message in rows
        ],
        empty=_("No message yet."),
    )


def http_text(message: Message) -> object:
    """Return the HTTP status of a message, red where something went wrong."""
    if message.http_status is None:
        return pill(_("No answer"), "red") if message.failed else NONE
    return message.http_status if _is_fine(message) else pill(message.http_status, "red")


def _is_fine(message: Message) -> bool:
    ocpi_is_fine = message.status_code is None or message.status_code < 2000
    return not message.error and (message.http_status or 0) < 400 and ocpi_is_fine


def _register_panels() -> None:
    for module in OBJECT_PAGES:
        deliveries = partial(_panel_of, _deliveries_panel, module)
        register_panel(module, deliveries, needs="roaming.view_partner")
        said = partial(_panel_of, object_messages_panel, module)
        register_panel(module, said, needs="roaming.view_message")


def _panel_of(
    panel: Callable[[str, int], Panel], module: str, _request: HttpRequest, object_id: int
) -> Panel:
    return panel(module, object_id)


_register_panels()
register_losses()
register_credit_note()
register_check(loss_remarks)

"""What partners asked about a session and were told of it, for the page that explains it."""

from collections.abc import Iterable

from django.db.models import Q
from django.utils.html import format_html
from django.utils.translation import gettext

from cpo_platform.common.admin import Event, link, register_story
from roaming.admin.commands import COMMAND_LABELS
from roaming.admin.display import MODULE_LABELS, command_pill
from roaming.admin.panels import http_text
from roaming.models import Command, Message
from sessions_app.models import Cdr

MOST_MESSAGES = 500
MOST_COMMANDS = 50


def tell(session_id: int) -> Iterable[Event]:
    """Tell of the commands about a session, and of what was said of it and its CDRs."""
    commands = Command.objects.filter(session=session_id).select_related("partner")
    for command in commands.order_by("received_at")[:MOST_COMMANDS]:
        name = COMMAND_LABELS.get(command.command, command.command)
        yield Event(
            command.received_at,
            command.partner,
            format_html("{} {}", link(command, name), command_pill(command)),
        )
        if command.finished_at is not None:
            yield Event(
                command.finished_at,
                command.partner,
                format_html(
                    "{} {} {}",
                    gettext("The result of the command:"),
                    command.result,
                    command.message,
                ),
            )
    cdrs = list(Cdr.objects.filter(session=session_id).values_list("pk", flat=True))
    about = Q(module="sessions", object_id=session_id)
    if cdrs:
        about |= Q(module="cdrs", object_id__in=cdrs)
    messages = Message.objects.filter(about).select_related("partner")
    for message in messages.order_by("at", "id")[:MOST_MESSAGES]:
        yield _said(message)


def _said(message: Message) -> Event:
    label = MODULE_LABELS.get(message.module, message.module)
    what = format_html(
        "{} {} {}: HTTP {}",
        message.get_direction_display(),
        message.method,
        link(message, label),
        http_text(message),
    )
    fold = "" if message.failed else f"{message.direction} {message.method} {message.module}"
    return Event(message.at, message.partner, what, fold)


def register() -> None:
    """Have the page that explains a session know of partners."""
    register_story("sessions", tell)

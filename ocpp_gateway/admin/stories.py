"""What a station said and was asked in a session, for the page that explains it."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.html import format_html
from django.utils.translation import gettext

from cpo_platform.common.admin import Event, link
from ocpp_gateway.admin.display import (
    alert_pill,
    authorisation_pill,
    call_pill,
    took,
    verdict_pill,
)
from ocpp_gateway.admin.message_log import transaction_log_url
from ocpp_gateway.admin.message_words import words_of
from ocpp_gateway.models import StationCall, StationMessage, Transaction

MOST_MESSAGES = 150
MOST_CALLS = 50
MOST_SIGNED = 20
# How long before a transaction something may have been said that belongs to it.
BEFORE = timedelta(days=1)
# What comes every few seconds, and says nothing but values.
_REGULAR = Q(action="MeterValues") | (
    Q(action="TransactionEvent", payload__regex=r'"eventType"\s*:\s*"Updated"')
    & Q(payload__regex=r'"triggerReason"\s*:\s*"MeterValue(Periodic|Clock)"')
)


def tell(session_id: int) -> Iterable[Event]:
    """Tell of a session's transaction; nothing, where no station of the gateway had it."""
    row = (
        Transaction.objects.filter(session=session_id)
        .select_related("station", "remote_start")
        .first()
    )
    if row is None:
        return
    yield from _authorised(row)
    yield from _said(row)
    yield from _asked(row)
    for value in row.signed_values.order_by("position")[:MOST_SIGNED]:
        text = gettext("A signed meter value:")
        yield Event(value.at, row.station, format_html("{} {}", text, verdict_pill(value.verdict)))
    for alert in row.alerts.order_by("raised_at")[:MOST_SIGNED]:
        text = format_html("{} {}", alert_pill(alert.kind), alert.seen)
        yield Event(alert.raised_at, gettext("Alert"), text)


def _authorised(row: Transaction) -> Iterable[Event]:
    start = row.remote_start
    if start is not None:
        text = gettext("A start is asked for: token %(token)s") % {"token": start.id_tag}
        yield Event(start.asked_at, gettext("Platform"), text)
    if row.token_uid or row.verdict:
        yield Event(
            row.opened_at,
            gettext("Platform"),
            format_html(
                "{} {} {}",
                gettext("Token %(token)s is presented:") % {"token": row.token_uid or "?"},
                authorisation_pill(row.verdict),
                row.get_auth_method_display(),
            ),
        )


def _said(row: Transaction) -> Iterable[Event]:
    """Tell of the transaction's messages: meter values in one line."""
    said = StationMessage.objects.filter(transaction=row, at__gte=row.opened_at - BEFORE)
    yield from _meter_values(row, said.filter(_REGULAR))
    for message in said.exclude(_REGULAR).order_by("at", "id")[:MOST_MESSAGES]:
        text = words_of(message)
        what = format_html("{}: {}", link(message, message.action), text)
        if message.error:
            what = format_html("{} ({})", what, message.error)
        yield Event(message.at, row.station, what)


def _meter_values(row: Transaction, values: QuerySet[StationMessage]) -> Iterable[Event]:
    found = values.aggregate(count=Count("pk"), first=Min("at"), last=Max("at"))
    if not found["count"]:
        return
    what = format_html(
        '<a class="cpo-link" href="{}">{}</a>',
        transaction_log_url(row.pk),
        gettext("Meter values"),
    )
    yield Event(found["first"], row.station, what, count=found["count"], until=found["last"])


def _asked(row: Transaction) -> Iterable[Event]:
    wanted = Q(session=row.session_id)
    if row.remote_start is not None:
        wanted |= Q(
            station=row.station,
            asked_at=row.remote_start.asked_at,
            action__in=("RemoteStartTransaction", "RequestStartTransaction"),
        )
    calls = StationCall.objects.filter(wanted).order_by("asked_at")
    for call in calls[:MOST_CALLS]:
        times = gettext("sent after %(sent)s, answered after %(answered)s") % {
            "sent": took(call.asked_at, call.sent_at),
            "answered": took(call.sent_at or call.asked_at, call.answered_at),
        }
        what = format_html("{} → {} {} ({})", call.action, row.station, call_pill(call), times)
        yield Event(call.asked_at, gettext("Platform"), what)

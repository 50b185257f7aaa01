"""What the gateway knows of a session, on the session's own page."""

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    link,
    register_panel,
    register_story,
)
from cpo_platform.common.saying import Saying
from cpo_platform.common.telling import tell
from ocpp_gateway.admin import stories
from ocpp_gateway.admin.display import authorisation_pill, verdict_pill
from ocpp_gateway.admin.message_log import transaction_log_url
from ocpp_gateway.admin.station_panels import may_ask, page_url
from ocpp_gateway.models import SignedMeterValue, Transaction
from ocpp_gateway.signatures import Verdict


def at_the_station(request: HttpRequest, session_id: int) -> Panel:
    """Return the transaction that a session was made of: two queries."""
    row = (
        Transaction.objects.filter(session=session_id)
        .select_related("station", "outlet")
        .prefetch_related("signed_values")
        .first()
    )
    if row is None:
        return Panel(
            title=_("At the station"), note=_("No charger of ours has spoken of this session.")
        )
    signed = list(row.signed_values.all())
    return Panel(
        title=_("At the station"),
        note=_warning(signed),
        facts=[
            (_("station"), link(row.station)),
            (_("connector"), row.outlet.ordinal if row.outlet else NONE),
            (_("transaction"), link(row, row.pk)),
            (_("authorisation"), authorisation_pill(row.verdict)),
            (_("what was odd"), findings_of(row)),
            (_("signed meter values"), signed_pills(signed)),
        ],
        buttons=[Button(_("Its messages"), transaction_log_url(row.pk)), *_stop(row, request)],
    )


def _stop(row: Transaction, request: HttpRequest) -> list[Button]:
    if row.ended_at is not None or not may_ask(request, "stop"):
        return []
    url = f"{page_url(row.station, 'stop')}?charging={row.pk}"
    return [Button(_("Stop the charge"), url, tone="warn")]


def _warning(signed: list[SignedMeterValue]) -> str:
    if all(value.verdict != Verdict.BROKEN for value in signed):
        return ""
    return format_html(
        '<span class="cpo-error" role="alert">{}</span>',
        gettext(
            "A signed meter value is not what the meter signed: look at it before it is billed."
        ),
    )


def findings_of(row: Transaction) -> str:
    """Return what was odd about a transaction, one below the other."""
    found = [tell(Saying.from_json(finding)) for finding in row.findings]
    shown: str = format_html_join("", "<div>{}</div>", ((text,) for text in found))
    return shown or gettext("nothing")


def signed_pills(values: list[SignedMeterValue]) -> str:
    """Return how many signed values there are of each verdict."""
    counts = {verdict: sum(one.verdict == verdict for one in values) for verdict in Verdict}
    parts = [(count, verdict_pill(verdict)) for verdict, count in counts.items() if count]
    shown: str = format_html_join(" ", "{} × {}", parts)
    return format_html("{}", shown) if parts else gettext("none")


def register() -> None:
    """Have sessions' pages show what the gateway knows."""
    register_panel("sessions", at_the_station, needs="ocpp_gateway.view_transaction")
    register_story("sessions", stories.tell)

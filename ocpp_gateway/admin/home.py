"""What the home page says of chargers."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import NONE, Button, Panel, link, moment, visible
from ocpp_gateway.admin.display import alert_pill
from ocpp_gateway.models import Station, StationAlert, StationState

ALERTS_SHOWN = 5
_STATIONS = "admin:ocpp_gateway_station_changelist"
_ALERTS = "admin:ocpp_gateway_stationalert_changelist"


def _may_see(request: HttpRequest, model: str) -> bool:
    return any(request.user.has_perm(f"ocpp_gateway.{verb}_{model}") for verb in ("view", "change"))


def charger_cards(request: HttpRequest, *, now: datetime) -> list[dict[str, Any]]:
    """Return how many stations are offline or wait to be placed, where any do: one query."""
    if not _may_see(request, "station"):
        return []
    placed = Q(state=StationState.PLACED)
    counts = visible(request, Station.objects.all()).aggregate(
        knocked=Count("pk", filter=Q(state=StationState.HELD)),
        offline=Count("pk", filter=placed & (Q(online_until=None) | Q(online_until__lte=now))),
    )
    cards = (
        (_("Chargers that have knocked"), counts["knocked"], "place=knocked", ""),
        (_("Chargers offline"), counts["offline"], "connection=offline", "red"),
    )
    return [
        {
            "title": title,
            "value": count,
            "url": f"{reverse(_STATIONS)}?{query}",
            "note": "",
            "tone": tone,
        }
        for title, count, query, tone in cards
        if count
    ]


def charger_panels(request: HttpRequest) -> list[Panel]:
    """Return the newest open alerts, where there are any: two queries at most."""
    if not _may_see(request, "stationalert"):
        return []
    still = visible(request, StationAlert.objects.filter(resolved_at__isnull=True))
    rows = list(
        still.select_related("station", "transaction").order_by("-raised_at")[: ALERTS_SHOWN + 1]
    )
    if not rows:
        return []
    count = still.count() if len(rows) > ALERTS_SHOWN else len(rows)
    return [
        Panel(
            title=_("Chargers that need a look (%(count)s)") % {"count": count},
            columns=(
                _("what"),
                _("station"),
                _("since (UTC)"),
                _("what was seen"),
                _("transaction"),
            ),
            rows=[
                (
                    link(row, alert_pill(row.kind)),
                    link(row.station),
                    moment(row.raised_at),
                    row.text,
                    link(row.transaction, row.transaction_id) if row.transaction else NONE,
                )
                for row in rows[:ALERTS_SHOWN]
            ],
            buttons=[Button(_("Show all"), reverse(_ALERTS))],
        )
    ]

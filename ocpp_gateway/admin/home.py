"""What the home page says of chargers."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cpo_platform.common.admin import NONE, Button, Panel, link, may, moment, visible
from ocpp_gateway.admin.display import alert_pill
from ocpp_gateway.models import StationAlert

ALERTS_SHOWN = 5
_ALERTS = "admin:ocpp_gateway_stationalert_changelist"


def charger_panels(request: HttpRequest) -> list[Panel]:
    """Return the newest open alerts, where there are any: two queries at most."""
    if not may(request, "ocpp_gateway.view_stationalert"):
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
            title=ngettext(
                "Charger that needs a look (%(count)s)",
                "Chargers that need a look (%(count)s)",
                count,
            )
            % {"count": count},
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
                    row.seen,
                    link(row.transaction, row.transaction_id) if row.transaction else NONE,
                )
                for row in rows[:ALERTS_SHOWN]
            ],
            buttons=[Button(_("Show all"), reverse(_ALERTS))],
        )
    ]

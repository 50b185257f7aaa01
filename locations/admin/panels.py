"""What the page of a location shows beside its form."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import Button, Panel, link
from locations.admin.display import connector_text, lines, status_pill
from locations.models import Evse


def evses_panel(request: HttpRequest, location_id: int) -> Panel:
    """Return the EVSEs of a location, each with a link to its page."""
    evses = list(
        Evse.objects.filter(location_id=location_id)
        .prefetch_related("connectors__tariffs")
        .order_by("physical_reference", "evse_id", "pk")
    )
    buttons = []
    if request.user.has_perm("locations.add_evse"):
        url = reverse("admin:locations_evse_add") + f"?location={location_id}"
        buttons = [Button(_("Add an EVSE"), url, tone="primary")]
    return Panel(
        title=_("EVSEs"),
        columns=(_("EVSE id"), _("uid"), _("status"), _("connectors"), _("tariffs"), ""),
        rows=[
            (
                link(evse, evse.evse_id or evse.uid),
                evse.uid,
                status_pill(evse.status),
                lines(connector_text(connector) for connector in evse.connectors.all()),
                lines(sorted(_tariff_names(evse))),
                link(evse, _("show")),
            )
            for evse in evses
        ],
        empty=_("This location has no EVSE yet: partners do not see it. Add the first one."),
        buttons=buttons,
    )


def _tariff_names(evse: Evse) -> set[str]:
    return {
        tariff.ocpi_id
        for connector in evse.connectors.all()
        for tariff in connector.tariffs.all()
        if tariff.deleted_at is None
    }

"""What the tariff check says of the network: connectors without a price, several currencies."""

from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common.admin import Panel, link, register_scope, visible
from locations.checking import mixed_currencies, unpriced_connectors, use_remarks, zones_of
from locations.models import Connector, Location
from tariffs.admin import register_network_check
from tariffs.checking import register_check, register_zones

SHOWN = 10


def network_panels(request: HttpRequest, now: datetime) -> list[Panel]:
    """Return what is wrong at the moment, whoever's tariff it is; nothing if all is well."""
    if not request.user.has_perm("locations.view_location"):
        return []
    return [*_unpriced(request, now), *_mixed(request)]


def _unpriced(request: HttpRequest, now: datetime) -> list[Panel]:
    connectors = visible(request, Connector.objects.all())
    found = unpriced_connectors(now, shown=SHOWN, among=connectors)
    if not found.total:
        return []
    return [
        Panel(
            title=_("Connectors without a price"),
            note=gettext(
                "No tariff for ordinary sessions holds there now: charging costs nothing. "
                "%(total)s in all."
            )
            % {"total": found.total},
            columns=(_("EVSE"), _("connector"), _("location")),
            rows=[
                (link(row.evse), row.ocpi_id, row.evse.location.name or row.evse.location.address)
                for row in found.first
            ],
        )
    ]


def _mixed(request: HttpRequest) -> list[Panel]:
    locations = visible(request, Location.objects.all())
    found = mixed_currencies(shown=SHOWN, among=locations)
    if not found.total:
        return []
    return [
        Panel(
            title=_("Locations with more than one currency"),
            note=gettext("Drivers are billed in different currencies there. %(total)s in all.")
            % {"total": found.total},
            columns=(_("location"), _("currencies")),
            rows=[
                (link(row, row.name or row.address), ", ".join(currencies))
                for row, currencies in found.first
            ],
        )
    ]


def register() -> None:
    """Tell the tariff check what is known here."""
    register_zones(zones_of)
    register_check(use_remarks, of_use=True)
    register_network_check(network_panels)


register_scope(Connector, party="evse__location", location="evse__location")

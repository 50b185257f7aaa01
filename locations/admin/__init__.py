"""The admin pages of locations and EVSEs. Everything is saved by `locations.operations`."""

from locations.admin.connectors import (
    CONNECTOR_CHOICES,
    CONNECTOR_FORMSET,
    ConnectorForm,
    ConnectorFormSet,
)
from locations.admin.display import STATUS_TONES, connector_text, power_of, status_pill
from locations.admin.evse_forms import EvseForm
from locations.admin.evse_pages import EvseAdmin
from locations.admin.filters import AtLocationFilter, EvsePartyFilter, PublishedFilter, TariffFilter
from locations.admin.groups import GroupForm, LocationGroupAdmin
from locations.admin.location_forms import BUSINESSES, LocationForm
from locations.admin.location_hours import DAYS
from locations.admin.location_pages import LocationAdmin
from locations.admin.panels import evses_panel
from locations.admin.parking import ParkingPlaceAdmin, ParkingPlaceForm
from locations.admin.part_pages import PartAdmin
from locations.admin.tariff_checks import register as register_tariff_checks

__all__ = [
    "BUSINESSES",
    "CONNECTOR_CHOICES",
    "CONNECTOR_FORMSET",
    "DAYS",
    "STATUS_TONES",
    "AtLocationFilter",
    "ConnectorForm",
    "ConnectorFormSet",
    "EvseAdmin",
    "EvseForm",
    "EvsePartyFilter",
    "GroupForm",
    "LocationAdmin",
    "LocationForm",
    "LocationGroupAdmin",
    "ParkingPlaceAdmin",
    "ParkingPlaceForm",
    "PartAdmin",
    "PublishedFilter",
    "TariffFilter",
    "connector_text",
    "evses_panel",
    "power_of",
    "status_pill",
]

register_tariff_checks()

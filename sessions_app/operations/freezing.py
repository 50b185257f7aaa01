"""What a session keeps of its tariff and its place: copies, so that no later change reaches it."""

from typing import Any

from cpo_platform.common.json import format_datetime
from locations.canonical import coordinate_text
from locations.models import Connector, Location
from tariffs.models import Tariff
from tariffs.operations import shape_of as tariff_shape_of


def frozen_tariff(tariff: Tariff | None) -> dict[str, Any] | None:
    """Return what a session is priced by, as the tariff is now."""
    if tariff is None:
        return None
    return tariff_shape_of(tariff).model_dump(mode="json", exclude_none=True) | {
        "last_updated": format_datetime(tariff.last_updated)
    }


def frozen_location(location: Location, connector: Connector) -> dict[str, Any]:
    """Return what a CDR says of the place (OCPI 2.2.1, CdrLocation), and its time zone."""
    evse = connector.evse
    frozen = {
        "id": location.ocpi_id,
        "name": location.name,
        "address": location.address,
        "city": location.city,
        "postal_code": location.postal_code,
        "state": location.state,
        "country": location.country,
        "coordinates": {
            "latitude": coordinate_text(location.latitude),
            "longitude": coordinate_text(location.longitude),
        },
        "evse_uid": evse.uid,
        # Required in a CDR although optional on an EVSE: the uid names it as well.
        "evse_id": evse.evse_id or evse.uid,
        "connector_id": connector.ocpi_id,
        "connector_standard": connector.standard,
        "connector_format": connector.format,
        "connector_power_type": connector.power_type,
        # For OCPI 2.1.1, whose sessions and CDRs hold a Location instead.
        "parking_type": location.parking_type,
        "connector_max_voltage": connector.max_voltage,
        "connector_max_amperage": connector.max_amperage,
        "time_zone": location.time_zone,
    }
    return {name: value for name, value in frozen.items() if value != ""}

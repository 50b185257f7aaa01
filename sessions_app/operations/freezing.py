"""What a session keeps of its tariff and its place: copies, so that no later change reaches it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import CdrToken
from locations.canonical import coordinate_text
from locations.models import Connector, Location
from sessions_app.own_tariffs import for_token
from tariffs.models import ORDINARY_TYPES, Tariff, best_of
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


def tariff_for(
    connector: Connector,
    token: CdrToken,
    now: datetime,
    types: Sequence[str] = ORDINARY_TYPES,
) -> Tariff | None:
    """Return the connector's tariff for a session that a token starts now, if it has one.

    Of the first of the types that it has: REGULAR goes before untyped, since it is the more
    specific (OCPI 2.2.1, mod_tariffs, TariffType).
    """
    return best_of(for_token(_whole_tariffs(connector), token), types=types, now=now)


def _whole_tariffs(connector: Connector) -> list[Tariff]:
    """Return the connector's tariffs, each of them as it was at one moment.

    A tariff is three queries, and one that is changed between them would be read half old and half
    new: the prices of today as including the tax of yesterday. A change moves `last_updated`.
    """
    tariffs = connector.tariffs.in_use()
    while True:
        rows = list(tariffs.with_elements())
        moments = {tariff.pk: tariff.last_updated for tariff in rows}
        if moments == dict(tariffs.values_list("pk", "last_updated")):
            return rows

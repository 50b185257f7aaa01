"""OCPI 2.1.1, mod_locations: Location, EVSE and Connector.

They have no owner here: the URL and the connection do. Whole seconds, and short addresses.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import parse_datetime
from locations.models import Connector, Evse, Location
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.rendering import (
    ENVIRONMENTAL_IMPACTS,
    IMAGE_CATEGORIES,
    business,
    coordinates,
    cut,
    energy_mix,
    images,
    in_order,
    known,
    opening_hours,
    present,
    schedule,
    six_decimals,
)
from tariffs.models import ORDINARY_TYPES, Tariff, best_of

Json = dict[str, Any]

LOCATION_TYPES = frozenset(["ON_STREET", "PARKING_GARAGE", "UNDERGROUND_GARAGE", "PARKING_LOT"])
# `postal_code` is required here, and 2.1.1 knows no "#NA" for what does not exist.
NO_POSTAL_CODE = "-"
CAPABILITIES = frozenset(
    [
        "CHARGING_PROFILE_CAPABLE",
        "CREDIT_CARD_PAYABLE",
        "REMOTE_START_STOP_CAPABLE",
        "RESERVABLE",
        "RFID_READER",
        "UNLOCK_CAPABLE",
    ]
)
FACILITIES = frozenset(
    [
        "HOTEL",
        "RESTAURANT",
        "CAFE",
        "MALL",
        "SUPERMARKET",
        "SPORT",
        "RECREATION_AREA",
        "NATURE",
        "MUSEUM",
        "BUS_STOP",
        "TAXI_STAND",
        "TRAIN_STATION",
        "AIRPORT",
        "CARPOOL_PARKING",
        "FUEL_STATION",
        "WIFI",
    ]
)
PARKING_RESTRICTIONS = frozenset(["EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES"])
CONNECTOR_TYPES = frozenset(
    [
        "CHADEMO",
        "DOMESTIC_A",
        "DOMESTIC_B",
        "DOMESTIC_C",
        "DOMESTIC_D",
        "DOMESTIC_E",
        "DOMESTIC_F",
        "DOMESTIC_G",
        "DOMESTIC_H",
        "DOMESTIC_I",
        "DOMESTIC_J",
        "DOMESTIC_K",
        "DOMESTIC_L",
        "IEC_60309_2_single_16",
        "IEC_60309_2_three_16",
        "IEC_60309_2_three_32",
        "IEC_60309_2_three_64",
        "IEC_62196_T1",
        "IEC_62196_T1_COMBO",
        "IEC_62196_T2",
        "IEC_62196_T2_COMBO",
        "IEC_62196_T3A",
        "IEC_62196_T3C",
        "TESLA_R",
        "TESLA_S",
    ]
)
# One phase is what a car can surely draw of two.
POWER_TYPES = {"AC_2_PHASE": "AC_1_PHASE", "AC_2_PHASE_SPLIT": "AC_1_PHASE"}


def render_location(row: Location, audience: Audience) -> Json:
    """Return a Location with its EVSEs, REMOVED ones included: pullers must learn of them."""
    evses = [evse for evse in in_order(row.evses.all()) if _connectors(evse)]
    return present(
        {
            "id": row.ocpi_id,
            "type": location_type(row.parking_type),
            "name": row.name,
            "address": cut(row.address, 45),
            "city": row.city,
            "postal_code": row.postal_code or NO_POSTAL_CODE,
            "country": row.country,
            "coordinates": coordinates(row.latitude, row.longitude),
            "related_locations": [six_decimals(place) for place in row.related_locations],
            "evses": [_evse(evse, audience) for evse in evses],
            "directions": row.directions,
            "operator": business(row.operator, IMAGE_CATEGORIES),
            "suboperator": business(row.suboperator, IMAGE_CATEGORIES),
            "owner": business(row.owner, IMAGE_CATEGORIES),
            "facilities": known(row.facilities, FACILITIES),
            "time_zone": row.time_zone,
            "opening_times": _opening_hours(row.opening_times),
            "charging_when_closed": row.charging_when_closed,
            "images": images(row.images, IMAGE_CATEGORIES),
            "energy_mix": render_energy_mix(row.energy_mix),
            "last_updated": whole_seconds(row.last_updated),
        }
    )


def render_evse_status(status: str, last_updated: datetime) -> Json:
    """Return the changes of an EVSE whose status is all that changed (mod_locations, PATCH)."""
    return {"status": status, "last_updated": whole_seconds(last_updated)}


def location_type(parking_type: str) -> str:
    """Return the `type`, which is required here: UNKNOWN, or OTHER for what came later."""
    if not parking_type:
        return "UNKNOWN"
    return parking_type if parking_type in LOCATION_TYPES else "OTHER"


def power_type(name: str) -> str:
    return POWER_TYPES.get(name, name)


def render_energy_mix(stored: Json | None) -> Json | None:
    """Return an EnergyMix; an impact's `category` is called `source` here."""
    mix = energy_mix(stored, ENVIRONMENTAL_IMPACTS)
    if mix is not None and "environ_impact" in mix:
        mix["environ_impact"] = [
            {"source": impact["category"], "amount": impact["amount"]}
            for impact in mix["environ_impact"]
        ]
    return mix


def whole_seconds(value: datetime | None) -> str | None:
    """Return an OCPI 2.1.1 DateTime, which has no fractions of a second."""
    if value is None:
        return None
    return format_datetime(value.astimezone(UTC).replace(microsecond=0))


def active_tariff(tariffs: Iterable[Tariff], audience: Audience) -> Tariff | None:
    """Return the tariff of an ordinary session that starts now: 2.1.1 has room for one.

    As `sessions_app.operations.sessions` chooses it: REGULAR before untyped, then by id.
    """
    own = (row for row in tariffs if audience.sees(row) and row.deleted_at is None)
    return best_of(own, types=ORDINARY_TYPES, now=audience.now)


def _evse(row: Evse, audience: Audience) -> Json:
    return present(
        {
            "uid": row.uid,
            "evse_id": row.evse_id,
            "status": row.status,
            "status_schedule": [
                _whole(entry, "period_begin", "period_end")
                for entry in schedule(row.status_schedule)
            ],
            "capabilities": known(row.capabilities, CAPABILITIES),
            "connectors": [_connector(connector, audience) for connector in _connectors(row)],
            "floor_level": row.floor_level,
            "coordinates": coordinates(row.latitude, row.longitude),
            "physical_reference": row.physical_reference,
            "directions": row.directions,
            "parking_restrictions": known(row.parking_restrictions, PARKING_RESTRICTIONS),
            "images": images(row.images, IMAGE_CATEGORIES),
            "last_updated": whole_seconds(row.last_updated),
        }
    )


def _connector(row: Connector, audience: Audience) -> Json:
    tariff = active_tariff(row.tariffs.all(), audience)
    return present(
        {
            "id": row.ocpi_id,
            "standard": row.standard,
            "format": row.format,
            "power_type": power_type(row.power_type),
            "voltage": row.max_voltage,
            "amperage": row.max_amperage,
            "tariff_id": tariff.ocpi_id if tariff else None,
            "terms_and_conditions": row.terms_and_conditions,
            "last_updated": whole_seconds(row.last_updated),
        }
    )


def _connectors(row: Evse) -> list[Connector]:
    """Return the connectors this version can express; it has no name for newer standards."""
    return [
        connector
        for connector in in_order(row.connectors.all())
        if connector.standard in CONNECTOR_TYPES
    ]


def _opening_hours(hours: Json | None) -> Json | None:
    stated = opening_hours(hours)
    if stated is None:
        return None
    return stated | {
        name: [_whole(period, "period_begin", "period_end") for period in stated[name]]
        for name in ("exceptional_openings", "exceptional_closings")
        if name in stated
    }


def _whole(period: Json, *names: str) -> Json:
    """Return a stored period with the fractions of its moments cut off."""
    return period | {name: whole_text(period[name]) for name in names if name in period}


def whole_text(stored: str) -> str:
    """Return a stored DateTime without its fraction of a second."""
    value = parse_datetime(stored)
    assert isinstance(value, datetime)  # noqa: S101  it gives nothing else, or raises
    return format_datetime(value.replace(microsecond=0))

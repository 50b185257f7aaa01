"""OCPI 2.2.1, mod_locations: Location, EVSE and Connector as partners read them."""

from decimal import Decimal
from typing import Any

from locations.canonical import coordinate_text
from locations.models import Connector, Evse, Location
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.rendering import energy_mix, known, moment, present

Json = dict[str, Any]

CAPABILITIES = frozenset(
    [
        "CHARGING_PROFILE_CAPABLE",
        "CHARGING_PREFERENCES_CAPABLE",
        "CHIP_CARD_SUPPORT",
        "CONTACTLESS_CARD_SUPPORT",
        "CREDIT_CARD_PAYABLE",
        "DEBIT_CARD_PAYABLE",
        "PED_TERMINAL",
        "REMOTE_START_STOP_CAPABLE",
        "RESERVABLE",
        "RFID_READER",
        "START_SESSION_CONNECTOR_REQUIRED",
        "TOKEN_GROUP_CAPABLE",
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
        "BIKE_SHARING",
        "BUS_STOP",
        "TAXI_STAND",
        "TRAM_STOP",
        "METRO_STATION",
        "TRAIN_STATION",
        "AIRPORT",
        "PARKING_LOT",
        "CARPOOL_PARKING",
        "FUEL_STATION",
        "WIFI",
    ]
)
PARKING_RESTRICTIONS = frozenset(["EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES"])
PARKING_TYPES = frozenset(
    [
        "ALONG_MOTORWAY",
        "PARKING_GARAGE",
        "PARKING_LOT",
        "ON_DRIVEWAY",
        "ON_STREET",
        "UNDERGROUND_GARAGE",
    ]
)
IMAGE_CATEGORIES = frozenset(
    ["CHARGER", "ENTRANCE", "LOCATION", "NETWORK", "OPERATOR", "OTHER", "OWNER"]
)
CONNECTOR_TYPES = frozenset(
    [
        "CHADEMO",
        "CHAOJI",
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
        "DOMESTIC_M",
        "DOMESTIC_N",
        "DOMESTIC_O",
        "GBT_AC",
        "GBT_DC",
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
        "NEMA_5_20",
        "NEMA_6_30",
        "NEMA_6_50",
        "NEMA_10_30",
        "NEMA_10_50",
        "NEMA_14_30",
        "NEMA_14_50",
        "PANTOGRAPH_BOTTOM_UP",
        "PANTOGRAPH_TOP_DOWN",
        "TESLA_R",
        "TESLA_S",
    ]
)


def render_location(row: Location, audience: Audience) -> Json:
    """Return a Location with its EVSEs, REMOVED ones included: pullers must learn of them."""
    evses = [evse for evse in _in_order(row.evses.all()) if _connectors(evse)]
    return present(
        {
            "country_code": row.country_code,
            "party_id": row.party_id,
            "id": row.ocpi_id,
            "publish": row.publish,
            "publish_allowed_to": row.publish_allowed_to,
            "name": row.name,
            "address": row.address,
            "city": row.city,
            "postal_code": row.postal_code,
            "state": row.state,
            "country": row.country,
            "coordinates": _coordinates(row.latitude, row.longitude),
            "related_locations": row.related_locations,
            "parking_type": row.parking_type if row.parking_type in PARKING_TYPES else None,
            "evses": [_evse(evse, audience) for evse in evses],
            "directions": row.directions,
            "operator": row.operator,
            "suboperator": row.suboperator,
            "owner": row.owner,
            "facilities": known(row.facilities, FACILITIES),
            "time_zone": row.time_zone,
            "opening_times": row.opening_times,
            "charging_when_closed": row.charging_when_closed,
            "images": _images(row.images),
            "energy_mix": energy_mix(row.energy_mix),
            "last_updated": moment(row.last_updated),
        }
    )


def _evse(row: Evse, audience: Audience) -> Json:
    return present(
        {
            "uid": row.uid,
            "evse_id": row.evse_id,
            "status": row.status,
            "status_schedule": row.status_schedule,
            "capabilities": known(row.capabilities, CAPABILITIES),
            "connectors": [_connector(connector, audience) for connector in _connectors(row)],
            "floor_level": row.floor_level,
            "coordinates": _coordinates(row.latitude, row.longitude),
            "physical_reference": row.physical_reference,
            "directions": row.directions,
            "parking_restrictions": known(row.parking_restrictions, PARKING_RESTRICTIONS),
            "images": _images(row.images),
            "last_updated": moment(row.last_updated),
        }
    )


def _connector(row: Connector, audience: Audience) -> Json:
    return present(
        {
            "id": row.ocpi_id,
            "standard": row.standard,
            "format": row.format,
            "power_type": row.power_type,
            "max_voltage": row.max_voltage,
            "max_amperage": row.max_amperage,
            "max_electric_power": row.max_electric_power,
            "tariff_ids": sorted(
                tariff.ocpi_id for tariff in row.tariffs.all() if audience.sees(tariff)
            ),
            "terms_and_conditions": row.terms_and_conditions,
            "last_updated": moment(row.last_updated),
        }
    )


def _connectors(row: Evse) -> list[Connector]:
    """Return the connectors this version can express; it has no name for newer standards."""
    return [
        connector
        for connector in _in_order(row.connectors.all())
        if connector.standard in CONNECTOR_TYPES
    ]


def _in_order(rows: Any) -> list[Any]:
    return sorted(rows, key=lambda row: row.pk)


def _coordinates(latitude: Decimal | None, longitude: Decimal | None) -> Json | None:
    if latitude is None or longitude is None:
        return None
    return {"latitude": coordinate_text(latitude), "longitude": coordinate_text(longitude)}


def _images(images: list[Json]) -> list[Json]:
    return [image for image in images if image["category"] in IMAGE_CATEGORIES]

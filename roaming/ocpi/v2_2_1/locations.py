"""OCPI 2.2.1, mod_locations: Location, EVSE and Connector as partners read them."""

from datetime import datetime
from typing import Any

from locations.models import Connector, Evse, Location
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.rendering import (
    ENVIRONMENTAL_IMPACTS,
    IMAGE_CATEGORIES,
    business,
    coordinates,
    energy_mix,
    images,
    in_order,
    known,
    moment,
    opening_hours,
    present,
    schedule,
    six_decimals,
)

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


# Newer kinds of tokens have no name of their own here.
TOKEN_TYPES = frozenset(["AD_HOC_USER", "APP_USER", "OTHER", "RFID"])


class LocationRenderer:
    """Turns rows into Locations; later versions are subclasses that say what differs.

    The vocabularies are the version's names of what it has names for; None: the enum is open.
    """

    capabilities: frozenset[str] | None = CAPABILITIES
    connector_types: frozenset[str] | None = CONNECTOR_TYPES
    environmental_impacts: frozenset[str] | None = ENVIRONMENTAL_IMPACTS
    facilities: frozenset[str] | None = FACILITIES
    image_categories: frozenset[str] | None = IMAGE_CATEGORIES
    parking_restrictions: frozenset[str] | None = PARKING_RESTRICTIONS
    parking_types: frozenset[str] | None = PARKING_TYPES
    token_types: frozenset[str] | None = TOKEN_TYPES

    def location(self, row: Location, audience: Audience) -> Json:
        """Return a Location with its EVSEs, REMOVED ones included: pullers must learn of them."""
        evses = [evse for evse in in_order(row.evses.all()) if self.connectors(evse)]
        return present(
            {
                "country_code": row.country_code,
                "party_id": row.party_id,
                "id": row.ocpi_id,
                "publish": row.publish,
                "publish_allowed_to": [self._token(token) for token in row.publish_allowed_to],
                "name": row.name,
                "address": row.address,
                "city": row.city,
                "postal_code": row.postal_code,
                "state": row.state,
                "country": row.country,
                "coordinates": coordinates(row.latitude, row.longitude),
                "related_locations": [six_decimals(place) for place in row.related_locations],
                "parking_type": "".join(known([row.parking_type], self.parking_types)),
                "evses": [self.evse(evse, audience) for evse in evses],
                "directions": row.directions,
                "operator": business(row.operator, self.image_categories),
                "suboperator": business(row.suboperator, self.image_categories),
                "owner": business(row.owner, self.image_categories),
                "facilities": known(row.facilities, self.facilities),
                "time_zone": row.time_zone,
                "opening_times": opening_hours(row.opening_times),
                "charging_when_closed": row.charging_when_closed,
                "images": images(row.images, self.image_categories),
                "energy_mix": energy_mix(row.energy_mix, self.environmental_impacts),
                "last_updated": moment(row.last_updated),
            }
        )

    def evse(self, row: Evse, audience: Audience) -> Json:
        return present(
            {
                "uid": row.uid,
                "evse_id": row.evse_id,
                "status": row.status,
                "status_schedule": schedule(row.status_schedule),
                "capabilities": known(row.capabilities, self.capabilities),
                "connectors": [
                    self.connector(connector, audience) for connector in self.connectors(row)
                ],
                "floor_level": row.floor_level,
                "coordinates": coordinates(row.latitude, row.longitude),
                "physical_reference": row.physical_reference,
                "directions": row.directions,
                "parking_restrictions": known(row.parking_restrictions, self.parking_restrictions),
                "images": images(row.images, self.image_categories),
                "last_updated": moment(row.last_updated),
            }
        )

    def connector(self, row: Connector, audience: Audience) -> Json:
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

    def connectors(self, row: Evse) -> list[Connector]:
        """Return the connectors that the version can express, in order."""
        return [
            connector
            for connector in in_order(row.connectors.all())
            if self.connector_types is None or connector.standard in self.connector_types
        ]

    def _token(self, token: Json) -> Json:
        if "type" not in token or known([token["type"]], self.token_types):
            return token
        return token | {"type": "OTHER"}


def render_evse_status(status: str, last_updated: datetime) -> Json:
    """Return the changes of an EVSE whose status is all that changed (mod_locations, PATCH)."""
    return {"status": status, "last_updated": moment(last_updated)}


render_location = LocationRenderer().location

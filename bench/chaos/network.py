"""A small network with everything that partners see: two tariffs, locations, stations."""

from typing import Any

from cpo_platform.common import clock
from cpo_platform.common.shapes import BusinessDetails, parse
from locations.models import Evse, Location
from locations.operations import put_location
from locations.shapes import LocationShape
from sessions_app.models import SimulatedStation
from tariffs.operations import put_party, put_tariff
from tariffs.shapes import TariffShape

Json = dict[str, Any]

COUNTRY_CODE, PARTY_ID = "NL", "CHX"
TARIFFS = ("CT1", "CT2")
LOCATIONS = 40
EVSES = 3
# Stations that cars come to when a partner asks for it; the others are for our own load.
STATIONS = 6


def make() -> None:
    put_party(
        country_code=COUNTRY_CODE,
        party_id=PARTY_ID,
        business_details=BusinessDetails(name="Chaos Charging"),
    )
    for tariff_id in TARIFFS:
        write_tariff(tariff_id, price="0.40")
    for number in range(LOCATIONS):
        write_location(number, publish=True)
    for evse in Evse.objects.filter(location__in=stations()):
        SimulatedStation.objects.create(evse=evse)


def stations() -> list[Location]:
    """Return the locations with simulated stations."""
    return list(Location.objects.filter(party_id=PARTY_ID).order_by("pk")[:STATIONS])


def write_tariff(tariff_id: str, *, price: str) -> None:
    component = {"type": "ENERGY", "price": price, "vat": "21", "step_size": 1}
    tariff = {
        "country_code": COUNTRY_CODE,
        "party_id": PARTY_ID,
        "id": tariff_id,
        "currency": "EUR",
        "tax_included": "NO",
        "elements": [{"price_components": [component]}],
    }
    put_tariff(tariff=parse(TariffShape, tariff), now=clock.now())


def write_location(number: int, *, publish: bool, name: str = "") -> None:
    location = {
        "country_code": COUNTRY_CODE,
        "party_id": PARTY_ID,
        "id": f"LOC{number:04}",
        "publish": publish,
        "name": name or f"Car park {number}",
        "address": f"Stationsplein {number}",
        "city": "Amsterdam",
        "postal_code": "1012 AB",
        "country": "NLD",
        "coordinates": {"latitude": "52.370216", "longitude": "4.895168"},
        "time_zone": "Europe/Amsterdam",
        # Its EVSEs stay as they are once they are there.
        "evses": [] if _exists(number) else [_evse(number, one) for one in range(EVSES)],
    }
    put_location(location=parse(LocationShape, location), now=clock.now())


def _exists(number: int) -> bool:
    return Location.objects.filter(ocpi_id=f"LOC{number:04}").exists()


def _evse(location: int, number: int) -> Json:
    return {
        "uid": f"EVSE{location:04}-{number}",
        "evse_id": f"NL*CHX*E{location:04}*{number}",
        "status": "AVAILABLE",
        "capabilities": ["REMOTE_START_STOP_CAPABLE", "RFID_READER", "UNLOCK_CAPABLE"],
        "connectors": [
            {
                "id": "1",
                "standard": "IEC_62196_T2",
                "format": "SOCKET",
                "power_type": "AC_3_PHASE",
                "max_voltage": 230,
                "max_amperage": 32,
                "max_electric_power": 22000,
                "tariff_ids": [TARIFFS[number % len(TARIFFS)]],
            }
        ],
    }

"""The network that is measured: locations of four EVSEs, registered partners, their tokens."""

from typing import Any

from django.db import connection

from cpo_platform.common import clock
from cpo_platform.common.secrets import encrypt, new_token
from cpo_platform.common.shapes import BusinessDetails, parse
from cpo_platform.upkeep.copying import insert_copies
from locations.models import Connector, Evse, Location
from locations.operations import put_location
from locations.shapes import LocationShape
from roaming.models import (
    Change,
    Endpoint,
    Feed,
    Partner,
    PartnerRole,
    PartnerStatus,
    TokenPurpose,
)
from roaming.operations import feed
from roaming.operations.partner_tokens import give_token
from tariffs.operations import put_party, put_tariff
from tariffs.shapes import TariffShape

Json = dict[str, Any]

COUNTRY_CODE, PARTY_ID = "NL", "BEN"
VERSION = "2.2.1"
# What a partner is sent: it has all of these.
RECEIVED = ("locations", "tariffs", "sessions", "cdrs")


def make(*, locations: int, evses: int) -> str:
    """Make a network in an empty database; return the token of a partner that may read it."""
    fill(locations=locations, evses=evses)
    return _with_token(add_partner("Reader", number=0, url="https://emsp.example"))


def fill(*, locations: int, evses: int) -> None:
    """Make a network in an empty database: the first location by the operation, copies in SQL.

    A copy is the first location with other names; 100 000 EVSEs take some ten seconds.
    """
    now = clock.now()
    put_party(
        country_code=COUNTRY_CODE,
        party_id=PARTY_ID,
        business_details=BusinessDetails(name="Bench Charging"),
    )
    put_tariff(tariff=parse(TariffShape, _tariff()), now=now)
    put_location(location=parse(LocationShape, _location(0, evses)), now=now)
    if locations > 1:
        _copy(locations)
    # Nobody was there to hear of it: partners that come are told what they are to be told.
    Change.objects.all().delete()


def add_partner(name: str, *, number: int, url: str) -> Partner:
    """Register a partner below an address, without a handshake: it is told what changes from now.

    Its party is a letter and two digits of its own.
    """
    now = clock.now()
    partner = Partner.objects.create(
        name=name,
        status=PartnerStatus.REGISTERED,
        version=VERSION,
        versions_url=f"{url}/versions",
        token_encrypted=encrypt("theirs"),
        told_parties=[f"{COUNTRY_CODE}*{PARTY_ID}"],
        registered_at=now,
    )
    PartnerRole.objects.create(
        partner=partner, role="EMSP", country_code="NL", party_id=f"E{number:02}"
    )
    Endpoint.objects.bulk_create(
        Endpoint(
            partner=partner, identifier=module, role="RECEIVER", url=f"{url}/{VERSION}/{module}"
        )
        for module in RECEIVED
    )
    feed.open_feeds(partner, now=now)
    # It settles after a real handshake only.
    Feed.objects.filter(partner=partner).update(retry_at=None)
    return partner


def _with_token(partner: Partner) -> str:
    token = new_token()
    give_token(partner, token, purpose=TokenPurpose.OPERATION, now=clock.now())
    return token


def _copy(locations: int) -> None:
    """Copy the one location, its EVSEs and connectors, until there are so many locations."""
    number = "substr(copy.ocpi_id, 4)"
    with connection.cursor() as cursor:
        cursor.execute(
            insert_copies(
                Location,
                {
                    "ocpi_id": "'LOC' || lpad(number::text, 6, '0')",
                    "name": "'Car park ' || number",
                    "address": "'Stationsplein ' || number",
                },
                "locations_location AS original, generate_series(1, %s) AS number",
            ),
            [locations - 1],
        )
        cursor.execute(
            insert_copies(
                Evse,
                {
                    "location_id": "copy.id",
                    "uid": f"'EVSE' || {number} || substr(original.uid, 11)",
                    "evse_id": f"'NL*BEN*E' || {number} || substr(original.evse_id, 15)",
                },
                "locations_evse AS original, locations_location AS copy"
                " WHERE copy.id <> original.location_id ORDER BY copy.id, original.id",
            )
        )
        cursor.execute(
            insert_copies(
                Connector,
                {"evse_id": "copy.id"},
                "locations_connector AS original"
                " JOIN locations_evse AS parent ON parent.id = original.evse_id"
                " JOIN locations_evse AS copy ON copy.id <> parent.id"
                " AND substr(copy.uid, 11) = substr(parent.uid, 11)"
                " ORDER BY copy.id, original.id",
            )
        )
        cursor.execute(
            "INSERT INTO locations_connector_tariffs (connector_id, tariff_id)"
            " SELECT connector.id, tariff.id"
            " FROM locations_connector AS connector, tariffs_tariff AS tariff"
            " ON CONFLICT DO NOTHING"
        )
        cursor.execute("ANALYZE")


def _tariff() -> Json:
    component = {"type": "ENERGY", "price": "0.40", "vat": "21", "step_size": 1}
    return {
        "country_code": COUNTRY_CODE,
        "party_id": PARTY_ID,
        "id": "T1",
        "currency": "EUR",
        "tax_included": "NO",
        "elements": [{"price_components": [component]}],
    }


def _location(number: int, evses: int) -> Json:
    return {
        "country_code": COUNTRY_CODE,
        "party_id": PARTY_ID,
        "id": f"LOC{number:06}",
        "publish": True,
        "name": f"Car park {number}",
        "address": f"Stationsplein {number}",
        "city": "Amsterdam",
        "postal_code": "1012 AB",
        "country": "NLD",
        "coordinates": {"latitude": "52.370216", "longitude": "4.895168"},
        "parking_type": "PARKING_GARAGE",
        "facilities": ["HOTEL", "RESTAURANT"],
        "operator": {"name": "Bench Charging", "website": "https://bench.example"},
        "time_zone": "Europe/Amsterdam",
        "opening_times": {"twentyfourseven": True},
        "evses": [_evse(number, one) for one in range(evses)],
    }


def _evse(location: int, number: int) -> Json:
    return {
        "uid": f"EVSE{location:06}-{number}",
        "evse_id": f"NL*BEN*E{location:06}*{number}",
        "status": "AVAILABLE",
        "capabilities": ["REMOTE_START_STOP_CAPABLE", "RFID_READER", "RESERVABLE"],
        "floor_level": "-1",
        "physical_reference": f"{number}",
        "connectors": [
            {
                "id": str(one),
                "standard": "IEC_62196_T2",
                "format": "SOCKET",
                "power_type": "AC_3_PHASE",
                "max_voltage": 230,
                "max_amperage": 32,
                "max_electric_power": 22000,
                "tariff_ids": ["T1"],
            }
            for one in (1, 2)
        ],
    }

"""The network that is measured: locations of four EVSEs, a registered partner, its token."""

from typing import Any

from cpo_platform.common import clock
from cpo_platform.common.secrets import encrypt, new_token
from cpo_platform.common.shapes import BusinessDetails, parse
from locations.operations import put_location
from locations.shapes import LocationShape
from roaming.models import Feed, Partner, PartnerRole, PartnerStatus, TokenPurpose
from roaming.operations.partner_tokens import give_token
from tariffs.operations import put_party, put_tariff
from tariffs.shapes import TariffShape

Json = dict[str, Any]

COUNTRY_CODE, PARTY_ID = "NL", "BEN"


def make(*, locations: int, evses: int) -> str:
    """Make a network in an empty database; return the token of a partner that may read it."""
    now = clock.now()
    put_party(
        country_code=COUNTRY_CODE,
        party_id=PARTY_ID,
        business_details=BusinessDetails(name="Bench Charging"),
    )
    put_tariff(tariff=parse(TariffShape, _tariff()), now=now)
    for number in range(locations):
        put_location(location=parse(LocationShape, _location(number, evses)), now=now)
    return _partner()


def _partner() -> str:
    now = clock.now()
    partner = Partner.objects.create(
        name="Reader",
        status=PartnerStatus.REGISTERED,
        version="2.2.1",
        versions_url="https://emsp.example/versions",
        token_encrypted=encrypt("theirs"),
        told_parties=[f"{COUNTRY_CODE}*{PARTY_ID}"],
    )
    PartnerRole.objects.create(partner=partner, role="EMSP", country_code="NL", party_id="EMS")
    Feed.objects.create(partner=partner)
    token = new_token()
    give_token(partner, token, purpose=TokenPurpose.OPERATION, now=now)
    return token


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

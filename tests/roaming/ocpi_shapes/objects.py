"""Objects with every field set, and as a version writes them: plain JSON, after the wire."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cpo_platform.common import json
from cpo_platform.common.shapes import CdrToken
from locations.models import Connector, Location
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.versions import VERSIONS
from sessions_app.metering import Reading
from sessions_app.models import Cdr, Session
from sessions_app.operations import sessions
from tariffs.models import Tariff
from tests.audiences import EVERYBODY
from tests.factories import (
    LocationFactory,
    SessionFactory,
    TariffFactory,
    cdr_token,
    connector,
    evse,
    price,
)

Json = dict[str, Any]

ALL = ("2.1.1", "2.2.1", "2.3.0")
LATER = ("2.2.1", "2.3.0")
MODULES = ("locations", "tariffs", "sessions", "cdrs")

# A moment with milliseconds, as every moment of the platform's clock has them.
MOMENT = datetime(2026, 6, 1, 8, 30, 15, 250_000, tzinfo=UTC)
IMAGE = {
    "url": "https://img.example/1.png",
    "thumbnail": "https://img.example/1t.png",
    "category": "CHARGER",
    "type": "png",
    "width": 800,
    "height": 600,
}
# A category that only an open enum takes.
MENU = IMAGE | {"category": "MENU"}
DIRECTIONS = [{"language": "en", "text": "Behind the church"}]
MIX = {
    "is_green_energy": False,
    "energy_sources": [
        {"source": "SOLAR", "percentage": 60.5},
        {"source": "COAL", "percentage": 39.5},
    ],
    "environ_impact": [
        {"category": "CARBON_DIOXIDE", "amount": 120.5},
        {"category": "METHANE", "amount": 1},
    ],
    "supplier_name": "Green Power",
    "energy_product_name": "Mostly green",
}
BUSINESS = {"name": "Test Charging", "website": "https://cpo.example", "logo": IMAGE}
PARKING = {
    "id": "P1",
    "physical_reference": "Bay 3",
    "vehicle_types": ["TRUCK_WITH_TRAILER", "DISABLED"],
    "max_vehicle_weight": 40000.5,
    "max_vehicle_height": 400,
    "max_vehicle_length": 1875,
    "max_vehicle_width": 255,
    "parking_space_length": 2000,
    "parking_space_width": 350,
    "dangerous_goods_allowed": False,
    "direction": "ANGLE",
    "drive_through": True,
    "restricted_to_type": True,
    "reservation_required": False,
    "time_limit": 90.5,
    "roofed": False,
    "images": [IMAGE],
    "lighting": True,
    "refrigeration_outlet": False,
    "standards": ["SSTPA-2"],
    "apds_reference": "https://apds.example/1",
}


def rich_location(**changed: Any) -> Location:
    """Return L1 with all that a location can have, among it what only 2.3.0 has names for."""
    TariffFactory(id="REG", type="REGULAR")
    TariffFactory(id="ADHOC", type="AD_HOC_PAYMENT")
    two_phases = connector("2", tariff_ids=["REG"]) | {"power_type": "AC_2_PHASE_SPLIT"}
    first = connector("1", tariff_ids=["ADHOC", "REG"]) | {
        "terms_and_conditions": "https://cpo.example/terms",
        "capabilities": ["ISO_15118_2_PLUG_AND_CHARGE"],
    }
    megawatt = connector("3", power="DC", tariff_ids=["REG"]) | {"standard": "MCS"}
    fields: Json = {
        "id": "L1",
        "address": "A street with a name that is longer than forty-five characters, 12",
        "state": "Noord-Holland en omstreken",
        "related_locations": [
            {
                "latitude": "-52.3702161",
                "longitude": "-104.8951688",
                "name": {"language": "en", "text": "Entrance"},
            }
        ],
        "parking_type": "ALONG_MOTORWAY",
        "directions": DIRECTIONS,
        "operator": BUSINESS,
        "suboperator": {"name": "Sub"},
        "owner": BUSINESS | {"logo": MENU},
        "facilities": ["CAFE", "TRAM_STOP", "DOG_PARK"],
        "opening_times": {
            "twentyfourseven": False,
            "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}],
            "exceptional_openings": [period("2026-12-24T08:00:00.500Z", "2026-12-24T12:00:00Z")],
            "exceptional_closings": [period("2026-12-25T00:00:00Z", "2026-12-26T00:00:00Z")],
        },
        "charging_when_closed": False,
        "images": [IMAGE, MENU],
        "energy_mix": MIX,
        "help_phone": "+31 20 555 0100",
        "parking_places": [PARKING],
        "evses": [
            evse("E1")
            | {
                "status_schedule": [
                    period("2026-07-01T00:00:00.250Z", "2026-07-02T00:00:00Z")
                    | {"status": "INOPERATIVE"}
                ],
                "capabilities": ["RFID_READER", "TOKEN_GROUP_CAPABLE", "HAS_A_ROOF"],
                "floor_level": "-1",
                "coordinates": {"latitude": "52.370300", "longitude": "4.895300"},
                "physical_reference": "7",
                "directions": DIRECTIONS,
                "parking_restrictions": ["EV_ONLY", "TAXIS"],
                "images": [IMAGE, MENU],
                "parking": [{"parking_id": "P1", "evse_position": "LEFT"}],
                "accepted_service_providers": ["First eMSP"],
                "connectors": [first, two_phases, megawatt],
            },
            evse("E2") | {"connectors": [megawatt]},
        ],
        "tariff": None,
        "now": MOMENT,
    }
    return whole(LocationFactory(**(fields | changed)))


def period(begin: str, end: str) -> Json:
    return {"period_begin": begin, "period_end": end}


def whole(location: Location) -> Location:
    return Location.objects.complete().get(pk=location.pk)


def rich_tariff(**changed: Any) -> Tariff:
    """Return T1: gross prices, limits, a validity, and an element of every kind."""
    fields: Json = {
        "id": "T1",
        "type": "REGULAR",
        "tax_included": "YES",
        "tariff_alt_text": [{"language": "en", "text": "Fair prices."}],
        "tariff_alt_url": "https://cpo.example/tariff",
        "min_price": {"before_taxes": "0.50", "after_taxes": "0.605"},
        "max_price": {"before_taxes": "50"},
        "preauthorize_amount": "60",
        "start_date_time": "2026-01-01T00:00:00Z",
        "end_date_time": "2027-01-01T00:00:00.500Z",
        "energy_mix": MIX,
        "elements": [
            {
                "price_components": [price("TIME", "3.63")],
                "restrictions": {"reservation": "RESERVATION"},
            },
            {
                "price_components": [price("ENERGY", "0.605")],
                "restrictions": {"min_current": "16", "max_current": "32"},
            },
            {
                "price_components": [price("ENERGY", "0.484"), price("PARKING_TIME", "6.05")],
                "restrictions": {
                    "start_time": "22:00",
                    "end_time": "06:00",
                    "start_date": "2026-01-01",
                    "end_date": "2026-12-31",
                    "min_kwh": "1.5",
                    "max_kwh": "90",
                    "min_power": "3.7",
                    "max_power": "22.5",
                    "min_duration": 60,
                    "max_duration": 7200,
                    "day_of_week": ["MONDAY", "SUNDAY"],
                },
            },
            {
                "price_components": [
                    price("ENERGY", "0.605"),
                    price("FLAT", "1.21"),
                    price("TIME", "0", vat=None, step_size=300),
                ]
            },
        ],
        "now": MOMENT,
    }
    row = TariffFactory(**(fields | changed))
    return Tariff.objects.with_elements().get(pk=row.pk)


def charge(
    *,
    location: Location | None = None,
    connector_id: str = "1",
    token: CdrToken | None = None,
    **fields: Any,
) -> Session:
    """Return a session of 10 kWh in one hour, still running."""
    where = location or rich_location()
    plug = Connector.objects.get(evse__location=where, evse__uid="E1", ocpi_id=connector_id)
    session = SessionFactory(
        connector=plug,
        cdr_token=token or cdr_token(),
        now=MOMENT,
        **({"authorization_reference": "AUTH-1", "meter_id": "METER-1"} | fields),
    )
    sessions.record_meter_values(
        session_id=session.pk,
        readings=[
            Reading(at=MOMENT + timedelta(minutes=minutes), kwh=Decimal(1000) + kwh, **state)
            for minutes, kwh, state in (
                (30, Decimal("7.5"), {"power_kw": Decimal(5)}),
                (60, Decimal(10), {"requesting_power": False, "power_kw": Decimal(0)}),
                (75, Decimal(10), {"requesting_power": False, "power_kw": Decimal(0)}),
            )
        ],
        now=MOMENT + timedelta(minutes=75),
    )
    return whole_session(session.pk)


def whole_session(session_id: int) -> Session:
    return Session.objects.complete().get(pk=session_id)


def bill(session: Session) -> Cdr:
    """Stop a session 90 minutes after its start; return its CDR."""
    end = MOMENT + timedelta(minutes=90)
    _session, cdr = sessions.stop_session(session_id=session.pk, ended_at=end, now=end)
    assert cdr is not None
    return Cdr.objects.get(pk=cdr.pk)


def render(number: str, row: Any, audience: Audience = EVERYBODY) -> Json:
    """Return the object as the version's partners read it."""
    shapes = VERSIONS[number].shapes
    if isinstance(row, Location):
        document = shapes.location(row, audience)
    elif isinstance(row, Tariff):
        document = shapes.tariff(row)
    elif isinstance(row, Session):
        document = shapes.session(row)
    else:
        document = shapes.cdr(row)
    read: Json = json.loads(json.dumps(document))
    return read


def rich(module: str) -> Any:
    """Return a row of a module with every field set."""
    if module == "locations":
        return rich_location()
    if module == "tariffs":
        return rich_tariff()
    return charge() if module == "sessions" else bill(charge())

"""A small network, made by the operations as everything else."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cpo_platform.common.shapes import BusinessDetails, CdrToken, parse
from locations import operations as location_operations
from locations.models import Location
from locations.shapes import LocationShape
from sessions_app.metering import Reading
from sessions_app.models import Session
from sessions_app.operations import sessions
from tariffs import operations as tariff_operations
from tariffs.models import Party, Tariff
from tariffs.shapes import TariffShape

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def make_party(party_id: str = "ABC") -> Party:
    party, _outcome = tariff_operations.put_party(
        country_code="DE", party_id=party_id, business_details=BusinessDetails(name="Example")
    )
    return party


def make_tariff(tariff_id: str = "T1", **values: Any) -> Tariff:
    component = {"type": "ENERGY", "price": "0.50", "vat": "19", "step_size": 1}
    document = {
        "country_code": "DE",
        "party_id": "ABC",
        "id": tariff_id,
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
    }
    shape = parse(TariffShape, document | values)
    tariff, _outcome = tariff_operations.put_tariff(tariff=shape, now=NOW)
    return tariff


def make_location(location_id: str = "L1", *, evses: int = 1, **values: Any) -> Location:
    document = {
        "country_code": "DE",
        "party_id": "ABC",
        "id": location_id,
        "publish": True,
        "name": f"Site {location_id}",
        "address": "Street 1",
        "city": "Town",
        "country": "DEU",
        "coordinates": {"latitude": "48.892330", "longitude": "9.183290"},
        "time_zone": "Europe/Berlin",
        "evses": [
            {
                "uid": f"{location_id}-{number}",
                "evse_id": f"DE*ABC*E{location_id}{number}",
                "status": "AVAILABLE",
                "connectors": [
                    {
                        "id": "1",
                        "standard": "IEC_62196_T2",
                        "format": "SOCKET",
                        "power_type": "AC_3_PHASE",
                        "max_voltage": 230,
                        "max_amperage": 32,
                        "tariff_ids": values.pop("tariff_ids", None),
                    }
                ],
            }
            for number in range(1, evses + 1)
        ],
    }
    shape = parse(LocationShape, document | values)
    return location_operations.put_location(location=shape, now=NOW).location


def make_session(location: Location, *, evse: int = 0, end: bool = True) -> Session:
    """Charge 11 kWh in an hour at one EVSE of a location."""
    connector = location.evses.order_by("pk")[evse].connectors.get()
    session = sessions.start_session(
        connector_id=connector.pk,
        cdr_token=CdrToken(
            country_code="NL", party_id="EMS", uid="04AA", type="RFID", contract_id="NL-EMS-1"
        ),
        auth_method="WHITELIST",
        meter_start=Decimal(100),
        now=NOW,
    )
    sessions.activate_session(session_id=session.pk, now=NOW)
    reading = Reading(at=NOW + timedelta(hours=1), kwh=Decimal(111), power_kw=Decimal(11))
    sessions.record_meter_values(session_id=session.pk, readings=[reading], now=reading.at)
    if end:
        sessions.stop_session(session_id=session.pk, ended_at=reading.at, now=reading.at)
    return Session.objects.get(pk=session.pk)

"""Valid OCPI 2.2.1 objects to start from."""

from typing import Any

T0, T1, T2, T3 = (f"2026-07-01T10:0{minute}:00Z" for minute in range(4))


def connector(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "tariff_ids": ["TARIFF-1"],
        "last_updated": T0,
        **changes,
    }


def evse(**changes: Any) -> dict[str, Any]:
    return {
        "uid": "EVSE-1",
        "evse_id": "NL*CPO*E1",
        "status": "AVAILABLE",
        "connectors": [connector()],
        "last_updated": T0,
        **changes,
    }


def location(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "LOC-1",
        "publish": True,
        "name": "Station square",
        "address": "Stationsplein 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.08930", "longitude": "5.11030"},
        "time_zone": "Europe/Amsterdam",
        "evses": [evse()],
        "last_updated": T0,
        **changes,
    }


def tariff(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "TARIFF-1",
        "currency": "EUR",
        "elements": [
            {
                "price_components": [
                    {"type": "FLAT", "price": 0.5, "vat": 20, "step_size": 1},
                    {"type": "ENERGY", "price": 0.25, "vat": 10, "step_size": 1},
                    {"type": "PARKING_TIME", "price": 2, "vat": 20, "step_size": 900},
                ]
            }
        ],
        "last_updated": T0,
        **changes,
    }


def cdr_token(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "EMS",
        "uid": "04A1B2C3D4E5F6",
        "type": "RFID",
        "contract_id": "NL-EMS-C10000001",
        **changes,
    }


def period(start: str, **volumes: float) -> dict[str, Any]:
    return {
        "start_date_time": start,
        "tariff_id": "TARIFF-1",
        "dimensions": [{"type": name, "volume": volume} for name, volume in volumes.items()],
    }


def session(**changes: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "SESSION-1",
        "start_date_time": T0,
        "kwh": 1.5,
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "location_id": "LOC-1",
        "evse_uid": "EVSE-1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
        "charging_periods": [period(T0, ENERGY=1.5)],
        "last_updated": T0,
        **changes,
    }


def cdr(**changes: Any) -> dict[str, Any]:
    """20 kWh and 40 minutes of parking (billed as 45): 7.00 excl. and 7.90 incl. VAT."""
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "CDR-1",
        "start_date_time": "2026-07-01T08:00:00Z",
        "end_date_time": "2026-07-01T10:40:00Z",
        "session_id": "SESSION-1",
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC-1",
            "name": "Station square",
            "address": "Stationsplein 1",
            "city": "Utrecht",
            "country": "NLD",
            "coordinates": {"latitude": "52.08930", "longitude": "5.11030"},
            "evse_uid": "EVSE-1",
            "evse_id": "NL*CPO*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [tariff()],
        "charging_periods": [
            period("2026-07-01T08:00:00Z", ENERGY=20, TIME=2),
            period("2026-07-01T10:00:00Z", PARKING_TIME=0.6667),
        ],
        "total_cost": {"excl_vat": 7.0, "incl_vat": 7.9},
        "total_fixed_cost": {"excl_vat": 0.5, "incl_vat": 0.6},
        "total_energy": 20,
        "total_energy_cost": {"excl_vat": 5.0, "incl_vat": 5.5},
        "total_time": 2.6667,
        "total_parking_time": 0.6667,
        "total_parking_cost": {"excl_vat": 1.5, "incl_vat": 1.8},
        "last_updated": "2026-07-01T10:41:00Z",
        **changes,
    }

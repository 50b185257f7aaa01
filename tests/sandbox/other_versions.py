"""The objects of `objects`, as OCPI 2.1.1 and 2.3.0 have them."""

from typing import Any

from tests.sandbox import objects
from tests.sandbox.objects import T0

AUTH_ID = "NL-EMS-C10000001"


def old_connector(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "voltage": 230,
        "amperage": 32,
        "tariff_id": "TARIFF-1",
        "last_updated": T0,
        **changes,
    }


def old_location(**changes: Any) -> dict[str, Any]:
    evse = {
        "uid": "EVSE-1",
        "evse_id": "NL*CPO*E1",
        "status": "AVAILABLE",
        "connectors": [old_connector()],
        "last_updated": T0,
    }
    return {
        "id": "LOC-1",
        "type": "ON_STREET",
        "name": "Station square",
        "address": "Stationsplein 1",
        "city": "Utrecht",
        "postal_code": "3511ED",
        "country": "NLD",
        "coordinates": {"latitude": "52.089300", "longitude": "5.110300"},
        "evses": [evse],
        "last_updated": T0,
        **changes,
    }


def old_tariff(**changes: Any) -> dict[str, Any]:
    components = [
        {"type": "FLAT", "price": 0.5, "step_size": 1},
        {"type": "ENERGY", "price": 0.25, "step_size": 1},
        {"type": "PARKING_TIME", "price": 2, "step_size": 900},
    ]
    return {
        "id": "TARIFF-1",
        "currency": "EUR",
        "elements": [{"price_components": components}],
        "last_updated": T0,
        **changes,
    }


def old_session(**changes: Any) -> dict[str, Any]:
    period = {"start_date_time": T0, "dimensions": [{"type": "ENERGY", "volume": 1.5}]}
    return {
        "id": "SESSION-1",
        "start_datetime": T0,
        "kwh": 1.5,
        "auth_id": AUTH_ID,
        "auth_method": "WHITELIST",
        "location": old_location(),
        "currency": "EUR",
        "status": "ACTIVE",
        "charging_periods": [period],
        "last_updated": T0,
        **changes,
    }


def old_cdr(**changes: Any) -> dict[str, Any]:
    """20 kWh and 40 minutes of parking (billed as 45): 7.00, as `objects.cdr`."""
    given = objects.cdr()
    periods = [
        {name: period[name] for name in ("start_date_time", "dimensions")}
        for period in given["charging_periods"]
    ]
    return {
        "id": "CDR-1",
        "start_date_time": given["start_date_time"],
        "stop_date_time": given["end_date_time"],
        "auth_id": AUTH_ID,
        "auth_method": "WHITELIST",
        "location": old_location(),
        "currency": "EUR",
        "tariffs": [old_tariff()],
        "charging_periods": periods,
        "total_cost": 7.0,
        "total_energy": 20,
        "total_time": 2.6667,
        "total_parking_time": 0.6667,
        "last_updated": given["last_updated"],
        **changes,
    }


def new_tariff(**changes: Any) -> dict[str, Any]:
    return objects.tariff(tax_included="NO", **changes)


def price(net: float, gross: float) -> dict[str, Any]:
    return {"before_taxes": net, "taxes": [{"name": "VAT", "amount": round(gross - net, 4)}]}


def new_cdr(**changes: Any) -> dict[str, Any]:
    given = objects.cdr()
    costs = {
        name: price(value["excl_vat"], value["incl_vat"])
        for name, value in given.items()
        if isinstance(value, dict) and "excl_vat" in value
    }
    return {**given, **costs, "tariffs": [new_tariff()], **changes}


def new_session(**changes: Any) -> dict[str, Any]:
    return objects.session(total_cost=price(1.0, 1.21), **changes)


def inclusive(tariff: dict[str, Any]) -> dict[str, Any]:
    """Return a tariff of the same cost whose prices have their taxes in them."""
    components = [
        {**component, "price": round(component["price"] * (100 + component["vat"]) / 100, 6)}
        for component in tariff["elements"][0]["price_components"]
    ]
    return {**tariff, "tax_included": "YES", "elements": [{"price_components": components}]}


LOCATIONS = {"2.1.1": old_location, "2.2.1": objects.location, "2.3.0": objects.location}
TARIFFS = {"2.1.1": old_tariff, "2.2.1": objects.tariff, "2.3.0": new_tariff}
SESSIONS = {"2.1.1": old_session, "2.2.1": objects.session, "2.3.0": new_session}
CDRS = {"2.1.1": old_cdr, "2.2.1": objects.cdr, "2.3.0": new_cdr}

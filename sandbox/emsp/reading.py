"""Read what the CPO sent in any version as one form, for judging, computing and showing it.

The form is that of OCPI 2.2.1: `Price{excl_vat, incl_vat}`, `cdr_token`, `cdr_location`. What was
received is stored as it came; nothing here is ever written.
"""

from decimal import Decimal
from typing import Any

from sandbox.emsp.wire import Json, Party

_COSTS = (
    "total_cost",
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)


def read(module: str, body: Json, version: str, owner: Party | None = None) -> Json:
    """Return a valid object of a module in the common form.

    `owner` is the CPO party where the object does not name it (OCPI 2.1.1).
    """
    if version == "2.2.1":
        return body
    readers = {
        "2.1.1": {
            "locations": _old_location,
            "tariffs": _old_tariff,
            "sessions": _old_session,
            "cdrs": _old_cdr,
        },
        "2.3.0": {"tariffs": _tariff, "sessions": _costs, "cdrs": _cdr},
    }
    reader = readers[version].get(module)
    found = reader(body) if reader else body
    if owner and "country_code" not in found:
        found = {"country_code": owner.country_code, "party_id": owner.party_id, **found}
    return found


# OCPI 2.3.0


def _costs(body: Json) -> Json:
    return {**body, **{name: _price(body[name]) for name in _COSTS if body.get(name)}}


def _price(value: Json) -> Json:
    """Add up the taxes of a 2.3.0 Price; a sum is exact in decimals only."""
    taxes = sum((Decimal(str(tax["amount"])) for tax in value.get("taxes") or []), Decimal(0))
    net = Decimal(str(value["before_taxes"]))
    return {"excl_vat": value["before_taxes"], "incl_vat": float(net + taxes)}


def _tariff(body: Json) -> Json:
    limits: Json = {}
    for name in ("min_price", "max_price"):
        if limit := body.get(name):
            limits[name] = {"excl_vat": limit["before_taxes"]}
            if limit.get("after_taxes") is not None:
                limits[name]["incl_vat"] = limit["after_taxes"]
    return {**body, **limits}


def _cdr(body: Json) -> Json:
    return {**_costs(body), "tariffs": [_tariff(tariff) for tariff in body.get("tariffs") or []]}


# OCPI 2.1.1


def _old_connector(connector: Json) -> Json:
    names = [connector["tariff_id"]] if connector.get("tariff_id") else []
    return {
        **connector,
        "max_voltage": connector["voltage"],
        "max_amperage": connector["amperage"],
        "tariff_ids": names,
    }


def _old_location(body: Json) -> Json:
    evses = [
        {**evse, "connectors": [_old_connector(entry) for entry in evse["connectors"]]}
        for evse in body.get("evses") or []
    ]
    return {**body, "publish": True, "evses": evses}


def _old_tariff(body: Json) -> Json:
    return body


def _old_token(auth_id: str) -> Json:
    return {"uid": auth_id, "type": "auth_id", "contract_id": auth_id}


def _place(location: Json) -> tuple[Json, Json]:
    """Return the one EVSE and the one connector of an embedded Location; {} where it has none."""
    evse: Json = next(iter(location.get("evses") or []), {})
    return evse, next(iter(evse.get("connectors") or []), {})


def _old_session(body: Json) -> Json:
    evse, connector = _place(body["location"])
    found = {
        **body,
        "start_date_time": body["start_datetime"],
        "cdr_token": _old_token(body["auth_id"]),
        "location_id": body["location"]["id"],
        "evse_uid": evse.get("uid", ""),
        "connector_id": connector.get("id", ""),
    }
    if body.get("end_datetime"):
        found["end_date_time"] = body["end_datetime"]
    return _net_cost(found)


def _net_cost(body: Json) -> Json:
    cost = body.get("total_cost")
    return body if cost is None else {**body, "total_cost": {"excl_vat": cost}}


def _old_cdr(body: Json) -> Json:
    evse, connector = _place(body["location"])
    location = body["location"]
    tariffs = body.get("tariffs") or []
    # A period of 2.1.1 does not name its tariff: with one in the CDR there is no doubt.
    priced = {"tariff_id": tariffs[0]["id"]} if len(tariffs) == 1 else {}
    place: dict[str, Any] = {
        "id": location["id"],
        "name": location.get("name"),
        "address": location["address"],
        "city": location["city"],
        "country": location["country"],
        "coordinates": location["coordinates"],
        "evse_uid": evse.get("uid", ""),
        "evse_id": evse.get("evse_id", ""),
        "connector_id": connector.get("id", ""),
        "connector_standard": connector.get("standard", ""),
    }
    return _net_cost(
        {
            **body,
            "end_date_time": body["stop_date_time"],
            "cdr_token": _old_token(body["auth_id"]),
            "cdr_location": place,
            "charging_periods": [{**period, **priced} for period in body["charging_periods"]],
        }
    )

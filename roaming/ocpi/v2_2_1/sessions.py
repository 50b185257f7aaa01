"""OCPI 2.2.1, mod_sessions and mod_cdrs: Session and CDR as partners read them."""

from decimal import Decimal
from typing import Any

from roaming.ocpi.common.rendering import cut, moment, present
from roaming.ocpi.v2_2_1.tariffs import tariff_document
from sessions_app.models import Cdr, Session
from tariffs.shapes import TariffShape

Json = dict[str, Any]

NOT_AVAILABLE = "#NA"
CDR_DIMENSIONS = frozenset(
    [
        "ENERGY",
        "MAX_CURRENT",
        "MIN_CURRENT",
        "MAX_POWER",
        "MIN_POWER",
        "PARKING_TIME",
        "RESERVATION_TIME",
        "TIME",
    ]
)
OPTIONAL_COSTS = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)


def render_session(row: Session) -> Json:
    """Return a Session; a charging period appears once it is closed, and never changes then."""
    return present(
        {
            "country_code": row.country_code,
            "party_id": row.party_id,
            "id": row.ocpi_id,
            "start_date_time": moment(row.start_date_time),
            "end_date_time": moment(row.end_date_time),
            "kwh": row.kwh,
            "cdr_token": row.cdr_token.model_dump(),
            "auth_method": row.auth_method,
            "authorization_reference": row.authorization_reference,
            "location_id": row.location.ocpi_id,
            "evse_uid": row.evse.uid if row.evse else NOT_AVAILABLE,
            "connector_id": row.connector.ocpi_id if row.connector else NOT_AVAILABLE,
            "meter_id": row.meter_id,
            "currency": row.currency,
            "charging_periods": [
                _period(
                    {
                        "start_date_time": moment(period.start_date_time),
                        "dimensions": period.dimensions,
                        "tariff_id": period.tariff_id,
                    }
                )
                for period in sorted(row.charging_periods.all(), key=lambda item: item.position)
            ],
            "total_cost": _total(row.total_cost_before_taxes, row.total_cost_after_taxes),
            "status": row.status,
            "last_updated": moment(row.last_updated),
        }
    )


def render_cdr(row: Cdr) -> Json:
    """Return a CDR: what it says was settled when it was issued."""
    return present(
        {
            "country_code": row.country_code,
            "party_id": row.party_id,
            "id": row.ocpi_id,
            "start_date_time": moment(row.start_date_time),
            "end_date_time": moment(row.end_date_time),
            "session_id": row.session_ocpi_id,
            "cdr_token": row.cdr_token.model_dump(),
            "auth_method": row.auth_method,
            "authorization_reference": row.authorization_reference,
            "cdr_location": _cdr_location(row.cdr_location),
            "meter_id": row.meter_id,
            "currency": row.currency,
            "tariffs": [_frozen_tariff(tariff) for tariff in row.tariffs],
            "charging_periods": [
                _period(period, CDR_DIMENSIONS) for period in row.charging_periods
            ],
            "signed_data": row.signed_data,
            "total_cost": _total(row.total_cost_before_taxes, row.total_cost_after_taxes),
            **{name: _price(row.costs[name]) for name in OPTIONAL_COSTS if name in row.costs},
            "total_energy": row.total_energy,
            "total_time": row.total_time,
            "total_parking_time": row.total_parking_time,
            "remark": row.remark,
            "invoice_reference_id": row.invoice_reference_id,
            "credit": row.credit or None,
            "credit_reference_id": row.credit_reference_id,
            "home_charging_compensation": row.home_charging_compensation,
            "last_updated": moment(row.last_updated),
        }
    )


def _period(period: Json, dimensions: frozenset[str] | None = None) -> Json:
    return present(
        {
            "start_date_time": period["start_date_time"],
            "dimensions": [
                {"type": item["type"], "volume": Decimal(item["volume"])}
                for item in period["dimensions"]
                if dimensions is None or item["type"] in dimensions
            ],
            "tariff_id": period.get("tariff_id"),
        }
    )


def _total(before_taxes: Decimal | None, after_taxes: Decimal | None) -> Json | None:
    if before_taxes is None:
        return None
    if after_taxes is None:
        return {"excl_vat": before_taxes}
    return {"excl_vat": before_taxes, "incl_vat": after_taxes}


def _price(price: Json) -> Json:
    """Return a canonical Price as 2.2.1 has it; without `incl_vat` when the taxes are not known."""
    before_taxes = Decimal(price["before_taxes"])
    if "taxes" not in price:
        return {"excl_vat": before_taxes}
    taxes = sum((Decimal(tax["amount"]) for tax in price["taxes"]), Decimal(0))
    return {"excl_vat": before_taxes, "incl_vat": before_taxes + taxes}


def _cdr_location(location: Json) -> Json:
    # CdrLocation is shorter than Location: 45 and 20 where that has 255 and 45.
    return location | {
        name: cut(location[name], length)
        for name, length in (("address", 45), ("state", 20))
        if name in location
    }


def _frozen_tariff(tariff: Json) -> Json:
    return tariff_document(
        TariffShape.model_validate(tariff), last_updated=tariff.get("last_updated")
    )

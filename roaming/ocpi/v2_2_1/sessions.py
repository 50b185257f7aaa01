"""OCPI 2.2.1, mod_sessions and mod_cdrs: Session and CDR as partners read them."""

from decimal import Decimal
from typing import Any

from cpo_platform.common.shapes import CdrToken
from roaming.ocpi.common.rendering import (
    NOT_AVAILABLE,
    cut,
    known,
    moment,
    nearest_connector_type,
    period,
    present,
)
from roaming.ocpi.v2_2_1.locations import CONNECTOR_TYPES, TOKEN_TYPES
from roaming.ocpi.v2_2_1.tariffs import TariffRenderer
from sessions_app.models import Cdr, Session

Json = dict[str, Any]

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
SESSION_DIMENSIONS = CDR_DIMENSIONS | {
    "CURRENT",
    "ENERGY_EXPORT",
    "ENERGY_IMPORT",
    "POWER",
    "STATE_OF_CHARGE",
}
OPTIONAL_COSTS = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
# What a CDR of a reservation that never became a session may say: receivers are to ignore it.
ANY_CONNECTOR = {
    "connector_standard": "IEC_62196_T2",
    "connector_format": "SOCKET",
    "connector_power_type": "AC_3_PHASE",
}


class SessionRenderer:
    """Turns rows into Sessions and CDRs; later versions are subclasses that say what differs.

    Prices come in their canonical form: `{"before_taxes": "1.00", "taxes": [{"amount": ...}]}`,
    without `taxes` when these are not known.
    """

    connector_types: frozenset[str] | None = CONNECTOR_TYPES
    token_types: frozenset[str] | None = TOKEN_TYPES
    tariffs: TariffRenderer = TariffRenderer()

    def session(self, row: Session) -> Json:
        """Return a Session; a charging period appears once it is closed, and never changes then."""
        return present(
            {
                "country_code": row.country_code,
                "party_id": row.party_id,
                "id": row.ocpi_id,
                "start_date_time": moment(row.start_date_time),
                "end_date_time": moment(row.end_date_time),
                "kwh": row.kwh,
                "cdr_token": self._cdr_token(row.cdr_token),
                "auth_method": row.auth_method,
                "authorization_reference": row.authorization_reference,
                "location_id": row.location.ocpi_id,
                "evse_uid": row.evse.uid if row.evse else NOT_AVAILABLE,
                "connector_id": row.connector.ocpi_id if row.connector else NOT_AVAILABLE,
                "meter_id": row.meter_id,
                "currency": row.currency,
                "charging_periods": [
                    period(
                        str(moment(item.start_date_time)),
                        item.dimensions,
                        allowed=SESSION_DIMENSIONS,
                        tariff_id=item.tariff_id,
                    )
                    for item in sorted(row.charging_periods.all(), key=lambda item: item.position)
                ],
                "total_cost": self._total(
                    row.price_details.get("costs", {}),
                    row.total_cost_before_taxes,
                    row.total_cost_after_taxes,
                ),
                "status": row.status,
                "last_updated": moment(row.last_updated),
            }
        )

    def cdr(self, row: Cdr) -> Json:
        """Return a CDR: what it says was settled when it was issued."""
        return present(
            {
                "country_code": row.country_code,
                "party_id": row.party_id,
                "id": row.ocpi_id,
                "start_date_time": moment(row.start_date_time),
                "end_date_time": moment(row.end_date_time),
                "session_id": row.session_ocpi_id,
                "cdr_token": self._cdr_token(row.cdr_token),
                "auth_method": row.auth_method,
                "authorization_reference": row.authorization_reference,
                "cdr_location": self._cdr_location(row.cdr_location),
                "meter_id": row.meter_id,
                "currency": row.currency,
                "tariffs": [self.tariffs.frozen(tariff) for tariff in row.tariffs],
                "charging_periods": [
                    period(
                        item["start_date_time"],
                        item["dimensions"],
                        allowed=CDR_DIMENSIONS,
                        tariff_id=item.get("tariff_id"),
                    )
                    for item in row.charging_periods
                ],
                "signed_data": row.signed_data,
                "total_cost": self._total(
                    row.costs, row.total_cost_before_taxes, row.total_cost_after_taxes
                ),
                **{
                    name: self.price(row.costs[name])
                    for name in OPTIONAL_COSTS
                    if name in row.costs
                },
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

    def price(self, price: Json) -> Json:
        """Return a canonical Price; without `incl_vat` when the taxes are not known."""
        before_taxes = Decimal(price["before_taxes"])
        if "taxes" not in price:
            return {"excl_vat": before_taxes}
        taxes = sum((Decimal(tax["amount"]) for tax in price["taxes"]), Decimal(0))
        return {"excl_vat": before_taxes, "incl_vat": before_taxes + taxes}

    def _total(
        self, costs: Json, before_taxes: Decimal | None, after_taxes: Decimal | None
    ) -> Json | None:
        """Return the total cost; the columns say what it is, `costs` which taxes it has."""
        if before_taxes is None:
            return None
        total = costs.get("total_cost")
        if total is not None and Decimal(total["before_taxes"]) == before_taxes:
            return self.price(total)
        price: Json = {"before_taxes": str(before_taxes)}
        if after_taxes is not None:
            price["taxes"] = [{"name": "VAT", "amount": str(after_taxes - before_taxes)}]
        return self.price(price)

    def _cdr_token(self, token: CdrToken) -> Json:
        document = token.model_dump()
        return document if known([token.type], self.token_types) else document | {"type": "OTHER"}

    def _cdr_location(self, frozen: Json) -> Json:
        """Return a CdrLocation: shorter than Location, 45 and 20 where that has 255 and 45."""
        place = ANY_CONNECTOR | frozen
        return present(
            {
                "id": frozen["id"],
                "name": frozen.get("name"),
                "address": cut(frozen["address"], 45),
                "city": frozen["city"],
                "postal_code": frozen.get("postal_code"),
                "state": cut(frozen.get("state", ""), 20),
                "country": frozen["country"],
                "coordinates": frozen["coordinates"],
                "evse_uid": frozen.get("evse_uid", NOT_AVAILABLE),
                "evse_id": frozen.get("evse_id", NOT_AVAILABLE),
                "connector_id": frozen.get("connector_id", NOT_AVAILABLE),
                "connector_standard": self._standard(place),
                "connector_format": place["connector_format"],
                "connector_power_type": place["connector_power_type"],
            }
        )

    def _standard(self, place: Json) -> str:
        """Return the plug's name, or that of the nearest: a bill must be sent for any plug."""
        standard: str = place["connector_standard"]
        if known([standard], self.connector_types):
            return standard
        return nearest_connector_type(standard, place["connector_power_type"])


_RENDERER = SessionRenderer()
render_session = _RENDERER.session
render_cdr = _RENDERER.cdr

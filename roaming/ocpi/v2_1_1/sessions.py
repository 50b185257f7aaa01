"""OCPI 2.1.1, mod_sessions and mod_cdrs: Session and CDR.

Both hold a Location with the one EVSE and connector that were used, as it was at the start. Money
is a number without VAT; who is billed is told by `auth_id`, the contract.
"""

from datetime import datetime
from typing import Any

from locations.models import Connector
from roaming.ocpi.common.rendering import (
    NOT_AVAILABLE,
    cut,
    nearest_connector_type,
    period,
    present,
)
from roaming.ocpi.v2_1_1.locations import (
    CONNECTOR_TYPES,
    NO_POSTAL_CODE,
    location_type,
    power_type,
    whole_seconds,
    whole_text,
)
from roaming.ocpi.v2_1_1.tariffs import frozen_tariff
from sessions_app.models import Cdr, Session, SessionStatus

Json = dict[str, Any]

# 2.1.1 has no COMMAND: the eMSP that sent one has authorised the session itself.
AUTH_METHODS = {"COMMAND": "AUTH_REQUEST"}
DIMENSIONS = frozenset(["ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT", "PARKING_TIME", "TIME"])


def render_session(row: Session) -> Json:
    """Return a Session. One with status RESERVATION is none here: it is not sent."""
    return present(
        {
            "id": row.ocpi_id,
            "start_datetime": whole_seconds(row.start_date_time),
            "end_datetime": whole_seconds(row.end_date_time),
            "kwh": row.kwh,
            "auth_id": row.token_contract_id,
            "auth_method": AUTH_METHODS.get(row.auth_method, row.auth_method),
            "location": _location(
                row.frozen_location,
                since=row.start_date_time,
                status="CHARGING" if row.status == SessionStatus.ACTIVE else "UNKNOWN",
                tariff=row.frozen_tariff,
                session=row,
            ),
            "meter_id": row.meter_id,
            "currency": row.currency,
            "charging_periods": [
                period(
                    str(whole_seconds(item.start_date_time)), item.dimensions, allowed=DIMENSIONS
                )
                for item in sorted(row.charging_periods.all(), key=lambda item: item.position)
            ],
            "total_cost": row.total_cost_before_taxes,
            "status": row.status,
            "last_updated": whole_seconds(row.last_updated),
        }
    )


def render_cdr(row: Cdr) -> Json:
    """Return a CDR: what it says was settled when it was issued."""
    tariffs = [frozen_tariff(tariff) for tariff in row.tariffs]
    return present(
        {
            "id": row.ocpi_id,
            "start_date_time": whole_seconds(row.start_date_time),
            "stop_date_time": whole_seconds(row.end_date_time),
            "auth_id": row.token_contract_id,
            "auth_method": AUTH_METHODS.get(row.auth_method, row.auth_method),
            "location": _location(
                row.cdr_location,
                since=row.start_date_time,
                status="UNKNOWN",
                tariff=row.tariffs[0] if row.tariffs else None,
                session=row.session if "connector_max_voltage" not in row.cdr_location else None,
            ),
            "meter_id": row.meter_id,
            "currency": row.currency,
            "tariffs": [tariff for tariff in tariffs if "elements" in tariff],
            "charging_periods": [
                period(whole_text(item["start_date_time"]), item["dimensions"], allowed=DIMENSIONS)
                for item in row.charging_periods
            ],
            "total_cost": row.total_cost_before_taxes,
            "total_energy": row.total_energy,
            "total_time": row.total_time,
            "total_parking_time": row.total_parking_time,
            "remark": row.remark,
            "last_updated": whole_seconds(row.last_updated),
        }
    )


def _location(
    frozen: Json, *, since: datetime, status: str, tariff: Json | None, session: Session | None
) -> Json:
    """Return the frozen place as a Location, as it was `since` the session's start.

    The status of that time says nothing afterwards: only of a running session is it known.
    `session` leads to the connector where the frozen place was made before it had its figures.
    """
    last_updated = whole_seconds(since)
    return present(
        {
            "id": frozen["id"],
            "type": location_type(frozen.get("parking_type", "")),
            "name": frozen.get("name"),
            "address": cut(frozen["address"], 45),
            "city": frozen["city"],
            "postal_code": frozen.get("postal_code", NO_POSTAL_CODE),
            "country": frozen["country"],
            "coordinates": frozen["coordinates"],
            "evses": _evses(frozen, last_updated, status, tariff, session),
            "time_zone": frozen.get("time_zone"),
            "last_updated": last_updated,
        }
    )


def _evses(
    frozen: Json,
    last_updated: str | None,
    status: str,
    tariff: Json | None,
    session: Session | None,
) -> list[Json]:
    """Return the one EVSE; none for a reservation that no EVSE or connector was assigned to."""
    if NOT_AVAILABLE in {frozen.get(name, NOT_AVAILABLE) for name in ("evse_uid", "connector_id")}:
        return []
    evse_id = frozen.get("evse_id")
    return [
        present(
            {
                "uid": frozen["evse_uid"],
                # A CDR of 2.2 and later needs one, and takes the uid where there is none.
                "evse_id": evse_id if evse_id != frozen["evse_uid"] else None,
                "status": status,
                "connectors": [_connector(frozen, last_updated, tariff, session)],
                "last_updated": last_updated,
            }
        )
    ]


def _connector(
    frozen: Json, last_updated: str | None, tariff: Json | None, session: Session | None
) -> Json:
    figures = _figures(frozen, session)
    return present(
        {
            "id": frozen["connector_id"],
            "standard": _standard(frozen),
            "format": frozen["connector_format"],
            "power_type": power_type(frozen["connector_power_type"]),
            **figures,
            "tariff_id": tariff["id"] if tariff else None,
            "last_updated": last_updated,
        }
    )


def _standard(frozen: Json) -> str:
    standard: str = frozen["connector_standard"]
    if standard in CONNECTOR_TYPES:
        return standard
    return nearest_connector_type(standard, frozen["connector_power_type"])


def _figures(frozen: Json, session: Session | None) -> Json:
    """Return V and A; from the connector of today where the start did not keep them."""
    if "connector_max_voltage" in frozen:
        return {
            "voltage": frozen["connector_max_voltage"],
            "amperage": frozen["connector_max_amperage"],
        }
    connector: Connector | None = session.connector if session else None
    if connector is None:
        return {"voltage": 0, "amperage": 0}
    return {"voltage": connector.max_voltage, "amperage": connector.max_amperage}

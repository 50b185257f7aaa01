"""Files as other systems write them, made up: one site, and each field can be made wrong."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from locations.importing import Action, Entry, ImportReport, PartyKey, import_locations

Json = dict[str, Any]
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def connector(connector_id: Any = "1", **fields: Any) -> Json:
    return {
        "id": connector_id,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        **fields,
    }


def evse(uid: Any = "E1", **fields: Any) -> Json:
    return {"uid": uid, "status": "AVAILABLE", "connectors": [connector()], **fields}


def location(location_id: Any = "L1", **fields: Any) -> Json:
    return {
        "country_code": "NL",
        "party_id": "TST",
        "id": location_id,
        "publish": True,
        "address": "Stationsplein 1",
        "city": "Utrecht",
        "postal_code": "3511",
        "country": "NLD",
        "coordinates": {"latitude": "52.089440", "longitude": "5.110270"},
        "time_zone": "Europe/Amsterdam",
        "evses": [evse()],
        **fields,
    }


def location_2_1_1(location_id: str = "L1", **fields: Any) -> Json:
    """Return a location as OCPI 2.1.1 writes it: no owner, other names."""
    return {
        "id": location_id,
        "type": "PARKING_GARAGE",
        "address": "Stationsplein 1",
        "city": "Utrecht",
        "postal_code": "3511",
        "country": "NLD",
        "coordinates": {"latitude": "52.089440", "longitude": "5.110270"},
        "time_zone": "Europe/Amsterdam",
        "energy_mix": {
            "is_green_energy": True,
            "environ_impact": [{"source": "CARBON_DIOXIDE", "amount": 12.5}],
        },
        "opening_times": {
            "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]
        },
        "evses": [
            {
                "uid": "E1",
                "status": "AVAILABLE",
                "connectors": [
                    {
                        "id": "1",
                        "standard": "IEC_62196_T2",
                        "format": "SOCKET",
                        "power_type": "AC_3_PHASE",
                        "voltage": 230,
                        "amperage": 16,
                        "tariff_id": "DAY",
                    }
                ],
            }
        ],
        **fields,
    }


def tariff(tariff_id: Any = "DAY", **fields: Any) -> Json:
    return {
        "id": tariff_id,
        "currency": "EUR",
        "tax_included": "NO",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.59, "step_size": 1}]}],
        **fields,
    }


def with_restrictions(restrictions: Any) -> Json:
    """Return a tariff whose second element has these restrictions."""
    free = {"type": "TIME", "price": 0, "step_size": 60}
    return tariff(
        elements=[
            tariff()["elements"][0],
            {"price_components": [free], "restrictions": restrictions},
        ]
    )


def run(
    content: Any,
    *,
    party: str | None = None,
    now: datetime = NOW,
    dry_run: bool = False,
    keep: int = 200,
) -> ImportReport:
    """Import Python values as a JSON file."""
    stream = io.BytesIO(json.dumps(content).encode())
    return import_locations(
        stream,
        party=PartyKey.parse(party) if party else None,
        now=lambda: now,
        dry_run=dry_run,
        keep=keep,
    )


def counts(report: ImportReport) -> dict[str, dict[str, int]]:
    """Return what happened, by kind, without zeros."""
    return {
        kind.value: {action.value: count for action, count in found.items() if count}
        for kind, found in report.counts.items()
        if found
    }


def refusals(report: ImportReport) -> list[tuple[str, str, str]]:
    return [(entry.kind.value, entry.path, entry.reason) for entry in _of(report, Action.REFUSED)]


def mends(report: ImportReport) -> list[tuple[str, str, str]]:
    return [(entry.kind.value, entry.path, entry.reason) for entry in _of(report, Action.MENDED)]


def _of(report: ImportReport, action: Action) -> list[Entry]:
    return report.entries[action]

"""OCPI 2.2.1 and 2.3.0, mod_hub_client_info: a party behind a hub, and whether it is there."""

from typing import Any, Literal

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import CountryCode, DateTime, PartyId, Shape, parse
from roaming.models import ClientInfo
from roaming.operations.hubs import TheirClientInfo


class _ClientInfo(Shape):
    party_id: PartyId
    country_code: CountryCode
    # 2.3.0 has no HUB; the hub itself would be the only one.
    role: Literal["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"]
    status: Literal["CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED"]
    last_updated: DateTime


def read_client_info(document: object) -> TheirClientInfo:
    info = parse(_ClientInfo, document)
    return TheirClientInfo(
        info.country_code, info.party_id, info.role, info.status, info.last_updated
    )


def render_client_info(row: ClientInfo) -> dict[str, Any]:
    return {
        "party_id": row.party_id,
        "country_code": row.country_code,
        "role": row.role,
        "status": row.status,
        "last_updated": format_datetime(row.last_updated),
    }

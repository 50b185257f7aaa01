"""The local authorisation list: whom a station may let charge without asking us.

OCPP 1.6, 3.5.2 and 5.15; OCPP 2.0.1, D01 to D03.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from ocpp_gateway import tags
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Station
from sessions_app.authorization import RealtimeAuthorizer
from sessions_app.commanded import NEVER_ASKED
from sessions_app.models import Token, TokenType, WhitelistType

# So many tokens, the newest, unless the station takes less.
MOST_ENTRIES = 1000
# In one message, where the station does not say what it takes.
USUAL_CHUNK = 100
# How stations tell how many entries they take, in one message and in all (OCPP 1.6, 9.2;
# OCPP 2.0.1, part 2, LocalAuthListCtrlr).
_CHUNK = {
    Version.V1_6: "SendLocalListMaxLength",
    Version.V2_0_1: "LocalAuthListCtrlr/ItemsPerMessage",
}
_CAPACITY = {Version.V1_6: "LocalAuthListMaxLength", Version.V2_0_1: ""}

Json = dict[str, Any]


def payloads(station: Station, version: Version, *, now: datetime) -> list[Json]:
    """Return the SendLocalList messages that give a station the list as it is now, in order.

    The first replaces what the station has, the others add to it. Their numbers grow with time.
    """
    told: Mapping[str, Any] = station.configuration
    most = min(MOST_ENTRIES, _number(told, _CAPACITY[version], MOST_ENTRIES))
    entries = [_entry(version, token) for token in _tokens(version, most)]
    size = max(1, _number(told, _CHUNK[version], USUAL_CHUNK))
    chunks = [entries[start : start + size] for start in range(0, len(entries), size)] or [[]]
    first = int(now.timestamp())
    return [
        _message(version, chunk, first + position, is_first=position == 0)
        for position, chunk in enumerate(chunks)
    ]


def _tokens(version: Version, most: int) -> list[Token]:
    """Return the newest tokens that may charge without a question, each as it is read once."""
    connected = _of_connected_emsps()
    if connected is None:
        return []
    rows = Token.objects.filter(
        connected,
        valid=True,
        whitelist__in=[
            WhitelistType.ALWAYS,
            WhitelistType.ALLOWED,
            WhitelistType.ALLOWED_OFFLINE,
        ],
    ).exclude(type__in=NEVER_ASKED)
    if version is Version.V1_6:
        # What 1.6 is shown is a card.
        rows = rows.filter(type=TokenType.RFID)
    found: dict[tuple[str, str], Token] = {}
    for token in rows.order_by("-last_updated", "-pk").iterator(chunk_size=1000):
        if len(found) >= most:
            break
        if version is Version.V2_0_1 or not tags.needs_stand_in(token.cdr_token):
            # Two eMSPs may have issued one uid: a station can have it once.
            found.setdefault((token.uid.lower(), token.type), token)
    return list(found.values())


def _of_connected_emsps() -> Q | None:
    """Return the condition that a token's eMSP is one of ours still; None where none is."""
    authorizer: RealtimeAuthorizer = import_string(settings.REALTIME_AUTHORIZER)()
    owners: Iterator[tuple[str, str]] = (
        Token.objects.order_by("country_code", "party_id")
        .values_list("country_code", "party_id")
        .distinct()
        .iterator()
    )
    connected = [
        Q(country_code=country_code, party_id=party_id)
        for country_code, party_id in owners
        if authorizer.is_connected(country_code=country_code, party_id=party_id)
    ]
    return reduce(or_, connected) if connected else None


def _entry(version: Version, token: Token) -> Json:
    if version is Version.V1_6:
        info = {"status": "Accepted", **tags.parent_id_tag(token.group_id)}
        return {"idTag": token.uid, "idTagInfo": info}
    return {
        "idToken": tags.id_token(token.uid, token.type),
        "idTokenInfo": {"status": "Accepted", **tags.group_id_token(token.group_id)},
    }


def _message(version: Version, entries: list[Json], number: int, *, is_first: bool) -> Json:
    message: Json = {"updateType": "Full" if is_first else "Differential"}
    message["listVersion" if version is Version.V1_6 else "versionNumber"] = number
    # Without any, the list is emptied; 2.0.1 has no list with nothing in it.
    if entries:
        message["localAuthorizationList"] = entries
    return message


def _number(told: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = str(told.get(name, ""))
    return int(value) if value.isdecimal() else otherwise

"""OCPI's tokens as OCPP names them to stations: an idTag of 1.6, an idToken of 2.0.1."""

from typing import Any

from django.utils.crypto import salted_hmac

from cpo_platform.common.shapes import CdrToken
from sessions_app.models import TokenType

# OCPP 1.6, 7.27: IdToken, CiString20Type.
LONGEST_ID_TAG = 20
_TYPES = {TokenType.RFID.value: "ISO14443", TokenType.EMAID.value: "eMAID"}
# A token that no reader reads (OCPP 2.0.1, part 2, IdTokenEnumType).
_CENTRAL = "Central"


def id_tag(token: CdrToken) -> str:
    """Return the idTag of a token: its uid, or a stand-in where that is too long for 1.6.

    The stand-in is always the same, as a reservation is used by who made it, and nobody else can
    know it.
    """
    if not needs_stand_in(token):
        return str(token.uid)
    identity = "*".join((token.country_code, token.party_id, token.type, token.uid)).lower()
    digest: str = salted_hmac("ocpp_gateway.id_tag", identity, algorithm="sha256").hexdigest()
    return digest[:LONGEST_ID_TAG].upper()


def needs_stand_in(token: CdrToken) -> bool:
    """Tell whether 1.6 cannot name a token by its uid."""
    return len(token.uid) > LONGEST_ID_TAG


def parent_id_tag(group_id: str) -> dict[str, Any]:
    """Return the member `parentIdTag` of 1.6; none where there is no group that it can name."""
    if not group_id or len(group_id) > LONGEST_ID_TAG:
        return {}
    return {"parentIdTag": group_id}


def id_token(uid: str, token_type: str) -> dict[str, Any]:
    """Return an idToken of 2.0.1, by OCPI's type of token."""
    return {"idToken": uid, "type": _TYPES.get(token_type, _CENTRAL)}


def group_id_token(group_id: str) -> dict[str, Any]:
    """Return the member `groupIdToken` of 2.0.1; none where there is no group."""
    return {"groupIdToken": {"idToken": group_id, "type": _CENTRAL}} if group_id else {}

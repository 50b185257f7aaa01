"""OCPI 2.2.1, mod_tokens: Token as its owner gave it."""

from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import parse
from roaming.ocpi.common.shapes import Owner
from sessions_app.models import Token
from sessions_app.operations.tokens import token_document
from sessions_app.shapes import TokenShape


def render_token(row: Token) -> dict[str, Any]:
    document = token_document(row)
    return document | {"last_updated": format_datetime(row.last_updated)}


def read_token(document: object, _owner: Owner | None = None) -> TokenShape:
    return parse(TokenShape, document)


def render_location_references(
    location_id: str, evse_uid: str, _connector_id: str
) -> dict[str, Any]:
    """OCPI 2.2.1, mod_tokens, LocationReferences: where a token is to be used."""
    return {"location_id": location_id, "evse_uids": [evse_uid]}

"""OCPI 2.2.1, mod_tokens: Token as its owner gave it."""

from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import Problem, ShapeError, parse
from roaming.ocpi.common.shapes import Owner
from sessions_app.models import Token
from sessions_app.operations.tokens import token_document
from sessions_app.shapes import TokenShape

# A closed enum: 2.3.0 has opened it.
TYPES = frozenset(["AD_HOC_USER", "APP_USER", "OTHER", "RFID"])


def token_type(canonical: str) -> str:
    """Return a type as 2.2.1 has it: a newer one it can only call OTHER."""
    return canonical if canonical in TYPES else "OTHER"


def render_token(row: Token) -> dict[str, Any]:
    document = token_document(row)
    return document | {
        "type": token_type(row.type),
        "last_updated": format_datetime(row.last_updated),
    }


def read_token(document: object, _owner: Owner | None = None) -> TokenShape:
    token = parse(TokenShape, document)
    if token.type not in TYPES:
        raise ShapeError([Problem("type", f"must be one of {', '.join(sorted(TYPES))}")])
    return token


def read_token_patch(document: object) -> dict[str, Any]:
    """Return what a PATCH changes; it must say when (OCPI 2.2.1, mod_tokens, PATCH)."""
    if not isinstance(document, dict):
        raise ShapeError([Problem("", "the body must be a JSON object")])
    if not document.get("last_updated"):
        raise ShapeError([Problem("last_updated", "is required in a PATCH")])
    return document


def render_location_references(
    location_id: str, evse_uid: str, _connector_id: str
) -> dict[str, Any]:
    """OCPI 2.2.1, mod_tokens, LocationReferences: where a token is to be used."""
    return {"location_id": location_id, "evse_uids": [evse_uid]}

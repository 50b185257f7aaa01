"""OCPI 2.1.1, mod_tokens: a Token has no owner, the URL and the connection do."""

from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import Problem, ShapeError, parse
from roaming.ocpi.common.shapes import Owner
from sessions_app.models import Token
from sessions_app.operations.tokens import token_document
from sessions_app.shapes import TokenShape

# 2.1.1 knows two types; the others it can only call OTHER.
TYPES = frozenset(["OTHER", "RFID"])
# What later versions have and 2.1.1 has no name for.
LATER = ("country_code", "party_id", "group_id", "default_profile_type", "energy_contract")


def token_type(canonical: str) -> str:
    return canonical if canonical in TYPES else "OTHER"


def render_token(row: Token) -> dict[str, Any]:
    document = token_document(row)
    for name in LATER:
        document.pop(name, None)
    document["auth_id"] = document.pop("contract_id")
    document["type"] = token_type(row.type)
    return document | {"last_updated": format_datetime(row.last_updated)}


def read_token(document: object, owner: Owner | None) -> TokenShape:
    if owner is None:
        raise ShapeError([Problem("token", "this connection has no eMSP that it could belong to")])
    if not isinstance(document, dict):
        raise ShapeError([Problem("", "must be an object")])
    if "auth_id" not in document:
        raise ShapeError([Problem("auth_id", "is required")])
    if "type" not in document:
        raise ShapeError([Problem("type", "is required")])
    canonical = _canonical(document)
    try:
        return parse(
            TokenShape,
            canonical | {"country_code": owner.country_code, "party_id": owner.party_id},
        )
    except ShapeError as error:
        raise _in_words_of_2_1_1(error) from error


def read_token_patch(document: object) -> dict[str, Any]:
    """Return what a PATCH changes; 2.1.1 does not ask it to say when."""
    if not isinstance(document, dict):
        raise ShapeError([Problem("", "the body must be a JSON object")])
    return _canonical(document)


def _canonical(document: dict[str, Any]) -> dict[str, Any]:
    if "type" in document and document["type"] not in sorted(TYPES):
        raise ShapeError([Problem("type", "must be OTHER or RFID")])
    canonical = {
        name: value for name, value in document.items() if name not in (*LATER, "contract_id")
    }
    if "auth_id" in canonical:
        canonical["contract_id"] = canonical.pop("auth_id")
    return canonical


def _in_words_of_2_1_1(error: ShapeError) -> ShapeError:
    return ShapeError(
        Problem("auth_id" if problem.path == "contract_id" else problem.path, problem.reason)
        for problem in error.problems
    )


def render_location_references(
    location_id: str, evse_uid: str, connector_id: str
) -> dict[str, Any]:
    """OCPI 2.1.1, mod_tokens, LocationReferences: with the connectors."""
    references: dict[str, Any] = {"location_id": location_id, "evse_uids": [evse_uid]}
    return references | ({"connector_ids": [connector_id]} if connector_id else {})

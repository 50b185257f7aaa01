"""Everything that writes tokens. The rows belong to the eMSPs: we keep what they say."""

from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from cpo_platform.common import json
from cpo_platform.common.clock import truncate
from cpo_platform.common.models import changed_fields
from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import parse, plain
from sessions_app.models import Token
from sessions_app.shapes import TokenShape

MAX_UNKNOWN_FIELDS = 50
MAX_UNKNOWN_BYTES = 64 * 1024
IDENTITY = ("country_code", "party_id", "uid", "type")


class UnknownToken(ValueError):
    """There is no token with this identity."""


def put_token(*, token: TokenShape) -> tuple[Token, Outcome]:
    """Store a token as its owner has it now.

    A token that is older than what we have is left alone (OCPI says nothing about pushes that
    overtake each other; the newer state is the true one).
    """
    try:
        return _put_token(token)
    except IntegrityError:
        # Another push of the same token was first: now there is a row to lock.
        return _put_token(token)


def _put_token(token: TokenShape) -> tuple[Token, Outcome]:
    with transaction.atomic():
        row = _locked(token.country_code, token.party_id, token.uid, token.type)
        if row is None:
            row = Token(
                country_code=token.country_code,
                party_id=token.party_id,
                uid=token.uid,
                type=token.type,
            )
            outcome = Outcome.CREATED
        elif truncate(token.last_updated) < row.last_updated:
            return row, Outcome.UNCHANGED
        else:
            outcome = Outcome.CHANGED
        if not changed_fields(row, _columns(token)):
            return row, Outcome.UNCHANGED
        row.full_clean(validate_unique=False, validate_constraints=False)
        row.save()
    return row, outcome


def patch_token(
    *,
    country_code: str,
    party_id: str,
    uid: str,
    type: str,  # noqa: A002  OCPI's name
    changes: dict[str, Any],
) -> tuple[Token, Outcome]:
    """Change the named fields of a token, and leave the others.

    The identity is not among them: what `changes` says of it is ignored.

    Raises:
        UnknownToken: there is no such token; the owner should PUT it.
        cpo_platform.common.shapes.ShapeError: a field breaks a rule.

    """
    with transaction.atomic():
        row = _locked(country_code, party_id, uid, type)
        if row is None:
            raise UnknownToken(f"token {country_code}*{party_id} {uid} ({type}) is not known here")
        present = token_document(row)
        identity = {name: present[name] for name in IDENTITY}
        return _put_token(parse(TokenShape, present | changes | identity))


def token_document(row: Token) -> dict[str, Any]:
    """Return a token as its owner gave it (OCPI 2.2.1, Token object)."""
    document: dict[str, Any] = {
        "country_code": row.country_code,
        "party_id": row.party_id,
        "uid": row.uid,
        "type": row.type,
        "contract_id": row.contract_id,
        "visual_number": row.visual_number,
        "issuer": row.issuer,
        "group_id": row.group_id,
        "valid": row.valid,
        "whitelist": row.whitelist,
        "language": row.language,
        "default_profile_type": row.default_profile_type,
        "energy_contract": row.energy_contract,
        "last_updated": row.last_updated,
    }
    present = {name: value for name, value in document.items() if value not in ("", None)}
    unknown: dict[str, Any] = row.unknown_fields
    return unknown | present


def _locked(country_code: str, party_id: str, uid: str, type_: str) -> Token | None:
    return (
        Token.objects.select_for_update()
        .filter(country_code=country_code, party_id=party_id, uid=uid, type=type_)
        .first()
    )


def _columns(token: TokenShape) -> dict[str, Any]:
    return {
        "contract_id": token.contract_id,
        "visual_number": token.visual_number or "",
        "issuer": token.issuer,
        "group_id": token.group_id or "",
        "valid": token.valid,
        "whitelist": token.whitelist,
        "language": token.language or "",
        "default_profile_type": token.default_profile_type or "",
        "energy_contract": plain(type(token.energy_contract), token.energy_contract)
        if token.energy_contract
        else None,
        "unknown_fields": _bounded(token.unknown_fields),
        "last_updated": truncate(token.last_updated),
    }


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the first of the fields, up to a number and a size: they cost the eMSP nothing."""
    kept: dict[str, Any] = {}
    size = 0
    for name, value in list(fields.items())[:MAX_UNKNOWN_FIELDS]:
        plain_value = _without_decimals(value)
        size += len(name) + len(json.dumps(plain_value))
        if size <= MAX_UNKNOWN_BYTES:
            kept[name] = plain_value
    return kept


def _without_decimals(value: Any) -> Any:
    """Return a JSON value as the database's own JSON holds it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _without_decimals(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_decimals(item) for item in value]
    return value

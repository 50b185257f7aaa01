"""Everything that writes tokens. The rows belong to the eMSPs: we keep what they say."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from cpo_platform.common import json
from cpo_platform.common.clock import truncate
from cpo_platform.common.models import changed_fields
from cpo_platform.common.operations import Outcome
from cpo_platform.common.shapes import parse, plain
from sessions_app.models import Token, TokenType
from sessions_app.shapes import TokenShape

MAX_UNKNOWN_FIELDS = 50
MAX_UNKNOWN_BYTES = 64 * 1024
IDENTITY = ("country_code", "party_id", "uid", "type")
# What a push of a token sets.
COLUMNS = (
    "contract_id",
    "visual_number",
    "issuer",
    "group_id",
    "valid",
    "whitelist",
    "language",
    "default_profile_type",
    "energy_contract",
    "unknown_fields",
    "last_updated",
)


class UnknownToken(ValueError):
    """There is no token with this identity."""


def put_token(*, token: TokenShape, by_uid: bool = False) -> tuple[Token, Outcome]:
    """Store a token as its owner has it now.

    A token that is older than what we have is left alone (OCPI says nothing about pushes that
    overtake each other; the newer state is the true one).

    `by_uid`: the owner knows its tokens by their uid alone (OCPI 2.1.1), so that a token of
    another type is the same token, which has become of this type.
    """
    try:
        return _put_token(token, by_uid=by_uid)
    except IntegrityError:
        # Another push of the same token was first: now there is a row to lock.
        return _put_token(token, by_uid=by_uid)


def _put_token(token: TokenShape, *, by_uid: bool) -> tuple[Token, Outcome]:
    with transaction.atomic():
        row = _locked(token.country_code, token.party_id, token.uid, token.type, by_uid=by_uid)
        if row is None:
            row = _new(token)
            outcome = Outcome.CREATED
        elif truncate(token.last_updated) < row.last_updated:
            return row, Outcome.UNCHANGED
        else:
            outcome = Outcome.CHANGED
        changes = _columns(token)
        if by_uid and not _is_called(row.type, token.type):
            changes["type"] = token.type
        if not changed_fields(row, changes):
            return row, Outcome.UNCHANGED
        row.full_clean(validate_unique=False, validate_constraints=False)
        row.save()
    return row, outcome


def _new(token: TokenShape) -> Token:
    return Token(
        country_code=token.country_code,
        party_id=token.party_id,
        uid=token.uid,
        type=token.type,
    )


def patch_token(
    *,
    country_code: str,
    party_id: str,
    uid: str,
    type: str,  # noqa: A002  OCPI's name
    changes: dict[str, Any],
    by_uid: bool = False,
) -> tuple[Token, Outcome]:
    """Change the named fields of a token, and leave the others.

    The identity is not among them: what `changes` says of it is ignored. `by_uid` as in
    `put_token`: the type is no part of the identity then, and may change.

    Raises:
        UnknownToken: there is no such token; the owner should PUT it.
        cpo_platform.common.shapes.ShapeError: a field breaks a rule.

    """
    with transaction.atomic():
        row = _locked(country_code, party_id, uid, type, by_uid=by_uid)
        if row is None:
            which = uid if by_uid else f"{uid} ({type})"
            raise UnknownToken(f"token {country_code}*{party_id} {which} is not known here")
        present = token_document(row)
        identity = {name: present[name] for name in IDENTITY if not (by_uid and name == "type")}
        return _put_token(parse(TokenShape, present | changes | identity), by_uid=by_uid)


def put_tokens(*, tokens: Sequence[TokenShape], by_uid: bool = False) -> list[int]:
    """Store a page of one owner's list, or of several owners'; return the ids of the rows.

    Older ones are left alone, as by `put_token`. Of one that is there twice the last one counts.
    """
    try:
        return _put_tokens(tokens, by_uid=by_uid)
    except IntegrityError:
        # One of them was pushed at the same moment; singly, each finds its row.
        return [put_token(token=token, by_uid=by_uid)[0].pk for token in tokens]


def _put_tokens(tokens: Sequence[TokenShape], *, by_uid: bool) -> list[int]:
    fresh: dict[tuple[str, ...], Token] = {}
    changed: dict[int, Token] = {}
    ids: set[int] = set()
    with transaction.atomic():
        present = _locked_page(tokens)
        for token in tokens:
            key = _key(token)
            row = _pick(present.get(key[:3], []), token.type, by_uid=by_uid) or fresh.get(key)
            columns = _columns(token)
            if row is None:
                row = fresh[key] = _new(token)
                changed_fields(row, columns)
                continue
            if by_uid and not _is_called(row.type, token.type):
                columns["type"] = token.type
            newer = columns["last_updated"] >= row.last_updated
            if newer and changed_fields(row, columns) and key not in fresh:
                changed[row.pk] = row
            if key not in fresh:
                ids.add(row.pk)
        Token.objects.bulk_update(changed.values(), [*COLUMNS, "type"], batch_size=200)
        created = Token.objects.bulk_create(fresh.values())
    return sorted(ids | {row.pk for row in created})


def _locked_page(tokens: Sequence[TokenShape]) -> dict[tuple[str, ...], list[Token]]:
    """Return the rows that a page may be about, by owner and uid; locked in one order."""
    rows = (
        Token.objects.select_for_update()
        .filter(uid__in=[token.uid for token in tokens])
        .order_by("pk")
    )
    found: dict[tuple[str, ...], list[Token]] = {}
    for row in rows:
        found.setdefault(_key(row)[:3], []).append(row)
    return found


def ids_of(*, uids: Sequence[str]) -> list[int]:
    """Return the ids of all tokens with these uids, whosoever they are. One query."""
    if not uids:
        return []
    return list(Token.objects.filter(uid__in=uids).values_list("pk", flat=True))


def invalidate_absent(
    *,
    owners: Sequence[tuple[str, str]],
    present: Sequence[tuple[int, int]],
    began_at: datetime,
) -> int:
    """Make invalid what a full list of these eMSPs did not hold; return how many.

    `present` are the ids that it held, as first and last of each run. The list is the new truth
    (OCPI 2.2.1, transport_and_format, pull), but not about tokens that came after it began.
    """
    theirs = Q(pk__in=[])
    for country_code, party_id in owners:
        theirs |= Q(country_code=country_code, party_id=party_id)
    absent = Token.objects.filter(
        theirs, valid=True, created_at__lt=began_at, last_updated__lt=began_at
    )
    count, after = 0, 0
    with transaction.atomic():
        for first, last in [*present, (None, None)]:
            gap = absent.filter(pk__gt=after)
            # Between one run and the next, and after the last.
            count += (gap if first is None else gap.filter(pk__lt=first)).update(valid=False)
            after = last or after
    return count


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


def _locked(
    country_code: str, party_id: str, uid: str, type_: str, *, by_uid: bool
) -> Token | None:
    rows = Token.objects.select_for_update().filter(
        country_code=country_code, party_id=party_id, uid=uid
    )
    if not by_uid:
        return rows.filter(type=type_).first()
    return _pick(list(rows.order_by("pk")), type_, by_uid=True)


def find_token(*, country_code: str, party_id: str, uid: str) -> Token | None:
    """Return the token of an owner that knows it by its uid alone: of several, the RFID card."""
    rows = Token.objects.filter(country_code=country_code, party_id=party_id, uid=uid)
    return _pick(list(rows.order_by("pk")), TokenType.RFID, by_uid=True)


def _pick(rows: Sequence[Token], type_: str, *, by_uid: bool) -> Token | None:
    """Return the row of this type; `by_uid`: else one that is called so, else the RFID card."""
    same = next((row for row in rows if row.type == type_), None)
    if same is not None or not by_uid:
        return same
    called = [row for row in rows if _is_called(row.type, type_)]
    cards = [row for row in rows if row.type == TokenType.RFID]
    return next(iter([*called, *cards, *rows]), None)


def _is_called(type_: str, name: str) -> bool:
    """Tell whether a token of this type is what 2.1.1 calls by this name: all but RFID is OTHER."""
    return type_ == name or (name == TokenType.OTHER and type_ != TokenType.RFID)


def _key(token: Token | TokenShape) -> tuple[str, ...]:
    return (
        token.country_code.lower(),
        token.party_id.lower(),
        token.uid.lower(),
        token.type,
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

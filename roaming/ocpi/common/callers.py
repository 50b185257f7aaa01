"""The partner behind a token, with its roles and its own tariffs, in one query.

Written as SQL: it comes before every answer, and composing it in the ORM takes longer than the
database takes to answer it. What comes out are the models themselves, with the roles prefetched;
columns that only staff's pages need are fetched when they are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import orjson
from django.db import connection
from django.db.models import QuerySet

from roaming.models import Partner, PartnerRole, PartnerStatus
from roaming.ocpi.common import sql

_LATER = frozenset({"created_at", "handshake", "told_parties", "token_pull"})
_LATER_OF_ROLES = frozenset({"business_details"})


@dataclass(frozen=True)
class Found:
    """A token that is good now.

    `replaces_others`: it has no end itself, and older ones are still in their grace.
    """

    token_id: int
    digest: str
    purpose: str
    replaces_others: bool
    partner: Partner
    own_tariffs: frozenset[int]


def find(digests: Sequence[str], *, now: datetime) -> Found | None:
    """Return whose token has one of these digests; not of a suspended partner, nor expired."""
    # One or two: a value as it is, and Base64-decoded.
    rows = sql.rows(_query(), (digests[0], digests[-1], now, PartnerStatus.SUSPENDED.value))
    if not rows:
        return None
    token_id, digest, purpose, replaces_others, roles, own_tariffs, *columns = rows[0]
    return Found(
        token_id=token_id,
        digest=digest,
        purpose=purpose,
        replaces_others=replaces_others,
        partner=_partner(columns, orjson.loads(roles)),
        own_tariffs=frozenset(own_tariffs),
    )


@cache
def _query() -> str:
    partner = ", ".join(f'partner."{field.column}"' for field in _fields(Partner, _LATER))
    role = ", ".join(f'role."{field.column}"' for field in _fields(PartnerRole, _LATER_OF_ROLES))
    # Nothing from outside is in the text: names of our own columns only.
    return f"""
SELECT token."id", token."digest", token."purpose",
    token."valid_until" IS NULL AND EXISTS(
        SELECT 1 FROM "roaming_partnertoken" AS older WHERE older."partner_id" = token."partner_id"
        AND older."id" < token."id" AND older."valid_until" IS NOT NULL
    ),
    coalesce((
        SELECT jsonb_agg(jsonb_build_array({role}) ORDER BY role."id")
        FROM "roaming_partnerrole" AS role WHERE role."partner_id" = partner."id"
    ), '[]')::text,
    array(
        SELECT own."tariff_id" FROM "roaming_partner_tariffs" AS own
        WHERE own."partner_id" = partner."id"
    ),
    {partner}
FROM "roaming_partnertoken" AS token
JOIN "roaming_partner" AS partner ON partner."id" = token."partner_id"
WHERE token."digest" IN (%s, %s) AND (token."valid_until" IS NULL OR token."valid_until" > %s)
    AND partner."status" <> %s
ORDER BY token."id" LIMIT 1
"""  # noqa: S608


@cache
def _fields(model: Any, later: frozenset[str]) -> tuple[Any, ...]:
    return tuple(field for field in model._meta.concrete_fields if field.attname not in later)  # noqa: SLF001


@cache
def _converters(model: Any, later: frozenset[str]) -> tuple[tuple[int, Any], ...]:
    return tuple(
        (place, field.from_db_value)
        for place, field in enumerate(_fields(model, later))
        if hasattr(field, "from_db_value")
    )


@cache
def _names(model: Any, later: frozenset[str]) -> tuple[str, ...]:
    return tuple(field.attname for field in _fields(model, later))


def _partner(columns: list[Any], roles: list[list[Any]]) -> Partner:
    for place, convert in _converters(Partner, _LATER):
        columns[place] = convert(columns[place], None, connection)
    partner = Partner.from_db(connection.alias, _names(Partner, _LATER), columns)
    names = _names(PartnerRole, _LATER_OF_ROLES)
    rows = [PartnerRole.from_db(connection.alias, names, role) for role in roles]
    for row in rows:
        row.partner = partner
    _prefetch_roles(partner, rows)
    return partner


def _prefetch_roles(partner: Partner, rows: list[PartnerRole]) -> None:
    """Do what `prefetch_related("roles")` does, with rows that are here already."""
    known = _roles_of(partner.pk)._chain()  # type: ignore[attr-defined]  # noqa: SLF001
    known._result_cache = rows  # noqa: SLF001
    known._prefetch_done = True  # noqa: SLF001
    partner._prefetched_objects_cache = {"roles": known}  # type: ignore[attr-defined]  # noqa: SLF001


def limit_roles(partner: Partner, country_code: str, party_id: str) -> None:
    """Leave a partner that was found here only the roles of one party: who it acts for now."""
    wanted = (country_code.lower(), party_id.lower())
    rows = [
        role
        for role in partner.roles.all()
        if (role.country_code.lower(), role.party_id.lower()) == wanted
    ]
    _prefetch_roles(partner, rows)


@lru_cache(maxsize=1000)
def _roles_of(partner_id: int) -> "QuerySet[PartnerRole]":
    """Return a query that is never run itself: composing it takes longer than copying it."""
    return PartnerRole.objects.filter(partner=partner_id)

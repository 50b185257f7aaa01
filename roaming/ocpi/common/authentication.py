"""Who is calling: `Authorization: Token <value>` (OCPI, transport_and_format)."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from cpo_platform.common.secrets import TOKEN_LENGTH, digest
from roaming.models import Partner, TokenPurpose, Why
from roaming.ocpi.common import callers
from roaming.ocpi.common.errors import Unauthorized
from roaming.operations import partner_tokens
from roaming.operations.refused_calls import Shown

MAX_HEADER = 300
# What people put around a token, and Basic authentication behind a name without a password.
AROUND = "\"'<>:,;"
TWICE = 2


@dataclass(frozen=True)
class Caller:
    """The partner that sent a request, and the token it used."""

    partner: Partner
    token: str
    purpose: str
    own_tariffs: frozenset[int] = frozenset()

    @property
    def is_registering(self) -> bool:
        return self.purpose == TokenPurpose.REGISTRATION


def authenticate(header: str | None, *, now: datetime) -> Caller:
    """Return who sent this Authorization header. One query, with the partner's roles.

    Another once after an exchange of tokens: with the first use of the new one those before end.

    The value is looked up as it is, then Base64-decoded: 2.2 and later encode it, 2.1.1 does not,
    and `GET versions` belongs to no version. Equal time for every wrong token: only digests are
    compared, by an index.

    Raises:
        Unauthorized: no token, or an unknown, expired or suspended one.

    """
    candidates = _candidates(header)
    if not candidates:
        raise Unauthorized("an Authorization header of the form 'Token <value>' is required")
    found = callers.find([digest(token) for token in candidates], now=now)
    if found is None:
        raise Unauthorized("the token is not known")
    if found.replaces_others:
        partner_tokens.end_grace(partner_id=found.partner.pk, token_id=found.token_id)
    presented = next(token for token in candidates if digest(token) == found.digest)
    return Caller(found.partner, presented, found.purpose, found.own_tariffs)


def shown(header: str | None) -> Shown:
    """Return what a header showed that opens nothing: for staff, who calls is not told.

    No token of ours is looked for here, which could be timed.
    """
    if not header:
        return Shown(Why.NO_TOKEN)
    candidates = _candidates(header)
    meant = _meant(header[:MAX_HEADER])
    near = tuple(digest(text) for text in meant if text and text not in candidates)
    if not candidates:
        return Shown(Why.NO_FORM, near=near)
    is_long_enough = any(len(text) == TOKEN_LENGTH for text in candidates)
    why = Why.UNKNOWN if is_long_enough else Why.OTHER_LENGTH
    return Shown(why, tuple(digest(text) for text in candidates), near)


def _meant(header: str) -> list[str]:
    """Return what a header may have been meant to hold: its last word, decoded twice at most."""
    words = header.split()
    found = [words[-1].strip(AROUND)] if words else []
    while found and len(found) <= TWICE:
        text = _decoded(found[-1] + "=" * (-len(found[-1]) % 4))
        if text is None:
            break
        found.append(text.strip(AROUND))
    return found


def _candidates(header: str | None) -> list[str]:
    if not header or len(header) > MAX_HEADER:
        return []
    scheme, _space, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() != "token" or not value:
        return []
    decoded = _decoded(value)
    return [value] if decoded is None else [value, decoded]


def _decoded(value: str) -> str | None:
    try:
        # The example in the specification decodes to a token and a line feed.
        return b64decode(value, validate=True).decode().rstrip("\r\n") or None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None

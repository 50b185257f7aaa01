"""Who is calling: `Authorization: Token <value>` (OCPI 2.2.1, transport_and_format)."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from cpo_platform.common.secrets import digest
from roaming.models import Partner, PartnerStatus, PartnerToken, TokenPurpose
from roaming.ocpi.common.errors import Unauthorized

MAX_HEADER = 300


@dataclass(frozen=True)
class Caller:
    """The partner that sent a request, and the token it used."""

    partner: Partner
    token: str
    purpose: str

    @property
    def is_registering(self) -> bool:
        return self.purpose == TokenPurpose.REGISTRATION


def authenticate(header: str | None, *, now: datetime) -> Caller:
    """Return who sent this Authorization header. One query.

    The value is looked up as it is, then Base64-decoded: 2.2 and later encode it, 2.1.1 does not,
    and `GET versions` belongs to no version. Equal time for every wrong token: only digests are
    compared, by an index.

    Raises:
        Unauthorized: no token, or an unknown, expired or suspended one.

    """
    candidates = _candidates(header)
    if not candidates:
        raise Unauthorized("an Authorization header of the form 'Token <value>' is required")
    found = (
        PartnerToken.objects.select_related("partner")
        .prefetch_related("partner__roles")
        .filter(digest__in=[digest(token) for token in candidates])
        .filter(Q(valid_until__isnull=True) | Q(valid_until__gt=now))
        .exclude(partner__status=PartnerStatus.SUSPENDED)
        .first()
    )
    if found is None:
        raise Unauthorized("the token is not known")
    presented = next(token for token in candidates if digest(token) == found.digest)
    return Caller(found.partner, presented, found.purpose)


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

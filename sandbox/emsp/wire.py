"""What goes over the wire: versions, tokens, DateTimes, envelopes, headers."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
MAX_BODY = 8 * 1024 * 1024
CONFIGURATION_MODULES = frozenset({"versions", "details", "credentials", "hubclientinfo"})
ROUTING_HEADERS = (
    "OCPI-to-party-id",
    "OCPI-to-country-code",
    "OCPI-from-party-id",
    "OCPI-from-country-code",
)
# The answer goes the other way round: what each header of an answer repeats of the request.
SWAPPED = {
    "OCPI-to-party-id": "OCPI-from-party-id",
    "OCPI-to-country-code": "OCPI-from-country-code",
    "OCPI-from-party-id": "OCPI-to-party-id",
    "OCPI-from-country-code": "OCPI-to-country-code",
}
_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?$")
_NEXT_LINK = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?', re.IGNORECASE)

Json = dict[str, Any]


class Unset:
    """Mark an answer without `data`: absent, not null."""


UNSET = Unset()


@dataclass(frozen=True, kw_only=True)
class Party:
    """Identify a party: `country_code` (2) and `party_id` (3)."""

    country_code: str
    party_id: str

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"

    @classmethod
    def named(cls, name: str) -> "Party":
        """Read `NL*EMS`; raise ValueError for anything else."""
        country_code, star, party_id = name.strip().partition("*")
        if not star or len(country_code) != 2 or len(party_id) != 3:
            raise ValueError(f"{name!r} is not a party: write NL*EMS")
        return cls(country_code=country_code, party_id=party_id)

    def matches(self, country_code: str, party_id: str) -> bool:
        """Compare case-insensitively: both fields are CiStrings."""
        return (self.country_code.lower(), self.party_id.lower()) == (
            country_code.lower(),
            party_id.lower(),
        )


@dataclass(kw_only=True)
class Answer:
    """Hold one answer: HTTP status, OCPI status code, data and extra headers."""

    http: int = 200
    code: int = 1000
    data: Any = UNSET
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, now: datetime) -> bytes:
        """Render the envelope; `data` is left out when it was never set."""
        envelope: Json = {"status_code": self.code, "timestamp": date_time(now)}
        if not isinstance(self.data, Unset):
            envelope["data"] = self.data
        if self.message:
            envelope["status_message"] = self.message
        return orjson.dumps(envelope)


def utc_now() -> datetime:
    """Read the clock, aware and in UTC."""
    return datetime.now(UTC)


def date_time(value: datetime) -> str:
    """Render an OCPI DateTime with milliseconds and `Z` (24 characters of the 25 allowed)."""
    return (
        value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    )


def parse_date_time(text: str) -> datetime:
    """Parse an OCPI DateTime; raise ValueError for any other form."""
    if not _DATE_TIME.match(text):
        raise ValueError(f"{text!r} is not an OCPI DateTime")
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)


def new_token() -> str:
    """Make a credentials token: 43 printable characters of 64 allowed."""
    return secrets.token_urlsafe(32)


def authorization(token: str, version: str) -> str:
    """Render the Authorization header: Base64 from OCPI 2.2 on, the token as it is in 2.1.1."""
    if version == "2.1.1":
        return f"Token {token}"
    return "Token " + base64.b64encode(token.encode()).decode()


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are compared by; () for what is no version number."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


def presented_token(header: str) -> tuple[str, str]:
    """Take an Authorization header apart: (raw value, Base64-decoded value or "")."""
    scheme, _, value = header.partition(" ")
    if scheme != "Token" or not value:
        return "", ""
    try:
        return value, base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return value, ""


def same_token(left: str, right: str) -> bool:
    """Compare two secrets in constant time; an empty one equals nothing."""
    return bool(left) and secrets.compare_digest(left.encode(), right.encode())


def next_link(headers: Mapping[str, str]) -> str:
    """Take the address of the next page from a Link header, or ""."""
    found = _NEXT_LINK.search(headers.get("Link", ""))
    return found.group(1) if found else ""


def routing(*, to: Party, sender: Party) -> dict[str, str]:
    """Render the four routing headers of a functional message."""
    return {
        "OCPI-to-party-id": to.party_id,
        "OCPI-to-country-code": to.country_code,
        "OCPI-from-party-id": sender.party_id,
        "OCPI-from-country-code": sender.country_code,
    }

"""Who may come in: a station in service shows its password, a stranger waits for staff.

OCPP security profiles 1 (HTTP basic) and 2 (the same within TLS); OCPP 2.0.1, A00; for 1.6 the
white paper "Improved security for OCPP 1.6-J".
"""

import base64
import binascii
import hmac
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from ocpp_gateway import passwords
from ocpp_gateway.models import StationState
from ocpp_gateway.server.database import rows
from ocpp_gateway.server.desk import Desk

PATH = "/ocpp/"
# OCPP 2.0.1, identifierString, and what 1.6 stations are named beyond it: no slash, and spaces
# only within.
_IDENTITY = re.compile(r"(?=.{1,48}$)[!-.0-~]+( [!-.0-~]+)*")
_LONGEST_PASSWORD = 100
# Wrong passwords of one station, before it has to wait a minute.
MOST_FAILURES = 5
FAILURE_SECONDS = 60.0
_MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Admitted:
    station_id: int
    identity: str
    is_placed: bool


class TurnedAway(Exception):
    """The station may not connect; the text tells its installer why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Failures:
    """How often a wrong password was shown lately, by station."""

    def __init__(self) -> None:
        self._counted: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def are_too_many(self, identity: str) -> bool:
        count, since = self._counted.get(identity, (0, 0.0))
        return count >= MOST_FAILURES and time.monotonic() - since < FAILURE_SECONDS

    def add(self, identity: str) -> None:
        count, since = self._counted.pop(identity, (0, 0.0))
        now = time.monotonic()
        if now - since >= FAILURE_SECONDS:
            count, since = 0, now
        self._counted[identity] = (count + 1, since)
        while len(self._counted) > _MOST_COUNTED:
            self._counted.popitem(last=False)

    def clear(self, identity: str) -> None:
        self._counted.pop(identity, None)


class Door:
    """The door of one gateway."""

    def __init__(
        self, desk: Desk, *, holds_strangers: bool, most_strangers: int, requires_password: bool
    ) -> None:
        self._desk = desk
        self._holds_strangers = holds_strangers
        self._most_strangers = most_strangers
        self._requires_password = requires_password
        self._failures = Failures()
        # What was verified before, by a key that dies with us: a thousand stations that come back
        # at once are not worth a thousand slow hashes.
        self._key = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, None] = OrderedDict()

    async def admit(self, path: str, authorization: str | None, now: datetime) -> Admitted:
        """Return the station that knocks.

        Raises:
            TurnedAway: it has no identity or no right password, is refused, or is unknown where
                strangers are not held.

        """
        identity = identity_of(path)
        found = await rows(self._desk.pool, _FIND, [identity])
        if not found:
            return await self._stranger(identity, authorization, now)
        station_id, name, state, *hashes = found[0]
        if state == StationState.REFUSED.value:
            raise TurnedAway(HTTPStatus.FORBIDDEN, "This station has been refused.")
        if state == StationState.HELD.value:
            return Admitted(station_id, name, is_placed=False)
        await self._check(station_id, name, authorization, [one for one in hashes if one])
        return Admitted(station_id, name, is_placed=True)

    async def _stranger(self, identity: str, authorization: str | None, now: datetime) -> Admitted:
        if not self._holds_strangers:
            raise TurnedAway(HTTPStatus.NOT_FOUND, "No station has this identity.")
        shown = _password(authorization, identity)
        # What it knocked with is its password, should staff place it.
        encoded = ""
        if shown:
            encoded = await self._desk.ask(passwords.make, _text(shown))
        found = await rows(
            self._desk.pool, _HOLD, [identity, encoded, now, self._most_strangers, identity]
        )
        if not found:
            raise TurnedAway(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many unknown stations wait to be placed."
            )
        return Admitted(found[0][0], identity, is_placed=False)

    async def _check(
        self, station_id: int, identity: str, authorization: str | None, hashes: list[str]
    ) -> None:
        if not hashes and not self._requires_password:
            return
        if self._failures.are_too_many(identity):
            raise TurnedAway(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords: wait.")
        shown = _password(authorization, identity)
        if shown is None:
            raise TurnedAway(
                HTTPStatus.UNAUTHORIZED, "Show the station's identity and password (HTTP basic)."
            )
        for encoded in hashes:
            if await self._matches(shown, encoded):
                self._failures.clear(identity)
                if encoded is not hashes[0]:
                    await rows(self._desk.pool, _USE_NEXT, [station_id])
                return
        self._failures.add(identity)
        raise TurnedAway(HTTPStatus.UNAUTHORIZED, "The password is wrong.")

    async def _matches(self, shown: bytes, encoded: str) -> bool:
        proof = hmac.digest(self._key, encoded.encode() + b"\0" + shown, "sha256")
        if proof in self._verified:
            return True
        if not await self._desk.ask(passwords.matches, shown, encoded):
            return False
        self._verified[proof] = None
        while len(self._verified) > _MOST_COUNTED:
            self._verified.popitem(last=False)
        return True


_FIND = """
SELECT id, identity, state, password_hash, next_password_hash FROM ocpp_gateway_station
WHERE lower(identity) = lower(%s)
"""
_HOLD = """
INSERT INTO ocpp_gateway_station (
    identity, state, password_hash, next_password_hash, in_maintenance, ocpp_version, vendor, model,
    serial_number, firmware_version, boot_reason, remote_address, first_seen_at, connection,
    offline_shown, firmware_status, log_status, configuration
)
SELECT %s, 'HELD', %s, '', false, '', '', '', '', '', '', '', %s, 0, false, '', '', '{}'
WHERE (SELECT count(*) FROM ocpp_gateway_station WHERE state = 'HELD') < %s
ON CONFLICT (lower(identity)) DO UPDATE SET identity = %s
RETURNING id
"""
# A password that was sent to the station, and that it shows now, is the only one from now on.
_USE_NEXT = """
UPDATE ocpp_gateway_station SET password_hash = next_password_hash, next_password_hash = ''
WHERE id = %s AND next_password_hash <> '' RETURNING id
"""


def identity_of(path: str) -> str:
    """Return the identity in an address: what follows `/ocpp/`.

    Slashes around it are nobody's name: stations add them to the address that they are given.

    Raises:
        TurnedAway: there is none, or none that a station may have.

    """
    try:
        # Two slashes at the beginning would be a host to `urlsplit`.
        name = urlsplit(f"/{path.lstrip('/')}" if path.startswith("/") else path).path
    except ValueError:  # what would be an address of IPv6, and is none
        name = ""
    identity = unquote(name.removeprefix(PATH).strip("/")) if name.startswith(PATH) else ""
    if not _IDENTITY.fullmatch(identity):
        raise TurnedAway(
            HTTPStatus.NOT_FOUND,
            f"Connect to {PATH} and the station's identity, which has no slashes.",
        )
    return identity


def _text(password: bytes) -> str:
    """Return a password as text; one that is none is a key, which we have in hex."""
    try:
        return password.decode()
    except UnicodeDecodeError:
        return password.hex()


def _password(authorization: str | None, identity: str) -> bytes | None:
    """Return the password of HTTP basic, where it is shown for this identity."""
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    # Not up to the first colon: an identity may have one, too.
    user, password = decoded[: len(identity)], decoded[len(identity) + 1 :]
    if user.decode(errors="replace").lower() != identity.lower():
        return None
    if decoded[len(identity) : len(identity) + 1] != b":":
        return None
    return password if 0 < len(password) <= _LONGEST_PASSWORD else None

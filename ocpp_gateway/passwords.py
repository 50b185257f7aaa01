"""Passwords of stations: random, made by us, and compared whenever a station connects."""

import secrets

from django.contrib.auth.hashers import ScryptPasswordHasher


class _StationHasher(ScryptPasswordHasher):
    """Scrypt with little work: nobody guesses 128 random bits, however fast he may try.

    A thousand stations that come back at once would keep two cores busy for minutes otherwise.
    """

    work_factor = 2**12
    parallelism = 1


_HASHER = _StationHasher()


def generate() -> str:
    """Return a new password: 32 hex characters.

    16 bytes are the least that OCPP 1.6 has for an AuthorizationKey (Improved security for OCPP
    1.6-J, A00), and hex is what 2.0.1 lets a BasicAuthPassword be made of, too.
    """
    return secrets.token_hex(16)


def make(password: str) -> str:
    """Return a password as it is stored."""
    return _HASHER.encode(password, _HASHER.salt())


def matches(password: bytes, encoded: str) -> bool:
    """Tell whether what a station showed is the password: as text, or as the bytes of its hex.

    OCPP 1.6 stations that are given a key in hex show the bytes of it (Improved security for OCPP
    1.6-J, A00, AuthorizationKey).
    """
    if not encoded:
        return False
    try:
        if _HASHER.verify(password.decode(), encoded):
            return True
    except UnicodeDecodeError:
        pass
    return _HASHER.verify(password.hex(), encoded)

"""Secrets: tokens we hand out (kept as digests) and tokens we were given (kept encrypted)."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

TOKEN_BYTES = 32
# How many characters that is.
TOKEN_LENGTH = 43


class Undecipherable(ValueError):
    """The secret was encrypted with a key that is no longer in FIELD_ENCRYPTION_KEYS."""


def new_token() -> str:
    """Return `TOKEN_LENGTH` random characters: letters, digits, `-` and `_` (OCPI allows 64).

    The first is a letter or a digit: a command line takes what begins with `-` for an option.
    """
    while not (token := secrets.token_urlsafe(TOKEN_BYTES))[0].isalnum():
        continue
    return token


def digest(token: str) -> str:
    """Return what is stored of a token that we handed out."""
    return hashlib.sha256(token.encode()).hexdigest()


def encrypt(text: str) -> str:
    return _cipher().encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """Return what was encrypted.

    Raises:
        Undecipherable: the key is gone.

    """
    try:
        return _cipher().decrypt(text.encode()).decode()
    except InvalidToken as error:
        raise Undecipherable(
            "FIELD_ENCRYPTION_KEYS no longer holds the key this secret was encrypted with"
        ) from error


def renew(text: str) -> str:
    """Return the same secret, encrypted under the first key; as it is where it is that already.

    Raises:
        Undecipherable: the key is gone.

    """
    return text if is_current(text) else encrypt(decrypt(text))


def is_current(text: str) -> bool:
    """Tell whether a secret was encrypted under the first key."""
    try:
        _cipher_for(_keys()[:1]).decrypt(text.encode())
    except InvalidToken:
        return False
    return True


def _cipher() -> MultiFernet:
    return _cipher_for(_keys())


def _keys() -> tuple[str, ...]:
    return tuple(settings.FIELD_ENCRYPTION_KEYS) or (settings.SECRET_KEY,)


@cache
def _cipher_for(keys: tuple[str, ...]) -> MultiFernet:
    # The first key encrypts, all decrypt: a new key is put in front of the old one.
    return MultiFernet(
        [Fernet(urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys]
    )

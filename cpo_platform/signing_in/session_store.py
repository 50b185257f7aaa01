"""Sessions in the database, in which the secret of a second factor is no plain text.

While somebody sets one up, allauth keeps its secret in the session. Whoever reads the database, or
a backup of it, must not be able to make that person's codes for ever after.
"""

from typing import Any

from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as InDatabase

from cpo_platform.common import secrets


class SessionStore(InDatabase):
    """Django's, but for that secret: encrypted where it is kept, plain in memory."""

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Return what is stored of a session."""
        if secret := session_dict.get(SECRET_SESSION_KEY):
            session_dict = {**session_dict, SECRET_SESSION_KEY: secrets.encrypt(secret)}
        return super().encode(session_dict)

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return what was stored; a secret that no key opens is left out, and made anew."""
        found: dict[str, Any] = super().decode(session_data)
        if secret := found.get(SECRET_SESSION_KEY):
            try:
                found[SECRET_SESSION_KEY] = secrets.decrypt(secret)
            except secrets.Undecipherable:
                del found[SECRET_SESSION_KEY]
        return found

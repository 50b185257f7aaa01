"""Files between “upload” and “import now”: private, unguessable, the user's own, gone in a day."""

import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

MAX_AGE = timedelta(days=1)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


def directory() -> Path:
    """Return where uploads lie; nobody else on the machine may read it."""
    path = Path(settings.VAR_DIR) / "uploads"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def keep(user_id: int, chunks: Iterable[bytes]) -> str:
    """Write an upload down; return the token that its user finds it by."""
    token = secrets.token_urlsafe(24)
    path = _path(user_id, token)
    path.touch(mode=0o600, exist_ok=False)
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
    return token


def find(user_id: int, token: str) -> Path | None:
    """Return the user's upload with this token; None if there is none, or it is gone."""
    if _TOKEN.fullmatch(token) is None:
        return None
    path = _path(user_id, token)
    return path if path.is_file() else None


def forget(user_id: int, token: str) -> None:
    """Delete an upload, if it is there."""
    path = find(user_id, token)
    if path is not None:
        path.unlink(missing_ok=True)


def sweep(now: datetime) -> None:
    """Delete what nobody came back for."""
    oldest = (now - MAX_AGE).timestamp()
    for path in directory().glob("*.json"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:  # another request swept it
            continue


def _path(user_id: int, token: str) -> Path:
    return directory() / f"{user_id}-{token}.json"

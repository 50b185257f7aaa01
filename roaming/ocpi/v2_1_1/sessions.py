"""OCPI 2.1.1, mod_sessions and mod_cdrs: Session and CDR."""

from typing import Any

from sessions_app.models import Cdr, Session


def render_session(row: Session) -> dict[str, Any]:
    raise NotImplementedError


def render_cdr(row: Cdr) -> dict[str, Any]:
    raise NotImplementedError

"""One id for everything that comes of one cause: in logs, in tasks, and in what is sent.

A request brings one (`X-Correlation-ID`, as OCPI has it) or gets one; a task inherits that of
whoever sent it; a charger's message has one of its own. It is no secret and proves nothing.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

MAX_LENGTH = 64
_ALLOWED = re.compile(rf"[A-Za-z0-9._:/*+=-]{{1,{MAX_LENGTH}}}\Z")

_current: ContextVar[str] = ContextVar("correlation", default="")


def current() -> str:
    """Return the id of what is being done; "" where nobody set one."""
    return _current.get()


def new() -> str:
    return uuid4().hex


def readable(text: str) -> str:
    """Return an id that somebody else chose, or "" if it is none that we would repeat."""
    return text if _ALLOWED.match(text) else ""


@contextmanager
def caused_by(correlation: str) -> Iterator[None]:
    """Let what is done in the block carry this id."""
    token = _current.set(correlation)
    try:
        yield
    finally:
        _current.reset(token)

"""How the calls of the CSMS are dispatched, in both versions."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.charger.wire import Json, Refusal

Handler = Callable[[Json], Json]


class Commands:
    """Answer calls by a table of handlers; `malformed` is what the version calls a bad payload.

    A handler reads all it needs before it changes anything, so a payload that lacks a field, or has
    one of another kind, changes nothing.
    """

    def __init__(self, handlers: Mapping[str, Handler], malformed: str) -> None:
        self._handlers = handlers
        self._malformed = malformed

    def answer(self, action: str, payload: Json) -> Json:
        """Return the payload of the result.

        Raises:
            Refusal: there is no such action, or the payload is none of it.

        """
        handler = self._handlers.get(action)
        if handler is None:
            raise Refusal("NotImplemented", f"{action[:50]} is not known here")
        try:
            return handler(payload)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise Refusal(self._malformed, f"{action}: {type(error).__name__}: {error}") from error


def integer(payload: Mapping[str, Any], name: str) -> int:
    """Return a field that must be an integer.

    Raises:
        KeyError, TypeError: it is missing, or of another kind.

    """
    value = payload[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: must be an integer")
    return value


def optional_integer(payload: Mapping[str, Any], name: str) -> int | None:
    """Return a field that may be missing and else must be an integer."""
    return integer(payload, name) if name in payload else None


def text(payload: Mapping[str, Any], name: str) -> str:
    """Return a field that must be text.

    Raises:
        KeyError, TypeError: it is missing, or of another kind.

    """
    value = payload[name]
    if not isinstance(value, str):
        raise TypeError(f"{name}: must be a string")
    return value


def one_of(payload: Mapping[str, Any], name: str, *choices: str) -> str:
    """Return a field that must be one of these.

    Raises:
        KeyError, ValueError: it is missing, or none of them.

    """
    value = text(payload, name)
    if value not in choices:
        raise ValueError(f"{name}: must be one of {', '.join(choices)}")
    return value


def moment(payload: Mapping[str, Any], name: str) -> datetime:
    """Return a field that must be a time; without a zone it is UTC."""
    at = datetime.fromisoformat(text(payload, name))
    return at if at.tzinfo else at.replace(tzinfo=UTC)

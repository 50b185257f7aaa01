"""Text from outside, before it is kept."""

from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 100


def storable(text: str) -> str:
    """Return the text without what PostgreSQL cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def printable(text: str) -> str:
    """Return the text with a ? for each line break and control character (OCPI string)."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can hold the text as it is."""
    return storable(text) == text


def unstorable_reason(document: object) -> str:
    """Return why a JSON document cannot be kept as it is; empty when it can."""
    for depth, value in _values(document):
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH}"
        if isinstance(value, str) and not is_storable(value):
            return "must not hold NUL characters or halves of surrogate pairs"
    return ""


def _values(document: object) -> Iterator[tuple[int, Any]]:
    # A stack, no recursion: the nesting is the sender's choice.
    stack: list[tuple[int, Any]] = [(0, document)]
    while stack:
        depth, value = stack.pop()
        yield depth, value
        if isinstance(value, dict):
            stack.extend((depth + 1, item) for pair in value.items() for item in pair)
        elif isinstance(value, list):
            stack.extend((depth + 1, item) for item in value)

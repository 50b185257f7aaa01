"""Read OCPI objects one by one from a JSON file, in memory that one object needs."""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO

CHUNK = 1 << 16
MAX_OBJECT = 32 * 1024 * 1024
ENVELOPES = ("data", "items")

Path = tuple[int | str, ...]


class UnreadableFile(ValueError):
    """The file is no JSON with locations; the message is one sentence that says where and why."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object of the file and where it stands: `("items", 3)`."""

    path: Path
    value: Any


def _refuse_constant(name: str) -> Decimal:
    raise UnreadableFile(f"The file is not JSON: {name} is not a JSON number.")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def read_items(stream: BinaryIO) -> Iterator[Item]:
    """Yield each object of a list, of an envelope (`data` or `items`), or the only one.

    Numbers with a fraction become `Decimal`.

    Raises:
        UnreadableFile: it is not UTF-8, not JSON, holds no objects, or one of more than 32 million
            characters.

    """
    text = _Text(stream)
    first = text.peek()
    if first == "[":
        yield from _list(text, ())
    elif first == "{":
        yield from _object(text)
    elif not first:
        raise UnreadableFile("The file is empty.")
    else:
        raise text.broken("a list or an object is expected")
    if text.peek():
        raise text.broken("there is more after the end")


def _list(text: "_Text", path: Path) -> Iterator[Item]:
    text.take("[")
    if text.taken("]"):
        return
    index = 0
    while True:
        yield Item((*path, index), text.value())
        index += 1
        if text.taken("]"):
            return
        text.take(",")


def _object(text: "_Text") -> Iterator[Item]:
    """Yield what an envelope holds, or the object itself if it is none."""
    members: dict[str, Any] = {}
    size = 0
    is_envelope = False
    for name in _names(text):
        in_envelope = name in ENVELOPES
        if in_envelope and text.peek() == "[":
            is_envelope = True
            yield from _list(text, (name,))
            continue
        start = text.position
        value = text.value()
        if in_envelope and isinstance(value, dict):
            is_envelope = True
            yield Item((name,), value)
            continue
        members[name] = value
        size += text.position - start
        if size > MAX_OBJECT:
            raise text.too_large()
    if is_envelope:
        return
    if "id" not in members:
        raise UnreadableFile(
            "The file holds no locations: it is neither a list, nor an object with a list under "
            "“data” or “items”, nor one location."
        )
    yield Item((), members)


def _names(text: "_Text") -> Iterator[str]:
    """Yield each member's name; the caller takes the value before it asks for the next."""
    text.take("{")
    if text.taken("}"):
        return
    while True:
        if text.peek() != '"':
            raise text.broken("a member's name in quotes is expected")
        name: str = text.value()
        text.take(":")
        yield name
        if text.taken("}"):
            return
        text.take(",")


class _Text:
    """The part of the file that is being parsed, and how much lies before it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._ended = False
        self._dropped = 0
        self._lines = 0
        self._line_start = 0

    @property
    def position(self) -> int:
        """Return how many characters of the file have been consumed."""
        return self._dropped + self._at

    def peek(self) -> str:
        """Return the next character that is not white space, or an empty string at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def taken(self, character: str) -> bool:
        """Consume `character` if it comes next; return whether it did."""
        if self.peek() != character:
            return False
        self._at += 1
        return True

    def take(self, character: str) -> None:
        """Consume `character`."""
        if not self.taken(character):
            raise self.broken(f"“{character}” is expected")

    def value(self) -> Any:
        """Consume and return one JSON value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except UnreadableFile:
                raise
            except RecursionError as error:
                raise self.broken("it is nested too deeply") from error
            except ValueError as error:
                # Perhaps only because the rest has not been read yet.
                if not self._more():
                    raise self.broken(_reason(error), getattr(error, "pos", None)) from error
            else:
                if self._is_whole(end) or not self._more():
                    self._at = end
                    return value

    def _is_whole(self, end: int) -> bool:
        """Tell whether the value cannot go on: `12` may be the beginning of `12.5`."""
        return end < len(self._text) and self._text[end] in ",]}: \t\r\n"

    def _more(self) -> bool:
        """Read on, ever larger pieces, so that a large object is not parsed too often."""
        if self._ended:
            return False
        self._drop()
        if len(self._text) > MAX_OBJECT:
            raise self.too_large()
        try:
            data = self._stream.read(max(CHUNK, len(self._text)))
            self._ended = not data
            self._text += self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"The file is not UTF-8 text (after about {self._dropped} characters)."
            ) from error
        return True

    def _drop(self) -> None:
        gone = self._text[: self._at]
        newlines = gone.count("\n")
        if newlines:
            self._lines += newlines
            self._line_start = self._dropped + gone.rindex("\n") + 1
        self._dropped += self._at
        self._text = self._text[self._at :]
        self._at = 0

    def broken(self, reason: str, at: int | None = None) -> UnreadableFile:
        """Return the error that says where the JSON breaks off."""
        self._at = self._at if at is None else min(at, len(self._text))
        self._drop()
        column = self._dropped - self._line_start + 1
        return UnreadableFile(
            f"The file is not JSON: line {self._lines + 1}, column {column}: {reason}."
        )

    def too_large(self) -> UnreadableFile:
        """Return the error of an object that does not fit."""
        error = self.broken(f"one object has more than {MAX_OBJECT:,} characters")
        return UnreadableFile(str(error).replace("is not JSON", "cannot be read", 1))


def _reason(error: ValueError) -> str:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
    return reason[:1].lower() + reason[1:]

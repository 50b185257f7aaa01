"""Bodies as one partner wants them: fields left out, texts in ASCII. Pull and push go through here.

Documents are rendered once for everybody; a dialect is applied to the text on its way out.
"""

import unicodedata
from typing import Any

import orjson

from cpo_platform.common.shapes import parse
from roaming.dialect import REQUIRED_IN, Dialect
from roaming.models import Partner

Json = dict[str, Any]

# What NFKD does not take apart. Nothing here may be a quotation mark or a backslash of JSON.
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "Th",
        "ı": "i",
        "\N{EURO SIGN}": "EUR",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": "'",
        "\N{RIGHT DOUBLE QUOTATION MARK}": "'",
        "\N{DOUBLE LOW-9 QUOTATION MARK}": "'",
        "\N{SINGLE LOW-9 QUOTATION MARK}": "'",
    }
)


def dialect_of(partner: Partner) -> Dialect:
    """Return how a partner wants to be spoken to."""
    return parse(Dialect, partner.dialect)


def adapt(text: str, *, module: str, dialect: Dialect, version: str) -> str:
    """Return the JSON text of an object as a partner wants it.

    What a version requires stays, whatever the dialect says. A partner without wishes gets the
    text itself: nothing is parsed.
    """
    paths = _paths(module, dialect, version)
    if paths:
        text = orjson.dumps(_without(orjson.loads(text), paths)).decode()
    return _in_ascii(text) if dialect.ascii_only else text


def adapt_document(document: Any, *, module: str, dialect: Dialect, version: str) -> Any:
    """Return a document, or a list of them, as a partner wants it; see `adapt`."""
    document = _without(document, _paths(module, dialect, version))
    return _ascii_strings(document) if dialect.ascii_only else document


def _paths(module: str, dialect: Dialect, version: str) -> list[tuple[str, ...]]:
    return [
        tuple(path.split(".")[1:])
        for path in dialect.omit
        if path.startswith(f"{module}.") and version not in REQUIRED_IN.get(path, ())
    ]


def _without(node: Any, paths: list[tuple[str, ...]]) -> Any:
    """Return JSON without what the paths lead to; lists are gone through, not counted."""
    if not paths:
        return node
    if isinstance(node, list):
        return [_without(item, paths) for item in node]
    if not isinstance(node, dict):
        return node
    gone = {path[0] for path in paths if len(path) == 1}
    return {
        name: _without(value, [path[1:] for path in paths if path[0] == name and len(path) > 1])
        for name, value in node.items()
        if name not in gone
    }


def _ascii_strings(node: Any) -> Any:
    if isinstance(node, str):
        return _in_ascii(node)
    if isinstance(node, list):
        return [_ascii_strings(item) for item in node]
    if isinstance(node, dict):
        return {name: _ascii_strings(value) for name, value in node.items()}
    return node


def _in_ascii(text: str) -> str:
    """Return a text in ASCII: letters without their marks, and `?` for what has no likeness."""
    if text.isascii():
        return text
    # Letter by letter: NFKD must not make a quotation mark or a backslash that ends a string.
    return "".join(
        letter if letter.isascii() else _likeness(letter) for letter in text.translate(_LETTERS)
    )


def _likeness(letter: str) -> str:
    if unicodedata.combining(letter):
        return ""
    likeness = "".join(
        part
        for part in unicodedata.normalize("NFKD", letter)
        if part.isascii() and part.isprintable()
    )
    return "?" if not likeness or {'"', "\\"} & set(likeness) else likeness

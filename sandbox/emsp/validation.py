"""A small strict validator of what the CPO sends, driven by the tables in `shapes`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.emsp.shapes import ENUMS_TEXT, SHAPES_TEXT
from sandbox.emsp.wire import Json, parse_date_time

_LATITUDE = re.compile(r"^-?\d{1,2}\.\d{5,7}$")
_LONGITUDE = re.compile(r"^-?\d{1,3}\.\d{5,7}$")
_NUMERIC = re.compile(r"^-?\d+(\.\d+)?$")
_SIZED = re.compile(r"^(CiString|string)\((\d+)\)$")
_MAX_URL = 255
_MAX_DATE_TIME = 25
_MAX_DECIMALS = 4


@dataclass(frozen=True)
class Problem:
    """Name a broken rule at a place; a `noted` problem does not refuse the message."""

    rule: str
    detail: str
    noted: bool = False


@dataclass(frozen=True)
class _Field:
    kind: str
    cardinality: str


def _parse_shapes(text: str) -> dict[str, dict[str, _Field]]:
    shapes: dict[str, dict[str, _Field]] = {}
    fields: dict[str, _Field] = {}
    for line in text.strip().splitlines():
        if line.startswith(" "):
            name, kind, cardinality = line.split()
            fields[name] = _Field(kind, cardinality)
        else:
            fields = shapes[line.strip()] = {}
    return shapes


def _parse_enums(text: str) -> dict[str, frozenset[str]]:
    rows = (line.split() for line in text.strip().splitlines())
    return {row[0]: frozenset(row[1:]) for row in rows}


SHAPES = _parse_shapes(SHAPES_TEXT)
ENUMS = _parse_enums(ENUMS_TEXT)


def check(shape: str, value: Any, *, partial: bool = False) -> list[Problem]:
    """Check one object against a shape; `partial` (PATCH) lets required fields be absent."""
    return list(_object(SHAPES[shape], value, shape, partial=partial))


def fatal(problems: list[Problem]) -> str:
    """Join the details of the problems that refuse a message, or return ""."""
    return "; ".join(problem.detail for problem in problems if not problem.noted)


def _object(
    fields: dict[str, _Field], value: Any, path: str, *, partial: bool = False
) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem("type", f"{path} must be an object")
        return
    for name, field in fields.items():
        here = f"{path}.{name}"
        if name not in value and partial:
            continue
        yield from _cardinality(field, value.get(name), here)
    for name in value.keys() - fields.keys():
        yield Problem("unknown-field", f"{path}.{name} is not an OCPI 2.2.1 field", noted=True)


def _cardinality(field: _Field, value: Any, path: str) -> Iterator[Problem]:
    if field.cardinality in "*+":
        yield from _list(field, value, path)
    elif value is not None:
        yield from _value(field.kind, value, path)
    elif field.cardinality == "1":
        yield Problem("required", f"{path} is required")


def _list(field: _Field, value: Any, path: str) -> Iterator[Problem]:
    if not value and field.cardinality == "+":
        yield Problem("required", f"{path} needs at least one entry")
    elif value is None:
        return
    elif not isinstance(value, list):
        yield Problem("type", f"{path} must be an array")
    else:
        for index, entry in enumerate(value):
            yield from _value(field.kind, entry, f"{path}[{index}]")


def _value(kind: str, value: Any, path: str) -> Iterator[Problem]:
    if kind in SHAPES:
        yield from _object(SHAPES[kind], value, path)
    elif kind in ENUMS:
        if not isinstance(value, str) or value not in ENUMS[kind]:
            yield Problem("enum", f"{path}: {str(value)[:60]!r} is not a {kind}")
    elif kind in {"number", "int"}:
        yield from _number(kind, value, path)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield Problem("type", f"{path} must be true or false")
    else:
        yield from _string(kind, value, path)


def _number(kind: str, value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, str) and _NUMERIC.match(value):
        yield Problem("number-as-string", f"{path}: {value!r} is a string, not a JSON number")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        yield Problem("type", f"{path} must be a {kind}")
    elif kind == "int" and not isinstance(value, int):
        yield Problem("type", f"{path} must be an integer")
    elif isinstance(value, float) and _decimals(value) > _MAX_DECIMALS:
        yield Problem("decimals", f"{path}: {value} has more than 4 decimals", noted=True)


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _string(kind: str, value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem("type", f"{path} must be a string")
        return
    if not value:
        yield Problem("empty", f"{path} is empty")
    elif not value.isprintable():
        yield Problem("control-character", f"{path} holds a control character")
    yield from _format(kind, value, path)


def _format(kind: str, value: str, path: str) -> Iterator[Problem]:
    sized = _SIZED.match(kind)
    if sized:
        yield from _sized(sized.group(1), int(sized.group(2)), value, path)
    elif kind == "DateTime":
        yield from _date_time(value, path)
    elif kind == "URL":
        if len(value) > _MAX_URL or not value.startswith(("http://", "https://")):
            yield Problem("url", f"{path} is not a URL of at most 255 characters")
    elif not (_LATITUDE if kind == "Latitude" else _LONGITUDE).match(value):
        yield Problem("coordinates", f"{path}: {value[:30]!r} is not decimal degrees, 5-7 decimals")


def _sized(kind: str, limit: int, value: str, path: str) -> Iterator[Problem]:
    if len(value) > limit:
        yield Problem("length", f"{path} has {len(value)} characters, at most {limit} allowed")
    if kind == "CiString" and not value.isascii():
        yield Problem("ascii", f"{path} must be ASCII")


def _date_time(value: str, path: str) -> Iterator[Problem]:
    try:
        parse_date_time(value)
    except ValueError:
        yield Problem("datetime", f"{path}: {value[:40]!r} is not a DateTime in UTC")
        return
    if len(value) > _MAX_DATE_TIME or not value.endswith("Z"):
        yield Problem("datetime", f"{path}: {value!r} must end in Z and have at most 25 characters")


def newer(left: Json, right: Json) -> bool:
    """Answer whether `left` was updated strictly after `right` (both valid objects)."""
    return parse_date_time(left["last_updated"]) > parse_date_time(right["last_updated"])

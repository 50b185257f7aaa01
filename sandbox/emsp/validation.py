"""A small strict validator of what the CPO sends, driven by the tables in `fields/`.

One table per version: every object with its fields (`type cardinality`), every enum, and which
enums are open (OCPI 2.3.0, types, OpenEnum). A field that is not in the table is a violation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from sandbox.emsp.wire import VERSIONS, Json, parse_date_time

_PATTERNS = {
    "Time": re.compile(r"^([0-1]\d|2[0-3]):[0-5]\d$"),
    "Date": re.compile(r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"),
    "Latitude": re.compile(r"^-?\d{1,2}\.\d{5,7}$"),
    "Longitude": re.compile(r"^-?\d{1,3}\.\d{5,7}$"),
}
# OCPI 2.1.1, mod_locations, GeoLocation: exactly six decimals.
_PATTERNS_2_1_1 = _PATTERNS | {
    "Latitude": re.compile(r"^-?\d{1,2}\.\d{6}$"),
    "Longitude": re.compile(r"^-?\d{1,3}\.\d{6}$"),
}
_LENGTHS = {"Latitude": 10, "Longitude": 11}
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


@dataclass(frozen=True)
class _Table:
    """All that one version defines; `patterns` are those of its sized strings."""

    version: str
    objects: dict[str, dict[str, _Field]]
    enums: dict[str, frozenset[str]]
    open_enums: frozenset[str]

    @property
    def patterns(self) -> dict[str, re.Pattern[str]]:
        return _PATTERNS_2_1_1 if self.version == "2.1.1" else _PATTERNS


def _read(version: str) -> _Table:
    content = orjson.loads(
        Path(__file__).with_name("fields").joinpath(f"{version}.json").read_bytes()
    )
    objects = {
        name: {field: _Field(*text.split()) for field, text in fields.items()}
        for name, fields in content["objects"].items()
    }
    enums = {name: frozenset(text.split()) for name, text in content["enums"].items()}
    return _Table(version, objects, enums, frozenset(content["open_enums"].split()))


_TABLES = {version: _read(version) for version in VERSIONS}


def check(version: str, shape: str, value: Any, *, partial: bool = False) -> list[Problem]:
    """Check one object against a shape; `partial` (PATCH) lets required fields be absent."""
    checker = _Checker(_TABLES[version])
    return list(checker.object(checker.table.objects[shape], value, shape, partial=partial))


def check_enum(version: str, enum: str, value: Any, path: str) -> list[Problem]:
    """Check one value that stands alone, such as the answer to charging preferences."""
    return list(_Checker(_TABLES[version]).value(enum, value, path))


def fatal(problems: list[Problem]) -> str:
    """Join the details of the problems that refuse a message, or return ""."""
    return "; ".join(problem.detail for problem in problems if not problem.noted)


class _Checker:
    """Check values against one version's table."""

    def __init__(self, table: _Table) -> None:
        self.table = table

    def object(
        self, fields: dict[str, _Field], value: Any, path: str, *, partial: bool = False
    ) -> Iterator[Problem]:
        """Check an object, field by field."""
        if not isinstance(value, dict):
            yield Problem("type", f"{path} must be an object")
            return
        for name, field in fields.items():
            here = f"{path}.{name}"
            if name not in value and partial:
                continue
            yield from self._cardinality(field, value.get(name), here)
        for name in sorted(value.keys() - fields.keys()):
            detail = f"{path}.{name} is not an OCPI {self.table.version} field"
            yield Problem("unknown-field", detail, noted=True)

    def _cardinality(self, field: _Field, value: Any, path: str) -> Iterator[Problem]:
        if field.cardinality in "*+":
            yield from self._list(field, value, path)
        elif value is not None:
            yield from self.value(field.kind, value, path)
        elif field.cardinality == "1":
            yield Problem("required", f"{path} is required")

    def _list(self, field: _Field, value: Any, path: str) -> Iterator[Problem]:
        if not value and field.cardinality == "+":
            yield Problem("required", f"{path} needs at least one entry")
        elif value is None:
            return
        elif not isinstance(value, list):
            yield Problem("type", f"{path} must be an array")
        else:
            for index, entry in enumerate(value):
                yield from self.value(field.kind, entry, f"{path}[{index}]")

    def value(self, kind: str, value: Any, path: str) -> Iterator[Problem]:
        """Check one value of an object type, an enum or a basic type."""
        if kind in self.table.objects:
            yield from self.object(self.table.objects[kind], value, path)
        elif kind in self.table.enums:
            yield from self._enum(kind, value, path)
        elif kind in {"number", "int"}:
            yield from _number(kind, value, path)
        elif kind == "boolean":
            if not isinstance(value, bool):
                yield Problem("type", f"{path} must be true or false")
        else:
            yield from self._string(kind, value, path)

    def _enum(self, kind: str, value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, str) and kind in self.table.open_enums and value.isprintable():
            return
        if not isinstance(value, str) or value not in self.table.enums[kind]:
            yield Problem("enum", f"{path}: {str(value)[:60]!r} is not a {kind}")

    def _string(self, kind: str, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield Problem("type", f"{path} must be a string")
            return
        if not value:
            yield Problem("empty", f"{path} is empty")
        elif not value.isprintable():
            yield Problem("control-character", f"{path} holds a control character")
        if self.table.version == "2.1.1" and value == "#NA":
            yield Problem("not-available", f"{path}: #NA is not defined in OCPI 2.1.1")
        yield from self._format(kind, value, path)

    def _format(self, kind: str, value: str, path: str) -> Iterator[Problem]:
        sized = _SIZED.match(kind)
        if sized:
            yield from _sized(sized.group(1), int(sized.group(2)), value, path)
        elif kind == "DateTime":
            yield from self._date_time(value, path)
        elif kind == "URL":
            if len(value) > _MAX_URL or not value.startswith(("http://", "https://")):
                yield Problem("url", f"{path} is not a URL of at most 255 characters")
        elif not self.table.patterns[kind].match(value) or len(value) > _LENGTHS.get(kind, 99):
            rule = "coordinates" if kind in _LENGTHS else kind.lower()
            yield Problem(rule, f"{path}: {value[:30]!r} is not a {kind}")

    def _date_time(self, value: str, path: str) -> Iterator[Problem]:
        try:
            parse_date_time(value)
        except ValueError:
            yield Problem("datetime", f"{path}: {value[:40]!r} is not a DateTime in UTC")
            return
        if len(value) > _MAX_DATE_TIME or not value.endswith("Z"):
            detail = f"{path}: {value!r} must end in Z and have at most 25 characters"
            yield Problem("datetime", detail)
        if self.table.version == "2.1.1" and "." in value:
            yield Problem("datetime", f"{path}: {value!r} has fractions, unknown to OCPI 2.1.1")


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


def _sized(kind: str, limit: int, value: str, path: str) -> Iterator[Problem]:
    if len(value) > limit:
        yield Problem("length", f"{path} has {len(value)} characters, at most {limit} allowed")
    if kind == "CiString" and not value.isascii():
        yield Problem("ascii", f"{path} must be ASCII")


def newer(left: Json, right: Json) -> bool:
    """Answer whether `left` was updated strictly after `right` (both valid objects)."""
    return parse_date_time(left["last_updated"]) > parse_date_time(right["last_updated"])

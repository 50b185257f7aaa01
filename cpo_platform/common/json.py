"""JSON as OCPI wants it: numbers are exact decimals, never floats and never strings."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

MAX_DEPTH_ERROR = "the JSON is nested too deeply"
# What a JSON number may be: a 64-bit integer, or a decimal of about that size.
INTEGERS = range(-(2**63), 2**64)
EXPONENTS = range(-308, 19)
# `round` to four decimals is exact up to here.
LARGEST_ROUNDED = 15


class InvalidJson(ValueError):
    """The text is not JSON; the message says where."""


def loads(text: bytes | str, *, unique_names: bool = False) -> Any:
    """Parse JSON; numbers with a fraction or an exponent become `Decimal`.

    With `unique_names`, no object may have two fields of the same name; else the last one counts.

    Raises:
        InvalidJson: not UTF-8, not JSON, NaN or Infinity, nested too deeply, or a number that is
            out of range.

    """
    try:
        return json.loads(
            text,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique if unique_names else None,
        )
    except RecursionError as error:
        raise InvalidJson(MAX_DEPTH_ERROR) from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise InvalidJson(str(error)) from error


def loads_quickly(text: bytes | str) -> Any:
    """Parse JSON in which no number has to be exact: fractions become floats.

    Raises:
        InvalidJson: as `loads`.

    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(str(error)) from error


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise InvalidJson("a number is out of range") from error
    if value.adjusted() not in EXPONENTS:
        raise InvalidJson("a number is out of range")
    return value


def _integer(text: str) -> int:
    value = int(text)
    if value not in INTEGERS:
        raise InvalidJson("a number is out of range")
    return value


def _unique(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(fields)
    if len(document) != len(fields):
        raise InvalidJson("an object has two fields of the same name")
    return document


def _refuse_constant(name: str) -> Decimal:
    raise InvalidJson(f"{name} is not a JSON number")


def dumps(value: object) -> bytes:
    """Render JSON in UTF-8. `Decimal` becomes a number with at most four decimals."""
    return orjson.dumps(value, default=_default)


def dump_text(value: object) -> str:
    """Render JSON as text."""
    return dumps(value).decode()


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return number(value)
    encode: Callable[[], object] | None = getattr(value, "to_json", None)
    if encode is not None:
        return encode()
    raise TypeError(f"cannot render {type(value).__name__} as JSON")


def number(value: Decimal) -> int | float:
    """Return the JSON number of a decimal, rounded to OCPI's four decimals.

    A float of at most 15 significant digits prints exactly the decimal it was made from.
    """
    if value.adjusted() > LARGEST_ROUNDED:
        return float(value)
    rounded = round(value, 4)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)


def format_datetime(moment: datetime) -> str:
    """Return an OCPI DateTime: UTC, `Z`, whole seconds or milliseconds, at most 25 characters."""
    moment = moment.astimezone(UTC)
    timespec = "milliseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"

"""Small steps that the renderers of every version share."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import EnergyMix, Shape

Json = dict[str, Any]


def present(document: Mapping[str, Any]) -> Json:
    """Return the document without absent fields: OCPI leaves them out, it does not send null."""
    return {name: value for name, value in document.items() if value not in (None, "", [], {})}


def moment(value: datetime | None) -> str | None:
    return None if value is None else format_datetime(value)


def known(values: Iterable[str], allowed: frozenset[str]) -> list[str]:
    """Return the values that a version's closed enum has; newer ones are left out."""
    return [value for value in values if value in allowed]


def cut(text: str, length: int) -> str:
    return text[:length]


def numbers(shape: Shape) -> Json:
    """Return a shape with its decimals as numbers and its moments as OCPI DateTimes."""
    return {
        name: _number(value)
        for name in type(shape).model_fields
        if (value := getattr(shape, name)) is not None
    }


def _number(value: Any) -> Any:
    if isinstance(value, Shape):
        return numbers(value)
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, datetime):
        return format_datetime(value)
    return value


def energy_mix(document: Json | None) -> Json | None:
    """Return a stored energy mix (its decimals are strings) as OCPI wants it: with numbers."""
    return None if document is None else numbers(EnergyMix.model_validate(document))

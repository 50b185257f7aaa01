"""Repair what can be repaired without guessing, led by the shape that the value has to have.

Pure: nothing here knows the database. Every repair leaves a `Note`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import TextChoices

from cpo_platform.common.shapes import Hours, Shape
from locations.countries import ALPHA_3
from locations.importing.reader import Path
from locations.importing.report import Note, Rule
from locations.models import (
    CONNECTOR_TYPES,
    VEHICLE_TYPES,
    Capability,
    Facility,
    ParkingRestriction,
    ParkingType,
    Status,
)

ABSENT = object()
_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_FALSE = frozenset({"0", "false", "no", "off", "f", "n"})
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0+)?)?")
_LANGUAGE = re.compile(r"([A-Za-z]{2})(?:[-_][A-Za-z0-9-_]+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_LAST_MINUTE = "23:59"
_MINUTES_OF_DAY = 24 * 60
_is_web_address = URLValidator(["http", "https"])

# Numbers that OCPI gives four decimals, and whole numbers that may be rounded down: promising a
# little less power is safe, while a changed price or step is not.
_MONEY = frozenset({"price", "vat", "before_taxes", "after_taxes"})
_ROUND_DOWN = frozenset({"max_voltage", "max_amperage", "max_electric_power"})

Repair = Callable[[str], tuple[Any, Rule]]


def mend(
    shape: type[Shape], raw: Mapping[str, Any], notes: list[Note], *, skip: Collection[str] = ()
) -> dict[str, Any]:
    """Return the fields of `raw` that `shape` knows, repaired; add a note for each repair.

    What cannot be repaired stays as it is, for the shape to refuse. `skip` names fields that the
    caller takes care of.
    """
    return _Mender(notes).fields(shape, raw, (), skip)


class _Mender:
    def __init__(self, notes: list[Note]) -> None:
        self._notes = notes

    def _note(self, path: Path, rule: Rule, before: object = None, after: object = None) -> None:
        detail = "" if before is None else f"{shown(before)} → {shown(after)}"
        self._notes.append(Note(path, rule, detail))

    def fields(
        self, shape: type[Shape], raw: Mapping[str, Any], path: Path, skip: Collection[str] = ()
    ) -> dict[str, Any]:
        mended = {}
        for name, field in shape.model_fields.items():
            if name in raw and name not in skip:
                value = self._value(field.annotation, raw[name], (*path, name))
                if value is not ABSENT:
                    mended[name] = value
        if shape is Hours:
            self._split_nights(mended, path)
        return mended

    def _split_nights(self, hours: dict[str, Any], path: Path) -> None:
        """Make hours over midnight two entries: an end is later than its begin in OCPI."""
        entries = hours.get("regular_hours")
        if not isinstance(entries, list):
            return
        split: list[Any] = []
        for index, entry in enumerate(entries):
            parts = _nights(entry)
            if len(parts) > 1:
                self._note((*path, "regular_hours", index), Rule.OVERNIGHT)
            split.extend(parts)
        hours["regular_hours"] = split

    def _value(self, annotation: Any, raw: Any, path: Path) -> Any:
        kind = _core(annotation)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            self._note(path, Rule.EMPTY)
            return ABSENT
        if get_origin(kind) is list:
            return self._list(get_args(kind)[0], raw, path)
        if isinstance(kind, type) and issubclass(kind, Shape):
            return self._object(kind, raw, path)
        return self._scalar(kind, raw, path)

    def _list(self, item: Any, raw: Any, path: Path) -> Any:
        if not isinstance(raw, list):
            self._note(path, Rule.MADE_LIST)
            raw = [raw]
        # An empty entry keeps its place, so that the paths of those behind it stay true.
        return [
            entry if entry is None or entry == "" else self._value(item, entry, (*path, index))
            for index, entry in enumerate(raw)
        ]

    def _object(self, shape: type[Shape], raw: Any, path: Path) -> Any:
        if isinstance(raw, list) and not raw:
            self._note(path, Rule.EMPTY_LIST)
            return ABSENT
        if isinstance(raw, list) and len(raw) == 1:
            self._note(path, Rule.ONLY_ENTRY)
            raw = raw[0]
        return self.fields(shape, raw, path) if isinstance(raw, dict) else raw

    def _scalar(self, kind: Any, raw: Any, path: Path) -> Any:
        if kind is bool:
            return self._flag(raw, path)
        if kind in {int, Decimal}:
            return self._number(kind, raw, path)
        text = self._text(raw, path)
        return self._special(kind, text, path) if isinstance(text, str) else text

    def _flag(self, raw: Any, path: Path) -> Any:
        word = str(raw).strip().lower()
        if isinstance(raw, bool) or word not in _TRUE | _FALSE:
            return raw
        self._note(path, Rule.TEXT_AS_FLAG, raw, word in _TRUE)
        return word in _TRUE

    def _number(self, kind: Any, raw: Any, path: Path) -> Any:
        number = raw
        if isinstance(raw, str):
            try:
                number = Decimal(raw.strip())
            except ArithmeticError:
                return raw
            self._note(path, Rule.TEXT_AS_NUMBER)
        if not isinstance(number, Decimal) or not number.is_finite() or abs(number) > 10**15:
            return number
        return self._whole(number, path) if kind is int else self._money(number, path)

    def _whole(self, number: Decimal, path: Path) -> int | Decimal:
        whole = int(number.to_integral_value(rounding=ROUND_FLOOR))
        if whole != number:
            if path[-1] not in _ROUND_DOWN:
                return number
            self._note(path, Rule.FRACTION, number, whole)
        return whole

    def _money(self, number: Decimal, path: Path) -> Decimal:
        if path[-1] not in _MONEY:
            return number
        rounded = number.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
        if rounded != number:
            self._note(path, Rule.ROUNDED, number, rounded)
        return rounded

    def _text(self, raw: Any, path: Path) -> Any:
        if isinstance(raw, (int, Decimal)) and not isinstance(raw, bool):
            self._note(path, Rule.NUMBER_AS_TEXT)
            return str(raw)
        if not isinstance(raw, str):
            return raw
        # JSON can hold half a surrogate pair, which is no character and fits no database.
        clean = _CONTROL.sub(" ", raw.encode("utf-8", "replace").decode()).strip()
        if clean != raw:
            self._note(path, Rule.SPACES)
        return clean

    def _special(self, kind: Any, text: str, path: Path) -> Any:
        repair = _repair(kind, _name(path))
        value, rule = repair(text) if repair else (text, Rule.SPELLING)
        if value is ABSENT:
            self._note(path, rule)
        elif value != text:
            self._note(path, rule, text, value)
        return value


def _core(annotation: Any) -> Any:
    """Return the type inside `Annotated[... | None]`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _core(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return _core(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation


def _name(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _repair(kind: Any, name: str) -> Repair | None:
    """Return the repair for a field of text, by what it holds and by its name."""
    if get_origin(kind) is Literal:
        values = get_args(kind)
        return _status if name == "status" else _spelled({str(value): value for value in values})
    if kind is time:
        return {"start_time": _start_time, "end_time": _end_time}.get(name)
    if kind in {date, datetime}:
        return None
    return _BY_NAME.get(name)


def shown(value: object) -> str:
    """Return a value of the file as it may be printed: short, and without surprises."""
    text = str(value).encode("utf-8", "replace").decode()
    text = _CONTROL.sub(" ", text)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _spelled(values: Mapping[str, str]) -> Repair:
    lowered = {name.lower(): value for name, value in values.items()}

    def repair(text: str) -> tuple[str, Rule]:
        return (text if text in values else lowered.get(text.lower(), text)), Rule.SPELLING

    return repair


def _choices(choices: type[TextChoices]) -> Repair:
    return _spelled({value: value for value in choices.values})


def _upper(text: str) -> tuple[str, Rule]:
    return text.upper(), Rule.SPELLING


def _status(text: str) -> tuple[str, Rule]:
    if text.upper() in Status.values:
        return text.upper(), Rule.SPELLING
    return Status.UNKNOWN.value, Rule.STATUS


def _language(text: str) -> tuple[str, Rule]:
    match = _LANGUAGE.fullmatch(text)
    return (match[1].lower() if match else text), Rule.LANGUAGE


def _country(text: str) -> tuple[str, Rule]:
    upper = text.upper()
    if upper in ALPHA_3:
        return ALPHA_3[upper], Rule.COUNTRY
    return upper, Rule.SPELLING


def _web_address(text: str) -> tuple[Any, Rule]:
    try:
        _is_web_address(text)
    except ValidationError:
        return ABSENT, Rule.URL
    return text, Rule.URL


def _coordinate(text: str) -> tuple[str, Rule]:
    try:
        number = Decimal(text)
        exponent = number.as_tuple().exponent
    except ArithmeticError:
        return text, Rule.COORDINATE_PADDED
    if not isinstance(exponent, int) or abs(number) > 180:
        return text, Rule.COORDINATE_PADDED
    return f"{number:.6f}", Rule.COORDINATE_ROUNDED if exponent < -6 else Rule.COORDINATE_PADDED


def _clock(text: str, *, is_end: bool, midnight: str) -> tuple[str, Rule]:
    """Return `HH:MM`; a time that cannot be told without guessing stays as it is."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return text, Rule.CLOCK
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    rule = Rule.CLOCK
    if is_end and seconds == 59:
        minutes, seconds, rule = minutes + 1, 0, Rule.LAST_SECOND
    total = hours * 60 + minutes
    if seconds or total > _MINUTES_OF_DAY:
        return text, rule
    if total == _MINUTES_OF_DAY:
        return (midnight if is_end else text), Rule.MIDNIGHT
    return f"{total // 60:02}:{total % 60:02}", rule


def _start_time(text: str) -> tuple[str, Rule]:
    return _clock(text, is_end=False, midnight="")


def _end_time(text: str) -> tuple[str, Rule]:
    # OCPI 2.2.1, mod_tariffs, TariffRestrictions: the end of the day is 00:00.
    return _clock(text, is_end=True, midnight="00:00")


def _nights(entry: Any) -> list[Any]:
    """Return regular hours as they are, or the part before and the part after midnight."""
    if not isinstance(entry, dict):
        return [entry]
    weekday = entry.get("weekday")
    begin, end = entry.get("period_begin"), entry.get("period_end")
    times = isinstance(begin, str) and isinstance(end, str)
    if not times or not isinstance(weekday, int) or not _TIME_OF_DAY.fullmatch(str(end)):
        return [entry]
    if not _TIME_OF_DAY.fullmatch(str(begin)) or str(end) >= str(begin):
        return [entry]
    return [
        {**entry, "period_end": _LAST_MINUTE},
        {**entry, "weekday": weekday % 7 + 1, "period_begin": "00:00"},
    ]


def _closing_time(text: str) -> tuple[str, Rule]:
    # OCPI 2.2.1, mod_locations, RegularHours: the end is later than the begin, hence not 00:00.
    closing, rule = _clock(text, is_end=True, midnight=_LAST_MINUTE)
    return (_LAST_MINUTE, Rule.MIDNIGHT) if closing == "00:00" else (closing, rule)


_BY_NAME: dict[str, Repair] = {
    "country": _country,
    "country_code": _upper,
    "party_id": _upper,
    "currency": _upper,
    "language": _language,
    "latitude": _coordinate,
    "longitude": _coordinate,
    "period_begin": _start_time,
    "period_end": _closing_time,
    "standard": _spelled({value: value for value in CONNECTOR_TYPES}),
    "vehicle_types": _spelled({value: value for value in VEHICLE_TYPES}),
    "capabilities": _choices(Capability),
    "facilities": _choices(Facility),
    "parking_type": _choices(ParkingType),
    "parking_restrictions": _choices(ParkingRestriction),
    "url": _web_address,
    "thumbnail": _web_address,
    "website": _web_address,
    "terms_and_conditions": _web_address,
    "tariff_alt_url": _web_address,
}

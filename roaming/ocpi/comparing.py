"""Whether two copies of one object say the same: field by field, tolerant where OCPI is. Pure.

Equal are: lists that are sets in another order; numbers that differ by their spelling, or beyond
OCPI's four decimals; moments that differ by their spelling, or by less than a second, which some
platforms do not keep; ids in another case (CiString); an absent field, null and an empty list.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from cpo_platform.common import json
from cpo_platform.common.text import storable

MOST_DIFFERENCES = 50
MOST_EXTRA = 20
MOST_SHOWN = 200
# Our documents are not this deep; what a partner nests deeper is not looked into.
DEEPEST = 20
SECOND = timedelta(seconds=1)

# Lists in which the order says something: the first element that applies sets the price
# (mod_tariffs, Tariff.elements); periods and signed values are in the order of time.
ORDERED = frozenset(["elements", "charging_periods", "signed_values"])
# What the entries of a list are told apart by, where all of them have it.
KEYS = ("uid", "id", "language", "type", "url", "source", "category")
# CiString (OCPI 2.2.1, types): the case says nothing.
CASELESS = frozenset(
    [
        *("id", "uid", "country_code", "party_id", "tariff_id", "tariff_ids", "evse_id"),
        *("evse_uid", "connector_id", "session_id", "contract_id", "credit_reference_id"),
    ]
)
# Numbers that OCPI writes as strings.
COORDINATES = frozenset(["latitude", "longitude"])
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
_DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,20})?", re.ASCII)


@dataclass(frozen=True)
class Difference:
    """One field: `path` leads to it (`evses[E1].status`), None stands for a field that is absent.

    The values are JSON, cut. `extra`: the partner has a field that we do not send.
    """

    path: str
    ours: str | None
    theirs: str | None
    extra: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the plain form, as it is kept."""
        document: dict[str, Any] = {"path": self.path, "ours": self.ours, "theirs": self.theirs}
        return document | {"extra": True} if self.extra else document


@dataclass(frozen=True)
class Comparison:
    """What differs, the first `MOST_DIFFERENCES`; `more` are those beyond.

    `extra` names the fields that only the partner has, without the keys of lists (`evses[].note`).
    They make no difference by themselves.
    """

    differences: tuple[Difference, ...] = ()
    more: int = 0
    extra: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return all(difference.extra for difference in self.differences) and not self.more


def compare(ours: Any, theirs: Any) -> Comparison:
    """Compare an object as we would send it with a partner's copy, both as parsed JSON."""
    real: list[Difference] = []
    extra: list[Difference] = []
    for difference in _differences(ours, theirs, "", ""):
        (extra if difference.extra else real).append(difference)
    shown = [*real, *extra][:MOST_DIFFERENCES]
    names = sorted({re.sub(r"\[[^\]]*\]", "[]", one.path) for one in extra})
    return Comparison(tuple(shown), max(len(real) - MOST_DIFFERENCES, 0), tuple(names[:MOST_EXTRA]))


def shown(value: Any) -> str | None:
    """Return a value for people: as JSON, cut; None for one that is absent."""
    if _is_empty(value):
        return None
    try:
        text = value if isinstance(value, str) else json.dump_text(value)
    except (TypeError, ValueError):  # nested too deeply
        text = "…"
    return cut(text)


def cut(text: str) -> str:
    """Return a text that can be stored and shown: a partner's may be long, or hold a NUL."""
    text = storable(text[: MOST_SHOWN + 1])
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def _is_empty(value: Any) -> bool:
    return value is None or value == []


def _differences(ours: Any, theirs: Any, path: str, name: str) -> Iterator[Difference]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from _of_objects(ours, theirs, path)
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from _of_lists(ours, theirs, path, name)
    elif not _same(ours, theirs, name):
        yield Difference(path, shown(ours), shown(theirs))


def _of_objects(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> Iterator[Difference]:
    for name in sorted(ours.keys() | theirs.keys()):
        place = f"{path}.{cut(name)}" if path else cut(name)
        mine, other = ours.get(name), theirs.get(name)
        if _is_empty(mine):
            if not _is_empty(other):
                yield Difference(place, None, shown(other), extra=True)
        else:
            yield from _differences(mine, other, place, name)


def _of_lists(ours: list[Any], theirs: list[Any], path: str, name: str) -> Iterator[Difference]:
    key = _key_of(ours, theirs)
    if name in ORDERED:
        pairs = [
            (str(place), *both) for place, both in enumerate(zip_longest(ours, theirs), start=1)
        ]
    elif key is not None:
        pairs = _paired(ours, theirs, key)
    else:
        pairs = _unmatched(ours, theirs, name)
    for place, mine, other in pairs:
        where = f"{path}[{place}]"
        if mine is None or other is None:
            if mine is not other:
                yield Difference(where, shown(mine), shown(other))
        else:
            yield from _differences(mine, other, where, name)


_Pairs = list[tuple[str, Any, Any]]


def _key_of(ours: Sequence[Any], theirs: Sequence[Any]) -> str | None:
    for name in KEYS:
        keys = [_keys(items, name) for items in (ours, theirs)]
        if all(found is not None and len(set(found)) == len(found) for found in keys):
            return name
    return None


def _keys(items: Sequence[Any], name: str) -> list[str] | None:
    found = [item.get(name) if isinstance(item, dict) else None for item in items]
    names = [key.casefold() for key in found if isinstance(key, str)]
    return names if len(names) == len(items) else None


def _paired(ours: Sequence[Any], theirs: Sequence[Any], key: str) -> _Pairs:
    others = {item[key].casefold(): item for item in theirs}
    pairs = [(item[key], item, others.pop(item[key].casefold(), None)) for item in ours]
    return pairs + [(cut(item[key]), None, item) for item in others.values()]


def _unmatched(ours: Sequence[Any], theirs: Sequence[Any], name: str) -> _Pairs:
    """Return what only one of two sets has: entries without a name of their own."""
    mine = Counter(_canonical(item, name) for item in ours)
    others = Counter(_canonical(item, name) for item in theirs)
    only_ours, only_theirs = mine - others, others - mine
    return [
        *(("", item, None) for item in _drawn(ours, only_ours, name)),
        *(("", None, item) for item in _drawn(theirs, only_theirs, name)),
    ]


def _drawn(items: Sequence[Any], wanted: Counter[str], name: str) -> Iterator[Any]:
    for item in items:
        form = _canonical(item, name)
        if wanted[form] > 0:
            wanted[form] -= 1
            yield item


def _same(ours: Any, theirs: Any, name: str) -> bool:
    if isinstance(ours, str) and isinstance(theirs, str):
        return _same_text(ours, theirs, name)
    if _is_number(ours) and _is_number(theirs):
        return _rounded(ours) == _rounded(theirs)
    return type(ours) is type(theirs) and bool(ours == theirs)


def _same_text(ours: str, theirs: str, name: str) -> bool:
    if ours == theirs:
        return True
    if name in CASELESS:
        return ours.casefold() == theirs.casefold()
    if name in COORDINATES:
        return _coordinate(ours) == _coordinate(theirs)
    mine, other = _moment(ours), _moment(theirs)
    return mine is not None and other is not None and abs(mine - other) < SECOND


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _rounded(value: int | float | Decimal) -> Decimal:
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    return round(exact, 4)


def _coordinate(text: str) -> Decimal | str:
    return Decimal(text) if _DEGREES.fullmatch(text) else text


def _moment(text: str) -> datetime | None:
    if not _MOMENT.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        # Without a zone it is UTC (OCPI 2.2.1, types, DateTime).
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _canonical(value: Any, name: str, depth: int = 0) -> str:
    """Return a text that is the same for all that count as the same."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        fields = (
            f"{field!r}:{_canonical(item, field, depth + 1)}"
            for field, item in sorted(value.items())
            if not _is_empty(item)
        )
        return "{" + ",".join(fields) + "}"
    if isinstance(value, list):
        items = [_canonical(item, name, depth + 1) for item in value]
        return "[" + ",".join(items if name in ORDERED else sorted(items)) + "]"
    return _canonical_scalar(value, name)


def _canonical_scalar(value: Any, name: str) -> str:
    if _is_number(value):
        # Plus zero: minus nothing is nothing.
        return f"{(_rounded(value) + 0).normalize()}"
    if not isinstance(value, str):
        return repr(value)
    if name in CASELESS:
        return repr(value.casefold())
    if name in COORDINATES:
        number = _coordinate(value)
        return repr(value) if isinstance(number, str) else f"{number.normalize()}"
    moment = _moment(value)
    return repr(value) if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}"

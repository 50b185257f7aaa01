"""What chargers in the field send that breaks their schema, and can be taken all the same.

A charger that is told that its StopTransaction breaks a rule forgets it, or repeats it for ever;
either way the charge is lost. So what is plain is put right, what is not needed is left out, and
only what cannot be understood is refused:

| what breaks the schema | what becomes of it |
|---|---|
| a field that is null, or a word that is "" | left out |
| a field that the schema does not know | left out |
| a number as a string, a string as a number, 12.0 or 12.7 as an integer | written as it should be: 12 |
| a word in other case | the word of the schema |
| an error code or a reason that there is not | OtherError, Other, Unknown |
| a text that is too long | cut; what identifies somebody or something is never cut |
| a sampled value that is wrong anywhere else | left out whole: its defaults would make it another value |
| meter values without any value that is left | taken: they say nothing |
| anything else that is wrong where it may be left out | left out |
| the same where it is required, or a token that is wrong | refused |
"""  # noqa: E501  a table

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from jsonschema_rs import ValidationError, ValidationErrorKind

from cpo_platform.common.shapes import path_text
from ocpp_gateway import schemas
from ocpp_gateway.frames import Json, Version
from ocpp_gateway.schemas import BadPayload

Path = tuple[str | int, ...]

# Each round takes away at least one breach; deeper ones may show only then.
_MOST_ROUNDS = 8
# What is wrong more often than this is no charger that means well.
_MOST_BREACHES = 500
_NUMBER = re.compile(r"\s*-?\d{1,18}(\.\d{1,18})?\s*")
# The word of an enumeration that says: none of these.
_NONE_OF_THESE = ("OtherError", "Other", "Unknown")
_MAY_BE_NONE_OF_THESE = frozenset({"errorCode", "reason", "stoppedReason"})
_IDENTIFIES = frozenset({"idTag", "parentIdTag", "idToken", "transactionId", "key", "name"})
# Who charges is never guessed: a token that is wrong is no reason to take it for none.
_NEVER_LEFT_OUT = frozenset({"idToken"})
_MISSING = object()


@dataclass(slots=True)
class _Mending:
    """A payload that is being put right, and what was done to it."""

    payload: Json
    done: list[str] = field(default_factory=list)
    # Paths that are gone: an item that has moved to the place of another is not meant by them.
    stale: list[Path] = field(default_factory=list)

    def is_stale(self, path: Path) -> bool:
        return any(path[: len(one)] == one for one in self.stale)

    def say(self, path: Path, what: str) -> None:
        self.done.append(f"{path_text(path)}: {what}")

    def at(self, path: Path) -> Any:
        found: Any = self.payload
        for part in path:
            found = found[part]
        return found

    def put(self, path: Path, value: Any, what: str) -> None:
        self.at(path[:-1])[path[-1]] = value
        self.say(path, what)

    def leave_out(self, path: Path, what: str) -> None:
        del self.at(path[:-1])[path[-1]]
        self.stale.append(path)
        self.say(path, what)


def mended(
    version: Version, action: str, payload: Json, *, is_result: bool = False
) -> tuple[Json, list[str]]:
    """Return a payload that breaks its schema as one that does not, and what was done to it.

    What keeps its schema comes back as it is.

    Raises:
        BadPayload: it cannot be understood; the first breach of what was sent is told.

    """
    try:
        schemas.check(version, action, payload, is_result=is_result)
    except BadPayload as error:
        if action not in schemas.actions(version):
            raise
        return _mended(version, action, payload, error, is_result=is_result)
    return payload, []


def _mended(
    version: Version, action: str, payload: Json, error: BadPayload, *, is_result: bool
) -> tuple[Json, list[str]]:
    mending = _Mending({})
    mending.payload = _without_nulls(payload, (), mending)
    for _ in range(_MOST_ROUNDS):
        found = schemas.breaches(
            version, action, mending.payload, most=_MOST_BREACHES, is_result=is_result
        )
        breaches = [one for one in found if not _says_nothing(action, one)]
        if not breaches:
            return mending.payload, mending.done
        mending.stale = []
        # From the end: what is left out moves only what comes after it.
        for breach in sorted(breaches, key=_from_the_end, reverse=True):
            if not _mend(mending, breach):
                raise error
    raise error


def _says_nothing(action: str, breach: ValidationError) -> bool:
    """Tell whether it is about meter values that are empty: a station repeats what is refused."""
    is_empty = isinstance(breach.kind, ValidationErrorKind.MinItems)
    return action == "MeterValues" and is_empty and breach.instance_path == ["meterValue"]


def _from_the_end(breach: ValidationError) -> list[tuple[int, str, int]]:
    return [
        (1, "", part) if isinstance(part, int) else (0, part, 0) for part in breach.instance_path
    ]


def _without_nulls(value: Any, path: Path, mending: _Mending) -> Any:
    """Return a copy without fields that are null: nowhere in OCPP is that a value."""
    if isinstance(value, list):
        return [_without_nulls(one, (*path, place), mending) for place, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    for name, one in value.items():
        if one is None:
            mending.say((*path, name), "null was left out")
    return {
        name: _without_nulls(one, (*path, name), mending)
        for name, one in value.items()
        if one is not None
    }


def _mend(mending: _Mending, breach: ValidationError) -> bool:
    """Put one breach right; False where that cannot be."""
    path: Path = tuple(breach.instance_path)
    if mending.is_stale(path):
        return True
    match breach.kind:
        case ValidationErrorKind.AdditionalProperties(names):
            for name in names:
                mending.leave_out((*path, name), "an unknown field was left out")
            return True
        case ValidationErrorKind.Type(types):
            return _put(mending, path, _of_type(mending.at(path), types), "of the wrong type")
        case ValidationErrorKind.Enum(options):
            return _put_word(mending, path, options)
        case ValidationErrorKind.MaxLength(limit) if path[-1] not in _IDENTIFIES:
            return _shorten(mending, path, limit)
    return _leave_out(mending, path, "what breaks the schema was left out")


def _put_word(mending: _Mending, path: Path, options: Sequence[Any]) -> bool:
    value = mending.at(path)
    if value == "" and path[-1] != "errorCode":
        # Only the word: its default is what an empty one means.
        mending.leave_out(path, "an empty word was left out")
        return True
    return _put(mending, path, _word(path, value, options), "an unknown word")


def _put(mending: _Mending, path: Path, value: Any, what: str) -> bool:
    if value is _MISSING:
        return _leave_out(mending, path, f"{what}, left out")
    mending.put(path, value, f"{what}, put right")
    return True


def _shorten(mending: _Mending, path: Path, limit: int) -> bool:
    if "signedMeterValue" in path:
        # Cut, it would be signed by nobody.
        whole = path[: path.index("signedMeterValue") + 1]
        mending.leave_out(whole, "a signed value that is too long was left out")
    elif "sampledValue" in path:
        return _leave_out(mending, path, "what is too long was left out")
    else:
        mending.put(path, mending.at(path)[:limit], "too long, cut")
    return True


def _leave_out(mending: _Mending, path: Path, what: str) -> bool:
    """Leave out what is at a path, or the sampled value that it is in; False where nothing may."""
    if "sampledValue" in path[:-1]:
        path = path[: path.index("sampledValue") + 2]
    if not path or not _NEVER_LEFT_OUT.isdisjoint(path):
        return False
    mending.leave_out(path, what)
    return True


def _of_type(value: Any, types: Iterable[str]) -> Any:
    """Return a value as one of the types that a schema asks for; _MISSING where it is none."""
    wanted = set(types)
    if "string" in wanted:
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        return format(value, "f" if isinstance(value, Decimal) else "d") if is_number else _MISSING
    if "boolean" in wanted:
        return {"true": True, "false": False}.get(str(value).lower(), _MISSING)
    if not wanted & {"integer", "number"} or isinstance(value, bool):
        return _MISSING
    if isinstance(value, str):
        value = Decimal(value.strip()) if _NUMBER.fullmatch(value) else _MISSING
    if not isinstance(value, Decimal):
        return _MISSING
    return value if "number" in wanted else int(value)


def _word(path: Path, value: Any, options: Sequence[Any]) -> Any:
    """Return the word of an enumeration that is meant; _MISSING where there is none."""
    text = str(value).strip().casefold()
    for option in options:
        if str(option).casefold() == text:
            return option
    if text and path[-1] in _MAY_BE_NONE_OF_THESE:
        return next((word for word in _NONE_OF_THESE if word in options), _MISSING)
    if not text and path[-1] == "errorCode":
        return "NoError"
    return _MISSING

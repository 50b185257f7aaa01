"""What each version says of each object, as JSON Schemas: what we send is held against them.

The tables beside this file (`2.2.1.json`) are the field tables of the specification in one line a
field: `"evses": "EVSE*"`, with `?` for optional, `*` for a list and `+` for one with at least one
item. They are turned into JSON Schemas (draft 2020-12) once per process.

They are stricter than OCPI asks a receiver to be: a field that OCPI does not define is a mistake
of ours, and so is a DateTime without its `Z`.
"""

from functools import cache
from pathlib import Path
from re import compile as pattern
from typing import Any

from jsonschema_rs import Draft202012Validator

from cpo_platform.common import json
from cpo_platform.common.shapes import path_text

Json = dict[str, Any]

# The object that a module's lists are made of.
OBJECTS = {
    "locations": "Location",
    "evses": "EVSE",
    "connectors": "Connector",
    "tariffs": "Tariff",
    "sessions": "Session",
    "cdrs": "CDR",
    "tokens": "Token",
    "credentials": "Credentials",
    "hubclientinfo": "ClientInfo",
}
LONGEST_MESSAGE = 200

_TEXT = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]*$"}
_ASCII = {"type": "string", "pattern": r"^[\x20-\x7e]+$"}
_TYPES: dict[str, Json] = {
    "boolean": {"type": "boolean"},
    "number": {"type": "number"},
    "int": {"type": "integer"},
    "int(5)": {"type": "integer", "minimum": 0, "maximum": 99999},
    # OCPI 2.2.1, types: UTC, at most 25 characters. Ours always end with Z.
    "DateTime": {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,4})?Z$",
        "maxLength": 25,
    },
    "URL": {"type": "string", "pattern": r"^https?://[^\x00-\x20\x7f]+$", "maxLength": 255},
    "CountryCode": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
    "CountryAlpha3": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "PartyId": {"type": "string", "pattern": "^[A-Za-z0-9]{3}$"},
    "Currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "Language": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
    "Weekday": {"type": "integer", "minimum": 1, "maximum": 7},
    "ClockTime": {"type": "string", "pattern": "^([0-1][0-9]|2[0-3]):[0-5][0-9]$"},
    "LocalDate": {"type": "string", "pattern": "^[12][0-9]{3}-(0[1-9]|1[0-2])-[0-3][0-9]$"},
    # Six decimals, which are right in 2.1.1 (six) and in later versions (five to seven).
    "Latitude": {"type": "string", "pattern": r"^-?[0-9]{1,2}\.[0-9]{6}$", "maxLength": 10},
    "Longitude": {"type": "string", "pattern": r"^-?[0-9]{1,3}\.[0-9]{6}$", "maxLength": 11},
}
_LENGTHS = pattern(r"^(string|CiString)\((\d+)\)$")
# What the tables of fields cannot say.
_RULES: dict[str, Json] = {
    "Hours": {
        "if": {"properties": {"twentyfourseven": {"const": False}}},
        "then": {"required": ["regular_hours"]},
        "else": {"not": {"required": ["regular_hours"]}},
    },
    "PublishTokenType": {
        "anyOf": [{"required": [name]} for name in ("uid", "visual_number", "group_id")],
        "dependentRequired": {"uid": ["type"], "visual_number": ["issuer"]},
    },
    # Tokens are their owner's: fields of his that OCPI does not define are given back to him.
    "Token": {"additionalProperties": True},
}


def problems(number: str, module: str, document: Json) -> list[str]:
    """Return what is wrong with an object for the version `number`; empty: nothing.

    `module` is a module with one kind of objects (`locations`), or the object's own name in the
    specification (`CommandResult`). Numbers may be `Decimal`.

    Raises:
        KeyError: there is no such version, or it has no such object.

    """
    validator = _validator(number, OBJECTS.get(module, module))
    if validator.is_valid(document):
        return []
    return [
        _text(list(error.instance_path), error.message) for error in validator.iter_errors(document)
    ]


def has(number: str, module: str) -> bool:
    """Tell whether the version has such an object."""
    return OBJECTS.get(module, module) in _table(number)["objects"]


def schema(number: str, name: str) -> Json:
    """Return the JSON Schema of an object (`Location`), with all that it is made of."""
    table = _table(number)
    if name not in table["objects"]:
        raise KeyError(f"OCPI {number} has no {name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": f"#/$defs/{name}",
        "$defs": {
            **{item: _object(table, item) for item in table["objects"]},
            **{item: {"enum": values} for item, values in table["enums"].items()},
            **{item: {**_ASCII, "maxLength": 64} for item in table["open_enums"]},
        },
    }


@cache
def _validator(number: str, name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(number, name))


@cache
def _table(number: str) -> Json:
    path = Path(__file__).parent / f"{number}.json"
    try:
        table: Json = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise KeyError(f"there are no schemas of OCPI {number}") from error
    return table


def _object(table: Json, name: str) -> Json:
    fields: dict[str, str] = table["objects"][name]
    return {
        "type": "object",
        "properties": {field: _field(table, text) for field, text in fields.items()},
        "required": [field for field, text in fields.items() if text[-1] not in "?*"],
        "additionalProperties": False,
        **_RULES.get(name, {}),
    }


def _field(table: Json, text: str) -> Json:
    # Empty lists are allowed, but we leave them out.
    if text[-1] in "*+":
        return {"type": "array", "items": _type(table, text[:-1]), "minItems": 1}
    return _type(table, text.removesuffix("?"))


def _type(table: Json, name: str) -> Json:
    if name in table["objects"] or name in table["enums"] or name in table["open_enums"]:
        return {"$ref": f"#/$defs/{name}"}
    if name in _TYPES:
        return _TYPES[name]
    match = _LENGTHS.match(name)
    if match is None:
        raise KeyError(f"{name} is no type of OCPI")
    kind, length = match.groups()
    return (_TEXT if kind == "string" else _ASCII) | {"maxLength": int(length)}


def _text(path: list[int | str], message: str) -> str:
    where = path_text(path)
    reason = message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "…"
    return f"{where}: {reason}" if where else reason

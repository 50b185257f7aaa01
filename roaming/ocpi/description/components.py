"""The objects of a version, named as OCPI names them, for an OpenAPI description.

They are the schemas that everything we send is held against (`roaming.ocpi.schemas`).
"""

from typing import Any

from roaming.ocpi import schemas
from roaming.ocpi.description.operations import FIRST_VERSION, PARTIAL, Operation

Json = dict[str, Any]

_HERE = "#/components/schemas/"
_THERE = "#/$defs/"
# What we POST or PUT to addresses that partners give us, beside the objects of the lists.
_SENT = (
    "CommandResult",
    "ActiveChargingProfile",
    "ActiveChargingProfileResult",
    "ChargingProfileResult",
    "ClearProfileResult",
    "AuthorizationInfo",
    "LocationReferences",
)
# How the patterns of DateTimes begin: a date, and a time of day.
DATE_TIME_PATTERN = r"^\d{4}-\d\d-\d\dT"
ENVELOPE: Json = {
    "type": "object",
    "required": ["status_code", "timestamp"],
    "properties": {
        "status_code": {"type": "integer", "minimum": 1000, "maximum": 4999},
        "status_message": {"type": "string"},
        "timestamp": {"$ref": f"{_HERE}DateTime"},
    },
}
_OWN: Json = {
    "DateTime": {
        "type": "string",
        "description": "UTC, with Z, of at most 25 characters.",
        "format": "date-time",
        "maxLength": 25,
    },
    "Version": {
        "type": "object",
        "required": ["version", "url"],
        "properties": {"version": {"type": "string"}, "url": {"type": "string", "maxLength": 255}},
    },
    "VersionDetails": {
        "type": "object",
        "required": ["version", "endpoints"],
        "properties": {
            "version": {"type": "string"},
            "endpoints": {
                "type": "array",
                "items": {"$ref": f"{_HERE}Endpoint"},
                "minItems": 1,
            },
        },
    },
    "Error": ENVELOPE
    | {"description": "What went wrong: `status_message` names the field and the rule."},
}


def components(number: str, operations: list[Operation]) -> Json:
    """Return the objects that the operations of a version refer to, and those that we send."""
    every = _OWN | _of_version(number)
    asked = _reachable(every, [operation.request for operation in operations])
    told = _reachable(
        every, [ENVELOPE, *(operation.data for operation in operations), *_sent(every)]
    )
    needed = asked | told | {"Error"}
    return {
        # Fields that OCPI does not define are passed over in what we are sent.
        name: every[name] if name in told else _tolerant(every[name])
        for name in sorted(needed)
    }


def envelope(data: Json | None) -> Json:
    """Return what an answer with this `data` looks like; errors have none."""
    if data is None:
        return ENVELOPE | {"additionalProperties": False}
    return ENVELOPE | {
        "properties": {"data": data, **ENVELOPE["properties"]},
        "additionalProperties": False,
        "if": {"properties": {"status_code": {"maximum": 1999}}},
        "then": {"required": ["data"]},
    }


def _of_version(number: str) -> Json:
    definitions: Json = _moved(schemas.schema(number, "Token")["$defs"])
    required = [] if number == FIRST_VERSION else ["last_updated"]
    token = definitions["Token"]
    # Two places in OCPI where a body is a part of an object.
    return definitions | {f"Token{PARTIAL}": token | {"required": required}}


def _moved(schema: Any) -> Any:
    """Return a schema with its references, and with its DateTimes as the one that has a name."""
    if isinstance(schema, dict):
        if str(schema.get("pattern", "")).startswith(DATE_TIME_PATTERN):
            return {"$ref": f"{_HERE}DateTime"}
        return {name: _moved(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_moved(value) for value in schema]
    return schema.replace(_THERE, _HERE) if isinstance(schema, str) else schema


def _sent(every: Json) -> list[Json]:
    return [{"$ref": _HERE + name} for name in _SENT if name in every]


def _reachable(every: Json, roots: list[Json | None]) -> set[str]:
    found: set[str] = set()
    waiting = [name for root in roots for name in _names(root)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_names(every[name]))
    return found


def _names(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"].removeprefix(_HERE)] if "$ref" in schema else []
        return own + [name for value in schema.values() for name in _names(value)]
    if isinstance(schema, list):
        return [name for value in schema for name in _names(value)]
    return []


def _tolerant(schema: Json) -> Json:
    return {name: value for name, value in schema.items() if name != "additionalProperties"}

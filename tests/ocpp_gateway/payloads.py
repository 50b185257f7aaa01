"""The least payload that each schema of OCPP accepts."""

from importlib.resources import files
from typing import Any

from cpo_platform.common import json
from ocpp_gateway.frames import Version

_FOLDERS = {Version.V1_6: ("v16", ""), Version.V2_0_1: ("v201", "Request")}


def least(version: Version, action: str) -> dict[str, Any]:
    """Return a payload with nothing but what is required, each the simplest that is valid."""
    folder, suffix = _FOLDERS[version]
    path = files("ocpp") / folder / "schemas" / f"{action}{suffix}.json"
    schema = json.loads(path.read_text("utf-8-sig"))
    return dict(_value(schema, schema.get("definitions", {})))


def _value(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        properties = schema.get("properties", {})
        return {name: _value(properties[name], definitions) for name in schema.get("required", [])}
    if schema["type"] == "array":
        return [_value(schema["items"], definitions)] * schema.get("minItems", 0)
    text = "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else "1"
    return {"string": text, "boolean": False}.get(schema["type"], schema.get("minimum", 1))

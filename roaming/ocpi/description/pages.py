"""An OpenAPI description, laid out for a page: plain values that a template can walk through."""

from dataclasses import dataclass
from typing import Any

from roaming.ocpi.description.generator import describe

Json = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_COMPONENT = "#/components/schemas/"
_FORMATS = {
    r"^https?://[^\x00-\x20\x7f]+$": "URL",
}


@dataclass(frozen=True)
class Type:
    """The type of a value in words; `component` is the object to look up, if it is one."""

    text: str
    component: str = ""
    is_list: bool = False


@dataclass(frozen=True)
class Field:
    name: str
    type: Type
    required: bool
    where: str = ""
    text: str = ""


@dataclass(frozen=True)
class Answer:
    status: str
    text: str
    data: Type | None
    headers: list[str]


@dataclass(frozen=True)
class Call:
    anchor: str
    method: str
    path: str
    summary: str
    text: str
    headers: list[str]
    parameters: list[Field]
    request: Type | None
    answers: list[Answer]


@dataclass(frozen=True)
class Module:
    name: str
    calls: list[Call]


@dataclass(frozen=True)
class Component:
    name: str
    text: str
    fields: list[Field]
    values: list[str]
    type: Type


@dataclass(frozen=True)
class Page:
    version: str
    about: str
    authorization: str
    modules: list[Module]
    components: list[Component]


def lay_out(number: str) -> Page:
    """Return the description of a version for a page.

    Raises:
        KeyError: we do not speak it.

    """
    description = describe(number)
    shared = description["components"]
    calls: dict[str, list[Call]] = {tag["name"]: [] for tag in description["tags"]}
    for path, methods in description["paths"].items():
        for method in _METHODS:
            if method in methods:
                calls[methods[method]["tags"][0]].append(
                    _call(path, method, methods[method], shared)
                )
    scheme = next(iter(shared["securitySchemes"].values()))
    return Page(
        version=number,
        about=description["info"]["description"],
        authorization=scheme["description"],
        modules=[Module(name, made) for name, made in calls.items()],
        components=[_component(name, schema) for name, schema in shared["schemas"].items()],
    )


def _call(path: str, method: str, operation: Json, shared: Json) -> Call:
    parameters = [_looked_up(parameter, shared) for parameter in operation.get("parameters", [])]
    return Call(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        text=operation.get("description", ""),
        headers=[parameter["name"] for parameter in parameters if parameter["in"] == "header"],
        parameters=[
            Field(
                parameter["name"],
                _type(parameter["schema"]),
                parameter.get("required", False),
                parameter["in"],
                parameter.get("description", ""),
            )
            for parameter in parameters
            if parameter["in"] != "header"
        ],
        request=_body(operation.get("requestBody")),
        answers=[
            Answer(status, answer["description"], _data(answer), sorted(answer.get("headers", {})))
            for status, answer in operation["responses"].items()
        ],
    )


def _looked_up(parameter: Json, shared: Json) -> Json:
    if "$ref" not in parameter:
        return parameter
    found: Json = shared["parameters"][parameter["$ref"].rpartition("/")[2]]
    return found


def _body(body: Json | None) -> Type | None:
    return _type(body["content"]["application/json"]["schema"]) if body else None


def _data(answer: Json) -> Type | None:
    content = answer.get("content")
    if content is None:
        return None
    schema = content["application/json"]["schema"]
    data = schema.get("properties", {}).get("data")
    return _type(data) if data else None


def _component(name: str, schema: Json) -> Component:
    required = schema.get("required", [])
    fields = [
        Field(field, _type(inner), field in required)
        for field, inner in schema.get("properties", {}).items()
    ]
    return Component(
        name, schema.get("description", ""), fields, schema.get("enum", []), _type(schema)
    )


def _type(schema: Json) -> Type:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_COMPONENT)
        return Type(name, component=name)
    if schema.get("type") == "array":
        inner = _type(schema["items"])
        return Type(inner.text, inner.component, is_list=True)
    if "enum" in schema:
        return Type(" | ".join(map(str, schema["enum"])))
    kind = _FORMATS.get(schema.get("pattern", ""), str(schema.get("type", "")))
    length = schema.get("maxLength")
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"))
        if key in schema
    ]
    if kind == "string" and length:
        kind = f"string({length})"
    return Type(" ".join([kind, *bounds]))

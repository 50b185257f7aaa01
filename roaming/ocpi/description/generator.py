"""Make drf-spectacular write the OpenAPI description of a version.

Our views speak OCPI's envelope and have no serializers, so that there is nothing in them for
drf-spectacular to find. It is shown stand-ins instead: a view for each operation of the table,
which says what is asked for and answered. A test holds the stand-ins against the real URLs.
"""

from dataclasses import replace
from typing import Any

import yaml
from django.urls import URLPattern, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.views import APIView

from roaming.ocpi.description.components import components, envelope
from roaming.ocpi.description.operations import FIRST_VERSION, Operation, Parameter, operations

Json = dict[str, Any]

JSON = "application/json"
SCHEME = "CredentialsToken"
_TEXT: Json = {"type": "string"}
_NOT_MODIFIED = "What `If-None-Match` names is what there is. Without a body."
_ERRORS = {
    400: "The body is not JSON.",
    401: "No token, an unknown one, or one that is not for this module.",
    404: "There is no such thing, or not for you.",
    405: "Not for you, or not in this state of the registration.",
}
_UNENCODED = "`Authorization: Token <token>`, the token as it is."
_ENCODED = "`Authorization: Token <Base64 of the token>`."
_ABOUT = (
    "OCPI {number} as the platform of a charge point operator serves it.\n\n"
    "Every answer is an envelope. A request that is JSON, comes with a token and addresses "
    "something that exists is answered with HTTP 200, whatever is wrong with it: look at "
    "`status_code`. 1000 is success, 2000 and above your mistake, 3000 and above ours. Fields that "
    "OCPI does not define are passed over."
)


class OcpiSchemaGenerator(SchemaGenerator):
    """Describes one version of OCPI."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.described = operations(number)
        super().__init__(patterns=_stand_ins(number, self.described))  # type: ignore[no-untyped-call]

    def get_schema(self, request: Any = None, public: bool = True) -> Json:  # noqa: FBT001, FBT002
        schema: Json = super().get_schema(request, public)  # type: ignore[no-untyped-call]
        first = self.number == FIRST_VERSION
        schema["info"] = {
            "title": f"OCPI {self.number}: charge point operator",
            "version": self.number,
            "description": _ABOUT.format(number=self.number),
        }
        schema["servers"] = [{"url": "https://cpo.example.com"}]
        schema["tags"] = [{"name": name} for name in _modules(self.described)]
        order = {operation.path: place for place, operation in enumerate(self.described)}
        schema["paths"] = dict(sorted(schema["paths"].items(), key=lambda item: order[item[0]]))
        parameters: Json = {}
        headers: Json = {}
        for operation in _all(schema["paths"]):
            _share(operation, parameters, headers)
        schema["components"] = {
            "schemas": components(self.number, self.described),
            "parameters": parameters,
            "headers": headers,
            "securitySchemes": {
                SCHEME: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": _UNENCODED if first else _ENCODED,
                }
            },
        }
        return schema


def describe(number: str) -> Json:
    """Return the OpenAPI description of a version.

    Raises:
        KeyError: we do not speak it.

    """
    return OcpiSchemaGenerator(number).get_schema()


def as_yaml(number: str) -> str:
    """Return the description as it is committed in `docs/openapi`."""
    return yaml.dump(
        describe(number), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100
    )


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        # What is said twice is written twice: readers of YAML differ about aliases.
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def _all(paths: Json) -> list[Json]:
    return [operation for methods in paths.values() for operation in methods.values()]


def _share(operation: Json, parameters: Json, headers: Json) -> None:
    """Name the headers that nearly every operation has, and refer to them."""
    own = operation.get("parameters", [])
    for place, parameter in enumerate(own):
        if parameter["in"] == "header":
            own[place] = _named(parameters, "parameters", parameter["name"], parameter)
    for response in operation["responses"].values():
        for name, header in response.get("headers", {}).items():
            response["headers"][name] = _named(headers, "headers", name, header)


def _named(shared: Json, kind: str, name: str, value: Json) -> Json:
    shared[name] = value
    return {"$ref": f"#/components/{kind}/{name}"}


def _modules(described: list[Operation]) -> list[str]:
    return list(dict.fromkeys(operation.module for operation in described))


def _stand_ins(number: str, described: list[Operation]) -> list[URLPattern]:
    by_path: dict[str, dict[str, Any]] = {}
    for operation in described:
        methods = by_path.setdefault(operation.path, {})
        methods[operation.method.lower()] = _documented(number, operation)
    return [_stand_in(address, methods) for address, methods in by_path.items()]


def _stand_in(address: str, methods: dict[str, Any]) -> URLPattern:
    attributes = {"authentication_classes": [], "permission_classes": [], "schema": AutoSchema()}
    view: type[APIView] = type("StandIn", (APIView,), attributes | methods)
    # `{location_id}` in OpenAPI is `<location_id>` in Django.
    return path(address[1:].replace("{", "<").replace("}", ">"), view.as_view())


def _documented(number: str, operation: Operation) -> Any:
    def handler(self: APIView, request: Any) -> None:
        raise NotImplementedError

    headers = _headers(number, operation)
    return extend_schema(
        operation_id=operation.id,
        summary=operation.summary,
        description=operation.text,
        tags=[operation.module],
        # The type has names only; what is meant is OpenAPI's own list of requirements.
        auth=[{SCHEME: []}],  # type: ignore[list-item]
        parameters=[
            *(_parameter(parameter) for parameter in (*operation.parameters, *headers)),
            # They come back as they came, whatever that was.
            *(_parameter(replace(header, schema=_TEXT), answers=True) for header in headers),
            *(_parameter(header, answers=[200]) for header in operation.headers),
        ],
        request={JSON: operation.request} if operation.request else None,
        responses={(code, JSON): answer for code, answer in _answers(number, operation).items()},
    )(handler)


def _answers(number: str, operation: Operation) -> dict[int, OpenApiResponse]:
    success = envelope(operation.data)
    error = {"$ref": "#/components/schemas/Error"}
    answers = {200: OpenApiResponse(success, "Success, or what went wrong in `status_code`.")}
    if 201 in operation.statuses:
        answers[201] = OpenApiResponse(success, "Created.")
    if 304 in operation.statuses:
        answers[304] = OpenApiResponse(None, _NOT_MODIFIED)
    codes = {401, *operation.statuses} - {201, 304} | ({400} if operation.request else set())
    if operation.functional and number != FIRST_VERSION:
        # The routing headers name a party that is none of ours, or none of the partner's.
        codes.add(404)
    for code in sorted(codes):
        answers[code] = OpenApiResponse(error, _ERRORS[code])
    return answers


def _headers(number: str, operation: Operation) -> list[Parameter]:
    if number == FIRST_VERSION:
        return []
    names = [
        ("X-Request-ID", "Of your making; echoed.", 36),
        ("X-Correlation-ID", "Of your making; echoed.", 36),
    ]
    if operation.functional:
        names += [
            (f"OCPI-{way}-{part}", "For several parties on one side, and for hubs.", length)
            for way in ("to", "from")
            for part, length in (("country-code", 2), ("party-id", 3))
        ]
    return [Parameter(name, "header", text, _token(length)) for name, text, length in names]


def _token(length: int) -> Json:
    return {"type": "string", "pattern": r"^[!-~]+$", "maxLength": length}


def _parameter(parameter: Parameter, *, answers: bool | list[int] = False) -> OpenApiParameter:
    return OpenApiParameter(
        parameter.name,
        parameter.schema,
        location=parameter.where,  # type: ignore[arg-type]
        required=parameter.required or parameter.where == "path",
        description=parameter.text,
        response=answers,
    )

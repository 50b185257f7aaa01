"""The payloads of OCPP's messages, held against the official JSON Schemas.

They are the files of the `ocpp` library, draft 4 for 1.6 and draft 6 for 2.0.1, compiled when a
message of their kind first comes. Numbers may be `Decimal`, as `frames.parse` reads them, and are
compared as decimals: 16.3 is a multiple of 0.1, which it is not in floats, and 16.35 is none.

The formats of strings (`date-time`, `uri`) are not checked. A clock that writes no `Z` is no
reason to lose the end of a transaction: whoever reads a timestamp says what a wrong one means.
"""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from typing import Any

from jsonschema_rs import (
    Draft4Validator,
    Draft6Validator,
    ValidationError,
    ValidationErrorKind,
    Validator,
)

from cpo_platform.common.shapes import path_text
from ocpp_gateway.frames import ErrorCode, Version

_FOLDERS = {Version.V1_6: "v16", Version.V2_0_1: "v201"}
_DRAFTS: dict[Version, type[Validator]] = {
    Version.V1_6: Draft4Validator,
    Version.V2_0_1: Draft6Validator,
}
# The files of 1.6 are named Heartbeat.json and HeartbeatResponse.json.
_REQUEST = {Version.V1_6: "", Version.V2_0_1: "Request"}
_RESPONSE = "Response"

_NO_FIELD = "is no field that may be here"
# By what a schema asks for; whatever is not here asks for a value: PropertyConstraintViolation.
# `falseSchema` is what `additionalProperties` is called where there are no fields at all.
_CODES: dict[Version, dict[str, ErrorCode]] = {
    # OCPP 1.6J, 4.2.3: "incomplete"; "not conform the PDU structure".
    Version.V1_6: {
        "required": ErrorCode.PROTOCOL_ERROR,
        "additionalProperties": ErrorCode.FORMAT_VIOLATION,
        "falseSchema": ErrorCode.FORMAT_VIOLATION,
        "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
        "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
        "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    },
    # OCPP 2.0.1, part 4, 4.3: "not conform the PDU structure" is ProtocolError here.
    Version.V2_0_1: {
        "required": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
        "additionalProperties": ErrorCode.PROTOCOL_ERROR,
        "falseSchema": ErrorCode.PROTOCOL_ERROR,
        "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
        "minItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
        "maxItems": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    },
}


class BadPayload(ValueError):
    """A payload is not what its version says.

    `field_path` is `meterValue[0].timestamp`, or empty for the payload itself. `rule` holds no
    value of the payload, which may be a password.
    """

    def __init__(self, code: ErrorCode, field_path: str, rule: str) -> None:
        super().__init__(f"{field_path}: {rule}" if field_path else rule)
        self.code = code
        self.field_path = field_path
        self.rule = rule


def check(version: Version, action: str, payload: Any, *, is_result: bool = False) -> None:
    """Hold the payload of a call, or of its result, against its schema.

    Raises:
        BadPayload: it breaks the schema, of which the first breach is told; the version has no
            such action; or there is something in it that JSON cannot say.

    """
    # First, as the name comes from outside and would be looked up in a folder.
    if action not in actions(version):
        raise BadPayload(ErrorCode.NOT_IMPLEMENTED, "", f"{version} has no such action")
    try:
        _validator(version, action, is_result).validate(payload)
    except ValidationError as error:
        raise _bad_payload(version, error) from None
    except ValueError as error:
        raise BadPayload(ErrorCode.FORMAT_VIOLATION, "", f"is not JSON: {error}") from error


def breaches(
    version: Version, action: str, payload: Any, *, most: int, is_result: bool = False
) -> list[ValidationError]:
    """Return what breaks the schema of an action that there is, `most` breaches at most.

    Raises:
        BadPayload: there is something in it that JSON cannot say.

    """
    try:
        return list(islice(_validator(version, action, is_result).iter_errors(payload), most))
    except ValueError as error:
        raise BadPayload(ErrorCode.FORMAT_VIOLATION, "", f"is not JSON: {error}") from error


@cache
def actions(version: Version) -> frozenset[str]:
    """Return the actions that a version has."""
    names = (path.name.removesuffix(".json") for path in _folder(version).iterdir())
    return frozenset(name.removesuffix(_RESPONSE) for name in names if name.endswith(_RESPONSE))


@cache
def _validator(version: Version, action: str, is_result: bool) -> Validator:  # noqa: FBT001
    suffix = _RESPONSE if is_result else _REQUEST[version]
    path = _folder(version) / f"{action}{suffix}.json"
    # As text: a 0.1 that goes through a float is none.
    return _DRAFTS[version](
        path.read_text("utf-8-sig"), validate_formats=False, mask="the value", offline=True
    )


def _folder(version: Version) -> Traversable:
    # Not files("ocpp.v16"), which imports all of the library.
    return files("ocpp") / _FOLDERS[version] / "schemas"


def _bad_payload(version: Version, error: ValidationError) -> BadPayload:
    code = _CODES[version].get(error.kind.name, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
    path = list(error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(name):
            return BadPayload(code, path_text([*path, name]), "is required")
        case ValidationErrorKind.AdditionalProperties([name, *_]):
            return BadPayload(code, path_text([*path, name]), _NO_FIELD)
        case ValidationErrorKind.FalseSchema():
            return BadPayload(code, path_text(path), _NO_FIELD)
    return BadPayload(code, path_text(path), error.message)

"""What goes over a charger's WebSocket: calls, their results and their errors, as JSON arrays.

OCPP 1.6J, 4.2; OCPP 2.0.1, part 4, 4.2. Both frame alike and differ in the names of error codes.
Numbers with a fraction or an exponent are `Decimal`, in what is read and in what is written, so
energy is what the meter said. Whatever is read can be kept by PostgreSQL and written again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from cpo_platform.common import json
from cpo_platform.common.text import MAX_DEPTH, unstorable_reason

Json = dict[str, Any]

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
LONGEST_ID = 36
LONGEST_ACTION = 36
LONGEST_DESCRIPTION = 255
# The id of an error that answers a call whose own could not be read (OCPP 2.0.1, part 4, 4.2.3).
UNREADABLE_ID = "-1"

# The start of a message, of which the rest may be anything.
_HEAD = re.compile(r'\s*\[\s*(\d{1,9})\s*,\s*("(?:[^"\\\x00-\x1f]|\\.){1,216}")\s*[,\]]')


class Version(StrEnum):
    """A version of OCPP, by the name of its WebSocket subprotocol."""

    V1_6 = "ocpp1.6"
    V2_0_1 = "ocpp2.0.1"


class ErrorCode(StrEnum):
    """Why a call cannot be answered, as 2.0.1 names it (part 4, 4.3)."""

    FORMAT_VIOLATION = "FormatViolation"
    GENERIC_ERROR = "GenericError"
    INTERNAL_ERROR = "InternalError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurrenceConstraintViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    PROTOCOL_ERROR = "ProtocolError"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"
    SECURITY_ERROR = "SecurityError"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"


# What is named otherwise (sic), or is not there (OCPP 1.6J, 4.2.3).
_CODES_OF_1_6 = {
    ErrorCode.FORMAT_VIOLATION: "FormationViolation",
    ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION: "OccurenceConstraintViolation",
    ErrorCode.RPC_FRAMEWORK_ERROR: "FormationViolation",
    ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED: "GenericError",
}


@dataclass(frozen=True, slots=True)
class Call:
    """OCPP 1.6J, 4.2.1: `[2, id, action, payload]`."""

    unique_id: str
    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class CallResult:
    """OCPP 1.6J, 4.2.2: `[3, id, payload]`."""

    unique_id: str
    payload: Json


@dataclass(frozen=True, slots=True)
class CallError:
    """OCPP 1.6J, 4.2.3: `[4, id, code, description, details]`.

    `code` is as the charger wrote it, whether or not its version has such a code.
    """

    unique_id: str
    code: str
    description: str
    details: Json


class BadFrame(ValueError):
    """A message is not OCPP-J; the text says which rule it breaks.

    `message_type` and `unique_id` are None where they could not be read. To answer is only right
    when the type is CALL or None: an error that answers an error has no end.
    """

    def __init__(self, code: ErrorCode, rule: str) -> None:
        super().__init__(rule)
        self.code = code
        self.message_type: int | None = None
        self.unique_id: str | None = None


def parse(text: str | bytes, *, most_bytes: int) -> Call | CallResult | CallError:
    """Take a message apart. The payload is any JSON object: `schemas.check` knows what is in it.

    What firmware written in C, Lua or PHP sends is taken: a byte order mark before the message,
    NULs after it, and no payload, null or [] where there are no arguments.

    Raises:
        BadFrame: it is longer than `most_bytes`; not UTF-8; not JSON, or JSON with NaN, two fields
            of the same name, a number out of range, too many levels, or text that cannot be kept
            (NUL, halves of surrogate pairs); or not one of the three kinds of messages.

    """
    text, size = _decoded(text)
    try:
        return _message(_document(text, size, most_bytes))
    except BadFrame as error:
        error.message_type, error.unique_id = _head(text)
        raise


def call(unique_id: str, action: str, payload: Mapping[str, object]) -> str:
    """Write a call."""
    return dump([CALL, unique_id, action, payload])


def result(unique_id: str, payload: Mapping[str, object]) -> str:
    """Write the result of a call."""
    return dump([CALL_RESULT, unique_id, payload])


def error(
    version: Version,
    unique_id: str | None,
    code: ErrorCode,
    description: str = "",
    details: Mapping[str, object] | None = None,
) -> str:
    """Write the error that a call ends with; without an id: of one whose own is unreadable."""
    return dump(
        [
            CALL_ERROR,
            UNREADABLE_ID if unique_id is None else unique_id,
            code_name(version, code),
            description[:LONGEST_DESCRIPTION],
            details or {},
        ]
    )


def code_name(version: Version, code: ErrorCode) -> str:
    """Return what a version calls an error code."""
    return _CODES_OF_1_6.get(code, code.value) if version is Version.V1_6 else code.value


def dump(value: object) -> str:
    """Render JSON with decimals as they are, digit by digit: so may payloads be kept, too."""
    return orjson.dumps(value, default=_exact).decode()


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"cannot render {value!r} as JSON")


def _decoded(text: str | bytes) -> tuple[str, int]:
    """Return a message as text, and how many bytes it has."""
    try:
        # Python's text may hold halves of surrogate pairs, which are not Unicode.
        raw = text if isinstance(text, bytes) else text.encode()
        return raw.rstrip(b"\0").decode("utf-8-sig"), len(raw)
    except UnicodeError as error:
        raise BadFrame(ErrorCode.FORMAT_VIOLATION, "a message must be UTF-8") from error


def _document(text: str, size: int, most_bytes: int) -> Any:
    if size > most_bytes:
        raise BadFrame(
            ErrorCode.FORMAT_VIOLATION, f"a message must have at most {most_bytes} bytes"
        )
    try:
        document = json.loads(text, unique_names=True)
    except json.InvalidJson as error:
        raise BadFrame(ErrorCode.FORMAT_VIOLATION, f"a message must be JSON: {error}") from error
    # To look at every value takes longer than all the rest, and few messages can need it.
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        reason = unstorable_reason(document)
        if reason:
            raise BadFrame(ErrorCode.FORMAT_VIOLATION, f"a message {reason}")
    return document


def _message(document: Any) -> Call | CallResult | CallError:
    if not isinstance(document, list) or not document:
        raise BadFrame(
            ErrorCode.RPC_FRAMEWORK_ERROR, "a message must be a JSON array with elements"
        )
    message_type, *elements = document
    # True is 1 in Python, and Decimal("2.0") is 2.
    if type(message_type) is not int or message_type not in {CALL, CALL_RESULT, CALL_ERROR}:
        raise BadFrame(
            ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "a message must begin with its type: 2, 3 or 4"
        )
    if message_type == CALL:
        unique_id, action, payload = _elements(elements, "[2, id, action, payload]", 3)
        return Call(_id(unique_id), _action(action), _payload(payload))
    if message_type == CALL_RESULT:
        unique_id, payload = _elements(elements, "[3, id, payload]", 2)
        return CallResult(_id(unique_id), _payload(payload))
    return _call_error(elements)


def _call_error(elements: list[Any]) -> CallError:
    # What is empty may be left out or null: the call has failed anyway.
    if len(elements) not in {2, 3, 4}:
        raise BadFrame(
            ErrorCode.RPC_FRAMEWORK_ERROR,
            "a message of this type must be [4, id, code, description, details]",
        )
    unique_id, code, description, details = (*elements, None, None)[:4]
    if not isinstance(code, str):
        raise BadFrame(ErrorCode.RPC_FRAMEWORK_ERROR, "an error code must be a string")
    return CallError(
        unique_id=_id(unique_id),
        code=code,
        description=description if isinstance(description, str) else "",
        details=details if isinstance(details, dict) else {},
    )


def _elements(elements: list[Any], shape: str, count: int) -> list[Any]:
    if len(elements) == count - 1:
        return [*elements, None]
    if len(elements) != count:
        raise BadFrame(ErrorCode.RPC_FRAMEWORK_ERROR, f"a message of this type must be {shape}")
    return elements


def _id(value: object) -> str:
    return _name(value, "the id of a message", LONGEST_ID)


def _action(value: object) -> str:
    return _name(value, "an action", LONGEST_ACTION)


def _name(value: object, what: str, longest: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise BadFrame(
            ErrorCode.RPC_FRAMEWORK_ERROR,
            f"{what} must be a string of 1 to {longest} characters",
        )
    return value


def _payload(value: object) -> Json:
    # Without arguments it should be {}; null and [] can mean nothing else (OCPP 1.6J, 4.2).
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise BadFrame(ErrorCode.FORMAT_VIOLATION, "a payload must be a JSON object")
    return value


def _head(text: str) -> tuple[int | None, str | None]:
    """Return the type and the id of a message that is wrong somewhere, as far as it has them."""
    match = _HEAD.match(text)
    if match is None:
        return None, None
    try:
        unique_id = orjson.loads(match[2])
    except orjson.JSONDecodeError:
        return int(match[1]), None
    has_id = len(unique_id) <= LONGEST_ID and "\x00" not in unique_id
    return int(match[1]), unique_id if has_id else None

"""Messages taken apart and written: each kind, each way to be wrong, and nonsense."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway import frames
from ocpp_gateway.frames import BadFrame, Call, CallError, CallResult, ErrorCode, Version

MOST_BYTES = 4096
ID = "19223201"

# What a payload may hold: all of JSON that can be kept.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.decimals(-(10**9), 10**9, places=6)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda values: st.lists(values) | st.dictionaries(TEXTS, values),
    max_leaves=20,
)
IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=36
)


def parse(text: str | bytes) -> Call | CallResult | CallError:
    return frames.parse(text, most_bytes=MOST_BYTES)


def refusal(text: str | bytes) -> BadFrame:
    with pytest.raises(BadFrame) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[2,"19223201","BootNotification",{"chargePointVendor":"VendorX"}]',
            Call(ID, "BootNotification", {"chargePointVendor": "VendorX"}),
        ),
        (b'[2, "19223201", "Heartbeat", {}]', Call(ID, "Heartbeat", {})),
        (' [3,"19223201",{"status":"Accepted"}]\n', CallResult(ID, {"status": "Accepted"})),
        (
            '[4,"19223201","NotSupported","no",{"a":1}]',
            CallError(ID, "NotSupported", "no", {"a": 1}),
        ),
        ('[4,"19223201","",""]', CallError(ID, "", "", {})),
        ('[4,"19223201","GenericError"]', CallError(ID, "GenericError", "", {})),
        ('[4,"19223201","GenericError",null,null]', CallError(ID, "GenericError", "", {})),
        ('[4,"-1","RpcFrameworkError","",{}]', CallError("-1", "RpcFrameworkError", "", {})),
        (f'[3,"{"é" * 36}",{{}}]', CallResult("é" * 36, {})),
        ('[3,"\\u00e9\\ud83d\\ude97",{}]', CallResult("é🚗", {})),
    ],
)
def test_each_kind_is_read(text: str | bytes, expected: Call | CallResult | CallError) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '[2,"19223201","Heartbeat"]',
        '[2,"19223201","Heartbeat",null]',
        '[2,"19223201","Heartbeat",[]]',
        b'[2,"19223201","Heartbeat",{}]\0\0',
        '\ufeff[2,"19223201","Heartbeat",{}]\n\0',
    ],
)
def test_what_other_languages_make_of_nothing_is_read(text: str | bytes) -> None:
    assert parse(text) == Call(ID, "Heartbeat", {})


def test_an_answer_may_have_no_payload() -> None:
    assert parse('[3,"19223201"]') == parse('[3,"19223201",null]') == CallResult(ID, {})


def test_numbers_are_what_was_written() -> None:
    """A register of 16 digits would lose its last ones in a float."""
    message = parse('[3,"1",{"a":1234567890123.4567,"b":0.1,"c":5,"d":-2e3}]')

    assert isinstance(message, CallResult)
    assert message.payload == {
        "a": Decimal("1234567890123.4567"),
        "b": Decimal("0.1"),
        "c": 5,
        "d": Decimal(-2000),
    }
    assert frames.dump(message.payload) == '{"a":1234567890123.4567,"b":0.1,"c":5,"d":-2000}'


@pytest.mark.parametrize(
    ("text", "code", "rule"),
    [
        ("", ErrorCode.FORMAT_VIOLATION, "must be JSON"),
        ("hello", ErrorCode.FORMAT_VIOLATION, "must be JSON"),
        ('[2,"1","Heartbeat",{}', ErrorCode.FORMAT_VIOLATION, "must be JSON"),
        ('[2,"1","Heartbeat",{}] [', ErrorCode.FORMAT_VIOLATION, "must be JSON"),
        ('[2,"1","Heartbeat",{"a":NaN}]', ErrorCode.FORMAT_VIOLATION, "NaN"),
        ('[2,"1","Heartbeat",{"a":-Infinity}]', ErrorCode.FORMAT_VIOLATION, "-Infinity"),
        ('[2,"1","Heartbeat",{"a":1e999}]', ErrorCode.FORMAT_VIOLATION, "out of range"),
        ('[2,"1","Heartbeat",{"a":1e99999999999999999999}]', ErrorCode.FORMAT_VIOLATION, "range"),
        ('[2,"1","Heartbeat",{"a":36893488147419103232}]', ErrorCode.FORMAT_VIOLATION, "range"),
        ('[2,"1","Heartbeat",{"a":' + "9" * 4050 + "}]", ErrorCode.FORMAT_VIOLATION, "range"),
        ('[2,"1","Heartbeat",{"a":1,"a":1}]', ErrorCode.FORMAT_VIOLATION, "same name"),
        ('[2,"1","Heartbeat",{"a":[{"b":1,"b":2}]}]', ErrorCode.FORMAT_VIOLATION, "same name"),
        ('[2,"1","Heartbeat",{"a":"\\u0000"}]', ErrorCode.FORMAT_VIOLATION, "NUL"),
        ('[2,"1","Heartbeat",{"\\ud800":1}]', ErrorCode.FORMAT_VIOLATION, "surrogate"),
        ('[2,"1","Heartbeat",{"a":"\x00"}]', ErrorCode.FORMAT_VIOLATION, "must be JSON"),
        (f'[2,"1","A",{{"a":{"[" * 120}{"]" * 120}}}]', ErrorCode.FORMAT_VIOLATION, "deeper"),
        (f'[2,"1","A",{{"a":{"[" * 2000}{"]" * 2000}}}]', ErrorCode.FORMAT_VIOLATION, "deep"),
        (f'[2,"1","A",{{"a":"{"x" * 4096}"}}]', ErrorCode.FORMAT_VIOLATION, "at most 4096 bytes"),
        (f'[2,"1","A",{{"a":"{"é" * 2040}"}}]', ErrorCode.FORMAT_VIOLATION, "at most 4096 bytes"),
        (b'[2,"1","Heartbeat",{"a":"\xff"}]', ErrorCode.FORMAT_VIOLATION, "UTF-8"),
        ('[2,"1","Heartbeat",{"a":"\ud800"}]', ErrorCode.FORMAT_VIOLATION, "UTF-8"),
        ('[2,"1","Heartbeat",{}]'.encode("utf-16"), ErrorCode.FORMAT_VIOLATION, "UTF-8"),
        ("{}", ErrorCode.RPC_FRAMEWORK_ERROR, "array"),
        ("null", ErrorCode.RPC_FRAMEWORK_ERROR, "array"),
        ("[]", ErrorCode.RPC_FRAMEWORK_ERROR, "array"),
        ('[1,"1",{}]', ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "2, 3 or 4"),
        ('["2","1","Heartbeat",{}]', ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "2, 3 or 4"),
        ('[2.0,"1","Heartbeat",{}]', ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "2, 3 or 4"),
        ('[[],"1","Heartbeat",{}]', ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "2, 3 or 4"),
        ('[2,"1","Heartbeat",{},1]', ErrorCode.RPC_FRAMEWORK_ERROR, "[2, id, action, payload]"),
        ('[4,"1"]', ErrorCode.RPC_FRAMEWORK_ERROR, "[4, id, code, description, details]"),
        ('[4,"1","a","b",{},1]', ErrorCode.RPC_FRAMEWORK_ERROR, "[4, id, code"),
        ('[4,"1",7,"",{}]', ErrorCode.RPC_FRAMEWORK_ERROR, "an error code must be a string"),
        ('[2,1,"Heartbeat",{}]', ErrorCode.RPC_FRAMEWORK_ERROR, "1 to 36 characters"),
        ('[2,null,"Heartbeat",{}]', ErrorCode.RPC_FRAMEWORK_ERROR, "1 to 36 characters"),
        ('[2,"","Heartbeat",{}]', ErrorCode.RPC_FRAMEWORK_ERROR, "1 to 36 characters"),
        (f'[2,"{"x" * 37}","A",{{}}]', ErrorCode.RPC_FRAMEWORK_ERROR, "1 to 36 characters"),
        ('[2,"1",7,{}]', ErrorCode.RPC_FRAMEWORK_ERROR, "an action must be a string"),
        ('[2,"1","",{}]', ErrorCode.RPC_FRAMEWORK_ERROR, "an action must be a string"),
        (f'[2,"1","{"A" * 37}",{{}}]', ErrorCode.RPC_FRAMEWORK_ERROR, "an action must be"),
        ('[2,"1"]', ErrorCode.RPC_FRAMEWORK_ERROR, "[2, id, action, payload]"),
        ("[3]", ErrorCode.RPC_FRAMEWORK_ERROR, "[3, id, payload]"),
        ('[2,"1","Heartbeat",""]', ErrorCode.FORMAT_VIOLATION, "payload must be a JSON object"),
        ('[3,"1",[1]]', ErrorCode.FORMAT_VIOLATION, "payload must be a JSON object"),
        ("\ufeff\ufeff[]", ErrorCode.FORMAT_VIOLATION, "must be JSON"),
    ],
)
def test_what_is_wrong_is_refused_with_the_rule(
    text: str | bytes, code: ErrorCode, rule: str
) -> None:
    refused = refusal(text)

    assert refused.code is code
    assert rule in str(refused)


@pytest.mark.parametrize(
    ("text", "message_type", "unique_id"),
    [
        ('[2,"abc","Heartbeat",{', 2, "abc"),
        (' [ 2 , "abc" , "Heartbeat",0]', 2, "abc"),
        ('[2,"abc"]', 2, "abc"),
        ('[3,"abc",{"a":NaN}]', 3, "abc"),
        ('[9,"abc",{}]', 9, "abc"),
        ('[2,"\\u0061\\"c","A",[1]]', 2, 'a"c'),
        (f'[2,"abc","A",{{"a":"{"x" * 4096}"}}]', 2, "abc"),
        (f'[2,"{"x" * 36}","A",[1]]', 2, "x" * 36),
        (f'[2,"{"x" * 37}","A",[]]', 2, None),
        ('[2,"\\ud800","A",{}]', 2, None),
        ('[2,"\\u0000","A",{}]', 2, None),
        ('[2,"\\x","A",{}]', 2, None),
        ('[2,7,"A",{}]', None, None),
        ('[2,"ab', None, None),
        ("", None, None),
        (b"\xff", None, None),
    ],
)
def test_who_is_refused_is_told_by_its_id(
    text: str | bytes, message_type: int | None, unique_id: str | None
) -> None:
    refused = refusal(text)

    assert (refused.message_type, refused.unique_id) == (message_type, unique_id)


def test_the_longest_message_is_taken() -> None:
    text = '[3,"1",{"a":"é"}]'
    frames.parse(text, most_bytes=len(text.encode()))

    with pytest.raises(BadFrame, match="at most"):
        frames.parse(text, most_bytes=len(text.encode()) - 1)


def test_the_deepest_message_can_be_written_again() -> None:
    message = parse(f'[3,"1",{{"a":{"[" * 98}{"]" * 98}}}]')

    assert isinstance(message, CallResult)
    assert parse(frames.result("1", message.payload)) == message


@given(IDS, IDS, VALUES)
def test_what_is_written_is_read_again(unique_id: str, action: str, value: Any) -> None:
    payload = {"value": value}

    most = 10**6
    called = frames.parse(frames.call(unique_id, action, payload), most_bytes=most)
    answered = frames.parse(frames.result(unique_id, payload), most_bytes=most)
    failed = frames.parse(
        frames.error(Version.V2_0_1, unique_id, ErrorCode.GENERIC_ERROR, "no", payload),
        most_bytes=most,
    )

    assert called == Call(unique_id, action, payload)
    assert answered == CallResult(unique_id, payload)
    assert failed == CallError(unique_id, "GenericError", "no", payload)


@pytest.mark.parametrize(
    ("code", "in_1_6"),
    [
        (ErrorCode.FORMAT_VIOLATION, "FormationViolation"),
        (ErrorCode.GENERIC_ERROR, "GenericError"),
        (ErrorCode.INTERNAL_ERROR, "InternalError"),
        (ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, "GenericError"),
        (ErrorCode.NOT_IMPLEMENTED, "NotImplemented"),
        (ErrorCode.NOT_SUPPORTED, "NotSupported"),
        (ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, "OccurenceConstraintViolation"),
        (ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "PropertyConstraintViolation"),
        (ErrorCode.PROTOCOL_ERROR, "ProtocolError"),
        (ErrorCode.RPC_FRAMEWORK_ERROR, "FormationViolation"),
        (ErrorCode.SECURITY_ERROR, "SecurityError"),
        (ErrorCode.TYPE_CONSTRAINT_VIOLATION, "TypeConstraintViolation"),
    ],
)
def test_an_error_has_the_code_of_its_version(code: ErrorCode, in_1_6: str) -> None:
    assert json.loads(frames.error(Version.V1_6, ID, code)) == [4, ID, in_1_6, "", {}]
    assert json.loads(frames.error(Version.V2_0_1, ID, code)) == [4, ID, code.value, "", {}]


def test_an_error_has_all_that_it_is_made_of() -> None:
    text = frames.error(
        Version.V1_6, None, ErrorCode.INTERNAL_ERROR, "x" * 300, {"at": Decimal("1.50")}
    )

    assert text == f'[4,"-1","InternalError","{"x" * 255}",{{"at":1.50}}]'


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), object()])
def test_what_is_not_json_is_not_written(value: object) -> None:
    with pytest.raises(TypeError):
        frames.dump({"a": value})


@given(
    st.text()
    | st.binary()
    | st.text('[]{}",:\\\u00e9u0d8234tnaN.e-" ', max_size=60)
    | st.builds(
        lambda head, rest: head + rest, st.sampled_from(['[2,"1",', '[3,"', "[4,"]), st.text()
    )
    | st.lists(VALUES | st.integers(2, 4)).map(frames.dump)
)
def test_nonsense_is_a_bad_frame_or_a_message(text: str | bytes) -> None:
    read: Call | CallResult | CallError | BadFrame
    try:
        read = parse(text)
    except BadFrame as refused:
        read = refused

    assert read.unique_id is None or 1 <= len(read.unique_id) <= 36

"""Payloads against the official schemas: what passes, what is refused, and with which code."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway import frames, schemas
from ocpp_gateway.frames import CallResult, ErrorCode, Version
from ocpp_gateway.schemas import BadPayload
from tests.ocpp_gateway.test_frames import VALUES

Json = dict[str, Any]

START: Json = {
    "connectorId": 1,
    "idTag": "04AABBCC",
    "meterStart": 1200,
    "timestamp": "2026-06-01T08:00:00Z",
}
METER_VALUES: Json = {
    "connectorId": 1,
    "transactionId": 7,
    "meterValue": [
        {
            "timestamp": "2026-06-01T08:00:00Z",
            "sampledValue": [
                {"value": "1234.5", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
            ],
        }
    ],
}
EVENT: Json = {
    "eventType": "Started",
    "timestamp": "2026-06-01T08:00:00Z",
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "T1"},
    "idToken": {"idToken": "04AABBCC", "type": "ISO14443"},
    "meterValue": [
        {"timestamp": "2026-06-01T08:00:00Z", "sampledValue": [{"value": Decimal("1234.5678")}]}
    ],
    "customData": {"vendorId": "X", "anything": [1]},
}


def profile(limit: object) -> Json:
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        },
    }


def refusal(
    version: Version, action: str, payload: object, *, is_result: bool = False
) -> BadPayload:
    with pytest.raises(BadPayload) as caught:
        schemas.check(version, action, payload, is_result=is_result)
    return caught.value


@pytest.mark.parametrize(
    ("version", "action", "payload", "is_result"),
    [
        (Version.V1_6, "Heartbeat", {}, False),
        (Version.V1_6, "Heartbeat", {"currentTime": "2026-06-01T08:00:00Z"}, True),
        (Version.V1_6, "StartTransaction", START, False),
        (Version.V1_6, "MeterValues", METER_VALUES, False),
        (Version.V1_6, "SecurityEventNotification", {"type": "a", "timestamp": "b"}, False),
        (Version.V2_0_1, "TransactionEvent", EVENT, False),
        (Version.V2_0_1, "TransactionEvent", {"totalCost": Decimal("3.27")}, True),
        # A decimal that is whole is an integer in draft 6.
        (Version.V2_0_1, "TransactionEvent", {"chargingPriority": Decimal("5.0")}, True),
    ],
)
def test_what_the_version_says_passes(
    version: Version, action: str, payload: Json, *, is_result: bool
) -> None:
    schemas.check(version, action, payload, is_result=is_result)


def test_a_timestamp_is_left_to_who_reads_it() -> None:
    schemas.check(Version.V1_6, "StartTransaction", {**START, "timestamp": "2026-06-01T08:00:00"})


@pytest.mark.parametrize("text", ["16.3", "0.1", "32.7", "16.30", "16", "1.1e1", "4503599627370.7"])
def test_a_limit_has_one_decimal(text: str) -> None:
    """In floats, 16.3 is no multiple of 0.1."""
    message = frames.parse(frames.result("1", profile(Decimal(text))), most_bytes=1000)

    assert isinstance(message, CallResult)
    schemas.check(Version.V1_6, "SetChargingProfile", message.payload)


@pytest.mark.parametrize("text", ["16.35", "0.01", "16.3000000000000000001", "4503599627370.71"])
def test_a_limit_with_two_decimals_is_refused(text: str) -> None:
    refused = refusal(Version.V1_6, "SetChargingProfile", profile(Decimal(text)))

    assert refused.code is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
    assert refused.field_path == (
        "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit"
    )
    assert refused.rule == "the value is not a multiple of 0.1"


def without(payload: Json, field: str) -> Json:
    return {name: value for name, value in payload.items() if name != field}


@pytest.mark.parametrize(
    ("version", "action", "payload", "code", "path"),
    [
        (Version.V1_6, "StartTransaction", without(START, "idTag"), "ProtocolError", "idTag"),
        (Version.V1_6, "StartTransaction", START | {"x": 1}, "FormationViolation", "x"),
        (
            Version.V1_6,
            "StartTransaction",
            START | {"idTag": 7},
            "TypeConstraintViolation",
            "idTag",
        ),
        (Version.V1_6, "StartTransaction", [], "TypeConstraintViolation", ""),
        (
            Version.V1_6,
            "StartTransaction",
            START | {"idTag": "x" * 21},
            "PropertyConstraintViolation",
            "idTag",
        ),
        # A float is no integer in draft 4, whole or not.
        (
            Version.V1_6,
            "StartTransaction",
            START | {"meterStart": Decimal("1200.0")},
            "TypeConstraintViolation",
            "meterStart",
        ),
        (
            Version.V1_6,
            "MeterValues",
            METER_VALUES | {"meterValue": []},
            "OccurenceConstraintViolation",
            "meterValue",
        ),
        (
            Version.V1_6,
            "MeterValues",
            METER_VALUES | {"meterValue": [{"sampledValue": [{"value": "1"}]}]},
            "ProtocolError",
            "meterValue[0].timestamp",
        ),
        (
            Version.V1_6,
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Broken"},
            "PropertyConstraintViolation",
            "status",
        ),
        (Version.V1_6, "TransactionEvent", EVENT, "NotImplemented", ""),
        (
            Version.V2_0_1,
            "TransactionEvent",
            without(EVENT, "seqNo"),
            "OccurrenceConstraintViolation",
            "seqNo",
        ),
        (Version.V2_0_1, "TransactionEvent", EVENT | {"x": 1}, "ProtocolError", "x"),
        (
            Version.V2_0_1,
            "TransactionEvent",
            EVENT | {"seqNo": Decimal("1.5")},
            "TypeConstraintViolation",
            "seqNo",
        ),
        (
            Version.V2_0_1,
            "TransactionEvent",
            EVENT | {"meterValue": []},
            "OccurrenceConstraintViolation",
            "meterValue",
        ),
        (
            Version.V2_0_1,
            "TransactionEvent",
            EVENT | {"eventType": "Paused"},
            "PropertyConstraintViolation",
            "eventType",
        ),
        (Version.V2_0_1, "StartTransaction", START, "NotImplemented", ""),
        (Version.V2_0_1, "../../v16/schemas/Heartbeat", {}, "NotImplemented", ""),
        (Version.V2_0_1, "", {}, "NotImplemented", ""),
    ],
)
def test_a_breach_has_the_code_of_its_version(
    version: Version, action: str, payload: object, code: str, path: str
) -> None:
    refused = refusal(version, action, payload)

    assert frames.code_name(version, refused.code) == code
    assert refused.field_path == path
    assert refused.rule in str(refused)


def test_a_result_is_held_against_the_schema_of_results() -> None:
    refused = refusal(Version.V1_6, "Heartbeat", {}, is_result=True)

    assert refused.field_path == "currentTime"
    assert refusal(Version.V1_6, "Bogus", {}, is_result=True).code is ErrorCode.NOT_IMPLEMENTED


def test_a_refusal_tells_no_value() -> None:
    """A password that is too long ends in no error, and in no log."""
    payload = {"key": "AuthorizationKey", "value": "secret" * 100}

    assert "secret" not in str(refusal(Version.V1_6, "ChangeConfiguration", payload))


@pytest.mark.parametrize("value", [object(), {1: 2}, b"", {"\ud800": 1}])
def test_what_is_not_json_is_refused(value: object) -> None:
    refused = refusal(Version.V2_0_1, "DataTransfer", {"vendorId": value})

    assert refused.code is ErrorCode.FORMAT_VIOLATION


def test_each_version_has_its_actions() -> None:
    actions = {version: schemas.actions(version) for version in Version}

    # With the security whitepaper's eleven.
    assert len(actions[Version.V1_6]) == 39
    assert len(actions[Version.V2_0_1]) == 64
    assert actions[Version.V1_6] - actions[Version.V2_0_1] >= {"StartTransaction"}
    assert actions[Version.V2_0_1] - actions[Version.V1_6] >= {"TransactionEvent"}


@pytest.mark.parametrize("is_result", [False, True])
@pytest.mark.parametrize(
    ("version", "action"),
    [(version, action) for version in Version for action in sorted(schemas.actions(version))],
)
def test_each_action_has_both_schemas(version: Version, action: str, *, is_result: bool) -> None:
    """They compile, and refuse what no message has."""
    refused = refusal(version, action, {"noSuchField": 1}, is_result=is_result)

    assert refused.rule in {"is no field that may be here", "is required"}


FIELDS = st.sampled_from([*START, *METER_VALUES, *EVENT, "value", "sampledValue", "vendorId"])
# Payloads of which some fields are right.
PAYLOADS = st.builds(
    lambda right, wrong: right | wrong,
    st.sampled_from([{}, START, METER_VALUES, EVENT, profile(1)]),
    st.dictionaries(FIELDS | st.text(), VALUES | st.floats() | st.text() | st.integers()),
)


@given(
    version=st.sampled_from(Version),
    action=st.sampled_from(sorted(schemas.actions(Version.V1_6) | schemas.actions(Version.V2_0_1)))
    | st.text(),
    payload=PAYLOADS | VALUES,
    is_result=st.booleans(),
)
def test_nonsense_is_a_bad_payload_or_passes(
    version: Version, action: str, payload: object, *, is_result: bool
) -> None:
    try:
        schemas.check(version, action, payload, is_result=is_result)
    except BadPayload as refused:
        text = frames.error(version, "1", refused.code, str(refused))
    else:
        text = frames.result("1", {})

    frames.parse(text, most_bytes=2000)

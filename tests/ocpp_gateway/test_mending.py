"""What chargers send that breaks its schema: what is put right, left out, and refused."""

from decimal import Decimal
from typing import Any

import pytest

from ocpp_gateway import mending, schemas
from ocpp_gateway.frames import Json, Version
from ocpp_gateway.schemas import BadPayload

AT = "2026-11-01T10:00:00Z"


def mended(action: str, payload: Json, *, is_result: bool = False) -> Json:
    """Return what becomes of a payload of 1.6, which keeps its schema then."""
    found, done = mending.mended(Version.V1_6, action, payload, is_result=is_result)
    schemas.check(Version.V1_6, action, found, is_result=is_result)
    assert done
    return found


def metered(*values: dict[str, Any]) -> Json:
    return {"connectorId": 1, "meterValue": [{"timestamp": AT, "sampledValue": list(values)}]}


def values_of(payload: Json) -> Any:
    return mended("MeterValues", payload)["meterValue"][0]["sampledValue"]


def test_what_keeps_its_schema_comes_back_as_it_is() -> None:
    payload = metered({"value": "1", "unit": "kWh"})
    found, done = mending.mended(Version.V1_6, "MeterValues", payload)
    assert found is payload
    assert done == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"idTag": None, "reason": None}, {}),
        ({"reason": ""}, {}),
        ({"vendorField": {"a": 1}}, {}),
        ({"reason": "remote"}, {"reason": "Remote"}),
        ({"reason": "PowerFailure"}, {"reason": "Other"}),
        ({"transactionData": "none"}, {}),
        ({"transactionData": [{"timestamp": AT}]}, {"transactionData": []}),
        # Nobody's card is cut to be somebody else's.
        ({"idTag": "X" * 21}, {}),
    ],
)
def test_the_end_of_a_charge_is_not_lost_for_a_detail(more: Json, expected: Json) -> None:
    stop = {"transactionId": 7, "meterStop": 100, "timestamp": AT}
    assert mended("StopTransaction", stop | more) == stop | expected


@pytest.mark.parametrize(
    "sent",
    [
        {"transactionId": "7", "meterStop": "100"},
        {"transactionId": 7, "meterStop": Decimal("100.0")},
        {"transactionId": 7, "meterStop": Decimal("100.9")},
        {"transactionId": " 7 ", "meterStop": "100.9"},
    ],
)
def test_numbers_may_be_written_otherwise(sent: Json) -> None:
    stop = {"transactionId": 7, "meterStop": 100, "timestamp": AT}
    assert mended("StopTransaction", sent | {"timestamp": AT}) == stop


def test_values_that_are_numbers_become_the_strings_they_should_be() -> None:
    assert values_of(metered({"value": Decimal("5.50")}, {"value": 6})) == [
        {"value": "5.50"},
        {"value": "6"},
    ]


def test_a_sampled_value_is_never_taken_for_another() -> None:
    """Without its unit 5 kWh would be 5 Wh; without its measurand volts would be energy."""
    found = values_of(
        metered(
            {"value": "5", "unit": "kwh"},
            {"value": "5", "unit": "BTU"},
            {"value": "230", "measurand": "Voltage.Odd", "phase": "L1"},
            {"value": None},
            {"value": "7", "unit": "", "phase": "", "measurand": None, "serial": "1"},
            {"value": "8", "context": "Now"},
        )
    )
    assert found == [{"value": "5", "unit": "kWh"}, {"value": "7"}]


@pytest.mark.parametrize(
    "meter_value",
    [
        [],
        [{"timestamp": AT, "sampledValue": []}],
        [{"timestamp": AT, "sampledValue": [{"value": "230", "measurand": "Voltage.Odd"}]}],
        [{"timestamp": None, "sampledValue": [{"value": "1"}]}],
    ],
)
def test_meter_values_without_a_value_are_taken(meter_value: list[Any]) -> None:
    payload = {"connectorId": 1, "meterValue": meter_value}
    found, _ = mending.mended(Version.V1_6, "MeterValues", payload)
    assert found == {"connectorId": 1, "meterValue": []}


@pytest.mark.parametrize(
    ("sent", "error", "status"),
    [
        ({"errorCode": "E42", "status": "Faulted"}, "OtherError", "Faulted"),
        ({"errorCode": "", "status": "available"}, "NoError", "Available"),
        ({"errorCode": "noerror", "status": "Charging", "info": None}, "NoError", "Charging"),
    ],
)
def test_statuses_are_understood(sent: Json, error: str, status: str) -> None:
    found = mended("StatusNotification", {"connectorId": 1, **sent})
    assert found == {"connectorId": 1, "errorCode": error, "status": status}


def test_what_is_too_long_is_cut() -> None:
    boot = {"chargePointVendor": "V" * 30, "chargePointModel": "M"}
    assert mended("BootNotification", boot)["chargePointVendor"] == "V" * 20


@pytest.mark.parametrize(
    ("action", "payload", "rule"),
    [
        ("Authorize", {"idTag": None}, "idTag"),
        ("Authorize", {"idTag": "X" * 21}, "idTag"),
        ("StopTransaction", {"transactionId": 1, "timestamp": AT}, "meterStop: is required"),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "?"}, "status"),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": ""},
            "status",
        ),
        ("StopTransaction", {"transactionId": True, "meterStop": 1, "timestamp": AT}, "transac"),
        ("Sing", {"a": None}, "no such action"),
    ],
)
def test_what_cannot_be_understood_is_refused(action: str, payload: Json, rule: str) -> None:
    with pytest.raises(BadPayload, match=rule):
        mending.mended(Version.V1_6, action, payload)


def test_answers_of_stations_are_read_as_kindly() -> None:
    answer = {
        "configurationKey": [
            {"key": "A", "readonly": "true", "value": "x" * 600, "note": 1},
            {"key": "B", "readonly": False, "value": None},
            "nonsense",
        ],
        "unknownKey": None,
    }
    assert mended("GetConfiguration", answer, is_result=True) == {
        "configurationKey": [
            {"key": "A", "readonly": True, "value": "x" * 500},
            {"key": "B", "readonly": False},
        ]
    }


def event(**more: Any) -> Json:
    return {
        "eventType": "Ended",
        "timestamp": AT,
        "triggerReason": "EVDeparted",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "T"},
        **more,
    }


def mended_event(**more: Any) -> Json:
    found, done = mending.mended(Version.V2_0_1, "TransactionEvent", event(**more))
    schemas.check(Version.V2_0_1, "TransactionEvent", found)
    assert done
    return found


def test_events_of_2_0_1_are_put_right_alike() -> None:
    info = {"transactionId": "T", "stoppedReason": "Foo", "chargingState": "Foo"}
    found = mended_event(
        transactionInfo=info,
        evse=None,
        extra=1,
        meterValue=[{"timestamp": AT, "sampledValue": [{"value": "4200.5", "unit": "Wh"}]}],
    )
    assert found == event(
        transactionInfo={"transactionId": "T", "stoppedReason": "Other"},
        meterValue=[{"timestamp": AT, "sampledValue": [{"value": Decimal("4200.5")}]}],
    )


def test_a_signed_value_that_is_too_long_costs_the_value_nothing() -> None:
    signed = {
        "signedMeterData": "x" * 2501,
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    value = {"value": 4200, "signedMeterValue": signed}
    found = mended_event(meterValue=[{"timestamp": AT, "sampledValue": [value]}])
    assert found["meterValue"][0]["sampledValue"] == [{"value": 4200}]


def test_a_token_that_is_wrong_is_not_taken_for_none() -> None:
    payload = event(idToken={"idToken": "CARD", "type": "RFID"})
    with pytest.raises(BadPayload, match="idToken"):
        mending.mended(Version.V2_0_1, "TransactionEvent", payload)


def test_many_breaches_end() -> None:
    payload = metered(*({"value": number} for number in range(3000)))
    assert len(values_of(payload)) == 3000

"""No secret of a station is written down; everything else is, as it was."""

from typing import Any

import pytest

from ocpp_gateway.redaction import redact

PASSWORD: dict[str, Any] = {
    "component": {"name": "SecurityCtrlr"},
    "variable": {"name": "BasicAuthPassword"},
}
INTERVAL: dict[str, Any] = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "HeartbeatInterval"},
}

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a key of 1.6": (
        "ChangeConfiguration",
        {"key": "AuthorizationKey", "value": "s3cret"},
        {"key": "AuthorizationKey", "value": "***"},
    ),
    "a vendor's key": (
        "ChangeConfiguration",
        {"key": "WiFi-Password", "value": "s3cret"},
        {"key": "WiFi-Password", "value": "***"},
    ),
    "what was read": (
        "GetConfiguration",
        {
            "configurationKey": [
                {"key": "AuthorizationKey", "readonly": False, "value": "s3cret"},
                {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            ],
            "unknownKey": ["Foo"],
        },
        {
            "configurationKey": [
                {"key": "AuthorizationKey", "readonly": False, "value": "***"},
                {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            ],
            "unknownKey": ["Foo"],
        },
    ),
    "a variable that is set": (
        "SetVariables",
        {
            "setVariableData": [
                {**PASSWORD, "attributeValue": "s"},
                {**INTERVAL, "attributeValue": "9"},
            ]
        },
        {
            "setVariableData": [
                {**PASSWORD, "attributeValue": "***"},
                {**INTERVAL, "attributeValue": "9"},
            ]
        },
    ),
    "a report": (
        "NotifyReport",
        {"seqNo": 0, "reportData": [{**PASSWORD, "variableAttribute": [{"value": "s"}, {}]}]},
        {"seqNo": 0, "reportData": [{**PASSWORD, "variableAttribute": [{"value": "***"}, {}]}]},
    ),
    "where logs go": (
        "GetLog",
        {"log": {"remoteLocation": "sftp://me:s3cret@logs.example/in"}, "requestId": 1},
        {"log": {"remoteLocation": "sftp://***@logs.example/in"}, "requestId": 1},
    ),
    "a signed address": (
        "GetDiagnostics",
        {"location": "https://logs.example/in?signature=s3cret", "retries": 2},
        {"location": "https://logs.example/in?***", "retries": 2},
    ),
    "a network": (
        "SetNetworkProfile",
        {
            "configurationSlot": 1,
            "connectionData": {"apn": {"apn": "a", "simPin": 12, "password": "s"}},
        },
        {
            "configurationSlot": 1,
            "connectionData": {"apn": {"apn": "a", "simPin": "***", "password": "***"}},
        },
    ),
}


@pytest.mark.parametrize(("action", "payload", "kept"), CASES.values(), ids=CASES)
def test_secrets_are_masked_and_the_rest_stays(
    action: str, payload: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert redact(action, payload) == kept


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("GetConfiguration", {"configurationKey": ["AuthorizationKey", None, 7]}),
        ("NotifyReport", {"reportData": [{"variable": None}, {"variable": "p"}, 7, {}]}),
        ("NotifyReport", {"reportData": [{**PASSWORD, "variableAttribute": [7]}]}),
        ("NotifyReport", {"reportData": [{**PASSWORD, "variableAttribute": 7}]}),
    ],
)
def test_what_breaks_its_schema_can_be_written_down(action: str, payload: dict[str, Any]) -> None:
    assert redact(action, payload) == payload


@pytest.mark.parametrize("action", ["MeterValues", "Authorize", "ChangeConfiguration", "Nonsense"])
def test_what_holds_no_secret_is_returned_as_it_is(action: str) -> None:
    payload = {"key": "HeartbeatInterval", "value": "300"}

    assert redact(action, payload) is payload

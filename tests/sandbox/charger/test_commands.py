"""Everything a CSMS may ask for is answered by the schemas, and done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.sandbox.charger.conftest import Start
from tests.sandbox.charger.csms import Csms, Refused

NOW = "2026-01-01T00:00:00Z"


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def variable(component: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": name}, **fields}


def test_what_is_not_known_is_not_implemented(csms: Csms, start: Start) -> None:
    start(csms)

    with pytest.raises(Refused, match="NotImplemented"):
        csms.call_unchecked("MakeCoffee", {})


@pytest.mark.parametrize("payload", [{}, {"connectorId": "x", "idTag": 1}])
def test_a_payload_that_is_none_is_refused(
    csms: Csms, start: Start, payload: dict[str, Any]
) -> None:
    start(csms)
    is_1_6 = csms.version == "ocpp1.6"
    action = "RemoteStartTransaction" if is_1_6 else "RequestStartTransaction"

    with pytest.raises(Refused, match="FormationViolation" if is_1_6 else "FormatViolation"):
        csms.call_unchecked(action, payload)


def test_availability_waits_for_the_transaction(csms: Csms, start: Start) -> None:
    charger = start(csms)
    charger.plug()
    charger.present("CARD")
    is_1_6 = csms.version == "ocpp1.6"
    place = {"connectorId": 1} if is_1_6 else {"evse": {"id": 1}}
    name = "type" if is_1_6 else "operationalStatus"

    answer = csms.call("ChangeAvailability", {**place, name: "Inoperative"})

    assert answer == {"status": "Scheduled"}
    charger.present("CARD")

    csms.wait("StatusNotification", **{"status" if is_1_6 else "connectorStatus": "Unavailable"})
    assert charger.present("CARD") == "Unavailable"
    answer = csms.call("ChangeAvailability", {**place, name: "Operative"})
    assert answer == {"status": "Accepted"}
    charger.wait_for(lambda one: one.status() in {"Finishing", "Occupied"})


def test_the_local_list_decides_offline(csms: Csms, start: Start) -> None:
    charger = start(csms)
    if csms.version == "ocpp1.6":
        entry: dict[str, Any] = {"idTag": "BAD", "idTagInfo": {"status": "Blocked"}}
        request: dict[str, Any] = {"listVersion": 3, "updateType": "Full"}
        version = {"listVersion": 3}
    else:
        token = {"idToken": "BAD", "type": "ISO14443"}
        entry = {"idToken": token, "idTokenInfo": {"status": "Blocked"}}
        request = {"versionNumber": 3, "updateType": "Full"}
        version = {"versionNumber": 3}

    answer = csms.call("SendLocalList", {**request, "localAuthorizationList": [entry]})

    assert answer == {"status": "Accepted"}
    assert csms.call("GetLocalListVersion", {}) == version
    answer = csms.call("SendLocalList", {**request, "updateType": "Differential"})
    assert answer == {"status": "VersionMismatch"}
    charger.drop()
    assert charger.present("BAD") == "Blocked"


def test_the_cache_is_cleared(csms: Csms, start: Start) -> None:
    csms.scripts["Authorize"] = lambda _: {
        "idTagInfo" if csms.version == "ocpp1.6" else "idTokenInfo": {"status": "Blocked"}
    }
    charger = start(csms)
    charger.present("CARD")
    charger.drop()
    assert charger.present("CARD") == "Blocked"
    charger.resume()
    charger.wait_for(lambda one: one.connected)

    assert csms.call("ClearCache", {}) == {"status": "Accepted"}

    charger.drop()
    assert charger.present("CARD") == "Accepted"


def test_firmware_is_installed_with_a_boot(csms: Csms, start: Start) -> None:
    start(csms)
    if csms.version == "ocpp1.6":
        csms.call("UpdateFirmware", {"location": "https://x/fw.bin", "retrieveDate": NOW})
    else:
        firmware = {"location": "https://x/fw.bin", "retrieveDateTime": NOW}
        csms.call("UpdateFirmware", {"requestId": 1, "firmware": firmware})

    told = csms.wait("FirmwareStatusNotification", 4)

    assert [one["status"] for one in told] == [
        "Downloading",
        "Downloaded",
        "Installing",
        "Installed",
    ]
    boot = csms.payloads("BootNotification")[1]
    assert boot.get("chargingStation", boot)["firmwareVersion"] == "1.0.1"


def test_firmware_that_is_missing_is_not(csms_2_0_1: Csms, start: Start) -> None:
    start(csms_2_0_1)
    firmware = {"location": "https://x/missing", "retrieveDateTime": NOW}

    csms_2_0_1.call("UpdateFirmware", {"requestId": 1, "firmware": firmware})

    told = csms_2_0_1.wait("FirmwareStatusNotification", 2)
    assert [one["status"] for one in told] == ["Downloading", "DownloadFailed"]


def test_a_log_is_uploaded(csms: Csms, start: Start) -> None:
    start(csms)
    log = {"remoteLocation": "https://x/log"}

    answer = csms.call("GetLog", {"log": log, "logType": "DiagnosticsLog", "requestId": 4})

    assert answer == {"status": "Accepted", "filename": "CS-1.log"}
    told = csms.wait("LogStatusNotification", 2)
    assert told == [
        {"status": "Uploading", "requestId": 4},
        {"status": "Uploaded", "requestId": 4},
    ]


def test_diagnostics_are_uploaded(csms_1_6: Csms, start: Start) -> None:
    start(csms_1_6)

    answer = csms_1_6.call("GetDiagnostics", {"location": "https://x/missing"})

    assert answer == {"fileName": "CS-1.log"}
    told = csms_1_6.wait("DiagnosticsStatusNotification", 2)
    assert [one["status"] for one in told] == ["Uploading", "UploadFailed"]


def test_signed_firmware_is_told_of_as_such(csms_1_6: Csms, start: Start) -> None:
    start(csms_1_6)
    firmware = {
        "location": "https://x/fw",
        "retrieveDateTime": NOW,
        "signingCertificate": "x",
        "signature": "x",
    }

    answer = csms_1_6.call("SignedUpdateFirmware", {"requestId": 8, "firmware": firmware})

    assert answer == {"status": "Accepted"}
    told = csms_1_6.wait("SignedFirmwareStatusNotification", 4)
    assert told[-1] == {"status": "Installed", "requestId": 8}


def test_certificates_come_and_go(csms: Csms, start: Start) -> None:
    start(csms)
    is_1_6 = csms.version == "ocpp1.6"
    kind = "CentralSystemRootCertificate" if is_1_6 else "CSMSRootCertificate"
    wanted = {"certificateType": kind if is_1_6 else [kind]}
    answer = csms.call("InstallCertificate", {"certificateType": kind, "certificate": "x"})
    assert answer == {"status": "Rejected"}
    assert csms.call("GetInstalledCertificateIds", wanted) == {"status": "NotFound"}

    pem = certificate()
    answer = csms.call("InstallCertificate", {"certificateType": kind, "certificate": pem})

    assert answer == {"status": "Accepted"}
    answer = csms.call("GetInstalledCertificateIds", wanted)
    if is_1_6:
        data = answer["certificateHashData"][0]
    else:
        data = answer["certificateHashDataChain"][0]["certificateHashData"]
    assert data["serialNumber"] == "4d"
    for status in ("Accepted", "NotFound"):
        answer = csms.call("DeleteCertificate", {"certificateHashData": data})
        assert answer == {"status": status}
    answer = csms.call("CertificateSigned", {"certificateChain": pem})
    assert answer == {"status": "Accepted"}


@pytest.mark.parametrize(
    "wanted",
    [
        "BootNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "StatusNotification",
    ],
)
def test_a_message_is_triggered(csms: Csms, start: Start, wanted: str) -> None:
    charger = start(csms)
    charger.wait_for(lambda one: one.quiet)
    before = len(csms.payloads(wanted))

    assert csms.call("TriggerMessage", {"requestedMessage": wanted}) == {"status": "Accepted"}

    csms.wait(wanted, before + 1)


def test_a_request_for_a_certificate_is_triggered(csms: Csms, start: Start) -> None:
    start(csms)
    if csms.version == "ocpp1.6":
        request = {"requestedMessage": "SignChargePointCertificate"}
        csms.call("ExtendedTriggerMessage", request)
    else:
        csms.call("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})

    told = csms.wait("SignCertificate")[0]
    assert x509.load_pem_x509_csr(told["csr"].encode()).is_signature_valid


def test_an_event_of_the_transaction_is_triggered(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    charger.plug()
    charger.present("CARD")

    csms_2_0_1.call("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}})

    told = csms_2_0_1.wait("TransactionEvent", triggerReason="Trigger")[0]
    assert told["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


def test_a_connector_is_unlocked(csms: Csms, start: Start) -> None:
    charger = start(csms)
    charger.plug()
    charger.present("CARD")
    if csms.version == "ocpp1.6":
        assert csms.call("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
        assert csms.wait("StopTransaction")[0]["reason"] == "UnlockCommand"
        assert csms.call("UnlockConnector", {"connectorId": 9}) == {"status": "NotSupported"}
    else:
        request = {"evseId": 1, "connectorId": 1}
        assert csms.call("UnlockConnector", request) == {"status": "OngoingAuthorizedTransaction"}
        charger.present("CARD")
        assert csms.call("UnlockConnector", request) == {"status": "Unlocked"}


def test_data_of_our_vendor_is_taken(csms: Csms, start: Start) -> None:
    start(csms)

    assert csms.call("DataTransfer", {"vendorId": "Sandbox"}) == {"status": "Accepted"}
    assert csms.call("DataTransfer", {"vendorId": "x"}) == {"status": "UnknownVendorId"}


def test_keys_are_read_and_changed(csms_1_6: Csms, start: Start) -> None:
    start(csms_1_6, password="a-password-of-16")

    found = csms_1_6.call("GetConfiguration", {})["configurationKey"]
    assert {"HeartbeatInterval", "NumberOfConnectors", "AuthorizationKey"} <= {
        one["key"] for one in found
    }
    assert not any("a-password" in one.get("value", "") for one in found)
    answers = [
        csms_1_6.call("ChangeConfiguration", {"key": key, "value": value})["status"]
        for key, value in [
            ("HeartbeatInterval", "60"),
            ("HeartbeatInterval", "often"),
            ("NumberOfConnectors", "4"),
            ("Coffee", "black"),
        ]
    ]
    assert answers == ["Accepted", "Rejected", "Rejected", "NotSupported"]
    answer = csms_1_6.call("GetConfiguration", {"key": ["heartbeatinterval", "Coffee"]})
    assert answer == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}],
        "unknownKey": ["Coffee"],
    }


def test_samples_come_as_often_and_tell_as_much_as_is_set(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    for key, value in [
        ("MeterValuesSampledData", "Power.Active.Import"),
        ("MeterValueSampleInterval", "1"),
    ]:
        csms_1_6.call("ChangeConfiguration", {"key": key, "value": value})
    charger.plug()
    charger.present("CARD")

    told = csms_1_6.wait("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert [one["measurand"] for one in told] == ["Power.Active.Import"]


def test_variables_are_read_and_changed(csms_2_0_1: Csms, start: Start) -> None:
    start(csms_2_0_1)

    answer = csms_2_0_1.call(
        "SetVariables",
        {
            "setVariableData": [
                variable("OCPPCommCtrlr", "HeartbeatInterval", attributeValue="60"),
                variable("OCPPCommCtrlr", "HeartbeatInterval", attributeValue="often"),
                variable("OCPPCommCtrlr", "Coffee", attributeValue="1"),
                variable("Kitchen", "Coffee", attributeValue="1"),
            ]
        },
    )
    assert [one["attributeStatus"] for one in answer["setVariableResult"]] == [
        "Accepted",
        "Rejected",
        "UnknownVariable",
        "UnknownComponent",
    ]
    answer = csms_2_0_1.call(
        "GetVariables",
        {
            "getVariableData": [
                variable("OCPPCommCtrlr", "HeartbeatInterval"),
                variable("SecurityCtrlr", "BasicAuthPassword"),
                variable("OCPPCommCtrlr", "HeartbeatInterval", attributeType="Target"),
            ]
        },
    )
    assert [
        (one["attributeStatus"], one.get("attributeValue")) for one in answer["getVariableResult"]
    ] == [("Accepted", "60"), ("Rejected", None), ("NotSupportedAttributeType", None)]


def test_the_whole_model_is_reported(csms_2_0_1: Csms, start: Start) -> None:
    start(csms_2_0_1)

    answer = csms_2_0_1.call("GetBaseReport", {"requestId": 3, "reportBase": "FullInventory"})

    assert answer == {"status": "Accepted"}
    csms_2_0_1.wait("NotifyReport", tbc=False)
    parts = csms_2_0_1.payloads("NotifyReport")
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    names = {one["variable"]["name"] for part in parts for one in part["reportData"]}
    assert {"HeartbeatInterval", "TxStartPoint", "Model"} <= names


def test_what_is_asked_of_a_transaction_is_told(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    charger.plug()
    charger.present("CARD")
    charger.wait_for(lambda one: one.quiet)
    transaction_id = charger.transaction() or ""

    answer = csms_2_0_1.call("GetTransactionStatus", {"transactionId": transaction_id})

    assert answer == {"ongoingIndicator": True, "messagesInQueue": False}
    answer = csms_2_0_1.call("CostUpdated", {"totalCost": 1, "transactionId": transaction_id})
    assert answer == {}


def test_messages_are_shown_listed_and_cleared(csms_2_0_1: Csms, start: Start) -> None:
    start(csms_2_0_1)
    message = {
        "id": 1,
        "priority": "InFront",
        "message": {"format": "UTF8", "content": "Good morning"},
    }
    assert csms_2_0_1.call("GetDisplayMessages", {"requestId": 1}) == {"status": "Unknown"}

    assert csms_2_0_1.call("SetDisplayMessage", {"message": message}) == {"status": "Accepted"}

    assert csms_2_0_1.call("GetDisplayMessages", {"requestId": 2}) == {"status": "Accepted"}
    assert csms_2_0_1.wait("NotifyDisplayMessages")[0]["messageInfo"] == [message]
    assert csms_2_0_1.call("ClearDisplayMessage", {"id": 1}) == {"status": "Accepted"}
    assert csms_2_0_1.call("ClearDisplayMessage", {"id": 1}) == {"status": "Unknown"}

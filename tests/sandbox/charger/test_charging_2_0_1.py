"""Transactions of OCPP 2.0.1, with and without a connection."""

import base64
from itertools import pairwise
from typing import Any

import pytest

from ocpp_gateway.signatures import Verdict, judge
from sandbox.charger import Handle
from tests.sandbox.charger.conftest import Start
from tests.sandbox.charger.csms import Csms

CARD = {"idToken": "CARD", "type": "ISO14443"}


def events(csms: Csms) -> list[tuple[str, str]]:
    return [
        (one["eventType"], one["triggerReason"])
        for one in csms.payloads("TransactionEvent")
        if one["triggerReason"] != "MeterValuePeriodic"
    ]


def ended(csms: Csms) -> dict[str, Any]:
    return csms.wait("TransactionEvent", eventType="Ended")[0]


def charge(charger: Handle, card: str = "CARD") -> str:
    charger.plug(need_kwh=20)
    assert charger.present(card) == "Accepted"
    return charger.wait_for(lambda one: one.transaction(), what="a transaction") or ""


def test_a_card_begins_and_ends(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1, outlets=[{"evse": 3, "connector": 2}])

    transaction_id = charge(charger)
    charger.present("CARD")

    last = ended(csms_2_0_1)
    assert events(csms_2_0_1) == [
        ("Started", "Authorized"),
        ("Updated", "ChargingStateChanged"),
        ("Ended", "StopAuthorized"),
    ]
    first, second, _ = csms_2_0_1.payloads("TransactionEvent")
    assert first["idToken"] == CARD
    assert first["evse"] == {"id": 3, "connectorId": 2}
    assert second["transactionInfo"]["chargingState"] == "Charging"
    assert last["transactionInfo"]["stoppedReason"] == "Local"
    told = csms_2_0_1.payloads("TransactionEvent")
    assert {one["transactionInfo"]["transactionId"] for one in told} == {transaction_id}
    assert [one["seqNo"] for one in told] == [0, 1, 2]
    assert not any("offline" in one for one in told)


def test_samples_come_in_the_transaction(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1, meter_seconds=0.02, time_factor=100)
    charge(charger)

    told = csms_2_0_1.wait("TransactionEvent", 3, triggerReason="MeterValuePeriodic")

    registers = [one["meterValue"][0]["sampledValue"][0]["value"] for one in told]
    assert all(a <= b for a, b in pairwise(registers))
    assert {one["meterValue"][0]["sampledValue"][0]["context"] for one in told} == {
        "Sample.Periodic"
    }


def test_with_the_cable_as_its_start_the_card_comes_later(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1, tx_start="EVConnected")

    charge(charger)
    charger.unplug()

    ended(csms_2_0_1)
    assert events(csms_2_0_1) == [
        ("Started", "CablePluggedIn"),
        ("Updated", "Authorized"),
        ("Updated", "ChargingStateChanged"),
        ("Ended", "EVCommunicationLost"),
    ]
    told = csms_2_0_1.payloads("TransactionEvent")
    assert "idToken" not in told[0]
    assert told[1]["idToken"] == CARD


def test_a_remote_start_says_which_one_it_was(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    request = {"evseId": 1, "idToken": {"idToken": "APP", "type": "Central"}, "remoteStartId": 9}

    assert csms_2_0_1.call("RequestStartTransaction", request) == {"status": "Accepted"}

    first = csms_2_0_1.wait("TransactionEvent", eventType="Started")[0]
    assert first["triggerReason"] == "RemoteStart"
    assert first["transactionInfo"]["remoteStartId"] == 9
    assert first["idToken"] == {"idToken": "APP", "type": "Central"}
    answer = csms_2_0_1.call(
        "RequestStopTransaction", {"transactionId": charger.transaction() or ""}
    )
    assert answer == {"status": "Accepted"}
    last = ended(csms_2_0_1)
    assert last["triggerReason"] == "RemoteStop"
    assert last["transactionInfo"]["stoppedReason"] == "Remote"


def test_a_remote_start_of_what_began_with_the_cable_names_it(
    csms_2_0_1: Csms, start: Start
) -> None:
    charger = start(csms_2_0_1, tx_start="EVConnected")
    charger.plug()
    request = {"evseId": 1, "idToken": CARD, "remoteStartId": 9}

    answer = csms_2_0_1.call("RequestStartTransaction", request)

    assert answer == {"status": "Accepted", "transactionId": charger.transaction()}
    told = csms_2_0_1.wait("TransactionEvent", triggerReason="RemoteStart")[0]
    assert told["eventType"] == "Updated"


def test_a_card_that_is_refused_later_ends_it(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    csms_2_0_1.scripts["TransactionEvent"] = lambda payload: (
        {"idTokenInfo": {"status": "Blocked"}} if payload["eventType"] == "Started" else {}
    )
    charger.plug()
    charger.present("CARD")

    last = ended(csms_2_0_1)
    assert last["triggerReason"] == "Deauthorized"
    assert last["transactionInfo"]["stoppedReason"] == "DeAuthorized"


def test_what_happened_offline_is_told_in_order(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    charge(charger)
    charger.wait_for(lambda one: one.quiet)
    charger.drop()
    charger.present("CARD")
    charger.unplug()
    charge(charger, "OTHER")

    charger.resume()

    told = csms_2_0_1.wait("TransactionEvent", 5)
    assert [one.get("offline", False) for one in told] == [False, False, True, True, True]
    assert [one["seqNo"] for one in told] == [0, 1, 2, 0, 1]
    stamps = [one["timestamp"] for one in told]
    assert stamps == sorted(stamps)


def test_the_power_goes_and_the_end_is_told_after_the_boot(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    charge(charger)

    charger.power_loss(seconds=0.01)

    last = ended(csms_2_0_1)
    assert last["transactionInfo"]["stoppedReason"] == "PowerLoss"
    assert last["offline"] is True
    assert csms_2_0_1.payloads("BootNotification")[1]["reason"] == "PowerUp"


def test_a_transaction_may_be_forgotten(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    charge(charger)

    charger.power_loss(seconds=0.01, transactions="is forgotten")

    csms_2_0_1.wait("BootNotification", 2)
    charger.wait_for(lambda one: one.connected)
    assert charger.transaction() is None
    charger.send("Heartbeat", {})
    assert csms_2_0_1.payloads("TransactionEvent")[-1]["eventType"] != "Ended"


def test_a_reset_when_idle_waits(csms_2_0_1: Csms, start: Start) -> None:
    charger = start(csms_2_0_1)
    charge(charger)

    assert csms_2_0_1.call("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    charger.present("CARD")

    csms_2_0_1.wait("BootNotification", 2)
    assert ended(csms_2_0_1)["transactionInfo"]["stoppedReason"] == "Local"


@pytest.mark.parametrize("verdict", [Verdict.VALID, Verdict.BROKEN])
def test_the_last_value_is_signed(csms_2_0_1: Csms, start: Start, verdict: Verdict) -> None:
    is_broken = verdict is Verdict.BROKEN
    charger = start(csms_2_0_1, signs=True, breaks_signature=is_broken)
    charge(charger)
    charger.present("CARD")

    signed = ended(csms_2_0_1)["meterValue"][0]["sampledValue"][0]["signedMeterValue"]

    assert base64.b64decode(signed["signedMeterData"]).startswith(b"OCMF|")
    assert judge(signed["signedMeterData"], signed["publicKey"]).verdict is verdict
    assert judge(signed["signedMeterData"], charger.public_key).verdict is verdict

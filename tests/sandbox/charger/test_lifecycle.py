"""Connecting, booting, beating, and coming back, in both versions."""

from tests.sandbox.charger.conftest import Start
from tests.sandbox.charger.csms import Csms


def test_it_boots_and_tells_the_status_of_every_connector(csms: Csms, start: Start) -> None:
    outlets = [{"evse": 1}, {"evse": 2, "max_kw": 150, "current": "DC"}]

    start(csms, outlets=outlets)

    count = 3 if csms.version == "ocpp1.6" else 2
    csms.wait("StatusNotification", count)
    assert csms.calls[0].action == "BootNotification"
    assert [call.action for call in csms.calls[1:]] == ["StatusNotification"] * count
    if csms.version == "ocpp1.6":
        assert [one["connectorId"] for one in csms.payloads("StatusNotification")] == [0, 1, 2]
    else:
        assert [one["evseId"] for one in csms.payloads("StatusNotification")] == [1, 2]


def test_it_beats_as_often_as_it_is_told(csms: Csms, start: Start) -> None:
    csms.interval = 1

    start(csms)

    csms.wait("Heartbeat", 1)


def test_it_boots_again_until_it_is_accepted(csms: Csms, start: Start) -> None:
    csms.boot_status, csms.interval = "Pending", 1
    charger = start(csms, is_online=False)
    csms.wait("BootNotification", 1)
    assert not charger.connected
    csms.boot_status = "Accepted"

    charger.wait_for(lambda one: one.connected)

    assert len(csms.payloads("BootNotification")) == 2


def test_a_pending_charger_boots_at_once_when_it_is_asked_to(csms: Csms, start: Start) -> None:
    csms.boot_status, csms.interval = "Pending", 3600
    charger = start(csms, is_online=False)
    csms.wait("BootNotification", 1)
    csms.boot_status = "Accepted"

    answer = csms.call("TriggerMessage", {"requestedMessage": "BootNotification"})

    assert answer == {"status": "Accepted"}
    charger.wait_for(lambda one: one.connected)


def test_it_gives_its_password(csms: Csms, start: Start) -> None:
    csms.passwords["CS-1"] = "a-password-of-16"

    start(csms, password="a-password-of-16")

    assert csms.headers[0].startswith("Basic ")


def test_it_connects_with_the_password_that_it_is_given(csms: Csms, start: Start) -> None:
    csms.passwords["CS-1"] = "a-password-of-16"
    charger = start(csms, password="a-password-of-16")
    csms.passwords["CS-1"] = "another-password"

    if csms.version == "ocpp1.6":
        change = {"key": "AuthorizationKey", "value": "another-password"}
        assert csms.call("ChangeConfiguration", change) == {"status": "Accepted"}
    else:
        item = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": "another-password",
        }
        answer = csms.call("SetVariables", {"setVariableData": [item]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"

    csms.changes.wait_for(lambda: len(csms.headers) >= 2, 10, "another connection")
    charger.wait_for(lambda one: one.connected)
    assert len(csms.headers) == 2
    assert len(csms.payloads("BootNotification")) == 1


def test_it_falls_back_to_the_password_that_the_csms_knows(csms: Csms, start: Start) -> None:
    csms.passwords["CS-1"] = "a-password-of-16"
    charger = start(csms, password="a-password-of-16")

    if csms.version == "ocpp1.6":
        csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": "x" * 16})
    else:
        item = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": "x" * 16,
        }
        csms.call("SetVariables", {"setVariableData": [item]})

    csms.changes.wait_for(lambda: len(csms.headers) >= 3, 10, "two more connections")
    charger.wait_for(lambda one: one.connected)


def test_a_dropped_charger_comes_back_without_a_boot(csms: Csms, start: Start) -> None:
    charger = start(csms)
    charger.drop()
    assert not charger.connected

    charger.resume()

    charger.wait_for(lambda one: one.connected)
    assert len(csms.payloads("BootNotification")) == 1


def test_a_reset_boots(csms: Csms, start: Start) -> None:
    charger = start(csms)
    kind = "Hard" if csms.version == "ocpp1.6" else "Immediate"

    assert csms.call("Reset", {"type": kind}) == {"status": "Accepted"}

    csms.wait("BootNotification", 2)
    charger.wait_for(lambda one: one.connected)
    if csms.version == "ocpp2.0.1":
        assert csms.payloads("BootNotification")[1]["reason"] == "RemoteReset"


def test_what_is_no_ocpp_is_answered_with_an_error(csms: Csms, start: Start) -> None:
    start(csms)

    csms.send_text("{")
    csms.send_text('[2, "1"]')

    found = [one["code"] for one in csms.wait("", 2)]
    code = "FormationViolation" if csms.version == "ocpp1.6" else "FormatViolation"
    assert found == [code, code]


def test_one_call_is_under_way_at_a_time_and_given_up_in_the_end(csms: Csms, start: Start) -> None:
    action = "StartTransaction" if csms.version == "ocpp1.6" else "TransactionEvent"
    csms.scripts[action] = lambda _: None
    charger = start(csms, call_timeout=0.1)
    charger.plug()
    charger.present("CARD")
    csms.wait(action)

    # What it is asked is answered all the same.
    assert csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})["status"] == "Accepted"

    csms.wait("Heartbeat")
    tried = [call for call in csms.calls if call.action == action]
    assert len(tried) >= 3
    assert len({call.unique_id for call in tried}) == len(tried)
    first = [call.payload == tried[0].payload for call in tried]
    assert first[:3] == [True, True, True]


def test_without_power_it_stays_away(csms: Csms, start: Start) -> None:
    charger = start(csms)
    charger.power_loss(seconds=None)

    charger.drop(0)

    assert charger.present("CARD") == "Unavailable"
    charger.resume()
    charger.wait_for(lambda one: one.connected)
    assert len(csms.payloads("BootNotification")) == 2

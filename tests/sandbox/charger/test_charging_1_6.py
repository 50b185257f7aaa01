"""Transactions of OCPP 1.6, with and without a connection."""

from decimal import Decimal
from itertools import pairwise

from ocpp_gateway.signatures import Verdict, judge
from sandbox.charger import Handle
from tests.sandbox.charger.conftest import Start
from tests.sandbox.charger.csms import Csms


def values(meter_value: dict[str, object], measurand: str) -> list[str]:
    sampled = meter_value["sampledValue"]
    assert isinstance(sampled, list)
    return [str(one["value"]) for one in sampled if one.get("measurand") == measurand]


def charge(charger: Handle, card: str = "CARD") -> str:
    charger.plug(need_kwh=20)
    assert charger.present(card) == "Accepted"
    return charger.wait_for(lambda one: one.transaction(), what="a transaction") or ""


def statuses(csms: Csms) -> list[str]:
    return [one["status"] for one in csms.payloads("StatusNotification") if one["connectorId"]]


def test_a_card_begins_and_ends(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, outlets=[{"meter_wh": 5000}])

    transaction_id = charge(charger)
    csms_1_6.wait("StatusNotification", status="Charging")
    charger.present("CARD")
    charger.unplug()

    begun = csms_1_6.payloads("StartTransaction")[0]
    assert (begun["connectorId"], begun["idTag"], begun["meterStart"]) == (1, "CARD", 5000)
    ended = csms_1_6.wait("StopTransaction")[0]
    assert ended["transactionId"] == int(transaction_id)
    assert ended["reason"] == "Local"
    assert ended["meterStop"] == charger.register_wh()
    contexts = [one["sampledValue"][0]["context"] for one in ended["transactionData"]]
    assert contexts == ["Transaction.Begin", "Transaction.End"]
    csms_1_6.wait("StatusNotification", 2, status="Available", connectorId=1)
    assert statuses(csms_1_6) == [
        "Available",
        "Preparing",
        "Charging",
        "Finishing",
        "Available",
    ]


def test_samples_tell_register_power_and_currents(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, meter_seconds=0.02, time_factor=100)

    transaction_id = charge(charger)

    told = csms_1_6.wait("MeterValues", 3)
    assert all(one["transactionId"] == int(transaction_id) for one in told)
    registers = [
        Decimal(values(one["meterValue"][0], "Energy.Active.Import.Register")[0]) for one in told
    ]
    assert all(a <= b for a, b in pairwise(registers))
    first = told[0]["meterValue"][0]
    assert values(first, "Power.Active.Import") == ["22000"]
    assert values(first, "Current.Import") == ["31.8", "31.8", "31.8"]


def test_direct_current_tells_how_full_the_car_is(csms_1_6: Csms, start: Start) -> None:
    outlets = [{"max_kw": 150, "current": "DC"}]
    charger = start(csms_1_6, meter_seconds=0.02, time_factor=1, outlets=outlets)

    charge(charger)

    first = csms_1_6.wait("MeterValues")[0]["meterValue"][0]
    assert values(first, "SoC") == ["30"]
    assert values(first, "Power.Active.Import") == ["150000"]


def test_a_full_car_suspends(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, outlets=[{"meter_wh": 0}], time_factor=100_000)

    charge(charger)

    csms_1_6.wait("StatusNotification", status="SuspendedEV")
    assert charger.register_wh() == 20_000
    charger.unplug()
    ended = csms_1_6.wait("StopTransaction")[0]
    assert (ended["reason"], ended["meterStop"]) == ("EVDisconnected", 20_000)


def test_a_card_that_is_refused_begins_nothing(csms_1_6: Csms, start: Start) -> None:
    csms_1_6.scripts["Authorize"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    charger = start(csms_1_6)
    charger.plug()

    assert charger.present("CARD") == "Blocked"

    assert charger.transaction() is None
    assert csms_1_6.payloads("StartTransaction") == []


def test_a_start_that_is_refused_ends(csms_1_6: Csms, start: Start) -> None:
    csms_1_6.scripts["StartTransaction"] = lambda _: {
        "transactionId": 7,
        "idTagInfo": {"status": "Invalid"},
    }
    charger = start(csms_1_6)
    charger.plug()

    charger.present("CARD")

    ended = csms_1_6.wait("StopTransaction")[0]
    assert (ended["transactionId"], ended["reason"]) == (7, "DeAuthorized")


def test_somebody_comes_after_a_remote_start_and_leaves_after_a_stop(
    csms_1_6: Csms, start: Start
) -> None:
    charger = start(csms_1_6, leave_after=0.01)

    answer = csms_1_6.call("RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"})
    assert answer == {"status": "Accepted"}
    assert csms_1_6.wait("StartTransaction")[0]["idTag"] == "APP"
    number = int(charger.wait_for(lambda one: one.transaction()) or "")
    assert csms_1_6.call("RemoteStopTransaction", {"transactionId": number + 1}) == {
        "status": "Rejected"
    }
    answer = csms_1_6.call("RemoteStopTransaction", {"transactionId": number})
    assert answer == {"status": "Accepted"}

    assert csms_1_6.wait("StopTransaction")[0]["reason"] == "Remote"
    csms_1_6.wait("StatusNotification", 2, status="Available", connectorId=1)


def test_nobody_comes_after_a_remote_start(csms_1_6: Csms, start: Start) -> None:
    start(csms_1_6, plug_after=None)
    csms_1_6.call("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "0"})

    csms_1_6.call("RemoteStartTransaction", {"idTag": "APP"})

    csms_1_6.wait("StatusNotification", 2, status="Available", connectorId=1)
    assert statuses(csms_1_6) == ["Available", "Preparing", "Available"]
    assert csms_1_6.payloads("StartTransaction") == []


def test_a_remote_start_where_somebody_charges_is_rejected(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charge(charger)

    answer = csms_1_6.call("RemoteStartTransaction", {"connectorId": 1, "idTag": "APP"})

    assert answer == {"status": "Rejected"}


def test_a_transaction_that_goes_on_offline_is_told_with_its_own_times(
    csms_1_6: Csms, start: Start
) -> None:
    charger = start(csms_1_6, meter_seconds=0.05, time_factor=100)
    transaction_id = charge(charger)
    csms_1_6.wait("MeterValues")
    charger.drop()
    charger.present("CARD")
    count = len(csms_1_6.payloads("StopTransaction"))
    stopped_at = charger.register_wh()

    charger.resume()

    ended = csms_1_6.wait("StopTransaction")[0]
    assert count == 0
    assert ended["transactionId"] == int(transaction_id)
    assert ended["meterStop"] == stopped_at


def test_a_transaction_that_began_offline_gets_its_id_later(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charger.drop()
    charger.plug()
    assert charger.present("CARD") == "Accepted"
    charger.present("CARD")
    assert csms_1_6.payloads("StartTransaction") == []

    charger.resume()

    ended = csms_1_6.wait("StopTransaction")[0]
    begun = csms_1_6.payloads("StartTransaction")[0]
    assert ended["transactionId"] == 101
    assert begun["timestamp"] <= ended["timestamp"]


def test_what_was_not_answered_is_sent_again(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    csms_1_6.scripts["StartTransaction"] = lambda _: None
    charger.plug()
    charger.present("CARD")
    csms_1_6.wait("StartTransaction")
    charger.drop()
    del csms_1_6.scripts["StartTransaction"]

    charger.resume()

    first, second = csms_1_6.wait("StartTransaction", 2)
    assert first == second
    charger.wait_for(lambda one: one.transaction() == "101")


def test_the_last_message_is_repeated_with_its_id_or_another(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charger.wait_for(lambda one: one.quiet)
    charger.send("DataTransfer", {"vendorId": "X"})

    charger.repeat_last()
    charger.repeat_last(new_id=True)

    ids = [one.unique_id for one in csms_1_6.calls if one.action == "DataTransfer"]
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]


def test_the_last_message_of_an_action_is_repeated(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charge(charger)
    charger.present("CARD")
    charger.wait_for(lambda one: one.quiet)

    charger.repeat_last("StopTransaction")

    first, second = csms_1_6.wait("StopTransaction", 2)
    assert first == second


def test_the_power_goes_and_the_end_is_told_after_the_boot(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    transaction_id = charge(charger)
    charger.power_loss(seconds=0.01)

    ended = csms_1_6.wait("StopTransaction")[0]

    assert (ended["transactionId"], ended["reason"]) == (int(transaction_id), "PowerLoss")
    actions = [one.action for one in csms_1_6.calls]
    assert actions.index("StopTransaction") > actions.index("BootNotification", 1)


def test_the_power_goes_and_the_transaction_goes_on(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, meter_seconds=0.02)
    transaction_id = charge(charger)
    charger.power_loss(seconds=None, transactions="goes on")
    before = charger.register_wh()
    assert charger.register_wh() == before
    count = len(csms_1_6.payloads("MeterValues"))

    charger.resume()

    told = csms_1_6.wait("MeterValues", count + 1)
    assert told[-1]["transactionId"] == int(transaction_id)
    assert len(csms_1_6.payloads("BootNotification")) == 2
    assert csms_1_6.payloads("StopTransaction") == []


def test_a_soft_reset_tells_the_end_before_the_boot(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charge(charger)

    csms_1_6.call("Reset", {"type": "Soft"})

    csms_1_6.wait("BootNotification", 2)
    assert csms_1_6.payloads("StopTransaction")[0]["reason"] == "SoftReset"


def test_a_fault_ends_the_transaction_and_recovers(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6)
    charge(charger)

    charger.fault(code="GroundFailure")
    charger.clear()

    assert csms_1_6.wait("StopTransaction")[0]["reason"] == "Other"
    told = csms_1_6.wait("StatusNotification", status="Faulted")[0]
    assert told["errorCode"] == "GroundFailure"
    csms_1_6.wait("StatusNotification", status="Finishing")


def test_signed_values_are_what_the_meter_signed(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, signs=True)
    key = csms_1_6.call("GetConfiguration", {"key": ["MeterPublicKey1"]})
    public_key = key["configurationKey"][0]["value"]
    charge(charger)
    charger.present("CARD")

    data = csms_1_6.wait("StopTransaction")[0]["transactionData"]
    signed = [
        value["value"]
        for one in data
        for value in one["sampledValue"]
        if value.get("format") == "SignedData"
    ]
    assert [judge(one, public_key).verdict for one in signed] == [Verdict.VALID, Verdict.VALID]
    assert public_key == charger.public_key


def test_a_signature_can_be_broken(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, signs=True)
    charge(charger)
    charger.break_signature()
    charger.present("CARD")

    data = csms_1_6.wait("StopTransaction")[0]["transactionData"]
    signed = data[1]["sampledValue"][-1]["value"]
    assert judge(signed, charger.public_key).verdict is Verdict.BROKEN


def test_a_clock_may_be_off(csms_1_6: Csms, start: Start) -> None:
    charger = start(csms_1_6, clock_skew=86_400)
    charge(charger)

    told = csms_1_6.wait("StartTransaction")[0]["timestamp"]
    assert told[:10] > charger.log[0].at.isoformat()[:10]

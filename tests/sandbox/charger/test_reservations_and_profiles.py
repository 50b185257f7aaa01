"""Reservations and charging profiles, in both versions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.charger.conftest import Start
from tests.sandbox.charger.csms import Csms


def later(seconds: float = 600) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def reserve(csms: Csms, card: str, expires_at: str, reservation_id: int = 5) -> str:
    if csms.version == "ocpp1.6":
        request: dict[str, Any] = {
            "connectorId": 1,
            "expiryDate": expires_at,
            "idTag": card,
            "reservationId": reservation_id,
        }
    else:
        request = {
            "evseId": 1,
            "expiryDateTime": expires_at,
            "idToken": {"idToken": card, "type": "ISO14443"},
            "id": reservation_id,
        }
    return str(csms.call("ReserveNow", request)["status"])


def wait_for_status(csms: Csms, status: str, count: int = 1) -> None:
    name = "status" if csms.version == "ocpp1.6" else "connectorStatus"
    csms.wait("StatusNotification", count, connectorId=1, **{name: status})


def profile(purpose: str, watts: int, *, profile_id: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a profile in the words that both versions share, but for its id and schedule."""
    return {
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "schedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}],
            "startSchedule": "2026-01-01T00:00:00Z",
        },
        "id": profile_id,
        **fields,
    }


def set_profile(csms: Csms, body: dict[str, Any], outlet: int = 1) -> str:
    schedule = body.pop("schedule")
    if csms.version == "ocpp1.6":
        body["chargingProfileId"] = body.pop("id")
        body["chargingSchedule"] = schedule
        request = {"connectorId": outlet, "csChargingProfiles": body}
    else:
        body["chargingSchedule"] = [{"id": 1, **schedule}]
        request = {"evseId": outlet, "chargingProfile": body}
    return str(csms.call("SetChargingProfile", request)["status"])


def test_who_reserved_begins_with_the_reservation(csms: Csms, start: Start) -> None:
    charger = start(csms)

    assert reserve(csms, "MINE", later()) == "Accepted"
    wait_for_status(csms, "Reserved")
    charger.plug()
    assert charger.present("OTHER") == "Unavailable"
    assert charger.present("MINE") == "Accepted"

    if csms.version == "ocpp1.6":
        assert csms.wait("StartTransaction")[0]["reservationId"] == 5
    else:
        assert csms.wait("TransactionEvent")[0]["reservationId"] == 5


def test_a_reservation_expires(csms: Csms, start: Start) -> None:
    start(csms)

    assert reserve(csms, "MINE", later(0.05)) == "Accepted"

    wait_for_status(csms, "Available", 2)
    if csms.version == "ocpp2.0.1":
        told = csms.wait("ReservationStatusUpdate")[0]
        assert told == {"reservationId": 5, "reservationUpdateStatus": "Expired"}


def test_a_reservation_is_cancelled(csms: Csms, start: Start) -> None:
    start(csms)
    reserve(csms, "MINE", later())

    assert csms.call("CancelReservation", {"reservationId": 5}) == {"status": "Accepted"}

    wait_for_status(csms, "Available", 2)
    assert csms.call("CancelReservation", {"reservationId": 5}) == {"status": "Rejected"}


def test_what_is_in_use_or_broken_cannot_be_reserved(csms: Csms, start: Start) -> None:
    charger = start(csms)
    charger.plug()
    assert reserve(csms, "MINE", later()) == "Occupied"
    charger.unplug()
    charger.fault()
    assert reserve(csms, "MINE", later()) == "Faulted"
    charger.clear()

    assert reserve(csms, "MINE", later()) == "Accepted"
    assert reserve(csms, "OTHER", later(), 6) == "Occupied"


def test_a_remote_start_needs_the_card_of_the_reservation(csms: Csms, start: Start) -> None:
    start(csms)
    reserve(csms, "MINE", later())
    answers = []
    for card in ("OTHER", "MINE"):
        if csms.version == "ocpp1.6":
            answers.append(csms.call("RemoteStartTransaction", {"connectorId": 1, "idTag": card}))
        else:
            token = {"idToken": card, "type": "ISO14443"}
            request = {"evseId": 1, "idToken": token, "remoteStartId": 1}
            answers.append(csms.call("RequestStartTransaction", request))

    assert [one["status"] for one in answers] == ["Rejected", "Accepted"]


def test_a_profile_limits_the_power_until_it_is_cleared(csms: Csms, start: Start) -> None:
    charger = start(csms, time_factor=1)
    charger.plug()
    charger.present("CARD")
    charger.wait_for(lambda one: one.power_w() == 22_000)

    assert set_profile(csms, profile("TxProfile", 6000)) == "Accepted"

    charger.wait_for(lambda one: one.power_w() == 6000)
    assert csms.call("ClearChargingProfile", {}) == {"status": "Accepted"}
    charger.wait_for(lambda one: one.power_w() == 22_000)
    assert csms.call("ClearChargingProfile", {}) == {"status": "Unknown"}


def test_the_station_limits_whatever_the_transaction_may(csms: Csms, start: Start) -> None:
    charger = start(csms, time_factor=1)
    charger.plug()
    charger.present("CARD")
    purpose = "ChargePointMaxProfile" if csms.version == "ocpp1.6" else "ChargingStationMaxProfile"

    assert set_profile(csms, profile("TxProfile", 9000)) == "Accepted"
    assert set_profile(csms, profile(purpose, 5000, profile_id=2), outlet=0) == "Accepted"

    charger.wait_for(lambda one: one.power_w() == 5000)


def test_no_power_suspends_and_a_profile_of_a_transaction_ends_with_it(
    csms: Csms, start: Start
) -> None:
    charger = start(csms, time_factor=1)
    charger.plug()
    charger.present("CARD")
    assert set_profile(csms, profile("TxProfile", 0)) == "Accepted"

    if csms.version == "ocpp1.6":
        wait_for_status(csms, "SuspendedEVSE")
    else:
        csms.changes.wait_for(
            lambda: any(
                one["transactionInfo"].get("chargingState") == "SuspendedEVSE"
                for one in csms.payloads("TransactionEvent")
            ),
            10,
            "SuspendedEVSE",
        )
    charger.present("CARD")
    charger.present("CARD")
    charger.wait_for(lambda one: one.power_w() == 22_000)


def test_a_profile_for_no_transaction_is_rejected(csms: Csms, start: Start) -> None:
    start(csms)

    assert set_profile(csms, profile("TxProfile", 6000)) == "Rejected"


def test_the_composite_schedule_is_the_least_of_all(csms: Csms, start: Start) -> None:
    start(csms)
    set_profile(csms, profile("TxDefaultProfile", 8000))
    name = "connectorId" if csms.version == "ocpp1.6" else "evseId"

    answer = csms.call("GetCompositeSchedule", {name: 1, "duration": 60})

    schedule = answer["chargingSchedule" if csms.version == "ocpp1.6" else "schedule"]
    periods = schedule["chargingSchedulePeriod"]
    assert [(one["startPeriod"], Decimal(str(one["limit"]))) for one in periods] == [
        (0, Decimal(8000))
    ]


@pytest.mark.parametrize("unit", ["A", "W"])
def test_a_remote_start_brings_its_profile(csms_1_6: Csms, start: Start, unit: str) -> None:
    charger = start(csms_1_6, time_factor=1)
    body = profile("TxProfile", 16 if unit == "A" else 11_040)
    body["chargingSchedule"] = body.pop("schedule") | {"chargingRateUnit": unit}
    body["chargingProfileId"] = body.pop("id")

    request = {"connectorId": 1, "idTag": "APP", "chargingProfile": body}
    assert csms_1_6.call("RemoteStartTransaction", request) == {"status": "Accepted"}

    charger.wait_for(lambda one: one.power_w() == 11_040)

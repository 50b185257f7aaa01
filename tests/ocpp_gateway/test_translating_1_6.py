"""Messages of OCPP 1.6 to facts."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cpo_platform.common.telling import tell
from ocpp_gateway import v1_6
from ocpp_gateway.facts import ChargingState, Code, Fact, Kind, Sample, SignedValue, Token

ARRIVED = datetime(2026, 3, 1, 12, 0, 2, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def metered(*values: dict[str, Any], timestamp: str = "2026-03-01T12:00:00Z") -> Fact:
    payload = {
        "connectorId": 1,
        "transactionId": 7,
        "meterValue": [{"timestamp": timestamp, "sampledValue": list(values)}],
    }
    return v1_6.meter_values(payload, arrived_at=ARRIVED)


def test_a_start_is_translated() -> None:
    payload = json.loads(
        '{"connectorId": 2, "idTag": "04E91C5A123F80", "meterStart": 12345,'
        ' "reservationId": 9, "timestamp": "2026-03-01T13:00:00+01:00"}'
    )

    assert v1_6.start_transaction(payload, arrived_at=ARRIVED, transaction_id="7") == Fact(
        kind=Kind.STARTED,
        arrived_at=ARRIVED,
        stamped_at=NOON,
        transaction_id="7",
        connector_id=2,
        token=Token("04E91C5A123F80"),
        meter_start_wh=12345,
        reservation_id=9,
    )


def test_a_stop_is_translated_with_its_data() -> None:
    payload = json.loads(
        '{"transactionId": 7, "idTag": "AB", "meterStop": 14000, "reason": "EVDisconnected",'
        ' "timestamp": "2026-03-01T12:00:00.000Z", "transactionData": [{"timestamp":'
        ' "2026-03-01T11:00:00Z", "sampledValue": [{"value": "12345",'
        ' "context": "Transaction.Begin"}]}]}'
    )

    assert v1_6.stop_transaction(payload, arrived_at=ARRIVED) == Fact(
        kind=Kind.ENDED,
        arrived_at=ARRIVED,
        stamped_at=NOON,
        transaction_id="7",
        token=Token("AB"),
        reason="EVDisconnected",
        meter_stop_wh=14000,
        samples=(
            Sample(at=NOON.replace(hour=11), kwh=Decimal("12.345"), context="Transaction.Begin"),
        ),
    )


def test_no_reason_is_local() -> None:
    payload = {"transactionId": 7, "meterStop": 1, "timestamp": "2026-03-01T12:00:00Z"}

    assert v1_6.stop_transaction(payload, arrived_at=ARRIVED).reason == "Local"


def test_measurand_and_unit_have_their_defaults() -> None:
    fact = metered({"value": "1500"})

    assert fact.samples == (Sample(at=NOON, kwh=Decimal("1.5")),)
    assert (fact.kind, fact.transaction_id, fact.stamped_at) == (Kind.METERED, "7", NOON)


def test_units_are_converted_exactly() -> None:
    fact = metered(
        {"value": "15.0001", "unit": "kWh", "measurand": "Energy.Active.Import.Register"},
        {"value": "11000.5", "unit": "W", "measurand": "Power.Active.Import"},
        {"value": "16.1", "unit": "A", "measurand": "Current.Import"},
        {"value": "80", "unit": "Percent", "measurand": "SoC"},
    )

    expected = Sample(
        at=NOON,
        kwh=Decimal("15.0001"),
        power_kw=Decimal("11.0005"),
        current_a=Decimal("16.1"),
    )
    assert fact.samples == (expected,)


def test_phases_are_added_where_nothing_is_told_of_all() -> None:
    fact = metered(
        {"value": "100", "phase": "L1"},
        {"value": "200", "phase": "L2"},
        {"value": "300.5", "phase": "L3"},
        {"value": "9", "phase": "N"},
        *({"value": "16", "measurand": "Current.Import", "phase": f"L{n}-N"} for n in (1, 2, 3)),
    )

    assert fact.samples[0].kwh == Decimal("0.6005")
    assert fact.samples[0].current_a == Decimal(48)


def test_a_register_of_all_phases_wins() -> None:
    fact = metered({"value": "100", "phase": "L1"}, {"value": "650"})

    assert fact.samples[0].kwh == Decimal("0.65")


def test_the_inlet_is_ignored() -> None:
    fact = metered({"value": "1", "location": "Inlet"}, {"value": "2", "location": "Outlet"})

    assert fact.samples[0].kwh == Decimal("0.002")


@pytest.mark.parametrize(
    "value", ["", "NaN", "Infinity", "-1", "1e300", "12,5", "1_000", "9" * 400, "1" * 25]
)
def test_bad_numbers_are_dropped_with_a_finding(value: str) -> None:
    fact = metered({"value": value})

    assert fact.samples == ()
    assert [finding.code for finding in fact.findings] == [Code.BAD_VALUE]


def test_a_foreign_unit_is_dropped_with_a_finding() -> None:
    fact = metered({"value": "5", "unit": "kvarh"})

    assert fact.samples == ()
    assert tell(fact.findings[0].saying) == (
        "Energy.Active.Import.Register of 2026-03-01 12:00:00 UTC was dropped: 5 kvarh."
    )


def test_signed_data_is_kept_as_it_is() -> None:
    data = 'OCMF|{"FV":"1.0","RD":[{"RV":1.5}]}|{"SD":"3045"}'
    fact = metered(
        {"value": data, "format": "SignedData", "context": "Transaction.End"},
        {"value": "1500", "context": "Transaction.End"},
    )

    assert fact.findings == ()
    assert fact.samples == (
        Sample(
            at=NOON,
            kwh=Decimal("1.5"),
            context="Transaction.End",
            signed=(SignedValue(at=NOON, data=data, context="Transaction.End"),),
        ),
    )


@pytest.mark.parametrize("wh", [-1, 10**13, 10**400])
def test_bounds_that_no_register_has_are_dropped_with_a_finding(wh: int) -> None:
    bound = {"timestamp": "2026-03-01T12:00:00Z", "transactionId": 7, "meterStop": wh}
    started = {"connectorId": 1, "idTag": "AB", "meterStart": wh, **bound}

    for fact in (
        v1_6.start_transaction(started, arrived_at=ARRIVED),
        v1_6.stop_transaction(bound, arrived_at=ARRIVED),
    ):
        assert (fact.meter_start_wh, fact.meter_stop_wh) == (None, None)
        assert [finding.code for finding in fact.findings] == [Code.BAD_VALUE]


def test_an_integer_may_be_written_with_a_point() -> None:
    payload = {"timestamp": "2026-03-01T12:00:00Z", "transactionId": 7.0, "meterStop": 5.0}

    fact = v1_6.stop_transaction(payload, arrived_at=ARRIVED)
    assert (fact.transaction_id, repr(fact.meter_stop_wh)) == ("7", "5")


@pytest.mark.parametrize("timestamp", ["soon", "", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_samples_of_no_time_are_dropped_with_a_finding(timestamp: str) -> None:
    fact = metered({"value": "1"}, timestamp=timestamp)

    assert fact.samples == ()
    assert [finding.code for finding in fact.findings] == [Code.BAD_TIME]


def test_a_time_without_a_zone_is_utc() -> None:
    assert metered({"value": "1"}, timestamp="2026-03-01T12:00:00").stamped_at == NOON


def test_a_status_is_one_of_the_connector_and_of_its_transaction() -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "SuspendedEV"}

    report = v1_6.status_notification(payload, arrived_at=ARRIVED)
    fact = v1_6.state(payload, arrived_at=ARRIVED)

    assert (report.connector_id, report.status, report.error) == (1, "CHARGING", "")
    assert fact is not None
    assert (fact.kind, fact.state) == (Kind.STATE, ChargingState.SUSPENDED_EV)


def test_a_fault_says_nothing_of_the_transaction() -> None:
    payload = {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted"}

    assert v1_6.state(payload, arrived_at=ARRIVED) is None
    assert v1_6.status_notification(payload, arrived_at=ARRIVED).error == "GroundFailure"


def test_a_boot_is_a_fact() -> None:
    payload = {"chargePointModel": "M", "chargePointVendor": "V"}

    assert v1_6.boot_notification(payload, arrived_at=ARRIVED).kind == Kind.REBOOTED

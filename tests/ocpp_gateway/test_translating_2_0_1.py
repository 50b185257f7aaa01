"""Messages of OCPP 2.0.1 to facts."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ocpp_gateway import v2_0_1
from ocpp_gateway.facts import ChargingState, Code, Fact, Kind, Sample, SignedValue, Token

ARRIVED = datetime(2026, 3, 1, 12, 0, 2, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def updated(*values: dict[str, Any]) -> Fact:
    payload = {
        "eventType": "Updated",
        "timestamp": "2026-03-01T12:00:00Z",
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 1,
        "transactionInfo": {"transactionId": "T"},
    }
    if values:
        payload["meterValue"] = [
            {"timestamp": "2026-03-01T12:00:00Z", "sampledValue": list(values)}
        ]
    return v2_0_1.transaction_event(payload, arrived_at=ARRIVED)


def test_a_start_is_translated() -> None:
    payload = json.loads(
        '{"eventType": "Started", "timestamp": "2026-03-01T12:00:00Z", "seqNo": 0,'
        ' "triggerReason": "Authorized", "offline": true, "reservationId": 4,'
        ' "evse": {"id": 1, "connectorId": 2},'
        ' "idToken": {"idToken": "DE-ABC-C12345678", "type": "eMAID"},'
        ' "transactionInfo": {"transactionId": "f00d", "chargingState": "EVConnected"},'
        ' "meterValue": [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [{"value": 5000.1,'
        ' "context": "Transaction.Begin"}]}]}',
        parse_float=Decimal,
    )

    assert v2_0_1.transaction_event(payload, arrived_at=ARRIVED) == Fact(
        kind=Kind.STARTED,
        arrived_at=ARRIVED,
        stamped_at=NOON,
        transaction_id="f00d",
        evse_id=1,
        connector_id=2,
        seq_no=0,
        offline=True,
        state=ChargingState.EV_CONNECTED,
        token=Token("DE-ABC-C12345678", "eMAID"),
        reservation_id=4,
        samples=(Sample(at=NOON, kwh=Decimal("5.0001"), context="Transaction.Begin"),),
    )


def test_an_end_has_its_reason() -> None:
    payload = {
        "eventType": "Ended",
        "timestamp": "2026-03-01T12:00:00Z",
        "triggerReason": "EVDeparted",
        "seqNo": 3,
        "transactionInfo": {"transactionId": "T", "stoppedReason": "EVDisconnected"},
    }

    fact = v2_0_1.transaction_event(payload, arrived_at=ARRIVED)
    assert (fact.kind, fact.reason, fact.seq_no) == (Kind.ENDED, "EVDisconnected", 3)
    payload["transactionInfo"] = {"transactionId": "T"}
    assert v2_0_1.transaction_event(payload, arrived_at=ARRIVED).reason == "Local"


def test_an_update_is_of_the_meter_or_of_the_state() -> None:
    assert updated({"value": 1}).kind == Kind.METERED
    assert updated().kind == Kind.STATE


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1500, {}, "1.5"),
        (1.5, {"unit": "kWh"}, "1.5"),
        (15, {"unit": "Wh", "multiplier": 2}, "1.5"),
        (15, {"unit": "Wh", "multiplier": 2.0}, "1.5"),
        (1500, {"unit": "kWh", "multiplier": -3}, "1.5"),
        (Decimal("0.1"), {"multiplier": 3}, "0.1"),
        (0.1, {"unit": "kWh"}, "0.1"),
    ],
)
def test_units_and_multipliers_are_applied_exactly(
    value: object, unit: dict[str, Any], expected: str
) -> None:
    fact = updated({"value": value, "unitOfMeasure": unit})

    assert fact.samples == (Sample(at=NOON, kwh=Decimal(expected)),)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (float("nan"), {}),
        (float("inf"), {}),
        (-0.5, {}),
        (1, {"multiplier": 400}),
        (1, {"multiplier": 12, "unit": "kWh"}),
        (10**30, {}),
        (1, {"unit": "furlong"}),
        (True, {}),
    ],
)
def test_bad_numbers_are_dropped_with_a_finding(value: object, unit: dict[str, Any]) -> None:
    fact = updated({"value": value, "unitOfMeasure": unit})

    assert fact.samples == ()
    assert [finding.code for finding in fact.findings] == [Code.BAD_VALUE]


def test_contexts_of_one_meter_value_are_told_apart() -> None:
    fact = updated(
        {"value": 1000, "context": "Transaction.Begin"},
        {"value": 3000, "context": "Transaction.End"},
    )

    assert [(sample.context, sample.kwh) for sample in fact.samples] == [
        ("Transaction.Begin", Decimal(1)),
        ("Transaction.End", Decimal(3)),
    ]


def test_phases_are_added_where_nothing_is_told_of_all() -> None:
    fact = updated(
        *({"value": n, "measurand": "Current.Import", "phase": f"L{n}"} for n in (1, 2, 3))
    )

    assert fact.samples[0].current_a == Decimal(6)


def test_a_signed_value_is_kept_as_it_is() -> None:
    signed = {
        "signedMeterData": "T0NNRnw=",
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": "MFkw",
    }

    fact = updated({"value": 1000, "context": "Transaction.End", "signedMeterValue": signed})

    assert fact.samples[0].kwh == Decimal(1)
    assert fact.samples[0].signed == (
        SignedValue(
            at=NOON,
            data="T0NNRnw=",
            context="Transaction.End",
            signing_method="ECDSA-secp256r1-SHA256",
            encoding_method="OCMF",
            public_key="MFkw",
        ),
    )


def test_a_status_needs_the_state_of_the_transaction() -> None:
    payload = {
        "timestamp": "2026-03-01T12:00:00Z",
        "connectorStatus": "Occupied",
        "evseId": 1,
        "connectorId": 2,
    }

    report = v2_0_1.status_notification(payload, arrived_at=ARRIVED, state=ChargingState.CHARGING)
    assert (report.evse_id, report.connector_id, report.status) == (1, 2, "CHARGING")
    assert v2_0_1.status_notification(payload, arrived_at=ARRIVED).status == "BLOCKED"


def test_a_boot_that_we_asked_to_hear_of_is_none() -> None:
    station = {"model": "M", "vendorName": "V"}
    boot = {"reason": "PowerUp", "chargingStation": station}
    asked = {"reason": "Triggered", "chargingStation": station}

    fact = v2_0_1.boot_notification(boot, arrived_at=ARRIVED)
    assert fact is not None
    assert (fact.kind, fact.reason) == (Kind.REBOOTED, "PowerUp")
    assert v2_0_1.boot_notification(asked, arrived_at=ARRIVED) is None

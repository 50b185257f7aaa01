"""OCPP 1.6: from its messages, which their schemas have passed, to facts, and nothing else."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ocpp_gateway import sampling, statuses
from ocpp_gateway.facts import Fact, Finding, Kind, Sample, SignedValue, Token

Payload = Mapping[str, Any]


def start_transaction(payload: Payload, *, arrived_at: datetime, transaction_id: str = "") -> Fact:
    """Translate StartTransaction.req; the id is the one that we answer with (OCPP 1.6, 4.8)."""
    stamped_at, findings = sampling.stamp(payload["timestamp"])
    meter_start, dropped = sampling.register(payload["meterStart"], "meterStart")
    return Fact(
        kind=Kind.STARTED,
        arrived_at=arrived_at,
        stamped_at=stamped_at,
        transaction_id=transaction_id,
        connector_id=payload["connectorId"],
        token=Token(payload["idTag"]),
        meter_start_wh=meter_start,
        reservation_id=payload.get("reservationId"),
        findings=findings + dropped,
    )


def meter_values(payload: Payload, *, arrived_at: datetime) -> Fact:
    """Translate MeterValues.req; its time is that of its newest sample (OCPP 1.6, 4.7)."""
    found, findings = _samples(payload["meterValue"])
    return Fact(
        kind=Kind.METERED,
        arrived_at=arrived_at,
        stamped_at=max((sample.at for sample in found), default=None),
        transaction_id=_id(payload),
        connector_id=payload["connectorId"],
        samples=found,
        findings=findings,
    )


def stop_transaction(payload: Payload, *, arrived_at: datetime) -> Fact:
    """Translate StopTransaction.req; no reason means Local (OCPP 1.6, 6.49)."""
    stamped_at, findings = sampling.stamp(payload["timestamp"])
    meter_stop, no_register = sampling.register(payload["meterStop"], "meterStop")
    found, dropped = _samples(payload.get("transactionData", ()))
    tag = payload.get("idTag")
    return Fact(
        kind=Kind.ENDED,
        arrived_at=arrived_at,
        stamped_at=stamped_at,
        transaction_id=_id(payload),
        samples=found,
        token=None if tag is None else Token(tag),
        reason=payload.get("reason", "Local"),
        meter_stop_wh=meter_stop,
        findings=findings + no_register + dropped,
    )


def status_notification(payload: Payload, *, arrived_at: datetime) -> statuses.StatusReport:
    """Translate StatusNotification.req to what it says of the connector (OCPP 1.6, 4.9)."""
    error = payload["errorCode"]
    return statuses.StatusReport(
        arrived_at=arrived_at,
        stamped_at=sampling.stamp(payload.get("timestamp"))[0],
        evse_id=None,
        connector_id=payload["connectorId"],
        status=statuses.of_1_6(payload["status"]),
        error="" if error == "NoError" else error,
    )


def state(payload: Payload, *, arrived_at: datetime) -> Fact | None:
    """Translate StatusNotification.req to what it says of the transaction at the connector."""
    charging_state = statuses.state_of_1_6(payload["status"])
    if charging_state is None:
        return None
    stamped_at, findings = sampling.stamp(payload.get("timestamp"))
    return Fact(
        kind=Kind.STATE,
        arrived_at=arrived_at,
        stamped_at=stamped_at,
        connector_id=payload["connectorId"],
        state=charging_state,
        findings=findings,
    )


def boot_notification(_payload: Payload, *, arrived_at: datetime) -> Fact:
    """Translate BootNotification.req: it may have been asked for, and does not tell."""
    return Fact(kind=Kind.REBOOTED, arrived_at=arrived_at)


def _id(payload: Payload) -> str:
    number = payload.get("transactionId")
    return "" if number is None else str(int(number))


def _samples(
    meter_values: Iterable[Payload],
) -> tuple[tuple[Sample, ...], tuple[Finding, ...]]:
    return sampling.of_message(meter_values, _raw, _signed)


def _is_signed(value: Payload) -> bool:
    return bool(value.get("format") == "SignedData")


def _signed(at: datetime, value: Payload) -> SignedValue | None:
    if not _is_signed(value):
        return None
    return SignedValue(at=at, data=value["value"], context=value.get("context", "Sample.Periodic"))


def _raw(value: Payload) -> sampling.RawValue | None:
    if _is_signed(value):
        return None
    return sampling.RawValue(
        value=value["value"],
        measurand=value.get("measurand", "Energy.Active.Import.Register"),
        unit=value.get("unit"),
        phase=value.get("phase", ""),
        location=value.get("location", "Outlet"),
        context=value.get("context", "Sample.Periodic"),
    )

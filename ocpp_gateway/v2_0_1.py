"""OCPP 2.0.1: from its messages, which their schemas have passed, to facts, and nothing else.

Numbers should come as `Decimal` (`json.loads(..., parse_float=Decimal)`); of a float its shortest
text counts, which is what the station wrote.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ocpp_gateway import sampling, statuses
from ocpp_gateway.facts import (
    ChargingState,
    Fact,
    Finding,
    Kind,
    Sample,
    SignedValue,
    Token,
)

Payload = Mapping[str, Any]


def transaction_event(payload: Payload, *, arrived_at: datetime) -> Fact:
    """Translate TransactionEventRequest (OCPP 2.0.1, E01 to E13)."""
    info = payload["transactionInfo"]
    evse = payload.get("evse", {})
    stamped_at, findings = sampling.stamp(payload["timestamp"])
    found, dropped = _samples(payload.get("meterValue", ()))
    return Fact(
        kind=_kind(payload, found),
        arrived_at=arrived_at,
        stamped_at=stamped_at,
        transaction_id=info["transactionId"],
        evse_id=evse.get("id"),
        connector_id=evse.get("connectorId"),
        seq_no=int(payload["seqNo"]),
        offline=payload.get("offline", False),
        samples=found,
        state=statuses.state_of_2_0_1(info.get("chargingState", "")),
        token=_token(payload.get("idToken")),
        reason=_reason(payload),
        reservation_id=payload.get("reservationId"),
        findings=findings + dropped,
    )


def status_notification(
    payload: Payload, *, arrived_at: datetime, state: ChargingState | None = None
) -> statuses.StatusReport:
    """Translate StatusNotificationRequest; `state` is that of the transaction at the connector."""
    return statuses.StatusReport(
        arrived_at=arrived_at,
        stamped_at=sampling.stamp(payload["timestamp"])[0],
        evse_id=payload["evseId"],
        connector_id=payload["connectorId"],
        status=statuses.of_2_0_1(payload["connectorStatus"], state),
    )


def boot_notification(payload: Payload, *, arrived_at: datetime) -> Fact | None:
    """Translate BootNotificationRequest; None where we asked for it: nothing booted."""
    if payload["reason"] == "Triggered":
        return None
    return Fact(kind=Kind.REBOOTED, arrived_at=arrived_at, reason=payload["reason"])


def _kind(payload: Payload, samples: tuple[Sample, ...]) -> Kind:
    if payload["eventType"] == "Started":
        return Kind.STARTED
    if payload["eventType"] == "Ended":
        return Kind.ENDED
    return Kind.METERED if samples else Kind.STATE


def _reason(payload: Payload) -> str:
    """Return why the transaction ended; it may be omitted for Local (OCPP 2.0.1, E06)."""
    if payload["eventType"] != "Ended":
        return ""
    return str(payload["transactionInfo"].get("stoppedReason", "Local"))


def _token(id_token: Payload | None) -> Token | None:
    return None if id_token is None else Token(id_token["idToken"], id_token["type"])


def _samples(
    meter_values: Iterable[Payload],
) -> tuple[tuple[Sample, ...], tuple[Finding, ...]]:
    return sampling.of_message(meter_values, _raw, _signed)


def _signed(at: datetime, value: Payload) -> SignedValue | None:
    signed = value.get("signedMeterValue")
    if signed is None:
        return None
    return SignedValue(
        at=at,
        data=signed["signedMeterData"],
        context=value.get("context", "Sample.Periodic"),
        signing_method=signed.get("signingMethod", ""),
        encoding_method=signed.get("encodingMethod", ""),
        public_key=signed.get("publicKey", ""),
    )


def _raw(value: Payload) -> sampling.RawValue:
    unit = value.get("unitOfMeasure", {})
    return sampling.RawValue(
        value=value["value"],
        measurand=value.get("measurand", "Energy.Active.Import.Register"),
        unit=unit.get("unit"),
        multiplier=int(unit.get("multiplier", 0)),
        phase=value.get("phase", ""),
        location=value.get("location", "Outlet"),
        context=value.get("context", "Sample.Periodic"),
    )

"""What a station of OCPP 2.0.1 is answered with, action by action (OCPP 2.0.1, part 2)."""

from datetime import datetime
from typing import Any

from ocpp_gateway import authorizing, requests
from ocpp_gateway.server import boots
from ocpp_gateway.server.desk import Answer, Desk, Handler, Payload, text_of, told
from ocpp_gateway.server.known import (
    KnownOutlet,
    KnownStation,
    KnownTransaction,
    Presented,
    authorise,
    find_by_ref,
    locate,
    open_transaction,
)
from ocpp_gateway.server.store import OutletReport


async def _boot(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    about = payload["chargingStation"]
    said = {
        "vendor": about["vendorName"],
        "model": about["model"],
        "serial_number": about.get("serialNumber"),
        "firmware_version": about.get("firmwareVersion"),
    }
    return await boots.booted(desk, station, said, payload["reason"], now)


async def _heartbeat(
    _desk: Desk, _station: KnownStation, _payload: Payload, now: datetime
) -> Answer:
    return Answer({"currentTime": text_of(now)}, kept=False)


async def _authorize(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    token = payload["idToken"]
    decision = await desk.ask(
        authorizing.decide_anywhere,
        station_id=station.id,
        uid=token["idToken"],
        token_type=token["type"],
        now=now,
    )
    return Answer({"idTokenInfo": authorizing.id_token_info(decision)}, kept=False)


async def _transaction_event(
    desk: Desk, station: KnownStation, payload: Payload, now: datetime
) -> Answer:
    """Take an event of a transaction; one with a token is answered with what was decided on it."""
    info = payload["transactionInfo"]
    outlet = station.outlet_of_2_0_1(payload.get("evse", {}))
    known = await find_by_ref(desk.pool, station, info["transactionId"])
    presented = await _presented(desk, station, known, outlet, payload, now=now)
    if known is None:
        known = await open_transaction(
            desk.pool, station, info["transactionId"], outlet, presented, now=now
        )
    else:
        known = await _told_more(desk, station, known, outlet, presented)
    answer = {}
    if presented is not None and "idToken" in payload:
        answer = {"idTokenInfo": authorizing.id_token_info(presented.decision)}
    return Answer(
        answer,
        transaction_id=known.id,
        news=_news(station, known, payload["eventType"]),
        patient=_may_wait(payload),
        report=_charging_state(known, info.get("chargingState"), payload["eventType"], now),
    )


async def _told_more(
    desk: Desk,
    station: KnownStation,
    known: KnownTransaction,
    outlet: KnownOutlet | None,
    presented: Presented | None,
) -> KnownTransaction:
    """Note of a transaction where it is and who charges, which its start may not have told."""
    if outlet is not None and known.outlet_id is None:
        # OCPP 2.0.1, E03: who shows his card first has no EVSE yet.
        known = await locate(desk.pool, station, known, outlet)
        station.begins(known)
    if presented is not None and not known.verdict:
        known = await authorise(desk.pool, station, known, presented)
    return known


async def _presented(
    desk: Desk,
    station: KnownStation,
    known: KnownTransaction | None,
    outlet: KnownOutlet | None,
    payload: Payload,
    *,
    now: datetime,
) -> Presented | None:
    token = payload.get("idToken")
    remote_start = payload["transactionInfo"].get("remoteStartId")
    if token is None:
        is_decided = known is not None and bool(known.verdict)
        if remote_start is None or is_decided:
            return None
        return await _carried_out(desk, station, remote_start, now)
    outlet_id = outlet.id if outlet else known.outlet_id if known else None
    asked: dict[str, Any] = {"uid": token["idToken"], "token_type": token["type"], "now": now}
    if outlet_id is None:
        decision = await desk.ask(authorizing.decide_anywhere, station_id=station.id, **asked)
    else:
        decision = await desk.ask(
            authorizing.decide, outlet_id=outlet_id, remote_start_id=remote_start, **asked
        )
    return Presented(token["idToken"], token["type"], decision)


async def _carried_out(
    desk: Desk, station: KnownStation, remote_start: int, now: datetime
) -> Presented | None:
    """Return whose a start is that a station carries out, where it does not say."""
    decision = await desk.ask(
        authorizing.decide_on_start,
        station_id=station.id,
        remote_start_id=remote_start,
        now=now,
    )
    if decision is None or decision.cdr_token is None:
        return None
    return Presented(decision.cdr_token.uid, "", decision)


def _news(station: KnownStation, known: KnownTransaction, event: str) -> tuple[int, ...]:
    if event == "Ended":
        station.ends(known)
        return (known.id,)
    return tuple(station.begins(known)) if event == "Started" else (known.id,)


def _may_wait(payload: Payload) -> bool:
    """Tell whether it is a mere reading: what begins, ends or changes who pays is looked at now."""
    names_who_pays = "idToken" in payload or "remoteStartId" in payload["transactionInfo"]
    return payload["eventType"] == "Updated" and not names_who_pays


def _charging_state(
    known: KnownTransaction, state: str | None, event: str, now: datetime
) -> OutletReport | None:
    if known.outlet_id is None or (state is None and event != "Ended"):
        return None
    return OutletReport(known.outlet_id, now, charging_state="" if event == "Ended" else state)


async def _status(_desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    outlet = station.outlet_of_2_0_1(
        {"id": payload["evseId"], "connectorId": payload["connectorId"]}
    )
    if outlet is None:
        return Answer({}, kept=False)
    return Answer({}, report=OutletReport(outlet.id, now, payload["connectorStatus"]))


async def _report(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    await desk.ask(requests.keep_report, station_id=station.id, payload=payload, now=now)
    return Answer({}, kept=False)


HANDLERS: dict[str, Handler] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "ClearedChargingLimit": told(),
    "DataTransfer": told({"status": "UnknownVendorId"}),
    "FirmwareStatusNotification": boots.progress("firmware_status"),
    # Contracts by Plug & Charge and certificates are not ours to give.
    "Get15118EVCertificate": told({"status": "Failed", "exiResponse": ""}),
    "GetCertificateStatus": told({"status": "Failed"}),
    "Heartbeat": _heartbeat,
    "LogStatusNotification": boots.progress("log_status"),
    "MeterValues": told(),
    "NotifyChargingLimit": told(),
    "NotifyCustomerInformation": told(),
    "NotifyDisplayMessages": told(),
    "NotifyEVChargingNeeds": told({"status": "Rejected"}),
    "NotifyEVChargingSchedule": told({"status": "Accepted"}),
    "NotifyEvent": told(),
    "NotifyMonitoringReport": told(),
    "NotifyReport": _report,
    "PublishFirmwareStatusNotification": told(),
    "ReportChargingProfiles": told(),
    "ReservationStatusUpdate": told(),
    "SecurityEventNotification": told(),
    "SignCertificate": told({"status": "Rejected"}),
    "StatusNotification": _status,
    "TransactionEvent": _transaction_event,
}

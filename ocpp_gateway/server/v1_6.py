"""What a station of OCPP 1.6 is answered with, action by action.

OCPP 1.6, 4 and 6; the security extension is the white paper "Improved security for OCPP 1.6-J".
"""

from datetime import datetime

from ocpp_gateway import authorizing, v1_6
from ocpp_gateway.server import boots
from ocpp_gateway.server.desk import Answer, Desk, Handler, Payload, text_of, told
from ocpp_gateway.server.known import (
    KnownOutlet,
    KnownStation,
    KnownTransaction,
    Presented,
    find_by_number,
    find_by_ref,
    open_transaction,
)
from ocpp_gateway.server.store import OutletReport

_LONGEST_REF = 255
# transactionId is an integer; ours are those of PostgreSQL's bigint.
_MOST = 2**63
_ACCEPTED = {"status": "Accepted"}


async def _boot(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    said = {
        "vendor": payload["chargePointVendor"],
        "model": payload["chargePointModel"],
        "serial_number": payload.get("chargePointSerialNumber")
        or payload.get("chargeBoxSerialNumber"),
        "firmware_version": payload.get("firmwareVersion"),
    }
    return await boots.booted(desk, station, said, "", now)


async def _heartbeat(
    _desk: Desk, _station: KnownStation, _payload: Payload, now: datetime
) -> Answer:
    return Answer({"currentTime": text_of(now)}, kept=False)


async def _authorize(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    decision = await desk.ask(
        authorizing.decide_anywhere,
        station_id=station.id,
        uid=payload["idTag"],
        token_type="",
        now=now,
    )
    return Answer({"idTagInfo": authorizing.id_tag_info(decision)}, kept=False)


async def _start(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    """Open a transaction; one that is told again gets the id that it had (OCPP 1.6, 4.8)."""
    ref = "|".join(
        str(payload[name]) for name in ("connectorId", "timestamp", "meterStart", "idTag")
    )[:_LONGEST_REF]
    outlet = station.outlet_of_1_6(payload["connectorId"])
    known = await find_by_ref(desk.pool, station, ref)
    decision = await _decision(desk, station, outlet, payload["idTag"], now)
    if known is None:
        presented = Presented(payload["idTag"], "", decision)
        known = await open_transaction(desk.pool, station, ref, outlet, presented, now=now)
    news = station.begins(known)
    answer = {"transactionId": known.id, "idTagInfo": authorizing.id_tag_info(decision)}
    return Answer(answer, transaction_id=known.id, news=tuple(news))


async def _decision(
    desk: Desk, station: KnownStation, outlet: KnownOutlet | None, uid: str, now: datetime
) -> authorizing.Decision:
    if outlet is None:
        return await desk.ask(
            authorizing.decide_anywhere, station_id=station.id, uid=uid, token_type="", now=now
        )
    return await desk.ask(authorizing.decide, outlet_id=outlet.id, uid=uid, token_type="", now=now)


async def _meter_values(
    desk: Desk, station: KnownStation, payload: Payload, now: datetime
) -> Answer:
    transaction = await _metered(desk, station, payload, now)
    if transaction is None:
        return Answer({}, kept=False)
    return Answer({}, transaction_id=transaction.id, news=(transaction.id,), patient=True)


async def _metered(
    desk: Desk, station: KnownStation, payload: Payload, now: datetime
) -> KnownTransaction | None:
    """Return the transaction that readings are of.

    One that they do not name goes on at their connector: 0 or -1 is written by stations that have
    no transaction, or whose start has not been answered yet.
    """
    if payload.get("transactionId", 0) > 0:
        return await _named(desk, station, payload, now)
    outlet = station.outlet_of_1_6(payload["connectorId"])
    at_outlet = station.at_outlet.get(outlet.id) if outlet else None
    return None if at_outlet is None else await find_by_number(desk.pool, station, at_outlet)


async def _stop(desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    """End a transaction, whoever ended it: the station has let him (OCPP 1.6, 4.10)."""
    if payload["transactionId"] > 0:
        transaction = await _named(desk, station, payload, now)
    else:
        transaction = await _unnamed(desk, station, payload, now)
    station.ends(transaction)
    answer = {"idTagInfo": _ACCEPTED} if "idTag" in payload else {}
    return Answer(answer, transaction_id=transaction.id, news=(transaction.id,))


async def _named(
    desk: Desk, station: KnownStation, payload: Payload, now: datetime
) -> KnownTransaction:
    """Return the transaction that a message names.

    One that the station never told us the start of is opened: what it delivered counts.
    """
    number = int(payload["transactionId"])
    found = await find_by_number(desk.pool, station, number) if number < _MOST else None
    ref = f"#{number}"
    found = found or await find_by_ref(desk.pool, station, ref)
    outlet = station.outlet_of_1_6(payload.get("connectorId"))
    return found or await open_transaction(desk.pool, station, ref, outlet, None, now=now)


async def _unnamed(
    desk: Desk, station: KnownStation, payload: Payload, now: datetime
) -> KnownTransaction:
    """Return the transaction that a station ends without its id: it got no answer to the start.

    Where only one can be meant it is that one. Otherwise it is one of its own, told from others
    that are ended so: to end another driver's would be worse.
    """
    if len(station.outlets) == 1 and len(station.under_way) == 1:
        found = await find_by_number(desk.pool, station, next(iter(station.under_way)))
        if found is not None:
            return found
    names = ("transactionId", "timestamp", "meterStop", "idTag")
    ref = "|".join(str(payload.get(name, "")) for name in names)
    ref = f"#{ref}"[:_LONGEST_REF]
    known = await find_by_ref(desk.pool, station, ref)
    return known or await open_transaction(desk.pool, station, ref, None, None, now=now)


async def _status(_desk: Desk, station: KnownStation, payload: Payload, now: datetime) -> Answer:
    outlet = station.outlet_of_1_6(payload["connectorId"])
    if outlet is None:
        return Answer({}, kept=False)
    error = "" if payload["errorCode"] == "NoError" else payload["errorCode"]
    details = [payload.get(name, "") for name in ("info", "vendorErrorCode")]
    error = ": ".join(filter(None, [error, *details]))[:100] if error else ""
    report = OutletReport(outlet.id, now, payload["status"], error)
    transaction_id = station.at_outlet.get(outlet.id)
    if transaction_id is None or v1_6.state(payload, arrived_at=now) is None:
        return Answer({}, report=report)
    return Answer(
        {}, transaction_id=transaction_id, news=(transaction_id,), patient=True, report=report
    )


HANDLERS: dict[str, Handler] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "DataTransfer": told({"status": "UnknownVendorId"}),
    "DiagnosticsStatusNotification": boots.progress("log_status"),
    "FirmwareStatusNotification": boots.progress("firmware_status"),
    "Heartbeat": _heartbeat,
    "LogStatusNotification": boots.progress("log_status"),
    "MeterValues": _meter_values,
    "SecurityEventNotification": told(),
    # We are no certificate authority: whoever runs one signs.
    "SignCertificate": told({"status": "Rejected"}),
    "SignedFirmwareStatusNotification": boots.progress("firmware_status"),
    "StartTransaction": _start,
    "StatusNotification": _status,
    "StopTransaction": _stop,
}

"""What a charger of OCPP 2.0.1 says: see OCPP 2.0.1, part 2."""

import base64
from collections.abc import Iterator
from decimal import Decimal

from sandbox.charger.certificates import signing_request
from sandbox.charger.core import Core
from sandbox.charger.link import Outgoing
from sandbox.charger.messages import Info, Judged
from sandbox.charger.outlet import Card, Ending, Outlet, Reservation, Sample, Transaction
from sandbox.charger.signing import ENCODING, METHOD
from sandbox.charger.v1_6 import stamp
from sandbox.charger.wire import Json

SUBPROTOCOL = "ocpp2.0.1"
MALFORMED = "FormatViolation"
LONGEST_TOKEN = 36
_UNITS = {
    "Energy.Active.Import.Register": "Wh",
    "Power.Active.Import": "W",
    "Current.Import": "A",
    "SoC": "Percent",
}


def info_of(body: object) -> Info | None:
    """Read IdTokenInfo."""
    # A CSMS that answers nonsense has not accepted.
    if not isinstance(body, dict):
        return None
    group = body.get("groupIdToken")
    return Info(
        str(body.get("status", "")),
        str(group.get("idToken", "")) if isinstance(group, dict) else "",
    )


def evse(outlet: Outlet) -> Json:
    """Return EVSEType of an outlet."""
    return {"id": outlet.config.evse, "connectorId": outlet.config.connector}


class Messages2_0_1:  # noqa: N801  the version's name has digits and dots
    """Tell, in 2.0.1."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def boot_payload(self, reason: str) -> Json:
        """Return the payload of BootNotification."""
        config = self._core.config
        return {
            "reason": reason,
            "chargingStation": {
                "vendorName": config.vendor[:50],
                "model": config.model[:20],
                "serialNumber": config.identity[:25],
                "firmwareVersion": self._core.firmware[:50],
            },
        }

    def authorize_payload(self, card: Card) -> Json:
        """Return the payload of Authorize."""
        return {"idToken": _token(card)}

    def info(self, answer: Json) -> Info | None:
        """Return what an answer says of a card."""
        return info_of(answer.get("idTokenInfo"))

    def status(self, outlet: Outlet) -> str:
        """Return ConnectorStatusEnumType (OCPP 2.0.1, G01)."""
        if outlet.fault:
            return "Faulted"
        if not outlet.is_operative and outlet.transaction is None:
            return "Unavailable"
        if outlet.vehicle is not None:
            return "Occupied"
        return "Reserved" if outlet.reservation is not None else "Available"

    def tell_status(self, outlet: Outlet) -> None:
        """Send StatusNotification."""
        payload = {
            "timestamp": stamp(self._core.link.now()),
            "connectorStatus": self.status(outlet),
            "evseId": outlet.config.evse,
            "connectorId": outlet.config.connector,
        }
        self._say("StatusNotification", payload)

    def tell_station(self) -> None:
        """Say nothing: 2.0.1 has statuses of connectors only."""

    def started(
        self, outlet: Outlet, transaction: Transaction, trigger: str, judged: Judged
    ) -> None:
        """Send TransactionEvent Started."""
        body = self._event("Started", transaction, trigger, [transaction.begin])
        body["timestamp"] = stamp(transaction.began)
        body["evse"] = evse(outlet)
        if transaction.reservation_id is not None:
            body["reservationId"] = transaction.reservation_id
        self._add_card(body, transaction)
        self._tell(body, judged)

    def authorized(
        self, outlet: Outlet, transaction: Transaction, trigger: str, judged: Judged
    ) -> None:
        """Send TransactionEvent Updated with the card."""
        body = self._event("Updated", transaction, trigger, [])
        body["evse"] = evse(outlet)
        if transaction.reservation_id is not None:
            body["reservationId"] = transaction.reservation_id
        self._add_card(body, transaction)
        self._tell(body, judged)

    def state_changed(self, outlet: Outlet, transaction: Transaction) -> None:
        """Send TransactionEvent Updated with another chargingState."""
        self._tell(self._event("Updated", transaction, "ChargingStateChanged", []))

    def sampled(
        self, outlet: Outlet, transaction: Transaction | None, sample: Sample, trigger: str
    ) -> None:
        """Send TransactionEvent Updated with the values, or MeterValues without a transaction."""
        if transaction is not None:
            self._tell(self._event("Updated", transaction, trigger, [sample]))
            return
        body = {"evseId": outlet.config.evse, "meterValue": [self._meter_value(sample)]}
        self._say("MeterValues", body)

    def ended(
        self,
        outlet: Outlet,
        transaction: Transaction,
        ending: Ending,
        sample: Sample,
        card: Card | None,
    ) -> None:
        """Send TransactionEvent Ended."""
        body = self._event("Ended", transaction, ending.trigger, [sample])
        body["timestamp"] = stamp(sample.at)
        info = body["transactionInfo"]
        # A state of the way out: with the authorization gone nothing flows.
        info["chargingState"] = "Idle" if ending is Ending.UNPLUGGED else "EVConnected"
        info["stoppedReason"] = ending.stopped_reason
        body["evse"] = evse(outlet)
        if card is not None:
            body["idToken"] = _token(card)
        self._tell(body)

    def reservation_ended(self, reservation: Reservation, status: str) -> None:
        """Send ReservationStatusUpdate."""
        payload = {"reservationId": reservation.id, "reservationUpdateStatus": status}
        self._say("ReservationStatusUpdate", payload)

    def firmware_status(self, status: str, request_id: int | None) -> None:
        """Send FirmwareStatusNotification."""
        payload = {"status": status} | ({} if request_id is None else {"requestId": request_id})
        self._core.link.put(Outgoing("FirmwareStatusNotification", lambda: payload, kept=True))

    def log_status(self, status: str, request_id: int | None) -> None:
        """Send LogStatusNotification."""
        payload = {"status": status} | ({} if request_id is None else {"requestId": request_id})
        self._say("LogStatusNotification", payload)

    def sign_certificate(self) -> None:
        """Send SignCertificate."""
        payload = {
            "csr": signing_request(self._core.config.identity, ""),
            "certificateType": "ChargingStationCertificate",
        }
        self._say("SignCertificate", payload)

    def _say(self, action: str, payload: Json) -> None:
        self._core.link.put(Outgoing(action, lambda: payload))

    def _tell(self, body: Json, judged: Judged | None = None) -> None:
        message = Outgoing("TransactionEvent", lambda: body, kept=True)

        def answered(answer: Json) -> None:
            info = self.info(answer)
            if info is not None and judged is not None:
                judged(info)

        message.on_answer = answered
        self._core.link.put(message)

    def _event(
        self, kind: str, transaction: Transaction, trigger: str, samples: list[Sample]
    ) -> Json:
        body: Json = {
            "eventType": kind,
            "timestamp": stamp(self._core.link.now()),
            "triggerReason": trigger,
            "seqNo": transaction.next_seq_no(),
            "transactionInfo": {
                "transactionId": transaction.id,
                "chargingState": transaction.state,
            },
        }
        if not self._core.link.is_online:
            body["offline"] = True
        if transaction.remote_start_id is not None:
            body["transactionInfo"]["remoteStartId"] = transaction.remote_start_id
        if samples:
            body["meterValue"] = [self._meter_value(sample) for sample in samples]
        return body

    def _add_card(self, body: Json, transaction: Transaction) -> None:
        if transaction.card is not None:
            body["idToken"] = _token(transaction.card)

    def _meter_value(self, sample: Sample) -> Json:
        wanted = self._core.variables.members("MeterValuesSampledData")
        values: list[Json] = [
            {
                "value": value,
                "context": sample.context,
                "measurand": measurand,
                "location": "EV" if measurand == "SoC" else "Outlet",
                "unitOfMeasure": {"unit": _UNITS[measurand]},
                **({"phase": phase} if phase else {}),
            }
            for measurand, phase, value in _values(sample)
            # The register is always there: it is what is paid for.
            if measurand.startswith("Energy") or measurand in wanted
        ]
        if sample.signed:
            values[0]["signedMeterValue"] = {
                "signedMeterData": base64.b64encode(sample.signed.encode()).decode(),
                "signingMethod": METHOD,
                "encodingMethod": ENCODING,
                "publicKey": self._core.signer.public_key_base64,
            }
        return {"timestamp": stamp(sample.at), "sampledValue": values}


def _values(sample: Sample) -> Iterator[tuple[str, str, Decimal | int]]:
    yield "Energy.Active.Import.Register", "", sample.wh
    yield "Power.Active.Import", "", sample.power_w
    for phase, current in sample.currents:
        yield "Current.Import", phase, current
    if sample.percent is not None:
        yield "SoC", "", sample.percent


def _token(card: Card) -> Json:
    return {"idToken": card.uid[:LONGEST_TOKEN], "type": card.kind}

"""What a charger of OCPP 1.6 says: see OCPP 1.6, 4, and its security whitepaper."""

from collections.abc import Callable, Iterator
from datetime import datetime

from sandbox.charger.certificates import signing_request
from sandbox.charger.core import Core
from sandbox.charger.link import Outgoing
from sandbox.charger.messages import Info, Judged
from sandbox.charger.outlet import Card, Ending, Outlet, Reservation, Sample, Transaction
from sandbox.charger.wire import Json

SUBPROTOCOL = "ocpp1.6"
# Sic.
MALFORMED = "FormationViolation"
LONGEST_TAG = 20
# What a charger says that never heard which transaction it was.
_NO_TRANSACTION = -1
_UNITS = {
    "Energy.Active.Import.Register": "Wh",
    "Power.Active.Import": "W",
    "Current.Import": "A",
    "SoC": "Percent",
}
_STATES = {"Charging": "Charging", "SuspendedEV": "SuspendedEV", "SuspendedEVSE": "SuspendedEVSE"}


def stamp(at: datetime) -> str:
    """Write a time as OCPP does, with milliseconds."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def info_of(body: object) -> Info | None:
    """Read IdTagInfo."""
    # A CSMS that answers nonsense has not accepted.
    if not isinstance(body, dict):
        return None
    return Info(str(body.get("status", "")), str(body.get("parentIdTag", "")))


class Messages1_6:  # noqa: N801  the version's name has a digit and a dot
    """Tell, in 1.6."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def boot_payload(self, reason: str) -> Json:
        """Return the payload of BootNotification."""
        config = self._core.config
        return {
            "chargePointVendor": config.vendor[:20],
            "chargePointModel": config.model[:20],
            "chargePointSerialNumber": config.identity[:25],
            "firmwareVersion": self._core.firmware[:50],
            "meterType": "Sandbox",
        }

    def authorize_payload(self, card: Card) -> Json:
        """Return the payload of Authorize."""
        return {"idTag": card.uid[:LONGEST_TAG]}

    def info(self, answer: Json) -> Info | None:
        """Return what an answer says of a card."""
        return info_of(answer.get("idTagInfo"))

    def status(self, outlet: Outlet) -> str:
        """Return ChargePointStatus (OCPP 1.6, 4.9)."""
        if outlet.fault:
            return "Faulted"
        if outlet.transaction is not None:
            return _STATES.get(outlet.transaction.state, "Preparing")
        if not outlet.is_operative:
            return "Unavailable"
        if outlet.vehicle is not None:
            return "Finishing" if outlet.is_finishing else "Preparing"
        if outlet.permission is not None:
            return "Preparing"
        return "Reserved" if outlet.reservation is not None else "Available"

    def tell_status(self, outlet: Outlet) -> None:
        """Send StatusNotification of a connector."""
        self._status(outlet.number, self.status(outlet), outlet.fault)

    def tell_station(self) -> None:
        """Send StatusNotification of the whole charger."""
        is_operative = any(outlet.is_operative for outlet in self._core.outlets)
        self._status(0, "Available" if is_operative else "Unavailable", "")

    def started(
        self, outlet: Outlet, transaction: Transaction, trigger: str, judged: Judged
    ) -> None:
        """Send StartTransaction, and take the id that it is answered with."""
        payload = {
            "connectorId": outlet.number,
            "idTag": _tag(transaction.card),
            "meterStart": int(transaction.begin.wh),
            "timestamp": stamp(transaction.began),
        }
        if transaction.reservation_id is not None:
            payload["reservationId"] = transaction.reservation_id

        def answered(answer: Json) -> None:
            transaction.number = answer.get("transactionId")
            info = self.info(answer)
            if info is not None:
                judged(info)

        self._keep("StartTransaction", payload, answered)

    def authorized(
        self, outlet: Outlet, transaction: Transaction, trigger: str, judged: Judged
    ) -> None:
        """Say nothing: every transaction of 1.6 begins with a card."""

    def state_changed(self, outlet: Outlet, transaction: Transaction) -> None:
        """Say nothing: the status of the connector does."""

    def sampled(
        self, outlet: Outlet, transaction: Transaction | None, sample: Sample, trigger: str
    ) -> None:
        """Send MeterValues."""
        meter_value = [self._meter_value(sample)]

        def payload() -> Json:
            body: Json = {"connectorId": outlet.number, "meterValue": meter_value}
            if transaction is not None and transaction.number is not None:
                body["transactionId"] = transaction.number
            return body

        self._core.link.put(Outgoing("MeterValues", payload, kept=transaction is not None))

    def ended(
        self,
        outlet: Outlet,
        transaction: Transaction,
        ending: Ending,
        sample: Sample,
        card: Card | None,
    ) -> None:
        """Send StopTransaction, with the readings at the begin and at the end."""
        body: Json = {
            "meterStop": int(sample.wh),
            "timestamp": stamp(sample.at),
            "reason": ending.reason,
            "transactionData": [
                self._meter_value(transaction.begin, is_bound=True),
                self._meter_value(sample, is_bound=True),
            ],
        }
        if card is not None:
            body["idTag"] = _tag(card)

        def payload() -> Json:
            number = transaction.number
            return {"transactionId": _NO_TRANSACTION if number is None else number, **body}

        self._core.link.put(Outgoing("StopTransaction", payload, kept=True))

    def reservation_ended(self, reservation: Reservation, status: str) -> None:
        """Say nothing: the status of the connector does."""

    def firmware_status(self, status: str, request_id: int | None) -> None:
        """Send FirmwareStatusNotification, or its signed sister."""
        if request_id is None:
            self._keep("FirmwareStatusNotification", {"status": status})
        else:
            payload = {"status": status, "requestId": request_id}
            self._keep("SignedFirmwareStatusNotification", payload)

    def log_status(self, status: str, request_id: int | None) -> None:
        """Send DiagnosticsStatusNotification, or LogStatusNotification."""
        if request_id is None:
            self._say("DiagnosticsStatusNotification", {"status": status})
        else:
            self._say("LogStatusNotification", {"status": status, "requestId": request_id})

    def sign_certificate(self) -> None:
        """Send SignCertificate."""
        self._say("SignCertificate", {"csr": signing_request(self._core.config.identity, "")})

    def _status(self, connector: int, status: str, fault: str) -> None:
        payload = {
            "connectorId": connector,
            "errorCode": fault or "NoError",
            "status": status,
            "timestamp": stamp(self._core.link.now()),
        }
        self._say("StatusNotification", payload)

    def _say(self, action: str, payload: Json) -> None:
        self._core.link.put(Outgoing(action, lambda: payload))

    def _keep(
        self, action: str, payload: Json, answered: Callable[[Json], None] | None = None
    ) -> None:
        message = Outgoing(action, lambda: payload, kept=True)
        if answered is not None:
            message.on_answer = answered
        self._core.link.put(message)

    def _meter_value(self, sample: Sample, *, is_bound: bool = False) -> Json:
        wanted = self._core.variables.members("MeterValuesSampledData")
        values = [
            {
                "value": value,
                "context": sample.context,
                "measurand": measurand,
                "location": "EV" if measurand == "SoC" else "Outlet",
                "unit": _UNITS[measurand],
                **({"phase": phase} if phase else {}),
            }
            for measurand, phase, value in _values(sample)
            # The register is what a transaction begins and ends with, whatever is set.
            if (measurand.startswith("Energy") if is_bound else measurand in wanted)
        ]
        if sample.signed:
            values.append(
                {"value": sample.signed, "context": sample.context, "format": "SignedData"}
            )
        # A meter value without values is none.
        return {"timestamp": stamp(sample.at), "sampledValue": values or [_register(sample)]}


def _values(sample: Sample) -> Iterator[tuple[str, str, str]]:
    yield "Energy.Active.Import.Register", "", format(sample.wh, "f")
    yield "Power.Active.Import", "", format(sample.power_w, "f")
    for phase, current in sample.currents:
        yield "Current.Import", phase, format(current, "f")
    if sample.percent is not None:
        yield "SoC", "", str(sample.percent)


def _register(sample: Sample) -> Json:
    return {"value": format(sample.wh, "f"), "context": sample.context}


def _tag(card: Card | None) -> str:
    return "" if card is None else card.uid[:LONGEST_TAG]

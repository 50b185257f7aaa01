"""Stations at outlets of ours, and what they say: kept as the gateway keeps it.

Registers are Wh, moments are minutes after `NOW`; what a station says arrives at that moment unless
`arrived` says otherwise.
"""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from cpo_platform.common.shapes import CdrToken, plain
from locations.models import Connector
from ocpp_gateway.frames import Version
from ocpp_gateway.models import (
    Direction,
    News,
    Outlet,
    Station,
    StationMessage,
    StationState,
    Transaction,
)
from ocpp_gateway.operations import digesting
from ocpp_gateway.operations.digesting import Outcome
from sessions_app.models import Cdr, Session
from tests.factories import NOW, LocationFactory, cdr_token

Json = dict[str, Any]


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def stamp(number: float) -> str:
    return minute(number).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_outlet(version: Version = Version.V1_6, *, public_key: str = "", **fields: Any) -> Outlet:
    """Return the one outlet of a station in service; `fields` are its location's."""
    location = LocationFactory(**fields)
    station = Station.objects.create(
        identity=f"STATION-{location.pk}",
        state=StationState.PLACED,
        location=location,
        ocpp_version=version,
        serial_number="METER-1",
    )
    return Outlet.objects.create(
        station=station,
        connector=Connector.objects.get(evse__location=location),
        ordinal=1,
        evse_number=1,
        connector_number=1,
        public_key=public_key,
    )


class Charge:
    """A transaction at an outlet, allowed unless said otherwise, and what is said of it."""

    def __init__(
        self,
        outlet: Outlet,
        *,
        opened: float = 0,
        token: CdrToken | None = None,
        **fields: Any,
    ) -> None:
        version = Version(outlet.station.ocpp_version)
        values: Json = {
            "outlet": outlet,
            "verdict": "ALLOWED",
            "cdr_token": plain(CdrToken, token or cdr_token()),
            "auth_method": "WHITELIST",
            "authorization_reference": "REF-1",
        }
        self.outlet, self.station = outlet, outlet.station
        self.version = version
        self.row = Transaction.objects.create(
            station=outlet.station,
            ref=f"ref-{Transaction.objects.count()}",
            ocpp_version=version,
            opened_at=minute(opened),
            **(values | fields),
        )

    # 1.6

    def start(self, at: float = 0, wh: int = 10_000, **how: Any) -> None:
        payload = {
            "connectorId": 1,
            "idTag": "04AA",
            "meterStart": wh,
            "timestamp": stamp(how.pop("stamped", at)),
        }
        self.say("StartTransaction", payload, at=at, **how)

    def meter(self, at: float, wh: str, signed: str = "", **how: Any) -> None:
        value: Json = {"value": wh}
        if signed:
            context = how.pop("context", "Sample.Periodic")
            value = {"value": signed, "format": "SignedData", "context": context}
        taken = [{"timestamp": stamp(how.pop("stamped", at)), "sampledValue": [value]}]
        payload = {"connectorId": 1, "transactionId": self.row.pk, "meterValue": taken}
        self.say("MeterValues", payload, at=at, **how)

    def stop(self, at: float, wh: int, reason: str = "EVDisconnected", **how: Any) -> None:
        payload = {
            "transactionId": self.row.pk,
            "meterStop": wh,
            "timestamp": stamp(how.pop("stamped", at)),
            "reason": reason,
        }
        self.say("StopTransaction", payload, at=at, **how)

    # 2.0.1

    def event(
        self,
        seq_no: int,
        kind: str,
        at: float,
        wh: float | None = None,
        *,
        state: str = "",
        signed: Json | None = None,
        context: str = "Sample.Periodic",
        **how: Any,
    ) -> None:
        when = stamp(how.pop("stamped", at))
        info = {"transactionId": "f00d"} | ({"chargingState": state} if state else {})
        payload: Json = {
            "eventType": kind,
            "timestamp": when,
            "triggerReason": "MeterValuePeriodic",
            "seqNo": seq_no,
            "transactionInfo": info,
            "evse": {"id": 1, "connectorId": 1},
        }
        if wh is not None:
            value: Json = {"value": wh, "context": context}
            if signed is not None:
                value["signedMeterValue"] = signed
            payload["meterValue"] = [{"timestamp": when, "sampledValue": [value]}]
        self.say("TransactionEvent", payload, at=at, **how)

    # What the gateway does

    def say(
        self,
        action: str,
        payload: Json,
        *,
        at: float,
        arrived: float | None = None,
        error: str = "",
    ) -> None:
        """Keep a message of the transaction, and that it is news."""
        moment = minute(at if arrived is None else arrived)
        keep(self.station, action, payload, at=moment, transaction=self.row, error=error)
        News.objects.create(transaction=self.row, due_at=moment)

    def boot(self, at: float) -> None:
        """Keep a boot of the station, which is news to what is open."""
        payload = {"chargePointModel": "Wallbox", "chargePointVendor": "Acme"}
        keep(self.station, "BootNotification", payload, at=minute(at))
        News.objects.create(transaction=self.row, due_at=minute(at))

    # What becomes of it

    def digest(self, at: float) -> Outcome:
        return digesting.digest(transaction_id=self.row.pk, now=minute(at))

    def now(self) -> Transaction:
        return Transaction.objects.select_related("session").get(pk=self.row.pk)

    @property
    def session(self) -> Session:
        session = self.now().session
        assert session is not None
        return session

    @property
    def cdr(self) -> Cdr:
        return Cdr.objects.get(session=self.session)

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.now().findings]


def keep(
    station: Station,
    action: str,
    payload: Json,
    *,
    at: datetime,
    transaction: Transaction | None = None,
    error: str = "",
) -> None:
    StationMessage.objects.create(
        station=station,
        transaction=transaction,
        at=at,
        direction=Direction.IN,
        ocpp_version=station.ocpp_version,
        action=action,
        unique_id="1",
        payload=json.dumps(payload),
        error=error,
    )


def allow(charge: Charge) -> None:
    """Let the token be presented, and allowed: that is news, too."""
    Transaction.objects.filter(pk=charge.row.pk).update(
        verdict="ALLOWED", cdr_token=plain(CdrToken, cdr_token())
    )


def registers(session: Session) -> list[tuple[datetime, Decimal]]:
    return list(session.meter_readings.order_by("at").values_list("at", "kwh"))

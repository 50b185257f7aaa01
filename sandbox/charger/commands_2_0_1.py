"""The calls of a CSMS of OCPP 2.0.1 about charging and the station: part 2, blocks B to P."""

from collections.abc import Callable, Sequence
from functools import partial

from sandbox.charger import profiles
from sandbox.charger.authorizing import Authorizing
from sandbox.charger.charging import Charging
from sandbox.charger.commands import (
    Commands,
    integer,
    moment,
    one_of,
    optional_integer,
    text,
)
from sandbox.charger.core import Core
from sandbox.charger.device_model import DeviceModel
from sandbox.charger.displays import Displays
from sandbox.charger.messages import Info
from sandbox.charger.orders import REJECTED, Orders
from sandbox.charger.outlet import Card, Outlet
from sandbox.charger.v1_6 import stamp
from sandbox.charger.v2_0_1 import MALFORMED, Messages2_0_1, info_of
from sandbox.charger.wire import Json

_ACCEPTED: Json = {"status": "Accepted"}
_REJECTED: Json = {"status": REJECTED}


def card_of(payload: Json) -> Card:
    """Read idToken and groupIdToken."""
    token = payload["idToken"]
    group = payload.get("groupIdToken", {}).get("idToken", "")
    return Card(text(token, "idToken"), text(token, "type"), group)


class Commands2_0_1(Commands):  # noqa: N801  the version's name has digits and dots
    """Answer, in 2.0.1."""

    def __init__(
        self,
        core: Core,
        messages: Messages2_0_1,
        charging: Charging,
        orders: Orders,
        authorizing: Authorizing,
    ) -> None:
        self._core = core
        self._messages = messages
        self._charging = charging
        self._orders = orders
        self._authorizing = authorizing
        super().__init__(
            {
                **DeviceModel(core, orders).handlers(),
                **Displays(core).handlers(),
                "CancelReservation": self._cancel_reservation,
                "CertificateSigned": self._certificate_signed,
                "ChangeAvailability": self._change_availability,
                "ClearCache": self._clear_cache,
                "ClearChargingProfile": self._clear_charging_profile,
                "CostUpdated": self._cost_updated,
                "DataTransfer": self._data_transfer,
                "DeleteCertificate": self._delete_certificate,
                "GetCompositeSchedule": self._get_composite_schedule,
                "GetInstalledCertificateIds": self._get_installed_certificate_ids,
                "GetLocalListVersion": self._get_local_list_version,
                "GetLog": self._get_log,
                "GetTransactionStatus": self._get_transaction_status,
                "InstallCertificate": self._install_certificate,
                "RequestStartTransaction": self._request_start,
                "RequestStopTransaction": self._request_stop,
                "ReserveNow": self._reserve_now,
                "Reset": self._reset,
                "SendLocalList": self._send_local_list,
                "SetChargingProfile": self._set_charging_profile,
                "TriggerMessage": self._trigger_message,
                "UnlockConnector": self._unlock_connector,
                "UpdateFirmware": self._update_firmware,
            },
            MALFORMED,
        )

    def _of_evse(self, evse_id: int, connector_id: int | None = None) -> list[Outlet]:
        """Find the outlets of an EVSE, or one of them."""
        return [
            one
            for one in self._core.outlets
            if one.config.evse == evse_id and connector_id in {None, one.config.connector}
        ]

    def _of_evse_field(self, payload: Json) -> list[Outlet]:
        """Find the outlets that `evse` names: all where there is none."""
        if "evse" not in payload:
            return self._core.outlets
        evse = payload["evse"]
        return self._of_evse(integer(evse, "id"), optional_integer(evse, "connectorId"))

    # Transactions and reservations

    def _request_start(self, payload: Json) -> Json:
        card, remote_start_id = card_of(payload), integer(payload, "remoteStartId")
        evse_id = optional_integer(payload, "evseId")
        profile = None
        if "chargingProfile" in payload:
            profile = profiles.parse(payload["chargingProfile"], outlet=0)
        outlets = self._core.outlets if evse_id is None else self._of_evse(evse_id)
        for outlet in outlets:
            chosen = self._orders.start(
                outlet, card, remote_start_id=remote_start_id, profile=profile
            )
            if chosen is not None:
                transaction = chosen.transaction
                known = {} if transaction is None else {"transactionId": transaction.id}
                return _ACCEPTED | known
        return _REJECTED

    def _request_stop(self, payload: Json) -> Json:
        wanted = text(payload, "transactionId")
        return _ACCEPTED if self._orders.stop(lambda one, _: one == wanted) else _REJECTED

    def _get_transaction_status(self, payload: Json) -> Json:
        body: Json = {"messagesInQueue": self._core.link.has_kept}
        if "transactionId" in payload:
            ids = {transaction.id for _, transaction in self._core.transactions()}
            body["ongoingIndicator"] = text(payload, "transactionId") in ids
        return body

    def _unlock_connector(self, payload: Json) -> Json:
        found = self._of_evse(integer(payload, "evseId"), integer(payload, "connectorId"))
        if not found:
            return {"status": "UnknownConnector"}
        transaction = found[0].transaction
        if transaction is not None and transaction.card is not None:
            return {"status": "OngoingAuthorizedTransaction"}
        return {"status": "Unlocked"}

    def _reserve_now(self, payload: Json) -> Json:
        reservation_id, expires_at = integer(payload, "id"), moment(payload, "expiryDateTime")
        card, evse_id = card_of(payload), optional_integer(payload, "evseId")
        outlets = self._core.outlets if evse_id is None else self._of_evse(evse_id)
        status = REJECTED
        for outlet in outlets:
            status = self._orders.reserve(outlet, reservation_id, card, expires_at)
            if status == "Accepted":
                break
        return {"status": status}

    def _cancel_reservation(self, payload: Json) -> Json:
        return _ACCEPTED if self._orders.cancel(integer(payload, "reservationId")) else _REJECTED

    def _cost_updated(self, payload: Json) -> Json:
        text(payload, "transactionId")
        return {}

    # The station

    def _change_availability(self, payload: Json) -> Json:
        status = one_of(payload, "operationalStatus", "Operative", "Inoperative")
        outlets = self._of_evse_field(payload)
        if not outlets:
            return _REJECTED
        is_operative = status == "Operative"
        return {"status": self._orders.make_available(outlets, is_operative=is_operative)}

    def _reset(self, payload: Json) -> Json:
        kind = one_of(payload, "type", "Immediate", "OnIdle")
        # One EVSE cannot be reset by itself here: EVSE.AllowReset is not supported.
        if "evseId" in payload:
            return _REJECTED
        if kind == "OnIdle":
            return {"status": "Scheduled"} if self._orders.reset_when_idle() else _ACCEPTED
        self._orders.reset(is_soft=True)
        return _ACCEPTED

    def _trigger_message(self, payload: Json) -> Json:
        wanted, outlets = text(payload, "requestedMessage"), self._of_evse_field(payload)
        if not outlets:
            return _REJECTED
        core, messages = self._core, self._messages
        known: dict[str, Callable[[], None]] = {
            "BootNotification": core.link.boot_at_once,
            "FirmwareStatusNotification": partial(messages.firmware_status, "Idle", None),
            "Heartbeat": core.link.beat,
            "LogStatusNotification": partial(messages.log_status, "Idle", None),
            "MeterValues": partial(self._tell_meters, outlets),
            "SignChargingStationCertificate": messages.sign_certificate,
            "StatusNotification": partial(self._tell_statuses, outlets),
            "TransactionEvent": partial(self._tell_transactions, outlets),
        }
        if wanted not in known:
            return {"status": "NotImplemented"}
        core.promise(known[wanted])
        return _ACCEPTED

    def _tell_statuses(self, outlets: Sequence[Outlet]) -> None:
        for outlet in outlets:
            self._charging.show(outlet, again=True)

    def _tell_meters(self, outlets: Sequence[Outlet]) -> None:
        for outlet in outlets:
            sample = self._charging.read(outlet, "Trigger")
            self._messages.sampled(outlet, None, sample, "Trigger")

    def _tell_transactions(self, outlets: Sequence[Outlet]) -> None:
        for outlet in outlets:
            if outlet.transaction is not None:
                self._charging.tell_meter(outlet, "Trigger", "Trigger")

    def _data_transfer(self, payload: Json) -> Json:
        is_ours = text(payload, "vendorId") == self._core.config.vendor
        return _ACCEPTED if is_ours else {"status": "UnknownVendorId"}

    # Cards

    def _clear_cache(self, _payload: Json) -> Json:
        self._authorizing.forget()
        return _ACCEPTED

    def _get_local_list_version(self, _payload: Json) -> Json:
        return {"versionNumber": self._authorizing.list_version}

    def _send_local_list(self, payload: Json) -> Json:
        version = integer(payload, "versionNumber")
        is_full = one_of(payload, "updateType", "Full", "Differential") == "Full"
        entries: list[tuple[str, Info | None]] = [
            (text(entry["idToken"], "idToken"), info_of(entry.get("idTokenInfo")))
            for entry in payload.get("localAuthorizationList", [])
        ]
        return {"status": self._authorizing.update(version, entries, is_full=is_full)}

    # Charging profiles

    def _set_charging_profile(self, payload: Json) -> Json:
        evse_id = integer(payload, "evseId")
        parsed = profiles.parse(payload["chargingProfile"], outlet=0)
        if evse_id == 0:
            return {"status": self._orders.set_profile(parsed)}
        outlets = self._of_evse(evse_id)
        # A transaction runs at one of the connectors of the EVSE, if at any.
        busy = [one for one in outlets if one.transaction is not None]
        if not outlets:
            return _REJECTED
        outlet = (busy or outlets)[0]
        profile = profiles.parse(payload["chargingProfile"], outlet=outlet.number)
        return {"status": self._orders.set_profile(profile)}

    def _clear_charging_profile(self, payload: Json) -> Json:
        criteria = payload.get("chargingProfileCriteria", {})
        evse_id = optional_integer(criteria, "evseId")
        numbers: list[int | None] = [None]
        if evse_id is not None:
            numbers = [one.number for one in self._of_evse(evse_id)] if evse_id else [0]
        statuses = {
            self._orders.clear_profiles(
                profile_id=optional_integer(payload, "chargingProfileId"),
                outlet=number,
                purpose=criteria.get("chargingProfilePurpose"),
                stack_level=optional_integer(criteria, "stackLevel"),
            )
            for number in numbers
        }
        return {"status": "Accepted" if "Accepted" in statuses else "Unknown"}

    def _get_composite_schedule(self, payload: Json) -> Json:
        evse_id, seconds = integer(payload, "evseId"), integer(payload, "duration")
        unit = payload.get("chargingRateUnit", "W")
        outlets = self._of_evse(evse_id)
        if evse_id != 0 and not outlets:
            return _REJECTED
        number = outlets[0].number if outlets else 0
        return {
            "status": "Accepted",
            "schedule": {
                "evseId": evse_id,
                "duration": seconds,
                "scheduleStart": stamp(self._core.link.now()),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [
                    {"startPeriod": at, "limit": limit}
                    for at, limit in self._orders.composite(number, seconds, unit)
                ],
            },
        }

    # Firmware, logs, certificates

    def _update_firmware(self, payload: Json) -> Json:
        request_id, location = integer(payload, "requestId"), text(payload["firmware"], "location")
        self._core.promise(partial(self._orders.update_firmware, location, request_id))
        return _ACCEPTED

    def _get_log(self, payload: Json) -> Json:
        request_id, location = integer(payload, "requestId"), text(payload["log"], "remoteLocation")
        self._core.promise(partial(self._orders.upload_log, location, request_id))
        return {"status": "Accepted", "filename": f"{self._core.config.identity}.log"[:255]}

    def _install_certificate(self, payload: Json) -> Json:
        kind, pem = text(payload, "certificateType"), text(payload, "certificate")
        return _ACCEPTED if self._core.certificates.install(kind, pem) else _REJECTED

    def _get_installed_certificate_ids(self, payload: Json) -> Json:
        kinds = payload.get("certificateType")
        chains = [
            {"certificateType": kind, "certificateHashData": data}
            for kind, data in self._core.certificates.ids(None if kinds is None else set(kinds))
            # The charger's own is no root.
            if kind != "Own"
        ]
        if not chains:
            return {"status": "NotFound"}
        return {"status": "Accepted", "certificateHashDataChain": chains}

    def _delete_certificate(self, payload: Json) -> Json:
        is_found = self._core.certificates.delete(payload["certificateHashData"])
        return {"status": "Accepted" if is_found else "NotFound"}

    def _certificate_signed(self, payload: Json) -> Json:
        pem = text(payload, "certificateChain")
        return _ACCEPTED if self._core.certificates.install("Own", pem) else _REJECTED

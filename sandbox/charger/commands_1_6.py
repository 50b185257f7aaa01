"""The calls of a CSMS of OCPP 1.6, and of its security whitepaper, by section 5's table."""

from collections.abc import Callable
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
from sandbox.charger.messages import Info
from sandbox.charger.orders import REJECTED, Orders
from sandbox.charger.outlet import Card, Outlet
from sandbox.charger.v1_6 import MALFORMED, Messages1_6, info_of, stamp
from sandbox.charger.wire import Json

_ACCEPTED: Json = {"status": "Accepted"}
_REJECTED: Json = {"status": REJECTED}


class Commands1_6(Commands):  # noqa: N801  the version's name has a digit and a dot
    """Answer, in 1.6."""

    def __init__(
        self,
        core: Core,
        messages: Messages1_6,
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
                "CancelReservation": self._cancel_reservation,
                "CertificateSigned": self._certificate_signed,
                "ChangeAvailability": self._change_availability,
                "ChangeConfiguration": self._change_configuration,
                "ClearCache": self._clear_cache,
                "ClearChargingProfile": self._clear_charging_profile,
                "DataTransfer": self._data_transfer,
                "DeleteCertificate": self._delete_certificate,
                "ExtendedTriggerMessage": self._trigger_message,
                "GetCompositeSchedule": self._get_composite_schedule,
                "GetConfiguration": self._get_configuration,
                "GetDiagnostics": self._get_diagnostics,
                "GetInstalledCertificateIds": self._get_installed_certificate_ids,
                "GetLocalListVersion": self._get_local_list_version,
                "GetLog": self._get_log,
                "InstallCertificate": self._install_certificate,
                "RemoteStartTransaction": self._remote_start,
                "RemoteStopTransaction": self._remote_stop,
                "ReserveNow": self._reserve_now,
                "Reset": self._reset,
                "SendLocalList": self._send_local_list,
                "SetChargingProfile": self._set_charging_profile,
                "SignedUpdateFirmware": self._signed_update_firmware,
                "TriggerMessage": self._trigger_message,
                "UnlockConnector": self._unlock_connector,
                "UpdateFirmware": self._update_firmware,
            },
            MALFORMED,
        )

    def _outlet(self, payload: Json) -> Outlet | None:
        return self._core.outlet(integer(payload, "connectorId"))

    # Transactions and reservations

    def _remote_start(self, payload: Json) -> Json:
        card, number = Card(text(payload, "idTag")), optional_integer(payload, "connectorId")
        outlet = None if number is None else self._core.outlet(number)
        profile = None
        if "chargingProfile" in payload:
            profile = profiles.parse(payload["chargingProfile"], outlet=0)
        if number is not None and outlet is None:
            return _REJECTED
        return _ACCEPTED if self._orders.start(outlet, card, profile=profile) else _REJECTED

    def _remote_stop(self, payload: Json) -> Json:
        wanted = integer(payload, "transactionId")
        return _ACCEPTED if self._orders.stop(lambda _, number: number == wanted) else _REJECTED

    def _unlock_connector(self, payload: Json) -> Json:
        outlet = self._outlet(payload)
        if outlet is None:
            return {"status": "NotSupported"}
        self._orders.unlock(outlet)
        return {"status": "Unlocked"}

    def _reserve_now(self, payload: Json) -> Json:
        card = Card(text(payload, "idTag"), group=payload.get("parentIdTag", ""))
        reservation_id, expires_at = (
            integer(payload, "reservationId"),
            moment(payload, "expiryDate"),
        )
        outlet = self._outlet(payload)
        # ReserveConnectorZeroSupported is false.
        if outlet is None:
            return _REJECTED
        return {"status": self._orders.reserve(outlet, reservation_id, card, expires_at)}

    def _cancel_reservation(self, payload: Json) -> Json:
        return _ACCEPTED if self._orders.cancel(integer(payload, "reservationId")) else _REJECTED

    # The station

    def _change_availability(self, payload: Json) -> Json:
        is_operative = one_of(payload, "type", "Operative", "Inoperative") == "Operative"
        number = integer(payload, "connectorId")
        outlet = self._core.outlet(number)
        if number != 0 and outlet is None:
            return _REJECTED
        outlets = self._core.outlets if outlet is None else [outlet]
        status = self._orders.make_available(outlets, is_operative=is_operative)
        if number == 0:
            self._core.promise(self._messages.tell_station)
        return {"status": status}

    def _reset(self, payload: Json) -> Json:
        self._orders.reset(is_soft=one_of(payload, "type", "Soft", "Hard") == "Soft")
        return _ACCEPTED

    def _get_configuration(self, payload: Json) -> Json:
        variables = self._core.variables
        wanted = [str(key) for key in payload.get("key", [])]
        known = [one for key in wanted if (one := variables.by_key(key)) is not None]
        unknown = [key for key in wanted if variables.by_key(key) is None]
        entries = [
            {"key": one.key, "readonly": not one.is_writable}
            # A password can be written only.
            | ({} if one.kind == "secret" else {"value": variables.value(one)})
            for one in (known if wanted else variables.all)
            if one.key
        ]
        return {"configurationKey": entries} | ({"unknownKey": unknown} if unknown else {})

    def _change_configuration(self, payload: Json) -> Json:
        variable = self._core.variables.by_key(text(payload, "key"))
        value = text(payload, "value")
        if variable is None:
            return {"status": "NotSupported"}
        return {"status": self._orders.set(variable, value)}

    def _trigger_message(self, payload: Json) -> Json:
        wanted, number = text(payload, "requestedMessage"), optional_integer(payload, "connectorId")
        outlet = None if number is None else self._core.outlet(number)
        if number is not None and outlet is None:
            return _REJECTED
        outlets = self._core.outlets if outlet is None else [outlet]
        charging, core = self._charging, self._core

        def statuses() -> None:
            if outlet is None:
                self._messages.tell_station()
            for one in outlets:
                charging.show(one, again=True)

        def values() -> None:
            for one in outlets:
                charging.tell_meter(one, "Trigger", "Trigger")

        known: dict[str, Callable[[], None]] = {
            "BootNotification": core.link.boot_at_once,
            "DiagnosticsStatusNotification": partial(self._messages.log_status, "Idle", None),
            "FirmwareStatusNotification": partial(self._messages.firmware_status, "Idle", None),
            "Heartbeat": core.link.beat,
            "LogStatusNotification": partial(self._messages.log_status, "Idle", 0),
            "MeterValues": values,
            "SignChargePointCertificate": self._messages.sign_certificate,
            "StatusNotification": statuses,
        }
        if wanted not in known:
            return {"status": "NotImplemented"}
        core.promise(known[wanted])
        return _ACCEPTED

    def _data_transfer(self, payload: Json) -> Json:
        is_ours = text(payload, "vendorId") == self._core.config.vendor
        return _ACCEPTED if is_ours else {"status": "UnknownVendorId"}

    # Cards

    def _clear_cache(self, _payload: Json) -> Json:
        self._authorizing.forget()
        return _ACCEPTED

    def _get_local_list_version(self, _payload: Json) -> Json:
        return {"listVersion": self._authorizing.list_version}

    def _send_local_list(self, payload: Json) -> Json:
        version = integer(payload, "listVersion")
        is_full = one_of(payload, "updateType", "Full", "Differential") == "Full"
        entries: list[tuple[str, Info | None]] = [
            (text(entry, "idTag"), info_of(entry.get("idTagInfo")))
            for entry in payload.get("localAuthorizationList", [])
        ]
        return {"status": self._authorizing.update(version, entries, is_full=is_full)}

    # Charging profiles

    def _set_charging_profile(self, payload: Json) -> Json:
        number = integer(payload, "connectorId")
        profile = profiles.parse(payload["csChargingProfiles"], outlet=number)
        return {"status": self._orders.set_profile(profile)}

    def _clear_charging_profile(self, payload: Json) -> Json:
        status = self._orders.clear_profiles(
            profile_id=optional_integer(payload, "id"),
            outlet=optional_integer(payload, "connectorId"),
            purpose=profiles.purpose_of(payload.get("chargingProfilePurpose")),
            stack_level=optional_integer(payload, "stackLevel"),
        )
        return {"status": status}

    def _get_composite_schedule(self, payload: Json) -> Json:
        number, seconds = integer(payload, "connectorId"), integer(payload, "duration")
        unit = payload.get("chargingRateUnit", "W")
        if number != 0 and self._core.outlet(number) is None:
            return _REJECTED
        start = stamp(self._core.link.now())
        return {
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": start,
            "chargingSchedule": {
                "duration": seconds,
                "startSchedule": start,
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": [
                    {"startPeriod": at, "limit": limit}
                    for at, limit in self._orders.composite(number, seconds, unit)
                ],
            },
        }

    # Firmware, logs, certificates

    def _update_firmware(self, payload: Json) -> Json:
        location = text(payload, "location")
        self._core.promise(partial(self._orders.update_firmware, location, None))
        return {}

    def _signed_update_firmware(self, payload: Json) -> Json:
        request_id, location = integer(payload, "requestId"), text(payload["firmware"], "location")
        self._core.promise(partial(self._orders.update_firmware, location, request_id))
        return _ACCEPTED

    def _get_diagnostics(self, payload: Json) -> Json:
        location = text(payload, "location")
        self._core.promise(partial(self._orders.upload_log, location, None))
        return {"fileName": f"{self._core.config.identity}.log"[:255]}

    def _get_log(self, payload: Json) -> Json:
        request_id, location = integer(payload, "requestId"), text(payload["log"], "remoteLocation")
        self._core.promise(partial(self._orders.upload_log, location, request_id))
        return {"status": "Accepted", "filename": f"{self._core.config.identity}.log"[:255]}

    def _install_certificate(self, payload: Json) -> Json:
        kind, pem = text(payload, "certificateType"), text(payload, "certificate")
        return _ACCEPTED if self._core.certificates.install(kind, pem) else _REJECTED

    def _get_installed_certificate_ids(self, payload: Json) -> Json:
        found = self._core.certificates.ids({text(payload, "certificateType")})
        if not found:
            return {"status": "NotFound"}
        return {"status": "Accepted", "certificateHashData": [data for _, data in found]}

    def _delete_certificate(self, payload: Json) -> Json:
        is_found = self._core.certificates.delete(payload["certificateHashData"])
        return {"status": "Accepted" if is_found else "NotFound"}

    def _certificate_signed(self, payload: Json) -> Json:
        pem = text(payload, "certificateChain")
        return _ACCEPTED if self._core.certificates.install("Own", pem) else _REJECTED

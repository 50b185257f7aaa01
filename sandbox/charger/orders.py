"""What the CSMS may ask of a charger, whatever the version: the parts that both have."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from sandbox.charger.authorizing import ACCEPTED, Authorizing
from sandbox.charger.charging import Charging, fits_reservation
from sandbox.charger.core import Core
from sandbox.charger.messages import Messages
from sandbox.charger.outlet import Card, Ending, Outlet, Permission, Reservation
from sandbox.charger.profiles import MAX, TX, VOLTS, Profile
from sandbox.charger.variables import Variable

REJECTED = "Rejected"
_FLUSH_SECONDS = 10.0
# What a location is called where there is nothing to be downloaded.
_MISSING = "missing"


class Orders:
    """Do what was asked, after the answer has gone: `Core.promise`."""

    def __init__(
        self, core: Core, messages: Messages, charging: Charging, authorizing: Authorizing
    ) -> None:
        self._core = core
        self._messages = messages
        self._charging = charging
        self._authorizing = authorizing

    # Transactions

    def start(
        self,
        outlet: Outlet | None,
        card: Card,
        *,
        remote_start_id: int | None = None,
        profile: Profile | None = None,
    ) -> Outlet | None:
        """Let somebody charge, at a free outlet where none is named; None: it cannot be."""
        candidates = self._core.outlets if outlet is None else [outlet]
        free = [one for one in candidates if one.is_free and fits_reservation(one, card)]
        if not free or (profile is not None and profile.purpose != TX):
            return None
        # Where a car waits already, most likely its driver has asked.
        chosen = next((one for one in free if one.vehicle is not None), free[0])
        if profile is not None:
            self._core.profiles.add(replace(profile, outlet=chosen.number, transaction_id=""))
        permission = Permission(card, remote_start_id, is_remote=True)
        chosen.permission = permission
        self._core.promise(partial(self._start, chosen, permission))
        return chosen

    def stop(self, fits: Callable[[str, int | None], bool]) -> bool:
        """End the transaction whose id, or number in 1.6, fits; return whether there is one."""
        for outlet, transaction in self._core.transactions():
            if fits(transaction.id, transaction.number):
                self._core.promise(partial(self._charging.end, outlet, Ending.REMOTE))
                return True
        return False

    def unlock(self, outlet: Outlet) -> None:
        """Open the lock: who charges there does so no longer."""
        self._core.promise(partial(self._charging.end, outlet, Ending.UNLOCKED))

    # Reservations

    def reserve(
        self, outlet: Outlet | None, reservation_id: int, card: Card, expires_at: datetime
    ) -> str:
        """Keep an outlet, any where none is named; return ReservationStatus of both versions."""
        candidates = self._core.outlets if outlet is None else [outlet]
        found = [(self._reservable(one, reservation_id), one) for one in candidates]
        chosen = next((one for status, one in found if status == ACCEPTED), None)
        if chosen is None:
            return found[0][0]
        for other in self._core.outlets:
            if other.reservation is not None and other.reservation.id == reservation_id:
                self._free(other)
        chosen.reservation = Reservation(reservation_id, card)
        seconds = (expires_at - self._core.link.now()) / timedelta(seconds=1)
        expire = partial(self._expire, chosen, reservation_id)
        self._core.after(chosen.number, "reservation", seconds, expire)
        self._core.promise(partial(self._charging.look, chosen))
        return ACCEPTED

    def cancel(self, reservation_id: int) -> bool:
        """Keep an outlet no longer; return whether it was kept."""
        for outlet in self._core.outlets:
            if outlet.reservation is not None and outlet.reservation.id == reservation_id:
                self._free(outlet)
                self._core.promise(partial(self._charging.look, outlet))
                return True
        return False

    # The station

    def make_available(self, outlets: Sequence[Outlet], *, is_operative: bool) -> str:
        """Open or close outlets, when those who charge there are done; return the status."""
        scheduled = False
        for outlet in outlets:
            waits = not is_operative and outlet.transaction is not None
            outlet.becomes_inoperative = waits
            if not waits:
                outlet.is_operative = is_operative
            scheduled = scheduled or waits
            self._core.promise(partial(self._charging.look, outlet))
        return "Scheduled" if scheduled else ACCEPTED

    def reset(self, *, is_soft: bool) -> None:
        """Start anew: softly, with the ends of transactions told before."""
        seconds = self._core.config.restart_seconds
        if is_soft:
            self._core.promise(lambda: self._core.spawn(self._reset_softly()))
        else:
            restart = partial(self._charging.restart, "RemoteReset", seconds)
            self._core.promise(restart)

    def reset_when_idle(self) -> bool:
        """Start anew when nobody charges any more; return whether somebody does."""
        if not self._core.transactions():
            self.reset(is_soft=False)
            return False
        self._charging.resets_when_idle = True
        return True

    def set(self, variable: Variable, value: str) -> str:
        """Set a variable; return Accepted or Rejected."""
        if not variable.is_writable or not self._core.variables.set(variable, value):
            return REJECTED
        if variable.key == "HeartbeatInterval":
            self._core.link.beat_every(float(value))
        elif variable.key == "MeterValueSampleInterval":
            self._meter_every(float(value))
        elif variable.key == "TransactionMessageAttempts":
            self._core.link.attempts = max(int(value), 1)
        elif variable.key == "AuthorizationKey":
            self._core.link.set_password(value)
            self._core.promise(self._core.link.reconnect)
        return ACCEPTED

    # Charging profiles

    def set_profile(self, profile: Profile) -> str:
        """Take a charging profile; return ChargingProfileStatus of both versions."""
        outlet = self._core.outlet(profile.outlet)
        if profile.purpose == MAX and profile.outlet != 0:
            return REJECTED
        if profile.purpose == TX:
            transaction = outlet.transaction if outlet is not None else None
            ids = {""} | (
                {transaction.id, str(transaction.number)} if transaction is not None else set()
            )
            if transaction is None or profile.transaction_id not in ids:
                return REJECTED
        elif profile.outlet != 0 and outlet is None:
            return REJECTED
        self._core.profiles.add(profile)
        self._look_everywhere()
        return ACCEPTED

    def clear_profiles(
        self,
        *,
        profile_id: int | None,
        outlet: int | None,
        purpose: str | None,
        stack_level: int | None,
    ) -> str:
        """Drop charging profiles; return ClearChargingProfileStatus of both versions."""
        found = self._core.profiles.clear(
            profile_id=profile_id, outlet=outlet, purpose=purpose, stack_level=stack_level
        )
        self._look_everywhere()
        return ACCEPTED if found else "Unknown"

    def composite(self, number: int, seconds: int, unit: str) -> list[tuple[int, Decimal]]:
        """Return start and limit of the periods to come, of an outlet or (0) of all together."""
        now = self._core.link.now()
        outlet = self._core.outlet(number)
        transaction = outlet.transaction if outlet is not None else None
        most = sum((one.most_w for one in self._core.outlets), Decimal(0))
        phases = outlet.phases if outlet is not None else 3
        periods = self._core.profiles.composite(
            number,
            now,
            began=transaction.began if transaction is not None else now,
            phases=phases,
            seconds=seconds,
            most_w=outlet.most_w if outlet is not None else most,
        )
        divisor = VOLTS * phases if unit == "A" else Decimal(1)
        return [(start, round(watts / divisor, 1)) for start, watts in periods]

    # Firmware and logs

    def update_firmware(self, location: str, request_id: int | None) -> None:
        """Act as if firmware were downloaded and installed; a location may be "missing"."""
        statuses = ["Downloading", "Downloaded", "Installing"]
        if _MISSING in location:
            statuses = ["Downloading", "DownloadFailed"]
        self._step(statuses, partial(self._messages.firmware_status, request_id=request_id))
        if statuses[-1] == "Installing":
            seconds = self._core.config.firmware_seconds * len(statuses)
            install = partial(self._install, request_id)
            self._core.after(0, "install", seconds, lambda: self._core.spawn(install()))

    def upload_log(self, location: str, request_id: int | None) -> None:
        """Act as if a log were uploaded; a location may be "missing"."""
        failure = "UploadFailed" if request_id is None else "UploadFailure"
        statuses = ["Uploading", failure if _MISSING in location else "Uploaded"]
        self._step(statuses, partial(self._messages.log_status, request_id=request_id))

    # How it does that

    def _start(self, outlet: Outlet, permission: Permission) -> None:
        if self._core.variables.flag("AuthorizeRemoteTxRequests"):
            self._core.spawn(self._start_checked(outlet, permission))
        else:
            self._start_now(outlet, permission)

    async def _start_checked(self, outlet: Outlet, permission: Permission) -> None:
        info = await self._authorizing.check(permission.card)
        if outlet.permission is not permission:
            return
        if info.status == ACCEPTED:
            self._start_now(outlet, permission)
        else:
            self._charging.withdraw(outlet)

    def _start_now(self, outlet: Outlet, permission: Permission) -> None:
        if outlet.permission is not permission:
            return
        self._charging.permit(outlet, permission)
        plug_after = self._core.config.plug_after
        if outlet.vehicle is None and plug_after is not None:
            come = partial(self._charging.come, outlet)
            self._core.after(outlet.number, "come", plug_after, come)

    def _reservable(self, outlet: Outlet, reservation_id: int) -> str:
        if outlet.fault:
            return "Faulted"
        if not outlet.is_operative:
            return "Unavailable"
        kept = outlet.reservation is not None and outlet.reservation.id != reservation_id
        if kept or outlet.vehicle is not None or outlet.permission is not None:
            return "Occupied"
        return ACCEPTED

    def _free(self, outlet: Outlet) -> None:
        self._core.cancel(outlet.number, "reservation")
        outlet.reservation = None

    def _expire(self, outlet: Outlet, reservation_id: int) -> None:
        reservation = outlet.reservation
        if reservation is not None and reservation.id == reservation_id:
            outlet.reservation = None
            self._messages.reservation_ended(reservation, "Expired")
            self._charging.look(outlet)

    async def _reset_softly(self) -> None:
        for outlet in self._core.outlets:
            self._charging.end(outlet, Ending.SOFT_RESET)
        await self._core.link.flushed(_FLUSH_SECONDS)
        self._charging.restart("RemoteReset", self._core.config.restart_seconds)

    def _meter_every(self, seconds: float) -> None:
        self._core.meter_seconds = seconds
        for outlet, _ in self._core.transactions():
            outlet.sample_due = self._core.seconds() + seconds
            self._charging.look(outlet)

    def _look_everywhere(self) -> None:
        for outlet in self._core.outlets:
            self._core.promise(partial(self._charging.look, outlet))

    def _step(self, statuses: Sequence[str], tell: Callable[[str], None]) -> None:
        for index, status in enumerate(statuses):
            seconds = self._core.config.firmware_seconds * index
            self._core.after(0, f"step {status}", seconds, partial(tell, status))

    async def _install(self, request_id: int | None) -> None:
        """Start anew with the firmware, unless somebody charges: then it is said to be there."""
        head, _, last = self._core.firmware.rpartition(".")
        number = int(last) + 1 if last.isdigit() else 1
        self._core.firmware = f"{head}.{number}" if head else f"{last}.{number}"
        await self._core.link.flushed(_FLUSH_SECONDS)
        if not self._core.transactions():
            self._charging.restart("FirmwareUpdate", self._core.config.restart_seconds)
        # It is kept, and so told after the boot.
        self._messages.firmware_status("Installed", request_id)

"""What happens at the outlets: cars, cards, transactions, the meter, faults.

OCPP 1.6, 3.2 and 4.9; OCPP 2.0.1, E01 to E13. Everything here runs in the event loop.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from sandbox.charger.authorizing import ACCEPTED, Authorizing
from sandbox.charger.core import Core
from sandbox.charger.messages import Info, Messages
from sandbox.charger.outlet import Card, Ending, Outlet, Permission, Sample, Transaction
from sandbox.charger.signing import Reading
from sandbox.charger.vehicle import Vehicle, arriving
from sandbox.charger.wire import new_id

# Timers are not exact: a thing that is due this soon is due.
_SOON = 0.002
_UNAVAILABLE = "Unavailable"


class Charging:
    """Do what cars, people and the CSMS do at the outlets of one charger."""

    def __init__(self, core: Core, messages: Messages, authorizing: Authorizing) -> None:
        self._core = core
        self._messages = messages
        self._authorizing = authorizing
        self.resets_when_idle = False

    # Cars and cards

    def plug(self, outlet: Outlet, vehicle: Vehicle) -> None:
        """Plug a car in.

        Raises:
            ValueError: there is one.

        """
        if outlet.vehicle is not None:
            raise ValueError(f"outlet {outlet.number}: there is a car already")
        self._core.settle(outlet)
        self._core.cancel(outlet.number, "come", "permission", "leave")
        outlet.vehicle, outlet.is_visited = vehicle, False
        permission = outlet.permission
        if not self._core.is_powered:
            return
        if permission is not None:
            # A 1.6 charger tells that it prepares before it starts.
            self.show(outlet)
            trigger = "RemoteStart" if permission.is_remote else "CablePluggedIn"
            self._begin(outlet, permission, trigger)
        elif self._begins_with_cable(outlet):
            self._begin(outlet, None, "CablePluggedIn")
        self.look(outlet)

    def unplug(self, outlet: Outlet) -> None:
        """Take the cable out; a transaction ends with that."""
        self._core.cancel(outlet.number, "leave")
        self._core.settle(outlet)
        if outlet.transaction is not None:
            self.end(outlet, Ending.UNPLUGGED)
        outlet.vehicle, outlet.is_finishing, outlet.is_visited = None, False, False
        self.look(outlet)

    async def present(self, card: Card, outlet: Outlet) -> str:
        """Present a card at an outlet, to begin or to end; return AuthorizationStatus.

        "Unavailable" is what is not for use, or kept for another card; "ConcurrentTx" where
        somebody else charges.
        """
        if not self._core.is_powered:
            return _UNAVAILABLE
        if _is_same(outlet.transaction, card):
            self.end(outlet, Ending.LOCAL, card=card)
            return ACCEPTED
        if outlet.fault or not outlet.is_operative:
            return _UNAVAILABLE
        info = await self._authorizing.check(card)
        if info.status != ACCEPTED:
            return info.status
        return self._accepted(outlet, replace(card, group=info.group or card.group))

    def _accepted(self, outlet: Outlet, card: Card) -> str:
        transaction = outlet.transaction
        if transaction is not None and transaction.card is not None:
            if not card.group or card.group != transaction.card.group:
                return "ConcurrentTx"
            self.end(outlet, Ending.LOCAL, card=card)
            return ACCEPTED
        if not outlet.is_free or not fits_reservation(outlet, card):
            return _UNAVAILABLE
        self.permit(outlet, Permission(card))
        return ACCEPTED

    def permit(self, outlet: Outlet, permission: Permission) -> None:
        """Let somebody charge, now or once a car is plugged in."""
        outlet.permission = permission
        if outlet.vehicle is None:
            seconds = self._core.variables.integer("ConnectionTimeOut")
            self._core.after(outlet.number, "permission", seconds, partial(self.withdraw, outlet))
        elif outlet.transaction is None:
            # A 1.6 charger tells that it prepares before it starts.
            self.show(outlet)
            self._begin(outlet, permission, _trigger(permission))
        else:
            self._authorize(outlet, outlet.transaction, permission)
        self.look(outlet)

    def withdraw(self, outlet: Outlet) -> None:
        """Let nobody charge any more who has not begun."""
        self._core.cancel(outlet.number, "permission", "come")
        outlet.permission = None
        self._core.profiles.end_transaction(outlet.number)
        self.look(outlet)

    def come(self, outlet: Outlet) -> None:
        """Let somebody come who was started remotely, and plug in."""
        if outlet.vehicle is None and self._core.is_powered:
            need = Decimal(self._core.rng.randrange(8, 40))
            config = outlet.config
            self.plug(outlet, arriving(need, config.max_kw, config.current))
            outlet.is_visited = True
            self.look(outlet)

    # Transactions

    def end(self, outlet: Outlet, ending: Ending, *, card: Card | None = None) -> None:
        """End the transaction at an outlet, if there is one."""
        transaction = outlet.transaction
        if transaction is None:
            return
        self._core.settle(outlet)
        sample = self._signed(transaction, self.read(outlet, "Transaction.End"))
        outlet.transaction, outlet.is_finishing = None, outlet.vehicle is not None
        self._core.profiles.end_transaction(outlet.number)
        self._messages.ended(outlet, transaction, ending, sample, card)
        if outlet.becomes_inoperative:
            outlet.is_operative, outlet.becomes_inoperative = False, False
        self.look(outlet)
        if self.resets_when_idle and not self._core.transactions():
            self.resets_when_idle = False
            self.restart("RemoteReset", self._core.config.restart_seconds)

    def read(self, outlet: Outlet, context: str) -> Sample:
        """Read the meter of an outlet now."""
        self._core.settle(outlet)
        return outlet.sample(self._core.link.now(), context)

    def tell_meter(self, outlet: Outlet, trigger: str, context: str) -> None:
        """Send what the meter shows."""
        self._messages.sampled(outlet, outlet.transaction, self.read(outlet, context), trigger)

    def look(self, outlet: Outlet) -> None:
        """Do what follows from all that is so: limit, charging state, status, when to look again.

        To be called when anything has changed.
        """
        if not self._core.is_powered:
            return
        self._core.settle(outlet)
        transaction, now = outlet.transaction, self._core.link.now()
        limit, until = None, None
        if transaction is not None:
            limit, until = self._core.profiles.limit_w(
                outlet.number, now, transaction.began, outlet.phases
            )
        outlet.limit_w = outlet.most_w if limit is None else min(limit, outlet.most_w)
        state = outlet.charging_state()
        if transaction is not None and transaction.state != state:
            transaction.state = state
            self._messages.state_changed(outlet, transaction)
        self.show(outlet)
        pause = None if until is None else (until - now) / timedelta(seconds=1)
        self._look_again(outlet, pause)
        self._maybe_leave(outlet)
        self._core.changed()

    def show(self, outlet: Outlet, *, again: bool = False) -> None:
        """Tell the status of an outlet, if it is another one."""
        if self._core.link.is_online and (again or self._messages.status(outlet) != outlet.told):
            outlet.told = self._messages.status(outlet)
            self._messages.tell_status(outlet)

    # The station

    def fail(self, outlet: Outlet, code: str, *, ends: bool) -> None:
        """Break an outlet; `code` is ChargePointErrorCode of 1.6."""
        self._core.settle(outlet)
        outlet.fault = code
        if ends:
            self.end(outlet, Ending.FAULT)
        self.look(outlet)

    def repair(self, outlet: Outlet) -> None:
        """Mend an outlet."""
        outlet.fault = ""
        self.look(outlet)

    def power_off(self, *, reason: str, seconds: float | None) -> None:
        """Be without power for so long (None: until `power_on`), then boot for that reason."""
        core = self._core
        for outlet in core.outlets:
            core.settle(outlet)
            core.cancel(outlet.number, "charge", "come", "permission")
            outlet.permission = None
        core.is_powered, self.resets_when_idle = False, False
        core.link.reboot(reason)
        core.cancel(0, "power")
        if seconds is not None:
            core.after(0, "power", seconds, self.power_on)
        core.changed()

    def power_on(self) -> None:
        """Have power again; what went on before goes on."""
        self._core.cancel(0, "power")
        self._core.is_powered = True
        for outlet in self._core.outlets:
            outlet.settled_at = self._core.seconds()
            outlet.sample_due = outlet.settled_at + self._core.meter_seconds
            self.look(outlet)
        self._core.link.resume()

    def restart(self, reason: str, seconds: float, ending: Ending = Ending.HARD_RESET) -> None:
        """Go off at once and come back; transactions end, and are told of afterwards."""
        self.power_off(reason=reason, seconds=seconds)
        for outlet in self._core.outlets:
            self.end(outlet, ending)

    # How it does that

    def _begins_with_cable(self, outlet: Outlet) -> bool:
        config = self._core.config
        return (
            config.ocpp != "1.6"
            and config.tx_start == "EVConnected"
            and outlet.is_operative
            and not outlet.fault
        )

    def _begin(self, outlet: Outlet, permission: Permission | None, trigger: str) -> None:
        self._core.settle(outlet)
        at = self._core.link.now()
        transaction = Transaction(
            id=new_id(),
            began=at,
            card=None,
            begin=outlet.sample(at, "Transaction.Begin"),
        )
        outlet.transaction, outlet.is_finishing = transaction, False
        outlet.sample_due = self._core.seconds() + self._core.meter_seconds
        if permission is not None:
            self._give(outlet, transaction, permission)
            transaction.begin = self._signed(transaction, transaction.begin)
        judged = partial(self._judged, outlet, transaction)
        self._messages.started(outlet, transaction, trigger, judged)

    def _authorize(self, outlet: Outlet, transaction: Transaction, permission: Permission) -> None:
        self._give(outlet, transaction, permission)
        judged = partial(self._judged, outlet, transaction)
        self._messages.authorized(outlet, transaction, _trigger(permission), judged)

    def _give(self, outlet: Outlet, transaction: Transaction, permission: Permission) -> None:
        self._core.cancel(outlet.number, "permission", "come")
        outlet.permission = None
        transaction.card = permission.card
        transaction.remote_start_id = permission.remote_start_id
        if outlet.reservation is not None:
            transaction.reservation_id = outlet.reservation.id
            outlet.reservation = None
            self._core.cancel(outlet.number, "reservation")

    def _judged(self, outlet: Outlet, transaction: Transaction, info: Info) -> None:
        if transaction.card is not None:
            self._authorizing.learn(transaction.card, info)
        is_refused = info.status != ACCEPTED
        if (
            is_refused
            and outlet.transaction is transaction
            and self._core.variables.flag("StopTransactionOnInvalidId")
        ):
            self.end(outlet, Ending.DEAUTHORIZED)

    def _signed(self, transaction: Transaction, sample: Sample) -> Sample:
        if not self._core.config.signs or transaction.card is None:
            return sample
        readings = [Reading(transaction.begin.at, transaction.begin.wh, "B")]
        if sample.context == "Transaction.End":
            readings.append(Reading(sample.at, sample.wh, "E"))
        signed = self._core.signer.sign(readings, card=transaction.card.uid)
        return replace(sample, signed=signed)

    def _look_again(self, outlet: Outlet, pause: float | None) -> None:
        transaction = outlet.transaction
        self._core.cancel(outlet.number, "charge")
        if transaction is None or transaction.card is None:
            return
        pauses = [] if pause is None else [pause + _SOON]
        if self._core.meter_seconds > 0:
            pauses.append(outlet.sample_due - self._core.seconds())
        if outlet.vehicle is not None and transaction.state == "Charging":
            full = outlet.vehicle.seconds_to_full(outlet.limit_w)
            if full is not None:
                pauses.append(float(full) / self._core.config.time_factor + _SOON)
        if pauses:
            self._core.after(outlet.number, "charge", min(pauses), partial(self._due, outlet))

    def _due(self, outlet: Outlet) -> None:
        now, every = self._core.seconds(), self._core.meter_seconds
        if every > 0 and now >= outlet.sample_due - _SOON:
            # One that was missed is not made up for.
            outlet.sample_due = max(outlet.sample_due + every, now + every / 2)
            self.tell_meter(outlet, "MeterValuePeriodic", "Sample.Periodic")
        self.look(outlet)

    def _maybe_leave(self, outlet: Outlet) -> None:
        """Let a car leave that came by itself and has nothing to wait for."""
        after, vehicle = self._core.config.leave_after, outlet.vehicle
        if after is None or vehicle is None or not outlet.is_visited:
            return
        is_done = outlet.transaction is None or vehicle.is_full
        if is_done and not self._core.is_due(outlet.number, "leave"):
            self._core.after(outlet.number, "leave", after, partial(self.unplug, outlet))


def fits_reservation(outlet: Outlet, card: Card) -> bool:
    """Answer whether an outlet is kept for nobody, or for this card or its group."""
    if outlet.reservation is None:
        return True
    kept = outlet.reservation.card
    same_group = bool(kept.group) and kept.group.lower() == card.group.lower()
    return kept.uid.lower() == card.uid.lower() or same_group


def _is_same(transaction: Transaction | None, card: Card) -> bool:
    return (
        transaction is not None
        and transaction.card is not None
        and transaction.card.uid.lower() == card.uid.lower()
    )


def _trigger(permission: Permission) -> str:
    return "RemoteStart" if permission.is_remote else "Authorized"

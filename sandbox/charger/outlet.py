"""One outlet of a charger, and the transaction at it: what is so, and how energy adds up. Pure.

Energy is Wh, power W, both `Decimal`; `seconds` is a clock that only counts, `at` the charger's.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import Enum

from sandbox.charger.config import OutletConfig
from sandbox.charger.profiles import VOLTS
from sandbox.charger.vehicle import Vehicle

_WHOLE, _TENTH = Decimal(1), Decimal("0.1")
# A car takes 6 A or nothing (IEC 61851-1).
_LEAST_AMPERES = 6
_DC_VOLTS = Decimal(400)


class Ending(Enum):
    """Why a transaction ends: reason of 1.6, stoppedReason and triggerReason of 2.0.1."""

    LOCAL = ("Local", "Local", "StopAuthorized")
    REMOTE = ("Remote", "Remote", "RemoteStop")
    UNPLUGGED = ("EVDisconnected", "EVDisconnected", "EVCommunicationLost")
    DEAUTHORIZED = ("DeAuthorized", "DeAuthorized", "Deauthorized")
    POWER_LOSS = ("PowerLoss", "PowerLoss", "AbnormalCondition")
    SOFT_RESET = ("SoftReset", "ImmediateReset", "ResetCommand")
    HARD_RESET = ("HardReset", "ImmediateReset", "ResetCommand")
    UNLOCKED = ("UnlockCommand", "Other", "UnlockCommand")
    FAULT = ("Other", "Other", "AbnormalCondition")

    @property
    def reason(self) -> str:
        """Return Reason of 1.6."""
        return self.value[0]

    @property
    def stopped_reason(self) -> str:
        """Return stoppedReason of 2.0.1."""
        return self.value[1]

    @property
    def trigger(self) -> str:
        """Return triggerReason of 2.0.1."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Card:
    """What was presented; `kind` is IdTokenEnumType of 2.0.1, `group` the parent of 1.6."""

    uid: str
    kind: str = "ISO14443"
    group: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """Somebody may charge, once a car is plugged in."""

    card: Card
    remote_start_id: int | None = None
    is_remote: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """An outlet is kept for a card."""

    id: int
    card: Card


@dataclass(frozen=True, slots=True)
class Sample:
    """What the meter and the car showed; currents are A by phase, "" for direct current."""

    at: datetime
    context: str
    wh: Decimal
    power_w: Decimal
    currents: tuple[tuple[str, Decimal], ...]
    percent: int | None = None
    signed: str = ""


@dataclass(slots=True, eq=False)
class Transaction:
    """A transaction; `id` is ours, `number` what the CSMS of 1.6 gave it, if it has.

    `card` is None as long as nobody may charge. `state` is ChargingStateEnumType of 2.0.1.
    """

    id: str
    began: datetime
    card: Card | None
    begin: Sample
    number: int | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None
    seq_no: int = -1
    state: str = "EVConnected"

    def next_seq_no(self) -> int:
        """Return the seqNo of the next event (OCPP 2.0.1, E01: it begins with 0)."""
        self.seq_no += 1
        return self.seq_no


@dataclass(slots=True, eq=False)
class Outlet:
    """A connector and what is with it; `number` counts from 1 through the station.

    `limit_w` is what it offers now, `told` the status that the CSMS knows. `is_visited`: the car
    came by itself, after a remote start, and leaves by itself.
    """

    number: int
    config: OutletConfig
    register: Decimal
    settled_at: float = 0.0
    limit_w: Decimal = Decimal(0)
    sample_due: float = 0.0
    vehicle: Vehicle | None = None
    transaction: Transaction | None = None
    permission: Permission | None = None
    reservation: Reservation | None = None
    fault: str = ""
    is_operative: bool = True
    becomes_inoperative: bool = False
    is_finishing: bool = False
    is_visited: bool = False
    told: str = ""

    @property
    def most_w(self) -> Decimal:
        """Return what it can give."""
        return self.config.max_kw * 1000

    @property
    def phases(self) -> int:
        """Return its phases; direct current counts as three in limits of amperes."""
        return 3 if self.config.current == "DC" else self.config.phases

    @property
    def shown_wh(self) -> Decimal:
        """Return what the meter shows: whole Wh."""
        return self.register.quantize(_WHOLE, ROUND_DOWN)

    @property
    def is_free(self) -> bool:
        """Whether somebody may begin: a car may stand there already."""
        busy = self.transaction is not None and self.transaction.card is not None
        return self.is_operative and not (self.fault or self.permission or busy)

    def charging_state(self) -> str:
        """Return ChargingStateEnumType of the transaction."""
        if self.vehicle is None:
            return "Idle"
        if self.transaction is None or self.transaction.card is None:
            return "EVConnected"
        least = 0 if self.config.current == "DC" else _LEAST_AMPERES * VOLTS
        if self.fault or self.limit_w < least or self.limit_w <= 0:
            return "SuspendedEVSE"
        return "SuspendedEV" if self.vehicle.is_full else "Charging"

    def power_w(self) -> Decimal:
        """Return the power that flows."""
        if self.vehicle is None or self.charging_state() != "Charging":
            return Decimal(0)
        return self.vehicle.power_w(self.limit_w)

    def settle(self, seconds: float, factor: float) -> None:
        """Add what flowed since the last time; `factor` makes the car charge faster."""
        elapsed = Decimal(str(seconds)) - Decimal(str(self.settled_at))
        self.settled_at = seconds
        if self.vehicle is not None and elapsed > 0 and self.charging_state() == "Charging":
            self.register += self.vehicle.draw(elapsed * Decimal(str(factor)), self.limit_w)

    def sample(self, at: datetime, context: str) -> Sample:
        """Read the meter."""
        power = self.power_w()
        has_percent = self.config.current == "DC" and self.vehicle is not None
        return Sample(
            at=at,
            context=context,
            wh=self.shown_wh,
            power_w=power.quantize(_WHOLE, ROUND_DOWN),
            currents=tuple(self._currents(power)),
            percent=self.vehicle.percent if self.vehicle and has_percent else None,
        )

    def _currents(self, power: Decimal) -> list[tuple[str, Decimal]]:
        if self.config.current == "DC":
            return [("", (power / _DC_VOLTS).quantize(_TENTH, ROUND_DOWN))]
        phases = self.config.phases
        each = (power / (phases * VOLTS)).quantize(_TENTH, ROUND_DOWN)
        return [(f"L{number}", each) for number in range(1, phases + 1)]

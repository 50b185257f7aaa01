"""What a station says of one transaction: the vocabulary in which all versions of OCPP end.

Times are aware, in UTC. Energy is kWh, power kW, current A summed over the phases.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from cpo_platform.common.saying import Saying


class Kind(StrEnum):
    """What a fact tells.

    REBOOTED and SUPERSEDED are learned of the station, not said of the transaction: it booted, or
    began another transaction at the connector, while this one was open.
    """

    STARTED = "STARTED"
    METERED = "METERED"
    STATE = "STATE"
    ENDED = "ENDED"
    REBOOTED = "REBOOTED"
    SUPERSEDED = "SUPERSEDED"


class ChargingState(StrEnum):
    """What goes on between the station and the vehicle (OCPP 2.0.1, ChargingStateEnumType)."""

    CHARGING = "CHARGING"
    SUSPENDED_EV = "SUSPENDED_EV"
    SUSPENDED_EVSE = "SUSPENDED_EVSE"
    EV_CONNECTED = "EV_CONNECTED"
    IDLE = "IDLE"


class Code(StrEnum):
    """What was odd in what a station said."""

    ABSURD_REGISTER = "ABSURD_REGISTER"
    BAD_TIME = "BAD_TIME"
    BAD_VALUE = "BAD_VALUE"
    CLOCK_AHEAD = "CLOCK_AHEAD"
    CLOCK_BEHIND = "CLOCK_BEHIND"
    END_MISSING = "END_MISSING"
    ENDED_TWICE = "ENDED_TWICE"
    GAP_BEFORE_END = "GAP_BEFORE_END"
    LATE_FACTS = "LATE_FACTS"
    NO_ENERGY = "NO_ENERGY"
    NO_REGISTER = "NO_REGISTER"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    OVERLAP = "OVERLAP"
    REBOOTED = "REBOOTED"
    REGISTER_FELL = "REGISTER_FELL"
    SEQ_NO_MISSING = "SEQ_NO_MISSING"
    SEQ_NO_TWICE = "SEQ_NO_TWICE"
    START_MISSING = "START_MISSING"
    STARTED_TWICE = "STARTED_TWICE"
    STOP_BELOW_START = "STOP_BELOW_START"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was odd, and in plain words what became of it."""

    code: Code
    saying: Saying

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code.value, **self.saying.to_json()}


@dataclass(frozen=True, slots=True)
class Token:
    """The token that was presented; `type` is OCPP 2.0.1's IdTokenEnumType, "" in 1.6."""

    uid: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class SignedValue:
    """A signed meter value, as the station sent it: 1.6 tells nothing but `data`."""

    at: datetime
    data: str
    context: str
    signing_method: str = ""
    encoding_method: str = ""
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a meter showed at one moment of the station's clock; None: it did not tell.

    `context` is OCPP's ReadingContext, such as "Transaction.Begin".
    """

    at: datetime
    kwh: Decimal | None = None
    power_kw: Decimal | None = None
    current_a: Decimal | None = None
    context: str = "Sample.Periodic"
    signed: tuple[SignedValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a station said of a transaction.

    `arrived_at` is our clock, `stamped_at` the station's (None: it gave no time). `transaction_id`
    is "" where the message names none: the start of 1.6, states of 1.6, a boot. `evse_id` is 2.0.1
    only, as `seq_no` and `offline` are; `meter_start_wh` and `meter_stop_wh` are 1.6 only.
    """

    kind: Kind
    arrived_at: datetime
    stamped_at: datetime | None = None
    transaction_id: str = ""
    evse_id: int | None = None
    connector_id: int | None = None
    seq_no: int | None = None
    offline: bool = False
    samples: tuple[Sample, ...] = ()
    state: ChargingState | None = None
    token: Token | None = None
    reason: str = ""
    meter_start_wh: int | None = None
    meter_stop_wh: int | None = None
    reservation_id: int | None = None
    findings: tuple[Finding, ...] = ()


def says_the_same(one: Fact, other: Fact) -> bool:
    """Tell whether two facts are one message that was sent twice.

    A station that lost our answer sends its message again: same stamp, same content. So it is
    found that a second StartTransaction must get the id of the first (OCPP 1.6, 4.8).
    """
    if one.stamped_at is None:
        return one == other
    # What the station learned of its connection in between is no other content.
    return one == replace(other, arrived_at=one.arrived_at, offline=one.offline)


def superseded_by(started: Fact) -> Fact:
    """Return what the start of another transaction at the connector says of the one before."""
    return Fact(
        kind=Kind.SUPERSEDED,
        arrived_at=started.arrived_at,
        stamped_at=started.stamped_at,
        evse_id=started.evse_id,
        connector_id=started.connector_id,
        offline=started.offline,
    )

"""The one table of statuses: what a connector of OCPP is in OCPI, and what its vehicle does.

| OCPP 1.6 | OCPP 2.0.1 | OCPI |
|---|---|---|
| Available | Available | AVAILABLE |
| Preparing, Finishing | Occupied, and no energy may flow | BLOCKED: a car stands there |
| Charging, SuspendedEV, SuspendedEVSE | Occupied, and energy may flow or pauses | CHARGING |
| Reserved | Reserved | RESERVED |
| Unavailable | Unavailable | INOPERATIVE: not available, not broken |
| Faulted | Faulted | OUTOFORDER |
| anything else | anything else | UNKNOWN |

An EVSE is what its connectors are together: in use, or reserved, when one of them is; else the best
that one of them offers. A station that flaps is published at once six times within ten minutes, and
then once a minute: the last of what it said always comes through.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ocpp_gateway.facts import ChargingState

OcpiStatus = Literal[
    "AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "RESERVED", "UNKNOWN"
]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What a station says of one connector.

    `connector_id` 0 is the whole station in 1.6. `status` is OCPI's. `error` is what 1.6 gives as
    the reason, "" where there is none.
    """

    arrived_at: datetime
    stamped_at: datetime | None
    evse_id: int | None
    connector_id: int
    status: OcpiStatus
    error: str = ""


_IN_BOTH: dict[str, OcpiStatus] = {
    "Available": "AVAILABLE",
    "Reserved": "RESERVED",
    "Unavailable": "INOPERATIVE",
    "Faulted": "OUTOFORDER",
}
_1_6: dict[str, OcpiStatus] = _IN_BOTH | {
    "Preparing": "BLOCKED",
    "Charging": "CHARGING",
    "SuspendedEV": "CHARGING",
    "SuspendedEVSE": "CHARGING",
    "Finishing": "BLOCKED",
}
# 1.6 tells by the status of the connector what 2.0.1 tells of the transaction.
_STATES_1_6 = {
    "Available": ChargingState.IDLE,
    "Preparing": ChargingState.EV_CONNECTED,
    "Charging": ChargingState.CHARGING,
    "SuspendedEV": ChargingState.SUSPENDED_EV,
    "SuspendedEVSE": ChargingState.SUSPENDED_EVSE,
    "Finishing": ChargingState.EV_CONNECTED,
}
_STATES_2_0_1 = {
    "Charging": ChargingState.CHARGING,
    "SuspendedEV": ChargingState.SUSPENDED_EV,
    "SuspendedEVSE": ChargingState.SUSPENDED_EVSE,
    "EVConnected": ChargingState.EV_CONNECTED,
    "Idle": ChargingState.IDLE,
}
_IN_USE = frozenset(
    {ChargingState.CHARGING, ChargingState.SUSPENDED_EV, ChargingState.SUSPENDED_EVSE}
)


def of_1_6(status: str) -> OcpiStatus:
    """Return OCPI's status for a ChargePointStatus (OCPP 1.6, 7.7)."""
    return _1_6.get(status, "UNKNOWN")


def state_of_1_6(status: str) -> ChargingState | None:
    """Return what a ChargePointStatus says of the transaction at the connector; None: nothing."""
    return _STATES_1_6.get(status)


def state_of_2_0_1(charging_state: str) -> ChargingState | None:
    """Return what a ChargingStateEnumType says of the transaction; None: nothing."""
    return _STATES_2_0_1.get(charging_state)


def of_2_0_1(status: str, state: ChargingState | None = None) -> OcpiStatus:
    """Return OCPI's status for a ConnectorStatusEnumType.

    `state` is that of the transaction at the connector: StatusNotification does not tell whether
    who occupies it charges (OCPP 2.0.1, G01).
    """
    if status == "Occupied":
        return "CHARGING" if state in _IN_USE else "BLOCKED"
    return _IN_BOTH.get(status, "UNKNOWN")


# What an EVSE with several connectors is: the first of these that one of them is.
_ORDER: tuple[OcpiStatus, ...] = (
    "CHARGING",
    "RESERVED",
    "BLOCKED",
    "AVAILABLE",
    "UNKNOWN",
    "INOPERATIVE",
    "OUTOFORDER",
)
CALM_WITHIN = timedelta(minutes=10)
MOST_WHEN_CALM = 6
PAUSE = timedelta(minutes=1)


def together(connectors: Iterable[OcpiStatus]) -> OcpiStatus:
    """Return what an EVSE is, given its connectors: one vehicle charges at a time."""
    return min(connectors, key=_ORDER.index, default="UNKNOWN")


def lately(published: Sequence[datetime], *, now: datetime) -> list[datetime]:
    """Return those publications that still count."""
    return [moment for moment in published if now - moment < CALM_WITHIN]


def may_publish_at(published: Sequence[datetime], *, now: datetime) -> datetime:
    """Return when the next status may be published, given when others were, in order."""
    recent = lately(published, now=now)
    if len(recent) < MOST_WHEN_CALM:
        return now
    return max(now, recent[-1] + PAUSE)

from sessions_app.models.cdrs import Cdr
from sessions_app.models.holds import CdrHold, CdrHoldQuerySet, HoldState
from sessions_app.models.replays import Replay, ReplayResult, ReplayStatus
from sessions_app.models.reservations import (
    Reservation,
    ReservationQuerySet,
    ReservationStatus,
)
from sessions_app.models.sessions import (
    AuthMethod,
    ChargingPeriod,
    MeterReading,
    Session,
    SessionQuerySet,
    SessionStatus,
)
from sessions_app.models.simulation import SimulatedStation
from sessions_app.models.tokens import Token, TokenType, WhitelistType

__all__ = [
    "AuthMethod",
    "Cdr",
    "CdrHold",
    "CdrHoldQuerySet",
    "ChargingPeriod",
    "HoldState",
    "MeterReading",
    "Replay",
    "ReplayResult",
    "ReplayStatus",
    "Reservation",
    "ReservationQuerySet",
    "ReservationStatus",
    "Session",
    "SessionQuerySet",
    "SessionStatus",
    "SimulatedStation",
    "Token",
    "TokenType",
    "WhitelistType",
]

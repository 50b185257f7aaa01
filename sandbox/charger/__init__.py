"""Chargers that are simulated: real clients of OCPP 1.6 and 2.0.1 with cars, people and faults."""

from sandbox.charger.config import BadConfig, Config, OutletConfig, StationConfig, read
from sandbox.charger.fleet import RunningFleet, running
from sandbox.charger.handle import Handle
from sandbox.charger.wire import CallFailed, Frame, NotConnected

__all__ = [
    "BadConfig",
    "CallFailed",
    "Config",
    "Frame",
    "Handle",
    "NotConnected",
    "OutletConfig",
    "RunningFleet",
    "StationConfig",
    "read",
    "running",
]

"""Chargers as they are known to the gateway, and everything that they have said."""

from ocpp_gateway.models.alerts import AlertKind, StationAlert
from ocpp_gateway.models.calls import CallState, RemoteStart, StationCall
from ocpp_gateway.models.messages import Direction, StationMessage
from ocpp_gateway.models.stations import Outlet, Station, StationState
from ocpp_gateway.models.transactions import News, SignedMeterValue, Transaction

__all__ = [
    "AlertKind",
    "CallState",
    "Direction",
    "News",
    "Outlet",
    "RemoteStart",
    "SignedMeterValue",
    "Station",
    "StationAlert",
    "StationCall",
    "StationMessage",
    "StationState",
    "Transaction",
]

"""Locations, EVSEs and connectors, complete for OCPI 2.3.0 and richer than any wire version."""

from locations.models.choices import (
    CONNECTOR_TYPES,
    PHASES,
    VEHICLE_TYPES,
    Capability,
    ConnectorCapability,
    ConnectorFormat,
    EvsePosition,
    Facility,
    ParkingDirection,
    ParkingRestriction,
    ParkingType,
    PowerType,
    Status,
)
from locations.models.evses import Connector, Evse, EvseParking
from locations.models.history import EvseUptime, LocationUptime, StatusChange
from locations.models.locations import Location, LocationGroup, LocationQuerySet, ParkingPlace

__all__ = [
    "CONNECTOR_TYPES",
    "PHASES",
    "VEHICLE_TYPES",
    "Capability",
    "Connector",
    "ConnectorCapability",
    "ConnectorFormat",
    "Evse",
    "EvseParking",
    "EvsePosition",
    "EvseUptime",
    "Facility",
    "Location",
    "LocationGroup",
    "LocationQuerySet",
    "LocationUptime",
    "ParkingDirection",
    "ParkingPlace",
    "ParkingRestriction",
    "ParkingType",
    "PowerType",
    "Status",
    "StatusChange",
]

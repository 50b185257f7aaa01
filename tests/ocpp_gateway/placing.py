"""Stations in service, in one line: with an outlet for each connector of a location."""

from typing import Any

from locations.models import Connector, Location
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, Station, StationState, Transaction
from sessions_app.models import Session
from tests.factories import NOW

BOTH = [Version.V1_6, Version.V2_0_1]


def place(location: Location, version: Version | None = Version.V1_6, **fields: Any) -> Station:
    """Put a station at a location; its outlets are the connectors, in order, each of an EVSE."""
    station = Station.objects.create(
        identity=fields.pop("identity", "CP-1"),
        state=StationState.PLACED,
        location=location,
        ocpp_version="" if version is None else version.value,
        **fields,
    )
    rows = Connector.objects.filter(evse__location=location).order_by("pk")
    for number, connector in enumerate(rows, start=1):
        Outlet.objects.create(
            station=station,
            connector=connector,
            ordinal=number,
            evse_number=number,
            connector_number=1,
        )
    return station


def open_transaction(session: Session, *, ref: str = "TX-1") -> Transaction:
    """Let a session be what a transaction at its connector is."""
    assert session.connector is not None
    outlet = Outlet.objects.select_related("station").get(connector=session.connector)
    return Transaction.objects.create(
        station=outlet.station,
        outlet=outlet,
        ref=ref,
        ocpp_version=outlet.station.ocpp_version,
        opened_at=NOW,
        session=session,
    )

"""The stations that are measured: one at each EVSE of a made network, and a card."""

from bench import network
from cpo_platform.common import clock
from locations.models import Connector
from ocpp_gateway import passwords
from ocpp_gateway.models import Outlet, Station, StationState
from sessions_app.models import Token

EVSES = 4


def build(*, stations: int, password: str) -> None:
    """Make a network in an empty database, its stations, and an eMSP with a card."""
    place(stations=stations, password=password)
    network.add_partner("Driver's", number=0, url="https://emsp.example")
    Token.objects.create(
        country_code="NL",
        party_id="E00",
        uid="BENCH",
        type="RFID",
        contract_id="NL-E00-BENCH",
        issuer="Bench",
        valid=True,
        whitelist="ALWAYS",
        last_updated=clock.now(),
    )


def place(*, stations: int, password: str) -> None:
    """Make locations with a station at each of so many EVSEs."""
    network.fill(locations=-(-stations // EVSES), evses=EVSES)
    encoded = passwords.make(password)
    # Two of one EVSE would be in each other's way.
    first = Connector.objects.filter(ocpi_id="1", evse__location__party_id=network.PARTY_ID)
    connectors = first.select_related("evse").order_by("pk")[:stations]
    made = Station.objects.bulk_create(
        Station(
            identity=f"BENCH-{number}",
            state=StationState.PLACED,
            location_id=connector.evse.location_id,
            password_hash=encoded,
        )
        for number, connector in enumerate(connectors)
    )
    Outlet.objects.bulk_create(
        Outlet(station=station, connector=connector, ordinal=1, evse_number=1, connector_number=1)
        for station, connector in zip(made, connectors, strict=True)
    )

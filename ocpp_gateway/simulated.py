"""Stations for simulated chargers: rows that they may connect to, and the file of such a fleet.

Real stations and simulated ones differ in nothing but their names, which begin with `SIM-`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import transaction

from locations.models import Connector, Evse, PowerType, Status
from ocpp_gateway import passwords
from ocpp_gateway.models import Outlet, Station, StationState
from sessions_app.models import Token

PREFIX = "SIM-"
# EVSEs of one station, as it is with AC chargers that have two sockets.
EVSES_EACH = 2
VERSIONS = ("1.6", "2.0.1")
MOST_CARDS = 50
# OCPP 1.6, IdToken.
_LONGEST_CARD = 20
# What is broken, planned or out of service stays so: nothing stands there that could connect.
_IN_SERVICE = (Status.AVAILABLE, Status.CHARGING, Status.RESERVED, Status.UNKNOWN, Status.BLOCKED)


def fleet(
    *, count: int | None, versions: Sequence[str] = VERSIONS, now: datetime
) -> dict[str, Any]:
    """Return the document of a fleet (`sandbox.charger`) of at most `count` stations.

    They are placed first at EVSEs that have no station yet; passwords are new each time, as nobody
    knows the old ones. Versions take turns.
    """
    with transaction.atomic():
        missing = None if count is None else count - len(_simulated())
        if missing is None or missing > 0:
            _place(missing, now)
        stations = _simulated()[:count]
        told = [
            _told(station, versions[number % len(versions)])
            for number, station in enumerate(stations)
        ]
        Station.objects.bulk_update(stations, ["password_hash"])
    return {"stations": told, "cards": _cards()}


def _simulated() -> list[Station]:
    return list(
        Station.objects.filter(identity__startswith=PREFIX, state=StationState.PLACED)
        .prefetch_related("outlets__connector")
        .order_by("pk")
    )


def _place(most: int | None, now: datetime) -> None:
    free = (
        Evse.objects.filter(status__in=_IN_SERVICE, connectors__isnull=False)
        .exclude(connectors__outlet__isnull=False)
        .prefetch_related("connectors")
        .order_by("location", "pk")
        .distinct()
    )
    for number, evses in enumerate(_grouped(free)):
        if most is not None and number >= most:
            return
        station = Station.objects.create(
            identity=f"{PREFIX}{evses[0].uid}"[:48],
            state=StationState.PLACED,
            location_id=evses[0].location_id,
            first_seen_at=now,
        )
        Outlet.objects.bulk_create(_outlets(station, evses))


def _grouped(evses: Iterable[Evse]) -> Iterator[list[Evse]]:
    for _location, at_location in groupby(evses, key=lambda evse: evse.location_id):
        found = list(at_location)
        for first in range(0, len(found), EVSES_EACH):
            yield found[first : first + EVSES_EACH]


def _outlets(station: Station, evses: Sequence[Evse]) -> Iterator[Outlet]:
    ordinal = 0
    for evse_number, evse in enumerate(evses, start=1):
        for connector_number, connector in enumerate(evse.connectors.all(), start=1):
            ordinal += 1
            yield Outlet(
                station=station,
                connector=connector,
                ordinal=ordinal,
                evse_number=evse_number,
                connector_number=connector_number,
            )


def _told(station: Station, version: str) -> dict[str, Any]:
    """Give a station a new password, and return what its charger has to know."""
    password = passwords.generate()
    station.password_hash = passwords.make(password)
    outlets = sorted(station.outlets.all(), key=lambda outlet: outlet.ordinal)
    return {
        "identity": station.identity,
        "password": password,
        "ocpp": version,
        "vendor": "Sandbox",
        "model": "Two-socket" if len(outlets) > 1 else "Single",
        "signs": station.pk % 3 == 0,
        "outlets": [
            {
                "evse": outlet.evse_number,
                "connector": outlet.connector_number,
                **_power(outlet.connector),
            }
            for outlet in outlets
        ],
    }


def _power(connector: Connector) -> dict[str, Any]:
    phases = {PowerType.AC_1_PHASE: 1, PowerType.AC_2_PHASE: 2, PowerType.AC_2_PHASE_SPLIT: 2}
    return {
        "max_kw": float(connector.power_kw),
        "current": "DC" if connector.power_type == PowerType.DC else "AC",
        "phases": phases.get(PowerType(connector.power_type), 3),
    }


def _cards() -> list[str]:
    """Return cards that drivers can hold before a reader: valid, and not too long for OCPP 1.6."""
    rows = Token.objects.filter(valid=True, type="RFID").order_by("pk")
    cards = list(rows.values_list("uid", flat=True)[:MOST_CARDS])
    return [uid for uid in cards if len(uid) <= _LONGEST_CARD] or ["SIM-CARD-1"]

"""The demonstration network: a small charge point operator of our own invention.

`demo_network.json` says what there is, in OCPI's terms but for the EVSEs, which come in groups.
Everything is written by the operations that real data takes, with the clock in the past.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction

from cpo_platform.common.clock import truncate
from cpo_platform.common.shapes import BusinessDetails, CdrToken, parse
from locations.models import (
    Capability,
    Connector,
    Evse,
    Location,
    LocationGroup,
    PowerType,
    Status,
)
from locations.operations import put_group, put_location
from locations.shapes import LocationShape
from sessions_app.models import Session
from sessions_app.simulator.history import Visit, play_session
from tariffs.models import Party
from tariffs.operations import put_party, put_tariff
from tariffs.shapes import TariffShape

NETWORK = Path(__file__).with_name("demo_network.json")
BUILT_BEFORE = timedelta(days=60)
HISTORY = timedelta(days=21)
SESSIONS = 60
# What every EVSE can do; a group of EVSEs may name more.
CAPABILITIES = [
    Capability.REMOTE_START_STOP_CAPABLE,
    Capability.RFID_READER,
    Capability.UNLOCK_CAPABLE,
    Capability.CHARGING_PROFILE_CAPABLE,
]
# When drivers come (UTC) and how long they stay, kWh per hour of the stay; used in turns.
HOURS = (7, 8, 12, 16, 17, 19, 21)
AC_STAYS = (35, 50, 75, 120, 190, 260)
DC_STAYS = (14, 19, 24, 31, 42)
# A part of what a connector can give, in per cent; a car that is full before it leaves parks.
LOADS = (35, 48, 62, 80)


def load(*, now: datetime) -> list[str]:
    """Make the network where there is no party yet; return what was done, a sentence each.

    All of it, or none: it is one transaction.
    """
    if Party.objects.exists():
        return ["There are parties already: the demonstration network was left out."]
    network = json.loads(NETWORK.read_text())
    built = truncate(now) - BUILT_BEFORE
    with transaction.atomic():
        return [
            load_parties(network),
            load_tariffs(network, built),
            load_locations(network, built),
            load_groups(network, built),
            load_history(network, truncate(now)),
        ]


def load_parties(network: dict[str, Any]) -> str:
    """Make the parties that own everything else."""
    for party in network["parties"]:
        put_party(
            country_code=party["country_code"],
            party_id=party["party_id"],
            business_details=parse(BusinessDetails, party),
        )
    return f"Made {len(network['parties'])} parties."


def load_tariffs(network: dict[str, Any], built: datetime) -> str:
    """Make the tariffs."""
    for tariff in network["tariffs"]:
        put_tariff(tariff=parse(TariffShape, tariff), now=built)
    return f"Made {len(network['tariffs'])} tariffs."


def load_locations(network: dict[str, Any], built: datetime) -> str:
    """Make the locations with their EVSEs and connectors."""
    kinds = network["connectors"]
    for location in network["locations"]:
        groups = location["evses"]
        evses = [
            _evse(location, group, number, kinds)
            for number, group in enumerate(_each(groups), start=1)
        ]
        shape = parse(LocationShape, {"publish": True} | location | {"evses": evses})
        put_location(location=shape, now=built)
    return f"Made {len(network['locations'])} locations with {Evse.objects.count()} EVSEs."


def load_groups(network: dict[str, Any], built: datetime) -> str:
    """Make the groups of locations that partners may be limited to."""
    for group in network["groups"]:
        locations = Location.objects.filter(ocpi_id__in=group["locations"])
        put_group(
            group=LocationGroup(name=group["name"]),
            location_ids=list(locations.values_list("pk", flat=True)),
            now=built,
        )
    return f"Grouped locations: {', '.join(group['name'] for group in network['groups'])}."


def _each(groups: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for _ in range(group["count"]):
            yield group


def _evse(
    location: dict[str, Any], group: dict[str, Any], number: int, kinds: dict[str, Any]
) -> dict[str, Any]:
    country, party = location["country_code"], location["party_id"]
    place = location["id"].replace("-", "")
    return {
        "uid": f"{location['id']}-{number}",
        "evse_id": f"{country}*{party}*E{place}{number:02}",
        "status": group.get("status", Status.AVAILABLE.value),
        "capabilities": [*CAPABILITIES, *group.get("capabilities", [])],
        "physical_reference": str(number),
        "floor_level": group.get("floor_level"),
        "parking": group.get("parking"),
        "connectors": [
            {"id": str(position), "tariff_ids": group["tariffs"], **kinds[kind]}
            for position, kind in enumerate(group["connectors"], start=1)
        ],
    }


def load_history(network: dict[str, Any], now: datetime) -> str:
    """Let drivers of the eMSP NL*EMS have charged in the past weeks: sessions and their CDRs."""
    tokens = [parse(CdrToken, token) for token in network["tokens"]]
    connectors = list(
        Connector.objects.filter(evse__status=Status.AVAILABLE, ocpi_id="1")
        .select_related("evse")
        .order_by("pk")
    )
    visits = islice(_visits(connectors, now), SESSIONS)
    for number, (connector, visit) in enumerate(visits):
        play_session(
            connector=connector,
            cdr_token=tokens[number % len(tokens)],
            visit=visit,
            now=now,
        )
    return f"Played {Session.objects.count()} sessions of the past weeks, each with its CDR."


def _visits(connectors: list[Connector], now: datetime) -> Iterator[tuple[Connector, Visit]]:
    """Yield visits from the oldest to the newest, never two at one EVSE on one day."""
    first = (now - HISTORY).replace(hour=0, minute=0, second=0, microsecond=0)
    a_day = -(-SESSIONS // (HISTORY.days - 1))
    for number in range(SESSIONS):
        day, turn = divmod(number, a_day)
        # A step that has no divisor in common with the number of connectors reaches them all.
        connector = connectors[number * 7 % len(connectors)]
        hour = HOURS[(day + turn * 2) % len(HOURS)]
        start = first + timedelta(days=day, hours=hour, minutes=number * 13 % 60)
        yield connector, _visit(connector, number, start)


def _visit(connector: Connector, number: int, start: datetime) -> Visit:
    stays = DC_STAYS if connector.power_type == PowerType.DC else AC_STAYS
    minutes = stays[number % len(stays)]
    power = min(connector.power_kw, Decimal(110))
    share = Decimal(LOADS[number % len(LOADS)]) / 100
    most = power * minutes / 60
    energy = min(most * share, Decimal(58)).quantize(Decimal("0.001"))
    # Every third car charges all the time at less power; the others are full before they leave.
    return Visit(start, minutes, energy, None if number % 3 == 0 else power)

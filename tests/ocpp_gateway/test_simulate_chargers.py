"""`manage.py simulate_chargers`: which stations are placed, and what their chargers are told."""

import json
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from locations.models import Status
from ocpp_gateway import passwords
from ocpp_gateway.models import Outlet, Station
from sandbox.charger.config import read
from tests.factories import LocationFactory, TokenFactory, evse

pytestmark = pytest.mark.django_db


def written(tmp_path: Path, *options: str) -> dict[str, object]:
    path = tmp_path / "fleet.json"
    call_command("simulate_chargers", *options, write=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text())
    read(document)
    return dict(document)


def test_evses_in_service_get_a_station_for_two(tmp_path: Path) -> None:
    evses = [evse(f"E{number}") for number in range(1, 5)]
    LocationFactory(evses=[*evses, evse("E5", status=Status.OUTOFORDER)])
    TokenFactory(uid="04AA")

    fleet = written(tmp_path, "--all")

    stations = fleet["stations"]
    assert isinstance(stations, list)
    assert [(one["identity"], one["ocpp"], len(one["outlets"])) for one in stations] == [
        ("SIM-E1", "1.6", 2),
        ("SIM-E3", "2.0.1", 2),
    ]
    assert fleet["cards"] == ["04AA"]
    for one in stations:
        station = Station.objects.get(identity=one["identity"])
        assert passwords.matches(one["password"].encode(), station.password_hash)
    assert Outlet.objects.count() == 4


def test_what_is_there_is_used_again(tmp_path: Path) -> None:
    LocationFactory(evses=[evse(f"E{number}") for number in range(1, 6)])
    first = written(tmp_path, "--count", "1", "--ocpp", "2.0.1")
    again = written(tmp_path, "--count", "2", "--ocpp", "2.0.1")

    assert Station.objects.count() == 2
    one, other = first["stations"], again["stations"]
    assert isinstance(one, list)
    assert isinstance(other, list)
    assert [station["identity"] for station in other] == ["SIM-E1", "SIM-E3"]
    assert one[0]["password"] != other[0]["password"]
    assert {station["ocpp"] for station in other} == {"2.0.1"}


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="make a location"):
        written(tmp_path)
    with pytest.raises(CommandError, match="--count"):
        written(tmp_path, "--count", "0")

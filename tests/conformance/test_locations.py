"""What a network may look like, and how each version is told of it (OCPI mod_locations)."""

import pytest

from tests.factories import LocationFactory, connector, evse
from tests.roaming.conftest import Registered


@pytest.mark.rule("LOC-15")
@pytest.mark.parametrize(("version", "told"), [("2.1.1", False), ("2.2.1", True), ("2.3.0", True)])
def test_an_evse_with_several_connectors_says_that_a_start_must_name_one(
    first: Registered, db: None, version: str, *, told: bool
) -> None:
    capabilities = ["REMOTE_START_STOP_CAPABLE", "START_SESSION_CONNECTOR_REQUIRED"]
    both = evse("E1", capabilities=capabilities) | {"connectors": [connector("1"), connector("2")]}
    LocationFactory(id="L1", evses=[both])

    shown = first.call.get(f"/ocpi/{version}/locations/L1/E1").data

    assert [one["id"] for one in shown["connectors"]] == ["1", "2"]
    # A version that has no word for it leaves it out.
    assert ("START_SESSION_CONNECTOR_REQUIRED" in shown["capabilities"]) is told


@pytest.mark.rule("LOC-24")
@pytest.mark.parametrize(("version", "told"), [("2.1.1", False), ("2.2.1", False), ("2.3.0", True)])
def test_the_room_for_larger_vehicles_is_told_as_staff_gave_it(
    first: Registered, db: None, version: str, *, told: bool
) -> None:
    place = {
        "id": "P1",
        "vehicle_types": ["PERSONAL_VEHICLE", "BUS"],
        "max_vehicle_height": 420,
        "max_vehicle_weight": 18000,
        "parking_space_length": 1500,
        "parking_space_width": 400,
        "dangerous_goods_allowed": False,
        "restricted_to_type": False,
        "reservation_required": False,
    }
    LocationFactory(id="L1", parking_places=[place])

    shown = first.call.get(f"/ocpi/{version}/locations/L1").data

    assert shown.get("parking_places") == ([place] if told else None)


@pytest.mark.rule("CR-10", "LOC-12")
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_one_party_runs_charge_points_in_several_countries(
    first: Registered, db: None, version: str
) -> None:
    LocationFactory(id="L1", country="NLD")
    LocationFactory(id="L2", country="DEU", city="Aachen", time_zone="Europe/Berlin")

    shown = first.call.get(f"/ocpi/{version}/locations").data

    assert [location["country"] for location in shown] == ["NLD", "DEU"]
    owners = {location.get("country_code") for location in shown}
    assert owners == ({None} if version == "2.1.1" else {"NL"})

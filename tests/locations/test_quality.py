"""What is said of a location, judged."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpo_platform.common.shapes import parse
from locations.quality import RULES, WEIGHTS, Finding, check, score
from locations.shapes import LocationShape

CONNECTOR = {
    "id": "1",
    "standard": "IEC_62196_T2",
    "format": "SOCKET",
    "power_type": "AC_3_PHASE",
    "max_voltage": 230,
    "max_amperage": 32,
    "max_electric_power": 22000,
    "tariff_ids": ["T"],
}


def evse(uid: str, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "evse_id": f"NL*TST*{uid}",
        "status": "AVAILABLE",
        "capabilities": ["REMOTE_START_STOP_CAPABLE"],
        "physical_reference": uid,
        "parking_restrictions": ["EV_ONLY"],
        "connectors": [CONNECTOR],
        **more,
    }


def location(**more: Any) -> LocationShape:
    return parse(
        LocationShape,
        {
            "country_code": "NL",
            "party_id": "TST",
            "id": "L",
            "publish": True,
            "name": "Station garage",
            "address": "Main street 1",
            "city": "Utrecht",
            "postal_code": "3511 AA",
            "country": "NLD",
            "coordinates": {"latitude": "52.090000", "longitude": "5.110000"},
            "parking_type": "ON_STREET",
            "evses": [evse("E1"), evse("E2")],
            "directions": [{"language": "en", "text": "Behind the station"}],
            "operator": {"name": "TST"},
            "time_zone": "Europe/Amsterdam",
            "opening_times": {"twentyfourseven": True},
            "images": [{"url": "https://e.example/a.jpg", "category": "CHARGER", "type": "jpeg"}],
            "energy_mix": {"is_green_energy": True},
            "help_phone": "+31 20 555 0100",
            **more,
        },
    )


def connectors(**more: Any) -> list[dict[str, Any]]:
    return [evse("E1", connectors=[CONNECTOR | more]), evse("E2")]


def test_a_location_that_says_everything_has_nothing_to_mend() -> None:
    assert check(location()) == []
    assert score([]) == 100


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("no_evse", {"evses": []}),
    ("no_evse", {"evses": [evse("E1", status="REMOVED")]}),
    ("coordinates_zero", {"coordinates": {"latitude": "0.000000", "longitude": "0.000000"}}),
    ("coordinates_elsewhere", {"coordinates": {"latitude": "5.110000", "longitude": "52.090000"}}),
    ("time_zone_elsewhere", {"time_zone": "Europe/London"}),
    ("power_impossible", {"evses": connectors(max_electric_power=50_000)}),
    ("power_impossible", {"evses": connectors(max_voltage=0, max_electric_power=None)}),
    ("power_in_kilowatts", {"evses": connectors(max_electric_power=22)}),
    ("evse_id_format", {"evses": [evse("E1", evse_id="station 7"), evse("E2")]}),
    ("no_evse_id", {"evses": [evse("E1", evse_id=None), evse("E2")]}),
    ("no_tariff", {"evses": connectors(tariff_ids=None)}),
    ("no_opening_hours", {"opening_times": None}),
    ("no_operator", {"operator": None}),
    ("no_help_phone", {"help_phone": None}),
    ("no_name", {"name": None}),
    ("name_is_address", {"name": "MAIN  Street 1"}),
    ("no_postal_code", {"postal_code": None}),
    ("no_physical_reference", {"evses": [evse("E1", physical_reference=None), evse("E2")]}),
    ("no_remote_start", {"evses": [evse("E1", capabilities=["RFID_READER"]), evse("E2")]}),
    ("no_parking_type", {"parking_type": None}),
    ("no_accessibility", {"evses": [evse("E1", parking_restrictions=None)]}),
    ("no_photos", {"images": None}),
    ("no_directions", {"directions": None}),
    ("no_energy_mix", {"energy_mix": None}),
    ("hidden_in_service", {"publish": False}),
    (
        "complete_but_hidden",
        {"publish": False, "evses": [evse("E1", status="OUTOFORDER")]},
    ),
]


@pytest.mark.parametrize(("rule", "broken"), BROKEN)
def test_each_rule_finds_what_it_is_about_and_nothing_else(
    rule: str, broken: dict[str, Any]
) -> None:
    found = check(location(**broken))
    assert [one.rule for one in found] == [rule]
    assert score(found) == 100 - WEIGHTS[RULES[rule]]


def test_every_rule_is_shown_to_find_something() -> None:
    # Those left out are found where there is no shape, or another location: see tests/sites.
    shown = {rule for rule, _broken in BROKEN}
    assert shown == set(RULES) - {"breaks_rules", "same_place"}


@pytest.mark.parametrize(
    "fine",
    [
        # Others with the same time, places with no box, one EVSE that needs no sign.
        {"time_zone": "Europe/Berlin"},
        {"country": "USA", "time_zone": "America/New_York"},
        {"country": "IRL", "postal_code": None, "time_zone": "Europe/Dublin"}
        | {"coordinates": {"latitude": "53.300000", "longitude": "-6.200000"}},
        {"evses": [evse("E1", physical_reference=None)]},
        {"evses": [evse("E1", evse_id="NLTSTE0001")]},
        {"evses": connectors(max_electric_power=None)},
    ],
)
def test_what_is_usual_somewhere_is_not_found(fine: dict[str, Any]) -> None:
    assert check(location(**fine)) == []


def test_a_rule_costs_once_however_many_evses_break_it() -> None:
    found = check(location(evses=[evse(f"E{one}", evse_id=None) for one in range(9)]))
    assert [(one.rule, one.evse_uid) for one in found] == [
        ("no_evse_id", f"E{one}") for one in range(9)
    ]
    assert score(found) == 94


@given(rules=st.lists(st.sampled_from(list(RULES))))
def test_a_score_is_between_0_and_100_and_falls_with_what_is_found(rules: list[str]) -> None:
    found = [Finding(rule) for rule in rules]
    assert 0 <= score(found) <= score(found[1:]) <= 100


def test_another_site_at_the_same_place_is_told_from_a_place_that_is_nowhere() -> None:
    assert [one.rule for one in check(location(), has_twin=True)] == ["same_place"]
    nowhere = location(coordinates={"latitude": "0.000000", "longitude": "0.000000"})
    assert [one.rule for one in check(nowhere, has_twin=True)] == ["coordinates_zero"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"evses": [evse("E1")]}, ["hidden_in_service"]),
        ({"evses": [evse("E1", status="OUTOFORDER")]}, ["complete_but_hidden"]),
        # Not complete, still planned, or for certain people: there are reasons to hide it.
        ({"evses": [evse("E1", status="OUTOFORDER")], "help_phone": None}, ["no_help_phone"]),
        ({"evses": [evse("E1", status="PLANNED")]}, []),
        ({"evses": [evse("E1")], "publish_allowed_to": [{"uid": "1", "type": "RFID"}]}, []),
    ],
)
def test_what_is_hidden_though_drivers_could_come_is_found(
    fields: dict[str, Any], expected: list[str]
) -> None:
    assert [one.rule for one in check(location(publish=False, **fields))] == expected

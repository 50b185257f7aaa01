"""Whatever is in our rows, what partners read is right by the letter of their version."""

from typing import Any

import pytest

from roaming.ocpi import schemas
from tests.roaming.ocpi_shapes.objects import ALL, MODULES, render, rich

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("number", ALL)
def test_a_rich_object_is_right_in_every_version(number: str, module: str) -> None:
    document = render(number, rich(module))

    assert schemas.problems(number, module, document) == []


BROKEN: list[tuple[str, Any, str]] = [
    ("name", None, "name"),
    ("name", "two\nlines", "name"),
    ("name", "x" * 256, "name"),
    ("country", "NL", "country"),
    ("charging_when_closed", "yes", "charging_when_closed"),
    ("facilities", [], "facilities"),
    ("last_updated", "2026-06-01T08:30:15", "last_updated"),
    ("last_updated", "2026-06-01T08:30:15+00:00", "last_updated"),
    ("last_updated", "2026-06-01T08:30:15.123456Z", "last_updated"),
    ("coordinates", {"latitude": "52.37021", "longitude": "4.895168"}, "coordinates.latitude"),
    ("coordinates", {"latitude": 52.370216, "longitude": "4.895168"}, "coordinates.latitude"),
    ("coordinates", {"latitude": "52.370216"}, "coordinates"),
    ("opening_times", {"twentyfourseven": False}, "opening_times"),
    ("evses", [{}], "evses[0]"),
    ("a_field_of_ours", 1, ""),
]


@pytest.mark.rule("TR-28", "TR-90", "TR-91", "TR-92", "TR-96", "LOC-12", "LOC-14", "LOC-20")
@pytest.mark.parametrize(("field", "value", "path"), BROKEN)
@pytest.mark.parametrize("number", ALL)
def test_a_mistake_is_found_and_its_place_named(
    number: str, field: str, value: Any, path: str
) -> None:
    document = render(number, rich("locations")) | {field: value}

    found = schemas.problems(number, "locations", document)

    assert found
    assert all(problem.startswith(path) for problem in found)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("number", ALL)
def test_every_field_that_is_required_is_missed(number: str, module: str) -> None:
    document = render(number, rich(module))
    required = schemas.schema(number, schemas.OBJECTS[module])["$defs"][schemas.OBJECTS[module]][
        "required"
    ]

    for name in required:
        without = {field: value for field, value in document.items() if field != name}
        assert schemas.problems(number, module, without) == [f'"{name}" is a required property']


def test_a_long_message_is_cut() -> None:
    document = render("2.2.1", rich("locations")) | {"name": ["x" * 5000]}

    [problem] = schemas.problems("2.2.1", "locations", document)

    assert problem.startswith("name: ")
    assert len(problem) < 250


def test_a_token_keeps_the_fields_that_its_owner_added() -> None:
    token = {
        "country_code": "NL",
        "party_id": "EMS",
        "uid": "04AA",
        "type": "RFID",
        "contract_id": "C1",
        "issuer": "First",
        "valid": True,
        "whitelist": "ALLOWED",
        "colour": "red",
        "last_updated": "2026-06-01T08:00:00Z",
    }

    assert schemas.problems("2.2.1", "tokens", token) == []
    assert schemas.problems("2.2.1", "tokens", token | {"whitelist": "SOMETIMES"}) != []


def test_what_a_version_does_not_have_is_an_error_of_the_caller() -> None:
    assert not schemas.has("2.1.1", "hubclientinfo")
    assert schemas.has("2.3.0", "hubclientinfo")
    with pytest.raises(KeyError, match="ClientInfo"):
        schemas.problems("2.1.1", "hubclientinfo", {})
    with pytest.raises(KeyError, match=r"2\.0"):
        schemas.problems("2.0", "locations", {})

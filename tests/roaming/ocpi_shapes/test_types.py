"""OCPI's types as we write them: DateTime, number, string, CiString, enums."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from cpo_platform.common import json
from cpo_platform.common.shapes import BusinessDetails, DisplayText, ShapeError, parse
from locations.models import Location
from roaming.ocpi import schemas
from tariffs.models import Tariff
from tests.factories import LocationFactory, TariffFactory, evse, price
from tests.roaming.ocpi_shapes.objects import (
    ALL,
    LATER,
    MODULES,
    render,
    rich,
    rich_location,
    whole,
)

pytestmark = pytest.mark.django_db
MOMENTS = re.compile(r"^\d{4}-\d\d-\d\dT")
DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,4})?Z$")


def values(document: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Go through every value of a document, with the name of its field."""
    if isinstance(document, dict):
        for field, value in document.items():
            yield from values(value, field)
    elif isinstance(document, list):
        for value in document:
            yield from values(value, name)
    else:
        yield name, document


@pytest.mark.rule("TR-90", "TR-91", "TR-92")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("number", ALL)
def test_a_date_time_is_utc_ends_with_z_and_fits_25_characters(number: str, module: str) -> None:
    moments = [
        text
        for _name, text in values(render(number, rich(module)))
        if isinstance(text, str) and MOMENTS.match(text)
    ]

    assert moments
    assert all(DATE_TIME.match(text) and len(text) <= 25 for text in moments)
    # 2.1.1 defines no fractions of a second; later versions get our milliseconds.
    assert any("." in text for text in moments) == (number != "2.1.1")


@pytest.mark.rule("TR-94", "TR-95")
@pytest.mark.parametrize("twin", ["l1", "L1"])
def test_ids_that_differ_by_case_only_are_one(twin: str) -> None:
    first = LocationFactory(id="L1", evses=[evse("E1")])
    copy = Location.objects.get(pk=first.pk)
    copy.pk, copy.ocpi_id = None, twin

    with pytest.raises(IntegrityError, match="location_identity"), transaction.atomic():
        Location.objects.bulk_create([copy])
    # The case that the id was given with stays.
    assert Location.objects.get(ocpi_id=twin).ocpi_id == "L1"


@pytest.mark.rule("TR-94")
@pytest.mark.parametrize("wrong", ["Ä1", "a\nb", "", "x" * 37])
def test_an_id_is_printable_ascii_of_at_most_36(wrong: str) -> None:
    with pytest.raises(ShapeError, match="id"):
        LocationFactory(id=wrong)


@pytest.mark.rule("TR-96")
@pytest.mark.parametrize("wrong", ["two\nlines", "a\ttab", "\x00"])
def test_a_string_has_no_control_characters(wrong: str) -> None:
    with pytest.raises(ShapeError, match="name"):
        LocationFactory(name=wrong)


@pytest.mark.rule("TR-96")
@pytest.mark.parametrize("number", ALL)
def test_texts_are_utf_8_also_for_2_1_1(number: str) -> None:
    location = whole(LocationFactory(name="Zürich 充電"))

    document = render(number, location)

    assert document["name"] == "Zürich 充電"
    assert schemas.problems(number, "locations", document) == []


@pytest.mark.rule("TR-97")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("number", ALL)
def test_numbers_are_json_numbers_with_at_most_four_decimals(number: str, module: str) -> None:
    document = render(number, rich(module))

    numbers = [value for _name, value in values(document) if isinstance(value, int | Decimal)]
    texts = [value for name, value in values(document) if name in {"kwh", "price", "volume"}]
    assert numbers
    assert all(round(Decimal(value), 4) == value for value in numbers)
    assert not [value for value in texts if isinstance(value, str)]


@pytest.mark.rule("TR-97", "TAR-13")
@pytest.mark.parametrize("number", ["2.1.1", "2.2.1"])
def test_a_price_that_ends_nowhere_is_rounded_to_four_decimals(number: str) -> None:
    tariff: Tariff = TariffFactory(
        tax_included="YES", elements=[{"price_components": [price("ENERGY", "1", vat="19")]}]
    )

    [element] = render(number, tariff)["elements"]

    assert element["price_components"][0]["price"] == Decimal("0.8403")


@pytest.mark.rule("TR-98")
@pytest.mark.parametrize("url", ["https://x.example/" + "a" * 250, "ftp://x.example", "x"])
def test_a_url_that_is_too_long_or_none_is_refused(url: str) -> None:
    with pytest.raises(ShapeError, match="website"):
        parse(BusinessDetails, {"name": "X", "website": url})


@pytest.mark.rule("TR-99")
@pytest.mark.parametrize("number", ALL)
def test_values_that_a_closed_enum_has_not_are_left_out_and_an_open_one_keeps_them(
    number: str,
) -> None:
    document = render(number, rich_location())

    kept = {
        "facilities": document["facilities"],
        "images": [image["category"] for image in document["images"]],
        "capabilities": document["evses"][0]["capabilities"],
        "parking_restrictions": document["evses"][0]["parking_restrictions"],
        "environ_impact": [
            impact.get("category", impact.get("source"))
            for impact in document["energy_mix"]["environ_impact"]
        ],
    }
    known = {
        "2.1.1": {
            "facilities": ["CAFE"],
            "images": ["CHARGER"],
            "capabilities": ["RFID_READER"],
            "parking_restrictions": ["EV_ONLY"],
            "environ_impact": ["CARBON_DIOXIDE"],
        },
        "2.2.1": {
            "facilities": ["CAFE", "TRAM_STOP"],
            "images": ["CHARGER"],
            "capabilities": ["RFID_READER", "TOKEN_GROUP_CAPABLE"],
            "parking_restrictions": ["EV_ONLY"],
            "environ_impact": ["CARBON_DIOXIDE"],
        },
        "2.3.0": {
            "facilities": ["CAFE", "TRAM_STOP", "DOG_PARK"],
            "images": ["CHARGER", "MENU"],
            "capabilities": ["RFID_READER", "TOKEN_GROUP_CAPABLE", "HAS_A_ROOF"],
            "parking_restrictions": ["EV_ONLY", "TAXIS"],
            "environ_impact": ["CARBON_DIOXIDE", "METHANE"],
        },
    }
    assert kept == known[number]


@pytest.mark.rule("TR-99")
@pytest.mark.parametrize("number", ALL)
def test_a_value_of_our_own_is_a_mistake_in_a_closed_enum_of_any_version(number: str) -> None:
    document = render(number, rich_location())
    document["evses"][0]["status"] = "SLEEPING"

    [problem] = schemas.problems(number, "locations", document)

    assert problem.startswith("evses[0].status: ")


@pytest.mark.rule("TR-104")
@pytest.mark.parametrize(
    ("language", "text"), [("eng", "x"), ("e", "x"), ("en", "x" * 513), ("en", "a\nb")]
)
def test_a_display_text_has_two_letters_and_512_characters(language: str, text: str) -> None:
    with pytest.raises(ShapeError):
        parse(DisplayText, {"language": language, "text": text})


@pytest.mark.rule("TR-28")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("number", ALL)
def test_absent_fields_are_left_out_and_never_null(number: str, module: str) -> None:
    document = render(number, rich(module))

    assert all(value is not None for _name, value in values(document))
    assert "null" not in json.dump_text(document)


@pytest.mark.rule("TR-27")
@pytest.mark.parametrize("number", LATER)
def test_ids_keep_their_case_on_the_wire(number: str) -> None:
    location = whole(LocationFactory(id="MiXed", evses=[evse("e-1")]))

    document = render(number, location)

    assert (document["id"], document["evses"][0]["uid"]) == ("MiXed", "e-1")

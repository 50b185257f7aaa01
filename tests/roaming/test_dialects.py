"""Bodies as one partner wants them: what is left out, what becomes ASCII, and what never does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpo_platform.common.shapes import ShapeError, parse
from roaming.dialect import OMITTABLE, Dialect
from roaming.ocpi.dialects import adapt, adapt_document

Json = dict[str, Any]
LOCATION: Json = {
    "id": "SITE",
    "name": "Café",
    "city": "Køge",
    "postal_code": "4600",
    "time_zone": "Europe/Copenhagen",
    "evses": [{"uid": "E1", "images": [{"url": "x"}], "connectors": [{"id": "1"}]}],
    "images": [{"url": "y"}],
}


def dialect(**fields: Any) -> Dialect:
    return parse(Dialect, fields)


def adapted(document: Json, *, version: str = "2.2.1", **fields: Any) -> Json:
    text = json.dumps(document, ensure_ascii=False)
    wanted = dialect(**fields)
    found: Json = json.loads(adapt(text, module="locations", dialect=wanted, version=version))
    assert found == adapt_document(document, module="locations", dialect=wanted, version=version)
    return found


def test_a_partner_without_wishes_gets_the_text_itself() -> None:
    text = '{"b":  "é"}'

    assert adapt(text, module="locations", dialect=Dialect(), version="2.2.1") is text


def test_fields_are_left_out_at_every_level_and_no_others() -> None:
    found = adapted(
        LOCATION, omit=["locations.images", "locations.evses.images", "tariffs.energy_mix"]
    )

    assert found == {
        **{name: value for name, value in LOCATION.items() if name != "images"},
        "evses": [{"uid": "E1", "connectors": [{"id": "1"}]}],
    }


@pytest.mark.parametrize(
    ("version", "stay"),
    [("2.1.1", {"postal_code"}), ("2.2.1", {"time_zone"}), ("2.3.0", {"time_zone"})],
)
def test_what_a_version_requires_stays(version: str, stay: set[str]) -> None:
    omit = ["locations.postal_code", "locations.time_zone"]

    found = adapted(LOCATION, version=version, omit=omit)

    assert found.keys() & {"postal_code", "time_zone"} == stay


@pytest.mark.parametrize(
    "path",
    ["locations.address", "locations.evses.uid", "sessions.kwh", "locations.evses", "cdrs.id"],
)
def test_a_required_field_cannot_be_chosen(path: str) -> None:
    with pytest.raises(ShapeError, match="no field that OCPI lets us leave out"):
        dialect(omit=[path])


def test_every_field_that_can_be_chosen_can_be_chosen_at_once() -> None:
    assert len(dialect(omit=sorted(OMITTABLE)).omit) == len(OMITTABLE)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Café Øresund", "Cafe Oresund"),
        ("Straße", "Strasse"),
        ("0,50 €", "0,50 EUR"),
        ("東京", "??"),
        ("e\N{COMBINING ACUTE ACCENT}", "e"),
        ("„A“ – B", "'A' - B"),
    ],
)
def test_letters_become_plain(text: str, plain: str) -> None:
    assert adapted({"name": text}, ascii_only=True) == {"name": plain}


@given(st.dictionaries(st.text(), st.text()))
def test_whatever_the_letters_it_stays_the_same_json(document: dict[str, str]) -> None:
    text = json.dumps(document, ensure_ascii=False)

    plain = adapt(text, module="locations", dialect=dialect(ascii_only=True), version="2.1.1")

    assert plain.isascii()
    assert len(json.loads(plain)) <= len(document)

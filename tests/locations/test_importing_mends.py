"""Each repair: what comes in, what is taken, and what the report says."""

from decimal import Decimal
from typing import Any

import pytest

from cpo_platform.common.shapes import Shape, ShapeError
from locations.importing.mending import mend, shown
from locations.importing.pruning import parse_leniently
from locations.importing.report import Note
from locations.importing.versions import detect_version
from locations.shapes import ConnectorShape, EvseShape, LocationShape
from tariffs.shapes import TariffShape
from tests.locations import feeds

NOTHING = object()


def repaired(shape: type[Shape], raw: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    notes: list[Note] = []
    return mend(shape, raw, notes), [(note.field, note.reason) for note in notes]


@pytest.mark.parametrize(
    ("field", "before", "after", "reason"),
    [
        ("name", "", NOTHING, "name was empty: left out"),
        ("name", None, NOTHING, "name was empty: left out"),
        (
            "name",
            " A\tB\n",
            "A B",
            "name had spaces around it or unprintable characters in it: cleaned",
        ),
        ("id", 1588625, "1588625", "id was a number instead of text: made it text"),
        (
            "publish",
            "yes",
            True,
            "publish was not plain true or false: read as such (yes → True)",
        ),
        ("country", "nl", "NLD", "country must be three letters (ISO 3166-1 alpha-3): replaced"),
        ("country", "nld", "NLD", "country had another case: took OCPI's spelling (nld → NLD)"),
        ("party_id", "tst", "TST", "party_id had another case: took OCPI's spelling (tst → TST)"),
        (
            "parking_type",
            "on_street",
            "ON_STREET",
            "parking_type had another case: took OCPI's spelling (on_street → ON_STREET)",
        ),
        (
            "facilities",
            "WIFI",
            ["WIFI"],
            "facilities was not a list: made it a list of one",
        ),
        ("energy_mix", [], NOTHING, "energy_mix was an empty list instead of an object: left out"),
        (
            "energy_mix",
            [{"is_green_energy": True}],
            {"is_green_energy": True},
            "energy_mix was a list of one: took its only entry",
        ),
    ],
)
def test_a_field_of_a_location_is_mended(field: str, before: Any, after: Any, reason: str) -> None:
    value, notes = repaired(LocationShape, {field: before})
    assert value == ({} if after is NOTHING else {field: after})
    assert len(notes) == 1
    assert notes[0][0] == field
    assert notes[0][1].startswith(reason)


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("48.8923", "48.892300", "had fewer than six decimals: padded with zeros"),
        ("48.89233", "48.892330", "had fewer than six decimals: padded with zeros"),
        ("48.8923312", "48.892331", "had more than six decimals: rounded"),
        ("48", "48.000000", "had fewer than six decimals: padded with zeros"),
    ],
)
def test_coordinates_get_six_decimals(before: str, after: str, rule: str) -> None:
    value, notes = repaired(
        LocationShape, {"coordinates": {"latitude": before, "longitude": "5.110270"}}
    )
    assert value == {"coordinates": {"latitude": after, "longitude": "5.110270"}}
    assert notes == [("coordinates.latitude", f"latitude {rule} ({before} → {after})")]


def test_coordinates_that_are_numbers_become_text() -> None:
    value, notes = repaired(
        LocationShape,
        {"coordinates": {"latitude": Decimal("52.089441"), "longitude": "5.110270"}},
    )
    assert value["coordinates"]["latitude"] == "52.089441"
    assert notes == [
        ("coordinates.latitude", "latitude was a number instead of text: made it text")
    ]


@pytest.mark.parametrize(("before", "after"), [("DE", "de"), ("de-DE", "de"), ("nl_NL", "nl")])
def test_a_language_becomes_two_lower_case_letters(before: str, after: str) -> None:
    value, notes = repaired(LocationShape, {"directions": [{"language": before, "text": "x"}]})
    assert value["directions"] == [{"language": after, "text": "x"}]
    assert notes == [
        (
            "directions[].language",
            f"language must be two lower-case letters: rewritten ({before} → {after})",
        )
    ]


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ({"end_time": "19:59:59"}, {"end_time": "20:00"}, ["…:59 means until the next minute"]),
        ({"end_time": "23:59:59"}, {"end_time": "00:00"}, ["the end of the day"]),
        ({"end_time": "24:00"}, {"end_time": "00:00"}, ["the end of the day"]),
        ({"start_time": "08:00:00"}, {"start_time": "08:00"}, ["must be HH:MM: rewritten"]),
        ({"start_time": "8:00"}, {"start_time": "08:00"}, ["must be HH:MM: rewritten"]),
        ({"start_time": "08:00", "end_time": "20:00"}, None, []),
        # These could only be guessed: they stay, for the shape to refuse.
        ({"start_time": "08:00:30"}, None, []),
        ({"start_time": "24:00"}, None, []),
        ({"end_time": "20:00:30"}, None, []),
        ({"end_time": "25:00"}, None, []),
        ({"end_time": "evening"}, None, []),
    ],
)
def test_times_of_a_tariff_become_hours_and_minutes(
    before: dict[str, str], after: dict[str, str] | None, rules: list[str]
) -> None:
    value, notes = repaired(TariffShape, feeds.with_restrictions(before))
    assert value["elements"][1]["restrictions"] == (after or before)
    assert len(notes) == len(rules)
    assert all(rule in reason for rule, (_field, reason) in zip(rules, notes, strict=True))


@pytest.mark.rule("LOC-21")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("22:00:00", "22:00"),
        ("24:00", "23:59"),
        ("00:00", "23:59"),
        ("23:59:59", "23:59"),
    ],
)
def test_opening_hours_end_later_than_they_begin(before: str, after: str) -> None:
    hours = {"weekday": 1, "period_begin": "06:00", "period_end": before}
    value, notes = repaired(
        LocationShape, {"opening_times": {"twentyfourseven": False, "regular_hours": [hours]}}
    )
    assert value["opening_times"]["regular_hours"][0]["period_end"] == after
    assert [field for field, _reason in notes] == ["opening_times.regular_hours[].period_end"]


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ([{"min_duration": 60}], {"min_duration": 60}, "was a list of one: took its only entry"),
        ([], NOTHING, "was an empty list instead of an object: left out"),
        ({"day_of_week": "MONDAY"}, {"day_of_week": ["MONDAY"]}, "was not a list"),
        ({"day_of_week": ["Monday"]}, {"day_of_week": ["MONDAY"]}, "(Monday → MONDAY)"),
        ({"min_kwh": "5"}, {"min_kwh": Decimal(5)}, "was text instead of a number"),
        ({"min_duration": "60"}, {"min_duration": 60}, "was text instead of a number"),
    ],
)
def test_restrictions_are_mended(before: Any, after: Any, rule: str) -> None:
    value, notes = repaired(TariffShape, feeds.with_restrictions(before))
    assert value["elements"][1].get("restrictions", NOTHING) == after
    assert len(notes) == 1
    assert rule in notes[0][1]


def test_restrictions_of_two_entries_are_not_guessed_at() -> None:
    raw = feeds.with_restrictions([{"min_duration": 60}, {"max_duration": 90}])
    value, notes = repaired(TariffShape, raw)
    assert value["elements"][1]["restrictions"] == [{"min_duration": 60}, {"max_duration": 90}]
    assert notes == []


def test_a_price_is_rounded_to_four_decimals() -> None:
    raw = feeds.tariff()
    raw["elements"][0]["price_components"][0]["price"] = Decimal("0.49579832")
    value, notes = repaired(TariffShape, raw)
    assert value["elements"][0]["price_components"][0]["price"] == Decimal("0.4958")
    assert notes == [
        (
            "elements[].price_components[].price",
            "price had more than four decimals: rounded (0.49579832 → 0.4958)",
        )
    ]


def test_power_is_rounded_down_and_steps_are_not() -> None:
    value, notes = repaired(ConnectorShape, {"max_amperage": Decimal("31.5"), "max_voltage": "230"})
    assert value == {"max_amperage": 31, "max_voltage": 230}
    assert [reason for _field, reason in notes] == [
        "max_voltage was text instead of a number: read as a number",
        "max_amperage had a fraction: rounded down to a whole number (31.5 → 31)",
    ]
    raw = feeds.tariff()
    raw["elements"][0]["price_components"][0]["step_size"] = Decimal("1.5")
    value, notes = repaired(TariffShape, raw)
    assert value["elements"][0]["price_components"][0]["step_size"] == Decimal("1.5")
    assert notes == []


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("available", "AVAILABLE", "had another case"),
        ("FAULTED", "UNKNOWN", "was no OCPI status: took UNKNOWN (FAULTED → UNKNOWN)"),
    ],
)
def test_a_status_is_one_of_ocpis(before: str, after: str, rule: str) -> None:
    value, notes = repaired(EvseShape, {"status": before})
    assert value == {"status": after}
    assert rule in notes[0][1]


def test_a_plug_is_spelled_as_ocpi_spells_it() -> None:
    value, _notes = repaired(ConnectorShape, {"standard": "iec_62196_t2_combo", "format": "Cable"})
    assert value == {"standard": "IEC_62196_T2_COMBO", "format": "CABLE"}
    # An open enumeration: what is not known is kept.
    assert repaired(ConnectorShape, {"standard": "NEW_PLUG"}) == ({"standard": "NEW_PLUG"}, [])


def test_what_is_right_is_not_touched() -> None:
    raw = feeds.location(
        directions=[{"language": "nl", "text": "Links"}],
        images=[{"url": "https://example.com/a.png", "category": "ENTRANCE", "type": "png"}],
        opening_times={"twentyfourseven": True},
    )
    value, notes = repaired(LocationShape, {k: v for k, v in raw.items() if k != "evses"})
    assert value == {k: v for k, v in raw.items() if k != "evses"}
    assert notes == []


def pruned(raw: dict[str, Any]) -> tuple[LocationShape, list[tuple[Any, str]]]:
    notes: list[Note] = []
    value = mend(LocationShape, raw, notes, skip=("evses",))
    shape = parse_leniently(LocationShape, value, notes)
    return shape, [(note.path, note.reason) for note in notes]


def test_an_optional_part_that_is_wrong_is_left_out_and_its_neighbours_stay() -> None:
    image = {"url": "https://example.com/a.png", "category": "ENTRANCE", "type": "png"}
    shape, notes = pruned(
        feeds.location(
            images=[{**image, "url": "nowhere"}, image, {**image, "type": "toolong"}, image],
            operator={"name": "Test", "website": "example"},
            energy_mix={
                "is_green_energy": True,
                "energy_sources": [{"source": "WIND", "percentage": 90}],
            },
            opening_times={"twentyfourseven": False},
        )
    )
    assert shape.images is not None
    assert [picture.url for picture in shape.images] == ["https://example.com/a.png"] * 2
    assert shape.operator is not None
    assert (shape.operator.name, shape.operator.website) == ("Test", None)
    assert (shape.energy_mix, shape.opening_times) == (None, None)
    assert dict(notes) == {
        ("operator", "website"): "website was no web address: left out",
        ("images", 0, "url"): "url was no web address: left out",
        ("images", 0): "images was wrong: left out (url is required)",
        ("images", 2): (
            "images was wrong: left out (type string should have at most 4 characters)"
        ),
        ("opening_times",): (
            "opening_times was wrong: left out "
            "(regular_hours is required when twentyfourseven is false)"
        ),
        ("energy_mix",): (
            "energy_mix was wrong: left out (the percentages of energy_sources must add up to 100)"
        ),
    }


def test_a_list_keeps_its_good_entries_whatever_is_wrong_with_the_others() -> None:
    texts = [
        {"language": "nl", "text": "A"},
        {"language": "nederlands"},
        {"text": "C"},
        {"language": "nl", "text": "D"},
        "E",
    ]
    shape, notes = pruned(feeds.location(directions=texts))
    assert shape.directions is not None
    assert [text.text for text in shape.directions] == ["A", "D"]
    assert sorted(path for path, _reason in notes) == [
        ("directions", 1),
        ("directions", 2),
        ("directions", 4),
    ]


def test_a_required_part_that_is_wrong_is_an_error_with_its_path() -> None:
    raw = feeds.location(coordinates={"latitude": "north", "longitude": "5.110270"})
    with pytest.raises(ShapeError) as raised:
        pruned(raw)
    assert [problem.path for problem in raised.value.problems] == ["coordinates.latitude"]


@pytest.mark.parametrize(
    ("location", "version"),
    [
        (feeds.location_2_1_1(), "2.1.1"),
        ({**feeds.location(), "type": "ON_STREET"}, "2.1.1"),
        (feeds.location(), "2.2.1"),
        (feeds.location(help_phone="+31 30 1234567"), "2.3.0"),
        (feeds.location(parking_places=[]), "2.3.0"),
        (feeds.location(evses=[feeds.evse(accepted_service_providers=["x"])]), "2.3.0"),
        (feeds.location(evses=[feeds.evse(parking=[])]), "2.3.0"),
        (feeds.location(evses=["x", {"connectors": "x"}], energy_mix=7), "2.2.1"),
    ],
)
def test_the_version_is_told_from_the_fields(location: dict[str, Any], version: str) -> None:
    assert detect_version(location) == version


def test_values_of_the_file_are_shown_short_and_printable() -> None:
    assert shown("a\nb\x00") == "a b "
    assert shown("x" * 100) == "x" * 59 + "…"
    assert shown("\ud800") == "?"


@pytest.mark.rule("LOC-21")
def test_hours_over_midnight_become_two_entries() -> None:
    hours = {
        "twentyfourseven": False,
        "regular_hours": [{"weekday": 7, "period_begin": "22:00", "period_end": "06:00"}],
    }

    value, notes = repaired(LocationShape, {"opening_times": hours})

    assert value["opening_times"]["regular_hours"] == [
        {"weekday": 7, "period_begin": "22:00", "period_end": "23:59"},
        {"weekday": 1, "period_begin": "00:00", "period_end": "06:00"},
    ]
    assert [path for path, _text in notes] == ["opening_times.regular_hours[]"]

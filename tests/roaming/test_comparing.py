"""Comparing two copies of an object: what counts as a difference, and what does not."""

import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roaming.ocpi.comparing import (
    MOST_DIFFERENCES,
    MOST_SHOWN,
    ORDERED,
    Difference,
    compare,
)
from tests.examples import examples

Json = dict[str, Any]


def paths(ours: Json, theirs: Json) -> list[str]:
    return [difference.path for difference in compare(ours, theirs).differences]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"kwh": 1}, {"kwh": Decimal("1.0")}),
        ({"kwh": Decimal("0.3")}, {"kwh": Decimal("0.30000000000000004")}),
        ({"at": "2026-06-01T08:00:00Z"}, {"at": "2026-06-01T10:00:00.000+02:00"}),
        ({"at": "2026-06-01T08:00:00.123Z"}, {"at": "2026-06-01T08:00:00"}),
        ({"name": None, "images": []}, {}),
        ({}, {"name": None, "images": []}),
        ({"capabilities": ["A", "B"]}, {"capabilities": ["B", "A"]}),
        ({"evses": [{"uid": "E1"}, {"uid": "E2"}]}, {"evses": [{"uid": "e2"}, {"uid": "E1"}]}),
        (
            {"country_code": "NL", "tariff_ids": ["DAY"]},
            {"country_code": "nl", "tariff_ids": ["day"]},
        ),
        ({"coordinates": {"latitude": "52.37"}}, {"coordinates": {"latitude": "52.3700"}}),
        (
            {"regular_hours": [{"weekday": 1, "period_begin": "08:00"}, {"weekday": 2}]},
            {"regular_hours": [{"weekday": 2, "x": None}, {"period_begin": "08:00", "weekday": 1}]},
        ),
    ],
)
def test_another_spelling_is_no_difference(ours: Json, theirs: Json) -> None:
    assert compare(ours, theirs).differences == ()


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({"kwh": 1}, {"kwh": Decimal("1.001")}, Difference("kwh", "1", "1.001")),
        ({"kwh": 1}, {"kwh": "1"}, Difference("kwh", "1", "1")),
        ({"kwh": 1}, {"kwh": True}, Difference("kwh", "1", "true")),
        ({"publish": True}, {}, Difference("publish", "true", None)),
        (
            {"at": "2026-06-01T08:00:00Z"},
            {"at": "2026-06-01T08:00:01Z"},
            Difference("at", "2026-06-01T08:00:00Z", "2026-06-01T08:00:01Z"),
        ),
        (
            {"evses": [{"uid": "E1", "status": "AVAILABLE"}]},
            {"evses": [{"uid": "E1", "status": "CHARGING"}]},
            Difference("evses[E1].status", "AVAILABLE", "CHARGING"),
        ),
        ({"evses": [{"uid": "E1"}]}, {}, Difference("evses", '[{"uid":"E1"}]', None)),
        (
            {"evses": [{"uid": "E1"}, {"uid": "E2"}]},
            {"evses": [{"uid": "E1"}]},
            Difference("evses[E2]", '{"uid":"E2"}', None),
        ),
        (
            {"capabilities": ["A", "B"]},
            {"capabilities": ["A"]},
            Difference("capabilities[]", "B", None),
        ),
        ({"name": "Größe"}, {"name": "Gr\ufffd"}, Difference("name", "Größe", "Gr\ufffd")),
    ],
)
def test_another_value_is_named_with_its_path(
    ours: Json, theirs: Json, expected: Difference
) -> None:
    compared = compare(ours, theirs)
    assert compared.differences == (expected,)
    assert not compared.equal


@pytest.mark.parametrize("name", sorted(ORDERED))
def test_a_list_in_which_the_order_counts_may_not_be_turned_round(name: str) -> None:
    first, second = {"price": 1}, {"price": 2}
    assert paths({name: [first, second]}, {name: [second, first]}) == [
        f"{name}[1].price",
        f"{name}[2].price",
    ]


def test_fields_that_only_the_partner_has_are_named_and_are_no_drift() -> None:
    theirs = {"id": "A", "crm": 7, "evses": [{"uid": "E1", "note": "x"}, {"uid": "E2", "note": ""}]}
    compared = compare({"id": "A", "evses": [{"uid": "E1"}, {"uid": "E2"}]}, theirs)
    assert compared.equal
    assert compared.extra == ("crm", "evses[].note")
    assert {difference.extra for difference in compared.differences} == {True}


def test_differences_are_bounded_and_come_before_what_is_extra() -> None:
    ours = {f"f{number:03}": number for number in range(60)}
    compared = compare(ours, {"a": 1} | dict.fromkeys(ours, -1))
    assert len(compared.differences) == MOST_DIFFERENCES
    assert compared.more == 10
    assert not any(difference.extra for difference in compared.differences)


def test_values_are_cut_and_can_be_stored() -> None:
    compared = compare({"name": "a"}, {"name": "x\x00" * 1000, "\x00" * 300: 1})
    name, extra = compared.differences
    assert name.theirs is not None
    assert len(name.theirs) <= MOST_SHOWN
    assert "\x00" not in name.theirs + extra.path


def test_a_copy_that_is_nested_deeply_or_is_something_else_is_a_difference() -> None:
    deep: Any = []
    for _level in range(900):
        deep = [deep]
    assert not compare({"evses": [{"uid": "E1"}]}, {"evses": deep}).equal
    assert not compare({"images": ["a"]}, {"images": deep}).equal
    assert not compare({"evses": [{"uid": "E1"}]}, {"evses": "none"}).equal


# A document, and the same in another spelling

_NAMES = st.sampled_from(["id", "name", "status", "kwh", "at", "elements", "evses", "images", "x"])
_SCALARS = st.one_of(
    st.booleans(),
    st.text('aB é"\\\x00', max_size=4),
    st.integers(-(10**9), 10**9),
    st.decimals(-1000, 1000, places=4),
    st.integers(0, 10**9).map(lambda second: f"{datetime.fromtimestamp(second, UTC):%FT%TZ}"),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(_NAMES, inner, max_size=4)
    ),
    max_leaves=20,
)


def respelled(value: Any, chance: random.Random, name: str = "") -> Any:
    """Return the same value as another platform might write it."""
    if isinstance(value, dict):
        fields = [(field, respelled(item, chance, field)) for field, item in value.items()]
        chance.shuffle(fields)
        return dict(fields) | {"absent": chance.choice([None, []])}
    if isinstance(value, list):
        items = [respelled(item, chance, name) for item in value]
        if name not in ORDERED:
            chance.shuffle(items)
        return items
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return chance.choice([value, Decimal(value), Decimal(f"{value}").normalize()])
    # An id is no moment, whatever it looks like.
    return value if name == "id" else _respelled_text(value, chance)


def _respelled_text(text: str, chance: random.Random) -> str:
    if len(text) != 20 or not text.endswith("Z") or "T" not in text:
        return text
    moment = datetime.fromisoformat(text).astimezone(UTC)
    zone = timezone(timedelta(hours=chance.randint(-12, 12)))
    later = moment.replace(microsecond=chance.choice([0, 1000, 999_999]))
    return chance.choice([text, text[:-1], later.astimezone(zone).isoformat()])


@examples(200)
@given(st.dictionaries(_NAMES, _VALUES, max_size=6), st.randoms(use_true_random=False))
def test_a_document_is_equal_to_itself_in_another_spelling(
    document: Json, chance: random.Random
) -> None:
    compared = compare(document, respelled(document, chance))
    assert compared.equal, compared
    assert compared.extra == ()


@examples(100)
@given(st.dictionaries(_NAMES, _VALUES, max_size=6), st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_any_two_documents_can_be_compared_and_agree_both_ways(one: Json, other: Json) -> None:
    there, back = compare(one, other), compare(other, one)
    assert (there.equal and not there.extra) == (back.equal and not back.extra)

"""What staff corrects goes into the price, and adds up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.corrections import (
    Correction,
    ImpossibleCorrection,
    spread,
    usable,
    without_parking,
)
from sessions_app.metering import Reading
from tariffs.pricing.types import Phase, Segment

START = datetime(2026, 6, 1, 8, tzinfo=UTC)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def segment(begin: float, end: float, energy: str = "0", **state: Any) -> Segment:
    return Segment(start=minute(begin), end=minute(end), energy=Decimal(energy), **state)


def energies(segments: tuple[Segment, ...]) -> list[Decimal]:
    return [one.energy for one in segments]


def test_energy_is_spread_as_it_was_measured_and_power_follows() -> None:
    measured = [
        segment(0, 30, "60", power=Decimal(120)),
        segment(30, 60, "20", power=Decimal(40)),
        segment(60, 90, requesting_power=False),
    ]

    corrected = spread(measured, Decimal(8))

    assert energies(corrected) == [Decimal(6), Decimal(2), Decimal(0)]
    assert [one.power for one in corrected] == [Decimal(12), Decimal(4), Decimal(0)]


def test_where_a_meter_jumped_no_more_is_put_than_the_connector_gives() -> None:
    jumped = [segment(0, 30, "6"), segment(30, 60, "8000"), segment(60, 90, "3")]

    corrected = spread(jumped, Decimal(10), power_kw=Decimal(22))

    assert energies(corrected) == [Decimal(3), Decimal("5.5"), Decimal("1.5")]


def test_energy_that_was_not_measured_flows_while_the_vehicle_asks_for_it() -> None:
    silent = [segment(0, 30), segment(30, 90), segment(90, 300, requesting_power=False)]
    parked = [segment(0, 30, requesting_power=False), segment(30, 90, requesting_power=False)]

    assert energies(spread(silent, Decimal(9))) == [Decimal(3), Decimal(6), Decimal(0)]
    assert energies(spread(parked, Decimal(9))) == [Decimal(3), Decimal(6)]


def test_no_energy_flows_while_the_evse_is_kept_free() -> None:
    kept = segment(-10, 0, phase=Phase.RESERVATION)

    assert energies(spread([kept, segment(0, 10)], Decimal(2))) == [Decimal(0), Decimal(2)]
    with pytest.raises(ImpossibleCorrection, match="no time"):
        spread([kept], Decimal(1))


def test_energy_needs_a_time_to_flow_and_none_needs_nothing() -> None:
    instant = [segment(0, 0)]

    with pytest.raises(ImpossibleCorrection, match="energy: there is no time"):
        spread(instant, Decimal(1))
    assert spread(instant, Decimal(0)) == (instant[0],)
    assert spread(instant, None) == (instant[0],)


@given(
    st.lists(
        st.tuples(st.integers(0, 3600), st.decimals(0, 1000, places=4)), min_size=1, max_size=30
    ),
    st.decimals(0, 10000, places=4),
)
def test_the_parts_add_up_to_the_total_exactly(
    parts: list[tuple[int, Decimal]], total: Decimal
) -> None:
    segments, at = [segment(0, 1)], minute(1)
    for seconds, energy in parts:
        end = at + timedelta(seconds=seconds)
        segments.append(Segment(start=at, end=end, energy=energy))
        at = end

    corrected = spread(segments, total)

    assert sum(energies(corrected)) == total
    assert all(energy >= 0 for energy in energies(corrected))


def test_readings_that_are_left_out_do_not_count() -> None:
    readings = [Reading(minute(number), Decimal(number)) for number in range(3)]

    assert usable(readings, Correction(without_readings=frozenset([minute(1)]))) == [
        readings[0],
        readings[2],
    ]


def tariff(*elements: list[str], name: str = "DAY") -> dict[str, Any]:
    return {
        "id": name,
        "currency": "EUR",
        "elements": [
            {"price_components": [{"type": kind, "price": "1", "step_size": 1} for kind in kinds]}
            for kinds in elements
        ],
    }


def kinds_of(document: dict[str, Any]) -> list[list[str]]:
    return [
        [component["type"] for component in element["price_components"]]
        for element in document["elements"]
    ]


def test_a_tariff_without_parking_has_another_id_and_no_price_for_it() -> None:
    whole = tariff(["ENERGY", "PARKING_TIME"], ["PARKING_TIME"], ["TIME"])

    changed = without_parking(whole)

    assert (changed["id"], kinds_of(changed)) == ("DAY-NP", [["ENERGY"], ["TIME"]])
    assert kinds_of(whole) == [["ENERGY", "PARKING_TIME"], ["PARKING_TIME"], ["TIME"]]
    assert without_parking(changed) == changed
    assert len(without_parking(tariff(["PARKING_TIME"], name="T" * 36))["id"]) == 36


def test_a_tariff_for_parking_alone_costs_nothing_then() -> None:
    [element] = without_parking(tariff(["PARKING_TIME"]))["elements"]

    assert element == {"price_components": [{"type": "FLAT", "price": "0", "step_size": 1}]}


def test_a_correction_is_kept_as_json_and_read_back() -> None:
    correction = Correction(
        energy=Decimal("10.5"),
        start=minute(1),
        end=minute(9),
        without_parking=True,
        tariff_id=7,
        without_readings=frozenset([minute(2), minute(3)]),
    )

    assert Correction.from_json(correction.to_json()) == correction
    assert Correction().to_json() == {}
    assert Correction.from_json({}).is_empty
    assert not correction.is_empty

"""From meter readings to segments."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sessions_app.metering import (
    InvalidMetering,
    LevelBounds,
    MeteredUse,
    Reading,
    metered_use,
)

START = datetime(2024, 6, 3, 10, tzinfo=UTC)
END = START + timedelta(minutes=30)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def reading(
    at_minute: float,
    kwh: str,
    *,
    power_kw: str | None = None,
    current_a: str | None = None,
    requesting_power: bool = True,
) -> Reading:
    return Reading(
        at=minute(at_minute),
        kwh=Decimal(kwh),
        power_kw=None if power_kw is None else Decimal(power_kw),
        current_a=None if current_a is None else Decimal(current_a),
        requesting_power=requesting_power,
    )


def use(*readings: Reading, start: datetime = START, end: datetime = END) -> MeteredUse:
    return metered_use(readings=readings, start=start, end=end)


def energies(metered: MeteredUse) -> list[Decimal]:
    return [segment.energy for segment in metered.segments]


def test_segments_cover_the_session_and_hold_what_the_register_counted() -> None:
    metered = use(reading(0, "100"), reading(10, "102"), reading(20, "105"), reading(30, "105.5"))

    assert [(s.start, s.end) for s in metered.segments] == [
        (minute(0), minute(10)),
        (minute(10), minute(20)),
        (minute(20), minute(30)),
    ]
    assert energies(metered) == [Decimal(2), Decimal(3), Decimal("0.5")]
    assert metered.flags == ()


def test_register_is_interpolated_at_the_bounds_of_the_session() -> None:
    metered = use(reading(-5, "100"), reading(5, "102"), reading(25, "110"), reading(35, "120"))

    assert energies(metered) == [Decimal(1), Decimal(8), Decimal(5)]


def test_energy_adds_up_when_interpolation_does_not_end() -> None:
    metered = use(
        reading(-1, "0"), reading(2, "1"), reading(29, "2"), reading(32, "3"), end=minute(30)
    )

    assert energies(metered) == [Decimal("0.6667"), Decimal(1), Decimal("0.3333")]


def test_missing_power_is_energy_by_time() -> None:
    metered = use(
        reading(0, "0"), reading(10, "2"), reading(20, "4", power_kw="7"), reading(30, "5")
    )

    assert [segment.power for segment in metered.segments] == [Decimal(12), Decimal(12), Decimal(7)]


@pytest.mark.rule("CDR-14")
def test_state_of_a_reading_holds_until_the_next_one() -> None:
    metered = use(
        reading(0, "0", current_a="16"),
        reading(12, "3", current_a="48", requesting_power=False),
        reading(30, "3"),
    )

    assert [(s.current, s.requesting_power) for s in metered.segments] == [
        (Decimal(16), True),
        (Decimal(48), False),
    ]


def test_order_and_repetition_of_readings_do_not_matter() -> None:
    readings = [reading(0, "0"), reading(10, "1"), reading(20, "3"), reading(30, "4")]

    assert use(*reversed(readings), *readings) == use(*readings)


def test_fallen_register_is_ignored_and_flagged() -> None:
    metered = use(reading(0, "100"), reading(10, "102"), reading(15, "0.5"), reading(20, "104"))

    assert energies(metered) == [Decimal(2), Decimal(2), Decimal(0)]
    assert metered.flags == (
        "The reading of 2024-06-03 10:15:00 UTC was ignored: its register, 0.5 kWh, "
        "is below an earlier one of 102 kWh.",
    )


def test_register_that_jumps_up_once_is_ignored_and_flagged() -> None:
    metered = use(
        reading(0, "100"), reading(10, "102"), reading(15, "9000"), reading(20, "104"),
        reading(30, "105"),
    )  # fmt: skip

    assert energies(metered) == [Decimal(2), Decimal(2), Decimal(1)]
    assert metered.flags == (
        "The reading of 2024-06-03 10:15:00 UTC was ignored: its register, 9000 kWh, "
        "is above all later ones.",
    )


def test_meter_that_begins_anew_is_counted_on_from_there() -> None:
    metered = use(
        reading(0, "100"), reading(10, "102"), reading(15, "0"), reading(20, "1.5"),
        reading(30, "2"),
    )  # fmt: skip

    assert energies(metered) == [Decimal(2), Decimal(0), Decimal("1.5"), Decimal("0.5")]
    assert metered.flags == (
        "The meter began anew at 2024-06-03 10:15:00 UTC: its register fell from 102 kWh to 0 kWh. "
        "Energy is counted on from there; what flowed since the reading before is not.",
    )


def test_meter_may_begin_anew_twice() -> None:
    registers = ["5", "6", "0", "1", "2", "0.1", "0.6"]
    metered = use(*(reading(5 * number, kwh) for number, kwh in enumerate(registers)))

    assert sum(energies(metered)) == Decimal("3.5")
    assert len(metered.flags) == 2


def test_last_reading_alone_does_not_take_energy_back() -> None:
    metered = use(reading(0, "100"), reading(10, "102"), reading(20, "101"))

    assert sum(energies(metered)) == 2
    assert len(metered.flags) == 2  # ignored, and no reading for the last twenty minutes


def test_reading_of_a_clock_ahead_is_flagged() -> None:
    late = Reading(minute(15), Decimal(2), stamped_at=minute(80))

    metered = use(reading(0, "0"), late, reading(30, "3"))

    assert energies(metered) == [Decimal(2), Decimal(1)]
    assert metered.flags == (
        "The station's clock was ahead: the reading that it stamped 2024-06-03 11:20:00 UTC "
        "is taken as of 2024-06-03 10:15:00 UTC.",
    )


@pytest.mark.rule("CDR-09")
def test_power_crosses_a_bound_between_two_readings() -> None:
    metered = metered_use(
        readings=[
            reading(0, "0", power_kw="50"),
            reading(10, "6", power_kw="10"),
            reading(30, "9", power_kw="10"),
        ],
        start=START,
        end=END,
        bounds=LevelBounds(power=(Decimal(20), Decimal(60))),
    )

    # 50 kW fall to 10 kW within ten minutes: 20 kW are passed after three quarters of them.
    assert [(s.start, s.power) for s in metered.segments] == [
        (minute(0), Decimal(50)),
        (minute(7.5), Decimal(15)),
        (minute(10), Decimal(10)),
    ]
    assert energies(metered) == [Decimal("4.5"), Decimal("1.5"), Decimal(3)]


@pytest.mark.parametrize(
    ("first", "last", "cuts", "expected"),
    [
        ("10", "32", [0], [False]),  # a rise reaches the bound with the next reading, not before
        ("32", "10", [0], [False]),  # a fall from the bound is below it from the start
        ("10", "40", [0, 7.333333], [False, True]),
        ("40", "10", [0, 2.666667], [True, False]),
        ("32", "32", [0], [True]),
    ],
)
def test_bound_belongs_to_what_is_above_it(
    first: str, last: str, cuts: list[float], expected: list[bool]
) -> None:
    metered = metered_use(
        readings=[reading(0, "0", current_a=first), reading(10, "1", current_a=last)],
        start=START,
        end=minute(10),
        bounds=LevelBounds(current=(Decimal(32),)),
    )

    starts = [(s.start - START).total_seconds() for s in metered.segments]
    assert starts == pytest.approx([60 * cut for cut in cuts], abs=0.001)
    sides = [segment.current >= 32 for segment in metered.segments if segment.current is not None]
    assert sides == expected


def test_differing_readings_of_one_moment_are_flagged_and_the_higher_counts() -> None:
    metered = use(reading(0, "0"), reading(15, "3"), reading(15, "2"), reading(30, "4"))

    assert energies(metered) == [Decimal(3), Decimal(1)]
    assert metered.flags == (
        "Two readings of 2024-06-03 10:15:00 UTC differ: 2 kWh and 3 kWh. The higher one counts.",
    )


def test_gap_is_bridged_and_flagged() -> None:
    metered = use(reading(0, "0"), reading(25, "5"), reading(30, "6"))

    assert energies(metered) == [Decimal(5), Decimal(1)]
    assert metered.flags == (
        "There are no readings between 2024-06-03 10:00:00 UTC and 2024-06-03 10:25:00 UTC: "
        "the energy is spread evenly.",
    )


def test_no_energy_is_invented_before_the_first_and_after_the_last_reading() -> None:
    metered = use(reading(20, "100"), reading(30, "103"), end=minute(60))

    assert energies(metered) == [Decimal(0), Decimal(3), Decimal(0)]
    assert [segment.power for segment in metered.segments] == [None, Decimal(18), Decimal(18)]
    assert len(metered.flags) == 2


def test_session_without_readings_is_time_only() -> None:
    metered = use()

    assert energies(metered) == [Decimal(0)]
    assert metered.flags == ("There are no meter readings: no energy is counted.",)


def test_session_that_just_started_has_one_empty_segment() -> None:
    metered = use(reading(0, "100"), end=START)

    assert [(s.start, s.end, s.energy) for s in metered.segments] == [(START, START, Decimal(0))]


def test_end_before_start_is_refused() -> None:
    with pytest.raises(InvalidMetering, match="end"):
        use(end=START - timedelta(seconds=1))


def test_naive_moments_are_refused() -> None:
    with pytest.raises(InvalidMetering, match="start"):
        use(start=START.replace(tzinfo=None))
    with pytest.raises(InvalidMetering, match="at"):
        use(Reading(START.replace(tzinfo=None), Decimal(0)))

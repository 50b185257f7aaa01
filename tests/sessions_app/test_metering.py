"""From meter readings to segments."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sessions_app.metering import InvalidMetering, MeteredUse, Reading, metered_use

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

    assert energies(metered) == [Decimal("0.666667"), Decimal(1), Decimal("0.333333")]


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

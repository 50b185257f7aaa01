"""Restrictions at their very edges (OCPI 2.3.0, mod_tariffs, TariffRestrictions)."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tariffs.pricing.engine import price_session
from tariffs.pricing.exact import moment_of
from tariffs.pricing.periods import clock_moments
from tariffs.pricing.restrictions import State, applies, find_component
from tariffs.pricing.types import (
    DayOfWeek,
    InvalidSegment,
    InvalidTariff,
    Phase,
    ReservationRestrictionType,
    Segment,
    TariffDimensionType,
    TariffRestrictions,
    TaxIncluded,
)
from tests.tariffs.pricing.builders import (
    NOON,
    component,
    element,
    pieces_of,
    segment,
    tariff,
)

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONDAY = datetime(2024, 6, 3, tzinfo=AMSTERDAM)
SECOND = timedelta(seconds=1)


def at(hour: int, minute: int = 0, second: int = 0, *, day: int = 3, **fields: Any) -> State:
    return State(datetime(2024, 6, day, hour, minute, second, tzinfo=AMSTERDAM), **fields)


@pytest.mark.rule("TAR-23")
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("kwh", "9.999", "10"), ("current", "9.999", "10"), ("power", "9.999", "10")],
)
def test_minimum_is_inclusive_and_maximum_exclusive(name: str, low: str, high: str) -> None:
    def state(value: str) -> State:
        number: Any = Fraction(value) if name == "kwh" else Decimal(value)
        return at(12, **{name: number})

    at_least = TariffRestrictions(**{f"min_{name}": Decimal(10)})  # type: ignore[arg-type]
    below = TariffRestrictions(**{f"max_{name}": Decimal(10)})  # type: ignore[arg-type]

    assert (applies(at_least, state(low)), applies(at_least, state(high))) == (False, True)
    assert (applies(below, state(low)), applies(below, state(high))) == (True, False)


def test_duration_starts_at_its_minimum_and_ends_before_its_maximum() -> None:
    restrictions = TariffRestrictions(min_duration=600, max_duration=1200)

    active = [
        applies(restrictions, at(12, seconds=Fraction(seconds)))
        for seconds in ("599.999", "600", "1199.999", "1200")
    ]

    assert active == [False, True, True, False]


@pytest.mark.parametrize("name", ["min_power", "max_power", "min_current", "max_current"])
def test_an_unknown_value_matches_no_bound(name: str) -> None:
    assert not applies(TariffRestrictions(**{name: Decimal(1)}), at(12))  # type: ignore[arg-type]


@pytest.mark.rule("TAR-30")
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (time(8), time(20), [False, True, True, False, False]),
        (time(20), time(8), [True, False, False, True, True]),
        (time(8), time(0), [False, True, True, True, True]),
        (time(8), None, [False, True, True, True, True]),
        (None, time(20), [True, True, True, False, False]),
        (time(0), time(0), [True] * 5),
        (None, time(0), [True] * 5),
    ],
)
def test_times_start_inclusive_end_exclusive_and_wrap(
    start: time | None, end: time | None, expected: list[bool]
) -> None:
    restrictions = TariffRestrictions(start_time=start, end_time=end)
    moments = [at(7, 59, 59), at(8), at(19, 59, 59), at(20), at(23, 59, 59)]

    assert [applies(restrictions, moment) for moment in moments] == expected


@pytest.mark.rule("TAR-30")
def test_equal_times_other_than_midnight_are_refused() -> None:
    with pytest.raises(InvalidTariff, match="end_time"):
        TariffRestrictions(start_time=time(8), end_time=time(8))


def test_twenty_four_hours_is_not_a_time() -> None:
    with pytest.raises(InvalidTariff, match="end_time"):
        TariffRestrictions.from_json({"start_time": "08:00", "end_time": "24:00"})


def test_floats_are_refused_because_they_are_not_exact() -> None:
    with pytest.raises(InvalidTariff, match="min_kwh"):
        TariffRestrictions.from_json({"min_kwh": 0.1})


def test_dates_start_inclusive_and_end_exclusive() -> None:
    restrictions = TariffRestrictions(start_date=date(2024, 6, 3), end_date=date(2024, 6, 5))

    active = [
        applies(restrictions, moment)
        for moment in (at(23, 59, 59, day=2), at(0), at(23, 59, 59, day=4), at(0, day=5))
    ]

    assert active == [False, True, True, False]


def test_weekday_is_that_of_the_moment_when_the_time_wraps() -> None:
    friday_night = TariffRestrictions(
        start_time=time(22), end_time=time(6), day_of_week=frozenset({DayOfWeek.FRIDAY})
    )

    assert applies(friday_night, at(3, day=7))
    assert applies(friday_night, at(23, day=7))
    assert not applies(friday_night, at(3, day=8))
    assert not applies(friday_night, at(23, day=6))


@pytest.mark.rule("TAR-24")
def test_session_elements_do_not_price_reservations_nor_the_reverse() -> None:
    free, reserved, expired = (
        TariffRestrictions(),
        TariffRestrictions(reservation=ReservationRestrictionType.RESERVATION),
        TariffRestrictions(reservation=ReservationRestrictionType.RESERVATION_EXPIRES),
    )

    def phases(restrictions: TariffRestrictions) -> list[Phase]:
        return [phase for phase in Phase if applies(restrictions, at(12, phase=phase))]

    assert phases(free) == [Phase.SESSION]
    assert phases(reserved) == [Phase.RESERVATION, Phase.RESERVATION_EXPIRES]
    assert phases(expired) == [Phase.RESERVATION_EXPIRES]


@pytest.mark.rule("TAR-20", "TAR-22")
def test_components_of_different_dimensions_come_from_different_elements() -> None:
    mixed = tariff(
        element(component(TariffDimensionType.TIME, "1"), when=TariffRestrictions(min_duration=60)),
        element(
            component(TariffDimensionType.ENERGY, "2"), component(TariffDimensionType.TIME, "3")
        ),
    )

    def chosen(seconds: int) -> list[int]:
        state = at(12, seconds=Fraction(seconds))
        found = [
            find_component(mixed, dimension, state)
            for dimension in (TariffDimensionType.ENERGY, TariffDimensionType.TIME)
        ]
        return [active.element for active in found if active is not None]

    assert chosen(59) == [1, 1]
    assert chosen(60) == [1, 0]


@pytest.mark.rule("TAR-07", "TAR-20")
def test_swapping_elements_changes_the_price() -> None:
    cheap = element(
        component(TariffDimensionType.ENERGY, "0.20"), when=TariffRestrictions(max_kwh=Decimal(5))
    )
    fallback = element(component(TariffDimensionType.ENERGY, "0.50"))
    totals = [
        price_session(
            tariff=tariff(*elements, tax_included=TaxIncluded.NOT_APPLICABLE),
            segments=[segment(60, "10")],
            time_zone="UTC",
        ).total_cost.before_taxes
        for elements in ((cheap, fallback), (fallback, cheap))
    ]

    assert totals == [Decimal("3.5"), Decimal(5)]


def test_clock_of_the_25_hour_day_shows_a_time_twice() -> None:
    start = datetime(2024, 10, 26, 22, tzinfo=UTC)

    moments = clock_moments([time(2, 30)], AMSTERDAM, start, start + timedelta(hours=25))

    assert moments == [
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 1, tzinfo=UTC),  # 03:00 becomes 02:00
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
    ]


@pytest.mark.rule("TAR-32")
def test_clock_of_the_23_hour_day_jumps_over_a_time() -> None:
    half_past_two = tariff(
        element(
            component(TariffDimensionType.TIME, "1"),
            when=TariffRestrictions(start_time=time(2, 30)),
        )
    )
    start = datetime(2024, 3, 31, 0, 30, tzinfo=UTC)  # 01:30 local
    use = Segment(start, start + timedelta(hours=1))

    pieces, _places = pieces_of(half_past_two, [use], "Europe/Amsterdam")
    moments = [moment_of(piece.start) for piece in pieces]
    active = [
        (
            moment,
            applies(half_past_two.elements[0].restrictions, State(moment.astimezone(AMSTERDAM))),
        )
        for moment in moments
    ]

    # 02:30 does not exist: the element starts when the clock jumps from 02:00 to 03:00.
    assert next(moment for moment, is_active in active if is_active) == datetime(
        2024, 3, 31, 1, tzinfo=UTC
    )
    assert not active[0][1]


@pytest.mark.rule("TAR-32")
def test_time_restriction_holds_on_both_passes_of_the_repeated_hour() -> None:
    night = tariff(
        element(
            component(TariffDimensionType.TIME, "1"),
            when=TariffRestrictions(start_time=time(2, 30), end_time=time(4)),
        ),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )
    start = datetime(2024, 10, 26, 22, tzinfo=UTC)

    result = price_session(
        tariff=night,
        segments=[Segment(start, start + timedelta(hours=25))],
        time_zone="Europe/Amsterdam",
    )

    # 02:30 to 03:00, then the clock goes back, then 02:30 to 04:00.
    assert result.total_cost.before_taxes == Decimal(2)
    assert [line.volume for line in result.lines] == [Decimal("0.5"), Decimal("1.5")]


@pytest.mark.rule("CDR-09")
def test_threshold_is_cut_exactly_where_it_is_reached() -> None:
    by_energy = tariff(
        element(
            component(TariffDimensionType.ENERGY, "1"),
            when=TariffRestrictions(min_kwh=Decimal(1), max_kwh=Decimal(2)),
        )
    )

    pieces, places = pieces_of(by_energy, [segment(9, "3")], "Europe/Amsterdam")

    assert [moment_of(piece.start) - NOON for piece in pieces] == [
        timedelta(0),
        timedelta(minutes=3),
        timedelta(minutes=6),
    ]
    assert [piece.kwh_before for piece in pieces] == [0, 10**places, 2 * 10**places]


def test_overlapping_segments_are_refused() -> None:
    with pytest.raises(InvalidSegment, match="overlap"):
        price_session(
            tariff=tariff(element(component(TariffDimensionType.ENERGY, "1"))),
            segments=[segment(10), segment(10)],
            time_zone="UTC",
        )


def test_duration_counts_elapsed_seconds_over_a_clock_change() -> None:
    start = datetime(2024, 10, 27, 1, 30, tzinfo=AMSTERDAM)
    end = datetime(2024, 10, 27, 3, 30, tzinfo=AMSTERDAM)

    assert Segment(start, end).end - Segment(start, end).start == timedelta(hours=3)

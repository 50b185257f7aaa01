"""Laws that hold for every tariff and every session."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cpo_platform.common.money import Price, add_prices, to_decimals
from tariffs.pricing.engine import price_session
from tariffs.pricing.exact import moment_of, scaled
from tariffs.pricing.results import CdrDimensionType, PricedSession
from tariffs.pricing.types import (
    DayOfWeek,
    LineKind,
    Phase,
    PriceComponent,
    PriceLimit,
    ReservationRestrictionType,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TariffType,
    TaxIncluded,
)
from tests.examples import examples
from tests.tariffs.pricing.builders import pieces_of

ZONE = "Europe/Amsterdam"
bounded = examples(60)


def amounts(maximum: int, places: int = 3) -> st.SearchStrategy[Decimal]:
    return st.integers(0, maximum * 10**places).map(lambda n: Decimal(n).scaleb(-places))


def optional(strategy: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Decimal | None]:
    return st.none() | strategy


vats = st.sampled_from([None, Decimal(0), Decimal("5.2"), Decimal(10), Decimal(21)])
components = st.builds(
    PriceComponent,
    type=st.sampled_from(TariffDimensionType),
    price=amounts(5),
    vat=vats,
    step_size=st.sampled_from([0, 1, 7, 300, 900]),
)
times = st.sampled_from([None, time(0), time(2, 30), time(6), time(17)])
RESTRICTIONS: dict[str, st.SearchStrategy[object]] = {
    "start_time": times,
    "end_time": st.sampled_from([None, time(0), time(3, 15), time(20)]),
    "start_date": st.sampled_from([None, date(2024, 3, 31), date(2024, 10, 27)]),
    "end_date": st.sampled_from([None, date(2024, 10, 28)]),
    "min_kwh": amounts(20),
    "max_kwh": amounts(60),
    "min_current": amounts(32),
    "max_current": amounts(63),
    "min_power": amounts(11),
    "max_power": amounts(50),
    "min_duration": st.integers(0, 7200),
    "max_duration": st.integers(1, 90000),
    "day_of_week": st.frozensets(st.sampled_from(DayOfWeek)),
    "reservation": st.none() | st.sampled_from(ReservationRestrictionType),
}


@st.composite
def restricted(draw: st.DrawFn) -> TariffRestrictions:
    # Of an element with many restrictions hardly a moment is left: few, mostly, or any number.
    most = draw(st.sampled_from([2, 3, len(RESTRICTIONS)]))
    names = draw(st.sets(st.sampled_from(sorted(RESTRICTIONS)), max_size=most))
    values: dict[str, Any] = {name: draw(RESTRICTIONS[name]) for name in sorted(names)}
    return TariffRestrictions(**values)


restrictions = restricted()
limits = st.none() | st.builds(
    PriceLimit, before_taxes=amounts(30), after_taxes=optional(amounts(30))
)
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
tariffs = st.builds(
    Tariff,
    id=st.just("T1"),
    currency=st.just("EUR"),
    elements=st.lists(
        st.builds(
            TariffElement,
            price_components=st.lists(components, min_size=1, max_size=4).map(tuple),
            restrictions=st.just(TariffRestrictions()) | restrictions,
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
    tax_included=st.sampled_from(TaxIncluded),
    min_price=limits,
    max_price=limits,
    type=st.none() | st.sampled_from(TariffType),
    start_date_time=st.none() | moments,
    end_date_time=st.none() | moments,
)
plain_tariffs = st.builds(
    Tariff,
    id=st.just("T1"),
    currency=st.just("EUR"),
    elements=st.lists(
        st.builds(
            PriceComponent,
            type=st.sampled_from(TariffDimensionType),
            price=amounts(5),
            vat=vats,
            step_size=st.just(1),
        ),
        min_size=1,
        max_size=4,
    ).map(lambda found: (TariffElement(tuple(found)),)),
    tax_included=st.sampled_from(TaxIncluded),
)


@st.composite
def sessions(draw: st.DrawFn) -> list[Segment]:
    # Starts around both changes of the clock, and on an ordinary day.
    moment = draw(
        st.sampled_from(
            [
                datetime(2024, 3, 30, 20, 0, 0, 250_000, tzinfo=UTC),
                datetime(2024, 10, 26, 21, 30, tzinfo=UTC),
                datetime(2024, 6, 7, 14, 59, 59, tzinfo=UTC),
            ]
        )
    )
    segments = []
    reserved = draw(st.none() | st.sampled_from([Phase.RESERVATION, Phase.RESERVATION_EXPIRES]))
    if reserved is not None:
        segments.append(Segment(moment, moment + timedelta(minutes=17), phase=reserved))
        moment = segments[-1].end
    for _ in range(draw(st.integers(0 if segments else 1, 4))):
        length = timedelta(seconds=draw(st.integers(0, 40_000)))
        segments.append(
            Segment(
                start=moment,
                end=moment + length,
                energy=draw(amounts(30)),
                power=draw(optional(amounts(50))),
                current=draw(optional(amounts(63))),
                requesting_power=draw(st.booleans()),
            )
        )
        moment += length + timedelta(seconds=draw(st.sampled_from([0, 0, 61])))
    return segments


def priced(tariff: Tariff, segments: Sequence[Segment]) -> PricedSession:
    return price_session(tariff=tariff, segments=segments, time_zone=ZONE)


def parts(result: PricedSession) -> Price:
    return add_prices(
        (
            result.total_fixed_cost,
            result.total_energy_cost,
            result.total_time_cost,
            result.total_parking_cost,
            result.total_reservation_cost,
        )
    )


@pytest.mark.rule("CDR-16", "TAR-13")
@bounded
@given(tariffs, sessions())
def test_total_is_the_sum_of_lines_of_parts_and_of_components(
    tariff: Tariff, segments: list[Segment]
) -> None:
    result = priced(tariff, segments)

    total = add_prices(line.price for line in result.lines)
    uses = add_prices(line.price for line in result.lines if line.kind is LineKind.COMPONENT)
    by_component = add_prices(use.price for use in result.components)
    assert total == result.total_cost
    for sums in (parts(result), by_component):
        assert (sums.before_taxes, sums.after_taxes) == (uses.before_taxes, uses.after_taxes)


@pytest.mark.rule("TAR-08")
@bounded
@given(tariffs, sessions())
def test_total_respects_the_limits(tariff: Tariff, segments: list[Segment]) -> None:
    assume(tariff.min_price is None or tariff.max_price is None)
    is_session = any(segment.phase is Phase.SESSION for segment in segments)

    total = priced(tariff, segments).total_cost

    if tariff.max_price is not None:
        assert total.before_taxes <= tariff.max_price.before_taxes
        if tariff.max_price.after_taxes is not None and total.after_taxes is not None:
            assert total.after_taxes <= tariff.max_price.after_taxes
    if tariff.min_price is not None and is_session:
        assert total.before_taxes >= tariff.min_price.before_taxes
        if tariff.min_price.after_taxes is not None and total.after_taxes is not None:
            assert total.after_taxes >= tariff.min_price.after_taxes
    assert total.tax is None or total.tax >= 0


@pytest.mark.rule("TAR-44")
@bounded
@given(tariffs, sessions())
def test_billed_is_never_less_than_used(tariff: Tariff, segments: list[Segment]) -> None:
    result = priced(tariff, segments)

    billed = [line for line in result.lines if line.kind is not LineKind.GRACE]
    assert all(line.billed_volume >= line.volume for line in billed)
    assert all(use.billed_volume >= use.volume for use in result.components)
    assert sum(bool(line.remark) for line in result.lines) <= 3  # groups of step sizes


@pytest.mark.rule("CDR-15")
@bounded
@given(tariffs, sessions())
def test_period_volumes_add_up_to_the_totals(tariff: Tariff, segments: list[Segment]) -> None:
    result = priced(tariff, segments)

    volumes = dict.fromkeys(CdrDimensionType, Decimal(0))
    for period in result.charging_periods:
        for dimension in period.dimensions:
            volumes[dimension.type] += dimension.volume
    assert volumes[CdrDimensionType.ENERGY] == result.total_energy
    assert (
        volumes[CdrDimensionType.TIME] + volumes[CdrDimensionType.PARKING_TIME] == result.total_time
    )
    starts = [period.start_date_time for period in result.charging_periods]
    assert starts == sorted(starts)


@bounded
@given(tariffs, sessions())
def test_cutting_loses_neither_energy_nor_time(tariff: Tariff, segments: list[Segment]) -> None:
    pieces, places = pieces_of(tariff, segments, ZONE)

    for segment in segments:
        own = [piece for piece in pieces if piece.segment is segment]
        assert sum(piece.energy for piece in own) == scaled(segment.energy, places)
        assert moment_of(own[0].start) == segment.start
        assert moment_of(own[-1].end) == segment.end
        assert all(a.end == b.start for a, b in pairwise(own))


@bounded
@given(tariffs)
def test_frozen_tariff_comes_back_unchanged(tariff: Tariff) -> None:
    assert Tariff.from_json(json.loads(json.dumps(tariff.to_json()))) == tariff


def split_at(segments: Sequence[Segment], tenths: int) -> list[Segment]:
    """Return every segment in two, at the same share of its time and energy."""
    share = Decimal(tenths) / 10
    return [
        replace(segment, start=start, end=end, energy=segment.energy * part)
        for segment in segments
        for middle in [segment.start + (segment.end - segment.start) * tenths / 10]
        for start, end, part in (
            (segment.start, middle, share),
            (middle, segment.end, 1 - share),
        )
    ]


@bounded
@given(tariffs, sessions(), st.integers(1, 9))
def test_splitting_a_segment_changes_nothing(
    tariff: Tariff, segments: list[Segment], tenths: int
) -> None:
    whole, in_parts = priced(tariff, segments), priced(tariff, split_at(segments, tenths))

    assert in_parts.total_cost == whole.total_cost
    assert in_parts.charging_periods == whole.charging_periods
    assert in_parts.components == whole.components


@bounded
@given(tariffs, sessions(), st.randoms(use_true_random=False))
def test_order_matters_only_among_elements_of_one_dimension(
    tariff: Tariff, segments: list[Segment], dice: Random
) -> None:
    # One element per dimension and price: those of one dimension keep their order.
    single = [
        TariffElement((component,), element.restrictions)
        for element in tariff.elements
        for component in element.price_components
    ]
    kinds = [element.price_components[0].type for element in single]
    by_kind = {kind: [e for e, k in zip(single, kinds, strict=True) if k is kind] for kind in kinds}
    dice.shuffle(kinds)
    shuffled = tuple(by_kind[kind].pop(0) for kind in kinds)

    result = priced(replace(tariff, elements=shuffled), segments)

    assert result.total_cost == priced(tariff, segments).total_cost


@bounded
@given(plain_tariffs, sessions(), amounts(10))
def test_cost_never_falls_as_energy_grows(
    tariff: Tariff, segments: list[Segment], more: Decimal
) -> None:
    last = segments[-1]
    assume(last.phase is Phase.SESSION)
    grown = [
        *segments[:-1],
        Segment(
            last.start,
            last.end,
            last.energy + more,
            last.power,
            last.current,
            last.requesting_power,
        ),
    ]

    assert (
        priced(tariff, grown).total_cost.before_taxes
        >= priced(tariff, segments).total_cost.before_taxes
    )


@bounded
@given(st.lists(st.fractions(-100, 100), max_size=8), st.integers(0, 6))
def test_rounded_parts_add_up_to_the_rounded_sum(values: list[Fraction], places: int) -> None:
    parts_of_sum = to_decimals(values, places)

    assert abs(Fraction(sum(parts_of_sum, Decimal(0))) - sum(values, Fraction(0))) <= Fraction(
        1, 2 * 10**places
    )
    unit = Fraction(1, 10**places)
    assert all(
        abs(Fraction(part) - value) <= unit
        for part, value in zip(parts_of_sum, values, strict=True)
    )

"""The linter finds what is there, and calls nothing unreachable that is not."""

import json
import random
import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tariffs.pricing.linting import Finding, Rule, Severity, example_lines, lint, sentence
from tariffs.pricing.restrictions import State, find_component
from tariffs.pricing.types import (
    DayOfWeek,
    Phase,
    PriceComponent,
    PriceLimit,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TaxIncluded,
)
from tests.tariffs.pricing.builders import component, element, tariff

ENERGY, TIME = TariffDimensionType.ENERGY, TariffDimensionType.TIME
PARKING, FLAT = TariffDimensionType.PARKING_TIME, TariffDimensionType.FLAT
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)  # a Monday
BERLIN = "Europe/Berlin"
FALLBACK = element(component(ENERGY, "0.40", "20"))
DAY = {"start_time": time(8), "end_time": time(20)}


def when(**fields: Any) -> TariffRestrictions:
    return TariffRestrictions(**fields)


def findings(of: Tariff, *, texts: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    return lint(of, time_zone=BERLIN, now=NOW, texts=texts)


def rules(of: Tariff, *, texts: tuple[str, ...] = ()) -> list[Rule]:
    return [finding.rule for finding in findings(of, texts=texts)]


def only(of: Tariff, rule: Rule, *, texts: tuple[str, ...] = ()) -> Finding:
    (found,) = [finding for finding in findings(of, texts=texts) if finding.rule is rule]
    return found


def occupied(price: str, **restrictions: Any) -> TariffElement:
    """Return an element that prices charging and parking alike."""
    return element(
        component(TIME, price, "19", 60),
        component(PARKING, price, "19", 60),
        when=when(**restrictions),
    )


def blocking_fee(price: str, energy: str, begins: int, ends: int) -> Tariff:
    """Return the trap that real tariffs fall into: the free hours stand before the fee."""
    return tariff(
        element(component(ENERGY, energy, "19")),
        occupied("0", **DAY),
        occupied(price, **DAY, min_duration=begins),
        occupied("0", **DAY, min_duration=ends),
        occupied("0"),
    )


@pytest.mark.parametrize(
    ("fee", "story", "costs", "should"),
    [
        (
            blocking_fee("4.80", "0.59", 14460, 23460),
            [
                "Monday 2026-06-01 08:00–12:01: charges 20 kWh",
                "12:01–13:01: parks, the car asks for no power",
                "This costs 11.80 EUR (14.042 EUR after taxes).",
                "If element 3 came first, it would cost 16.60 EUR (19.754 EUR after taxes): "
                "a difference of 4.80 EUR.",
            ],
            "11.80",
            "16.60",
        ),
        (
            blocking_fee("6", "0.79", 2760, 14760),
            [
                "Monday 2026-06-01 08:00–08:46: charges 8 kWh",
                "08:46–09:46: parks, the car asks for no power",
                "This costs 6.32 EUR (7.5208 EUR after taxes).",
                "If element 3 came first, it would cost 12.32 EUR (14.6608 EUR after taxes): "
                "a difference of 6.00 EUR.",
            ],
            "6.32",
            "12.32",
        ),
    ],
)
def test_a_blocking_fee_behind_free_hours_is_shown_with_who_should_have_paid(
    fee: Tariff, story: list[str], costs: str, should: str
) -> None:
    found = findings(fee)

    assert [(one.rule, one.severity, one.elements) for one in found] == [
        (Rule.UNREACHABLE, Severity.ERROR, (2, 1)),
        (Rule.REDUNDANT, Severity.HINT, (3, 1)),
    ]
    assert found[0].dimensions == (PARKING, TIME)
    assert found[0].path == "elements[2].price_components"
    example = found[0].example
    assert example is not None
    assert example.price.before_taxes == Decimal(costs)
    assert example.otherwise is not None
    assert example.otherwise.before_taxes == Decimal(should)
    assert example_lines(example, "EUR") == story


def test_the_fee_in_the_right_order_is_fine() -> None:
    right = tariff(
        element(component(ENERGY, "0.59", "19")),
        occupied("4.80", **DAY, min_duration=14460, max_duration=23460),
        occupied("0"),
    )

    assert findings(right) == ()


def test_a_fallback_before_the_others_is_said_that_way() -> None:
    wrong = tariff(
        element(component(ENERGY, "0.50", "20")),
        element(component(ENERGY, "0.20", "20"), when=when(start_time=time(22), end_time=time(6))),
    )

    found = only(wrong, Rule.FALLBACK_FIRST)

    assert sentence(found) == (
        "Element 2: its price for energy (0.20 EUR) is never charged, because element 1 always "
        "applies and stands before it. Put the one without restrictions last."
    )
    assert found.example is not None
    assert found.example.difference == Decimal("-3.3")


def test_two_elements_that_cover_a_third_together_hide_it() -> None:
    split = tariff(
        element(component(ENERGY, "0.30", "20"), when=when(end_time=time(12))),
        element(component(ENERGY, "0.40", "20"), when=when(start_time=time(12))),
        element(component(ENERGY, "0.50", "20")),
    )

    assert only(split, Rule.UNREACHABLE).elements == (2, 0, 1)


def test_thresholds_from_the_highest_down_are_fine_and_from_the_lowest_up_are_not() -> None:
    steps = [
        element(component(ENERGY, "0.30", "20"), when=when(min_kwh=Decimal(50))),
        element(component(ENERGY, "0.40", "20"), when=when(min_kwh=Decimal(20))),
        element(component(ENERGY, "0.50", "20")),
    ]

    assert findings(tariff(*steps)) == ()
    assert Rule.UNREACHABLE in rules(tariff(steps[1], steps[0], steps[2]))


def test_a_narrow_exception_before_a_wide_rule_is_fine() -> None:
    exception = tariff(
        element(
            component(ENERGY, "0.20", "20"),
            when=when(start_time=time(12), end_time=time(14), day_of_week=frozenset(DayOfWeek)),
        ),
        element(component(ENERGY, "0.40", "20"), when=when(**DAY)),
        element(component(ENERGY, "0.30", "20")),
    )

    assert findings(exception) == ()


def test_ranges_that_overlap_by_mistake_are_told_with_what_is_left() -> None:
    overlap = tariff(
        element(component(ENERGY, "0.40", "20"), when=when(**DAY)),
        element(component(ENERGY, "0.20", "20"), when=when(start_time=time(18), end_time=time(22))),
        element(component(ENERGY, "0.30", "20")),
    )

    assert sentence(only(overlap, Rule.PARTLY_HIDDEN)) == (
        "Element 2 says “18:00–22:00” for energy, but is only ever used “20:00–22:00”: element 1 "
        "comes first for the rest."
    )


def test_a_later_flat_fee_is_never_the_first() -> None:
    late = tariff(
        element(component(FLAT, "1", "20"), when=when(max_duration=3600)),
        element(component(FLAT, "2", "20"), when=when(min_duration=3600)),
        element(component(ENERGY, "0.40", "20")),
    )

    found = only(late, Rule.FLAT_NEVER_FIRST)

    assert found.severity is Severity.ERROR
    assert found.elements == (1, 0)


def test_flat_fees_by_day_and_by_night_are_told_apart_from_that() -> None:
    both = tariff(
        element(component(FLAT, "1", "20"), when=when(**DAY)),
        element(component(FLAT, "2", "20")),
        element(component(ENERGY, "0.40", "20")),
    )

    assert rules(both) == [Rule.FLAT_ONCE]


def test_hours_without_a_price_for_energy_are_a_gap() -> None:
    gap = tariff(
        element(
            component(ENERGY, "0.40", "20"),
            when=when(**DAY, day_of_week=frozenset({DayOfWeek.MONDAY})),
        )
    )

    found = only(gap, Rule.GAP)

    assert found.severity is Severity.WARNING
    assert "Monday, 20:00–08:00" in sentence(found)
    assert found.example is not None
    assert found.example.price.before_taxes == 0
    assert sum(segment.energy for segment in found.example.segments) > 0


@pytest.mark.parametrize(
    "fine",
    [
        tariff(element(component(ENERGY, "0.40", "20"), when=when(min_kwh=Decimal(5)))),
        tariff(
            element(component(ENERGY, "0.40", "20")),
            element(component(PARKING, "6", "20"), when=when(**DAY, min_duration=14400)),
        ),
    ],
    ids=["the first kWh are free", "a fee for the day only"],
)
def test_what_was_plainly_meant_is_no_gap(fine: Tariff) -> None:
    assert findings(fine) == ()


def test_power_that_nobody_reports_leaves_a_gap() -> None:
    by_power = tariff(
        element(component(ENERGY, "0.40", "20"), when=when(max_power=Decimal(50))),
        element(component(ENERGY, "0.60", "20"), when=when(min_power=Decimal(50))),
    )

    assert "does not report the power" in sentence(only(by_power, Rule.GAP_WHEN_UNKNOWN))


def test_an_element_for_a_reservation_is_judged_among_its_own() -> None:
    reserved = ReservationRestrictionType.RESERVATION
    fine = tariff(
        element(component(TIME, "2", "20"), component(PARKING, "2", "20")),
        element(component(TIME, "1", "20"), when=when(reservation=reserved)),
        element(
            component(TIME, "3", "20"),
            when=when(reservation=ReservationRestrictionType.RESERVATION_EXPIRES),
        ),
    )

    assert findings(fine) == ()
    twice = replace(fine, elements=(*fine.elements, fine.elements[1]))
    again = replace(twice.elements[3], price_components=(component(TIME, "9", "20"),))
    assert only(replace(twice, elements=(*fine.elements, again)), Rule.UNREACHABLE).elements == (
        3, 1,
    )  # fmt: skip


def test_a_night_on_fridays_does_not_reach_saturday_morning() -> None:
    night = tariff(
        element(
            component(ENERGY, "0.10", "20"),
            component(PARKING, "1", "20"),
            when=when(
                start_time=time(22),
                end_time=time(6),
                day_of_week=frozenset({DayOfWeek.FRIDAY}),
            ),
        ),
        element(component(ENERGY, "0.40", "20"), component(PARKING, "6", "20")),
    )

    found = only(night, Rule.NIGHT_OF_WEEKDAY)

    assert found.example is not None
    assert example_lines(found.example, "EUR")[:2] == [
        "Friday 2026-06-05 22:00–23:00: charges 11 kWh",
        "23:00–Saturday 2026-06-06 06:00: parks, the car asks for no power",
    ]
    # An hour at 1, then six at 6 instead of 1.
    assert found.example.difference == Decimal(-30)


@pytest.mark.parametrize(
    ("broken", "rule", "severity"),
    [
        (
            element(
                component(ENERGY, "1", "20"), when=when(min_kwh=Decimal(5), max_kwh=Decimal(5))
            ),
            Rule.IMPOSSIBLE_RANGE,
            Severity.ERROR,
        ),
        (
            element(
                component(ENERGY, "1", "20"),
                when=when(start_date=date(2026, 7, 1), end_date=date(2026, 7, 1)),
            ),
            Rule.IMPOSSIBLE_DATES,
            Severity.ERROR,
        ),
        (
            element(component(ENERGY, "1", "20"), when=when(end_date=date(2026, 6, 1))),
            Rule.DATES_OVER,
            Severity.WARNING,
        ),
        (
            element(
                component(TIME, "1", "20"),
                when=when(
                    reservation=ReservationRestrictionType.RESERVATION, min_kwh=Decimal(1)
                ),
            ),
            Rule.IMPOSSIBLE_RESERVATION,
            Severity.ERROR,
        ),
        (
            element(
                component(TIME, "1", "20"),
                component(PARKING, "1", "20"),
                when=when(reservation=ReservationRestrictionType.RESERVATION),
            ),
            Rule.RESERVATION_IGNORES,
            Severity.WARNING,
        ),
        (
            element(component(ENERGY, "1", "20"), component(ENERGY, "2", "20")),
            Rule.DUPLICATE,
            Severity.ERROR,
        ),
        (
            element(component(PARKING, "6", "20"), when=when(min_power=Decimal(3))),
            Rule.PARKING_NEEDS_POWER,
            Severity.WARNING,
        ),
        (element(component(ENERGY, "1", "20", 1000)), Rule.STEP_LARGE, Severity.WARNING),
        (element(component(TIME, "1", "20", 3600)), Rule.STEP_LARGE, Severity.WARNING),
        (element(component(TIME, "1", "20", 15)), Rule.STEP_MINUTES, Severity.HINT),
        (element(component(ENERGY, "1", "20", 0)), Rule.STEP_ZERO, Severity.HINT),
        (element(component(ENERGY, "1", "0.19")), Rule.VAT_FRACTION, Severity.ERROR),
        (element(component(ENERGY, "1", "190")), Rule.VAT_HIGH, Severity.WARNING),
        (
            element(component(ENERGY, "1", "19"), component(FLAT, "1")),
            Rule.VAT_MIXED,
            Severity.WARNING,
        ),
        (element(component(ENERGY, "1")), Rule.VAT_UNKNOWN, Severity.HINT),
        (element(component(TIME, "0.10", "20")), Rule.PRICE_PER_MINUTE, Severity.WARNING),
        (element(component(ENERGY, "39", "20")), Rule.PRICE_HIGH, Severity.WARNING),
        (element(component(PARKING, "480", "20")), Rule.PRICE_HIGH, Severity.WARNING),
        (element(component(ENERGY, "0.0004", "20")), Rule.PRICE_LOW, Severity.WARNING),
        (element(component(ENERGY, "-0.10", "20")), Rule.PRICE_NEGATIVE, Severity.WARNING),
        (element(component(ENERGY, "0", "20")), Rule.FREE, Severity.HINT),
        (
            element(replace(component(PARKING, "6", "20"), grace_period=600)),
            Rule.GRACE_PERIOD,
            Severity.HINT,
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Rule) else "",
)  # fmt: skip
def test_a_number_that_is_hardly_meant_is_found(
    broken: TariffElement, rule: Rule, severity: Severity
) -> None:
    last = broken if rule in {Rule.FREE, Rule.VAT_UNKNOWN} else FALLBACK
    found = [one for one in findings(tariff(broken, last)) if one.rule is rule]

    assert found
    assert found[0].severity is severity
    assert found[0].elements[:1] in {(0,), ()}
    assert "%" not in sentence(found[0])


def test_taxes_that_contradict_tax_included_are_found() -> None:
    without = element(component(ENERGY, "0.40"))
    included = tariff(without, tax_included=TaxIncluded.YES)
    none = tariff(element(component(ENERGY, "0.40", "20")), tax_included=TaxIncluded.NOT_APPLICABLE)

    assert rules(included) == [Rule.VAT_UNKNOWN_INCLUDED]
    assert rules(none) == [Rule.VAT_NOT_APPLICABLE]


def test_a_minimum_that_everybody_pays_is_found() -> None:
    dear = tariff(element(component(ENERGY, "0.40", "20")), min_price=PriceLimit(Decimal(50)))
    usual = replace(dear, min_price=PriceLimit(Decimal(1)))

    assert rules(dear) == [Rule.MIN_PRICE_HIGH]
    assert rules(usual) == []


def test_a_maximum_that_everybody_reaches_is_found() -> None:
    cheap = tariff(element(component(ENERGY, "0.40", "20")), max_price=PriceLimit(Decimal("0.50")))

    assert rules(cheap) == [Rule.MAX_PRICE_LOW]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("0.59 EUR/kWh, then 4.80 EUR/h", []),
        ("0,70 €/kWh inkl. MwSt.", []),
        ("59 ct/kWh", []),
        ("8 ct/min ab 4 Stunden, 22 kW AC", []),
        ("Kostenlos: 0 EUR", []),
        ("0.49 EUR/kWh", ["0.49 EUR"]),
        ("€ 0,49 pro kWh", ["€ 0,49"]),
        ("4.80 EUR/kWh", ["4.80 EUR"]),
        ("0,59 € je Minute", ["0,59 €"]),
        ("0.59 EUR/kWh and 12 cents per minute", ["12 cents"]),
    ],
)
def test_the_text_for_drivers_is_held_against_the_prices(text: str, wrong: list[str]) -> None:
    priced = tariff(
        element(component(ENERGY, "0.59", "19")), element(component(PARKING, "4.80", "19"))
    )

    found = [one for one in findings(priced, texts=(text, text)) if one.rule is not Rule.GAP]

    assert [one.values["written"] for one in found] == wrong


def test_prices_of_other_currencies_have_other_sizes() -> None:
    yen = replace(tariff(element(component(ENERGY, "45", "10"))), currency="JPY")
    unknown = replace(yen, currency="XTS")

    assert findings(yen) == ()
    assert findings(unknown) == ()


CASES = Path(__file__).parent / "cases"
# What is worse than a hint in the examples of the specification and in our own cases.
KNOWN = {
    "fallback_first_hides_the_rest": {Rule.FALLBACK_FIRST},
    "fee_behind_a_free_element_is_never_reached": {Rule.UNREACHABLE},
    "max_price_caps_a_large_session": {Rule.VALIDITY_OVER},
    "max_price_not_reached": {Rule.VALIDITY_OVER},
    "no_fallback_costs_nothing": {Rule.GAP},
    "north_america_taxes_included": {Rule.VAT_UNKNOWN_INCLUDED},
    "vat_left_out_of_one_component_is_no_vat": {Rule.VAT_MIXED},
}


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_the_examples_of_the_specification_raise_no_false_alarm(case: str) -> None:
    document = json.loads((CASES / case / "tariff.json").read_text(), parse_float=Decimal)
    found = findings(Tariff.from_json(document))

    worse = {one.rule for one in found if one.severity is not Severity.HINT}
    assert worse == KNOWN.get(case, set())


def _random_restrictions(chance: random.Random) -> TariffRestrictions:
    def some(make: Callable[[], Any], share: float = 0.4) -> Any:
        return make() if chance.random() < share else None

    start = some(lambda: time(chance.choice((0, 6, 8, 20, 22))))
    end = some(lambda: time(chance.choice((0, 7, 12, 18))))
    if start is not None and start == end:
        end = None
    days = some(lambda: frozenset(chance.sample(list(DayOfWeek), 3)), 0.25) or frozenset()
    return TariffRestrictions(
        start_time=start,
        end_time=end,
        day_of_week=days,
        start_date=some(lambda: date(2026, 6, chance.choice((1, 3))), 0.15),
        end_date=some(lambda: date(2026, 6, chance.choice((4, 20))), 0.15),
        min_kwh=some(lambda: Decimal(chance.choice((0, 10, 20))), 0.2),
        max_kwh=some(lambda: Decimal(chance.choice((10, 20, 30))), 0.2),
        min_power=some(lambda: Decimal(chance.choice((0, 11))), 0.1),
        max_power=some(lambda: Decimal(chance.choice((11, 50))), 0.1),
        min_duration=some(lambda: chance.choice((0, 1800, 3600)), 0.3),
        max_duration=some(lambda: chance.choice((1800, 3600, 7200)), 0.2),
        reservation=some(lambda: chance.choice(list(ReservationRestrictionType)), 0.15),
    )


def _random_tariff(seed: int) -> Tariff:
    chance = random.Random(seed)
    elements = []
    for number in range(chance.randint(2, 5)):
        dimensions = chance.sample([ENERGY, TIME, PARKING, FLAT], chance.randint(1, 3))
        components = tuple(
            PriceComponent(dimension, Decimal(number + 1), Decimal(20)) for dimension in dimensions
        )
        elements.append(TariffElement(components, _random_restrictions(chance)))
    return tariff(*elements)


def _net(of: Tariff) -> Iterator[State]:
    """Make a fine net of states; what no restriction looks at needs one value."""
    stated = {
        name
        for part in of.elements
        for name, value in asdict(part.restrictions).items()
        if value not in {None, frozenset()}
    }

    def needed(values: Sequence[Any], *names: str) -> Sequence[Any]:
        return values if stated.intersection(names) else values[:1]

    week = needed(range(7), "day_of_week")
    days = range(30) if stated & {"start_date", "end_date"} else week
    hours = needed((0, 6, 7, 8, 12, 18, 20, 22), "start_time", "end_time")
    energies = needed((0, 10, 20, 30), "min_kwh", "max_kwh")
    powers = needed((None, 0, 11, 50), "min_power", "max_power")
    durations = needed((0, 1800, 3600, 7200), "min_duration", "max_duration")
    first = datetime(2026, 5, 29, tzinfo=ZoneInfo(BERLIN))
    for phase, day, hour, seconds in product(Phase, days, hours, durations):
        drawn: Iterable[Any] = [(0, None)] if phase.is_reservation else product(energies, powers)
        for kwh, power in drawn:
            yield State(
                local=first.replace(hour=hour) + timedelta(day),
                seconds=Fraction(seconds),
                kwh=Fraction(kwh),
                power=None if power is None else Decimal(power),
                phase=phase,
            )


def _chosen(of: Tariff) -> set[tuple[int, TariffDimensionType]]:
    """Return which components the engine chooses in any state of the net."""
    return {
        (active.element, dimension)
        for state in _net(of)
        for dimension in TariffDimensionType
        if (active := find_component(of, dimension, state))
    }


NEVER = {Rule.UNREACHABLE, Rule.FALLBACK_FIRST, Rule.REDUNDANT}
IMPOSSIBLE = {
    Rule.IMPOSSIBLE_RANGE,
    Rule.IMPOSSIBLE_DATES,
    Rule.IMPOSSIBLE_RESERVATION,
    Rule.RESERVATION_IGNORES,
}


@pytest.mark.parametrize("seed", range(40))
def test_exactly_what_the_engine_never_chooses_is_called_unreachable(seed: int) -> None:
    of = _random_tariff(seed)
    found = findings(of)

    never = {
        (finding.elements[0], dimension)
        for finding in found
        if finding.rule in NEVER
        for dimension in finding.dimensions
    }
    impossible = {finding.elements[0] for finding in found if finding.rule in IMPOSSIBLE}
    everything = {
        (index, one.type)
        for index, part in enumerate(of.elements)
        for one in part.price_components
        if index not in impossible
    }
    assert {key for key in never if key[0] not in impossible} == everything - _chosen(of)


def test_an_ordinary_tariff_takes_little_time() -> None:
    fee = blocking_fee("4.80", "0.59", 14460, 23460)
    findings(fee)
    began = clock.process_time()
    findings(fee)

    assert clock.process_time() - began < 0.5


def test_a_hostile_tariff_is_given_up_in_time() -> None:
    chance = random.Random(1)
    elements = []
    for number in range(200):
        low = chance.randint(0, 500)
        start = chance.randint(0, 1439)
        restrictions = TariffRestrictions(
            start_time=time(start // 60, start % 60),
            end_time=time(chance.randint(0, 23), chance.randint(0, 59)),
            min_kwh=Decimal(low),
            max_kwh=Decimal(low + chance.randint(1, 400)),
            min_power=Decimal(chance.randint(0, 50)),
            max_duration=chance.randint(1, 90000),
            day_of_week=frozenset(chance.sample(list(DayOfWeek), 4)),
            start_date=date(2026, 1, 1) + timedelta(chance.randint(0, 300)),
        )
        elements.append(element(component(ENERGY, f"0.{number + 100}", "20"), when=restrictions))
    began = clock.process_time()
    found = findings(tariff(*elements))

    assert clock.process_time() - began < 15
    assert Rule.TOO_COMPLEX in [one.rule for one in found]

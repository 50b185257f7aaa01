"""What a priced session tells: lines, remarks, limits, running cost."""

from datetime import time, timedelta
from decimal import Decimal

import pytest

from cpo_platform.common.money import Price
from tariffs.pricing.engine import price_session
from tariffs.pricing.explain import restriction_text
from tariffs.pricing.types import (
    DayOfWeek,
    LineKind,
    Phase,
    PriceLimit,
    ReservationRestrictionType,
    TariffDimensionType,
    TariffRestrictions,
    TaxIncluded,
)
from tests.tariffs.pricing.builders import NOON, component, element, segment, tariff

WORKING_DAYS = frozenset(list(DayOfWeek)[:5])
EVENING = TariffRestrictions(start_time=time(17), end_time=time(20), day_of_week=WORKING_DAYS)


def test_line_explains_its_amount() -> None:
    evening = tariff(
        element(component(TariffDimensionType.FLAT, "1", "20")),
        element(component(TariffDimensionType.TIME, "2.40", "20"), when=EVENING),
    )

    result = price_session(
        tariff=evening,
        segments=[segment(25, start=NOON.replace(hour=16, minute=40))],
        time_zone="Europe/Amsterdam",
    )

    flat, time_line = result.lines
    assert flat.text == "18:40 · FLAT 1.00 EUR, element 1"
    assert time_line.text == (
        "18:40\N{EN DASH}19:05 · TIME 0.4167 h \N{MULTIPLICATION SIGN} 2.40 EUR/h, "
        "element 2 (Mon\N{EN DASH}Fri 17:00\N{EN DASH}20:00)"
    )
    assert (time_line.net_amount, time_line.tax_amount) == (Decimal(1), Decimal("0.2"))


@pytest.mark.rule("TAR-44")
def test_rounding_up_to_the_step_size_is_visible() -> None:
    stepped = tariff(element(component(TariffDimensionType.TIME, "1", "20", step_size=900)))

    line = price_session(tariff=stepped, segments=[segment(8)], time_zone="UTC").lines[0]

    assert line.remark == (
        "8 min used, 15 min billed: all TIME together is billed in steps of 15 min"
    )
    assert line.text.endswith(line.remark)
    assert line.volume == Decimal("0.133333333333")
    assert line.billed_volume == Decimal("0.25")


@pytest.mark.rule("TAR-08", "TAR-47")
def test_limit_is_a_line_and_the_lines_add_up() -> None:
    capped = tariff(
        element(
            component(TariffDimensionType.ENERGY, "0.25", "10"),
            component(TariffDimensionType.FLAT, "0.50", "20"),
        ),
        max_price=PriceLimit(Decimal(10), Decimal(11)),
    )

    result = price_session(tariff=capped, segments=[segment(60, "50")], time_zone="UTC")

    limit = result.lines[-1]
    assert limit.kind is LineKind.MAX_PRICE
    assert (limit.net_amount, limit.tax_amount) == (Decimal(-3), Decimal("-0.35"))
    assert limit.text == (
        "Maximum price of 10.00 EUR before taxes, 11.00 EUR after taxes: the total is lowered to it"
    )
    assert result.total_energy_cost.before_taxes == Decimal("12.5")
    assert sum(line.net_amount for line in result.lines) == result.total_cost.before_taxes


def test_open_session_costs_what_it_would_cost_if_it_ended_now() -> None:
    stepped = tariff(
        element(
            component(TariffDimensionType.TIME, "1", step_size=900),
            component(TariffDimensionType.PARKING_TIME, "2", step_size=900),
        ),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )
    charging = segment(20)
    parking = segment(5, start=charging.end, requesting_power=False)

    costs = [
        price_session(tariff=stepped, segments=use, time_zone="UTC").total_cost.rounded(4)
        for use in ([], [segment(0)], [charging], [charging, parking])
    ]

    assert [cost.before_taxes for cost in costs] == [
        Decimal(0),
        Decimal(0),
        Decimal("0.5"),
        Decimal("0.8333"),
    ]


def test_start_fee_is_due_from_the_first_moment() -> None:
    with_fee = tariff(element(component(TariffDimensionType.FLAT, "0.50", "20")))

    result = price_session(tariff=with_fee, segments=[segment(0)], time_zone="UTC")

    assert result.total_cost.after_taxes == Decimal("0.6")
    assert len(result.charging_periods) == 1


def test_limit_that_is_not_reached_changes_nothing_of_a_negative_total() -> None:
    paid_back = tariff(
        element(component(TariffDimensionType.ENERGY, "-0.50", "20")),
        min_price=PriceLimit(Decimal(-100), Decimal(-120)),
        max_price=PriceLimit(Decimal(30), Decimal(36)),
    )

    result = price_session(tariff=paid_back, segments=[segment(60, "20")], time_zone="UTC")

    assert result.total_cost.before_taxes == -10
    assert result.total_cost.after_taxes == -12
    assert len(result.lines) == 1


def test_minimum_of_a_session_that_cost_nothing_is_taxed_at_the_one_rate_there_is() -> None:
    free = tariff(
        element(component(TariffDimensionType.ENERGY, "0", "20")), min_price=PriceLimit(Decimal(5))
    )

    result = price_session(tariff=free, segments=[segment(60, "20")], time_zone="UTC")

    assert result.total_cost.before_taxes == 5
    assert result.total_cost.after_taxes == 6


def test_unknown_taxes_stay_unknown_under_limits() -> None:
    unknown = tariff(
        element(component(TariffDimensionType.ENERGY, "1")),
        min_price=PriceLimit(Decimal(5), Decimal(6)),
    )

    result = price_session(tariff=unknown, segments=[segment(60, "2")], time_zone="UTC")

    assert result.total_cost == Price(Decimal(5), None)


def test_minimum_is_not_reached_for_by_an_unused_reservation() -> None:
    reserved = tariff(
        element(
            component(TariffDimensionType.TIME, "1", "20"),
            when=TariffRestrictions(reservation=ReservationRestrictionType.RESERVATION),
        ),
        min_price=PriceLimit(Decimal(5), Decimal(6)),
    )

    result = price_session(
        tariff=reserved,
        segments=[segment(60, phase=Phase.RESERVATION_EXPIRES)],
        time_zone="UTC",
    )

    assert result.total_cost.before_taxes == Decimal(1)
    assert result.total_time == 0
    assert result.total_reservation_time == 1


def test_minimum_applies_to_a_session_that_cost_nothing() -> None:
    free = tariff(
        element(component(TariffDimensionType.ENERGY, "1", "20")),
        min_price=PriceLimit(Decimal("0.50"), Decimal("0.60")),
    )

    result = price_session(tariff=free, segments=[segment(1)], time_zone="UTC")

    assert result.total_cost.before_taxes == Decimal("0.5")
    assert result.total_cost.after_taxes == Decimal("0.6")


def test_duration_of_the_session_does_not_count_the_reservation() -> None:
    after_ten_minutes = tariff(
        element(
            component(TariffDimensionType.TIME, "60"), when=TariffRestrictions(min_duration=600)
        ),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )
    reservation = segment(30, phase=Phase.RESERVATION)

    result = price_session(
        tariff=after_ten_minutes,
        segments=[reservation, segment(15, start=reservation.end)],
        time_zone="UTC",
    )

    assert result.total_cost.before_taxes == Decimal(5)


def test_an_interrupted_use_of_a_component_has_two_lines() -> None:
    by_power = tariff(
        element(
            component(TariffDimensionType.ENERGY, "1"),
            when=TariffRestrictions(min_power=Decimal(10)),
        )
    )
    segments = [
        segment(10, "2", power=Decimal(12)),
        segment(10, "1", power=Decimal(6), start=NOON + timedelta(minutes=10)),
        segment(10, "2", power=Decimal(12), start=NOON + timedelta(minutes=20)),
    ]

    result = price_session(tariff=by_power, segments=segments, time_zone="UTC")

    assert [line.volume for line in result.lines] == [Decimal(2), Decimal(2)]
    assert [use.volume for use in result.components] == [Decimal(4)]
    assert len(result.charging_periods) == 3


def test_restrictions_read_as_plain_words() -> None:
    restrictions = TariffRestrictions(
        start_time=time(22),
        day_of_week=frozenset({DayOfWeek.SATURDAY, DayOfWeek.SUNDAY}),
        min_kwh=Decimal("10.50"),
        max_power=Decimal(50),
        min_duration=14460,
    )

    assert restriction_text(restrictions) == (
        "Sat, Sun 22:00\N{EN DASH}24:00, from 10.5 kWh, below 50 kW, after 4 h 1 min"
    )
    assert restriction_text(TariffRestrictions()) == "always"

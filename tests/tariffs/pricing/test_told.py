"""What partners of each version are told of a tariff, and what they make of it."""

from datetime import time
from decimal import Decimal

import pytest
from hypothesis import given

from tariffs.pricing.engine import price_session
from tariffs.pricing.told import as_told, has_grace, readings, without_grace
from tariffs.pricing.types import (
    InvalidTariff,
    PriceComponent,
    PriceLimit,
    ReservationRestrictionType,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffRestrictions,
    TaxIncluded,
)
from tests.tariffs.pricing.builders import component, element, segment, tariff
from tests.tariffs.pricing.test_properties import ZONE, bounded, sessions, tariffs

ENERGY, TIME = TariffDimensionType.ENERGY, TariffDimensionType.TIME
PARKING = TariffDimensionType.PARKING_TIME


def parking(price: str, grace: int) -> PriceComponent:
    return PriceComponent(PARKING, Decimal(price), grace_period=grace)


def charged_and_parked(charging: float, parked: float) -> list[Segment]:
    first = segment(charging, "10")
    return [first, segment(parked, start=first.end, requesting_power=False)]


def test_parking_is_free_until_its_grace_period_is_used_up() -> None:
    half_an_hour_free = tariff(
        element(component(ENERGY, "0.50"), parking("6", 1800)),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )

    costs = [
        price_session(
            tariff=half_an_hour_free, segments=charged_and_parked(60, parked), time_zone="UTC"
        ).total_parking_cost.before_taxes
        for parked in (10, 30, 40, 90)
    ]

    assert costs == [0, 0, 1, 6]


def test_free_parking_is_a_line_of_its_own() -> None:
    half_an_hour_free = tariff(element(parking("6", 1800)), tax_included=TaxIncluded.NOT_APPLICABLE)

    result = price_session(
        tariff=half_an_hour_free, segments=charged_and_parked(60, 40), time_zone="UTC"
    )

    assert [line.text for line in result.lines] == [
        "13:00\N{EN DASH}13:30 · PARKING_TIME 0 h \N{MULTIPLICATION SIGN} 6.00 EUR/h, element 1; "
        "30 min used, 0 s billed: the first 30 min of parking are free",
        "13:30\N{EN DASH}13:40 · PARKING_TIME 0.1667 h \N{MULTIPLICATION SIGN} 6.00 EUR/h, "
        "element 1",
    ]
    # No tariff is relevant while parking is free: who recomputes the CDR charges nothing for it.
    assert [period.tariff_id for period in result.charging_periods] == ["T1", "", "T1"]


def test_energy_that_flows_while_parking_is_free_keeps_its_tariff() -> None:
    half_an_hour_free = tariff(
        element(component(ENERGY, "0.50"), parking("6", 1800)),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )
    heating = segment(10, "0.2", requesting_power=False)

    result = price_session(tariff=half_an_hour_free, segments=[heating], time_zone="UTC")

    assert [period.tariff_id for period in result.charging_periods] == ["T1"]


def test_grace_adds_up_over_the_pauses_of_a_session() -> None:
    ten_minutes_free = tariff(element(parking("6", 600)), tax_included=TaxIncluded.NOT_APPLICABLE)
    first = charged_and_parked(30, 6)
    again = segment(10, "1", start=first[-1].end)
    last = segment(14, start=again.end, requesting_power=False)

    result = price_session(tariff=ten_minutes_free, segments=[*first, again, last], time_zone="UTC")

    assert result.total_cost.before_taxes == 1


def test_free_parking_leaves_the_last_step_to_charging() -> None:
    stepped = tariff(
        element(component(TIME, "6", step_size=900), parking("6", 1800)),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )

    result = price_session(tariff=stepped, segments=charged_and_parked(20, 10), time_zone="UTC")

    assert result.total_cost.before_taxes == 3


def test_only_parking_has_a_grace_period() -> None:
    with pytest.raises(InvalidTariff, match="only PARKING_TIME"):
        PriceComponent(TIME, Decimal(1), grace_period=60)


def test_partners_get_more_where_parking_was_free_late_and_the_same_elsewhere() -> None:
    half_an_hour_free = tariff(
        element(component(ENERGY, "0.50"), parking("6", 1800)),
        tax_included=TaxIncluded.NOT_APPLICABLE,
    )

    differences = [
        {r.version: r.difference for r in readings(half_an_hour_free, use, "UTC")}
        for use in (
            charged_and_parked(60, 0),
            charged_and_parked(10, 20),
            charged_and_parked(10, 30),
            charged_and_parked(60, 90),
        )
    ]

    # 10 min charging, 30 min parking: the last ten minutes are after the session's first 30.
    assert [set(item.values()) for item in differences] == [{0}, {0}, {1}, {3}]


def test_what_a_version_cannot_say_is_left_out_of_what_it_is_told() -> None:
    full = tariff(
        element(
            component(TIME, "1", "20"),
            when=TariffRestrictions(reservation=ReservationRestrictionType.RESERVATION),
        ),
        element(component(ENERGY, "1.20", "20"), when=TariffRestrictions(start_time=time(8))),
        tax_included=TaxIncluded.YES,
        max_price=PriceLimit(Decimal(10), Decimal(12)),
    )

    oldest, middle, newest = (as_told(full, v) for v in ("2.1.1", "2.2.1", "2.3.0"))

    assert newest == full
    assert middle is not None
    assert middle.tax_included is TaxIncluded.NO
    assert middle.elements[1].price_components == (component(ENERGY, "1.0000", "20"),)
    assert middle.max_price == full.max_price
    assert oldest is not None
    assert [len(oldest.elements), oldest.max_price] == [1, None]
    assert oldest.elements[0].price_components == (component(ENERGY, "1.0000"),)


def test_a_tariff_for_reservations_alone_is_not_told_in_2_1_1() -> None:
    only = tariff(
        element(
            component(TIME, "1"),
            when=TariffRestrictions(reservation=ReservationRestrictionType.RESERVATION),
        )
    )

    assert as_told(only, "2.1.1") is None
    assert readings(only, [segment(10)], "UTC")[0].difference is None


@bounded
@given(tariffs, sessions())
def test_a_partner_never_gets_less_for_parking(given_: Tariff, use: list[Segment]) -> None:
    elements = tuple(
        element(
            *(
                PriceComponent(c.type, c.price, c.vat, 1, 600 if c.type is PARKING else 0)
                for c in item.price_components
            ),
            when=item.restrictions,
        )
        for item in given_.elements
    )
    graced = tariff(*elements, tax_included=TaxIncluded.NOT_APPLICABLE)
    nearest = without_grace(graced)

    ours = price_session(tariff=graced, segments=use, time_zone=ZONE)
    theirs = price_session(tariff=nearest, segments=use, time_zone=ZONE)

    assert not has_grace(nearest)
    assert theirs.total_parking_cost.before_taxes >= ours.total_parking_cost.before_taxes
    assert theirs.total_energy_cost == ours.total_energy_cost
    assert theirs.total_fixed_cost == ours.total_fixed_cost

"""A typical week shows the prices of a tariff with its own bounds."""

from datetime import date, time
from decimal import Decimal

import pytest

from tariffs.pricing.calendar import Band, Reference, typical_week
from tariffs.pricing.types import (
    DayOfWeek,
    ReservationRestrictionType,
    TariffDimensionType,
    TariffRestrictions,
)
from tests.tariffs.pricing.builders import component, element, tariff

WEDNESDAY = date(2026, 11, 25)
ENERGY, PARKING = TariffDimensionType.ENERGY, TariffDimensionType.PARKING_TIME
TIME, FLAT = TariffDimensionType.TIME, TariffDimensionType.FLAT


def prices(bands: tuple[Band, ...], dimension: TariffDimensionType) -> list[tuple[str, str, str]]:
    return [
        (
            f"{band.start:%H:%M}",
            f"{band.end:%H:%M}",
            str(band.active[dimension].component.price) if dimension in band.active else "",
        )
        for band in bands
    ]


def test_a_tariff_without_conditions_is_one_band_a_day() -> None:
    week = typical_week(tariff(element(component(ENERGY, "0.5"))), week=WEDNESDAY)
    assert [day.date for day in week] == [date(2026, 11, number) for number in range(23, 30)]
    assert [prices(day.bands, ENERGY) for day in week] == [[("00:00", "00:00", "0.5")]] * 7
    assert (week[0].bands[0].start_minute, week[0].bands[0].end_minute) == (0, 1440)


def test_days_are_cut_exactly_at_the_times_of_the_tariff() -> None:
    night = TariffRestrictions(start_time=time(21, 37), end_time=time(5, 13))
    week = typical_week(
        tariff(element(component(ENERGY, "0.3"), when=night), element(component(ENERGY, "0.5"))),
        week=WEDNESDAY,
    )
    assert prices(week[3].bands, ENERGY) == [
        ("00:00", "05:13", "0.3"),
        ("05:13", "21:37", "0.5"),
        ("21:37", "00:00", "0.3"),
    ]
    assert [band.active[ENERGY].element for band in week[3].bands] == [0, 1, 0]


def test_a_bound_that_changes_no_price_does_not_cut() -> None:
    shadowed = TariffRestrictions(start_time=time(8), end_time=time(9))
    week = typical_week(
        tariff(element(component(ENERGY, "0.5")), element(component(ENERGY, "1"), when=shadowed)),
        week=WEDNESDAY,
    )
    assert prices(week[0].bands, ENERGY) == [("00:00", "00:00", "0.5")]


def test_weekdays_and_dates_hold_on_their_days_only() -> None:
    saturday = TariffRestrictions(day_of_week=frozenset({DayOfWeek.SATURDAY}))
    from_thursday = TariffRestrictions(start_date=date(2026, 11, 26), end_date=date(2026, 11, 28))
    week = typical_week(
        tariff(
            element(component(ENERGY, "1"), when=saturday),
            element(component(ENERGY, "2"), when=from_thursday),
        ),
        week=WEDNESDAY,
    )
    assert [prices(day.bands, ENERGY)[0][2] for day in week] == ["", "", "", "2", "2", "1", ""]
    other = typical_week(
        tariff(element(component(ENERGY, "2"), when=from_thursday)), week=date(2026, 12, 1)
    )
    assert [prices(day.bands, ENERGY)[0][2] for day in other] == [""] * 7


@pytest.mark.parametrize(
    ("reference", "price"),
    [
        (Reference(), "1"),
        (Reference(kwh=Decimal(20)), "2"),
        (Reference(power=Decimal(50)), "3"),
        (Reference(current=None), "4"),
        (Reference(minutes=60), "5"),
    ],
)
def test_the_state_of_the_session_is_that_of_the_reference(
    reference: Reference, price: str
) -> None:
    elements = [
        element(component(ENERGY, "5"), when=TariffRestrictions(min_duration=3600)),
        element(component(ENERGY, "2"), when=TariffRestrictions(min_kwh=Decimal(20))),
        element(component(ENERGY, "3"), when=TariffRestrictions(min_power=Decimal(50))),
        element(component(ENERGY, "1"), when=TariffRestrictions(min_current=Decimal(48))),
        element(component(ENERGY, "4")),
    ]
    week = typical_week(tariff(*elements), week=WEDNESDAY, reference=reference)
    assert prices(week[0].bands, ENERGY) == [("00:00", "00:00", price)]


def test_parking_is_without_power_whatever_charging_is() -> None:
    drawn = TariffRestrictions(min_power=Decimal(1))
    week = typical_week(
        tariff(
            element(component(PARKING, "9"), component(TIME, "1"), when=drawn),
            element(component(PARKING, "2")),
        ),
        week=WEDNESDAY,
    )
    assert prices(week[0].bands, PARKING) == [("00:00", "00:00", "2")]
    assert prices(week[0].bands, TIME) == [("00:00", "00:00", "1")]


def test_prices_of_reservations_are_not_those_of_the_week() -> None:
    reserved = TariffRestrictions(reservation=ReservationRestrictionType.RESERVATION)
    week = typical_week(
        tariff(element(component(FLAT, "1"), when=reserved), element(component(ENERGY, "1"))),
        week=WEDNESDAY,
    )
    assert FLAT not in week[0].bands[0].active

"""What drivers read of a tariff is what it says, in three languages, within OCPI's room."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given

from tariffs.pricing.driver_text import LONGEST, driver_text, driver_texts
from tariffs.pricing.phrases import Language
from tariffs.pricing.types import (
    DayOfWeek,
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
from tests.tariffs.pricing.test_properties import tariffs

ENERGY, PARKING = TariffDimensionType.ENERGY, TariffDimensionType.PARKING_TIME
TIME, FLAT = TariffDimensionType.TIME, TariffDimensionType.FLAT
EN, DE, JA = Language.ENGLISH, Language.GERMAN, Language.JAPANESE

WORKDAYS = frozenset(list(DayOfWeek)[:5])


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            EN,
            "Mon–Fri 08:00–20:00: 0.59 EUR per kWh. Otherwise 0.39 EUR per kWh. "
            "0.10 EUR per minute of parking. The first 30 minutes of parking are free. "
            "All prices plus 19 % VAT.",
        ),
        (
            DE,
            "Mo–Fr 08:00–20:00: 0,59 EUR pro kWh. Sonst 0,39 EUR pro kWh. "
            "0,10 EUR pro Minute Parkzeit. Die ersten 30 Minuten Parkzeit sind frei. "
            "Alle Preise zzgl. 19 % MwSt.",
        ),
        (
            JA,
            "月–金 08:00–20:00: 1kWhにつき0.59 EUR。それ以外は1kWhにつき0.39 EUR。"
            "駐車1分につき0.10 EUR。駐車は最初の30分間が無料です。"
            "表示料金に19%の消費税が加算されます。",
        ),
    ],
)
def test_a_usual_tariff_reads_as_people_say_it(language: Language, text: str) -> None:
    day = TariffRestrictions(start_time=time(8), end_time=time(20), day_of_week=WORKDAYS)
    parking = PriceComponent(PARKING, Decimal(6), Decimal(19), 1, grace_period=1800)
    given = tariff(
        element(component(ENERGY, "0.59", "19"), when=day),
        element(component(ENERGY, "0.39", "19")),
        element(parking),
    )
    assert driver_text(given, language) == text


def english(*elements: TariffElement, **fields: object) -> str:
    return driver_text(tariff(*elements, **fields), EN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("included", "vat", "text"),
    [
        (TaxIncluded.YES, "19", "0.50 EUR per kWh. All prices include 19 % VAT."),
        (TaxIncluded.NO, "19", "0.50 EUR per kWh. All prices plus 19 % VAT."),
        (TaxIncluded.NO, "0", "0.50 EUR per kWh."),
        (TaxIncluded.NOT_APPLICABLE, None, "0.50 EUR per kWh."),
        (TaxIncluded.NO, None, "0.50 EUR per kWh. Taxes are added."),
        (TaxIncluded.YES, None, "0.50 EUR per kWh. All prices include taxes."),
    ],
)
def test_taxes_are_told_as_the_tariff_has_them(
    included: TaxIncluded, vat: str | None, text: str
) -> None:
    assert english(element(component(ENERGY, "0.5", vat)), tax_included=included) == text


def test_rates_that_differ_are_told_with_their_prices() -> None:
    both = element(component(FLAT, "1", "15"), component(ENERGY, "0.5", "20"))
    assert english(both) == (
        "1.00 EUR per session (plus VAT 15 %) and 0.50 EUR per kWh (plus VAT 20 %)."
    )


@pytest.mark.parametrize(
    ("prices", "text"),
    [
        (("4.80", "6"), "0.08 EUR per minute of charging and 0.10 EUR per minute of parking."),
        (("2", "6"), "2.00 EUR per hour of charging and 6.00 EUR per hour of parking."),
    ],
)
def test_time_is_per_minute_where_all_of_it_is_exact(prices: tuple[str, str], text: str) -> None:
    both = element(component(TIME, prices[0]), component(PARKING, prices[1]))
    assert english(both, tax_included=TaxIncluded.NOT_APPLICABLE) == text


def test_what_can_never_apply_is_not_told() -> None:
    always = element(component(ENERGY, "0.5", "19"))
    later = element(component(ENERGY, "9", "19"), when=TariffRestrictions(start_time=time(8)))
    assert english(always, later) == "0.50 EUR per kWh. All prices plus 19 % VAT."


def test_conditions_are_in_words() -> None:
    when = TariffRestrictions(
        start_date=date(2026, 12, 1),
        end_date=date(2027, 1, 1),
        min_kwh=Decimal(10),
        max_kwh=Decimal(20),
        max_power=Decimal(50),
        min_current=Decimal(32),
        min_duration=3600,
    )
    assert english(element(component(ENERGY, "1", "0"), when=when)) == (
        "From 2026-12-01, until 2026-12-31, after 10 kWh until 20 kWh, below 50 kW, "
        "at 32 A or more, after 1 h: 1.00 EUR per kWh."
    )


def test_limits_steps_and_reservations_are_told() -> None:
    kinds = ReservationRestrictionType
    text = english(
        element(component(TIME, "2", "10", step_size=900)),
        element(
            component(FLAT, "4", "10"),
            when=TariffRestrictions(reservation=kinds.RESERVATION_EXPIRES),
        ),
        element(
            component(FLAT, "1", "10"),
            component(TIME, "3", "10"),
            component(ENERGY, "9", "10"),
            when=TariffRestrictions(reservation=kinds.RESERVATION),
        ),
        min_price=PriceLimit(Decimal(1)),
        max_price=PriceLimit(Decimal(30), Decimal(33)),
    )
    assert text == (
        "2.00 EUR per hour of charging (in steps of 15 min). "
        "A session costs at least 1.00 EUR. A session costs at most 30.00 EUR. "
        "Reservation: 1.00 EUR once and 3.00 EUR per hour. "
        "Reservation not used: 4.00 EUR once. All prices plus 10 % VAT."
    )


def test_limits_with_taxes_are_told_where_prices_include_them() -> None:
    text = english(
        element(component(ENERGY, "0.5", "20")),
        tax_included=TaxIncluded.YES,
        max_price=PriceLimit(Decimal(10), Decimal(12)),
    )
    assert "at most 12.00 EUR." in text


def test_a_free_tariff_is_said_to_be_free() -> None:
    free = tariff(element(component(FLAT, "0")), tax_included=TaxIncluded.NOT_APPLICABLE)
    assert driver_texts(free) == {EN: "Free of charge.", DE: "Kostenlos.", JA: "無料です。"}


def hourly(count: int, step_size: int = 1) -> Tariff:
    times = [time(number // 2, number % 2 * 30) for number in range(count)]
    return tariff(
        *(
            element(
                component(TIME, f"{place}.{place:02}", "19", step_size),
                when=TariffRestrictions(start_time=start, end_time=end),
            )
            for place, (start, end) in enumerate(zip(times, [*times[1:], time(0)], strict=True), 1)
        )
    )


def test_steps_are_the_first_to_go_where_there_is_no_room() -> None:
    text = driver_text(hourly(8, step_size=900), EN)
    assert len(text) <= LONGEST
    assert "in steps of" not in text
    assert "03:30–24:00: 8.08 EUR per hour of charging." in text
    assert "More prices apply" not in text


def test_then_sentences_go_from_the_end_and_the_text_says_so() -> None:
    text = driver_text(hourly(40), EN)
    assert len(text) <= LONGEST
    assert text.startswith("00:00–00:30: 1.01 EUR per hour of charging. 00:30–")
    assert text.endswith("More prices apply. All prices plus 19 % VAT.")


@given(tariffs)
def test_no_text_is_empty_or_longer_than_ocpi_allows(given_tariff: Tariff) -> None:
    for text in driver_texts(given_tariff).values():
        assert 0 < len(text) <= LONGEST

"""Explanations are the same in every language, and again from what was stored."""

from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tariffs.pricing import explain
from tariffs.pricing.engine import price_session
from tariffs.pricing.explain import StoredLine, told_again
from tariffs.pricing.phrases import Language, duration, language_of
from tariffs.pricing.results import PriceLine
from tariffs.pricing.types import (
    DayOfWeek,
    LineKind,
    PriceLimit,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffRestrictions,
)
from tests.tariffs.pricing.builders import component, element, segment, tariff

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = TariffRestrictions(
    start_time=time(8),
    start_date=date(2024, 1, 1),
    day_of_week=frozenset({DayOfWeek.MONDAY, DayOfWeek.FRIDAY}),
    max_kwh=Decimal("20.5"),
    min_duration=0,
)


def example() -> Tariff:
    return tariff(
        element(
            component(TariffDimensionType.FLAT, "2.5", "19"),
            component(TariffDimensionType.ENERGY, "0.59", "19", step_size=500),
            component(TariffDimensionType.TIME, "1.2", "19", step_size=900),
            when=EVENING,
        ),
        max_price=PriceLimit(Decimal(3), Decimal("3.57")),
    )


def stored(line: PriceLine) -> StoredLine:
    return StoredLine(
        kind=line.kind,
        start=line.start,
        end=line.end,
        dimension=line.dimension,
        element=line.element,
        volume=round(line.volume, 4),
        billed_volume=round(line.billed_volume, 4),
    )


def lines() -> tuple[PriceLine, ...]:
    segments = [segment(22, "6.2")]
    return price_session(tariff=example(), segments=segments, time_zone="Europe/Berlin").lines


def test_a_stored_line_is_told_again_as_it_was() -> None:
    assert [told_again(stored(line), example(), BERLIN, Language.ENGLISH) for line in lines()] == [
        line.text for line in lines()
    ]


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            Language.GERMAN,
            [
                "14:00 · Grundgebühr 2,50 EUR, Element 1 "
                "(Mo, Fr 08:00–24:00, ab 2024-01-01, unter 20,5 kWh, nach 0 s)",
                "14:00–14:22 · Energie 6,5 kWh × 0,59 EUR/kWh, Element 1 "
                "(Mo, Fr 08:00–24:00, ab 2024-01-01, unter 20,5 kWh, nach 0 s); "
                "6,2 kWh genutzt, 6,5 kWh berechnet: Energie wird insgesamt in Schritten von "
                "500 Wh berechnet",
                "14:00–14:22 · Ladezeit 0,5 h × 1,20 EUR/h, Element 1 "
                "(Mo, Fr 08:00–24:00, ab 2024-01-01, unter 20,5 kWh, nach 0 s); "
                "22 min genutzt, 30 min berechnet: Ladezeit wird insgesamt in Schritten von "
                "15 min berechnet",
                "Höchstpreis von 3,00 EUR vor Steuern, 3,57 EUR mit Steuern: "
                "die Summe wird darauf gesenkt",
            ],
        ),
        (
            Language.JAPANESE,
            [
                "14:00 · 定額料金 2.50 EUR、要素1"
                "(月、金 08:00–24:00、2024-01-01から、20.5 kWh未満、開始0秒後から)",
                "14:00–14:22 · 電力量 6.5 kWh × 0.59 EUR/kWh、要素1"
                "(月、金 08:00–24:00、2024-01-01から、20.5 kWh未満、開始0秒後から); "
                "6.2 kWhの利用に対して6.5 kWhを請求: 電力量は合計を500 Wh単位に切り上げます",
                "14:00–14:22 · 充電時間 0.5 時間 × 1.20 EUR/時間、要素1"
                "(月、金 08:00–24:00、2024-01-01から、20.5 kWh未満、開始0秒後から); "
                "22分の利用に対して30分を請求: 充電時間は合計を15分単位に切り上げます",
                "上限料金 税抜3.00 EUR、税込3.57 EUR: 合計を引き下げます",
            ],
        ),
    ],
)
def test_a_stored_line_is_told_in_another_language(language: Language, texts: list[str]) -> None:
    again = [told_again(stored(line), example(), BERLIN, language) for line in lines()]
    assert sorted(map(str, again)) == sorted(texts)


def test_a_line_of_another_tariff_is_not_told() -> None:
    line = stored(next(line for line in lines() if line.kind is LineKind.COMPONENT))
    for changed in (
        replace(line, element=7),
        replace(line, element=None),
        replace(line, dimension=None),
        replace(line, dimension=TariffDimensionType.PARKING_TIME),
        replace(line, kind=LineKind.MIN_PRICE),
    ):
        assert told_again(changed, example(), BERLIN, Language.GERMAN) is None


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("ja", Language.JAPANESE),
        ("de-at", Language.GERMAN),
        ("fr", Language.ENGLISH),
        (None, Language.ENGLISH),
    ],
)
def test_a_language_without_phrases_is_english(code: str | None, language: Language) -> None:
    assert language_of(code) is language


def test_remarks_of_the_engine_are_translated_and_others_stay() -> None:
    text = explain.remark_text(explain.TAX_TO_BE_ADDED, Language.GERMAN)
    assert text == "Steuern kommen hinzu; ihr Satz ist hier nicht bekannt."
    assert explain.remark_text("Something else.", Language.GERMAN) == "Something else."


def test_restrictions_and_durations_read_in_japanese() -> None:
    reserved = TariffRestrictions(
        reservation=ReservationRestrictionType.RESERVATION, max_duration=5400
    )
    text = explain.restriction_text(reserved, Language.JAPANESE)
    assert text == "予約中、最初の1時間30分"
    assert duration(90, Language.JAPANESE) == "1分30秒"
    assert explain.restriction_text(TariffRestrictions(), Language.JAPANESE) == "常時"

"""The words in which prices are explained: to staff line by line, and to drivers.

Tables of their own, not gettext: a text for drivers is needed in every language at once, whatever
the language of the person who writes the tariff, and this package knows no framework.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from cpo_platform.common.money import currency_places, round_money, to_decimal, trimmed
from tariffs.pricing.types import ReservationRestrictionType, TariffDimensionType

TO = "\N{EN DASH}"


class Language(StrEnum):
    """Name a language that prices are explained in (ISO 639-1)."""

    ENGLISH = "en"
    GERMAN = "de"
    JAPANESE = "ja"


@dataclass(frozen=True, slots=True)
class Phrases:
    """Hold the words of one language that explanations of any kind share."""

    decimal_point: str
    comma: str
    full_stop: str
    days: tuple[str, ...]
    hours: str
    minutes: str
    seconds: str
    space: str
    per_hour: str
    dimensions: Mapping[TariffDimensionType, str]
    reservations: Mapping[ReservationRestrictionType, str]
    always: str
    from_bound: str
    below_bound: str
    after: str
    after_until: str
    first: str
    from_date: str
    before_date: str
    element: str
    conditions: str
    steps: str
    grace: str
    before_taxes: str
    after_taxes: str
    min_price: str
    max_price: str
    tax_to_be_added: str
    tax_rate_unknown: str


_ENGLISH = Phrases(
    decimal_point=".",
    comma=", ",
    full_stop=".",
    days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    hours="h",
    minutes="min",
    seconds="s",
    space=" ",
    per_hour="h",
    dimensions={dimension: dimension.value for dimension in TariffDimensionType},
    reservations={
        ReservationRestrictionType.RESERVATION: "while reserved",
        ReservationRestrictionType.RESERVATION_EXPIRES: "reservation not used",
    },
    always="always",
    from_bound="from {value}",
    below_bound="below {value}",
    after="after {start}",
    after_until="after {start} until {end}",
    first="first {end}",
    from_date="from {value}",
    before_date="before {value}",
    element="element {number}",
    conditions="{element} ({conditions})",
    steps="{used} used, {billed} billed: all {dimension} together is billed in steps of {step}",
    grace="{used} used, {billed} billed: the first {grace} of parking are free",
    before_taxes="{amount} before taxes",
    after_taxes="{amount} after taxes",
    min_price="Minimum price of {limit}: the total is raised to it",
    max_price="Maximum price of {limit}: the total is lowered to it",
    tax_to_be_added="Taxes will be added at rates that are not known here.",
    tax_rate_unknown=(
        "The prices include taxes at a rate that is not known here: "
        "the amounts before taxes are shown with taxes."
    ),
)

_GERMAN = Phrases(
    decimal_point=",",
    comma=", ",
    full_stop=".",
    days=("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"),
    hours="h",
    minutes="min",
    seconds="s",
    space=" ",
    per_hour="h",
    dimensions={
        TariffDimensionType.FLAT: "Grundgebühr",
        TariffDimensionType.ENERGY: "Energie",
        TariffDimensionType.TIME: "Ladezeit",
        TariffDimensionType.PARKING_TIME: "Parkzeit",
    },
    reservations={
        ReservationRestrictionType.RESERVATION: "während der Reservierung",
        ReservationRestrictionType.RESERVATION_EXPIRES: "Reservierung nicht genutzt",
    },
    always="immer",
    from_bound="ab {value}",
    below_bound="unter {value}",
    after="nach {start}",
    after_until="nach {start} bis {end}",
    first="die ersten {end}",
    from_date="ab {value}",
    before_date="vor {value}",
    element="Element {number}",
    conditions="{element} ({conditions})",
    steps="{used} genutzt, {billed} berechnet: {dimension} wird insgesamt in Schritten von "
    "{step} berechnet",
    grace="{used} genutzt, {billed} berechnet: die ersten {grace} Parkzeit sind frei",
    before_taxes="{amount} vor Steuern",
    after_taxes="{amount} mit Steuern",
    min_price="Mindestpreis von {limit}: die Summe wird darauf angehoben",
    max_price="Höchstpreis von {limit}: die Summe wird darauf gesenkt",
    tax_to_be_added="Steuern kommen hinzu; ihr Satz ist hier nicht bekannt.",
    tax_rate_unknown=(
        "Die Preise enthalten Steuern, deren Satz hier nicht bekannt ist: "
        "die Beträge vor Steuern enthalten sie noch."
    ),
)

_JAPANESE = Phrases(
    decimal_point=".",
    comma="、",
    full_stop="。",
    days=("月", "火", "水", "木", "金", "土", "日"),
    hours="時間",
    minutes="分",
    seconds="秒",
    space="",
    per_hour="時間",
    dimensions={
        TariffDimensionType.FLAT: "定額料金",
        TariffDimensionType.ENERGY: "電力量",
        TariffDimensionType.TIME: "充電時間",
        TariffDimensionType.PARKING_TIME: "駐車時間",
    },
    reservations={
        ReservationRestrictionType.RESERVATION: "予約中",
        ReservationRestrictionType.RESERVATION_EXPIRES: "予約が利用されなかった場合",
    },
    always="常時",
    from_bound="{value}以上",
    below_bound="{value}未満",
    after="開始{start}後から",
    after_until="開始{start}後から{end}まで",
    first="最初の{end}",
    from_date="{value}から",
    before_date="{value}より前",
    element="要素{number}",
    conditions="{element}({conditions})",
    steps="{used}の利用に対して{billed}を請求: {dimension}は合計を{step}単位に切り上げます",
    grace="{used}の利用に対して{billed}を請求: 駐車は最初の{grace}が無料です",
    before_taxes="税抜{amount}",
    after_taxes="税込{amount}",
    min_price="最低料金 {limit}: 合計を引き上げます",
    max_price="上限料金 {limit}: 合計を引き下げます",
    tax_to_be_added="ここでは税率のわからない税が加算されます。",
    tax_rate_unknown="料金には税率のわからない税が含まれます: 税抜の金額も税込で表示しています。",
)

PHRASES: Mapping[Language, Phrases] = {
    Language.ENGLISH: _ENGLISH,
    Language.GERMAN: _GERMAN,
    Language.JAPANESE: _JAPANESE,
}


def language_of(code: str | None) -> Language:
    """Return the language of a code such as `ja` or `de-at`; English where we have no other."""
    first = (code or "").lower().partition("-")[0]
    return next((language for language in Language if language.value == first), Language.ENGLISH)


def number(value: Decimal, language: Language = Language.ENGLISH) -> str:
    """Return a number without trailing zeros."""
    return _localised(f"{trimmed(value):f}", language)


def money(amount: Decimal, currency: str, language: Language = Language.ENGLISH) -> str:
    """Return an amount with its currency and at least the places of that currency."""
    shown = round_money(amount, currency_places(currency))
    text = f"{shown if shown == amount else trimmed(amount):f}"
    return f"{_localised(text, language)} {currency}"


def duration(seconds: Fraction | int, language: Language = Language.ENGLISH) -> str:
    """Return seconds as hours, minutes and seconds."""
    words = PHRASES[language]
    total = to_decimal(Fraction(seconds), 3)
    hours, rest = divmod(total, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(hours, words.hours), (minutes, words.minutes), (rest, words.seconds)]
    shown = [f"{number(value, language)}{words.space}{unit}" for value, unit in parts if value]
    return words.space.join(shown) or f"0{words.space}{words.seconds}"


def _localised(text: str, language: Language) -> str:
    return text.replace(".", PHRASES[language].decimal_point)

"""Write what drivers read of a tariff (OCPI `tariff_alt_text`), from its numbers.

In every language of `tariffs.pricing.phrases`, with the prices as the tariff states them: with
taxes where they are included, else with the rate that is added. Prices of time are told per
minute where all of them are exact in the smallest coin of the currency (4.80 per hour is 0.08 per
minute), else per hour; never both, since there is room for 512 characters only.

What does not fit is shortened by one rule: first the steps of billing are left out, then whole
sentences from the end, which are then said to be missing. The sentence on taxes always stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from cpo_platform.common.money import currency_places, round_money
from tariffs.pricing.explain import when_text
from tariffs.pricing.phrases import PHRASES, Language, duration, money, number
from tariffs.pricing.taxes import rates_are_unknown
from tariffs.pricing.types import (
    PriceComponent,
    PriceLimit,
    ReservationRestrictionType,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TaxIncluded,
)

# OCPI 2.2.1 and 2.3.0, types, DisplayText.
LONGEST = 512

_FLAT, _ENERGY = TariffDimensionType.FLAT, TariffDimensionType.ENERGY
_TIME, _PARKING = TariffDimensionType.TIME, TariffDimensionType.PARKING_TIME

# Steps below these change a price by less than anybody asks about: a minute, and half a kWh.
_TOLD_SECONDS = 61
_TOLD_WH = 500


@dataclass(frozen=True, slots=True)
class _Words:
    """Hold the words of one language that texts for drivers need beside `Phrases`.

    `prices` and `free` are by dimension, those of time by `hour` and `minute`.
    """

    prices: Mapping[TariffDimensionType, str]
    free: Mapping[TariffDimensionType, str]
    hour: str
    minute: str
    reserved: Mapping[TariffDimensionType, str]
    step: str
    at_place: str
    general: str
    otherwise: str
    when: str
    reservation: str
    not_used: str
    nothing: str
    grace: str
    grace_note: str
    whole_minutes: str
    from_date: str
    until_date: str
    kwh: tuple[str, str, str]
    power: tuple[str, str, str]
    time: tuple[str, str, str]
    at_least: str
    at_most: str
    before_taxes: str
    plus_vat: str
    with_vat: str
    plus_vat_note: str
    with_vat_note: str
    plus_taxes: str
    with_taxes: str
    more: str
    and_: str
    between: str
    capital: bool = True


_WORDS: Mapping[Language, _Words] = {
    Language.ENGLISH: _Words(
        prices={
            _FLAT: "{price} per session",
            _ENERGY: "{price} per kWh",
            _TIME: "{price} per {unit} of charging",
            _PARKING: "{price} per {unit} of parking",
        },
        free={
            _FLAT: "no fee per session",
            _ENERGY: "energy free of charge",
            _TIME: "charging time free of charge",
            _PARKING: "parking free of charge",
        },
        hour="hour",
        minute="minute",
        reserved={_FLAT: "{price} once", _TIME: "{price} per {unit}"},
        step="in steps of {step}",
        at_place="{price} ({note})",
        general="{prices}.",
        otherwise="Otherwise {prices}.",
        when="{when}: {prices}.",
        reservation="Reservation{when}: {prices}.",
        not_used="Reservation not used{when}: {prices}.",
        nothing="Free of charge.",
        grace="The first {grace} of parking are free.",
        grace_note="the first {grace} free",
        whole_minutes="{minutes} minutes",
        from_date="from {day}",
        until_date="until {day}",
        kwh=("after {low}", "for the first {high}", "after {low} until {high}"),
        power=("at {low} or more", "below {high}", "at {low} or more and below {high}"),
        time=("after {low}", "in the first {high}", "after {low} until {high}"),
        at_least="A session costs at least {price}.",
        at_most="A session costs at most {price}.",
        before_taxes="{price} before taxes",
        plus_vat="All prices plus {rate} % VAT.",
        with_vat="All prices include {rate} % VAT.",
        plus_vat_note="plus VAT {rate} %",
        with_vat_note="incl. VAT {rate} %",
        plus_taxes="Taxes are added.",
        with_taxes="All prices include taxes.",
        more="More prices apply.",
        and_=" and ",
        between=" ",
    ),
    Language.GERMAN: _Words(
        prices={
            _FLAT: "{price} pro Ladevorgang",
            _ENERGY: "{price} pro kWh",
            _TIME: "{price} pro {unit} Ladezeit",
            _PARKING: "{price} pro {unit} Parkzeit",
        },
        free={
            _FLAT: "keine Grundgebühr",
            _ENERGY: "Energie kostenlos",
            _TIME: "Ladezeit kostenlos",
            _PARKING: "Parken kostenlos",
        },
        hour="Stunde",
        minute="Minute",
        reserved={_FLAT: "{price} einmalig", _TIME: "{price} pro {unit}"},
        step="in Schritten von {step}",
        at_place="{price} ({note})",
        general="{prices}.",
        otherwise="Sonst {prices}.",
        when="{when}: {prices}.",
        reservation="Reservierung{when}: {prices}.",
        not_used="Nicht genutzte Reservierung{when}: {prices}.",
        nothing="Kostenlos.",
        grace="Die ersten {grace} Parkzeit sind frei.",
        grace_note="die ersten {grace} frei",
        whole_minutes="{minutes} Minuten",
        from_date="ab {day}",
        until_date="bis {day}",
        kwh=("ab {low}", "für die ersten {high}", "ab {low} bis {high}"),
        power=("ab {low}", "unter {high}", "ab {low} und unter {high}"),
        time=("nach {low}", "in den ersten {high}", "nach {low} bis {high}"),
        at_least="Ein Ladevorgang kostet mindestens {price}.",
        at_most="Ein Ladevorgang kostet höchstens {price}.",
        before_taxes="{price} vor Steuern",
        plus_vat="Alle Preise zzgl. {rate} % MwSt.",
        with_vat="Alle Preise inkl. {rate} % MwSt.",
        plus_vat_note="zzgl. {rate} % MwSt.",
        with_vat_note="inkl. {rate} % MwSt.",
        plus_taxes="Zuzüglich Steuern.",
        with_taxes="Alle Preise inkl. Steuern.",
        more="Es gelten weitere Preise.",
        and_=" und ",
        between=" ",
    ),
    Language.JAPANESE: _Words(
        prices={
            _FLAT: "1回につき{price}",
            _ENERGY: "1kWhにつき{price}",
            _TIME: "充電{unit}につき{price}",
            _PARKING: "駐車{unit}につき{price}",
        },
        free={
            _FLAT: "基本料金なし",
            _ENERGY: "電力量料金は無料",
            _TIME: "充電時間料金は無料",
            _PARKING: "駐車は無料",
        },
        hour="1時間",
        minute="1分",
        reserved={_FLAT: "1回につき{price}", _TIME: "{unit}につき{price}"},
        step="{step}単位",
        at_place="{price}({note})",
        general="{prices}。",
        otherwise="それ以外は{prices}。",
        when="{when}: {prices}。",
        reservation="予約{when}: {prices}。",
        not_used="予約を利用しなかった場合{when}: {prices}。",
        nothing="無料です。",
        grace="駐車は最初の{grace}が無料です。",
        grace_note="最初の{grace}は無料",
        whole_minutes="{minutes}分間",
        from_date="{day}から",
        until_date="{day}まで",
        kwh=("{low}を超えた分", "最初の{high}まで", "{low}から{high}まで"),
        power=("{low}以上", "{high}未満", "{low}以上{high}未満"),
        time=("開始から{low}経過後", "開始から{high}まで", "開始から{low}経過後、{high}まで"),
        at_least="1回の料金は最低{price}です。",
        at_most="1回の料金は最高{price}です。",
        before_taxes="税抜{price}",
        plus_vat="表示料金に{rate}%の消費税が加算されます。",
        with_vat="表示料金は{rate}%の消費税込みです。",
        plus_vat_note="消費税{rate}%別",
        with_vat_note="消費税{rate}%込",
        plus_taxes="別途税金がかかります。",
        with_taxes="表示料金は税込みです。",
        more="このほかの料金もあります。",
        and_="、",
        between="",
        capital=False,
    ),
}


@dataclass(frozen=True, slots=True)
class _Part:
    """Hold the components of an element that can become active at all.

    `otherwise`: elements before it have the same dimension under some condition.
    """

    components: tuple[PriceComponent, ...]
    restrictions: TariffRestrictions
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class _Style:
    """Hold what all sentences of one text have in common; `rate` is the one VAT rate, if it is.

    `grace` is that of all parking that costs something (0: none), or None where they differ.
    """

    tariff: Tariff
    language: Language
    rate: Decimal | None
    grace: int | None
    per_minute: bool
    steps: bool = True

    @property
    def words(self) -> _Words:
        return _WORDS[self.language]

    def money(self, amount: Decimal) -> str:
        return money(amount, self.tariff.currency, self.language)


def driver_text(tariff: Tariff, language: Language) -> str:
    """Return what a tariff costs in words for drivers, at most 512 characters."""
    session = list(_parts(tariff.elements, None))
    reserved = [(kind, list(_parts(tariff.elements, kind))) for kind in ReservationRestrictionType]
    parts = [*session, *(part for _kind, found in reserved for part in found)]
    style = _Style(
        tariff=tariff,
        language=language,
        rate=_common_rate(parts),
        grace=_common_grace(session),
        per_minute=_are_exact_per_minute(parts, currency_places(tariff.currency)),
    )
    taxes = _tax_sentence(style)
    for style_now in (style, replace(style, steps=False)):
        sentences = list(_sentences(style_now, session, reserved))
        text = style.words.between.join([*sentences, *taxes])
        if len(text) <= LONGEST:
            return text
    return _cut(sentences, taxes, style.words)


def driver_texts(tariff: Tariff) -> dict[Language, str]:
    """Return the text for drivers in every language there is."""
    return {language: driver_text(tariff, language) for language in Language}


def _sentences(
    style: _Style,
    session: Sequence[_Part],
    reserved: Iterable[tuple[ReservationRestrictionType, Sequence[_Part]]],
) -> Iterator[str]:
    if all(item.price == 0 for part in session for item in part.components):
        yield style.words.nothing
    else:
        yield from (_session_sentence(part, style) for part in session)
    if style.grace:
        yield style.words.grace.format(grace=_minutes(style.grace, style))
    limits = (
        (style.words.at_least, style.tariff.min_price),
        (style.words.at_most, style.tariff.max_price),
    )
    for template, limit in limits:
        if limit is not None:
            yield template.format(price=_limit(limit, style))
    for kind, parts in reserved:
        yield from (_reservation_sentence(kind, part, style) for part in parts)


def _cut(sentences: Sequence[str], taxes: Sequence[str], words: _Words) -> str:
    tail = [words.more, *taxes]
    kept: list[str] = []
    for sentence in sentences:
        if len(words.between.join([*kept, sentence, *tail])) > LONGEST:
            break
        kept.append(sentence)
    return words.between.join([*kept, *tail])[:LONGEST]


def _parts(
    elements: Sequence[TariffElement], reservation: ReservationRestrictionType | None
) -> Iterator[_Part]:
    """Return what can become active: nothing of a dimension counts behind one without conditions.

    An unconditional price and one that is so only for what earlier conditions leave are told
    apart, so that each gets its own sentence.
    """
    always: set[TariffDimensionType] = set()
    sometimes: set[TariffDimensionType] = set()
    for element in elements:
        stated = element.restrictions
        if stated.reservation is not reservation:
            continue
        usable = [item for item in element.price_components if _counts(item, reservation)]
        usable = [item for item in usable if item.type not in always]
        kinds = {item.type for item in usable}
        if replace(stated, reservation=None) != TariffRestrictions():
            sometimes |= kinds
            groups = [(usable, False)]
        else:
            groups = [
                ([item for item in usable if item.type not in sometimes], False),
                ([item for item in usable if item.type in sometimes], True),
            ]
            always |= kinds
        for components, otherwise in groups:
            if components:
                yield _Part(tuple(components), stated, otherwise)


def _counts(component: PriceComponent, reservation: ReservationRestrictionType | None) -> bool:
    return reservation is None or component.type in (_FLAT, _TIME)


def _session_sentence(part: _Part, style: _Style) -> str:
    words = style.words
    prices = _prices(part, words.prices, style)
    if part.otherwise:
        return words.otherwise.format(prices=prices)
    conditions = _conditions(part.restrictions, style)
    if not conditions:
        return _capital(words.general.format(prices=prices), words)
    return _capital(words.when.format(when=conditions, prices=prices), words)


def _reservation_sentence(kind: ReservationRestrictionType, part: _Part, style: _Style) -> str:
    words = style.words
    is_used = kind is ReservationRestrictionType.RESERVATION
    template = words.reservation if is_used else words.not_used
    conditions = _conditions(part.restrictions, style)
    note = words.at_place.format(price="", note=conditions) if conditions else ""
    return template.format(when=note, prices=_prices(part, words.reserved, style))


def _prices(part: _Part, templates: Mapping[TariffDimensionType, str], style: _Style) -> str:
    # A fee of nothing is no news beside another price.
    told = [item for item in part.components if item.price or item.type is not _FLAT]
    texts = [_price(item, templates, style) for item in told or part.components]
    return style.words.and_.join(
        [PHRASES[style.language].comma.join(texts[:-1]), texts[-1]] if texts[:-1] else texts
    )


def _price(
    component: PriceComponent, templates: Mapping[TariffDimensionType, str], style: _Style
) -> str:
    words = style.words
    if not component.price:
        return words.free[component.type]
    price, unit = component.price, words.hour
    if style.per_minute and component.type in (_TIME, _PARKING):
        price, unit = price / 60, words.minute
    text = templates[component.type].format(price=style.money(price), unit=unit)
    notes = list(_notes(component, style))
    comma = PHRASES[style.language].comma
    return words.at_place.format(price=text, note=comma.join(notes)) if notes else text


def _notes(component: PriceComponent, style: _Style) -> Iterator[str]:
    words, step = style.words, component.step_size
    if style.steps and component.type is _ENERGY and step >= _TOLD_WH:
        yield words.step.format(step=f"{number(Decimal(step) / 1000, style.language)} kWh")
    if style.steps and component.type in (_TIME, _PARKING) and step >= _TOLD_SECONDS:
        yield words.step.format(step=duration(step, style.language))
    if component.grace_period and style.grace is None:
        yield words.grace_note.format(grace=_minutes(component.grace_period, style))
    if style.rate is None and component.vat:
        template = {
            TaxIncluded.YES: words.with_vat_note,
            TaxIncluded.NO: words.plus_vat_note,
        }.get(style.tariff.tax_included, "")
        if template:
            yield template.format(rate=number(component.vat, style.language))


def _limit(limit: PriceLimit, style: _Style) -> str:
    included = style.tariff.tax_included
    if included is TaxIncluded.YES and limit.after_taxes is not None:
        return style.money(limit.after_taxes)
    price = style.money(limit.before_taxes)
    # Beside one rate that is added to everything there is nothing more to say.
    if included is TaxIncluded.NOT_APPLICABLE or (
        included is TaxIncluded.NO and style.rate is not None
    ):
        return price
    return style.words.before_taxes.format(price=price)


def _tax_sentence(style: _Style) -> list[str]:
    tariff, words = style.tariff, style.words
    if tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
        return []
    included = tariff.tax_included is TaxIncluded.YES
    if rates_are_unknown(tariff):
        return [words.with_taxes if included else words.plus_taxes]
    if not style.rate:
        return []
    template = words.with_vat if included else words.plus_vat
    return [template.format(rate=number(style.rate, style.language))]


def _common_rate(parts: Iterable[_Part]) -> Decimal | None:
    """Return the VAT rate of everything that costs something, if it is one."""
    rates = {item.vat for part in parts for item in part.components if item.price}
    return rates.pop() if len(rates) == 1 else None


def _common_grace(parts: Iterable[_Part]) -> int | None:
    periods = {
        item.grace_period
        for part in parts
        for item in part.components
        if item.type is _PARKING and item.price
    }
    return periods.pop() if len(periods) == 1 else None if periods else 0


def _are_exact_per_minute(parts: Iterable[_Part], places: int) -> bool:
    prices = {
        item.price for part in parts for item in part.components if item.type in (_TIME, _PARKING)
    }
    return all(round_money(price / 60, places) * 60 == price for price in prices)


def _conditions(stated: TariffRestrictions, style: _Style) -> str:
    words, language = style.words, style.language
    parts = [
        when_text(stated, language),
        *_dates(stated.start_date, stated.end_date, words),
        _range(words.kwh, stated.min_kwh, stated.max_kwh, _unit("kWh", language)),
        _range(words.power, stated.min_power, stated.max_power, _unit("kW", language)),
        _range(words.power, stated.min_current, stated.max_current, _unit("A", language)),
        _range(
            words.time,
            stated.min_duration,
            stated.max_duration,
            lambda seconds: duration(int(seconds), language),
        ),
    ]
    return PHRASES[language].comma.join(part for part in parts if part)


def _unit(unit: str, language: Language) -> Callable[[Decimal | int], str]:
    return lambda value: f"{number(Decimal(value), language)} {unit}"


def _range(
    templates: tuple[str, str, str],
    low: Decimal | int | None,
    high: Decimal | int | None,
    text: Callable[[Decimal | int], str],
) -> str:
    # From 0 is no condition.
    if not low and high is None:
        return ""
    after, first, between = templates
    if high is None:
        return after.format(low=text(low or 0))
    if not low:
        return first.format(high=text(high))
    return between.format(low=text(low), high=text(high))


def _dates(start: date | None, end: date | None, words: _Words) -> Iterator[str]:
    if start is not None:
        yield words.from_date.format(day=start)
    if end is not None:
        # People say the last day that counts, OCPI the first that does not.
        yield words.until_date.format(day=end - timedelta(days=1))


def _minutes(seconds: int, style: _Style) -> str:
    if seconds % 60 or seconds < 120:
        return duration(seconds, style.language)
    return style.words.whole_minutes.format(minutes=seconds // 60)


def _capital(text: str, words: _Words) -> str:
    return text[:1].upper() + text[1:] if words.capital else text

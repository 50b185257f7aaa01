"""Say in plain words how a price came about, in the languages of `tariffs.pricing.phrases`.

The engine writes English. A line that was stored is told in another language by `told_again`, from
its numbers and the tariff that it was priced by.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from cpo_platform.common.money import to_decimal
from tariffs.pricing.phrases import PHRASES, TO, Language, Phrases, duration, money, number
from tariffs.pricing.steps import STEPS_PER_UNIT, Stretch
from tariffs.pricing.types import (
    DayOfWeek,
    LineKind,
    PriceComponent,
    PriceLimit,
    Tariff,
    TariffDimensionType,
    TariffRestrictions,
)

UNITS = {
    TariffDimensionType.FLAT: "",
    TariffDimensionType.ENERGY: "kWh",
    TariffDimensionType.TIME: "h",
    TariffDimensionType.PARKING_TIME: "h",
}

TIMES = "\N{MULTIPLICATION SIGN}"

_ENGLISH = PHRASES[Language.ENGLISH]
ALWAYS = _ENGLISH.always
MIN_PRICE = _ENGLISH.min_price
MAX_PRICE = _ENGLISH.max_price
TAX_TO_BE_ADDED = _ENGLISH.tax_to_be_added
TAX_RATE_UNKNOWN = _ENGLISH.tax_rate_unknown


@dataclass(frozen=True, slots=True)
class StoredLine:
    """Hold what is kept of a line: volumes in kWh or hours, rounded to OCPI's four places."""

    kind: LineKind
    start: datetime
    end: datetime
    dimension: TariffDimensionType | None
    element: int | None
    volume: Decimal
    billed_volume: Decimal


@dataclass(frozen=True, slots=True)
class _Use:
    """Hold the use of one component; volumes are in Wh, seconds, or 1 for FLAT."""

    component: PriceComponent
    element: int
    start: datetime
    end: datetime
    used: Fraction
    billed: Fraction


def line_text(
    stretch: Stretch,
    restrictions: TariffRestrictions,
    currency: str,
    zone: ZoneInfo,
    language: Language = Language.ENGLISH,
) -> str:
    """Return a sentence with all numbers needed to compute the amount of a line again."""
    return _use_text(_use_of(stretch), restrictions, currency, zone, language)


def told_again(line: StoredLine, tariff: Tariff, zone: ZoneInfo, language: Language) -> str | None:
    """Return the sentence of a stored line; None when this tariff cannot have made it."""
    if line.kind in {LineKind.MIN_PRICE, LineKind.MAX_PRICE}:
        limit = tariff.min_price if line.kind is LineKind.MIN_PRICE else tariff.max_price
        words = PHRASES[language]
        template = words.min_price if line.kind is LineKind.MIN_PRICE else words.max_price
        return limit_text(template, limit, tariff.currency, language) if limit else None
    if line.dimension is None or line.element is None or line.element >= len(tariff.elements):
        return None
    element = tariff.elements[line.element]
    component = _component(element.price_components, line.dimension)
    if component is None:
        return None
    use = _Use(
        component=component,
        element=line.element,
        start=line.start,
        end=line.end,
        used=_steps(line.volume, line.dimension),
        billed=_steps(line.billed_volume, line.dimension),
    )
    return _use_text(use, element.restrictions, tariff.currency, zone, language)


def limit_text(
    template: str, limit: PriceLimit, currency: str, language: Language = Language.ENGLISH
) -> str:
    """Return a sentence for the line of a price limit: MIN_PRICE or MAX_PRICE filled in."""
    words = PHRASES[language]
    text = words.before_taxes.format(amount=money(limit.before_taxes, currency, language))
    if limit.after_taxes is not None:
        after = words.after_taxes.format(amount=money(limit.after_taxes, currency, language))
        text = f"{text}{words.comma}{after}"
    return template.format(limit=text)


def step_remark(stretch: Stretch, language: Language = Language.ENGLISH) -> str:
    """Say what the step size added to a use, or nothing when it added nothing."""
    return _step_remark(_use_of(stretch), language)


def remark_text(remark: str, language: Language) -> str:
    """Return a remark of the engine, which writes English, in another language if we have it."""
    words = PHRASES[language]
    known = {TAX_TO_BE_ADDED: words.tax_to_be_added, TAX_RATE_UNKNOWN: words.tax_rate_unknown}
    return known.get(remark, remark)


@lru_cache(maxsize=1024)
def restriction_text(
    restrictions: TariffRestrictions, language: Language = Language.ENGLISH
) -> str:
    """Say when an element applies."""
    words = PHRASES[language]
    parts = [
        words.reservations[restrictions.reservation] if restrictions.reservation else "",
        when_text(restrictions, language),
        _dates(restrictions.start_date, restrictions.end_date, words),
        *use_conditions(restrictions, language),
    ]
    return words.comma.join(part for part in parts if part) or words.always


def when_text(restrictions: TariffRestrictions, language: Language) -> str:
    """Return the weekdays and the time of day of an element; nothing where it names neither."""
    words = PHRASES[language]
    parts = [_days(restrictions.day_of_week, words)]
    if restrictions.start_time is not None or restrictions.end_time is not None:
        start, end = restrictions.start_time or time(0), restrictions.end_time or time(0)
        parts.append(f"{start:%H:%M}{TO}{'24:00' if end == time(0) else f'{end:%H:%M}'}")
    return " ".join(part for part in parts if part)


def use_conditions(restrictions: TariffRestrictions, language: Language) -> Iterable[str]:
    """Return what an element asks of energy, power, current and duration, "" where nothing."""
    yield _bounds(restrictions.min_kwh, restrictions.max_kwh, "kWh", language)
    yield _bounds(restrictions.min_power, restrictions.max_power, "kW", language)
    yield _bounds(restrictions.min_current, restrictions.max_current, "A", language)
    yield _durations(restrictions.min_duration, restrictions.max_duration, language)


def time_range(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Return two moments in local time, with dates when they are on different days."""
    local_start, local_end = start.astimezone(zone), end.astimezone(zone)
    if local_start.date() != local_end.date():
        return f"{local_start:%Y-%m-%d %H:%M}{TO}{local_end:%Y-%m-%d %H:%M}"
    if start == end:
        return f"{local_start:%H:%M}"
    return f"{local_start:%H:%M}{TO}{local_end:%H:%M}"


def _use_of(stretch: Stretch) -> _Use:
    active = stretch.active
    return _Use(
        component=active.component,
        element=active.element,
        start=stretch.start,
        end=stretch.end,
        used=stretch.used,
        billed=stretch.billed,
    )


def _component(
    components: Iterable[PriceComponent], dimension: TariffDimensionType
) -> PriceComponent | None:
    return next((item for item in components if item.type is dimension), None)


def _steps(volume: Decimal, dimension: TariffDimensionType) -> Fraction:
    # Four places of an hour are 0.36 s: whole seconds come back exactly.
    steps = Fraction(volume) * STEPS_PER_UNIT[dimension]
    return steps if dimension is TariffDimensionType.ENERGY else Fraction(round(steps))


def _use_text(
    use: _Use,
    restrictions: TariffRestrictions,
    currency: str,
    zone: ZoneInfo,
    language: Language,
) -> str:
    words = PHRASES[language]
    kind = use.component.type
    name = words.dimensions[kind]
    price = money(use.component.price, currency, language)
    unit = {"h": words.per_hour}.get(UNITS[kind], UNITS[kind])
    if kind is TariffDimensionType.FLAT:
        amount = f"{name} {price}"
    else:
        volume = number(to_decimal(use.billed / STEPS_PER_UNIT[kind], 4), language)
        amount = f"{name} {volume} {unit} {TIMES} {price}/{unit}"
    element = words.element.format(number=use.element + 1)
    conditions = restriction_text(restrictions, language)
    if conditions != words.always:
        element = words.conditions.format(element=element, conditions=conditions)
    text = f"{time_range(use.start, use.end, zone)} · {amount}{words.comma}{element}"
    remark = _step_remark(use, language)
    return f"{text}; {remark}" if remark else text


def _step_remark(use: _Use, language: Language) -> str:
    if use.billed == use.used:
        return ""
    words = PHRASES[language]
    component = use.component
    if component.type is TariffDimensionType.ENERGY:
        used, billed = (
            f"{number(to_decimal(volume / 1000, 4), language)} kWh"
            for volume in (use.used, use.billed)
        )
        step = f"{component.step_size} Wh"
    else:
        used, billed = (duration(volume, language) for volume in (use.used, use.billed))
        step = duration(component.step_size, language)
    if use.billed < use.used:
        grace = duration(component.grace_period, language)
        return words.grace.format(used=used, billed=billed, grace=grace)
    dimension = words.dimensions[component.type]
    return words.steps.format(used=used, billed=billed, dimension=dimension, step=step)


def _days(days: frozenset[DayOfWeek], words: Phrases) -> str:
    week = list(DayOfWeek)
    places = [week.index(day) for day in week if day in days]
    names = [words.days[place] for place in places]
    is_range = len(places) > 2 and places[-1] - places[0] == len(places) - 1
    return f"{names[0]}{TO}{names[-1]}" if is_range else words.comma.join(names)


def _dates(start: date | None, end: date | None, words: Phrases) -> str:
    parts = []
    if start is not None:
        parts.append(words.from_date.format(value=start))
    if end is not None:
        parts.append(words.before_date.format(value=end))
    return " ".join(parts)


def _bounds(minimum: Decimal | None, maximum: Decimal | None, unit: str, language: Language) -> str:
    words = PHRASES[language]
    parts = []
    if minimum is not None:
        parts.append(words.from_bound.format(value=f"{number(minimum, language)} {unit}"))
    if maximum is not None:
        parts.append(words.below_bound.format(value=f"{number(maximum, language)} {unit}"))
    return " ".join(parts)


def _durations(minimum: int | None, maximum: int | None, language: Language) -> str:
    words = PHRASES[language]
    start = "" if minimum is None else duration(minimum, language)
    end = "" if maximum is None else duration(maximum, language)
    if minimum is not None and maximum is not None:
        return words.after_until.format(start=start, end=end)
    if minimum is not None:
        return words.after.format(start=start)
    return "" if maximum is None else words.first.format(end=end)

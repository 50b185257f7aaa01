"""Every sentence of the linter, with gaps for its numbers, in English and ready to be translated.

`translate` is `gettext` in the admin. Dates and times of examples are those of the location.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from cpo_platform.common.money import Price, round_money
from tariffs.pricing.linting.findings import (
    Amount,
    Example,
    Finding,
    Rule,
    Said,
    Seconds,
    Severity,
    Value,
    Words,
)
from tariffs.pricing.phrases import TO, money, number
from tariffs.pricing.types import DayOfWeek, Segment, TariffDimensionType

Translate = Callable[[str], str]

SENTENCES: Mapping[Rule, str] = {
    Rule.UNREACHABLE: (
        "Element %(element)s: its price for %(dimensions)s (%(price)s) is never charged. Wherever "
        "it would apply, element %(others)s comes first."
    ),
    Rule.FALLBACK_FIRST: (
        "Element %(element)s: its price for %(dimensions)s (%(price)s) is never charged, because "
        "element %(others)s always applies and stands before it. Put the one without restrictions "
        "last."
    ),
    Rule.REDUNDANT: (
        "Element %(element)s is never used for %(dimensions)s: element %(others)s comes first, at "
        "the same price. It can go."
    ),
    Rule.PARTLY_HIDDEN: (
        "Element %(element)s says “%(stated)s” for %(dimensions)s, but is only ever used "
        "“%(used)s”: element %(others)s comes first for the rest."
    ),
    Rule.FLAT_NEVER_FIRST: (
        "Element %(element)s: its flat fee (%(price)s) is never charged. A session pays one flat "
        "fee, the first that applies, and at its start that is always one of element %(others)s."
    ),
    Rule.FLAT_ONCE: (
        "A session pays one flat fee, the first that applies: who starts under one of the elements "
        "%(others)s does not pay the others."
    ),
    Rule.GAP: "There is no price for %(dimensions)s: %(where)s. It costs nothing then.",
    Rule.GAP_WHEN_UNKNOWN: (
        "Where a station does not report %(what)s, no element has a price for %(dimensions)s: it "
        "costs nothing there. Add an element without that restriction at the end."
    ),
    Rule.PARKING_UNPAID: (
        "Charging time is paid for, parking is not: who is full and stays blocks the place for "
        "nothing. Write a price of 0 for parking if that is meant."
    ),
    Rule.FREE: (
        "Everything is free of charge. OCPI says so with one element, without restrictions, with "
        "a flat fee of 0."
    ),
    Rule.TOO_COMPLEX: (
        "This tariff has more combinations of restrictions than can be checked: whether every "
        "price is ever charged was not found out."
    ),
    Rule.IMPOSSIBLE_RANGE: (
        "Element %(element)s never applies: %(field)s is %(high)s, and the lower bound is %(low)s. "
        "The upper bound is not included."
    ),
    Rule.IMPOSSIBLE_DATES: (
        "Element %(element)s never applies: it begins on %(first)s and ends before %(last)s."
    ),
    Rule.IMPOSSIBLE_RESERVATION: (
        "Element %(element)s never applies: nothing flows during a reservation, but it is "
        "restricted by %(field)s."
    ),
    Rule.DATES_OVER: "Element %(element)s does not apply any more: it ended before %(last)s.",
    Rule.DATES_OUTSIDE_VALIDITY: (
        "Element %(element)s never applies: its dates are outside the time that the tariff is "
        "valid."
    ),
    Rule.VALIDITY_OVER: "The tariff is not valid any more: it ended on %(day)s.",
    Rule.NIGHT_OF_WEEKDAY: (
        "Element %(element)s: %(start)s–%(end)s on %(day)s means the early hours and the late "
        "evening of %(day)s. The morning after, %(next_day)s, is not in it."
    ),
    Rule.PARKING_NEEDS_POWER: (
        "Element %(element)s: the price for %(dimensions)s applies from %(power)s on, but a car "
        "that parks draws next to nothing. It will not be charged."
    ),
    Rule.RESERVATION_IGNORES: (
        "Element %(element)s is for reservations, which are priced by time and flat fee only: its "
        "price for %(dimensions)s is ignored."
    ),
    Rule.DUPLICATE: (
        "Element %(element)s has two prices for %(dimensions)s: only the first is used."
    ),
    Rule.STEP_LARGE: (
        "Element %(element)s: %(dimensions)s is rounded up to the next %(step)s. A step_size of 1 "
        "bills what was used."
    ),
    Rule.STEP_DIFFERS: (
        "The step sizes for %(dimensions)s differ (%(steps)s). Only the last one of a session "
        "counts, for everything of that kind together."
    ),
    Rule.STEP_ZERO: "Element %(element)s: a step_size of 0 for %(dimensions)s counts as 1.",
    Rule.STEP_MINUTES: (
        "Element %(element)s: step_size for %(dimensions)s counts seconds, so that this is "
        "%(step)s. If %(meant)s was meant, it must be 60 times as much."
    ),
    Rule.VAT_MIXED: (
        "Some prices have a VAT rate and some have none: without one, no VAT is charged on "
        "%(dimensions)s of element %(others)s."
    ),
    Rule.VAT_FRACTION: (
        "Element %(element)s: VAT for %(dimensions)s is %(vat)s percent. Was %(meant)s meant?"
    ),
    Rule.VAT_HIGH: "Element %(element)s: VAT of %(vat)s percent for %(dimensions)s is very high.",
    Rule.VAT_UNKNOWN_INCLUDED: (
        "Prices include tax, but no rate is given: amounts before taxes cannot be told."
    ),
    Rule.VAT_UNKNOWN: (
        "Tax is added to the prices, but no rate is given: amounts after taxes cannot be told."
    ),
    Rule.VAT_NOT_APPLICABLE: (
        "The tariff says that no tax applies, but has VAT rates: they are ignored."
    ),
    Rule.PRICE_PER_MINUTE: (
        "Element %(element)s: %(price)s per hour for %(dimensions)s is very little. Prices are per "
        "hour: a price per minute of this much is %(meant)s."
    ),
    Rule.PRICE_HIGH: (
        "Element %(element)s: %(price)s for %(dimensions)s is very much. Prices are per kWh and "
        "per hour."
    ),
    Rule.PRICE_LOW: (
        "Element %(element)s: %(price)s for %(dimensions)s is very little. Prices are per kWh."
    ),
    Rule.PRICE_NEGATIVE: (
        "Element %(element)s: the price for %(dimensions)s is negative (%(price)s): the driver is "
        "paid."
    ),
    Rule.MIN_PRICE_HIGH: (
        "The minimum price (%(limit)s) is above what a long session costs: everybody pays it, "
        "whatever they use."
    ),
    Rule.MAX_PRICE_LOW: (
        "The maximum price (%(limit)s) is below what a short session costs: nobody pays more, "
        "whatever they use."
    ),
    Rule.TEXT_CONTRADICTS: (
        "The text for drivers says “%(written)s”, which is no price of this tariff, before or "
        "after taxes."
    ),
    Rule.GRACE_PERIOD: (
        "Element %(element)s: parking is free for %(grace)s. OCPI cannot say that: partners read "
        "the price only. Tell drivers in the text."
    ),
}

SEVERITIES: Mapping[Severity, str] = {
    Severity.ERROR: "Error",
    Severity.WARNING: "Warning",
    Severity.HINT: "Hint",
}

DIMENSIONS: Mapping[TariffDimensionType, str] = {
    TariffDimensionType.ENERGY: "energy",
    TariffDimensionType.TIME: "charging time",
    TariffDimensionType.PARKING_TIME: "parking",
    TariffDimensionType.FLAT: "flat fee",
}

PHRASES: Mapping[str, str] = {
    "ALWAYS": "always",
    "MONDAY": "Monday",
    "TUESDAY": "Tuesday",
    "WEDNESDAY": "Wednesday",
    "THURSDAY": "Thursday",
    "FRIDAY": "Friday",
    "SATURDAY": "Saturday",
    "SUNDAY": "Sunday",
    "FROM": "from %(bound)s",
    "BEFORE": "before %(bound)s",
    "BELOW": "below %(bound)s",
    "AFTER": "after %(bound)s of the session",
    "UNTIL": "until %(bound)s of the session",
    "POWER": "the power",
    "CURRENT": "the current",
    "UNKNOWN_POWER": "where the power is not known",
    "UNKNOWN_CURRENT": "where the current is not known",
    "FIRST": "If element %(element)s came first",
    "TWO_NIGHTS": "If the night went on into the next day",
    "STEP_OF": "With a step_size of %(step)s",
    "MORE": "and more",
    "VAT_OF": "With VAT of %(vat)s percent",
    "PRICE_OF": "With %(price)s per hour",
    "NO_LIMIT": "Without the limit",
}

CHARGES = "%(time)s: charges %(energy)s"
CHARGES_NOTHING = "%(time)s: stays connected"
PARKS = "%(time)s: parks, the car asks for no power"
RESERVES = "%(time)s: the EVSE is reserved, and nobody comes"
COSTS = "This costs %(price)s."
OTHERWISE = "%(change)s, it would cost %(price)s: a difference of %(difference)s."
WITH_TAXES = "%(before)s (%(after)s after taxes)"
HOURS, MINUTES, SECONDS = "%(number)s h", "%(number)s min", "%(number)s s"

EXTRA = (CHARGES, CHARGES_NOTHING, PARKS, RESERVES, COSTS, OTHERWISE, WITH_TAXES)
UNITS = (HOURS, MINUTES, SECONDS)


def _same(text: str) -> str:
    return text


def sentence(finding: Finding, translate: Translate = _same) -> str:
    """Return what a finding says, for people."""
    values = {name: _text(value, translate) for name, value in finding.values.items()}
    names = [translate(DIMENSIONS[dimension]) for dimension in finding.dimensions]
    return translate(SENTENCES[finding.rule]) % {"dimensions": ", ".join(names), **values}


def severity_name(severity: Severity, translate: Translate = _same) -> str:
    """Return the name of a severity, for people."""
    return translate(SEVERITIES[severity])


def example_lines(example: Example, currency: str, translate: Translate = _same) -> list[str]:
    """Return the story of an example: what happens, what it costs, and what else it might."""
    zone = ZoneInfo(example.time_zone)
    day = None
    lines = []
    for segment in example.segments:
        start = segment.start.astimezone(zone)
        named = "" if day == start.date() else f"{_day(start, translate)} "
        lines.append(_happens(segment, named, zone, translate))
        day = segment.end.astimezone(zone).date()
    lines.append(translate(COSTS) % {"price": _price(example.price, currency, translate)})
    if example.otherwise is not None and example.change is not None:
        lines.append(
            translate(OTHERWISE)
            % {
                "change": _text(example.change, translate),
                "price": _price(example.otherwise, currency, translate),
                "difference": _difference(example, currency),
            }
        )
    return lines


def _difference(example: Example, currency: str) -> str:
    difference = example.difference or Decimal(0)
    other = example.otherwise
    after, other_after = example.price.after_taxes, other.after_taxes if other else None
    # A rate of VAT changes nothing before taxes.
    if not difference and after is not None and other_after is not None:
        difference = other_after - after
    return money(abs(round_money(difference, 4)), currency)


def _happens(segment: Segment, day: str, zone: ZoneInfo, translate: Translate) -> str:
    start, end = segment.start.astimezone(zone), segment.end.astimezone(zone)
    until = "" if end.date() == start.date() else f"{_day(end, translate)} "
    time = f"{day}{_clock(start)}{TO}{until}{_clock(end)}"
    if segment.phase.is_reservation:
        return translate(RESERVES) % {"time": time}
    if not segment.requesting_power:
        return translate(PARKS) % {"time": time}
    if not segment.energy:
        return translate(CHARGES_NOTHING) % {"time": time}
    energy = f"{number(segment.energy)} kWh"
    return translate(CHARGES) % {"time": time, "energy": energy}


def _day(moment: datetime, translate: Translate) -> str:
    weekday = tuple(DayOfWeek)[moment.weekday()]
    return f"{translate(PHRASES[weekday.value])} {moment:%Y-%m-%d}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"


def _price(price: Price, currency: str, translate: Translate) -> str:
    before, after = money(price.before_taxes, currency), price.after_taxes
    if after is None or after == price.before_taxes:
        return before
    return translate(WITH_TAXES) % {"before": before, "after": money(after, currency)}


def _text(value: Value, translate: Translate) -> str:
    match value:
        case Amount():
            return money(value.value, value.currency)
        case Seconds():
            return _duration(value.value, translate)
        case Decimal():
            return number(value)
        case Words():
            return value.between.join(_text(item, translate) for item in value.items)
        case Said():
            values = {name: _text(inner, translate) for name, inner in value.values.items()}
            return translate(PHRASES[value.phrase]) % values
        case _:
            return str(value)


def _duration(seconds: int, translate: Translate) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = zip(UNITS, (hours, minutes, rest), strict=True)
    shown = [translate(unit) % {"number": number} for unit, number in parts if number]
    return " ".join(shown) or translate(SECONDS) % {"number": 0}

"""Find amounts in the text for drivers that no price of the tariff comes to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import product

from cpo_platform.common.money import currency_places
from tariffs.pricing.linting.findings import Amount, Finding, Rule, Severity
from tariffs.pricing.linting.order import ENERGY, PARKING_TIME, TIME
from tariffs.pricing.types import PriceLimit, Tariff, TariffDimensionType, TaxIncluded

SYMBOLS = {
    "EUR": ("€", "euros", "euro"),
    "USD": ("$",),
    "GBP": ("£",),
    "JPY": ("¥", "円"),
    "CHF": ("fr.",),
    "SEK": ("kr",),
    "NOK": ("kr",),
    "DKK": ("kr",),
    "PLN": ("zł",),
    "CZK": ("kč",),
}
CENTS = ("cents", "cent", "ct", "¢")
_UNITS: Sequence[tuple[str, tuple[TariffDimensionType, ...], int]] = (
    (r"kwh|キロワット", (ENERGY,), 1),
    (r"min(?:ute|uut|uti)?\w*|分", (TIME, PARKING_TIME), 60),
    (r"(?:h|hour|std|stunde|uur|heure|ora|hora|timme|time)\w*\b|時間", (TIME, PARKING_TIME), 1),
)
# What prices of time are said for, too: half an hour, a quarter, ten and five minutes, a minute.
_PARTS_OF_AN_HOUR = (1, 2, 4, 6, 12, 60)
# Rates that an unknown VAT may have.
_LOWEST_RATE, _HIGHEST_RATE = Decimal("1.04"), Decimal("1.28")


@dataclass(frozen=True, slots=True)
class Mention:
    """An amount in a text, as it is written, and what it is for, if the text says so."""

    written: str
    amount: Decimal
    decimals: int
    dimensions: tuple[TariffDimensionType, ...] = ()
    per_hour: int = 0


def findings(tariff: Tariff, texts: Iterable[str]) -> Iterator[Finding]:
    """Yield the amounts in texts that contradict the tariff, each once."""
    seen: set[str] = set()
    for text in texts:
        for mention in _mentions(text, tariff.currency):
            if mention.written in seen or _is_meant(mention, tariff):
                continue
            seen.add(mention.written)
            yield Finding(
                Rule.TEXT_CONTRADICTS,
                Severity.WARNING,
                dimensions=mention.dimensions,
                field="tariff_alt_text",
                values={
                    "written": mention.written,
                    "amount": Amount(mention.amount, tariff.currency),
                },
            )


def _mentions(text: str, currency: str) -> Iterator[Mention]:
    names = (currency.lower(), *SYMBOLS.get(currency.upper(), ()))
    money = "|".join(map(re.escape, names))
    cents = "|".join(map(re.escape, CENTS)) if currency_places(currency) == 2 else "$^"
    number = r"(?P<number{n}>\d{{1,6}}(?:[.,]\d{{1,4}})?)"
    after = number.format(n=1) + rf"\s?(?:(?P<cents>{cents})|{money})(?![a-z])"
    before = rf"(?<![a-z])(?:{money})\s?" + number.format(n=2) + r"(?![\d.,]*\d)"
    unit = r"\s?(?:/|per|pro|par|je|por|al|alla|na|à|a|om)?\s?"
    for found in re.finditer(rf"(?:{after}|{before})", text, re.IGNORECASE):
        written = found["number1"] or found["number2"]
        amount = Decimal(written.replace(",", "."))
        decimals = -int(amount.as_tuple().exponent)
        if found["cents"]:
            amount, decimals = amount / 100, decimals + 2
        mention = Mention(found[0].strip(), amount, decimals)
        for name, dimensions, per_hour in _UNITS:
            if re.match(unit + f"(?:{name})", text[found.end() :], re.IGNORECASE):
                mention = Mention(mention.written, amount, decimals, dimensions, per_hour)
                break
        yield mention


def _is_meant(mention: Mention, tariff: Tariff) -> bool:
    """Tell whether an amount is a price or limit of the tariff, before or after taxes."""
    if not mention.amount:
        return True
    return any(_close(mention, low, high) for low, high in _amounts(mention, tariff))


def _close(mention: Mention, low: Decimal, high: Decimal) -> bool:
    place = Decimal(1).scaleb(-mention.decimals)
    if low == high:
        return bool(low.quantize(place, ROUND_HALF_UP) == mention.amount)
    return low - place <= mention.amount <= high + place


def _amounts(mention: Mention, tariff: Tariff) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield the amounts that a text may rightly name; a range where the VAT is not known."""
    for element in tariff.elements:
        for component in element.price_components:
            if mention.dimensions and component.type not in mention.dimensions:
                continue
            parts: Sequence[int] = (1,)
            if component.type in {TIME, PARKING_TIME}:
                parts = (mention.per_hour,) if mention.per_hour else _PARTS_OF_AN_HOUR
            amounts = _with_and_without(tariff, component.price, component.vat)
            for (low, high), part in product(amounts, parts):
                yield low / part, high / part
    if not mention.dimensions:
        yield from _of_limits(tariff.min_price, tariff.max_price)


def _with_and_without(
    tariff: Tariff, price: Decimal, vat: Decimal | None
) -> Iterator[tuple[Decimal, Decimal]]:
    yield price, price
    if tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
        return
    included = tariff.tax_included is TaxIncluded.YES
    if vat is not None:
        rate = 1 + vat / 100
        other = price / rate if included else price * rate
        yield other, other
    elif included:
        yield price / _HIGHEST_RATE, price / _LOWEST_RATE
    else:
        yield price * _LOWEST_RATE, price * _HIGHEST_RATE


def _of_limits(*limits: PriceLimit | None) -> Iterator[tuple[Decimal, Decimal]]:
    for limit in limits:
        if limit is not None:
            for amount in (limit.before_taxes, limit.after_taxes):
                if amount is not None:
                    yield amount, amount
                elif limit.before_taxes:
                    low, high = limit.before_taxes * _LOWEST_RATE, limit.before_taxes
                    yield low, high * _HIGHEST_RATE

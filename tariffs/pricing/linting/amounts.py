"""Numbers that are probably not what was meant: steps, taxes, prices and price limits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from tariffs.pricing.linting.examples import Stage
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
from tariffs.pricing.linting.order import ENERGY, FLAT, PARKING_TIME, TIME
from tariffs.pricing.types import PriceComponent, Tariff, TariffDimensionType, TaxIncluded

TIMES = (TIME, PARKING_TIME)
LARGE_STEP = {ENERGY: 1000, TIME: 3600, PARKING_TIME: 3600}
# Steps of seconds that people write when they think of minutes.
LIKE_MINUTES = frozenset({2, 3, 5, 10, 15, 20, 30})
# Percentages: the highest rate of VAT there is stands at 27; none is below 1.
LARGEST_VAT = 30
VAT_AS_FRACTION = 1
# About what a euro is worth, to know which prices are odd. Of a currency that is not here, nothing
# is said.
PER_EURO = {
    **dict.fromkeys(("EUR", "USD", "GBP", "CHF", "CAD", "AUD", "NZD", "SGD"), 1),
    **dict.fromkeys(("BGN", "PLN", "RON", "ILS", "BRL"), 3),
    **dict.fromkeys(("DKK", "SEK", "NOK", "CNY", "HKD", "ZAR"), 9),
    **dict.fromkeys(("CZK", "TRY", "THB", "TWD", "UAH"), 30),
    **dict.fromkeys(("INR", "JPY", "ISK", "RSD"), 120),
    "HUF": 390,
    "KRW": 1500,
}
LOW_TIME, HIGH_TIME = Decimal("0.5"), Decimal(100)
LOW_ENERGY, HIGH_ENERGY = Decimal("0.01"), Decimal(5)


@dataclass(frozen=True, slots=True)
class Priced:
    """A component and its element."""

    index: int
    component: PriceComponent

    @property
    def dimension(self) -> TariffDimensionType:
        return self.component.type


def findings(tariff: Tariff, stage: Stage) -> Iterator[Finding]:
    """Yield what is odd about the numbers of a tariff."""
    components = [
        Priced(index, component)
        for index, element in enumerate(tariff.elements)
        for component in element.price_components
    ]
    for priced in components:
        yield from _step(priced, stage)
        yield from _vat(priced, stage)
        yield from _price(priced, stage)
        yield from _grace(priced)
    yield from _steps_differ(components)
    yield from _taxes(tariff, components)
    yield from _unpaid(tariff, components, stage)
    yield from _limits(tariff, stage)


def _of(priced: Priced, rule: Rule, severity: Severity, field: str, **values: Value) -> Finding:
    return Finding(
        rule,
        severity,
        (priced.index,),
        (priced.dimension,),
        f"price_components.{field}",
        {"element": priced.index + 1, **values},
    )


def _changed(
    tariff: Tariff, priced: Priced, change: Callable[[PriceComponent], PriceComponent]
) -> Tariff:
    """Return the tariff with one component changed."""
    element = tariff.elements[priced.index]
    components = tuple(
        change(one) if one is priced.component else one for one in element.price_components
    )
    elements = list(tariff.elements)
    elements[priced.index] = replace(element, price_components=components)
    return replace(tariff, elements=tuple(elements))


def _step(priced: Priced, stage: Stage) -> Iterator[Finding]:
    component, dimension = priced.component, priced.dimension
    if dimension is FLAT or not component.price:
        return
    step = component.step_size
    if step == 0:
        yield _of(priced, Rule.STEP_ZERO, Severity.HINT, "step_size")
    elif step >= LARGE_STEP[dimension]:
        shown = f"{Decimal(step) / 1000:f} kWh" if dimension is ENERGY else Seconds(step)
        yield replace(
            _of(priced, Rule.STEP_LARGE, Severity.WARNING, "step_size", step=shown),
            example=_step_example(priced, stage, 1),
        )
    elif dimension in TIMES and step in LIKE_MINUTES:
        found = _of(
            priced,
            Rule.STEP_MINUTES,
            Severity.HINT,
            "step_size",
            step=Seconds(step),
            meant=Seconds(step * 60),
        )
        yield replace(found, example=_step_example(priced, stage, step * 60))


def _step_example(priced: Priced, stage: Stage, step: int) -> Example | None:
    parked = 61 if priced.dimension is PARKING_TIME else 0
    segments = stage.usual(minutes=61, kwh="10.1", parked=parked)
    meant = _changed(stage.tariff, priced, lambda one: replace(one, step_size=step))
    return stage.shown(segments, otherwise=meant, change=Said("STEP_OF", {"step": step}))


def _vat(priced: Priced, stage: Stage) -> Iterator[Finding]:
    vat = priced.component.vat
    if vat is None:
        return
    if 0 < vat < VAT_AS_FRACTION:
        meant = _changed(stage.tariff, priced, lambda one: replace(one, vat=vat * 100))
        example = stage.shown(
            stage.usual(minutes=120, kwh="20"),
            otherwise=meant,
            change=Said("VAT_OF", {"vat": vat * 100}),
        )
        yield replace(
            _of(priced, Rule.VAT_FRACTION, Severity.ERROR, "vat", vat=vat, meant=vat * 100),
            example=example,
        )
    elif vat > LARGEST_VAT:
        yield _of(priced, Rule.VAT_HIGH, Severity.WARNING, "vat", vat=vat)


def _price(priced: Priced, stage: Stage) -> Iterator[Finding]:
    price, currency = priced.component.price, stage.tariff.currency
    if price < 0:
        yield _of(
            priced, Rule.PRICE_NEGATIVE, Severity.WARNING, "price", price=Amount(price, currency)
        )
    unit = PER_EURO.get(currency.upper())
    if unit is None or price <= 0 or priced.dimension is FLAT:
        return
    shown = {"price": Amount(price, currency)}
    if priced.dimension is ENERGY:
        if price > HIGH_ENERGY * unit:
            yield _of(priced, Rule.PRICE_HIGH, Severity.WARNING, "price", **shown)
        elif price < LOW_ENERGY * unit:
            yield _of(priced, Rule.PRICE_LOW, Severity.WARNING, "price", **shown)
    elif price > HIGH_TIME * unit:
        yield _of(priced, Rule.PRICE_HIGH, Severity.WARNING, "price", **shown)
    elif price < LOW_TIME * unit:
        yield _per_minute(priced, stage)


def _per_minute(priced: Priced, stage: Stage) -> Finding:
    price, currency = priced.component.price, stage.tariff.currency
    meant = _changed(stage.tariff, priced, lambda one: replace(one, price=price * 60))
    parked = 60 if priced.dimension is PARKING_TIME else 0
    change = Said("PRICE_OF", {"price": Amount(price * 60, currency)})
    segments = stage.usual(minutes=60, kwh="11", parked=parked)
    return replace(
        _of(
            priced,
            Rule.PRICE_PER_MINUTE,
            Severity.WARNING,
            "price",
            price=Amount(price, currency),
            meant=Amount(price * 60, currency),
        ),
        example=stage.shown(segments, otherwise=meant, change=change),
    )


def _grace(priced: Priced) -> Iterator[Finding]:
    if priced.component.grace_period:
        grace = Seconds(priced.component.grace_period)
        yield _of(priced, Rule.GRACE_PERIOD, Severity.HINT, "grace_period", grace=grace)


def _steps_differ(components: list[Priced]) -> Iterator[Finding]:
    for group in ((ENERGY,), TIMES):
        paid = [one for one in components if one.dimension in group and one.component.price > 0]
        sizes = sorted({max(one.component.step_size, 1) for one in paid})
        # Steps of a second or two do not matter.
        if len(sizes) > 1 and sizes[-1] > 60:
            shown: list[Value] = [
                f"{size} Wh" if group == (ENERGY,) else Seconds(size) for size in sizes
            ]
            yield Finding(
                Rule.STEP_DIFFERS,
                Severity.HINT,
                tuple(dict.fromkeys(one.index for one in paid)),
                tuple(dict.fromkeys(one.dimension for one in paid)),
                "price_components.step_size",
                {"steps": Words(tuple(shown))},
            )


def _taxes(tariff: Tariff, components: list[Priced]) -> Iterator[Finding]:
    paid = [one for one in components if one.component.price]
    without = [one for one in paid if one.component.vat is None]
    if tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
        if any(one.component.vat for one in components):
            yield Finding(Rule.VAT_NOT_APPLICABLE, Severity.WARNING, field="tax_included")
        return
    if without and len(without) < len(paid):
        yield Finding(
            Rule.VAT_MIXED,
            Severity.WARNING,
            tuple(dict.fromkeys(one.index for one in without)),
            tuple(dict.fromkeys(one.dimension for one in without)),
            "price_components.vat",
            {"others": Words(tuple(dict.fromkeys(one.index + 1 for one in without)))},
        )
    elif without and tariff.tax_included is TaxIncluded.YES:
        yield Finding(Rule.VAT_UNKNOWN_INCLUDED, Severity.WARNING, field="tax_included")
    elif without:
        yield Finding(Rule.VAT_UNKNOWN, Severity.HINT, field="tax_included")


def _unpaid(tariff: Tariff, components: list[Priced], stage: Stage) -> Iterator[Finding]:
    of_session = [
        one for one in components if tariff.elements[one.index].restrictions.reservation is None
    ]
    there = {one.dimension for one in of_session}
    paid = {one.dimension for one in of_session if one.component.price}
    # Who wrote a price of 0 has thought of it.
    if TIME in paid and PARKING_TIME not in there:
        example = stage.shown(stage.usual(minutes=60, kwh="11", parked=120))
        yield Finding(
            Rule.PARKING_UNPAID, Severity.HINT, (), (PARKING_TIME,), "elements", {}, example
        )
    minimum = tariff.min_price is not None and tariff.min_price.before_taxes > 0
    if not paid and not minimum and there != {FLAT}:
        yield Finding(Rule.FREE, Severity.HINT, field="elements")


def _limits(tariff: Tariff, stage: Stage) -> Iterator[Finding]:
    free = replace(tariff, min_price=None, max_price=None)
    for limit, rule, segments in (
        (tariff.min_price, Rule.MIN_PRICE_HIGH, stage.usual(minutes=120, kwh="60", parked=60)),
        (tariff.max_price, Rule.MAX_PRICE_LOW, stage.usual(minutes=15, kwh="2.5")),
    ):
        if limit is None:
            continue
        change = Said("NO_LIMIT")
        example = stage.shown(segments, otherwise=free, change=change)
        paid = example.otherwise.before_taxes if example and example.otherwise else Decimal(0)
        odd = (
            limit.before_taxes > paid
            if rule is Rule.MIN_PRICE_HIGH
            else (limit.before_taxes < paid)
        )
        # A flat fee and a low maximum are one price for everything; so is a high minimum alone.
        if odd and paid:
            field = "min_price" if rule is Rule.MIN_PRICE_HIGH else "max_price"
            shown = Amount(limit.before_taxes, tariff.currency)
            yield Finding(
                rule, Severity.WARNING, field=field, values={"limit": shown}, example=example
            )

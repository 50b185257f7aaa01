"""Tell which taxes a tariff knows, and keep totals within its limits."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from cpo_platform.common.money import Price, TaxAmount, to_decimals
from tariffs.pricing.types import PriceLimit, Tariff, TaxIncluded

# A tariff carries one percentage per component and names it `vat`.
TAX_NAME = "VAT"

# Amounts of lines become Decimals with this many places; their sums are then exact.
EXACT_PLACES = 12


def rates_are_unknown(tariff: Tariff) -> bool:
    """Tell whether taxes will be added or are included at rates that the tariff does not name.

    `vat` left out means that no VAT is applicable (OCPI 2.2.1 and 2.3.0, PriceComponent), but the
    North American examples of 2.3.0 leave it out of every component because it is not known;
    `tax_included` tells them apart: N/A says that there are no taxes, YES and NO that there are.
    """
    return tariff.tax_included is not TaxIncluded.NOT_APPLICABLE and all(
        component.vat is None
        for element in tariff.elements
        for component in element.price_components
    )


def raised(price: Price, minimum: PriceLimit) -> Price:
    """Return a price that is not below the minimum, before and after taxes independently."""
    return _limited(price, minimum, max)


def lowered(price: Price, maximum: PriceLimit) -> Price:
    """Return a price that is not above the maximum, before and after taxes independently."""
    return _limited(price, maximum, min)


def _limited(price: Price, limit: PriceLimit, pick: Callable[[Decimal, Decimal], Decimal]) -> Price:
    net = pick(price.before_taxes, limit.before_taxes)
    gross = price.after_taxes
    if price.taxes is None or gross is None:
        return Price(net, None)
    if limit.after_taxes is not None:
        gross = pick(gross, limit.after_taxes)
    elif net != price.before_taxes:
        gross = _following(price, net, gross)
    if (net, gross) == (price.before_taxes, price.after_taxes):
        return price
    if gross < net and price.before_taxes <= (price.after_taxes or 0):
        # Limits that contradict each other must not make a negative tax. Both stay respected.
        net, gross = (net, net) if pick is max else (gross, gross)
    return Price(net, _scaled(price.taxes, gross - net))


def _following(price: Price, net: Decimal, gross: Decimal) -> Decimal:
    """Return the amount after taxes where the limit tells none: the taxes follow that before."""
    if price.before_taxes:
        share = Fraction(net) / Fraction(price.before_taxes)
        return to_decimals([Fraction(gross) * share], EXACT_PLACES)[0]
    rates = {tax.percentage for tax in price.taxes or ()}
    rate = rates.pop() if len(rates) == 1 else None
    # Nothing was charged: one rate is that of the minimum, several could be any.
    return net if rate is None else net + net * rate / 100


def _scaled(taxes: tuple[TaxAmount, ...], total: Decimal) -> tuple[TaxAmount, ...]:
    """Share a new total of taxes in the proportion of the old ones; rates stay those of before."""
    old_total = sum((Fraction(tax.amount) for tax in taxes), Fraction(0))
    if not old_total:
        return (*taxes, TaxAmount(TAX_NAME, None, total)) if total else taxes
    factor = Fraction(total) / old_total
    amounts = to_decimals((Fraction(tax.amount) * factor for tax in taxes), EXACT_PLACES)
    return tuple(
        TaxAmount(tax.name, tax.percentage, amount)
        for tax, amount in zip(taxes, amounts, strict=True)
    )

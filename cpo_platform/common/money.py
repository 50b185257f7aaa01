"""Amounts of money and their taxes, exact until they leave the platform.

Policy (`docs/pricing.md`): amounts stay exact inside and are rounded once, half up, at the edge.
OCPI gives no rounding rules (OCPI 2.3.0, mod_tariffs, Tariff object) but numbers carry at most
four decimals (OCPI 2.2.1, types, number type).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

OCPI_PLACES = 4

# ISO 4217: what is paid with, without funds, metals and codes for tests.
_CURRENCIES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW
KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES
VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CURRENCIES.split())
# ISO 4217: currencies whose minor unit is not a hundredth.
_CURRENCY_PLACES = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"), 0
    ),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


@dataclass(frozen=True, slots=True)
class TaxAmount:
    """Hold one tax of a price; `percentage` is None when no single rate is known."""

    name: str
    percentage: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """Hold an amount before taxes and the taxes on it.

    `taxes` is `()` when no tax is due and None when it is not known which taxes will be added:
    then there is no amount after taxes (OCPI 2.2.1 leaves `incl_vat` out) and it is never taken
    to equal the amount before taxes.
    """

    before_taxes: Decimal
    taxes: tuple[TaxAmount, ...] | None = ()

    @property
    def after_taxes(self) -> Decimal | None:
        """Return the amount with all taxes, or None when the taxes are not known."""
        if self.taxes is None:
            return None
        return sum((tax.amount for tax in self.taxes), self.before_taxes)

    @property
    def tax(self) -> Decimal | None:
        """Return the sum of the taxes, or None when they are not known."""
        if self.taxes is None:
            return None
        return sum((tax.amount for tax in self.taxes), Decimal(0))

    def __add__(self, other: "Price") -> "Price":
        """Add two prices; taxes of one name and rate become one, unknown taxes stay unknown."""
        before_taxes = self.before_taxes + other.before_taxes
        if self.taxes is None or other.taxes is None:
            return Price(before_taxes, None)
        amounts: dict[tuple[str, Decimal | None], Decimal] = {}
        for tax in (*self.taxes, *other.taxes):
            key = (tax.name, tax.percentage)
            amounts[key] = amounts.get(key, Decimal(0)) + tax.amount
        taxes = tuple(TaxAmount(*key, amount) for key, amount in amounts.items())
        return Price(before_taxes, taxes)

    def __neg__(self) -> "Price":
        """Return the price of giving this price back (a Credit CDR)."""
        if self.taxes is None:
            return Price(-self.before_taxes, None)
        taxes = tuple(TaxAmount(tax.name, tax.percentage, -tax.amount) for tax in self.taxes)
        return Price(-self.before_taxes, taxes)

    def rounded(self, places: int = OCPI_PLACES) -> "Price":
        """Return the price as it leaves the platform.

        The amounts before and after taxes are each the rounded exact amount; the taxes take up
        the difference, so that OCPI 2.3.0 (`taxes`) and 2.2.1 (`incl_vat`) show one total.
        """
        before_taxes = round_money(self.before_taxes, places)
        if self.taxes is None:
            return Price(before_taxes, None)
        exact, shown = self.before_taxes, before_taxes
        taxes = []
        for tax in self.taxes:
            exact += tax.amount
            amount = round_money(exact, places) - shown
            taxes.append(TaxAmount(tax.name, tax.percentage, amount))
            shown += amount
        return Price(before_taxes, tuple(taxes))


ZERO_PRICE = Price(Decimal(0))


def add_prices(prices: Iterable[Price]) -> Price:
    """Add prices; the sum of none is zero without taxes."""
    return sum(prices, ZERO_PRICE)


def round_money(amount: Decimal, places: int = OCPI_PLACES) -> Decimal:
    """Round half up (away from zero) to `places` decimals; to be called once, at the edge."""
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def currency_places(currency: str) -> int:
    """Return how many decimals an amount of this ISO 4217 currency is shown with."""
    return _CURRENCY_PLACES.get(currency.upper(), 2)


def trimmed(value: Decimal) -> Decimal:
    """Return the same number without trailing zeros and without an exponent."""
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def to_decimal(value: Fraction, places: int) -> Decimal:
    """Round a fraction half up (away from zero) to a Decimal of at most `places` decimals."""
    scaled = abs(value) * 10**places
    digits = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return trimmed(Decimal(digits if value >= 0 else -digits).scaleb(-places))


def to_decimals(values: Iterable[Fraction], places: int) -> list[Decimal]:
    """Round fractions so that the results add up to the rounded exact sum.

    Each result is the step of the rounded running total, hence within one unit in the last
    place of its own value; a zero stays zero.
    """
    exact, shown = Fraction(0), Decimal(0)
    parts = []
    for value in values:
        exact += value
        part = to_decimal(exact, places) - shown
        parts.append(trimmed(part))
        shown += part
    return parts

"""Turn uses into money, exactly: whole numbers of 10^-12 of the currency, before taxes and taxes.

The amounts of lines add up to the exact sum: each is a step of a running total. Nothing is rounded
to what a currency can pay: that happens once, at the edge (`cpo_platform.common.money`).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from cpo_platform.common.money import Price, TaxAmount
from tariffs.pricing.exact import RunningShare, scaled, unscaled
from tariffs.pricing.steps import Use
from tariffs.pricing.taxes import EXACT_PLACES, TAX_NAME
from tariffs.pricing.types import TariffDimensionType

_ONE = 10**EXACT_PLACES


class Amount(NamedTuple):
    """Hold what a use costs: units of 10^-12, before taxes and the taxes.

    `rate` is the percentage of the taxes; None when no tax applies, or it is not known which do
    (`is_unknown`).
    """

    net: int
    tax: int
    rate: Decimal | None
    is_unknown: bool

    def price(self) -> Price:
        """Return the amount as a Price, exact."""
        net = unscaled(self.net, EXACT_PLACES)
        if self.is_unknown:
            return Price(net, None)
        if self.rate is None:
            return Price(net)
        return Price(net, (TaxAmount(TAX_NAME, self.rate, unscaled(self.tax, EXACT_PLACES)),))


def amounts_of(uses: Sequence[Use], energy_places: int) -> list[Amount]:
    """Return what each use costs.

    `vat` left out means no tax, but where a tariff without any rate says that taxes are added, they
    are unknown (`taxes.rates_are_unknown`).
    """
    price_places = max((use.tariff.price_places for use in uses), default=0)
    vat_places = max((use.tariff.vat_places for use in uses), default=0)
    # Hours are 36 * 10^8 microseconds: over this denominator every use is a whole number.
    finest = max(energy_places, 10)
    denominator = 9 * 10 ** (finest + price_places)
    per_unit = {
        TariffDimensionType.FLAT: 9 * 10**finest,
        TariffDimensionType.ENERGY: 9 * 10 ** (finest - energy_places),
        TariffDimensionType.TIME: 10 ** (finest - 8) // 4,
        TariffDimensionType.PARKING_TIME: 10 ** (finest - 8) // 4,
    }
    shares = _Shares(denominator, vat_places)
    # What one unit of a component costs; a component is one object (`CompiledTariff`).
    costs: dict[int, int] = {}
    amounts = []
    for use in uses:
        active = use.active
        cost = costs.get(id(active))
        if cost is None:
            component = active.component
            cost = scaled(component.price, price_places) * per_unit[component.type]
            costs[id(active)] = cost
        amounts.append(_amount(use, 0 if use.is_free else use.billed * cost, shares))
    return amounts


class Sum:
    """Adds amounts up; the taxes in the order in which their rates come first."""

    __slots__ = ("is_unknown", "net", "taxes")

    def __init__(self) -> None:
        self.net = 0
        self.taxes: dict[Decimal, int] = {}
        self.is_unknown = False

    def add(self, amount: Amount) -> None:
        """Add one amount."""
        self.net += amount.net
        if amount.rate is not None:
            self.taxes[amount.rate] = self.taxes.get(amount.rate, 0) + amount.tax
        elif amount.is_unknown:
            self.is_unknown = True

    def add_all(self, other: "Sum") -> None:
        """Add what another sum came to."""
        self.net += other.net
        for rate, tax in other.taxes.items():
            self.taxes[rate] = self.taxes.get(rate, 0) + tax
        self.is_unknown = self.is_unknown or other.is_unknown

    def price(self) -> Price:
        """Return the sum as a Price, exact."""
        net = unscaled(self.net, EXACT_PLACES)
        if self.is_unknown:
            return Price(net, None)
        taxes = (
            TaxAmount(TAX_NAME, rate, unscaled(tax, EXACT_PLACES))
            for rate, tax in self.taxes.items()
        )
        return Price(net, tuple(taxes))


class _Shares:
    """Hold the running totals; prices that include taxes have one per rate."""

    def __init__(self, denominator: int, vat_places: int) -> None:
        self.denominator = denominator
        self.vat_places = vat_places
        self.hundred = 100 * 10**vat_places
        self.stated = RunningShare(denominator)
        self.added = RunningShare(denominator * self.hundred)
        self._before: dict[int, RunningShare] = {}

    def before(self, rate: int) -> RunningShare:
        """Return the running total of amounts before taxes of prices that include this rate."""
        found = self._before.get(rate)
        if found is None:
            found = RunningShare(self.denominator * (self.hundred + rate))
            self._before[rate] = found
        return found


def _amount(use: Use, stated: int, shares: _Shares) -> Amount:
    tariff, vat = use.tariff, use.active.component.vat
    numerator = stated * _ONE
    if tariff.tax_free or vat is None:
        is_unknown = bool(stated) and tariff.rates_are_unknown and not tariff.inclusive
        return Amount(shares.stated.next(numerator), 0, None, is_unknown)
    rate = scaled(vat, shares.vat_places)
    if tariff.inclusive:
        net = shares.before(rate).next(numerator * shares.hundred)
        return Amount(net, shares.stated.next(numerator) - net, vat, is_unknown=False)
    return Amount(
        shares.stated.next(numerator),
        shares.added.next(numerator * rate),
        vat,
        is_unknown=False,
    )

"""Turn uses into money, exactly: whole numbers of 10^-12 of the currency, before taxes and taxes.

What a use costs is kept as a numerator over one denominator, so that sums are exact. They are
divided once per kind of cost and rate of tax; the amounts of lines are steps of that running total,
so that they add up to it. Nothing is rounded to what a currency can pay: that happens once, at the
edge (`cpo_platform.common.money`).
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from cpo_platform.common.money import Price, TaxAmount
from tariffs.pricing.compiled import CompiledTariff
from tariffs.pricing.exact import rounded_ratio, scaled, unscaled
from tariffs.pricing.restrictions import ActiveComponent
from tariffs.pricing.steps import Use
from tariffs.pricing.taxes import EXACT_PLACES, TAX_NAME
from tariffs.pricing.types import Phase, TariffDimensionType

# What a cost is told as in a CDR: by its dimension, or as the cost of a reservation.
Part = TariffDimensionType | Phase

_ONE = 10**EXACT_PLACES


class Bill:
    """Holds what the uses of a session cost: in all, in parts, and each of them.

    `vat` left out means no tax, but where a tariff without any rate says that taxes are added, they
    are unknown (`taxes.rates_are_unknown`).
    """

    def __init__(self, uses: Sequence[Use], energy_places: int) -> None:
        self._uses = uses
        self._places = _Places(uses, energy_places)
        # By component, which is one object (`CompiledTariff`): what a unit of it costs, and where
        # that goes. A component of a reservation is none of the session.
        self._rated: dict[int, tuple[int, _Group]] = {}
        self._groups: dict[tuple[object, ...], _Group] = {}
        for use in uses:
            cost, group = self._rated.get(id(use.active)) or self._rate(use)
            if not use.is_free:
                group.numerator += use.billed * cost

    @property
    def is_nothing(self) -> bool:
        """Tell whether nothing is charged."""
        return not any(group.numerator for group in self._groups.values())

    def total(self) -> Price:
        """Return the sum of everything."""
        return _sum(self._groups.values())

    def part(self, part: Part) -> Price:
        """Return the sum of one part."""
        return _sum(group for group in self._groups.values() if group.part is part)

    def prices(self) -> Iterator[Price]:
        """Return the price of each use; they add up to the total."""
        running = {id(group): _Group.like(group) for group in self._groups.values()}
        for use in self._uses:
            cost, whole = self._rated[id(use.active)]
            group = running[id(whole)]
            before = group.amounts()
            numerator = 0 if use.is_free else use.billed * cost
            group.numerator += numerator
            after = group.amounts()
            yield group.price(after[0] - before[0], after[1] - before[1], is_free=not numerator)

    def _rate(self, use: Use) -> tuple[int, "_Group"]:
        component, tariff = use.active.component, use.tariff
        part: Part = Phase.RESERVATION if use.is_reservation else component.type
        vat = None if tariff.tax_free else component.vat
        is_unknown = vat is None and tariff.rates_are_unknown and not tariff.inclusive
        key = (part, vat, tariff.inclusive, is_unknown)
        group = self._groups.get(key)
        if group is None:
            group = _Group(self._places, part, vat, tariff.inclusive, is_unknown)
            self._groups[key] = group
        rated = self._places.cost(use.active), group
        self._rated[id(use.active)] = rated
        return rated


class _Places:
    """Holds the denominator that makes every cost of a session a whole number."""

    def __init__(self, uses: Sequence[Use], energy_places: int) -> None:
        tariffs: Iterable[CompiledTariff] = {id(use.tariff): use.tariff for use in uses}.values()
        self.price_places = max((tariff.price_places for tariff in tariffs), default=0)
        self.vat_places = max((tariff.vat_places for tariff in tariffs), default=0)
        # Hours are 36 * 10^8 microseconds: over this denominator every use is a whole number.
        finest = max(energy_places, 10)
        self.denominator = 9 * 10 ** (finest + self.price_places)
        self.hundred = 100 * 10**self.vat_places
        hour: int = 10 ** (finest - 8) // 4
        self._per_unit: dict[TariffDimensionType, int] = {
            TariffDimensionType.FLAT: 9 * 10**finest,
            TariffDimensionType.ENERGY: 9 * 10 ** (finest - energy_places),
            TariffDimensionType.TIME: hour,
            TariffDimensionType.PARKING_TIME: hour,
        }

    def cost(self, active: ActiveComponent) -> int:
        """Return the numerator of what one unit (of energy, a microsecond, or 1) costs."""
        component = active.component
        return scaled(component.price, self.price_places) * self._per_unit[component.type]


class _Group:
    """Adds up the costs of one part at one rate of tax."""

    __slots__ = ("_rate", "inclusive", "is_unknown", "numerator", "part", "places", "vat")

    def __init__(
        self,
        places: _Places,
        part: Part,
        vat: Decimal | None,
        inclusive: bool,  # noqa: FBT001  as the tariff has it
        is_unknown: bool,  # noqa: FBT001
    ) -> None:
        self.numerator = 0
        self.part = part
        self.places = places
        self.vat = vat
        self._rate = 0 if vat is None else scaled(vat, places.vat_places)
        self.inclusive = inclusive
        self.is_unknown = is_unknown

    @classmethod
    def like(cls, other: "_Group") -> "_Group":
        """Return an empty group of the same kind."""
        return cls(other.places, other.part, other.vat, other.inclusive, other.is_unknown)

    def amounts(self) -> tuple[int, int]:
        """Return the sum so far in units of 10^-12: before taxes, and the taxes."""
        denominator, hundred = self.places.denominator, self.places.hundred
        numerator = self.numerator * _ONE
        stated = rounded_ratio(numerator, denominator)
        if not self._rate:
            return stated, 0
        if self.inclusive:
            net = rounded_ratio(numerator * hundred, denominator * (hundred + self._rate))
            return net, stated - net
        return stated, rounded_ratio(numerator * self._rate, denominator * hundred)

    def price(self, net: int, tax: int, *, is_free: bool) -> Price:
        """Return amounts of this kind as a Price."""
        before_taxes = unscaled(net, EXACT_PLACES)
        if self.is_unknown and not is_free:
            return Price(before_taxes, None)
        if self.vat is None:
            return Price(before_taxes)
        return Price(before_taxes, (TaxAmount(TAX_NAME, self.vat, unscaled(tax, EXACT_PLACES)),))


def _sum(groups: Iterable[_Group]) -> Price:
    """Return the sum of groups; the taxes in the order in which their rates come first."""
    total, taxes, is_unknown = 0, dict[Decimal, int](), False
    for group in groups:
        net, tax = group.amounts()
        total += net
        is_unknown = is_unknown or (group.is_unknown and bool(group.numerator))
        if group.vat is not None:
            taxes[group.vat] = taxes.get(group.vat, 0) + tax
    before_taxes = unscaled(total, EXACT_PLACES)
    if is_unknown:
        return Price(before_taxes, None)
    return Price(
        before_taxes,
        tuple(
            TaxAmount(TAX_NAME, rate, unscaled(tax, EXACT_PLACES)) for rate, tax in taxes.items()
        ),
    )

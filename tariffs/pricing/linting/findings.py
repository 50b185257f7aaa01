"""What the linter answers: findings, each with its numbers and a session that shows it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cpo_platform.common.money import Price
from tariffs.pricing.types import Segment, TariffDimensionType


class Severity(StrEnum):
    """Say how bad it is: money goes wrong, it probably does, or somebody should know."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    HINT = "HINT"


class Rule(StrEnum):
    """Name what was found; `phrases.SENTENCES` says each in words."""

    UNREACHABLE = "UNREACHABLE"
    FALLBACK_FIRST = "FALLBACK_FIRST"
    REDUNDANT = "REDUNDANT"
    PARTLY_HIDDEN = "PARTLY_HIDDEN"
    FLAT_NEVER_FIRST = "FLAT_NEVER_FIRST"
    FLAT_ONCE = "FLAT_ONCE"
    GAP = "GAP"
    GAP_WHEN_UNKNOWN = "GAP_WHEN_UNKNOWN"
    PARKING_UNPAID = "PARKING_UNPAID"
    FREE = "FREE"
    TOO_COMPLEX = "TOO_COMPLEX"
    IMPOSSIBLE_RANGE = "IMPOSSIBLE_RANGE"
    IMPOSSIBLE_DATES = "IMPOSSIBLE_DATES"
    IMPOSSIBLE_RESERVATION = "IMPOSSIBLE_RESERVATION"
    DATES_OVER = "DATES_OVER"
    DATES_OUTSIDE_VALIDITY = "DATES_OUTSIDE_VALIDITY"
    VALIDITY_OVER = "VALIDITY_OVER"
    NIGHT_OF_WEEKDAY = "NIGHT_OF_WEEKDAY"
    PARKING_NEEDS_POWER = "PARKING_NEEDS_POWER"
    RESERVATION_IGNORES = "RESERVATION_IGNORES"
    DUPLICATE = "DUPLICATE"
    STEP_LARGE = "STEP_LARGE"
    STEP_DIFFERS = "STEP_DIFFERS"
    STEP_ZERO = "STEP_ZERO"
    STEP_MINUTES = "STEP_MINUTES"
    VAT_MIXED = "VAT_MIXED"
    VAT_FRACTION = "VAT_FRACTION"
    VAT_HIGH = "VAT_HIGH"
    VAT_UNKNOWN_INCLUDED = "VAT_UNKNOWN_INCLUDED"
    VAT_UNKNOWN = "VAT_UNKNOWN"
    VAT_NOT_APPLICABLE = "VAT_NOT_APPLICABLE"
    PRICE_PER_MINUTE = "PRICE_PER_MINUTE"
    PRICE_HIGH = "PRICE_HIGH"
    PRICE_LOW = "PRICE_LOW"
    PRICE_NEGATIVE = "PRICE_NEGATIVE"
    MIN_PRICE_HIGH = "MIN_PRICE_HIGH"
    MAX_PRICE_LOW = "MAX_PRICE_LOW"
    TEXT_CONTRADICTS = "TEXT_CONTRADICTS"
    GRACE_PERIOD = "GRACE_PERIOD"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money among the numbers of a finding."""

    value: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration among the numbers of a finding."""

    value: int


@dataclass(frozen=True, slots=True)
class Words:
    """Several things in a row, each said by itself."""

    items: tuple["Value", ...]
    between: str = ", "


@dataclass(frozen=True, slots=True)
class Said:
    """A phrase (`phrases.PHRASES`) with its own numbers, such as “from 20 kWh”."""

    phrase: str
    values: Mapping[str, "Value"] = dataclasses.field(default_factory=dict)


Value = str | int | Decimal | Amount | Seconds | Words | Said


@dataclass(frozen=True, slots=True)
class Example:
    """A session that shows a finding: what it costs, and what it would cost otherwise.

    `otherwise` is None where there is no other way to mean it; `change` says in a phrase what
    would have to be different.
    """

    segments: tuple[Segment, ...]
    time_zone: str
    price: Price
    otherwise: Price | None = None
    change: Said | None = None

    @property
    def difference(self) -> Decimal | None:
        """Return what more (or less) it would cost before taxes, if it were meant otherwise."""
        if self.otherwise is None:
            return None
        return self.otherwise.before_taxes - self.price.before_taxes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, doubtful or worth knowing.

    `elements` are indexes from 0, the one at fault first; `field` is the name within it, or of the
    tariff. `values` are the numbers of its sentence (`phrases.sentence`).
    """

    rule: Rule
    severity: Severity
    elements: tuple[int, ...] = ()
    dimensions: tuple[TariffDimensionType, ...] = ()
    field: str = ""
    values: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    example: Example | None = None

    @property
    def path(self) -> str:
        """Return the place in the tariff's JSON: `elements[2].restrictions.end_time`."""
        if not self.elements:
            return self.field
        place = f"elements[{self.elements[0]}]"
        return f"{place}.{self.field}" if self.field else place


ORDER = {severity: place for place, severity in enumerate(Severity)}


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the worst first, then by element."""
    return tuple(
        sorted(findings, key=lambda finding: (ORDER[finding.severity], finding.elements[:1]))
    )

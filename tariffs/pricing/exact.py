"""Whole numbers instead of fractions: times in microseconds, energy and money in a decimal unit.

Nothing is lost: datetimes have no finer unit than the microsecond, and the unit of energy is chosen
per session so that every number given is a whole one. Integers are what makes pricing fast.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cpo_platform.common.money import trimmed

MICROS_PER_SECOND = 1_000_000
MICROS_PER_HOUR = 3600 * MICROS_PER_SECOND
MICROS_PER_DAY = 24 * MICROS_PER_HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware moment."""
    return duration_micros(moment - _EPOCH)


def duration_micros(duration: timedelta) -> int:
    """Return a duration in microseconds, exactly."""
    return (duration.days * 86_400 + duration.seconds) * MICROS_PER_SECOND + duration.microseconds


def moment_of(micros: int) -> datetime:
    """Return the UTC moment of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def places_of(value: Decimal) -> int:
    """Return how many decimals a finite number has."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101  callers refuse NaN and infinity
    return max(0, -exponent)


def scaled(value: Decimal, places: int) -> int:
    """Return a number of at most `places` decimals in whole units of 10^-places."""
    return int(value.scaleb(places))


def unscaled(units: int, places: int) -> Decimal:
    """Return whole units of 10^-places as a number without trailing zeros."""
    return trimmed(Decimal(units).scaleb(-places))


def rounded_ratio(numerator: int, denominator: int) -> int:
    """Divide and round half up (away from zero); `denominator` is positive."""
    if numerator < 0:
        return -((-2 * numerator + denominator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


class RunningShare:
    """Divide numbers one after another so that the results add up to the rounded exact sum.

    Each result is the step of the rounded running total, hence within one unit of its own value.
    """

    __slots__ = ("_denominator", "_exact", "_shown")

    def __init__(self, denominator: int) -> None:
        self._denominator = denominator
        self._exact = 0
        self._shown = 0

    def next(self, numerator: int) -> int:
        """Return the share of one more numerator."""
        if not numerator:
            return 0
        self._exact += numerator
        total = rounded_ratio(self._exact, self._denominator)
        share = total - self._shown
        self._shown = total
        return share

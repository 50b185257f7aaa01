"""The use of a session in as few segments as say it, and what replays add up. No database."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from cpo_platform.common.money import currency_places
from tariffs.pricing.types import Segment

_MICROSECOND = timedelta(microseconds=1)
# Differences between two prices of a session, in the currency: the bounds of the histogram.
_BOUNDS = tuple(map(Decimal, ("0.005", "0.1", "0.5", "1", "2", "5", "10", "20", "50")))


def joined(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return the same use in fewer segments: neighbours in one state, with energy at one rate.

    Nothing is lost, since energy flows evenly within a segment. Meters report a car that is full
    every minute; pricing it takes as long as there are segments.
    """
    found: list[Segment] = []
    for segment in segments:
        if found and _goes_on(found[-1], segment):
            before = found.pop()
            energy = before.energy + segment.energy
            found.append(replace(before, end=segment.end, energy=energy))
        else:
            found.append(segment)
    return tuple(found)


def _goes_on(one: Segment, other: Segment) -> bool:
    same = (one.end, one.power, one.current, one.requesting_power, one.phase) == (
        *(other.start, other.power, other.current, other.requesting_power, other.phase),
    )
    if one.billable is not None or other.billable is not None:
        return False
    # As much energy for the time it takes, compared without dividing.
    return same and (one.energy * _microseconds(other) == other.energy * _microseconds(one))


def _microseconds(segment: Segment) -> int:
    return (segment.end - segment.start) // _MICROSECOND


def reserved_part(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return the time before the session, while the EVSE was kept free."""
    return tuple(segment for segment in segments if segment.phase.is_reservation)


def bounds_of(currency: str) -> tuple[Decimal, ...]:
    """Return the bounds of the histogram: differences below the first are none."""
    scale = 10 ** (2 - currency_places(currency)) if currency_places(currency) < 2 else 1
    positive = [bound * scale for bound in _BOUNDS]
    return (*(-bound for bound in reversed(positive)), *positive)


@dataclass(frozen=True, slots=True)
class Repriced:
    """One CDR with its price before and after; the amounts after taxes where they are known."""

    cdr_id: int
    before_taxes: Decimal
    after_taxes: Decimal | None
    new_before_taxes: Decimal
    new_after_taxes: Decimal | None

    @property
    def difference(self) -> Decimal:
        """Return how much more it would have cost, before taxes."""
        return self.new_before_taxes - self.before_taxes


@dataclass(slots=True)
class Tally:
    """The sums of a replay so far."""

    currency: str
    count: int = 0
    before_taxes: Decimal = Decimal(0)
    new_before_taxes: Decimal = Decimal(0)
    taxed: int = 0
    after_taxes: Decimal = Decimal(0)
    new_after_taxes: Decimal = Decimal(0)
    histogram: list[int] = field(default_factory=list)

    def add(self, repriced: Repriced) -> None:
        """Count one CDR in."""
        bounds = bounds_of(self.currency)
        if not self.histogram:
            self.histogram = [0] * (len(bounds) + 1)
        self.count += 1
        self.before_taxes += repriced.before_taxes
        self.new_before_taxes += repriced.new_before_taxes
        if repriced.after_taxes is not None and repriced.new_after_taxes is not None:
            self.taxed += 1
            self.after_taxes += repriced.after_taxes
            self.new_after_taxes += repriced.new_after_taxes
        self.histogram[bisect_right(bounds, repriced.difference)] += 1

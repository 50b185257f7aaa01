"""What a CDR says of a session's use, so that it can be priced again; and what replays add up.

Pure: no database. A CDR has one stretch per ChargingPeriod: within it, energy is taken to flow
evenly and power and current to be constant, which the meter readings of a session know better.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from cpo_platform.common.money import currency_places
from tariffs.pricing.types import InvalidSegment, Phase, Segment

Json = Mapping[str, Any]

_MICROSECOND = timedelta(microseconds=1)
_FOUR_PLACES = Decimal("0.0001")
# Differences between two prices of a session, in the currency: the bounds of the histogram.
_BOUNDS = tuple(map(Decimal, ("0.005", "0.1", "0.5", "1", "2", "5", "10", "20", "50")))


def segments_of(periods: Sequence[Json], *, end: datetime, expired: bool) -> tuple[Segment, ...]:
    """Return the use that charging periods (canonical, OCPI 2.3.0) describe, until `end`.

    `expired`: the reservation in it was never used (`Phase.RESERVATION_EXPIRES`).

    Raises:
        InvalidSegment: the periods are not in order, or a volume is negative.
        KeyError, ValueError, ArithmeticError: they are not OCPI's.

    """
    starts = [_moment(period["start_date_time"]) for period in periods]
    bounds = pairwise([*starts, max(end, starts[-1])] if starts else [])
    return tuple(
        _segment(_volumes(period), start, until, expired=expired)
        for period, (start, until) in zip(periods, bounds, strict=True)
    )


def _segment(
    volumes: Mapping[str, Decimal], start: datetime, end: datetime, *, expired: bool
) -> Segment:
    if "RESERVATION_TIME" in volumes:
        phase = Phase.RESERVATION_EXPIRES if expired else Phase.RESERVATION
        return Segment(start=start, end=end, phase=phase)
    energy = volumes.get("ENERGY", Decimal(0))
    if energy < 0:
        raise InvalidSegment("ENERGY: energy back to the grid is not priced")
    parking = "PARKING_TIME" in volumes and "TIME" not in volumes
    return Segment(
        start=start,
        end=end,
        energy=energy,
        power=_power(volumes, energy, start, end),
        current=_middle(volumes, "CURRENT"),
        requesting_power=not parking,
    )


def _power(
    volumes: Mapping[str, Decimal], energy: Decimal, start: datetime, end: datetime
) -> Decimal | None:
    """Return the mean power, within what the period says of its extremes."""
    seconds = Decimal(str((end - start).total_seconds()))
    if not seconds:
        return _middle(volumes, "POWER")
    mean = (energy * 3600 / seconds).quantize(_FOUR_PLACES)
    low, high = volumes.get("MIN_POWER", mean), volumes.get("MAX_POWER", mean)
    return min(max(mean, low), high)


def _middle(volumes: Mapping[str, Decimal], what: str) -> Decimal | None:
    known = [volumes[name] for name in (f"MIN_{what}", f"MAX_{what}") if name in volumes]
    return sum(known, Decimal(0)) / len(known) if known else None


def _volumes(period: Json) -> dict[str, Decimal]:
    return {str(item["type"]): Decimal(str(item["volume"])) for item in period["dimensions"]}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


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

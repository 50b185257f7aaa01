"""When things happened, by a station whose clock may be wrong.

A stamp is believed unless it is ahead of its arrival by more than two minutes, or more than 90 days
behind: that is a clock that starts in 1970 or 2000 and was never set. What is less far behind is
taken for what was kept while the station was offline. Stamps that are not believed are shifted by
the difference between arrival and stamp of what was sent live; where nothing was, by the smallest
difference, so that nothing lies in the future and durations stay. A clock that stands tells
nothing: what it stamps counts as of its arrival.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ocpp_gateway.facts import Code, Fact

MAX_LEAD = timedelta(minutes=2)
LONGEST_OFFLINE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class StationClock:
    """How far off the clock was, by what was wrong with it; None: it stood."""

    shifts: dict[Code, timedelta | None]

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "StationClock":
        """Return the clock that stamped these facts, which are in the order of their arrival."""
        wrong: dict[Code, list[tuple[Fact, datetime]]] = {}
        for fact in facts:
            fault = _fault(fact.stamped_at, fact)
            if fault is not None and fact.stamped_at is not None:
                wrong.setdefault(fault, []).append((fact, fact.stamped_at))
        return cls({fault: _shift(stamped) for fault, stamped in wrong.items()})

    def time_of(self, fact: Fact) -> datetime:
        """Return when the thing happened that the fact tells."""
        fault = _fault(fact.stamped_at, fact)
        if fact.stamped_at is None:
            return fact.arrived_at
        if fault is None:
            return fact.stamped_at
        shift = self.shifts[fault]
        return fact.arrived_at if shift is None else fact.stamped_at + shift

    def time_within(self, fact: Fact, stamp: datetime) -> datetime | None:
        """Return the time of a sample in a fact; None: nothing tells.

        It is the same clock that stamped both, unless only one of them is ages behind: then the
        clock was set in between.
        """
        of_fact, fault = _fault(fact.stamped_at, fact), _fault(stamp, fact)
        is_behind = fault == Code.CLOCK_BEHIND
        if is_behind and of_fact != Code.CLOCK_BEHIND:
            shift = self.shifts.get(Code.CLOCK_BEHIND)
            return None if shift is None else stamp + shift
        if fact.stamped_at is not None and (is_behind or of_fact == Code.CLOCK_AHEAD):
            return self.time_of(fact) + (stamp - fact.stamped_at)
        return stamp if fault is None else fact.arrived_at


def _fault(stamp: datetime | None, fact: Fact) -> Code | None:
    if stamp is None:
        return None
    if stamp > fact.arrived_at + MAX_LEAD:
        return Code.CLOCK_AHEAD
    return Code.CLOCK_BEHIND if stamp < fact.arrived_at - LONGEST_OFFLINE else None


def _shift(stamped: Sequence[tuple[Fact, datetime]]) -> timedelta | None:
    live = [(fact.arrived_at, stamp) for fact, stamp in stamped if not fact.offline]
    if len({stamp for _, stamp in live}) == 1 and live[-1][0] - live[0][0] > MAX_LEAD:
        return None
    differences = [at - stamp for at, stamp in live or [(f.arrived_at, s) for f, s in stamped]]
    shift = differences[0]
    for difference in differences:
        # The first stays, whatever the network adds to later ones: what was told once must not
        # move. 1.6 does not say what it had kept; that shows, as it puts later facts in the future.
        if difference < shift - MAX_LEAD:
            shift = difference
    return shift

"""All states that a session can be in, cut where a restriction of the tariff changes its answer.

A state has a day, a time of day, kWh and seconds so far, power and current. Each axis is cut into
cells at the bounds of the tariff; a set of cells of one axis is an int with a bit per cell. A box
is such a set per axis: every element applies in one box exactly, also over midnight. What is left
of a box when others are taken away is a list of boxes again, so that “is this element ever
chosen?” has an exact answer without walking through all states.

Only the lengths of lists are bounded (`Budget`): who runs out of it is told nothing, rather than
something false.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce
from itertools import combinations, pairwise

from tariffs.pricing.types import DayOfWeek, Phase, Tariff, TariffRestrictions

DAY, TIME, KWH, POWER, CURRENT, DURATION = range(6)
AXES = (DAY, TIME, KWH, POWER, CURRENT, DURATION)
NUMBERS = {KWH: "kwh", POWER: "power", CURRENT: "current", DURATION: "duration"}
# What a station may not report; a restriction on it then does not match.
MAY_BE_UNKNOWN = (POWER, CURRENT)
MINUTES = 24 * 60

Box = tuple[int, ...]

_WEEK = tuple(DayOfWeek)


class OutOfBudget(Exception):
    """The tariff has more combinations than are worth looking through."""


@dataclass
class Budget:
    """How many boxes may still be cut."""

    left: int

    def spend(self, boxes: int) -> None:
        """Take off what a step costs.

        Raises:
            OutOfBudget: nothing is left.
        """
        self.left -= boxes
        if self.left < 0:
            raise OutOfBudget


@dataclass(frozen=True, slots=True)
class DayCell:
    """A weekday within a range of dates; None: no bound."""

    start: date | None
    end: date | None
    weekday: int


class Space:
    """The cells of a tariff, and the box of each of its elements."""

    def __init__(self, tariff: Tariff) -> None:
        restrictions = [element.restrictions for element in tariff.elements]
        self.days = _days(restrictions)
        self.times = _times(restrictions)
        self.bounds = {axis: _bounds(restrictions, name) for axis, name in NUMBERS.items()}
        self.full: Box = tuple(self._all(axis) for axis in AXES)
        self.boxes: tuple[Box, ...] = tuple(map(self._box, restrictions))

    def _all(self, axis: int) -> int:
        return (1 << self._count(axis)) - 1

    def _count(self, axis: int) -> int:
        if axis == DAY:
            return len(self.days)
        if axis == TIME:
            return len(self.times)
        return len(self.bounds[axis]) + (axis in MAY_BE_UNKNOWN)

    def unknown(self, axis: int) -> int:
        """Return the cell of a power or current that nobody reports."""
        return 1 << len(self.bounds[axis])

    def states(self, phase: Phase) -> Box:
        """Return the states that a phase can be in: a reservation draws nothing."""
        if phase is Phase.SESSION:
            return self.full
        box = list(self.full)
        box[KWH] = 1
        for axis in MAY_BE_UNKNOWN:
            box[axis] = self.unknown(axis)
        return tuple(box)

    def starts(self) -> Box:
        """Return the states in which a charging session may begin."""
        box = list(self.full)
        box[KWH] = box[DURATION] = 1
        return tuple(box)

    def limits(self, axis: int, place: int) -> tuple[Decimal, Decimal | None]:
        """Return the bounds of a cell of numbers; None: no upper bound."""
        bounds = self.bounds[axis]
        return bounds[place], bounds[place + 1] if place + 1 < len(bounds) else None

    def minutes(self, place: int) -> tuple[int, int]:
        """Return the bounds of a cell of times, in minutes since midnight."""
        following = self.times[place + 1] if place + 1 < len(self.times) else MINUTES
        return self.times[place], following

    def _box(self, restrictions: TariffRestrictions) -> Box:
        return (
            self._day_mask(restrictions),
            self._time_mask(restrictions),
            *(self._number_mask(restrictions, axis) for axis in NUMBERS),
        )

    def _day_mask(self, restrictions: TariffRestrictions) -> int:
        def holds(cell: DayCell) -> bool:
            first, last = restrictions.start_date, restrictions.end_date
            return (
                (not restrictions.day_of_week or _WEEK[cell.weekday] in restrictions.day_of_week)
                and (first is None or (cell.start is not None and cell.start >= first))
                and (last is None or (cell.end is not None and cell.end <= last))
            )

        return _mask(holds(cell) for cell in self.days)

    def _time_mask(self, restrictions: TariffRestrictions) -> int:
        start, end = _minute(restrictions.start_time), _minute(restrictions.end_time)
        if end == 0:
            return _mask(start <= minute for minute in self.times)
        if end < start:
            return _mask(start <= minute or minute < end for minute in self.times)
        return _mask(start <= minute < end for minute in self.times)

    def _number_mask(self, restrictions: TariffRestrictions, axis: int) -> int:
        low = getattr(restrictions, f"min_{NUMBERS[axis]}")
        high = getattr(restrictions, f"max_{NUMBERS[axis]}")
        if low is None and high is None:
            return self._all(axis)
        return _mask(
            (low is None or bound >= low) and (high is None or bound < high)
            for bound in self.bounds[axis]
        )


def minus(boxes: Sequence[Box], others: Iterable[Box], budget: Budget) -> list[Box]:
    """Return what is left of boxes, that share no state, when others are taken away.

    Raises:
        OutOfBudget: it takes too long.
    """
    left = list(boxes)
    for other in others:
        budget.spend(len(left))
        left = [piece for box in left for piece in _without(box, other)]
        if not left:
            break
    return left


def joined(boxes: Sequence[Box]) -> list[Box]:
    """Return the same states in fewer boxes, where two differ along one axis only."""
    left = list(boxes)
    done = False
    while not done:
        done = True
        for one, other in combinations(left, 2):
            differing = [axis for axis in AXES if one[axis] != other[axis]]
            if len(differing) == 1:
                left.remove(one)
                left.remove(other)
                left.append(tuple(a | b for a, b in zip(one, other, strict=True)))
                done = False
                break
    return left


def meet(box: Box, other: Box) -> Box | None:
    """Return what two boxes share, if anything."""
    shared = tuple(one & two for one, two in zip(box, other, strict=True))
    return shared if all(shared) else None


def contains(box: Box, other: Box) -> bool:
    """Tell whether a box holds all of another."""
    return all(not two & ~one for one, two in zip(box, other, strict=True))


def shadow(boxes: Iterable[Box], axis: int) -> int:
    """Return the cells of an axis that any of the boxes touches."""
    return reduce(lambda cells, box: cells | box[axis], boxes, 0)


def places(cells: int) -> list[int]:
    """Return the places of the cells in a set."""
    return [place for place in range(cells.bit_length()) if cells >> place & 1]


def runs(cells: int) -> list[tuple[int, int]]:
    """Return the first and last place of each row of neighbouring cells."""
    found: list[tuple[int, int]] = []
    for place in places(cells):
        if found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found


def _without(box: Box, other: Box) -> list[Box]:
    if meet(box, other) is None:
        return [box]
    rest, pieces = list(box), []
    for axis, inside in enumerate(other):
        outside = rest[axis] & ~inside
        if outside:
            pieces.append((*rest[:axis], outside, *rest[axis + 1 :]))
            rest[axis] &= inside
    return pieces


def _mask(flags: Iterable[bool]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)


def _minute(value: object) -> int:
    hour, minute = getattr(value, "hour", 0), getattr(value, "minute", 0)
    return int(hour) * 60 + int(minute)


def _times(restrictions: Sequence[TariffRestrictions]) -> list[int]:
    return sorted({0, *(_minute(t) for r in restrictions for t in (r.start_time, r.end_time))})


def _bounds(restrictions: Sequence[TariffRestrictions], name: str) -> list[Decimal]:
    values = (getattr(r, f"{end}_{name}") for r in restrictions for end in ("min", "max"))
    return sorted({Decimal(0), *(Decimal(v) for v in values if v is not None and v > 0)})


def _days(restrictions: Sequence[TariffRestrictions]) -> list[DayCell]:
    dates = sorted({day for r in restrictions for day in (r.start_date, r.end_date) if day})
    bounds: list[date | None] = [None, *dates, None]
    return [
        DayCell(start, end, weekday)
        for start, end in pairwise(bounds)
        for weekday in range(7)
        if _has_weekday(start, end, weekday)
    ]


def _has_weekday(start: date | None, end: date | None, weekday: int) -> bool:
    if start is None or end is None:
        return True
    return start + timedelta((weekday - start.weekday()) % 7) < end

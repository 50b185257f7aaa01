"""Make a session that shows a finding, and let the engine price it."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from cpo_platform.common.money import Price
from tariffs.pricing.engine import price_session
from tariffs.pricing.linting.findings import Example, Said
from tariffs.pricing.linting.space import (
    CURRENT,
    DAY,
    DURATION,
    KWH,
    MINUTES,
    POWER,
    TIME,
    Box,
    Space,
    places,
    runs,
)
from tariffs.pricing.types import Phase, Segment, Tariff, TariffDimensionType

# How many elements the engine may look at for the examples of one tariff.
EFFORT = 2000
# What a session of our examples is like where nothing asks for something else.
START = time(10)
POWER_KW = Decimal(11)
CHARGED = Decimal(20)
HOUR = 3600
FOUR_PLACES = Decimal("0.0001")


@dataclass(slots=True)
class Stage:
    """Where the examples of a tariff play: its time zone, and a day not before which.

    Pricing them takes time: when `effort` is used up, findings come without.
    """

    tariff: Tariff
    zone: ZoneInfo
    today: date
    effort: int = EFFORT

    def shown(
        self,
        segments: tuple[Segment, ...],
        *,
        otherwise: Tariff | None = None,
        change: Said | None = None,
    ) -> Example | None:
        """Return the example with its price, and its price by a tariff that is meant otherwise."""
        self.effort -= len(self.tariff.elements) * (1 if otherwise is None else 2)
        if self.effort < 0:
            return None
        return Example(
            segments=segments,
            time_zone=self.zone.key,
            price=self._price(self.tariff, segments),
            otherwise=None if otherwise is None else self._price(otherwise, segments),
            change=change,
        )

    def _price(self, tariff: Tariff, segments: tuple[Segment, ...]) -> Price:
        priced = price_session(tariff=tariff, segments=segments, time_zone=self.zone.key)
        return priced.total_cost.rounded()

    def usual(
        self, *, minutes: int, kwh: str, parked: int = 0, at: time = START, weekday: int = 0
    ) -> tuple[Segment, ...]:
        """Return an ordinary session: charging, and then perhaps parking."""
        start = self.moment(_next_day(self.today, weekday), at)
        end = start + timedelta(minutes=minutes)
        energy = Decimal(kwh)
        power = (energy * 60 / minutes).quantize(FOUR_PLACES)
        charging = Segment(start=start, end=end, energy=energy, power=power)
        if not parked:
            return (charging,)
        return charging, _parking(end, timedelta(minutes=parked))

    def reserved(self, minutes: int) -> tuple[Segment, ...]:
        """Return a reservation that nobody came for."""
        start = self.moment(_next_day(self.today, 0), START)
        end = start + timedelta(minutes=minutes)
        return (Segment(start=start, end=end, phase=Phase.RESERVATION_EXPIRES),)

    def moment(self, day: date, at: time) -> datetime:
        """Return when the clock of the location shows this, in UTC."""
        return datetime.combine(day, at, tzinfo=self.zone).astimezone(UTC)

    def within(
        self, space: Space, box: Box, dimension: TariffDimensionType, phase: Phase = Phase.SESSION
    ) -> tuple[Segment, ...]:
        """Return a session that comes to be in a box, and stays for up to an hour.

        Before that it charges as much as the box asks for.
        """
        before = _seconds_before(space, box)
        minute, room = _clock(space, box, before)
        stay = min(HOUR, room * 60, _room(space, box, DURATION, before))
        day = _day(space, box, self.today)
        entered = self.moment(day, time(minute // 60, minute % 60))
        start = entered - timedelta(seconds=before)
        if phase.is_reservation:
            return (Segment(start=start, end=entered + timedelta(seconds=stay), phase=phase),)
        kwh = _charged_before(space, box, before)
        power, current = _measured(space, box, POWER), _measured(space, box, CURRENT)
        parts: tuple[Segment, ...] = ()
        if before:
            parts = (Segment(start=start, end=entered, energy=kwh, power=power, current=current),)
        rest = timedelta(seconds=stay)
        if dimension is TariffDimensionType.PARKING_TIME:
            return *parts, replace(_parking(entered, rest), power=power, current=current)
        energy = _energy(space, box, kwh, power, stay)
        last = Segment(
            start=entered, end=entered + rest, energy=energy, power=power, current=current
        )
        return *parts, last


def _parking(start: datetime, length: timedelta) -> Segment:
    return Segment(start=start, end=start + length, requesting_power=False)


def _next_day(today: date, weekday: int) -> date:
    return today + timedelta((weekday - today.weekday()) % 7)


def _first(space: Space, box: Box, axis: int) -> tuple[Decimal, Decimal | None]:
    """Return the bounds of the lowest cell with its neighbours."""
    known = box[axis] & ((1 << len(space.bounds[axis])) - 1)
    first, last = runs(known)[0]
    return space.limits(axis, first)[0], space.limits(axis, last)[1]


def _seconds_before(space: Space, box: Box) -> int:
    """Return when the session comes to the box; energy takes some time to flow."""
    low, high = _first(space, box, DURATION)
    kwh, _kwh_high = _first(space, box, KWH)
    needed = int(kwh / POWER_KW * HOUR)
    if low or not needed:
        return int(low)
    return needed if high is None else min(needed, int(high) // 2)


def _room(space: Space, box: Box, axis: int, low: int) -> int:
    _low, high = _first(space, box, axis)
    return HOUR if high is None else max(int(high) - low, 1)


def _clock(space: Space, box: Box, before: int) -> tuple[int, int]:
    """Return the minute at which the box is entered, and how many minutes are left in it.

    If there is time enough, the session begins with the range of times, or at ten.
    """
    widest = max(runs(box[TIME]), key=lambda run: _width(space, run))
    first, last = space.minutes(widest[0])[0], space.minutes(widest[1])[1]
    whole_day = last - first == MINUTES
    begin = START.hour * 60 if whole_day else first
    entered = begin + -(-before // 60)
    if entered + 60 > last:
        entered = begin
    return entered, last - entered


def _width(space: Space, run: tuple[int, int]) -> int:
    return space.minutes(run[1])[1] - space.minutes(run[0])[0]


def _day(space: Space, box: Box, today: date) -> date:
    """Return the first day of the box that is not over, or else the last one that was."""
    found: list[date] = []
    for place in places(box[DAY]):
        cell = space.days[place]
        day = _next_day(max(today, cell.start or today), cell.weekday)
        if cell.end is not None and day >= cell.end:
            last = cell.end - timedelta(1)
            day = last - timedelta((last.weekday() - cell.weekday) % 7)
        found.append(day)
    coming = [day for day in found if day >= today]
    return min(coming) if coming else max(found)


def _charged_before(space: Space, box: Box, before: int) -> Decimal:
    low, high = _first(space, box, KWH)
    if low or not before:
        return low
    usual = min(CHARGED, (POWER_KW * before / HOUR).quantize(Decimal(1)))
    return usual if high is None else min(usual, high / 2)


def _measured(space: Space, box: Box, axis: int) -> Decimal | None:
    """Return a power or current of the box; None where only the unknown one is in it."""
    known = box[axis] & ~space.unknown(axis)
    if not known:
        return None
    low, high = _first(space, box, axis)
    if len(space.bounds[axis]) == 1:
        return POWER_KW if axis == POWER else None
    return low or (high / 2 if high is not None else POWER_KW)


def _energy(space: Space, box: Box, kwh: Decimal, power: Decimal | None, stay: int) -> Decimal:
    usual = (power or POWER_KW) * stay / HOUR
    _low, high = _first(space, box, KWH)
    energy = usual if high is None else min(usual, high - kwh)
    return energy.quantize(FOUR_PLACES)

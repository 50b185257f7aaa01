"""What a car takes and a meter shows: pure arithmetic, with the clock passed in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from cpo_platform.common.clock import RESOLUTION, truncate
from sessions_app.metering import Reading

# A station that was out of sight for long has kept readings at this distance.
READING_DISTANCE = timedelta(minutes=5)

_REGISTER = Decimal("0.0001")
_TENTH = Decimal("0.1")
_MILLISECONDS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Charge:
    """A car at a meter: the register (kWh), what the car still wants (kWh), and at which kW.

    `volts` is between line and neutral, as OCPI counts, so that the current is over all phases.
    """

    register: Decimal
    need: Decimal
    power_kw: Decimal
    volts: int

    def readings(self, start: datetime, end: datetime) -> list[Reading]:
        """Return what the meter shows after `start` up to `end`, the moment the car is full too."""
        moments = {*_every(READING_DISTANCE, start, end), end}
        full = self._full_after(start)
        if full is not None and start < full < end:
            moments.add(full)
        return [self._reading(at, start, full) for at in sorted(moments)]

    def first_reading(self, at: datetime) -> Reading:
        """Return what the meter shows when the car begins to charge like this."""
        return self._reading(at, at, self._full_after(at))

    def _full_after(self, start: datetime) -> datetime | None:
        if not self.need:
            return start
        if not self.power_kw:
            return None
        hours = self.need / self.power_kw
        exact = start + timedelta(milliseconds=float(hours * _MILLISECONDS_PER_HOUR))
        rounded = truncate(exact)
        return rounded if rounded == exact else rounded + RESOLUTION

    def _reading(self, at: datetime, start: datetime, full: datetime | None) -> Reading:
        if full is not None and at >= full:
            zero = Decimal(0)
            return Reading(at, self.register + self.need, zero, zero, requesting_power=False)
        hours = Decimal((at - start) // RESOLUTION) / _MILLISECONDS_PER_HOUR
        taken = min(self.need, (self.power_kw * hours).quantize(_REGISTER, ROUND_HALF_UP))
        return Reading(at, self.register + taken, self.power_kw, self._current())

    def _current(self) -> Decimal | None:
        if not self.volts:
            return None
        return (self.power_kw * 1000 / self.volts).quantize(_TENTH, ROUND_HALF_UP)


def _every(distance: timedelta, start: datetime, end: datetime) -> Iterator[datetime]:
    moment = start + distance
    while moment < end:
        yield moment
        moment += distance

"""A car at an outlet: how much power it takes, and what that adds up to. Pure.

Power is constant within each hundredth of the battery, so energy is power times time, in billionths
of a Wh: what is added up that way is never rounded. Energy is Wh, power W, time seconds, `Decimal`.
"""

from dataclasses import dataclass
from decimal import Decimal

ARRIVES_AT = 30
_SECONDS = Decimal(3600)
_GRAIN = Decimal("1e-9")
# Shares of the most power: from where it falls (percent of the battery), and what is left at 100.
_TAPERS = {"AC": (92, Decimal("0.2")), "DC": (45, Decimal("0.12"))}


def share(percent: int, current: str) -> Decimal:
    """Return which share of its most power a car takes, by how full it is."""
    start, last = _TAPERS[current]
    if percent <= start:
        return Decimal(1)
    return 1 - (1 - last) * (percent - start) / (100 - start)


@dataclass(slots=True)
class Vehicle:
    """A car that arrives 30 percent full, and is full when it has taken `need_wh`."""

    need_wh: Decimal
    max_w: Decimal
    current: str = "AC"
    taken_wh: Decimal = Decimal(0)

    @property
    def is_full(self) -> bool:
        """Whether it wants no more."""
        return self.taken_wh >= self.need_wh

    @property
    def percent(self) -> int:
        """Return how full the battery is, in whole percent."""
        if self.is_full:
            return 100
        return min(ARRIVES_AT + int(self.taken_wh / self._hundredth), 99)

    def power_w(self, limit_w: Decimal) -> Decimal:
        """Return the power it takes now where `limit_w` is offered."""
        return Decimal(0) if self.is_full else self._power_at(self.percent, limit_w)

    def draw(self, seconds: Decimal, limit_w: Decimal) -> Decimal:
        """Charge for a while; return the energy that it took."""
        before = self.taken_wh
        for percent in range(self.percent, 100):
            power = self._power_at(percent, limit_w)
            room = self._end_of(percent) - self.taken_wh
            energy = (power * seconds / _SECONDS).quantize(_GRAIN)
            if energy < room:
                self.taken_wh += energy
                break
            self.taken_wh = self._end_of(percent)
            seconds -= room * _SECONDS / power
        return self.taken_wh - before

    def seconds_to_full(self, limit_w: Decimal) -> Decimal | None:
        """Return when it is full where `limit_w` is offered; None: never."""
        if limit_w <= 0:
            return None
        seconds, taken = Decimal(0), self.taken_wh
        for percent in range(self.percent, 100):
            room = self._end_of(percent) - taken
            seconds += room * _SECONDS / self._power_at(percent, limit_w)
            taken += room
        return seconds

    @property
    def _hundredth(self) -> Decimal:
        return (self.need_wh / (100 - ARRIVES_AT)).quantize(_GRAIN)

    def _end_of(self, percent: int) -> Decimal:
        # The last is the need itself: a multiple of its share is rounded.
        return self.need_wh if percent >= 99 else self._hundredth * (percent + 1 - ARRIVES_AT)

    def _power_at(self, percent: int, limit_w: Decimal) -> Decimal:
        return min(self.max_w * share(percent, self.current), max(limit_w, Decimal(0)))


def arriving(need_kwh: float | Decimal, max_kw: float | Decimal, current: str) -> Vehicle:
    """Return a car that needs so much, and takes at most so many kW."""
    return Vehicle(Decimal(str(need_kwh)) * 1000, Decimal(str(max_kw)) * 1000, current)

"""What a station gives at most, and when that changes: pure arithmetic, with the clock passed in.

All limits are W in here; what a profile says in A is of each phase (OCPI 2.2.1,
mod_charging_profiles, ChargingRateUnit), unlike the currents of tariffs, which are sums.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import cached_property
from itertools import pairwise

from cpo_platform.common.shapes import ActiveChargingProfile, ChargingProfile, parse

# The most periods that a profile may have.
MOST_PERIODS = 1000

_TENTH = Decimal("0.1")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Limits:
    """The limits of one connector in one session that started at `started`.

    `capacity_w` is what the connector can give, `local_limit_w` what staff or the grid leaves of
    it, `profile` what a partner asked for. `volts` is between line and neutral.
    """

    capacity_w: Decimal
    volts: int
    phases: int
    started: datetime
    profile: ChargingProfile | None = None
    local_limit_w: Decimal | None = None

    def at(self, moment: datetime) -> Decimal:
        """Return the W that the station gives at most: the lowest of all limits."""
        index = bisect_right(self._offsets, moment - self._begin) - 1
        profile_limit = self._steps[index][1] if index >= 0 else None
        limits = (self.capacity_w, self.local_limit_w, profile_limit)
        return min(limit for limit in limits if limit is not None)

    def changes(self, start: datetime, end: datetime) -> list[datetime]:
        """Return the moments between `start` and `end`, both excluded, at which that changes."""
        # Differences, since a profile may begin at the end of time.
        ahead = [offset + (self._begin - start) for offset in self._offsets]
        moments = [start + delta for delta in ahead if timedelta(0) < delta < end - start]
        return [
            later
            for earlier, later in pairwise([start, *moments])
            if self.at(earlier) != self.at(later)
        ]

    def active(self, now: datetime, duration: int) -> ActiveChargingProfile:
        """Return the limits of the next `duration` seconds, in the profile's unit, else in W."""
        start = now.replace(microsecond=0)
        moments = [start, *self.changes(start, start + timedelta(seconds=duration))]
        # Of several within one second the last holds.
        limits = {(moment - start) // _SECOND: self._shown(self.at(moment)) for moment in moments}
        periods = [{"start_period": second, "limit": limit} for second, limit in limits.items()]
        if len(periods) > MOST_PERIODS:
            # What does not fit is not told, rather than told wrongly.
            duration = list(limits)[MOST_PERIODS]
        return parse(
            ActiveChargingProfile,
            {
                "start_date_time": start,
                "charging_profile": {
                    "start_date_time": start,
                    "duration": duration,
                    "charging_rate_unit": self._unit,
                    "charging_profile_period": periods[:MOST_PERIODS],
                },
            },
        )

    @property
    def _begin(self) -> datetime:
        """When the profile begins: without a start it is relative to the start of charging."""
        return (self.profile.start_date_time if self.profile else None) or self.started

    @cached_property
    def _steps(self) -> list[tuple[timedelta, Decimal | None]]:
        """The profile's limits in W by their distance from its begin; None: no limit any more."""
        if self.profile is None:
            return []
        periods = sorted(
            self.profile.charging_profile_period or [], key=lambda period: period.start_period
        )
        steps: list[tuple[timedelta, Decimal | None]] = [
            (timedelta(seconds=period.start_period), self._watts(period.limit))
            for period in periods
        ]
        if self.profile.duration is None:
            return steps
        end = timedelta(seconds=self.profile.duration)
        return [*(step for step in steps if step[0] < end), (end, None)]

    @cached_property
    def _offsets(self) -> list[timedelta]:
        return [offset for offset, _limit in self._steps]

    @property
    def _watts_per_ampere(self) -> int:
        return self.volts * self.phases

    @property
    def _unit(self) -> str:
        if self.profile is None or not self._watts_per_ampere:
            return "W"
        return self.profile.charging_rate_unit

    def _watts(self, limit: Decimal) -> Decimal | None:
        if self.profile is None or self.profile.charging_rate_unit == "W":
            return limit
        return limit * self._watts_per_ampere if self._watts_per_ampere else None

    def _shown(self, watts: Decimal) -> Decimal:
        value = watts / self._watts_per_ampere if self._unit == "A" else watts
        # Down, since it is a maximum.
        return value.quantize(_TENTH, ROUND_DOWN)

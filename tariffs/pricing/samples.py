"""Typical sessions, to show what a tariff comes to for the people who pay it."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from tariffs.pricing.types import Phase, Segment

EVENING = time(18)


class Supply(StrEnum):
    """Say how a vehicle is supplied; it decides which current belongs to a power."""

    AC = "AC"
    DC = "DC"


# Current (A over all phases) is power over voltage: 230 V of each phase, 400 V of a usual battery.
_VOLTAGE = {Supply.AC: Decimal(230), Supply.DC: Decimal(400)}


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold a session to price; durations are minutes, `energy` kWh.

    A reservation that nobody comes for has `reserved` and neither energy nor a time of charging.
    """

    key: str
    energy: Decimal = Decimal(0)
    charging: int = 0
    parked: int = 0
    reserved: int = 0
    supply: Supply = Supply.AC

    @property
    def power(self) -> Decimal | None:
        """Return the power in kW: even over the whole time, None where nobody charges."""
        if not self.charging:
            return None
        return _rounded(self.energy * 60 / self.charging)

    @property
    def current(self) -> Decimal | None:
        """Return the current in A, summed over the phases."""
        if not self.charging:
            return None
        return _rounded(self.energy * 60_000 / self.charging / _VOLTAGE[self.supply])

    @property
    def is_used(self) -> bool:
        """Tell whether anybody comes."""
        return bool(self.charging or self.parked)


SAMPLES = (
    Sample("ac", energy=Decimal(20), charging=180),
    Sample("dc", energy=Decimal(40), charging=25, supply=Supply.DC),
    Sample("overnight", energy=Decimal(30), charging=180, parked=360),
    Sample("short_stop", energy=Decimal(5), charging=30, parked=10),
    Sample("reserved", energy=Decimal(20), charging=180, reserved=15),
    Sample("not_used", reserved=30),
)


def segments(sample: Sample, *, start: datetime) -> tuple[Segment, ...]:
    """Return the use of a sample that begins (with its reservation, if it has one) at `start`.

    Raises:
        InvalidSegment: `start` is naive.
    """
    parts = []
    if sample.reserved:
        phase = Phase.RESERVATION if sample.is_used else Phase.RESERVATION_EXPIRES
        end = start + timedelta(minutes=sample.reserved)
        parts.append(Segment(start=start, end=end, phase=phase))
        start = end
    if sample.charging:
        end = start + timedelta(minutes=sample.charging)
        parts.append(
            Segment(
                start=start,
                end=end,
                energy=sample.energy,
                power=sample.power,
                current=sample.current,
            )
        )
        start = end
    if sample.parked:
        end = start + timedelta(minutes=sample.parked)
        parts.append(
            Segment(
                start=start,
                end=end,
                power=Decimal(0),
                current=Decimal(0),
                requesting_power=False,
            )
        )
    return tuple(parts)


def next_monday_evening(now: datetime, zone: ZoneInfo) -> datetime:
    """Return next Monday at 18:00 local time: on a Monday, that of the week after."""
    today = now.astimezone(zone).date()
    monday = today + timedelta(days=7 - today.weekday())
    return datetime.combine(monday, EVENING, tzinfo=zone)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"))

"""What cannot be right about a session that has ended, before anybody is billed for it.

A CDR cannot be changed once it is sent, so a doubtful one is held for staff. These checks read the
raw meter readings: what the metering makes of them is one possible reading of a broken meter.

A finding holds the CDR, or only warns. It is a code and its numbers, so that it is put into words
where it is read, in the reader's language.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import islice, pairwise
from typing import Any

from sessions_app.metering import Reading

# What is no reason to doubt a meter. 15 %: voltage above its nominal value, and the power that a
# connector has on paper. A minute: clocks of stations, and values that were sent late. 1 kWh: the
# resolution of the coarsest registers.
TOLERANCE = Decimal("1.15")
CLOCK = timedelta(minutes=1)
RESOLUTION = Decimal(1)
# A register that falls by less is rounded, not broken.
NOISE = Decimal("0.1")
# Findings of one kind that are kept: a broken meter makes one of nearly every reading.
MOST = 20


class Code(StrEnum):
    """What is wrong."""

    ENDS_BEFORE_START = "ENDS_BEFORE_START"
    TOO_LONG = "TOO_LONG"
    NO_READINGS = "NO_READINGS"
    SILENT_BEFORE_END = "SILENT_BEFORE_END"
    METER_FELL = "METER_FELL"
    METER_RESTARTED = "METER_RESTARTED"
    ENERGY_JUMP = "ENERGY_JUMP"
    TOO_MUCH_ENERGY = "TOO_MUCH_ENERGY"
    BILLED_WITHOUT_ENERGY = "BILLED_WITHOUT_ENERGY"
    NO_ENERGY = "NO_ENERGY"
    TOO_EXPENSIVE = "TOO_EXPENSIVE"


# What is wrong with readings, and not with what is billed.
OF_THE_METER = frozenset(
    [
        *(Code.NO_READINGS, Code.SILENT_BEFORE_END),
        *(Code.METER_FELL, Code.METER_RESTARTED, Code.ENERGY_JUMP),
    ]
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is plausible; None: not checked. `most_cost` is before taxes, in any currency."""

    longest: timedelta | None = timedelta(days=7)
    silence: timedelta | None = timedelta(hours=2)
    most_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that has ended, as it was measured and priced.

    `stopped_at` is the raw moment that the station named, which may lie before `start`.
    `readings` None: nobody charged, it was a reservation. `power_kw` None: not known.
    `reservation_cost` is the part of `cost` that was for keeping the EVSE free.
    """

    start: datetime
    end: datetime
    stopped_at: datetime
    readings: Sequence[Reading] | None
    power_kw: Decimal | None
    energy: Decimal
    cost: Decimal
    reservation_cost: Decimal = Decimal(0)

    @property
    def use_cost(self) -> Decimal:
        """What the session itself costs."""
        return self.cost - self.reservation_cost


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: numbers as text, moments as ISO 8601 in UTC."""

    code: Code
    values: dict[str, str] = field(default_factory=dict)
    holds: bool = True

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code.value, "values": self.values, "holds": self.holds}


def findings(ended: Ended, limits: Limits) -> tuple[Finding, ...]:
    """Return all that is wrong with a session, what holds its CDR before what only warns."""
    found = [*_times(ended, limits), *_cost(ended, limits)]
    if ended.readings is not None:
        readings = sorted(ended.readings, key=lambda reading: reading.at)
        found += [*_meter(ended, readings, limits), *_energy(ended)]
    return tuple(sorted(found, key=lambda finding: not finding.holds))


def deliverable(power_kw: Decimal, duration: timedelta) -> Decimal:
    """Return the energy in kWh above which a connector of this power cannot have given it."""
    hours = Decimal(str((duration + CLOCK).total_seconds())) / 3600
    return power_kw * hours * TOLERANCE + RESOLUTION


def _times(ended: Ended, limits: Limits) -> Iterator[Finding]:
    if ended.stopped_at < ended.start:
        yield Finding(
            Code.ENDS_BEFORE_START,
            {"start": _moment(ended.start), "stopped_at": _moment(ended.stopped_at)},
            holds=ended.start - ended.stopped_at > CLOCK,
        )
    if limits.longest is not None and ended.end - ended.start > limits.longest:
        yield Finding(
            Code.TOO_LONG,
            {"hours": _hours(ended.end - ended.start), "limit": _hours(limits.longest)},
        )


def _cost(ended: Ended, limits: Limits) -> Iterator[Finding]:
    if limits.most_cost is not None and ended.cost > limits.most_cost:
        yield Finding(
            Code.TOO_EXPENSIVE, {"cost": _number(ended.cost), "limit": _number(limits.most_cost)}
        )


def _meter(ended: Ended, readings: Sequence[Reading], limits: Limits) -> Iterator[Finding]:
    yield from islice(_falls(ended, readings), MOST)
    if ended.power_kw is not None:
        yield from islice(_jumps(ended, readings, ended.power_kw), MOST)
    later = [reading for reading in readings if reading.at > ended.start]
    charged_for = ended.use_cost > 0
    if not later:
        if ended.end > ended.start:
            yield Finding(Code.NO_READINGS, holds=charged_for)
    elif limits.silence is not None and ended.end - later[-1].at > limits.silence:
        yield Finding(
            Code.SILENT_BEFORE_END,
            {"at": _moment(later[-1].at), "hours": _hours(ended.end - later[-1].at)},
            holds=charged_for,
        )


def _falls(ended: Ended, readings: Sequence[Reading]) -> Iterator[Finding]:
    for before, after in _within(ended, readings):
        if after.kwh < before.kwh:
            # A meter that was exchanged or reset begins near zero.
            restarted = after.kwh < RESOLUTION <= before.kwh
            yield Finding(
                Code.METER_RESTARTED if restarted else Code.METER_FELL,
                _step(before, after),
                holds=before.kwh - after.kwh > NOISE,
            )


def _jumps(ended: Ended, readings: Sequence[Reading], power_kw: Decimal) -> Iterator[Finding]:
    for before, after in _within(ended, readings):
        limit = deliverable(power_kw, after.at - before.at)
        if after.kwh - before.kwh > limit:
            more = {
                "kwh": _number(after.kwh - before.kwh),
                "minutes": _number(_minutes(after.at - before.at)),
                "limit": _number(limit),
                "power": _number(power_kw),
            }
            yield Finding(Code.ENERGY_JUMP, _step(before, after) | more)


def _energy(ended: Ended) -> Iterator[Finding]:
    if ended.power_kw is not None:
        limit = deliverable(ended.power_kw, ended.end - ended.start)
        if ended.energy > limit:
            yield Finding(
                Code.TOO_MUCH_ENERGY,
                {
                    "kwh": _number(ended.energy),
                    "hours": _hours(ended.end - ended.start),
                    "limit": _number(limit),
                    "power": _number(ended.power_kw),
                },
            )
    if not ended.energy:
        # Plugged in and left again is ordinary, as long as it costs nothing.
        billed = ended.use_cost > 0
        code = Code.BILLED_WITHOUT_ENERGY if billed else Code.NO_ENERGY
        yield Finding(code, {"cost": _number(ended.use_cost)} if billed else {}, holds=billed)


def _within(ended: Ended, readings: Iterable[Reading]) -> Iterator[tuple[Reading, Reading]]:
    """Yield the pairs of readings in a row that say something of the session."""
    return (
        (before, after)
        for before, after in pairwise(readings)
        if after.at > ended.start and before.at < ended.end
    )


def _step(before: Reading, after: Reading) -> dict[str, str]:
    return {
        "before_at": _moment(before.at),
        "at": _moment(after.at),
        "before": _number(before.kwh),
        "after": _number(after.kwh),
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _minutes(duration: timedelta) -> Decimal:
    return Decimal(str(duration.total_seconds())) / 60


def _hours(duration: timedelta) -> str:
    return _number(_minutes(duration) / 60)


def _number(value: Decimal) -> str:
    return f"{round(value, 4).normalize():f}"

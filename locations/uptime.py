"""How long EVSEs were up, of the statuses that they had. Pure: no database, no clock.

An EVSE is *up* while it can be used or is in use, *down* while it cannot or nobody knows. While it
is planned or removed, and before its first known status, it is not measured.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

UP = ("AVAILABLE", "CHARGING", "RESERVED", "BLOCKED")
DOWN = ("INOPERATIVE", "OUTOFORDER", "UNKNOWN")
MEASURED = (*UP, *DOWN)

# What a stretch of the timeline shows, worst first.
OUT, PARTLY, IN_USE, FREE, UNMEASURED = "out", "partly", "in_use", "free", "unmeasured"


@dataclass(frozen=True)
class Span:
    """A status that an EVSE had from `since` until `until`; aware moments."""

    status: str
    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


@dataclass(frozen=True)
class Uptime:
    """Seconds up, and seconds measured, of one EVSE or of many together."""

    up: float = 0
    measured: float = 0

    @property
    def percent(self) -> float | None:
        """Return the share of time up, 0 to 100; None where nothing was measured."""
        return 100 * self.up / self.measured if self.measured else None

    def __add__(self, other: "Uptime") -> "Uptime":
        return Uptime(self.up + other.up, self.measured + other.measured)


@dataclass(frozen=True)
class Stretch:
    """A part of a timeline that looks the same from end to end."""

    look: str
    since: datetime
    until: datetime


def spans(
    changes: Iterable[tuple[datetime, str]],
    *,
    before: str | None,
    since: datetime,
    until: datetime,
) -> list[Span]:
    """Return the statuses from `since` until `until`, in order.

    `changes` are moments, ascending, and the statuses that began then; those outside are left out.
    `before` is the status at `since`; None: it is not known until the first change.
    """
    found: list[Span] = []
    status, begin = before, since
    for at, next_status in changes:
        if at >= until:
            break
        if at > begin:
            if status is not None:
                found.append(Span(status, begin, at))
            begin = at
        status = next_status
    if status is not None and until > begin:
        found.append(Span(status, begin, until))
    return found


def uptime_of(parts: Iterable[Span]) -> Uptime:
    """Add up how long an EVSE was up, and how long it was measured."""
    up = measured = 0.0
    for part in parts:
        up += part.seconds if part.status in UP else 0
        measured += part.seconds if part.status in MEASURED else 0
    return Uptime(up, measured)


def timeline(
    parts: Sequence[Span], *, since: datetime, until: datetime, step: timedelta
) -> list[Stretch]:
    """Return how the time looked, step by step; steps that look the same are one stretch.

    So a picture has as many parts as there are steps, at most, however much an EVSE flaps.
    """
    found: list[Stretch] = []
    for begin, end, seconds in _steps(parts, since, until, step):
        look = _look(seconds)
        if found and found[-1].look == look:
            found[-1] = Stretch(look, found[-1].since, end)
        else:
            found.append(Stretch(look, begin, end))
    return found


def _steps(
    parts: Sequence[Span], since: datetime, until: datetime, step: timedelta
) -> Iterator[tuple[datetime, datetime, dict[str, float]]]:
    """Yield each step with the seconds of each status within."""
    position, begin = 0, since
    while begin < until:
        end = min(begin + step, until)
        seconds: dict[str, float] = {}
        while position < len(parts) and parts[position].since < end:
            part = parts[position]
            shared = (min(part.until, end) - max(part.since, begin)).total_seconds()
            seconds[part.status] = seconds.get(part.status, 0) + shared
            if part.until > end:
                break
            position += 1
        yield begin, end, seconds
        begin = end


def _look(seconds: dict[str, float]) -> str:
    """Return how a step looks: an outage is never hidden by what else there was."""
    down = sum(seconds.get(status, 0) for status in DOWN)
    up = sum(seconds.get(status, 0) for status in UP)
    if not up and not down:
        return UNMEASURED
    if down:
        return OUT if down > up else PARTLY
    return FREE if seconds.get("AVAILABLE", 0) * 2 >= up else IN_USE


def midnight(moment: datetime) -> datetime:
    """Return when the day of a moment began, in UTC."""
    return datetime.combine(moment.astimezone(UTC).date(), time.min, tzinfo=UTC)

"""Quiet hours. Computed with no database."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def ends_at(now: datetime, start: time | None, end: time | None, zone: str) -> datetime | None:
    """Return when the quiet hours end that `now` is in; None: it is in none.

    They may go over midnight; `end` is not quiet any more. Equal times are no hours at all.
    """
    if start is None or end is None or start == end:
        return None
    local = now.astimezone(ZoneInfo(zone))
    at = local.time().replace(tzinfo=None)
    over_midnight = start > end
    is_quiet = (at >= start or at < end) if over_midnight else start <= at < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if over_midnight and at >= start else 0)
    return datetime.combine(day, end, tzinfo=ZoneInfo(zone)).astimezone(UTC)

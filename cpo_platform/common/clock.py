"""The one place that reads the clock. Everything below the edges gets `now` passed in."""

from datetime import UTC, datetime, timedelta

RESOLUTION = timedelta(milliseconds=1)


def now() -> datetime:
    """Return the present moment, aware, in UTC, in whole milliseconds.

    Milliseconds are as fine as an OCPI DateTime of 25 characters can tell
    (OCPI 2.2.1, types, DateTime), so what is stored is what partners read.
    """
    return truncate(datetime.now(tz=UTC))


def truncate(moment: datetime) -> datetime:
    """Return `moment` in UTC, cut to whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def next_last_updated(previous: datetime | None, now: datetime) -> datetime:
    """Return a `last_updated` that is `now`, but always later than `previous`.

    Two changes within one millisecond, or a clock that was set back, must not hide a change
    from a partner that pulls by `date_from`.
    """
    now = truncate(now)
    if previous is None or now > previous:
        return now
    return truncate(previous) + RESOLUTION


def in_utc(moment: datetime) -> str:
    """Return a moment in words, such as `2026-01-31 23:59:00 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

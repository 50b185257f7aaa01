"""The days of the message log: `cpo_platform.common.partitions`, with its two tables."""

from collections.abc import Iterable
from datetime import date, datetime

from django.conf import settings

from cpo_platform.common import partitions
from cpo_platform.common.partitions import Kept, Tended

MESSAGES = "roaming_message"
BODIES = "roaming_messagebody"


def tend(*, now: datetime) -> Tended:
    """Make the days that come, and drop those that are old; bodies never after the messages."""
    days = settings.MESSAGE_LOG_DAYS
    kept = {MESSAGES: Kept(days), BODIES: Kept(min(days, settings.MESSAGE_BODY_DAYS))}
    return partitions.tend(kept, now=now)


def make_days(*, days: Iterable[date]) -> list[str]:
    """Make the partitions of these days in both tables; return the names of those made."""
    return partitions.make_days((MESSAGES, BODIES), days=days)

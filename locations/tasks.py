"""Celery's part of locations: the history of statuses, and what is made of it.

Tasks may run twice, or be lost, unharmed.
"""

import logging
from typing import Any

from celery import shared_task
from django.conf import settings

from cpo_platform.common import clock, partitions
from cpo_platform.common.locks import advisory_lock
from cpo_platform.common.partitions import MONTH, Kept
from locations import tallying

# Whoever makes totals; any number that nobody else uses.
TALLY_LOCK = 731_024_620

logger = logging.getLogger(__name__)


@shared_task(name="locations.tidy")
def tidy(**_kwargs: Any) -> None:
    """Make the months of the history that come, and drop those that are old."""
    statuses = settings.STATUS_HISTORY_MONTHS or None
    totals = settings.UPTIME_HISTORY_MONTHS or None
    kept = {
        "locations_statuschange": Kept(statuses, MONTH),
        "locations_evseuptime": Kept(totals, MONTH),
        "locations_locationuptime": Kept(totals, MONTH),
    }
    tended = partitions.tend(kept, now=clock.now())
    for name in tended.dropped:
        logger.info("dropped %s", name)


@shared_task(name="locations.tally_uptime")
def tally_uptime(**_kwargs: Any) -> None:
    """Make the totals of every day that is over and has none, the oldest first."""
    with advisory_lock(TALLY_LOCK) as taken:
        if not taken:
            return
        for day, number in tallying.tally(now=clock.now()):
            logger.info("uptime of %s: %s EVSEs", day.date(), number)

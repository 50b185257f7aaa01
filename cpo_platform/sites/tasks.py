"""Celery's part of sites: their quality, once a day for each.

Tasks may run twice, or be lost, unharmed.
"""

import logging
import time
from typing import Any

from celery import shared_task

from cpo_platform.common import broker, clock
from cpo_platform.common.locks import advisory_lock
from cpo_platform.sites import operations

# Whoever looks; any number that nobody else uses.
LOCK = 731_024_633
BATCH = 100
# How long a run keeps a worker, in seconds; the next one goes on.
TURN = 20.0

logger = logging.getLogger(__name__)


def wake() -> None:
    """Have the sites that are due looked at now; the beat does it as well, some minutes later."""
    try:
        broker.send(check_quality.apply_async, expires=300)
    except broker.Unreachable as error:
        logger.warning("looking at sites waits for the beat: %s", error)


@shared_task(name="sites.check_quality")
def check_quality(**_kwargs: Any) -> None:
    """Look at the sites that are due, a hundred at a time, for a while, and go on if there is more.

    Only one worker is on it at a time.
    """
    end, more = time.monotonic() + TURN, False
    with advisory_lock(LOCK) as alone:
        more = alone
        while more and time.monotonic() < end:
            now = clock.now()
            due = operations.due_locations(now=now, limit=BATCH)
            more = operations.check_locations(location_ids=due, now=now) > 0
    if more:
        wake()

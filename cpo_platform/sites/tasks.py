"""Celery's part of sites: their quality, once a day for each.

Tasks may run twice, or be lost, unharmed.
"""

import time
from typing import Any

from celery import shared_task

from cpo_platform.common import clock
from cpo_platform.sites import operations

BATCH = 100
# How long a run keeps a worker, in seconds; the next one goes on.
TURN = 20.0


@shared_task(name="sites.check_quality")
def check_quality(**_kwargs: Any) -> None:
    """Look at the sites that are due, some hundred at a time, for a while."""
    end = time.monotonic() + TURN
    while time.monotonic() < end:
        now = clock.now()
        due = operations.due_locations(now=now, limit=BATCH)
        if not operations.check_locations(location_ids=due, now=now):
            return

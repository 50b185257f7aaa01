"""Celery's part: rules are looked at, and people are told. Tasks may run twice, or be lost."""

import logging
from datetime import datetime
from typing import Any

from celery import shared_task

from cpo_platform.alerting import sending, watching
from cpo_platform.alerting.operations import tending
from cpo_platform.common import clock
from cpo_platform.common.locks import advisory_lock

logger = logging.getLogger(__name__)

# One of `cpo_platform.common.locks`: nobody else uses this number.
LOCK = 5_317_001
# One run delivers no more than this; the next goes on.
MOST_ROUNDS = 20


@shared_task(name="alerting.watch")
def watch(**_kwargs: Any) -> None:
    """Look at all rules, group what is wrong, and write down who is to be told."""
    with advisory_lock(LOCK) as taken:
        if taken:
            watching.watch(now=clock.now())


@shared_task(name="alerting.deliver")
def deliver(**_kwargs: Any) -> None:
    """Deliver what is due."""
    now: datetime = clock.now()
    for _round in range(MOST_ROUNDS):
        if not sending.deliver_due(now=now):
            return


@shared_task(name="alerting.tidy")
def tidy(**_kwargs: Any) -> None:
    """Forget what has been over for long."""
    tending.forget(now=clock.now())

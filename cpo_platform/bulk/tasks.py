"""Celery's part: jobs are worked on in turns. Tasks may run twice, or be lost."""

import logging
import time
from functools import partial
from typing import Any

from celery import shared_task
from django.db import transaction

from cpo_platform.bulk import operations, running
from cpo_platform.bulk.models import Job
from cpo_platform.common import broker, clock
from cpo_platform.common.locks import advisory_lock

# The first of two numbers of PostgreSQL's advisory locks: the other one is the job's.
LOCK = 531_700_203
# How long a job keeps a worker before others have their turn, in seconds.
TURN = 20.0

logger = logging.getLogger(__name__)


@shared_task(name="bulk.run")
def run(*, job_id: int, **_kwargs: Any) -> None:
    """Work on a job for a while, and come back if there is more to do.

    Only one worker is on it at a time; one that finds it taken leaves it to the other.
    """
    end = time.monotonic() + TURN
    with advisory_lock(LOCK, job_id) as alone:
        more = alone
        try:
            while more and time.monotonic() < end:
                more = running.step(job_id=job_id, clock=clock.now)
        except Job.DoesNotExist:
            more = False
    if more:
        run.delay(job_id=job_id)


def run_soon(job_id: int) -> None:
    """Have a job worked on once this transaction has committed; if not, the beat sees to it."""
    transaction.on_commit(partial(_send, job_id))


def _send(job_id: int) -> None:
    try:
        broker.send(run.apply_async, kwargs={"job_id": job_id})
    except broker.Unreachable as error:
        logger.warning("bulk change %s waits for the beat: %s", job_id, error)


@shared_task(name="bulk.tend")
def tend(**_kwargs: Any) -> None:
    """Go on with the jobs whose worker is gone."""
    for job_id in operations.stalled(now=clock.now()):
        run.delay(job_id=job_id)


@shared_task(name="bulk.tidy")
def tidy(**_kwargs: Any) -> None:
    """Delete what is older than ninety days."""
    while operations.forget(now=clock.now()):
        pass

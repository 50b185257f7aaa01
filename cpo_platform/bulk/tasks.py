"""Celery's part: lanes work on jobs, in turns. Tasks may run twice, or be lost."""

import logging
import time
from functools import partial
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction

from cpo_platform.bulk import deleting, operations, running
from cpo_platform.bulk.claiming import STRIPE
from cpo_platform.bulk.models import WORKING, Job
from cpo_platform.common import broker, clock
from cpo_platform.common.locks import advisory_lock

# The first of two numbers of PostgreSQL's advisory locks: the other one is a lane's of a job.
LOCK = 531_700_203
_LANES = 64
# How long a job keeps a worker before others have their turn, in seconds. The lanes beside the
# first one have what is left: they must not keep the last worker from what people wait for.
TURN, SHORT_TURN = 20.0, 2.0

logger = logging.getLogger(__name__)


@shared_task(name="bulk.run")
def run(*, job_id: int, lane: int = 0, begins: bool = True, **_kwargs: Any) -> None:
    """Work on a job for a while, and come back if there is more to do.

    The first lane, where it begins, starts the others: they share the rows. Only one worker is on
    a lane at a time; one that finds it taken leaves it to the other.
    """
    with advisory_lock(LOCK, (job_id * _LANES + lane) % 2**31) as alone:
        try:
            more = alone and _turn(job_id, lane, begins=begins)
        except Job.DoesNotExist:
            more = False
    if more:
        run.delay(job_id=job_id, lane=lane, begins=False)


def _turn(job_id: int, lane: int, *, begins: bool) -> bool:
    """Work for a while; return whether there is more to do."""
    end = time.monotonic() + (SHORT_TURN if lane else TURN)
    more = True
    if begins and not lane:
        # Where a job has no rows yet, this makes them: only then there is something to share.
        more = running.step(job_id=job_id, clock=clock.now)
        _start_others(job_id)
    while more and time.monotonic() < end:
        more = running.step(job_id=job_id, clock=clock.now)
    return more


def _start_others(job_id: int) -> None:
    """Start as many lanes beside the first as there are allowed, and have something to do."""
    job = Job.objects.only("state", "applied_at", "counts").get(pk=job_id)
    stripes = -(-job.waiting // STRIPE) if job.state in WORKING else 0
    for lane in range(1, min(settings.BULK_LANES, stripes, _LANES)):
        run.delay(job_id=job_id, lane=lane, begins=False)


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
    while deleting.forget(now=clock.now()):
        pass

"""Celery's part: what stations say becomes sessions and statuses; what they leave undone is seen.

Tasks may run twice, or be lost, unharmed.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction

from cpo_platform.common import acting, broker, clock, correlation, partitions
from cpo_platform.common.partitions import Kept
from cpo_platform.common.text import storable
from ocpp_gateway import publishing, watchdog
from ocpp_gateway.operations import digesting
from ocpp_gateway.operations.digesting import Due, Outcome

MESSAGES = "ocpp_gateway_stationmessage"
# How long a run keeps a worker before others have their turn, in seconds.
TURN = 10.0
# Letters of an error that staff is told.
MOST_TOLD = 300
# Nudges of one process are no closer than this: one run works through whatever there is.
NUDGE_SECONDS = 0.1

logger = logging.getLogger(__name__)

_nudged = {"at": 0.0}


@shared_task(name="ocpp_gateway.digest_news")
def digest_news(**_kwargs: Any) -> None:
    """Show what stations report, and make sessions of it, the oldest news first, for a while.

    Any number of workers may be at it: each takes what no other has.
    """
    end = time.monotonic() + TURN
    while time.monotonic() < end:
        now = clock.now()
        publishing.publish_due(now=now)
        if not _work_through(digesting.due(now=now), now, end):
            return


@shared_task(name="ocpp_gateway.tend_stations")
def tend_stations(**_kwargs: Any) -> None:
    """Show who is away as offline, and close what was left behind (`watchdog`)."""
    now = clock.now()
    grace = timedelta(seconds=settings.OCPP_OFFLINE_GRACE_SECONDS)
    publishing.show_offline(now=now, grace=grace)
    for sentence in watchdog.watch(now=now):
        logger.info("%s", sentence)


@shared_task(name="ocpp_gateway.tidy")
def tidy(**_kwargs: Any) -> None:
    """Make the days of the stations' messages that come, and drop those that are old."""
    kept = {MESSAGES: Kept(settings.OCPP_MESSAGE_DAYS)}
    tended = partitions.tend(kept, now=clock.now())
    for name in tended.dropped:
        logger.info("dropped %s", name)


def _work_through(due: list[Due], now: datetime, end: float) -> bool:
    """Digest each; return whether there was anything to do."""
    is_busy = False
    # A later one of the same outlet has to wait for what another worker has.
    left: set[int] = set()
    for one in due:
        if time.monotonic() >= end:
            break
        if one.outlet_id in left:
            continue
        outcome = _digest(one.transaction_id, now)
        if outcome is Outcome.TAKEN and one.outlet_id is not None:
            left.add(one.outlet_id)
        is_busy = is_busy or outcome in {Outcome.DONE, Outcome.WAITING}
    return is_busy


def _digest(transaction_id: int, now: datetime) -> Outcome:
    try:
        # One id from the station's transaction to what partners are sent of it.
        with acting.also("ocpp"), correlation.caused_by(f"tx-{transaction_id}"):
            return digesting.digest(transaction_id=transaction_id, now=now)
    except Exception as error:  # one that cannot be digested must not keep the others
        logger.exception("transaction %s could not be digested", transaction_id)
        why = f"{type(error).__name__}: {storable(str(error))[:MOST_TOLD]}"
    digesting.put_off(transaction_id=transaction_id, why=why, now=now)
    return Outcome.WAITING


def digest_soon() -> None:
    """Have news digested once this transaction has committed; if not, the beat sees to it."""
    transaction.on_commit(_send)


def _send() -> None:
    now = time.monotonic()
    if now < _nudged["at"] + NUDGE_SECONDS:
        return
    _nudged["at"] = now
    try:
        broker.send(digest_news.apply_async, expires=1)
    except broker.Unreachable as error:
        logger.warning("news of stations wait for the beat: %s", error)

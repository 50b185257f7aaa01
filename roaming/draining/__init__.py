"""Drain a lane of a partner's feed: read what changed, send what differs, note it, move on.

The rows are read and written between the sends, never while one is under way: no transaction is
open while we wait for a partner. One object has one request in flight, so its states arrive in
order; different objects go in parallel over kept-alive connections. A worker that is killed loses
its lease and nothing else: what was noted is not sent again, what was not is sent once more.

What is in the way of one object only does not hold up the others: it is tried again later
(`Delivery.due_at`), or set aside (`refused_at`). What is in the way of all, because the partner is
away, lets the lane rest, and is not counted against the objects. See docs/adr/0003-change-feed.md.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from cpo_platform.common import clock
from cpo_platform.common.text import storable
from roaming.draining.attendance import Attendance, Drained
from roaming.draining.notes import LeaseLost
from roaming.operations import feed

__all__ = ["Drained", "attend", "drain"]

logger = logging.getLogger(__name__)


def drain(feed_id: int) -> int:
    """Send a partner all that a lane has for it; return how many requests that took.

    Does nothing when another worker is at it, or the feed is resting.
    """
    sent = 0
    drained = Drained(has_more=True)
    while drained.has_more:
        drained = attend(feed_id)
        sent += drained.requests
    return sent


def attend(
    feed_id: int, *, wait: Callable[[], bool] | None = None, seconds: float | None = None
) -> Drained:
    """Drain under one lease, and stay as long as `wait` comes back with True: there may be more.

    After some seconds it is somebody else's turn: what is not sent by then stays in the feed.
    """
    lease = feed.lease_feed(feed_id=feed_id, now=clock.now())
    if lease is None:
        return Drained()
    drained = _attend(lease, wait, seconds)
    if feed.give_up(lease=lease):
        # Something about the partner was changed meanwhile: begin anew with that.
        return replace(drained, has_more=True)
    return drained


def _attend(lease: feed.Lease, wait: Callable[[], bool] | None, seconds: float | None) -> Drained:
    try:
        return Attendance(lease, seconds=seconds).drain(wait)
    except LeaseLost:
        return Drained()
    except Exception as error:
        # Whatever it is, the partner's page must say so: with the lease kept, the feed would
        # stand still without a word, and start again with the same error when it runs out.
        reason = f"internal error: {type(error).__name__}: {storable(str(error))}"
        feed.back_off(lease=lease, error=reason, now=clock.now())
        logger.exception("feed %s cannot be drained", lease.feed_id)
        return Drained()

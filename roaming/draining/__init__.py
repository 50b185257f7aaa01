"""Drain a lane of a partner's feed: read what changed, send what differs, note it, move on.

A drain is a coroutine. Rows are read and written between the sends, never while one is under way:
no transaction is open while we wait for a partner. So all drains of a process share one thread and
its connection to the database: see `roaming.draining.attending`.

One object has one request in flight, so its states arrive in order; different objects go in
parallel over kept-alive connections. A worker that is killed loses its lease and nothing else: what
was noted is not sent again, what was not is sent once more.

What is in the way of one object only does not hold up the others: it is tried again later
(`Delivery.due_at`), or set aside (`refused_at`). What is in the way of all, because the partner is
away, lets the lane rest, and is not counted against the objects. See docs/adr/0003-change-feed.md.
"""

import asyncio
import logging
from dataclasses import replace

from django.db import DEFAULT_DB_ALIAS, connections

from cpo_platform.common import clock
from roaming import failures
from roaming.draining import reading
from roaming.draining.attendance import Attendance, Drained
from roaming.draining.notes import LeaseLost
from roaming.draining.turns import Turn, allow_rows_in_loops
from roaming.operations import feed

__all__ = ["Drained", "Turn", "attend", "attend_alone", "drain"]

logger = logging.getLogger(__name__)


def drain(feed_id: int) -> int:
    """Send a partner all that a lane has for it; return how many requests that took.

    Does nothing when another worker is at it, or the feed is resting.
    """
    sent = 0
    drained = Drained(has_more=True)
    while drained.has_more:
        drained = attend_alone(feed_id, Turn())
        sent += drained.requests
    return sent


def attend_alone(feed_id: int, turn: Turn) -> Drained:
    """Drain under one lease, in a loop of its own: see `attend`."""
    ours = connections[DEFAULT_DB_ALIAS]

    async def run() -> Drained:
        # Within a loop, Django would make a connection of its own, for each of them.
        connections[DEFAULT_DB_ALIAS] = ours
        try:
            return await attend(feed_id, turn)
        finally:
            await reading.close()

    return asyncio.run(run())


async def attend(feed_id: int, turn: Turn) -> Drained:
    """Drain under one lease, and stay as long as the turn's `wait` comes back with True.

    After the turn it is somebody else's: what is not sent by then stays in the feed.
    """
    allow_rows_in_loops()
    lease = feed.lease_feed(feed_id=feed_id, now=clock.now())
    if lease is None:
        return Drained()
    drained = await _attend(lease, turn)
    if feed.give_up(lease=lease):
        # Something about the partner was changed meanwhile: begin anew with that.
        return replace(drained, has_more=True)
    return drained


async def _attend(lease: feed.Lease, turn: Turn) -> Drained:
    try:
        return await Attendance(lease, turn).drain()
    except LeaseLost:
        return Drained()
    except Exception as error:
        # Whatever it is, the partner's page must say so: with the lease kept, the feed would
        # stand still without a word, and start again with the same error when it runs out.
        reason = str(failures.internal(error))
        feed.back_off(lease=lease, error=reason, now=clock.now())
        logger.exception("feed %s cannot be drained", lease.feed_id)
        return Drained()

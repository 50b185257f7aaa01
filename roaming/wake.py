"""Wake the workers after a commit. Tasks are named, not imported: what wakes stays below them.

A lost wake-up loses nothing: the feed is in the database, and the beat looks as well.
"""

import logging
from functools import cache, partial
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import connection, transaction

from cpo_platform.common import broker

logger = logging.getLogger(__name__)

WAKE_FEEDS = "roaming.wake_feeds"
EXECUTE_COMMAND = "roaming.execute_command"
EXECUTE_PROFILE_REQUEST = "roaming.execute_profile_request"
PULL = "roaming.pull_partner"
CHECK_DRIFT = "roaming.check_drift"


# Set while a wake-up is on its way, so that a thousand commits a second send one message. It ends
# by itself: a wake-up that is lost with its worker must not keep the others from being sent.
FEEDS_WOKEN = "cpo:feeds-woken"
WOKEN_MILLISECONDS = 1000
REDIS_SECONDS = 0.5


def feeds() -> None:
    """Have the feeds looked at once this transaction has committed; once, however many changes."""
    waiting = any(entry[1] is _wake_feeds for entry in connection.run_on_commit)
    if not waiting:
        transaction.on_commit(_wake_feeds)


def command(command_id: int) -> None:
    """Have a command executed once this transaction has committed."""
    transaction.on_commit(partial(_send, EXECUTE_COMMAND, command_id=command_id))


def profile_request(request_id: int) -> None:
    """Have a request on a charging profile executed once this transaction has committed."""
    transaction.on_commit(partial(_send, EXECUTE_PROFILE_REQUEST, request_id=request_id))


def pull(partner_id: int) -> None:
    """Have a partner's tokens pulled once this transaction has committed."""
    transaction.on_commit(partial(_send, PULL, partner_id=partner_id))


def check_drift(check_id: int) -> None:
    """Have a drift check worked on once this transaction has committed."""
    transaction.on_commit(partial(_send, CHECK_DRIFT, check_id=check_id))


def _wake_feeds() -> None:
    try:
        is_first = _marks().set(FEEDS_WOKEN, 1, nx=True, px=WOKEN_MILLISECONDS)
    except redis.RedisError as error:
        logger.warning("%s was not sent, the beat will catch up: %s", WAKE_FEEDS, error)
        return
    if is_first:
        _send(WAKE_FEEDS)


def keep_awake() -> None:
    """Have no commit send a wake-up for a moment: somebody looks at the feeds until then."""
    try:
        _marks().set(FEEDS_WOKEN, 1, px=WOKEN_MILLISECONDS)
    except redis.RedisError as error:
        logger.debug("wake-ups are sent though somebody looks at the feeds: %s", error)


def feeds_are_awake() -> None:
    """Let the next commit send a wake-up again; called before the feeds are looked at."""
    try:
        _marks().delete(FEEDS_WOKEN)
    except redis.RedisError as error:
        logger.warning("the mark of a wake-up stays for a moment: %s", error)


@cache
def _marks() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )


def _send(task: str, **kwargs: Any) -> None:
    try:
        broker.send(partial(current_app.send_task, task), kwargs=kwargs)
    except broker.Unreachable as error:
        logger.warning("%s was not sent, the beat will catch up: %s", task, error)

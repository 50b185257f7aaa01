"""How many requests a minute: of a partner, and of an address that shows no token we know.

Counted in Redis, for all processes together, in minutes of the clock. A process takes several
requests of a partner at a time, and hands them out itself: most requests ask nobody. What it took
and did not use by the end of the minute is lost, which is a small part of what a partner may send.
Where Redis is away nobody is refused, and it is not asked again for some seconds.

Nothing grows: what is remembered here is bounded, and addresses are counted in a fixed number of
buckets. Which bucket an address has, nobody outside can tell; two in one of them share it.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from cpo_platform.common.resting import Rest
from roaming.ocpi.common.errors import TooManyRequests

logger = logging.getLogger(__name__)

MINUTE = 60
# A part of the limit that a process takes at once.
SHARES = 200
MOST_AT_ONCE = 50
BUCKETS = 65_536
MOST_REMEMBERED = 10_000
SOCKET_SECONDS = 0.1
# How long Redis is left alone after it failed.
REST_SECONDS = 5.0
PREFIX = "cpo:ocpi:limit"
# How many were refused: of partners, and of strangers.
REFUSED = f"{PREFIX}:refused"
PARTNERS, STRANGERS = "partner", "unknown"


@dataclass(slots=True)
class _Taken:
    """What this process may still hand out in a minute; `is_spent`: there is no more to take."""

    minute: int
    left: int = 0
    is_spent: bool = False


class Limiter:
    """The counts of one process."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, _Taken] = OrderedDict()
        self._lock = threading.Lock()
        self._rest = Rest(REST_SECONDS)

    def check(self, kind: str, key: str, limit: int, *, now: float) -> None:
        """Count one request; `limit` 0 means any number.

        Raises:
            TooManyRequests: there were as many in this minute already.

        """
        if not limit:
            return
        minute, second = divmod(int(now), MINUTE)
        with self._lock:
            taken = self._of(f"{kind}:{key}", minute)
            if taken.left:
                taken.left -= 1
                return
            is_spent = taken.is_spent
        if is_spent or not self._take(kind, key, limit, minute):
            self._refuse(kind)
            raise TooManyRequests(
                f"{limit} requests a minute are answered; ask again in {MINUTE - second} s",
                seconds=MINUTE - second,
            )

    def _of(self, name: str, minute: int) -> _Taken:
        taken = self._taken.get(name)
        if taken is None or taken.minute != minute:
            taken = self._taken[name] = _Taken(minute)
        self._taken.move_to_end(name)
        while len(self._taken) > MOST_REMEMBERED:
            self._taken.popitem(last=False)
        return taken

    def _take(self, kind: str, key: str, limit: int, minute: int) -> bool:
        """Take some requests for this process; tell whether there was one at least."""
        if self._rest.is_on:
            return True
        wanted = max(1, min(limit // SHARES, MOST_AT_ONCE))
        name = f"{PREFIX}:{kind}:{key}:{minute}"
        try:
            pipeline = _client().pipeline(transaction=False)
            pipeline.incrby(name, wanted)
            pipeline.expire(name, 2 * MINUTE)
            total = int(pipeline.execute()[0])
        except (redis.RedisError, OSError, ValueError) as error:
            self._leave_alone(error)
            return True
        got = wanted - max(0, total - limit)
        with self._lock:
            taken = self._of(f"{kind}:{key}", minute)
            if got <= 0:
                taken.is_spent = True
                return False
            taken.left += got - 1
        return True

    def _refuse(self, kind: str) -> None:
        if self._rest.is_on:
            return
        try:
            _client().hincrby(REFUSED, kind, 1)
        except (redis.RedisError, OSError) as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        self._rest.begin()
        logger.warning("requests are not counted for %.0f s: %s", REST_SECONDS, error)


limiter = Limiter()


def check_partner(partner_id: int) -> None:
    """Count a request of a partner.

    Raises:
        TooManyRequests: it has sent as many as it may.

    """
    limiter.check(PARTNERS, str(partner_id), settings.OCPI_REQUESTS_PER_MINUTE, now=time.time())


def check_stranger(network: str) -> None:
    """Count a request from an address (IPv6: a network) with no token that we know.

    Raises:
        TooManyRequests: it has sent as many as it may.

    """
    limiter.check(STRANGERS, _bucket(network), settings.OCPI_UNKNOWN_PER_MINUTE, now=time.time())


def refused() -> dict[str, int]:
    """Return how many were refused, by kind; empty where Redis is away."""
    kinds = (PARTNERS, STRANGERS)
    try:
        found = _client().hmget(REFUSED, kinds)
    except (redis.RedisError, OSError) as error:
        logger.warning("refused requests are not known: %s", error)
        return {}
    return {kind: int(count or 0) for kind, count in zip(kinds, found, strict=True)}


def _bucket(network: str) -> str:
    key = settings.SECRET_KEY.encode()[:64]
    found = hashlib.blake2b(network.encode(), key=key, digest_size=4).digest()
    return str(int.from_bytes(found, "big") % BUCKETS)


@cache
def _client() -> "redis.Redis":
    # One try, and not a long one: a request waits for it.
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )

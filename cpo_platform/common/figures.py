"""Figures that all processes add to: counted in memory, added up in Redis every few seconds.

So `/metrics` tells the same whichever process answers, and nothing has to be scraped behind the
load balancer. What a process counted and has not added up yet is lost with it; wiping Redis begins
anew, which Prometheus knows how to take. Where Redis is away, figures wait.

`seen` is the other half: who is alive. A process says so every few seconds, and is forgotten after
a minute of silence.
"""

import logging
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import cast

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

KEY = "cpo:figures"
ALIVE = "cpo:alive:"
FLUSH_SECONDS = 5.0
# A broker that is away must not hold up what is counted.
REDIS_SECONDS = 0.5
FORGOTTEN_AFTER = 60.0
# Upper bounds of what durations are sorted by, in seconds.
BOUNDS: tuple[float, ...] = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)
_SEPARATOR = "\x1f"
_SECONDS = "s"

Values = dict[tuple[str, ...], float]


@dataclass(frozen=True)
class Family:
    """A figure: its name in Prometheus' spelling, what it says, and what it is told apart by."""

    name: str
    text: str
    labels: tuple[str, ...]
    is_duration: bool = False


@dataclass(frozen=True)
class Figure:
    """What was counted for some labels; of durations, per bucket (the last without a bound)."""

    labels: tuple[str, ...]
    total: float
    buckets: tuple[int, ...] = ()


_lock = threading.Lock()
_counted: Counter[str] = Counter()
_seconds: dict[str, float] = {}
_flush_at = 0.0


def count(family: Family, *labels: str, flush_soon: bool = True) -> None:
    """Add one to a figure.

    `flush_soon=False` is for event loops, which must not wait for Redis: they call `flush` in a
    thread.
    """
    with _lock:
        _counted[_field(family, labels)] += 1
    if flush_soon:
        _flush_now_and_then()


def observe(family: Family, *labels: str, seconds: float, flush_soon: bool = True) -> None:
    """Add a duration to a figure; see `count`."""
    field = _field(family, labels)
    with _lock:
        _counted[f"{field}{_SEPARATOR}{bisect_left(BOUNDS, seconds)}"] += 1
        name = f"{field}{_SEPARATOR}{_SECONDS}"
        _seconds[name] = _seconds.get(name, 0.0) + seconds
    if flush_soon:
        _flush_now_and_then()


def flush() -> None:
    """Add what was counted to what all have counted."""
    global _flush_at  # noqa: PLW0603  one per process
    with _lock:
        counted, seconds = dict(_counted), dict(_seconds)
        _counted.clear()
        _seconds.clear()
        _flush_at = time.monotonic() + FLUSH_SECONDS
    if not counted:
        return
    try:
        with connected().pipeline(transaction=False) as pipe:
            for field, number in counted.items():
                pipe.hincrby(KEY, field, number)
            for field, duration in seconds.items():
                pipe.hincrbyfloat(KEY, field, duration)
            pipe.execute()
    except redis.RedisError as error:
        logger.debug("figures are added up later: %s", error)
        with _lock:
            _counted.update(counted)
            for field, duration in seconds.items():
                _seconds[field] = _seconds.get(field, 0.0) + duration


def read(families: Sequence[Family]) -> Iterator[tuple[Family, list[Figure]]]:
    """Yield what all have counted, per family.

    Raises:
        redis.RedisError: Redis does not answer.

    """
    flush()
    found: dict[str, Values] = {}
    for raw, value in cast("dict[bytes, bytes]", connected().hgetall(KEY)).items():
        name, *labels = raw.decode().split(_SEPARATOR)
        found.setdefault(name, {})[tuple(labels)] = float(value)
    for family in families:
        values = found.get(family.name, {})
        yield family, [*(_durations(values) if family.is_duration else _counts(values))]


def _counts(values: Values) -> Iterator[Figure]:
    for labels, value in sorted(values.items()):
        yield Figure(labels, value)


def _durations(values: Values) -> Iterator[Figure]:
    grouped: dict[tuple[str, ...], dict[str, float]] = {}
    for (*labels, part), value in values.items():
        grouped.setdefault(tuple(labels), {})[part] = value
    for of, parts in sorted(grouped.items()):
        buckets = tuple(int(parts.get(str(place), 0)) for place in range(len(BOUNDS) + 1))
        yield Figure(of, parts.get(_SECONDS, 0.0), buckets)


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus has them: each with all that took no longer."""
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return [(name, float(below)) for name, below in zip(names, accumulate(counts), strict=True)]


def say_alive(kind: str, name: str) -> None:
    """Say that a process of a kind is there; every ten seconds is enough."""
    now = time.time()
    try:
        with connected().pipeline(transaction=False) as pipe:
            pipe.zadd(ALIVE + kind, {name: now})
            pipe.zremrangebyscore(ALIVE + kind, 0, now - FORGOTTEN_AFTER)
            pipe.execute()
    except redis.RedisError as error:
        logger.debug("nobody hears that %s is alive: %s", name, error)


def say_gone(kind: str, name: str) -> None:
    """Say that a process ends in good order."""
    try:
        connected().zrem(ALIVE + kind, name)
    except redis.RedisError as error:
        logger.debug("nobody hears that %s ends: %s", name, error)


def alive(kind: str) -> list[str]:
    """Return the names of the processes of a kind that are there.

    Raises:
        redis.RedisError: Redis does not answer.

    """
    since = time.time() - FORGOTTEN_AFTER
    names = cast("list[bytes]", connected().zrangebyscore(ALIVE + kind, since, "+inf"))
    return sorted(name.decode() for name in names)


def _field(family: Family, labels: Sequence[str]) -> str:
    assert len(labels) == len(family.labels), family.name  # noqa: S101  ours alone
    return _SEPARATOR.join((family.name, *labels))


def _flush_now_and_then() -> None:
    if time.monotonic() >= _flush_at:
        flush()


def connected() -> "redis.Redis":
    """Return this process's client of Redis, for figures: it gives up soon."""
    return _client(settings.REDIS_URL)


@cache
def _client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )

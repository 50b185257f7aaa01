"""Django's cache in Redis, which goes on in each process by itself while Redis is away.

It holds what signing in counts. Without Redis people would be kept out just when they have to look
after it; so each process counts for itself then, and tries stay bounded by their number.
"""

import logging
from collections.abc import Callable
from typing import Any

import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from cpo_platform.common.resting import Rest

logger = logging.getLogger(__name__)

# How long Redis is left alone after it failed.
REST_SECONDS = 10.0


class PatientCache(RedisCache):
    """A `RedisCache` whose calls are answered from this process's memory where Redis is away."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._own = LocMemCache("patient", {"KEY_PREFIX": params.get("KEY_PREFIX", "")})
        self._rest = Rest(REST_SECONDS)

    def add(self, *args: Any, **options: Any) -> bool:
        return bool(self._either(super().add, self._own.add, *args, **options))

    def get(self, *args: Any, **options: Any) -> Any:
        return self._either(super().get, self._own.get, *args, **options)

    def set(self, *args: Any, **options: Any) -> None:
        self._either(super().set, self._own.set, *args, **options)

    def delete(self, *args: Any, **options: Any) -> bool:
        return bool(self._either(super().delete, self._own.delete, *args, **options))

    def clear(self) -> None:
        self._own.clear()
        self._either(super().clear, self._own.clear)

    def _either(
        self, first: Callable[..., Any], second: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        if self._rest.is_on:
            return second(*args, **options)
        try:
            return first(*args, **options)
        except redis.RedisError as error:
            self._rest.begin()
            logger.warning("Redis is away: each process counts for itself: %s", error)
            return second(*args, **options)

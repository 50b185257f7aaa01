"""How long one may be at a feed, and how to do what must not hold up the others meanwhile."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

_T = TypeVar("_T")

# For leases, turns, handshakes and questions to stations of all partners that a process serves.
_threads = ThreadPoolExecutor(16, thread_name_prefix="push-beside")


class Turn:
    """Somebody's time at a feed: `seconds` from now, or as long as there is something to send."""

    def __init__(self, *, seconds: float | None = None) -> None:
        self._ends_at = None if seconds is None else time.monotonic() + seconds

    def is_over(self) -> bool:
        return self._ends_at is not None and time.monotonic() >= self._ends_at

    async def wait(self) -> bool:
        """Wait for news, after everything was sent; False: it is time to go."""
        return False


def allow_rows_in_loops() -> None:
    """Have Django let this process read and write rows within an event loop.

    It takes that for an oversight. Here it is meant: it is a millisecond each, and threads that
    compete for the interpreter cost more.
    """
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


async def beside(operation: Callable[..., _T], **arguments: object) -> _T:
    """Run an operation beside the event loop, on a connection of its own."""

    def run() -> _T:
        try:
            return operation(**arguments)
        finally:
            connection.close()

    return await asyncio.get_running_loop().run_in_executor(_threads, run)

"""Something else that happens in the middle: on a connection of its own, between two queries."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection


def elsewhere(step: Callable[[], Any], *, seconds: float = 10) -> None:
    """Do a step on another connection, and wait until it is committed."""

    def run() -> None:
        try:
            step()
        finally:
            connection.close()

    # Not as a context: one that waits for us must not be waited for.
    executor = ThreadPoolExecutor(max_workers=1)
    done = executor.submit(run)
    executor.shutdown(wait=False)
    done.result(seconds)


def until_somebody_waits_for_a_lock(*, seconds: float = 10) -> None:
    """Wait until another connection to the database waits for a lock, such as we hold."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            # A transaction keeps what it saw of the others.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


@contextmanager
def just_before(part: str, step: Callable[[], Any]) -> Iterator[None]:
    """Do a step elsewhere, once, before the first query within that holds this piece of SQL."""
    done = False

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        nonlocal done
        if not done and part in sql:
            done = True
            elsewhere(step)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield
    assert done, f"no query has {part}"

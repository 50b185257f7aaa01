"""One at a time, across all processes: PostgreSQL's advisory locks."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def advisory_lock(*key: int) -> Iterator[bool]:
    """Hold a lock while the block runs; False: somebody else has it, and nothing is held.

    Its key is one number, or two. It belongs to the connection: a process that dies lets go of it.
    No transaction is needed.
    """
    places = ", ".join(["%s"] * len(key))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({places})", key)
        (taken,) = cursor.fetchone()
    try:
        yield taken
    finally:
        if taken:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock({places})", key)

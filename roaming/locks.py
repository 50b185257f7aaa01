"""One at a time, per partner, across all processes: PostgreSQL's advisory locks."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# What is done one at a time; any numbers that nobody else uses.
HANDSHAKE = 731_024_503
PULL = 731_024_504


@contextmanager
def partner_lock(what: int, partner_id: int) -> Iterator[bool]:
    """Hold a lock while the block runs; False: somebody else has it, and nothing is held.

    It belongs to the connection: a process that dies lets go of it. No transaction is needed.
    """
    lock = [what, partner_id % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)
        (taken,) = cursor.fetchone()
    try:
        yield taken
    finally:
        if taken:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock)

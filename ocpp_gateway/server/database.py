"""PostgreSQL from within the gateway's loop: a few connections that all stations share."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from cpo_platform.common import acting
from cpo_platform.common.acting import Actor

Row = tuple[Any, ...]
Pool = AsyncConnectionPool[psycopg.AsyncConnection[Row]]

CONNECTIONS = 6
# How long a station's message waits for a connection, in seconds.
PATIENCE = 10.0


def pool() -> Pool:
    """Return connections that are not open yet; each statement on one is a transaction."""
    settings = connection.get_connection_params()
    del settings["cursor_factory"]
    acts = f"-c {acting.SETTING}={Actor('ocpp').told()}"
    options = f"{settings.pop('options', '')} -c TimeZone=UTC {acts}"
    # Poolers in front of PostgreSQL know no prepared statements.
    settings |= {"options": options, "autocommit": True, "prepare_threshold": None}
    return AsyncConnectionPool(
        kwargs=settings,
        min_size=1,
        max_size=CONNECTIONS,
        open=False,
        timeout=PATIENCE,
        check=AsyncConnectionPool.check_connection,
    )


async def rows(pool: Pool, sql: str, params: Sequence[Any]) -> list[Row]:
    """Return the rows of a statement; [] where it returns none.

    Raises:
        psycopg.OperationalError: the database cannot be reached in time.

    """
    async with pool.connection() as one:
        cursor = await one.execute(sql.encode(), params)
        return await cursor.fetchall() if cursor.description else []

"""Rows that a drain reads again and again, without holding up those that send meanwhile.

Django's connection waits within the loop, which is right for what is written now and then. What
every lane asks for, many times a second, goes over a few connections of the loop's own. Each
statement is a transaction: it sees all that has been committed, whoever wrote it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection

CONNECTIONS = 4

Row = tuple[Any, ...]


class _Reader:
    """Connections to the database for one event loop."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[psycopg.AsyncConnection[Row]] = []

    async def rows(self, sql: str, params: Sequence[Any]) -> list[Row]:
        async with self._places:
            while True:
                kept = self._idle.pop() if self._idle else None
                one = kept or await _connect()
                try:
                    # Not as a prepared statement: poolers in front of PostgreSQL know none.
                    cursor = await one.execute(sql.encode(), params, prepare=False)
                    found = await cursor.fetchall()
                except psycopg.OperationalError:
                    await one.close()
                    if kept is None:
                        raise
                    # PostgreSQL was restarted since, most likely: reading again does no harm.
                    continue
                except BaseException:
                    await one.close()
                    raise
                self._idle.append(one)
                return found

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()


_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reader] = WeakKeyDictionary()


async def rows(sql: str, params: Sequence[Any]) -> list[Row]:
    """Return the rows of a query, in SQL of PostgreSQL's with `%s` for each parameter."""
    reader = _readers.setdefault(asyncio.get_running_loop(), _Reader())
    return await reader.rows(sql, params)


async def close() -> None:
    """Close what connections are idle in this loop; the next query opens one again."""
    reader = _readers.get(asyncio.get_running_loop())
    if reader is not None:
        await reader.close()


async def _connect() -> psycopg.AsyncConnection[Row]:
    settings = connection.get_connection_params()
    del settings["cursor_factory"]
    options = f"{settings.pop('options', '')} -c TimeZone=UTC"
    return await psycopg.AsyncConnection.connect(**settings, options=options, autocommit=True)

"""Queries that come before every answer, prepared by the database once for each connection.

Django binds parameters on the client, and the database plans each query anew; for these few that
takes as long as the query itself. They are counted and wrapped as all of Django's queries are.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connection

# Executions of a statement before it is prepared (psycopg's own default).
PREPARED_AFTER = 5


def rows(sql: str, params: Sequence[Any], *, binary: bool = False) -> list[tuple[Any, ...]]:
    """Return the rows of a query; `binary`: as PostgreSQL sends them, so that bytes are cheap.

    Not for moments: Django reads those from their text form only.
    """
    connection.ensure_connection()
    connection.close_if_health_check_failed()
    raw = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = PREPARED_AFTER
    bare: Any = psycopg.Cursor(raw)
    bare.format = psycopg.pq.Format.BINARY if binary else psycopg.pq.Format.TEXT
    with connection._prepare_cursor(bare) as cursor:  # type: ignore[attr-defined]  # noqa: SLF001
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

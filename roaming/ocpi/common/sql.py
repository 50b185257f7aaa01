"""Queries that come before every answer, prepared by the database once for each connection.

Django binds parameters on the client, and the database plans each query anew; for these few that
takes as long as the query itself. Outside a transaction, and while nobody counts or wraps queries,
they go straight to libpq: psycopg's cursors read an answer of 150 KB in some twenty steps of
Python, libpq does it in one. Otherwise they are counted and wrapped as all of Django's are.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format

# Executions of a statement before it is prepared (psycopg's own default).
PREPARED_AFTER = 5
# As psycopg: a connection does not keep more. What comes after goes by a cursor.
MOST_PREPARED = 100

_Connection = psycopg.Connection[Any]
_Statements = dict[tuple[str, tuple[int, ...]], bytes]

_statements: "WeakKeyDictionary[_Connection, _Statements]" = WeakKeyDictionary()


def rows(sql: str, params: Sequence[Any], *, binary: bool = False) -> list[tuple[Any, ...]]:
    """Return the rows of a query; `binary`: as PostgreSQL sends them, so that bytes are cheap.

    Not for moments: Django reads those from their text form only.
    """
    connection.ensure_connection()
    connection.close_if_health_check_failed()
    raw = connection.connection
    watched = connection.queries_logged or connection.execute_wrappers
    if raw.autocommit and not watched:
        statements = _statements.setdefault(raw, {})
        form = Format.BINARY if binary else 0
        with connection.wrap_database_errors:
            try:
                found = _straight(raw, statements, sql, params, form)
            except psycopg.errors.InvalidSqlStatementName:
                # With its own, psycopg lets ours go where a transaction is rolled back.
                statements.clear()
                found = _straight(raw, statements, sql, params, form)
        if found is not None:
            return found
    return _by_cursor(raw, sql, params, binary=binary)


def _straight(
    raw: _Connection, statements: _Statements, sql: str, params: Sequence[Any], form: int
) -> list[tuple[Any, ...]] | None:
    """Return the rows; None: the query is not prepared, and there is no room for another."""
    transformer = Transformer(raw)
    values = transformer.dump_sequence(params, [PyFormat.AUTO] * len(params))
    types = transformer.types or ()
    name = statements.get((sql, types))
    if name is None:
        if len(statements) >= MOST_PREPARED:
            return None
        name = f"cpo_{len(statements)}".encode()
        result = raw.pgconn.prepare(name, _numbered(sql), types)
        _check(raw, result, ExecStatus.COMMAND_OK)
        statements[sql, types] = name
    result = raw.pgconn.exec_prepared(name, values, transformer.formats, form)  # type: ignore[arg-type]  # None is SQL NULL
    _check(raw, result, ExecStatus.TUPLES_OK)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


@lru_cache(maxsize=1000)
def _numbered(sql: str) -> bytes:
    """Return a query with `$1` for its first `%s`, as PostgreSQL counts parameters."""
    first, *others = sql.split("%s")
    numbered = "".join(f"${place}{part}" for place, part in enumerate(others, start=1))
    return (first + numbered).replace("%%", "%").encode()


def _check(raw: _Connection, result: Any, wanted: ExecStatus) -> None:
    if result.status == wanted:
        return
    if raw.pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError(raw.pgconn.get_error_message())
    raise psycopg.errors.error_from_result(result)


def _by_cursor(
    raw: _Connection, sql: str, params: Sequence[Any], *, binary: bool
) -> list[tuple[Any, ...]]:
    if raw.prepare_threshold is None:
        raw.prepare_threshold = PREPARED_AFTER
    bare: Any = psycopg.Cursor(raw)
    bare.format = Format.BINARY if binary else Format.TEXT
    with connection._prepare_cursor(bare) as cursor:  # type: ignore[attr-defined]  # noqa: SLF001
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

"""Who acts, and by which way: told to the database, whose triggers write it beside each change.

An edge says it once for all that it is about to do: `with acting.by("ocpi", name="Example eMSP"):`.
Before the first statement that writes, the database is told, in the setting `cpo.audit`; reading
costs nothing. Where a scope is within another, the inner one counts.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.pq import TransactionStatus

from cpo_platform.common.text import storable

# Read by the triggers of `cpo_platform.audit`.
SETTING = "cpo.audit"
LONGEST_NAME, LONGEST_WHAT, LONGEST_ID = 150, 300, 64
# What a statement begins with that changes no row. All others are told of: once too often is cheap.
_READS = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "DECLARE", "FETCH", "CLOSE", "SET ")


@dataclass(frozen=True)
class Actor:
    """Who acts: the way, what is called (a path, a task, a command), the name of who does it.

    `way` comes first in the text that the triggers see: some of them look at nothing else.
    """

    way: str = ""
    what: str = ""
    name: str = ""
    user_id: int | None = None
    request_id: str = ""

    def told(self) -> str:
        """Return the text that the database is told."""
        fields = asdict(self) | {
            "name": storable(self.name)[:LONGEST_NAME],
            "what": storable(self.what)[:LONGEST_WHAT],
            "request_id": storable(self.request_id)[:LONGEST_ID],
        }
        return json.dumps(fields, separators=(",", ":"))


Find = Callable[[], Actor]
_finding: ContextVar[Find | None] = ContextVar("acting", default=None)


def current() -> Actor | None:
    """Return who acts now; None outside of every scope."""
    find = _finding.get()
    return None if find is None else find()


@contextmanager
def by(way: str, *, what: str = "", name: str = "", request_id: str = "") -> Iterator[None]:
    """Have what is written in the block recorded as done by this way."""
    actor = Actor(way, what, name, None, request_id)
    with as_found(lambda: actor):
        yield


@contextmanager
def also(way: str) -> Iterator[None]:
    """Have what is written in the block recorded as done by this way, by whoever acts already."""
    outer = _finding.get()
    with as_found(lambda: replace(outer() if outer else Actor(), way=way)):
        yield


@contextmanager
def as_found(find: Find) -> Iterator[None]:
    """Have what is written in the block recorded as done by whom `find` names then.

    It is asked at each write: who signs in is somebody only after that.
    """
    token = _finding.set(find)
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        if any(isinstance(wrapper, _Teller) for wrapper in connection.execute_wrappers):
            yield
            return
        teller = _Teller(connection)
        with connection.execute_wrapper(teller):
            try:
                yield
            finally:
                teller.be_silent()
    finally:
        _finding.reset(token)


class _Teller:
    """Tells the database before it writes, on one thread's connection, while a scope lasts.

    Within a transaction it is told for that transaction only: nothing is left when it ends. Where
    each statement is a transaction, it is told for the connection, until the end of the scope.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # The driver's connection, the transaction, and what was told: another one knows nothing.
        self._told: tuple[Any, Any, str] | None = None
        self._told_for_long: Any = None

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,  # noqa: FBT001  Django's signature
        context: Any,
    ) -> Any:
        if _writes(sql):
            self._tell()
        return execute(sql, params, many, context)

    def be_silent(self) -> None:
        """Have the database forget who acts, where it would still know."""
        told, self._told = self._told, None
        if self._told_for_long is not None and self._told_for_long is self._connection.connection:
            self._set("", local=False)
        elif told is not None and self._connection.in_atomic_block and self._is_here(told):
            self._set("", local=True)

    def _tell(self) -> None:
        find = _finding.get()
        if find is None:
            return
        text = find().told()
        if self._told is not None and self._told[2] == text and self._is_here(self._told):
            return
        local = self._connection.in_atomic_block
        self._set(text, local=local)
        self._told = (*self._place(), text)
        if not local:
            self._told_for_long = self._connection.connection

    def _is_here(self, told: tuple[Any, Any, str]) -> bool:
        """Compare by identity: an empty list is equal to that of another transaction."""
        connection, transaction = self._place()
        return told[0] is connection and told[1] is transaction

    def _place(self) -> tuple[Any, Any]:
        """Return the driver's connection, and what stands for the transaction.

        Django begins another list of what to do after a commit whenever a transaction, or a
        savepoint, is over: then the database has forgotten what it was told within.
        """
        connection = self._connection
        return (
            connection.connection,
            connection.run_on_commit if connection.in_atomic_block else None,
        )

    def _set(self, text: str, *, local: bool) -> None:
        """Set it past Django: this is no query of whoever counts queries."""
        raw = self._connection.connection
        if raw.closed or raw.info.transaction_status == TransactionStatus.INERROR:
            return  # what was told goes when the transaction is undone
        try:
            with raw.cursor() as cursor:
                cursor.execute("SELECT set_config(%s, %s, %s)", [SETTING, text, local])
        except psycopg.OperationalError:
            # A connection that is lost knows nothing any more; whoever writes next will notice.
            self._told_for_long = None


def _writes(sql: Any) -> bool:
    return not (isinstance(sql, str) and sql[:40].lstrip(" \n(").upper().startswith(_READS))

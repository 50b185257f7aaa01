"""Everything the eMSP remembers: one SQLite file, one connection, one lock."""

import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from sandbox.emsp.wire import Json, date_time, utc_now

KEPT_MESSAGES = 1000
KEPT_VIOLATIONS = 5000
KEPT_COMMANDS = 1000
MAX_LOGGED = 20_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    module TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    last_updated TEXT NOT NULL,
    UNIQUE (module, key)
);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_kind ON records (kind, number);
"""
_LIMITS = {"messages": KEPT_MESSAGES, "violations": KEPT_VIOLATIONS}
_PRUNE_EVERY = 100


def object_key(*parts: str) -> str:
    """Join the parts of an identity; ids are CiStrings, so the key is in lower case."""
    return "/".join(parts).lower()


def _matching(module: str, containing: str) -> tuple[str, tuple[str, ...]]:
    if not containing:
        return "module = ?", (module,)
    return "module = ? AND instr(lower(CAST(body AS TEXT)), ?)", (module, containing.lower())


class Store:
    """Keep state, objects, messages and violations; safe to use from several threads.

    Durability is traded for speed (WAL, no fsync): a killed process keeps its data, a power cut
    may lose the last messages.
    """

    def __init__(self, database: str) -> None:
        if database != ":memory:":
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._changes = 0
        self._db = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; every later call raises sqlite3.ProgrammingError."""
        with self._lock:
            self._db.close()

    @property
    def changes(self) -> int:
        """Count the writes so far: the value to hand to `wait_for_change`."""
        with self._lock:
            return self._changes

    def wait_for_change(self, seen: int, timeout: float) -> bool:
        """Block until something is written after `seen`; answer False on a timeout (seconds)."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._changes == seen:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def _write(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        with self._changed:
            cursor = self._db.execute(statement, values)
            self._changes += 1
            self._changed.notify_all()
            return cursor

    def _read(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def state(self, key: str) -> Any:
        """Read one named value, or None."""
        rows = self._read("SELECT value FROM state WHERE key = ?", (key,))
        return orjson.loads(rows[0][0]) if rows else None

    def set_state(self, key: str, value: Any) -> None:
        """Write one named value."""
        self._write(
            "INSERT INTO state VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, orjson.dumps(value)),
        )

    def get(self, module: str, key: str) -> Json | None:
        """Read one object, or None."""
        rows = self._read("SELECT body FROM objects WHERE module = ? AND key = ?", (module, key))
        return orjson.loads(rows[0][0]) if rows else None

    def put(self, module: str, key: str, body: Json) -> None:
        """Insert or replace one object; its place in the list stays the one of its creation."""
        self._write(
            "INSERT INTO objects (module, key, body, last_updated) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (module, key) DO UPDATE SET body = excluded.body,"
            " last_updated = excluded.last_updated",
            (module, key, orjson.dumps(body), str(body.get("last_updated", ""))),
        )

    def delete(self, module: str, key: str) -> bool:
        """Remove one object; answer whether it was there."""
        cursor = self._write("DELETE FROM objects WHERE module = ? AND key = ?", (module, key))
        return cursor.rowcount > 0

    def keys(self, module: str) -> set[str]:
        """Return the keys of all objects of a module."""
        return {row[0] for row in self._read("SELECT key FROM objects WHERE module = ?", (module,))}

    def objects(
        self,
        module: str,
        *,
        limit: int = -1,
        offset: int = 0,
        newest_first: bool = False,
        containing: str = "",
    ) -> list[Json]:
        """List objects in the order of creation; `containing` searches the text of the body."""
        where, values = _matching(module, containing)
        order = "DESC" if newest_first else "ASC"
        rows = self._read(
            f"SELECT body FROM objects WHERE {where} ORDER BY number {order} LIMIT ? OFFSET ?",  # noqa: S608 - constants only
            (*values, limit, offset),
        )
        return [orjson.loads(row[0]) for row in rows]

    def count(self, module: str, *, containing: str = "") -> int:
        """Count the objects `objects` would list without a limit."""
        where, values = _matching(module, containing)
        return int(self._read(f"SELECT count(*) FROM objects WHERE {where}", values)[0][0])  # noqa: S608 - constants only

    def mentions(self, module: str, text: str) -> bool:
        """Answer whether the body of any object of the module holds the JSON string `text`."""
        quoted = orjson.dumps(text).decode().lower()
        rows = self._read(
            "SELECT 1 FROM objects WHERE module = ?"
            " AND instr(lower(CAST(body AS TEXT)), ?) LIMIT 1",
            (module, quoted),
        )
        return bool(rows)

    def record(self, kind: str, body: Json) -> None:
        """Append to a bounded log (`messages` or `violations`)."""
        body = {"at": date_time(utc_now()), **body}
        cursor = self._write(
            "INSERT INTO records (kind, body) VALUES (?, ?)", (kind, orjson.dumps(body))
        )
        number = cursor.lastrowid or 0
        if number % _PRUNE_EVERY == 0:
            self._prune(kind)

    def _prune(self, kind: str) -> None:
        self._write(
            "DELETE FROM records WHERE kind = ? AND number <= (SELECT number FROM records"
            " WHERE kind = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (kind, kind, _LIMITS[kind]),
        )

    def records(self, kind: str, *, limit: int = -1) -> list[Json]:
        """Read a log, newest first."""
        rows = self._read(
            "SELECT number, body FROM records WHERE kind = ? ORDER BY number DESC LIMIT ?",
            (kind, limit),
        )
        return [{"number": number, **orjson.loads(body)} for number, body in rows]

    def count_records(self, kind: str) -> int:
        """Count the entries of a log."""
        return int(self._read("SELECT count(*) FROM records WHERE kind = ?", (kind,))[0][0])

    def add_command(self, command: Json) -> None:
        """Keep one command by its `id`; only the newest KEPT_COMMANDS are kept."""
        self._put_bounded("commands", command["id"], command)

    def add_reference(self, reference: str) -> None:
        """Keep an authorization_reference we gave out; only the newest ones are kept."""
        self._put_bounded("references", reference, {"reference": reference})

    def _put_bounded(self, module: str, name: str, body: Json) -> None:
        self.put(module, object_key(name), body)
        self._write(
            "DELETE FROM objects WHERE module = ? AND number <= (SELECT number FROM objects"
            " WHERE module = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (module, module, KEPT_COMMANDS),
        )

    def add_profile_request(self, request: Json) -> None:
        """Keep one request about a charging profile by its `id`; only the newest are kept."""
        self._put_bounded("profiles", request["id"], request)

    def drop(self, modules: Iterable[str]) -> None:
        """Drop all objects of these modules."""
        for module in modules:
            self._write("DELETE FROM objects WHERE module = ?", (module,))

    def forget(self, modules: Iterable[str]) -> None:
        """Drop all objects of these modules and both logs."""
        self.drop(modules)
        self._write("DELETE FROM records", ())

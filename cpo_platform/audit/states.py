"""What a row was at a moment, told from its entries."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from cpo_platform.audit.audited import Audited, Chain, audited, by_table
from cpo_platform.audit.models import Action, Entry

# As the triggers write it.
SECRET = "…"  # noqa: S105  no secret: what stands for one

Row = dict[str, Any]
# Parts of one kind that are looked at, and entries of an object with its parts.
MOST_PARTS = 200
MOST_ENTRIES = 5000


@dataclass(frozen=True)
class State:
    """A row then and now; None where it was not there yet, or is there no more."""

    table: str
    key: str
    then: Row | None
    now: Row | None

    @property
    def columns(self) -> list[str]:
        """Return the columns of either."""
        return list({**(self.now or {}), **(self.then or {})})

    def differs(self, column: str) -> bool:
        return (self.then or {}).get(column) != (self.now or {}).get(column)


def state_of(one: Audited, key: str, at: datetime) -> State:
    """Return a row as it was at a moment, and as it is. Three queries."""
    of_row = Entry.objects.filter(table=one.table, key=key).exclude(action=Action.ACT)
    last = of_row.filter(at__lte=at).order_by("-at", "-id").first()
    first = None if last else of_row.filter(at__gt=at).order_by("at", "id").first()
    now = next(iter(_present(one, [((one.key, one.table),)], key)), None)
    entries = [entry for entry in (last, first) if entry]
    return State(one.table, key, _then(entries, now, at), now)


def parts_of(one: Audited, key: str, at: datetime) -> list[State]:
    """Return the parts that an object had at a moment, or has. A query for each kind of part."""
    entries: dict[tuple[str, str], list[Entry]] = {}
    found = Entry.objects.filter(objects_changed__contains=[f"{one.table}:{key}"])
    found = found.exclude(action=Action.ACT)
    for entry in reversed(list(found.order_by("-at", "-id")[:MOST_ENTRIES])):
        entries.setdefault((entry.table, entry.key), []).append(entry)
    present = {
        (part.table, str(row[part.key])): row
        for part in audited()
        if (chains := [chain for chain in part.parts_of if _end(chain) == one.table])
        for row in _present(part, chains, key)
    }
    keys = {each: None for each in (*present, *entries) if each != (one.table, key)}
    states = (
        State(*each, _then(entries.get(each, ()), present.get(each), at), present.get(each))
        for each in keys
        if each[0] in by_table()
    )
    return [state for state in states if state.then is not None or state.now is not None]


def _then(entries: Sequence[Entry], now: Row | None, at: datetime) -> Row | None:
    """Return the row at a moment: after its last entry until then, or before the first since."""
    last = next((entry for entry in reversed(entries) if entry.at <= at), None)
    if last is not None:
        return None if last.action == Action.DELETE else last.row
    if not entries:
        return now
    first = entries[0]
    return None if first.action == Action.INSERT else {**first.row, **(first.before or {})}


def _end(chain: Chain) -> str:
    return chain[-1][1]


def _present(one: Audited, chains: Sequence[Chain], key: str) -> list[Row]:
    """Return the rows of a table whose chains lead to an object, as the audit keeps rows."""
    conditions = sql.SQL(" OR ").join(_leads_to(chain) for chain in chains)
    hidden = [*one.unkept, *one.by_hand]
    statement = sql.SQL(
        "SELECT to_jsonb(part) - %s::text[] FROM {table} AS part WHERE {conditions}"
        " ORDER BY {key} LIMIT %s"
    ).format(table=sql.Identifier(one.table), conditions=conditions, key=sql.Identifier(one.key))
    with connection.cursor() as cursor:
        cursor.execute(statement, [hidden, *([key] * len(chains)), MOST_PARTS])
        rows = [json.loads(row) for (row,) in cursor.fetchall()]
    return [_without_secrets(one, row) for row in rows]


def _leads_to(chain: Chain) -> sql.Composed:
    """Return the condition that a chain of foreign keys ends at an object."""
    (column, _table), *further = chain
    if not further:
        return sql.SQL("{column}::text = %s").format(column=sql.Identifier(column))
    return sql.SQL("{column} IN (SELECT id FROM {table} WHERE {condition})").format(
        column=sql.Identifier(column),
        table=sql.Identifier(_table),
        condition=_leads_to(tuple(further)),
    )


def _without_secrets(one: Audited, row: Row) -> Row:
    return {
        column: SECRET if column in one.secrets and value else value
        for column, value in row.items()
    }

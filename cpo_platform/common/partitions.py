"""Tables with a partition a day: the days are made ahead, and dropped when they are old.

Such a table is partitioned by `at` (UTC) and has a partition for everything else, named
`{table}_default`, so that nothing that is written ever fails for want of a day; `tend` moves what
went there to where it belongs. See docs/adr/0015-message-log.md.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import OperationalError, connection, transaction
from psycopg import sql
from psycopg.errors import LockNotAvailable

DAYS_AHEAD = 3
# Whoever makes or drops days; any number that nobody else uses.
DAYS_LOCK = 731_024_505
# Others wait behind us while we wait for a lock: rather again in an hour.
LOCK_TIMEOUT = "2s"
# Days that are moved out of the default partition, and rows that are deleted from it, at a time.
MOST_STRAYED_DAYS = 40
MOST_DELETED = 10_000

_DAY = re.compile(r"_p(\d{8})\Z")


@dataclass(frozen=True)
class Tended:
    """What `tend` has made and dropped, by name of partition."""

    made: list[str]
    dropped: list[str]


def tend(days_kept: Mapping[str, int], *, now: datetime) -> Tended:
    """Make the days that come, and drop those that are old; each in a transaction of its own.

    `days_kept` tells how many days before today each table keeps. What is in use for longer than
    `LOCK_TIMEOUT` is left to the next time.
    """
    today = now.date()
    coming = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    made = make_days(days_kept, days=coming)
    dropped: list[str] = []
    for parent, days in days_kept.items():
        first_kept = today - timedelta(days=days)
        made += _settle_strays(parent, first_kept)
        dropped += _drop_old(parent, first_kept)
    return Tended(made, dropped)


def make_days(tables: Iterable[str], *, days: Iterable[date]) -> list[str]:
    """Make the partitions of these days in these tables, where there are none; return their names.

    Rows of such a day that are in the default partition are moved.
    """
    made = [_make_day(parent, day) for day in days for parent in tables]
    return [name for name in made if name]


def _make_day(parent: str, day: date) -> str:
    """Return the name of the partition that was made; "" where there is one, or no lock.

    CREATE TABLE … PARTITION OF would lock out whoever reads or writes the log; ATTACH locks out
    only those of the default partition.
    """
    name = f"{parent}_p{day:%Y%m%d}"
    names = {
        "parent": sql.Identifier(parent),
        "day": sql.Identifier(name),
        "default": sql.Identifier(f"{parent}_default"),
        "begin": sql.Literal(f"{day:%Y-%m-%d} 00:00:00+00"),
        "end": sql.Literal(f"{day + timedelta(days=1):%Y-%m-%d} 00:00:00+00"),
    }
    if _exists(name):
        return ""
    try:
        with transaction.atomic():
            _lock()
            if _exists(name):
                return ""
            for statement in _MAKE_DAY:
                _run(statement, **names)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return ""
        raise
    return name


_MAKE_DAY = (
    "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE {day} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "WITH strayed AS (DELETE FROM {default} WHERE at >= {begin} AND at < {end} RETURNING *) "
    "INSERT INTO {day} SELECT * FROM strayed",
    # The indexes of the parent are made by this.
    "ALTER TABLE {parent} ATTACH PARTITION {day} FOR VALUES FROM ({begin}) TO ({end})",
)


def _settle_strays(parent: str, first_kept: date) -> list[str]:
    """Give what is in the default partition its days; delete there what is too old for one.

    It is empty unless nobody tended the log for days: then this is the only DELETE of the log.
    """
    default = sql.Identifier(f"{parent}_default")
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM {default} ORDER BY 1 LIMIT %s"
            ).format(default=default),
            [MOST_STRAYED_DAYS],
        )
        days = [day for (day,) in cursor.fetchall()]
        if days and days[0] < first_kept:
            cursor.execute(
                sql.SQL(
                    "DELETE FROM {default} WHERE ctid = ANY(ARRAY("
                    "SELECT ctid FROM {default} WHERE at < %s LIMIT %s))"
                ).format(default=default),
                [f"{first_kept:%Y-%m-%d} 00:00:00+00", MOST_DELETED],
            )
    made = [_make_day(parent, day) for day in days if day >= first_kept]
    return [name for name in made if name]


def _drop_old(parent: str, first_kept: date) -> list[str]:
    """Drop the days before the first that is kept; return their names, oldest first.

    First DETACH, which locks the log for a moment only, then DROP, which may take its time. A day
    that was detached when we were killed is found again by its name.
    """
    dropped: list[str] = []
    for name, attached in _days_of(parent):
        if _day_of(name) >= first_kept:
            break
        try:
            if attached:
                _alter("ALTER TABLE {parent} DETACH PARTITION {day}", parent, name)
            _alter("DROP TABLE IF EXISTS {day}", parent, name)
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                break
            raise
        dropped.append(name)
    return dropped


def _alter(statement: str, parent: str, name: str) -> None:
    with transaction.atomic():
        _lock()
        _run(statement, parent=sql.Identifier(parent), day=sql.Identifier(name))


def _day_of(name: str) -> date:
    found = _DAY.search(name)
    assert found is not None, name  # noqa: S101  it was asked for by this pattern
    return date(int(found[1][:4]), int(found[1][4:6]), int(found[1][6:]))


def _days_of(parent: str) -> list[tuple[str, bool]]:
    """Return the partitions of days, oldest first, and whether they are attached."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relispartition FROM pg_class WHERE relkind = 'r' AND relname ~ %s"
            " AND relnamespace = current_schema()::regnamespace ORDER BY relname",
            [rf"^{parent}_p\d{{8}}$"],
        )
        return [(str(name), bool(attached)) for name, attached in cursor.fetchall()]


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        return bool(cursor.fetchone()[0])


def _lock() -> None:
    """Be the only one at it until the end of the transaction, and wait for nobody for long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [DAYS_LOCK])


def _run(statement: str, **names: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(**names))

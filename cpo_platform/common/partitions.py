"""Tables with a partition a day, or a month: made ahead, and dropped when they are old.

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

# Whoever makes or drops days; any number that nobody else uses.
DAYS_LOCK = 731_024_505
# Others wait behind us while we wait for a lock: rather again in an hour.
LOCK_TIMEOUT = "2s"
# Spans that are moved out of the default partition, and rows that are deleted from it, at a time.
MOST_STRAYED = 40
MOST_DELETED = 10_000
# Set while rows are moved: a table whose rows cannot be deleted lets them go to where they belong.
MOVING = "cpo.moving_partitions"

_SPAN = re.compile(r"_p(\d{6})(\d{2})?\Z")


@dataclass(frozen=True)
class Unit:
    """How long a partition is: the name that PostgreSQL has for it, that of its tables."""

    name: str
    suffix: str
    digits: int
    ahead: int

    def begin(self, day: date) -> date:
        """Return the first day of the span that a day is in."""
        return day.replace(day=1) if self.name == "month" else day

    def moved(self, day: date, by: int) -> date:
        """Return the first day of the span that is so many after that of a day, or before it."""
        if self.name == "day":
            return day + timedelta(days=by)
        months = day.year * 12 + day.month - 1 + by
        return date(months // 12, months % 12 + 1, 1)


DAY = Unit("day", "%Y%m%d", digits=8, ahead=3)
MONTH = Unit("month", "%Y%m", digits=6, ahead=2)


@dataclass(frozen=True)
class Kept:
    """How many spans before the present one a table keeps; None: all."""

    count: int | None
    unit: Unit = DAY

    def first(self, today: date) -> date:
        """Return the first day that is kept."""
        if self.count is None:
            return date.min
        return self.unit.moved(self.unit.begin(today), -self.count)


@dataclass(frozen=True)
class Tended:
    """What `tend` has made and dropped, by name of partition."""

    made: list[str]
    dropped: list[str]


def tend(kept: Mapping[str, Kept], *, now: datetime) -> Tended:
    """Make the spans that come, and drop those that are old; each in a transaction of its own.

    `kept` tells how much each table keeps. What is in use for longer than `LOCK_TIMEOUT` is left
    to the next time.
    """
    today = now.date()
    made: list[str] = []
    dropped: list[str] = []
    for parent, how in kept.items():
        unit, first_kept = how.unit, how.first(today)
        begins = [unit.moved(unit.begin(today), ahead) for ahead in range(unit.ahead + 1)]
        made += [name for begin in begins if (name := _make(parent, unit, begin))]
        made += _settle_strays(parent, unit, first_kept)
        dropped += _drop_old(parent, unit, first_kept)
    return Tended(made, dropped)


def make_days(tables: Iterable[str], *, days: Iterable[date]) -> list[str]:
    """Make the partitions of these days in these tables, where there are none; return their names.

    Rows of such a day that are in the default partition are moved.
    """
    made = [_make(parent, DAY, day) for day in days for parent in tables]
    return [name for name in made if name]


def guard(parent: str, *, trigger: str, function: str) -> list[str]:
    """Let each partition call `function` before it is truncated by itself; return the new ones.

    A trigger of statements is asked of the table that is named only, and partitions inherit none.
    One that is in use for longer than `LOCK_TIMEOUT` is left to the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = to_regclass(%s) AND NOT EXISTS (SELECT FROM pg_trigger"
            " WHERE tgrelid = inhrelid AND tgname = %s) ORDER BY relname",
            [parent, trigger],
        )
        bare = [str(name) for (name,) in cursor.fetchall()]
    names = {"trigger": sql.Identifier(trigger), "function": sql.Identifier(function)}
    statement = (
        "CREATE OR REPLACE TRIGGER {trigger} BEFORE TRUNCATE ON {span}"
        " FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )
    return [name for name in bare if _is_done(statement, span=sql.Identifier(name), **names)]


def _is_done(statement: str, **names: sql.Composable) -> bool:
    """Run a statement; tell whether its lock was to be had."""
    try:
        with transaction.atomic():
            _lock()
            _run(statement, **names)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return False
        raise
    return True


def _make(parent: str, unit: Unit, begin: date) -> str:
    """Return the name of the partition that was made; "" where there is one, or no lock.

    CREATE TABLE … PARTITION OF would lock out whoever reads or writes the log; ATTACH locks out
    only those of the default partition.
    """
    name = f"{parent}_p{begin.strftime(unit.suffix)}"
    names = {
        "parent": sql.Identifier(parent),
        "span": sql.Identifier(name),
        "default": sql.Identifier(f"{parent}_default"),
        "moving": sql.Literal(MOVING),
        "begin": sql.Literal(_moment(begin)),
        "end": sql.Literal(_moment(unit.moved(begin, 1))),
    }
    if _exists(name):
        return ""
    try:
        with transaction.atomic():
            _lock()
            if _exists(name):
                return ""
            for statement in _MAKE:
                _run(statement, **names)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            return ""
        raise
    return name


_MAKE = (
    "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE {span} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "SELECT set_config({moving}, 'on', true)",
    "WITH strayed AS (DELETE FROM {default} WHERE at >= {begin} AND at < {end} RETURNING *) "
    "INSERT INTO {span} SELECT * FROM strayed",
    "SELECT set_config({moving}, '', true)",
    # The indexes and triggers of the parent are made by this.
    "ALTER TABLE {parent} ATTACH PARTITION {span} FOR VALUES FROM ({begin}) TO ({end})",
)


def _moment(day: date) -> str:
    return f"{day.isoformat()} 00:00:00+00"


def _settle_strays(parent: str, unit: Unit, first_kept: date) -> list[str]:
    """Give what is in the default partition its spans; delete there what is too old for one.

    It is empty unless nobody tended the log for days: then this is the only DELETE of the log.
    """
    default = sql.Identifier(f"{parent}_default")
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT DISTINCT date_trunc({unit}, at AT TIME ZONE 'UTC')::date FROM {default}"
                " ORDER BY 1 LIMIT %s"
            ).format(default=default, unit=sql.Literal(unit.name)),
            [MOST_STRAYED],
        )
        begins = [begin for (begin,) in cursor.fetchall()]
    if begins and begins[0] < first_kept:
        _delete_strays(default, first_kept)
    made = [_make(parent, unit, begin) for begin in begins if begin >= first_kept]
    return [name for name in made if name]


def _delete_strays(default: sql.Identifier, first_kept: date) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', true)", [MOVING])
        cursor.execute(
            sql.SQL(
                "DELETE FROM {default} WHERE ctid = ANY(ARRAY("
                "SELECT ctid FROM {default} WHERE at < %s LIMIT %s))"
            ).format(default=default),
            [_moment(first_kept), MOST_DELETED],
        )
        cursor.execute("SELECT set_config(%s, '', true)", [MOVING])


def _drop_old(parent: str, unit: Unit, first_kept: date) -> list[str]:
    """Drop the spans before the first that is kept; return their names, oldest first.

    First DETACH, which locks the log for a moment only, then DROP, which may take its time. A span
    that was detached when we were killed is found again by its name.
    """
    dropped: list[str] = []
    for name, attached in _spans_of(parent, unit):
        if _begin_of(name) >= first_kept:
            break
        try:
            if attached:
                _alter("ALTER TABLE {parent} DETACH PARTITION {span}", parent, name)
            _alter("DROP TABLE IF EXISTS {span}", parent, name)
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                break
            raise
        dropped.append(name)
    return dropped


def _alter(statement: str, parent: str, name: str) -> None:
    with transaction.atomic():
        _lock()
        _run(statement, parent=sql.Identifier(parent), span=sql.Identifier(name))


def _begin_of(name: str) -> date:
    found = _SPAN.search(name)
    assert found is not None, name  # noqa: S101  it was asked for by this pattern
    return date(int(found[1][:4]), int(found[1][4:]), int(found[2] or 1))


def _spans_of(parent: str, unit: Unit) -> list[tuple[str, bool]]:
    """Return the partitions of spans, oldest first, and whether they are attached."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relispartition FROM pg_class WHERE relkind = 'r' AND relname ~ %s"
            " AND relnamespace = current_schema()::regnamespace ORDER BY relname",
            [rf"^{parent}_p\d{{{unit.digits}}}$"],
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

"""The database of a test run: migrated once for all its processes, emptied after each test."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.base.creation import BaseDatabaseCreation
from django.test import TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

MADE_BY_MIGRATIONS = frozenset(
    [
        *("django_content_type", "auth_permission", "auth_group", "auth_group_permissions"),
        *("staff_rolegroup", "upkeep_schedule", "django_celery_beat_periodictask"),
        *("django_celery_beat_periodictasks", "django_celery_beat_intervalschedule"),
        "django_celery_beat_crontabschedule",
    ]
)


@contextmanager
def migrated_once(shared: Path, blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the first process of a run migrate a test database, and the others copy it.

    `shared` is a directory of all of them. What they copy is a copy itself: PostgreSQL wants nobody
    to be connected to it. Who made it removes it; who comes later than that migrates on its own.
    """
    made = shared / "migrated"
    migrate = BaseDatabaseCreation.create_test_db
    ours = False

    def create(creation: Any, verbosity: int, autoclobber: bool, **options: Any) -> str:  # noqa: FBT001  Django's signature
        nonlocal ours
        with _locked(shared):
            if made.exists():
                return _copy(made.read_text(), creation, verbosity, autoclobber=autoclobber)
            name = migrate(creation, verbosity, autoclobber, **options)
            connection.close()
            # `test_cpo_gw0` is copied as `test_cpo_migrated`.
            template = f"{name.rpartition('_')[0]}_migrated"
            _execute(f'DROP DATABASE IF EXISTS "{template}"')
            _execute(f'CREATE DATABASE "{template}" TEMPLATE "{name}"')
            made.write_text(template)
            ours = True
        return name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseCreation, "create_test_db", create)
        yield
    if ours:
        with _locked(shared), blocker.unblock():
            template = made.read_text()
            made.unlink()
            _execute(f'DROP DATABASE "{template}"')


@contextmanager
def _locked(shared: Path) -> Iterator[None]:
    with (shared / "migrated.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(template: str, creation: Any, verbosity: int, *, autoclobber: bool) -> str:
    """Do as `create_test_db`, without the migrations."""
    name: str = creation._get_test_db_name()
    connection.settings_dict["TEST"]["TEMPLATE"] = template
    creation._create_test_db(verbosity, autoclobber)
    connection.close()
    settings.DATABASES[connection.alias]["NAME"] = name
    connection.settings_dict["NAME"] = name
    return name


def _execute(statement: str) -> None:
    creation: Any = connection.creation
    with creation._nodb_cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def emptied_quickly() -> Iterator[None]:
    """Empty after a test with transactions only the tables that have something, by DELETE.

    Most are empty, and to truncate one takes a hundred times as long as to find nothing in it.
    What migrations have put there stays (`remember_made`), so that nothing is left to do after one:
    Django would look for each of its content types and permissions again, which takes longer.
    The connection stays, too: a new one knows no table yet.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty())
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda _case: False)
        yield


# The key of each table in `MADE_BY_MIGRATIONS`, and the last one that was there before any test.
_made: dict[str, tuple[str, int]] = {}


def remember_made() -> None:
    """Note what migrations have made: of their tables, what comes later is a test's."""
    with connection.cursor() as cursor:
        for name in sorted(MADE_BY_MIGRATIONS):
            key = connection.introspection.get_primary_key_column(cursor, name)
            cursor.execute(f'SELECT COALESCE(MAX({key}), 0) FROM "{name}"')  # noqa: S608
            _made[name] = str(key), cursor.fetchone()[0]


def _empty() -> None:
    # A test may have lost it.
    connection.close_if_unusable_or_obsolete()
    with transaction.atomic(), connection.cursor() as cursor:
        # Planned once for a connection; psycopg may have let go what was prepared on it.
        cursor.execute("SELECT FROM pg_prepared_statements WHERE name = 'tables_with_rows'")
        if not cursor.rowcount:
            cursor.execute(f"PREPARE tables_with_rows AS {_tables_with_rows()}")
        cursor.execute("EXECUTE tables_with_rows")
        rows = [condition for (condition,) in cursor.fetchall()]
        # Neither foreign keys nor the triggers that keep CDRs as they are look on.
        deletes = [f"DELETE FROM {condition}" for condition in rows]  # noqa: S608  our own tables
        cursor.execute("; ".join(["SET LOCAL session_replication_role = replica", *deletes]))


@cache
def _tables_with_rows() -> str:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return " UNION ALL ".join(
        f"SELECT '{condition}' WHERE EXISTS (SELECT FROM {condition})"  # noqa: S608  our own tables
        for condition in [
            *(f'"{name}"' for name in names if name not in MADE_BY_MIGRATIONS),
            *(f'"{name}" WHERE {key} > {last}' for name, (key, last) in _made.items()),
        ]
    )

"""Migrations run while the version before goes on: what would break it is found here."""

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex, CreateModel
from django_migration_linter import MigrationLinter

# The newest migration of each app that was there before anybody ran the platform in earnest.
BEFORE_THE_RULE = {
    "tariffs": "0005",
    "locations": "0004",
    "sessions_app": "0008",
    "roaming": "0008",
    "ocpp_gateway": "0003",
}
OURS = (*BEFORE_THE_RULE, *("staff", "audit", "sites"))

# Of an app that is new: nobody uses its tables yet.
FIRST = "0001"

# By eye: the linter reads the SQL of these by words, and takes new tables for old ones.
LOOKED_AT = {
    # It makes tables that the version before does not know, and reads one that it does.
    ("locations", "0006_keep_statuses"),
}

# Concurrent indexes have no SQL within a transaction.
pytestmark = pytest.mark.django_db(transaction=True)


def judged() -> list[tuple[str, str]]:
    """Return the migrations that the rule is for."""
    known = MigrationLoader(connection).disk_migrations
    return sorted(
        (app, name)
        for app, name in known
        if app in OURS and name[:4] > BEFORE_THE_RULE.get(app, FIRST)
    )


def linter() -> MigrationLinter:
    return MigrationLinter(str(settings.BASE_DIR), no_cache=True, no_output=True)


def test_the_rule_is_for_what_is_new() -> None:
    assert ("roaming", "0009_change_cause") in judged()
    assert ("tariffs", "0001_initial") not in judged()


def test_no_migration_takes_away_what_the_version_before_needs() -> None:
    known = MigrationLoader(connection).disk_migrations
    for key in judged():
        if key in LOOKED_AT:
            continue
        found = linter()
        found.lint_migration(known[key])
        assert not found.has_errors, f"{key}: run django_migration_linter to see why"


def test_the_linter_finds_what_would_break() -> None:
    found = linter()
    found.lint_migration(
        MigrationLoader(connection).disk_migrations["roaming", "0005_partition_messages"]
    )
    assert found.has_errors


def test_indexes_of_tables_that_are_in_use_are_built_beside_whoever_writes() -> None:
    known = MigrationLoader(connection).disk_migrations
    for key in judged():
        operations = known[key].operations
        made = {one.name.lower() for one in operations if isinstance(one, CreateModel)}
        locking = [
            one.index.name
            for one in operations
            if type(one) is AddIndex and one.model_name.lower() not in made
        ]
        assert locking == [], f"{key}: AddIndexConcurrently, in a migration that is not atomic"

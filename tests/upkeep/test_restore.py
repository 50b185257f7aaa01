"""A backup, brought back, is the platform again: every row, every guard, every secret."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.utils import DatabaseError
from psycopg import sql
from pytest_django import Settings

from cpo_platform.common.secrets import encrypt
from cpo_platform.upkeep import backup
from roaming.models import Change, Partner, Walk
from sessions_app.metering import Reading
from sessions_app.models import Cdr
from sessions_app.operations.sessions import stop_session
from tests.factories import NOW, LocationFactory, SessionFactory
from tests.roaming.conftest import make_partner

RESTORED = "restored"


@pytest.fixture
def other(request: pytest.FixtureRequest, settings: Settings) -> Iterator[dict[str, Any]]:
    """Return the parameters of an empty database beside that of the tests."""
    name = f"{connection.settings_dict['NAME']}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield {**connection.get_connection_params(), "dbname": name}
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def restored(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Django work on the other database within the block that it is entered for."""

    class Switched:
        def __enter__(self) -> None:
            connection.close()
            self._before = connection.settings_dict["NAME"]
            connection.settings_dict["NAME"] = other["dbname"]

        def __exit__(self, *_args: object) -> None:
            connection.close()
            connection.settings_dict["NAME"] = self._before

    return Switched()


def counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        found = {}
        for table in tables:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            found[table] = cursor.fetchone()[0]
    return found


@pytest.mark.django_db(transaction=True)
def test_a_backup_is_restored_whole_and_partners_are_told(
    tmp_path: Path, other: dict[str, Any], restored: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    partner = make_partner("First", "FST").partner
    LocationFactory(id="L1")
    session = SessionFactory(now=NOW)
    ended = NOW + timedelta(hours=1)
    reading = Reading(ended, Decimal("1010.5"))
    stop_session(session_id=session.pk, ended_at=ended, now=ended, readings=[reading])
    cdr = Cdr.objects.get()
    path = tmp_path / "cpo.dump"
    call_command("backup", str(path))
    before = counts()
    assert before["locations_location"] >= 1
    # What happens after the backup is lost, and only that.
    LocationFactory(id="L2")

    backup.restore(path, database=other)

    with restored:
        assert counts() == before
        call_command("restore")
        told = capsys.readouterr().out
        assert "What guards bills is there" in told
        assert f"On their way to {partner.name}" in told
        walk = Walk.objects.latest("pk")
        assert (walk.partner_id, walk.reason) == (partner.pk, "EVERYTHING")
        assert (
            Change.objects.filter(walk=walk, module="locations").count()
            == (before["locations_location"])
        )
        with pytest.raises(DatabaseError, match=r"cannot be changed|immutable"):
            Cdr.objects.filter(pk=cdr.pk).update(remark="other")
        # Numbers go on where they were: nothing is given a second time.
        assert LocationFactory(id="L3").pk > 0


@pytest.mark.django_db(transaction=True)
def test_what_is_not_empty_is_not_restored_into(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has tables"):
        call_command("restore", str(tmp_path / "cpo.dump"))


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_no_backup_is_refused_and_changes_nothing(
    tmp_path: Path, other: dict[str, Any], restored: Any
) -> None:
    path = tmp_path / "cpo.dump"
    path.write_text("not a backup")
    with pytest.raises(backup.BackupFailed, match="pg_restore"):
        backup.restore(path, database=other)
    with restored:
        assert counts() == {}


@pytest.mark.django_db
def test_a_secret_that_no_key_opens_is_told(settings: Settings) -> None:
    partner = make_partner("First", "FST").partner
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]
    with pytest.raises(backup.NotSound, match=rf"token_encrypted, row {partner.pk}"):
        backup.check()
    Partner.objects.update(token_encrypted=encrypt("theirs"))
    backup.check()


@pytest.mark.django_db
def test_a_guard_that_is_missing_is_told() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER cdr_immutable ON sessions_app_cdr")
    with pytest.raises(backup.NotSound, match="cdr_immutable"):
        backup.check()


@pytest.mark.django_db(transaction=True)
def test_no_half_backup_is_left(tmp_path: Path) -> None:
    path = tmp_path / "cpo.dump"
    wrong = {**connection.get_connection_params(), "dbname": "there_is_no_such_database"}
    with pytest.raises(backup.BackupFailed, match="there_is_no_such_database"):
        backup.back_up(path, database=wrong)
    assert list(tmp_path.iterdir()) == []

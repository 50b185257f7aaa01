"""Every table is audited, or there is a reason; the database is in step with the code."""

import pytest
from django.apps import apps
from django.db import connection

from cpo_platform.audit import audited, checks, triggers
from cpo_platform.audit.audited import AUDITED, NOT_AUDITED, Audited

pytestmark = pytest.mark.django_db


def undecided(models: list[str]) -> list[str]:
    decided = {one.label for one in AUDITED} | NOT_AUDITED.keys()
    return sorted(set(models) - decided)


def test_every_table_is_audited_or_has_a_reason() -> None:
    models = [model._meta.label for model in apps.get_models(include_auto_created=True)]
    assert undecided(models) == [], "say in cpo_platform/audit/audited.py what becomes of these"
    assert undecided([*models, "locations.Something"]) == ["locations.Something"]
    assert not {one.label for one in AUDITED} & NOT_AUDITED.keys()
    assert all(NOT_AUDITED.values())


def test_columns_that_are_named_exist() -> None:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    for one in audited.audited():
        there = {field.column for field in one.model._meta.concrete_fields}
        named = {*one.left_out, *one.by_hand, *one.secrets, *one.only}
        assert named <= there, one.label
        assert {chain[0][0] for chain in one.parts_of} <= there, one.label
        assert {table for chain in one.parts_of for _column, table in chain} <= tables
        assert one.columns, one.label


def test_secrets_by_their_names_are_declared() -> None:
    telling = ("password", "encrypted", "digest", "secret", "hash")
    for one in audited.audited():
        for field in one.model._meta.concrete_fields:
            if any(word in str(field.column) for word in telling):
                assert field.column in {*one.secrets, "previous_token_until"}, one.label


def test_the_database_is_in_step_and_installing_again_changes_nothing() -> None:
    assert triggers.amiss(using="default") == []
    assert triggers.install(using="default") == []
    assert checks.check_triggers(databases=["default"]) == []


def test_what_is_out_of_step_is_told_and_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_changes ON tariffs_party")
    (warning,) = checks.check_triggers(databases=["default"])
    assert warning.id == "audit.W001"
    assert "tariffs_party" in warning.msg
    assert triggers.install(using="default") == ["tariffs_party"]

    fewer = tuple(one for one in AUDITED if one.label != "locations.Location")
    other = Audited("locations.ParkingPlace", left_out=("roofed",))
    changed = tuple(other if one.label == other.label else one for one in fewer)
    monkeypatch.setattr(audited, "AUDITED", changed)
    assert triggers.install(using="default") == ["locations_location", "locations_parkingplace"]
    assert triggers.amiss(using="default") == []


def test_while_a_migration_runs_a_column_can_change_its_type_and_nothing_is_missed() -> None:
    from cpo_platform.audit.models import Entry
    from tariffs.models import Party
    from tests.factories import PartyFactory

    PartyFactory()
    triggers.loosen(using="default")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tariffs_party ALTER COLUMN name TYPE varchar(200)")
    Party.objects.update(name="Other")
    assert Entry.objects.filter(table="tariffs_party").latest("id").after == {"name": "Other"}
    assert "tariffs_party" in triggers.install(using="default")

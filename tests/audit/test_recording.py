"""What the database writes down, whichever way a row is changed."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

import manage
from cpo_platform.audit import retention
from cpo_platform.audit.audited import audited
from cpo_platform.audit.models import Entry
from cpo_platform.celery import app
from cpo_platform.common import acting
from locations import operations
from locations.importing import import_locations
from locations.models import Connector, Evse, Location, LocationGroup, ParkingPlace
from roaming.models import Feed, Lane, Partner, PartnerToken
from sessions_app.metering import Reading
from sessions_app.models import Session, Token
from sessions_app.operations import sessions
from tariffs.models import Party, PriceComponent, Tariff, TariffElement
from tests.admin_pages import send_form
from tests.factories import (
    NOW,
    EvseFactory,
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
)
from tests.locations import feeds
from tests.roaming.conftest import Registered, make_partner
from tests.roaming.test_tokens import TOKEN

pytestmark = pytest.mark.django_db


def newest(table: str) -> Entry:
    return Entry.objects.filter(table=table).latest("id")


def count(*tables: str) -> int:
    return Entry.objects.filter(table__in=tables).count()


def raw(sql: str, *params: int | str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def test_a_form_is_recorded_with_who_sent_it(admin_client: Client, admin_user: User) -> None:
    party = PartyFactory()
    url = f"/admin/tariffs/party/{party.pk}/change/"
    send_form(admin_client, url, "party_form", name="Other Name")

    entry = newest("tariffs_party")
    assert (entry.action, entry.key) == ("update", str(party.pk))
    assert (entry.before, entry.after) == ({"name": "Test Charging"}, {"name": "Other Name"})
    assert entry.row["party_id"] == "TST"
    assert (entry.actor_id, entry.actor_name, entry.way) == (admin_user.pk, "admin", "admin")
    assert entry.what == f"POST {url}"
    assert len(entry.request_id) == 32
    assert entry.objects_changed == [f"tariffs_party:{party.pk}"]
    assert entry.transaction_id > 0


def test_update_of_a_queryset_and_sql_and_copy_are_recorded() -> None:
    group = LocationGroup.objects.create(name="North")
    LocationGroup.objects.update(name="South")
    raw("UPDATE locations_locationgroup SET name = 'West'")
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY locations_locationgroup (name) FROM STDIN") as copy,
    ):
        copy.write_row(("East",))
    raw("DELETE FROM locations_locationgroup WHERE id = %s", group.pk)

    entries = Entry.objects.filter(table="locations_locationgroup").order_by("id")
    assert [(one.action, one.row["name"]) for one in entries] == [
        ("insert", "North"),
        ("update", "South"),
        ("update", "West"),
        ("insert", "East"),
        ("delete", "West"),
    ]
    assert [one.before for one in entries] == [
        None,
        {"name": "North"},
        {"name": "South"},
        None,
        None,
    ]
    assert {one.way for one in entries} == {""}


def test_what_a_partner_puts_is_recorded_with_its_name(first: Registered) -> None:
    assert first.call("PUT", "tokens/NL/EMS/04AA", TOKEN, X_Request_ID="asked-1").status == 201

    entry = newest("sessions_app_token")
    assert (entry.way, entry.actor_name, entry.request_id) == ("ocpi", "First eMSP", "asked-1")
    assert entry.what == "PUT /ocpi/2.2.1/tokens/NL/EMS/04AA"
    assert entry.key == str(Token.objects.get().pk)


def test_an_import_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([feeds.location()]))
    operations_before = count("locations_location")
    with path.open("rb") as stream:
        import_locations(stream, party=None, now=lambda: NOW)
    assert count("locations_location") == operations_before + 1
    assert newest("locations_location").way == "import"
    connector = newest("locations_connector")
    evse, location = Evse.objects.get(), Location.objects.get()
    assert connector.objects_changed == [
        f"locations_connector:{connector.key}",
        f"locations_evse:{evse.pk}",
        f"locations_location:{location.pk}",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_command_is_recorded_with_who_typed_it(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "olga")
    manage.run(["manage.py", "create_partner", "Example", "--party", "NL*EXA", "--role", "EMSP"])
    entry = newest("roaming_partner")
    assert (entry.way, entry.what, entry.actor_name) == ("command", "create_partner", "olga")


def test_a_task_is_recorded_by_its_name(monkeypatch: Any) -> None:
    @app.task(name="audit.test_rename", ignore_result=True)
    def rename() -> None:
        LocationGroup.objects.update(name="Renamed")

    LocationGroup.objects.create(name="North")
    monkeypatch.setattr("django.db.close_old_connections", lambda: None)
    rename.apply()
    entry = newest("locations_locationgroup")
    assert (entry.way, entry.what) == ("task", "audit.test_rename")
    LocationGroup.objects.update(name="By hand")
    assert newest("locations_locationgroup").way == ""
    app.tasks.unregister("audit.test_rename")


def test_parts_are_shown_with_what_they_are_parts_of() -> None:
    tariff = TariffFactory()
    component = PriceComponent.objects.get()
    PriceComponent.objects.update(price=Decimal("0.99"))
    entry = newest("tariffs_pricecomponent")
    assert entry.objects_changed == [
        f"tariffs_pricecomponent:{component.pk}",
        f"tariffs_tariffelement:{component.element_id}",
        f"tariffs_tariff:{tariff.pk}",
    ]
    assert entry.after == {"price": 0.99}


def test_rows_between_are_shown_at_both_ends() -> None:
    user, group = User.objects.create(username="eve"), Group.objects.create(name="Billing")
    user.groups.add(group)
    entry = newest("auth_user_groups")
    assert set(entry.objects_changed) == {
        f"auth_user_groups:{entry.key}",
        f"auth_user:{user.pk}",
        f"auth_group:{group.pk}",
    }
    user.groups.clear()
    assert newest("auth_user_groups").action == "delete"


def test_what_moves_is_shown_where_it_was_and_where_it_is() -> None:
    one, other = LocationFactory(ocpi_id="L1"), LocationFactory(ocpi_id="L2")
    place = ParkingPlace.objects.create(location=one, ocpi_id="P1", vehicle_types=["CAR"])
    ParkingPlace.objects.update(location=other)
    assert newest("locations_parkingplace").objects_changed == [
        f"locations_parkingplace:{place.pk}",
        f"locations_location:{other.pk}",
        f"locations_location:{one.pk}",
    ]


def test_secrets_are_told_to_have_changed_and_not_what_they_are() -> None:
    partner = make_partner().partner
    token = newest("roaming_partnertoken")
    assert token.row["digest"] == "…"
    assert PartnerToken.objects.get().digest not in json.dumps(token.row)
    Partner.objects.filter(pk=partner.pk).update(token_encrypted="another")
    entry = newest("roaming_partner")
    assert (entry.before, entry.after) == ({"token_encrypted": "…"}, {"token_encrypted": "…"})
    assert entry.row["token_encrypted"] == "…"
    assert entry.row["previous_token_encrypted"] == ""
    user = User.objects.create_user("eve", password="very-secret")
    user.set_password("more-secret")
    user.save()
    entry = newest("auth_user")
    assert (entry.before, entry.after) == ({"password": "…"}, {"password": "…"})


def test_what_machines_move_is_no_entry() -> None:
    evse = EvseFactory()
    session = SessionFactory()
    tables = ("locations_evse", "sessions_app_session", "sessions_app_cdr", "auth_user")
    User.objects.create(username="eve")
    before = count(*tables)
    assert operations.set_evse_status(evse_id=evse.pk, status="CHARGING", now=NOW)
    reading = Reading(session.start_date_time + timedelta(minutes=5), Decimal("1.5"))
    sessions.record_meter_values(session_id=session.pk, readings=[reading], now=reading.at)
    sessions.stop_session(session_id=session.pk, ended_at=reading.at, now=reading.at)
    assert Session.objects.get().status == "COMPLETED"
    User.objects.update(last_login=NOW)
    assert count(*tables) == before


def test_saving_what_is_the_same_is_no_entry() -> None:
    location = LocationFactory()
    before = Entry.objects.count()
    Location.objects.get(pk=location.pk).save()
    Connector.objects.get().save()
    assert Entry.objects.count() == before


def test_what_staff_does_by_hand_is_an_entry_where_machines_do_the_same(
    admin_client: Client,
) -> None:
    evse = EvseFactory()
    admin_client.post(
        "/admin/locations/evse/",
        {"action": "set_inoperative", "_selected_action": [str(evse.pk)]},
    )
    noted = newest("locations_evse")
    assert (noted.action, noted.after) == ("act", {"note": "status: INOPERATIVE"})
    assert (noted.actor_name, noted.objects_changed) == ("admin", [f"locations_evse:{evse.pk}"])
    entry = Entry.objects.filter(table="locations_evse", action="update").latest("id")
    assert (entry.before, entry.after) == ({"status": "AVAILABLE"}, {"status": "INOPERATIVE"})
    assert "status" not in entry.row
    assert entry.actor_name == "admin"

    partner = make_partner().partner
    with acting.by("task"):
        Feed.objects.filter(partner=partner, lane=Lane.values[0]).update(paused_at=NOW)
    assert count("roaming_feed") == 0
    with acting.by("admin"):
        Feed.objects.filter(partner=partner, lane=Lane.values[0]).update(paused_at=None)
    assert newest("roaming_feed").objects_changed[1] == f"roaming_partner:{partner.pk}"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor_name = 'somebody else'",
        "DELETE FROM audit_entry",
        "UPDATE audit_entry_default SET actor_name = 'somebody else'",
        "DELETE FROM audit_entry_default",
    ],
)
def test_entries_cannot_be_changed_or_deleted(statement: str) -> None:
    PartyFactory()
    entries = list(Entry.objects.values())
    raw(
        "INSERT INTO audit_entry (at, table_name, key, objects, action, row, actor_name, way, what,"
        " request_id, transaction_id) VALUES ('2001-01-01', 't', '1', '{}', 'insert', '{}', '', '',"
        " '', '', 1)"
    )
    with pytest.raises(DatabaseError, match="the audit is immutable"), transaction.atomic():
        raw(statement)
    assert len(entries) + 1 == Entry.objects.count()


def test_entries_cannot_be_truncated() -> None:
    raw("SET LOCAL cpo.allow_truncate = ''")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = 'audit_entry'::regclass"
        )
        parts = [name for (name,) in cursor.fetchall()]
    assert len(parts) >= 4
    for table in ("audit_entry", *parts):
        with pytest.raises(DatabaseError, match="the audit is immutable"), transaction.atomic():
            raw(f"TRUNCATE {table}")


def test_a_month_that_was_made_later_cannot_be_truncated_either() -> None:
    retention.tend(now=NOW + timedelta(days=3650))
    raw("SET LOCAL cpo.allow_truncate = ''")
    with pytest.raises(DatabaseError, match="the audit is immutable"), transaction.atomic():
        raw("TRUNCATE audit_entry_p203605")


@pytest.mark.parametrize("table", [one.table for one in audited()])
def test_no_audited_table_can_be_emptied_without_a_word(table: str) -> None:
    raw("SET LOCAL cpo.allow_truncate = ''")
    with pytest.raises(IntegrityError, match="TRUNCATE is refused"), transaction.atomic():
        raw(f"TRUNCATE {table} CASCADE")


def test_what_leads_to_an_audited_table_cannot_be_emptied_either() -> None:
    PartyFactory()
    raw("SET LOCAL cpo.allow_truncate = ''")
    refused = pytest.raises(IntegrityError, match="is audited: TRUNCATE is refused")
    with refused, transaction.atomic():
        raw("TRUNCATE django_content_type CASCADE")
    assert Party.objects.count() == 1


def test_every_kind_of_change_of_a_tariff_is_there() -> None:
    TariffFactory()
    for model in (PriceComponent, TariffElement, Tariff):
        model.objects.all().delete()
        assert newest(model._meta.db_table).action == "delete"
    Party.objects.all().delete()
    assert newest("tariffs_party").action == "delete"

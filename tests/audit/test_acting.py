"""Who acts is told in time, and forgotten in time."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from cpo_platform.audit.models import Entry
from cpo_platform.common import acting
from cpo_platform.common.acting import Actor
from locations.models import LocationGroup
from tests.admin_pages import send_form
from tests.factories import PartyFactory
from tests.roaming.conftest import Registered

pytestmark = pytest.mark.django_db


def names() -> list[str]:
    return list(Entry.objects.order_by("id").values_list("actor_name", flat=True))


def setting() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('cpo.audit', true), '')")
        return str(cursor.fetchone()[0])


def write(name: str = "North") -> None:
    LocationGroup.objects.create(name=name)


def test_the_innermost_counts_and_outside_nobody_does() -> None:
    write("before")
    with acting.by("admin", name="olga"):
        write("1")
        with acting.by("ocpi", name="partner"):
            write("2")
        write("3")
        with acting.also("import"):
            write("4")
    write("after")
    assert names() == ["", "olga", "partner", "olga", "olga", ""]
    assert list(Entry.objects.order_by("id").values_list("way", flat=True)) == [
        *("", "admin", "ocpi", "admin", "import"),
        "",
    ]
    assert acting.current() is None


def test_reading_tells_nothing_and_telling_is_no_query(django_assert_num_queries: Any) -> None:
    with acting.by("admin", name="olga"), django_assert_num_queries(1):
        list(LocationGroup.objects.all())
    with acting.by("admin", name="olga"):
        assert setting() == ""
        with django_assert_num_queries(1):
            write()
        assert '"olga"' in setting()
    assert setting() == ""


def test_what_was_told_in_a_transaction_that_is_undone_is_told_again() -> None:
    with acting.by("admin", name="olga"):
        with transaction.atomic():
            write("undone")
            transaction.set_rollback(True)
        assert setting() == ""
        write("kept")
    assert names() == ["olga"]


def test_a_transaction_that_fails_leaves_nothing_behind() -> None:
    def fail() -> None:
        with acting.by("admin", name="olga"), transaction.atomic():
            write()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert setting() == ""
    write()
    assert names() == [""]


@pytest.mark.django_db(transaction=True)
def test_each_statement_alone_and_a_connection_that_is_made_anew() -> None:
    with acting.by("admin", name="olga"):
        write("1")
        write("2")
        connection.close()
        write("3")
        with transaction.atomic():
            write("4")
    assert setting() == ""
    write("5")
    assert names() == ["olga"] * 4 + [""]


@pytest.mark.django_db(transaction=True)
def test_threads_are_told_each_for_itself() -> None:
    def of_its_own() -> None:
        write("nobody")
        with acting.by("ocpp", name="station"):
            write("station")
        connection.close()

    with acting.by("admin", name="olga"):
        write("1")
        thread = threading.Thread(target=of_its_own)
        thread.start()
        thread.join()
        write("2")
    assert names() == ["olga", "", "station", "olga"]


def test_nothing_leaks_from_one_request_to_the_next(
    admin_client: Client, first: Registered
) -> None:
    party = PartyFactory()
    url = f"/admin/tariffs/party/{party.pk}/change/"
    send_form(admin_client, url, "party_form", name="By staff")
    assert setting() == ""
    assert not connection.execute_wrappers
    write("by nobody")
    newest = Entry.objects.latest("id")
    assert (newest.actor_name, newest.way, newest.request_id) == ("", "", "")
    assert first.call.get("locations").status == 200
    assert setting() == ""


def test_a_request_that_fails_leaves_nothing_behind(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_options: Any) -> Iterator[None]:
        write()
        raise ZeroDivisionError

    party = PartyFactory()
    monkeypatch.setattr("tariffs.operations.put_party", broken)
    with pytest.raises(ZeroDivisionError):
        send_form(
            admin_client, f"/admin/tariffs/party/{party.pk}/change/", "party_form", name="Other"
        )
    assert setting() == ""
    assert not connection.execute_wrappers


def test_what_postgresql_cannot_hold_is_left_out() -> None:
    told = Actor("ocpi", what="/a\x00b\ud800", name="n" * 500).told()
    with acting.by("ocpi", what="/a\x00b\ud800", name="n" * 500):
        write()
    entry = Entry.objects.get()
    assert entry.what == "/ab?"
    assert entry.actor_name == "n" * 150
    assert told.startswith('{"way":"ocpi"')

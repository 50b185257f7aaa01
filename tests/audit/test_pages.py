"""The pages of the audit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from cpo_platform.audit import retention, states
from cpo_platform.audit.audited import by_table
from cpo_platform.audit.models import Entry
from cpo_platform.common import acting, clock
from tariffs.models import PriceComponent, Tariff
from tests.factories import EvseFactory, LocationFactory, PartyFactory, TariffFactory, evse

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/entry/"


def signed_in(*permissions: str) -> Client:
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def text(client: Client, url: str, **data: str) -> str:
    response = client.get(url, data)
    assert response.status_code == 200, response
    return str(response.content.decode())


def test_the_list_is_searched_by_who_way_and_object(admin_client: Client) -> None:
    with acting.by("admin", name="olga"):
        party = PartyFactory()
    with acting.by("ocpi", name="First eMSP"):
        LocationFactory()
    everything = text(admin_client, LIST)
    assert "olga" in everything
    assert "Location" in everything
    of_olga = text(admin_client, LIST, who="olga")
    assert of_olga.count('class="field-when') + of_olga.count("field-who") > 0
    assert "Test Charging" in of_olga
    assert "Connector" not in of_olga.split("cpo-search")[-1].split("<tbody")[-1]
    assert "Test Charging" not in text(admin_client, LIST, by="ocpi").split("<tbody")[-1]
    table = "tariffs_party"
    found = text(admin_client, LIST, kind=table, number=str(party.pk))
    assert "Test Charging" in found
    refused = text(admin_client, LIST, number="1")
    assert "Choose the kind of object that has this number." in refused


def test_the_list_takes_the_same_queries_whatever_it_shows(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    LocationFactory()
    admin_client.get(LIST)
    with django_assert_num_queries(4):
        admin_client.get(LIST)
    LocationFactory(ocpi_id="L2", evses=[evse("E2"), evse("E3")])
    with django_assert_num_queries(4):
        admin_client.get(LIST)


def test_an_entry_shows_before_and_after_in_words(admin_client: Client) -> None:
    tariff = TariffFactory(tax_included="NO")
    later = tariff.last_updated + timedelta(minutes=1)
    Tariff.objects.update(tax_included="YES", last_updated=later)
    entry = Entry.objects.latest("id")
    page = text(admin_client, f"{LIST}{entry.pk}/change/")
    for words in ("Tax is added to the prices", "Prices include tax"):
        assert words in page
    location = LocationFactory()
    created = Entry.objects.get(table="locations_evse")
    assert f"/admin/locations/location/{location.pk}/change/" in text(
        admin_client, f"{LIST}{created.pk}/change/"
    )


def test_nobody_can_change_or_delete_an_entry_here(admin_client: Client) -> None:
    PartyFactory()
    entry = Entry.objects.latest("id")
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(f"{LIST}{entry.pk}/change/", {"actor_name": "x"})
    assert Entry.objects.get(pk=entry.pk).actor_name == ""


def test_history_shows_an_object_and_its_parts(admin_client: Client) -> None:
    evse = EvseFactory()
    url = f"/admin/locations/location/{evse.location_id}/"
    assert f"{url}history/" in text(admin_client, f"{url}change/")
    page = text(admin_client, f"{url}history/")
    for name in ("Location", "EVSE", "Connector"):
        assert f"{name} " in page
    assert text(admin_client, f"/admin/locations/evse/{evse.pk}/history/").count("Connector") >= 1
    user = User.objects.get(username="admin")
    assert "created" in text(admin_client, f"/admin/auth/user/{user.pk}/history/")


def test_history_is_for_who_may_see_the_object_and_the_list_for_who_may_see_the_audit() -> None:
    url = f"/admin/tariffs/party/{PartyFactory().pk}/"
    client = signed_in("view_party")
    assert f"{url}history/" in text(client, f"{url}change/")
    assert client.get(f"{url}history/").status_code == 200
    assert (
        client.get(f"/admin/locations/location/{LocationFactory().pk}/history/").status_code == 403
    )
    assert client.get(LIST).status_code == 403
    User.objects.get(username="eve").user_permissions.add(
        Permission.objects.get(codename="view_entry", content_type__app_label="audit")
    )
    assert client.get(LIST).status_code == 200


def test_who_may_not_see_people_is_not_told_what_they_may_do() -> None:
    client = signed_in("view_entry")
    people = Entry.objects.filter(table__startswith="auth_")
    PartyFactory()
    assert people.exists()
    rows = text(client, LIST).split("<tbody")[-1]
    assert "Test Charging" in rows
    assert "User" not in rows
    assert client.get(f"{LIST}{people.latest('pk').pk}/change/").status_code == 302


def test_an_object_as_it_was(admin_client: Client) -> None:
    tariff = TariffFactory()
    component = PriceComponent.objects.get()
    price = component.price
    between = moment_now()
    PriceComponent.objects.update(price=Decimal("0.99"))
    later = tariff.last_updated + timedelta(minutes=1)
    Tariff.objects.update(min_price_before_taxes=Decimal("1.5"), last_updated=later)

    one = by_table()["tariffs_tariff"]
    state = states.state_of(one, str(tariff.pk), between)
    assert state.then is not None
    assert state.now is not None
    assert state.then["min_price_before_taxes"] is None
    assert [name for name in state.columns if state.differs(name)] == ["min_price_before_taxes"]
    parts = {part.table: part for part in states.parts_of(one, str(tariff.pk), between)}
    part = parts["tariffs_pricecomponent"]
    assert part.then is not None
    assert part.now is not None
    assert (part.then["price"], part.now["price"]) == (float(price), 0.99)

    url = f"/admin/tariffs/tariff/{tariff.pk}/history/"
    page = text(admin_client, url, at=f"{between:%Y-%m-%dT%H:%M:%S.%f}")
    assert "differs" in page
    assert "1.5" in page
    assert "did not exist" in text(admin_client, url, at="2001-01-01T00:00")


def test_before_the_first_entry_a_row_was_as_that_says() -> None:
    party = PartyFactory()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM audit_entry")
        cursor.execute("SET LOCAL session_replication_role = origin")
    one, key = by_table()["tariffs_party"], str(party.pk)
    early = datetime(2020, 1, 1, tzinfo=UTC)
    same = states.state_of(one, key, early)
    assert same.then == same.now
    type(party).objects.update(name="Other")
    changed = states.state_of(one, key, early).then
    assert changed is not None
    assert changed["name"] == "Test Charging"
    type(party).objects.all().delete()
    gone = states.state_of(one, key, moment_now())
    assert (gone.then, gone.now) == (None, None)


def test_months_are_made_and_dropped(settings: Settings) -> None:
    now = clock.now()
    retention.tend(now=now)
    assert retention.tend(now=now).made == []
    later = now + timedelta(days=400)
    assert retention.tend(now=later).dropped == []
    settings.AUDIT_RETENTION_MONTHS = 6
    assert f"audit_entry_p{now:%Y%m}" in retention.tend(now=later).dropped


def test_entries_that_wait_for_their_month_go_there() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_entry (at, table_name, key, objects, action, row, actor_name, way,"
            " what, request_id, transaction_id) VALUES ('2031-05-05', 't', '1', '{}', 'insert',"
            " '{}', '', '', '', '', 1)"
        )
    assert "audit_entry_p203105" in retention.tend(now=clock.now()).made
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_entry_p203105")
        assert cursor.fetchone() == (1,)


def moment_now() -> datetime:
    """Return the database's clock: entries are of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment

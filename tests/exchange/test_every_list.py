"""Each list, by everybody's rows: what the list shows is in its file, and nothing else is."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model
from django.test import Client

from cpo_platform.staff import operations
from tests.exchange.files import address, lists, model_of, rows
from tests.staff.world import MARK, World, make_world

pytestmark = pytest.mark.django_db

# Parts of what `make_world` keeps as secrets.
SECRETS = ("their-token", "token_encrypted", "password_hash", "pbkdf2")


def client_of(name: str, *roles: str, **scope: Any) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    operations.set_roles(user_id=user.pk, roles=roles)
    if scope:
        operations.set_scope(user_id=user.pk, everything=False, **scope)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.mark.parametrize("model", lists(), ids=lambda model: model._meta.label)
def test_a_list_offers_its_rows_as_a_file(model: type[Model], world: World) -> None:
    client = client_of("all", "operator_admin")
    page = client.get(address(model, "changelist"))
    shown = [str(row.pk) for row in page.context["cl"].queryset]
    exported = rows(client, address(model))

    assert address(model) in page.content.decode()
    assert client.get(address(model)).status_code == 200
    assert [row["id"] for row in exported] == shown
    text = "\n".join(",".join(row.values()) for row in exported)
    assert "<" not in text.replace("<<", "")
    assert not [secret for secret in SECRETS if secret in text]
    assert not [row for row in exported if "digest" in row]


@pytest.mark.parametrize("model", lists(), ids=lambda model: model._meta.label)
def test_what_is_out_of_scope_is_in_no_file(model: type[Model], world: World) -> None:
    client = client_of("scoped", "operator_admin", party_ids=[world.party.pk])
    answer: Any = client.post(address(model), {"format": "csv"})
    if answer.status_code == 403:
        return
    text = b"".join(answer.streaming_content).decode()
    assert MARK not in text
    assert text.count("\n") >= 1


def test_who_may_not_see_a_list_gets_no_file(world: World) -> None:
    client = client_of("support", "support")
    assert client.post(address(model_of("roaming.partner")), {"format": "csv"}).status_code == 403
    assert client.get(address(model_of("roaming.partner"))).status_code == 403


def test_values_are_exact_and_have_names_for_machines(world: World) -> None:
    client = client_of("exact", "operator_admin")
    session = next(
        row
        for row in rows(client, address(model_of("sessions_app.session")))
        if row["id"] == str(world.own["sessions_app.session"])
    )
    assert session["start_date_time"] == "2026-06-01T08:00:00Z"
    assert session["status"] == "ACTIVE"
    assert session["currency"] == "EUR"
    assert session["location__ocpi_id"] == "OWN-L"
    assert (session["country_code"], session["party_id"]) == ("NL", "TST")
    assert Decimal(session["kwh"]) >= 0
    location = rows(client, address(model_of("locations.location")))[-1]
    assert location["publish"] == "true"

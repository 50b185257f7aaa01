"""The search of everything."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cpo_platform.staff import operations
from tests.staff.world import MARK, make_world

pytestmark = pytest.mark.django_db
SEARCH = "/admin/search/"


def found(client: Client, text: str) -> str:
    answer = client.get(SEARCH, {"q": text})
    assert answer.status_code == 200
    return answer.content.decode()


def test_each_kind_is_found_by_a_fragment(admin_client: Client) -> None:
    world = make_world()
    page = found(admin_client, "own-")
    for label in ("locations.location", "locations.evse", "tariffs.tariff"):
        app, _dot, model = label.partition(".")
        assert f"/admin/{app}/{model}/" in page, label
    assert f'href="/admin/tariffs/party/{world.party.pk}/change/"' in found(admin_client, "TST")


def test_an_exact_hit_comes_before_the_others(admin_client: Client) -> None:
    make_world()
    page = found(admin_client, "OWN-T")
    first = page.index('href="')
    assert page.startswith('href="/admin/tariffs/tariff/', first)


def test_pages_are_found_by_their_names_in_either_language(admin_client: Client) -> None:
    assert "/admin/sessions_app/cdrhold/" in found(admin_client, "held cd")
    answer = admin_client.get(SEARCH, {"q": "held cd"}, headers={"Accept-Language": "ja"})
    assert "/admin/sessions_app/cdrhold/" in answer.content.decode()


def test_where_nothing_is_found_it_says_what_was_searched(admin_client: Client) -> None:
    page = found(admin_client, "<b>nowhere")
    assert "&lt;b&gt;nowhere" in page
    assert "Locations" in page
    assert 'role="option"' not in page


@pytest.mark.parametrize("text", ["", "x", "\x00", "%", "_%", "a" * 500, "'; --", "\\"])
def test_any_text_is_answered(admin_client: Client, text: str) -> None:
    make_world()
    found(admin_client, text)


@pytest.mark.parametrize("by", ["party", "group"])
def test_a_scoped_person_finds_nothing_of_another_party(by: str) -> None:
    world = make_world()
    user = User.objects.create_user("scoped", is_staff=True)
    operations.set_roles(user_id=user.pk, roles=["operator_admin"])
    ids: Any = {"party_ids": [world.party.pk]} if by == "party" else {"group_ids": [world.group.pk]}
    operations.set_scope(user_id=user.pk, everything=False, **ids)
    client = Client()
    client.force_login(user)
    assert "OWN-L" in found(client, "own-l")
    for text in (MARK, f"{MARK}-E", "site", "First eMSP"):
        page = found(client, text).replace(f"“{text}”", "")
        assert MARK not in page, text
        assert "First eMSP" not in page, text


def test_who_may_see_nothing_finds_nothing(client: Client) -> None:
    make_world()
    user = User.objects.create_user("nobody", is_staff=True)
    client.force_login(user)
    assert 'role="option"' not in found(client, "OWN-")
    client.logout()
    assert client.get(SEARCH, {"q": "OWN-"}).status_code == 302


def test_the_number_of_questions_is_that_of_the_kinds(admin_client: Client) -> None:
    make_world()
    counts = []
    for text in ("own", "nowhere"):
        with CaptureQueriesContext(connection) as queries:
            found(admin_client, text)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20, json.dumps(counts)

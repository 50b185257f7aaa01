"""Roles as groups, scopes, and what people may do to each other."""

from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import translation
from django.utils.html import escape

from cpo_platform.common.admin.scopes import way_of
from cpo_platform.staff import operations
from cpo_platform.staff.models import RoleGroup, StaffScope
from cpo_platform.staff.roles import AREA_NAMES, AREAS, ROLES, known_permissions
from cpo_platform.staff.scopes import scope_of
from locations.models import Location
from tariffs.models import Party, Tariff
from tests.admin_pages import send_form
from tests.factories import LocationFactory, PartyFactory, TariffFactory

pytestmark = pytest.mark.django_db

OURS = (
    *("tariffs", "locations", "sessions_app", "roaming", "ocpp_gateway", "staff", "audit"),
    "alerting",
)


def person(name: str, *roles: str, **scope: Any) -> User:
    user = User.objects.create_user(name, is_staff=True)
    operations.set_roles(user_id=user.pk, roles=roles)
    if scope:
        operations.set_scope(user_id=user.pk, everything=False, **scope)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# The table


def test_every_permission_of_every_model_of_ours_is_decided() -> None:
    rows = Permission.objects.filter(content_type__app_label__in=OURS)
    names = {f"{row.content_type.app_label}.{row.codename}" for row in rows}
    assert names - known_permissions() == set()


def test_the_table_names_no_model_that_is_not_there() -> None:
    models = {label for area in AREAS.values() for label in area}
    assert {label for label in models if apps.get_model(label) is None} == set()
    assert AREA_NAMES.keys() == AREAS.keys()


def test_every_role_says_how_far_it_goes_in_every_area() -> None:
    assert [role.key for role in ROLES if role.levels.keys() != AREAS.keys()] == []


def test_every_model_of_the_admin_says_how_it_belongs_to_a_party() -> None:
    for model in admin.site._registry:
        assert way_of(model).is_decided, model


# Groups


def test_groups_of_roles_are_mended_and_those_of_staff_left_alone() -> None:
    support = RoleGroup.objects.get(key="support").group
    wanted = set(support.permissions.values_list("pk", flat=True))
    support.permissions.clear()
    own = Group.objects.create(name="Night shift")
    own.permissions.add(Permission.objects.get(codename="view_evse"))

    operations.keep_roles()
    operations.keep_roles()

    assert set(support.permissions.values_list("pk", flat=True)) == wanted
    assert [row.codename for row in own.permissions.all()] == ["view_evse"]
    assert RoleGroup.objects.count() == len(ROLES)


def test_a_role_cannot_be_edited(admin_client: Client) -> None:
    group = RoleGroup.objects.get(key="finance").group
    answer = admin_client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "x"})
    group.refresh_from_db()
    assert group.name == "Finance"
    assert "What this role may do" in answer.content.decode()
    assert admin_client.post(f"/admin/auth/group/{group.pk}/delete/").status_code == 403


# Scopes


def test_a_scope_costs_nothing_for_those_who_have_none(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.select_related("staff_scope").get(username="admin")
    with django_assert_num_queries(0):
        assert scope_of(request).is_whole


def test_a_scope_with_nothing_in_it_shows_nothing() -> None:
    LocationFactory()
    client = client_of(person("nobody", "read_only", party_ids=[]))
    page = client.get("/admin/locations/location/")
    assert page.context["cl"].result_count == 0


def test_nothing_is_made_for_another_party() -> None:
    own, other = PartyFactory(), PartyFactory(party_id="OTH")
    TariffFactory(id="T1")
    client = client_of(person("pricing", "finance", party_ids=[own.pk]))
    tariff = Tariff.objects.get()
    url = f"/admin/tariffs/tariff/{tariff.pk}/change/"
    assert "OTH" not in client.get(url).content.decode()
    answer = send_form(client, "/admin/tariffs/tariff/add/", "tariff_form", party="NL*OTH")
    assert answer.context["adminform"].form.errors["party"]
    assert Tariff.objects.count() == 1
    assert other in Party.objects.all()


def test_a_party_outside_the_scope_is_refused_by_the_form() -> None:
    own = PartyFactory()
    client = client_of(person("boss", "operator_admin", party_ids=[own.pk]))
    answer = send_form(
        client,
        "/admin/tariffs/party/add/",
        "party_form",
        country_code="NL",
        party_id="NEW",
        name="New",
    )
    assert "outside of what you may work on" in answer.content.decode()
    assert not Party.objects.filter(party_id="NEW").exists()


def test_a_scoped_person_imports_for_a_party_of_his_only() -> None:
    own = PartyFactory()
    client = client_of(person("net", "operations", party_ids=[own.pk]))
    answer = client.get("/admin/locations/location/import/nothing/?party=NL*OTH", follow=True)
    assert answer.status_code == 200
    assert Location.objects.count() == 0


def test_choices_that_are_typed_offer_own_locations_only() -> None:
    own = LocationFactory(name="Harbour north")
    LocationFactory(party_id="OTH", name="Harbour south")
    party = Party.objects.get(party_id="TST")
    client = client_of(person("net", "operations", party_ids=[party.pk]))
    query = "app_label=locations&model_name=locationgroup&field_name=locations&term=Harbour"
    found = client.get(f"/admin/autocomplete/?{query}").json()["results"]
    assert [row["id"] for row in found] == [str(own.pk)]


def test_sums_are_of_own_rows_only() -> None:
    LocationFactory()
    LocationFactory(party_id="OTH")
    party = Party.objects.get(party_id="TST")
    client = client_of(person("reader", "read_only", party_ids=[party.pk]))
    home = client.get("/admin/").context
    assert [card["value"] for card in home["cards"] if card["title"] == "Locations"] == [1]
    assert home["evses"]["total"] == 1
    chips = client.get("/admin/locations/evse/").context["chips"]
    assert [chip["count"] for chip in chips] == [1]


# People


def test_the_last_one_who_manages_staff_cannot_be_locked_out() -> None:
    boss = person("boss", "operator_admin")
    client = client_of(boss)
    url = f"/admin/auth/user/{boss.pk}/change/"
    answer = send_form(client, url, "user_form", is_active=None)
    assert "Nobody else can manage staff" in answer.content.decode()
    boss.refresh_from_db()
    assert boss.is_active

    person("second", "operator_admin")
    send_form(client, url, "user_form", is_active=None)
    boss.refresh_from_db()
    assert not boss.is_active


def test_nobody_gives_a_wider_scope_than_his_own() -> None:
    own = PartyFactory()
    boss = person("boss", "operator_admin", party_ids=[own.pk])
    colleague = person("colleague", "support", party_ids=[own.pk])
    client = client_of(boss)
    url = f"/admin/auth/user/{colleague.pk}/change/"
    answer = send_form(client, url, "user_form", everything="on")
    assert "more than you see yourself" in answer.content.decode()
    assert not StaffScope.objects.get(user=colleague).everything
    stranger = person("stranger", "support")
    found = client.get(f"/admin/auth/user/{stranger.pk}/change/")
    assert found.status_code == 302


def test_nobody_gives_a_role_that_may_do_more_than_he_may() -> None:
    hr = User.objects.create_user("hr", is_staff=True)
    hr.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    colleague = person("colleague")
    group = RoleGroup.objects.get(key="finance").group
    url = f"/admin/auth/user/{colleague.pk}/change/"
    answer = send_form(client_of(hr), url, "user_form", groups=[str(group.pk)])
    assert "may do more than you may" in answer.content.decode()
    assert colleague.groups.count() == 0


def test_who_may_do_more_is_not_changed_by_who_may_do_less() -> None:
    hr = User.objects.create_user("hr", is_staff=True)
    hr.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    boss = person("boss", "operator_admin")
    answer = client_of(hr).get(f"/admin/auth/user/{boss.pk}/password/")
    assert answer.status_code == 403


def test_a_person_is_made_with_roles_and_a_scope(admin_client: Client) -> None:
    own = PartyFactory()
    group = RoleGroup.objects.get(key="support").group
    answer = send_form(
        admin_client,
        "/admin/auth/user/add/",
        "user_form",
        username="newcomer",
        usable_password="true",
        password1="long-and-odd-9",
        password2="long-and-odd-9",
        groups=[str(group.pk)],
        everything=None,
        parties=[str(own.pk)],
    )
    assert answer.status_code == 302
    user = User.objects.get(username="newcomer")
    assert user.is_staff
    assert [row.pk for row in user.groups.all()] == [group.pk]
    assert [row.pk for row in user.staff_scope.parties.all()] == [own.pk]


def test_a_person_is_made_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    own = PartyFactory()
    call_command("create_staff_user", "night", "--role", "support", "--party", "NL*TST")
    user = User.objects.get(username="night")
    assert "Password: " in capsys.readouterr().out
    assert user.has_perm("sessions_app.view_session")
    assert list(user.staff_scope.parties.all()) == [own]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_each_role_to_choose_from_says_what_it_may(admin_client: Client, language: str) -> None:
    Group.objects.create(name="Made <here>")
    admin_client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    text = admin_client.get("/admin/auth/user/add/").content.decode()
    with translation.override(language):
        for role in ROLES:
            id_ = f"role-{role.key}"
            words = f'<span class="cpo-role" id="{id_}" aria-hidden="true">{escape(role.about)}<'
            assert f"{role.name}{words}" in text
            assert f'aria-describedby="{id_}"' in text
    assert "Made &lt;here&gt;" in text


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_pages_of_people_are_called_staff_and_not_what_django_calls_them(
    admin_client: Client, language: str
) -> None:
    page = admin_client.get("/admin/auth/user/", headers={"Accept-Language": language})
    with translation.override(language):
        djangos = translation.gettext("Authentication and Authorization")
    assert djangos not in page.content.decode()

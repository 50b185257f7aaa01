"""A code besides the password: who needs it, and who can take it away."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common.secrets import decrypt
from tests.signing_in.conftest import (
    PASSWORD,
    SECRET,
    code,
    kinds_of,
    set_up,
    shown_secret,
    sign_in,
)


def make(name: str, *permissions: str) -> User:
    user = User.objects.create_user(name, "", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def test_a_second_factor_is_set_up_and_asked_for(
    client: Client, staff: User, django_capture_on_commit_callbacks: Any
) -> None:
    other = Client()
    sign_in(other)
    sign_in(client)
    with django_capture_on_commit_callbacks(execute=True):
        secret = set_up(client)
    assert kinds_of(staff) == {"totp", "recovery_codes"}
    assert other.get("/admin/").status_code == 302, "it was begun with a password alone"
    stored = Authenticator.objects.get(user=staff, type="totp").data["secret"]
    assert secret not in stored
    assert decrypt(stored) == secret

    shown = client.get("/accounts/second-factor/codes/").content.decode()
    codes = re.findall(r"\b\d{8}\b", shown)
    assert len(codes) == 10
    again = client.get("/accounts/second-factor/codes/").content.decode()
    assert not any(one in again for one in codes), "they are shown once"

    third = Client()
    assert sign_in(third).headers["Location"] == "/accounts/login/code/"
    assert third.get("/admin/").status_code == 302, "a password alone opens nothing"
    third.post("/accounts/login/code/", {"code": "000000"})
    assert "_auth_user_id" not in third.session
    third.post("/accounts/login/code/", {"code": code(secret)})
    assert third.get("/admin/").status_code == 200

    for expected in (200, 302):
        fourth = Client()
        sign_in(fourth)
        fourth.post("/accounts/login/code/", {"code": codes[0]})
        assert fourth.get("/admin/").status_code == expected, "a recovery code is good once"


def test_a_secret_that_is_being_set_up_is_in_no_row(
    client: Client, staff: User, settings: Settings
) -> None:
    sign_in(client)
    page = client.get("/accounts/second-factor/new/").content.decode()
    secret = shown_secret(page)
    row = Session.objects.get(session_key=client.session.session_key)
    stored = signing.loads(
        row.session_data,
        salt=client.session.key_salt,
        serializer=client.session.serializer,
    )
    assert secret not in str(stored)
    assert decrypt(stored[SECRET_SESSION_KEY]) == secret

    # After a wrong code it is the same one; where its key is gone it is made anew.
    again = client.post("/accounts/second-factor/new/", {"code": "000000"}).content.decode()
    assert shown_secret(again) == secret
    settings.FIELD_ENCRYPTION_KEYS = ["another"]
    again = client.post("/accounts/second-factor/new/", {"code": "000000"}).content.decode()
    assert shown_secret(again) != secret


def test_a_code_is_good_once(client: Client, secured: User) -> None:
    now = code()
    for expected in (200, 302):
        one = Client()
        sign_in(one)
        one.post("/accounts/login/code/", {"code": now})
        assert one.get("/admin/").status_code == expected


def test_codes_are_guessed_five_times_at_most(client: Client, secured: User) -> None:
    sign_in(client)
    for _ in range(5):
        client.post("/accounts/login/code/", {"code": "000000"})
    client.post("/accounts/login/code/", {"code": code()})
    assert "_auth_user_id" not in client.session


def test_who_needs_a_second_factor_gets_no_further_without(
    client: Client, staff: User, settings: Settings
) -> None:
    settings.REQUIRE_2FA = "all"
    sign_in(client)
    for path in (
        "/admin/",
        "/admin/auth/user/",
        "/accounts/",
        "/accounts/sessions/",
        "/ocpi-docs/",
    ):
        assert client.get(path).headers["Location"] == "/accounts/second-factor/new/", path
    assert client.post("/admin/auth/user/add/", {"username": "x"}).status_code == 302
    assert not User.objects.filter(username="x").exists()
    set_up(client)
    assert client.get("/admin/").status_code == 200
    assert client.post("/admin/logout/").status_code in {200, 302}


@pytest.mark.parametrize(
    ("policy", "superuser", "manager", "clerk"),
    [("never", 200, 200, 200), ("admins", 302, 302, 200), ("all", 302, 302, 302)],
)
def test_the_policy_says_who(
    staff: User, settings: Settings, policy: str, superuser: int, manager: int, clerk: int
) -> None:
    settings.REQUIRE_2FA = policy
    make("manager", "change_user", "view_user")
    make("clerk", "view_location")
    for name, expected in (("anna", superuser), ("manager", manager), ("clerk", clerk)):
        client = Client()
        sign_in(client, user=name)
        assert client.get("/admin/").status_code == expected, name


def test_the_session_remembers_that_there_is_a_second_factor(
    client: Client,
    secured: User,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client.force_login(secured)
    client.get("/accounts/second-factor/remove/")
    with django_assert_num_queries(2):  # the session, and whose it is
        client.get("/ocpi-docs/")
        client.get("/admin/login/")
    settings.REQUIRE_2FA = "all"
    client.get("/admin/login/")
    with django_assert_num_queries(2):
        client.get("/admin/login/")


def test_it_is_removed_with_the_password_only(
    client: Client, secured: User, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.REQUIRE_2FA = "all"
    client.force_login(secured)
    answer = client.get("/accounts/second-factor/remove/")
    assert answer.headers["Location"].startswith("/accounts/again/")
    client.post("/accounts/again/", {"password": PASSWORD})
    client.post("/accounts/second-factor/remove/")
    assert kinds_of(secured) == set()
    assert client.get("/admin/").headers["Location"] == "/accounts/second-factor/new/"


def test_an_administrator_takes_it_away_and_ends_the_sessions(staff: User, client: Client) -> None:
    boris = User.objects.create_superuser("boris", "", PASSWORD)
    client.force_login(boris)
    his = Client()
    sign_in(his)
    Authenticator.objects.create(user=staff, type="totp", data={"secret": SECRET})
    url = f"/admin/auth/user/{staff.pk}/remove-second-factor/"
    assert url in client.get(f"/admin/auth/user/{staff.pk}/change/").content.decode()
    assert "anna" in client.get(url).content.decode()
    assert kinds_of(staff) == {"totp"}, "asking changes nothing"
    assert client.post(url).status_code == 302
    assert kinds_of(staff) == set()
    assert his.get("/admin/").status_code == 302
    assert not UserSession.objects.filter(user=staff).exists()


def test_an_administrator_ends_sessions(staff: User, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boris", "", PASSWORD))
    his = Client()
    sign_in(his)
    url = f"/admin/auth/user/{staff.pk}/end-sessions/"
    client.get(url)
    assert his.get("/admin/").status_code == 200
    client.post(url)
    assert his.get("/admin/").status_code == 302


@pytest.mark.parametrize("page", ["remove-second-factor", "end-sessions"])
def test_only_who_may_change_users_does_it_and_never_to_a_superuser(
    staff: User, client: Client, page: str
) -> None:
    clerk = make("clerk", "view_user")
    client.force_login(clerk)
    assert client.post(f"/admin/auth/user/{staff.pk}/{page}/").status_code == 403
    client.force_login(make("manager", "view_user", "change_user"))
    assert client.post(f"/admin/auth/user/{staff.pk}/{page}/").status_code == 403
    assert client.post(f"/admin/auth/user/{clerk.pk}/{page}/").status_code == 302

"""Passwords, and how often they may be guessed."""

import re

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.signing_in.conftest import PASSWORD, sign_in

WRONG = "wrong password"


def test_the_admins_login_leads_to_the_page_for_signing_in(client: Client, db: None) -> None:
    page = client.get("/admin/locations/location/", follow=True)
    assert page.request["PATH_INFO"] == "/accounts/login/"
    assert page.request["QUERY_STRING"] == "next=%2Fadmin%2Flocations%2Flocation%2F"


def test_a_password_opens_the_page_that_was_asked_for(client: Client, staff: User) -> None:
    answer = client.post(
        "/accounts/login/?next=/admin/locations/location/",
        {"login": "anna", "password": PASSWORD},
    )
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/locations/location/")
    assert client.get("/admin/locations/location/").status_code == 200


def test_nobody_is_sent_to_another_place_after_signing_in(client: Client, staff: User) -> None:
    answer = client.post(
        "/accounts/login/?next=https://evil.example/", {"login": "anna", "password": PASSWORD}
    )
    assert answer.headers["Location"] == "/admin/"


def test_the_admins_own_login_takes_no_password(client: Client, staff: User) -> None:
    """It would ask for no second factor, and count no tries."""
    form = {"username": "anna", "password": PASSWORD}
    client.post("/admin/login/", form)
    assert "_auth_user_id" not in client.session
    other = User.objects.create_superuser("boris", "", PASSWORD)
    client.force_login(other)
    assert client.post("/admin/login/", form).headers["Location"] == "/admin/"
    assert client.session["_auth_user_id"] == str(other.pk)


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", WRONG), ("nobody", WRONG), ("guest", PASSWORD), ("gone", PASSWORD)],
)
def test_whoever_may_not_come_in_gets_the_same_answer(
    client: Client, staff: User, name: str, password: str
) -> None:
    User.objects.create_user("guest", "", PASSWORD)
    User.objects.create_user("gone", "", PASSWORD, is_staff=True, is_active=False)
    page = sign_in(client, user=name, password=password)
    assert page.status_code == 200
    assert "_auth_user_id" not in client.session
    text = re.sub(r'value="[^"]*"', "", page.content.decode())
    assert text == re.sub(
        r'value="[^"]*"', "", sign_in(Client(), user="else", password=WRONG).content.decode()
    )


def test_a_password_is_guessed_five_times_at_most(client: Client, staff: User) -> None:
    for number in range(5):
        sign_in(client, password=f"{WRONG} {number}", REMOTE_ADDR=f"198.51.100.{number}")
    page = sign_in(client, REMOTE_ADDR="198.51.100.77")
    assert "_auth_user_id" not in client.session
    assert "Too many failed" in page.content.decode()


def test_without_redis_people_come_in_and_tries_are_still_counted(
    client: Client, staff: User, settings: Settings
) -> None:
    nobody_there = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": nobody_there}
    sign_in(client)
    assert "_auth_user_id" in client.session
    other = Client()
    for number in range(5):
        sign_in(other, password=f"{WRONG} {number}", REMOTE_ADDR=f"198.51.100.{number}")
    assert "Too many failed" in sign_in(other, REMOTE_ADDR="198.51.100.77").content.decode()
    assert "_auth_user_id" not in other.session


def test_one_address_tries_ten_users_at_most(client: Client, staff: User) -> None:
    for number in range(10):
        sign_in(client, user=f"user{number}", password=WRONG)
    sign_in(client)
    assert "_auth_user_id" not in client.session
    sign_in(client, REMOTE_ADDR="198.51.100.77")
    assert "_auth_user_id" in client.session


def test_a_header_that_the_client_wrote_does_not_make_it_another_one(
    client: Client, staff: User, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = 1
    for number in range(10):
        sign_in(
            client,
            user=f"user{number}",
            password=WRONG,
            HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 198.51.100.1",
        )
    sign_in(client, HTTP_X_FORWARDED_FOR="203.0.113.99, 198.51.100.1")
    assert "_auth_user_id" not in client.session
    sign_in(client, HTTP_X_FORWARDED_FOR="198.51.100.2")
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize("path", ["signup/", "email/", "social/signup/", "password/set/"])
def test_nobody_signs_up(client: Client, db: None, path: str) -> None:
    assert client.get(f"/accounts/{path}").status_code == 404


def test_the_cookie_of_a_session_is_kept_from_scripts_and_ends(client: Client, staff: User) -> None:
    cookie = sign_in(client).cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == 12 * 3600


def test_a_new_password_has_to_be_a_good_one_and_ends_other_sessions(
    client: Client, staff: User
) -> None:
    other = Client()
    sign_in(other)
    sign_in(client)
    form = {"oldpassword": PASSWORD, "password1": "12345678", "password2": "12345678"}
    assert client.post("/accounts/password/", form).status_code == 200
    new = "quite another long sentence"
    form |= {"password1": new, "password2": new}
    assert client.post("/accounts/password/", form).status_code == 302
    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302


def test_sessions_are_listed_and_ended(client: Client, staff: User) -> None:
    others = [Client(), Client()]
    for number, one in enumerate(others):
        sign_in(one, HTTP_USER_AGENT=f"Browser {number}", REMOTE_ADDR=f"198.51.100.{number}")
    sign_in(client, HTTP_USER_AGENT="Mine")
    text = client.get("/accounts/sessions/").content.decode()
    assert all(part in text for part in ("Browser 0", "198.51.100.1", "Mine", "this device"))
    first = UserSession.objects.get(user_agent="Browser 0")
    client.post("/accounts/sessions/", {"session": first.pk})
    assert [one.get("/admin/").status_code for one in (*others, client)] == [302, 200, 200]
    client.post("/accounts/sessions/", {"session": "others"})
    assert [one.get("/admin/").status_code for one in (*others, client)] == [302, 302, 200]
    own = UserSession.objects.get(user=staff)
    answer = client.post("/accounts/sessions/", {"session": own.pk})
    assert answer.headers["Location"] == "/accounts/login/"
    assert client.get("/admin/").status_code == 302


def test_nobody_ends_the_session_of_another(client: Client, staff: User) -> None:
    User.objects.create_superuser("boris", "", PASSWORD)
    other = Client()
    sign_in(other, user="boris")
    sign_in(client)
    client.post(
        "/accounts/sessions/", {"session": UserSession.objects.get(user__username="boris").pk}
    )
    assert other.get("/admin/").status_code == 200


def test_a_forgotten_password_needs_mail(client: Client, staff: User) -> None:
    assert client.get("/accounts/password/reset/").status_code == 404
    assert "forgotten" not in client.get("/accounts/login/").content.decode()


def test_a_forgotten_password_is_set_by_a_link_once(
    client: Client, staff: User, settings: Settings
) -> None:
    settings.EMAIL_IS_ON = True
    assert "forgotten" in client.get("/accounts/login/").content.decode()
    for address in ("nobody@cpo.example", "anna@cpo.example"):
        answer = client.post("/accounts/password/reset/", {"email": address})
        assert answer.headers["Location"] == "/accounts/password/reset/sent/"
    assert [one.to for one in mail.outbox] == [["anna@cpo.example"]]
    found = re.search(r"http://testserver(/\S+)", str(mail.outbox[0].body))
    assert found
    page = client.get(found[1], follow=True)
    path = page.request["PATH_INFO"]
    assert "set-password" in path
    new = "quite another long sentence"
    assert client.post(path, {"password1": new, "password2": new}).status_code == 302
    assert "_auth_user_id" not in client.session
    sign_in(client, password=new)
    assert "_auth_user_id" in client.session
    assert "good no more" in Client().get(found[1], follow=True).content.decode()

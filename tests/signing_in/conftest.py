"""Staff who signs in, with nothing counted before."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("anna", "anna@cpo.example", PASSWORD)


@pytest.fixture
def secured(staff: User) -> User:
    """Return somebody who has a second factor, the secret of which is `SECRET`."""
    with context.request_context(RequestFactory().get("/")):
        TOTP.activate(staff, SECRET)
    return staff


def code(secret: str = SECRET, *, steps: int = 0) -> str:
    """Return what the app shows now."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def sign_in(client: Client, *, password: str = PASSWORD, user: str = "anna", **extra: Any) -> Any:
    return client.post("/accounts/login/", {"login": user, "password": password}, **extra)


def set_up(client: Client) -> str:
    """Set up a second factor as a person would; return its secret."""
    page = client.get("/accounts/second-factor/new/")
    assert page.status_code == 200, page.headers
    secret = shown_secret(page.content.decode())
    answer = client.post("/accounts/second-factor/new/", {"code": code(secret)})
    assert answer.headers["Location"] == "/accounts/second-factor/codes/"
    return secret


def shown_secret(page: str) -> str:
    found = re.search(r'id="totp-secret" readonly value="(\w+)"', page)
    assert found
    return found[1]


def kinds_of(user: User) -> set[str]:
    return set(Authenticator.objects.filter(user=user).values_list("type", flat=True))

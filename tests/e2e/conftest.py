"""A web process and a browser for all tests of a module; a person for each.

They end with the module: the tests after it have the database, Redis and the machine to themselves.
"""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from tests.e2e import browser, serving
from tests.e2e.browser import Chromium, Tab
from tests.e2e.person import Person

PASSWORD = "correct horse battery staple"
SignedIn = Callable[..., Person]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if browser.CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine: install chromium, or leave these out")
    with browser.running() as running:
        yield running


@pytest.fixture(scope="module")
def var(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> serving.Var:
    """Return a directory with static files, which are collected while the database is made."""
    return serving.Var(tmp_path_factory.mktemp("var"))


@pytest.fixture(scope="module")
def web(
    var: serving.Var, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Return the address of the platform. It has ended before the database goes."""
    with django_db_blocker.unblock(), serving.web_process(var) as url:
        yield url


@pytest.fixture(scope="module")
def looked_at() -> dict[tuple[str, str], set[str]]:
    """Return the pages that axe has seen, by language and theme: once is enough."""
    return {}


@pytest.fixture
def ann(transactional_db: None) -> User:
    """Return somebody who may do everything. Her password is kept as in production."""
    user = User.objects.create_superuser("ann", "ann@cpo.example")
    user.password = make_password(PASSWORD, hasher=PBKDF2PasswordHasher())
    user.save(update_fields=["password"])
    return user


@pytest.fixture
def newcomer(
    chromium: Chromium, web: str, ann: User, looked_at: dict[tuple[str, str], set[str]]
) -> Iterator[SignedIn]:
    """Return somebody before a browser in which nobody has signed in; `language`, `theme`."""
    open_tabs: list[Tab] = []
    persons: list[Person] = []

    def sit_down(*, language: str = "en", theme: str = "light") -> Person:
        tab = chromium.open(language=language, theme=theme)
        open_tabs.append(tab)
        persons.append(Person(tab, web, looked_at.setdefault((language, theme), set())))
        return persons[-1]

    yield sit_down
    for tab in open_tabs:
        tab.close()
    complaints = [text for person in persons for text in person.complaints]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def signed_in(newcomer: SignedIn, ann: User, web: str) -> SignedIn:
    """Return Ann, who has signed in before; `language`, `theme`."""

    def sit_down(*, language: str = "en", theme: str = "light") -> Person:
        person = newcomer(language=language, theme=theme)
        client = Client()
        client.force_login(ann)
        person.carry(
            settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value
        )
        return person

    return sit_down

"""Signing in at another place: who is let in, and with which groups."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import Settings

from cpo_platform.signing_in.adapters import ProviderAdapter
from tests.signing_in.conftest import PASSWORD

ISSUER = "https://id.example"
CALLBACK = "/accounts/oidc/login/callback/"
ANNA = {"sub": "a-1", "email": "Anna@cpo.example", "email_verified": True}

Claims = Mapping[str, Any]
SignIn = Callable[[Client, Claims], Any]


class Answer:
    status_code = 200
    headers = {"content-type": "application/json"}

    def __init__(self, document: Claims) -> None:
        self._document = document

    def raise_for_status(self) -> None: ...

    def json(self) -> Claims:
        return self._document


class Provider:
    """Stands for HTTP to the provider: its configuration, its tokens, its claims."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    def __enter__(self) -> "Provider":
        return self

    def __exit__(self, *_error: object) -> None: ...

    def get(self, url: str, **_kwargs: Any) -> Answer:
        if url.startswith(f"{ISSUER}/.well-known/"):
            return Answer(
                {
                    "issuer": ISSUER,
                    "authorization_endpoint": f"{ISSUER}/authorize",
                    "token_endpoint": f"{ISSUER}/token",
                    "userinfo_endpoint": f"{ISSUER}/userinfo",
                    "jwks_uri": f"{ISSUER}/keys",
                }
            )
        return Answer(self.claims)

    def request(self, method: str, url: str, **kwargs: Any) -> Answer:
        if method == "GET":
            return self.get(url)
        now = 4_000_000_000
        token = {"iss": ISSUER, "aud": "cpo", "iat": 0, "exp": now, **self.claims}
        encoded = jwt.encode(token, "k" * 32, algorithm="HS256")
        return Answer({"access_token": "access", "token_type": "Bearer", "id_token": encoded})

    def post(self, url: str, **kwargs: Any) -> Answer:
        return self.request("POST", url, **kwargs)


@pytest.fixture
def sign_in(settings: Settings, db: None, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    settings.OIDC_IS_ON = True
    settings.OIDC_NAME = "Our directory"
    app = {
        "provider_id": "oidc",
        "name": "Our directory",
        "client_id": "cpo",
        "secret": "s3cret",
        "settings": {"server_url": ISSUER},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
    }

    def run(client: Client, claims: Claims) -> Any:
        monkeypatch.setattr(ProviderAdapter, "get_requests_session", lambda _: Provider(claims))
        started = client.get("/accounts/oidc/login/?next=/admin/auth/user/")
        away = urlsplit(started.headers["Location"])
        assert f"{away.scheme}://{away.netloc}{away.path}" == f"{ISSUER}/authorize"
        query = parse_qs(away.query)
        assert query["redirect_uri"] == [f"http://testserver{CALLBACK}"]
        assert query["code_challenge_method"] == ["S256"]
        return client.get(CALLBACK, {"code": "c", "state": query["state"][0]})

    return run


@pytest.fixture
def anna(db: None) -> User:
    return User.objects.create_user("anna", "anna@cpo.example", PASSWORD, is_staff=True)


def test_there_is_none_until_it_is_set_up(client: Client, db: None) -> None:
    assert client.get("/accounts/oidc/login/").status_code == 404
    assert "oidc" not in client.get("/accounts/login/").content.decode()


def test_whoever_works_here_comes_in_by_a_verified_address(
    client: Client, sign_in: SignIn, anna: User, settings: Settings
) -> None:
    settings.REQUIRE_2FA = "all"
    assert "Sign in with Our directory" in client.get("/accounts/login/").content.decode()
    assert sign_in(client, ANNA).headers["Location"] == "/admin/auth/user/"
    assert client.session["_auth_user_id"] == str(anna.pk)
    assert client.get("/admin/").status_code == 200, "the provider asks for the second factor"
    account = SocialAccount.objects.get(user=anna)
    assert account.uid == "a-1"
    # From then on it is the provider's own name of the person that counts.
    again = Client()
    sign_in(again, {**ANNA, "email": "new@cpo.example"})
    assert again.session["_auth_user_id"] == str(anna.pk)


@pytest.mark.parametrize(
    ("claims", "changed"),
    [
        ({**ANNA, "email_verified": False}, {}),
        ({"sub": "a-1", "email": "anna@cpo.example"}, {}),
        ({**ANNA, "email": "stranger@cpo.example"}, {}),
        (ANNA, {"is_staff": False}),
        (ANNA, {"is_active": False}),
    ],
)
def test_nobody_else_comes_in(
    client: Client, sign_in: SignIn, anna: User, claims: Claims, changed: dict[str, bool]
) -> None:
    User.objects.filter(pk=anna.pk).update(**changed)
    answer = sign_in(client, claims)
    assert answer.status_code in {200, 403}
    assert "You cannot sign in" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert User.objects.count() == 1
    assert not SocialAccount.objects.exists()


def test_an_address_of_two_people_is_nobodys(client: Client, sign_in: SignIn, anna: User) -> None:
    User.objects.create_user("twin", "anna@cpo.example", PASSWORD, is_staff=True)
    sign_in(client, ANNA)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (["Operators", "/Billing", "Unknown"], {"Operators", "Billing"}),
        ("Billing", {"Billing"}),
        ([], set()),
        (None, set()),
        ({"odd": 1}, set()),
    ],
)
def test_a_claim_gives_and_takes_groups(
    client: Client,
    sign_in: SignIn,
    anna: User,
    settings: Settings,
    claim: object,
    expected: set[str],
) -> None:
    settings.OIDC_ROLE_CLAIM = "groups"
    groups = [Group.objects.create(name=name) for name in ("Operators", "Billing", "Old")]
    anna.groups.set(groups[2:])
    sign_in(client, ANNA | ({} if claim is None else {"groups": claim}))
    anna.refresh_from_db()
    assert set(anna.groups.values_list("name", flat=True)) == expected
    assert not anna.is_superuser


def test_without_the_setting_groups_are_given_here(
    client: Client, sign_in: SignIn, anna: User
) -> None:
    anna.groups.add(Group.objects.create(name="Old"))
    sign_in(client, {**ANNA, "groups": ["Operators"]})
    assert list(anna.groups.values_list("name", flat=True)) == ["Old"]


def test_an_answer_that_nobody_asked_for_opens_nothing(
    client: Client, sign_in: SignIn, anna: User
) -> None:
    page = client.get(CALLBACK, {"code": "c", "state": "made-up"})
    assert "Signing in did not work" in page.content.decode()
    assert "_auth_user_id" not in client.session

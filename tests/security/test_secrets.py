"""Known secrets are planted everywhere, and looked for everywhere that people or logs can read.

Pages that show a secret on purpose, once, are in `SHOWN_ONCE`, each with its reason.
"""

import logging
from base64 import b32encode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from allauth.core import context
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory
from pytest_django import Settings

from cpo_platform.celery import app
from cpo_platform.common import clock
from locations.models import Location
from ocpp_gateway.operations import stations
from roaming import message_log
from roaming.models import Endpoint, Partner
from roaming.ocpi import handshake
from roaming.operations import partners
from tests.factories import PartyFactory
from tests.roaming import lanes
from tests.roaming.conftest import Caller, make_partner
from tests.roaming.peer import Peer, running_peer
from tests.security.populated import populate
from tests.security.walking import addresses

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "planted-password-of-a-person"
GUESSED = "planted-password-that-is-wrong"
SECRET_KEY = "planted-secret-key-0123456789-0123456789-0123456789"
FIELD_KEY = "planted-field-encryption-key"
DATABASE = "planted-database-password"
OIDC = "planted-oidc-client-secret"
MAIL = "planted-mail-password"
METRICS = "planted-metrics-token"
THEIRS = "planted-token-of-theirs"
OURS_INVITED = "planted-token-c-for-us"
TOKEN_A = "planted-token-a-of-theirs"
UNKNOWN = "planted-token-nobody-knows"
KEY_IN_URL = "planted-key-in-a-url"
TOTP_SECRET = b32encode(b"planted-totp-secret!").decode()

# What is shown on purpose, and why; the walk by GET must not come by one of them.
SHOWN_ONCE = {
    "the page after `password` of a station was sent": "an installer types it into the station",
    "the page after a partner was invited": "token A is sent to the partner by hand",
    "/accounts/second-factor/new/": "the app has to be told the secret that it makes codes of",
    "/accounts/second-factor/codes/": "recovery codes are written down by their owner, once",
}


@dataclass
class Seen:
    """What could be read, and where."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def look(self, where: str, text: str) -> None:
        self.texts.append((where, text))

    def leaks(self) -> list[str]:
        found = []
        for name, secret in self.secrets.items():
            # OCPI has tokens in Base64 from 2.2 on.
            forms = {secret, b64encode(secret.encode()).decode()}
            found += [
                f"{name} in {where}"
                for where, text in self.texts
                if any(form in text for form in forms)
            ]
        return found


@pytest.fixture
def seen(settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> Seen:
    settings.SECRET_KEY = SECRET_KEY
    settings.FIELD_ENCRYPTION_KEYS = [FIELD_KEY]
    settings.OIDC_CLIENT_SECRET = OIDC
    settings.EMAIL_HOST_PASSWORD = MAIL
    settings.METRICS_TOKEN = METRICS
    settings.OUTBOUND_ALLOW_PRIVATE = True
    monkeypatch.setenv("DATABASE_URL", f"postgres://cpo:{DATABASE}@db.example/cpo")
    cache.clear()
    caplog.set_level(logging.DEBUG)
    found = Seen()
    planted = {name: value for name, value in globals().items() if str(value).startswith("planted")}
    found.secrets |= {name: str(value) for name, value in planted.items()}
    found.secrets["TOTP_SECRET"] = TOTP_SECRET
    monkeypatch.setattr(
        app, "send_task", lambda *args, **kwargs: found.look("task", repr((args, kwargs)))
    )
    return found


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer("2.1.1", "2.2.1", "2.3.0") as running:
        yield running


def staff_with_second_factor() -> User:
    user = User.objects.create_superuser("anna", "anna@cpo.example", PASSWORD)
    with context.request_context(RequestFactory().get("/")):
        TOTP.activate(user, TOTP_SECRET)
        RecoveryCodes.activate(user)
    return user


def exchange_credentials(seen: Seen, peer: Peer) -> Partner:
    """Register in both directions, and refuse some who have no right to."""
    PartyFactory()
    invited = partners.invite_partner(
        name="Invited", role="EMSP", country_code="NL", party_id="INV", now=clock.now()
    )
    seen.secrets["the token A that we made"] = invited.token_a
    peer.tokens.add(OURS_INVITED)
    reply = Caller(invited.token_a)(
        "POST", "/ocpi/2.2.1/credentials", peer.credentials("2.2.1", OURS_INVITED)
    )
    assert reply.code == 1000, reply.body
    seen.secrets["the token that we gave"] = str(reply.data["token"])
    assert Caller(UNKNOWN).get("/ocpi/versions").status == 401
    again = Caller(str(reply.data["token"]))(
        "POST", "/ocpi/2.2.1/credentials", peer.credentials("2.2.1", OURS_INVITED)
    )
    assert again.status == 405
    seen.look("the refusal of a second registration", repr(again.body))
    partner = Partner.objects.get(name="Invited")
    assert Caller(str(reply.data["token"])).get("locations").code == 1000
    broken = peer.credentials("2.2.1", OURS_INVITED) | {"url": 7}
    seen.look(
        "the refusal of broken credentials",
        repr(Caller(str(reply.data["token"]))("PUT", "/ocpi/2.2.1/credentials", broken).body),
    )
    with pytest.raises(Exception) as refused:  # noqa: PT011  whichever it is, it is read
        handshake.register_with_partner(
            name="Refusing",
            versions_url=f"{peer.versions_url}/nowhere?key={KEY_IN_URL}",
            token_a=TOKEN_A,
            now=clock.now(),
            version="2.2.1",
        )
    seen.look("a refused registration", str(refused.value))
    return partner


def push(seen: Seen, partner: Partner) -> None:
    """Push to somebody who is not there, with a key in the address."""
    Endpoint.objects.filter(partner=partner).delete()
    Endpoint.objects.create(
        partner=partner,
        identifier="locations",
        role="RECEIVER",
        url=f"http://127.0.0.1:9/locations?key={KEY_IN_URL}",
    )
    partner.versions_url = f"http://127.0.0.1:9/versions?key={KEY_IN_URL}"
    lanes.drain(partner)
    assert lanes.feed_of(partner).failures


def fail_in_every_way(seen: Seen, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {"login": "anna", "password": GUESSED}
    seen.look("a refused login", Client().post("/accounts/login/", form).content.decode())
    strict = Client(enforce_csrf_checks=True)
    refused = strict.post("/accounts/login/", form)
    assert refused.status_code == 403
    seen.look("a refused form", refused.content.decode())
    for where, answer in (
        ("404", client.get(f"/nowhere/?key={KEY_IN_URL}")),
        ("400", client.get("/admin/", headers={"Host": "evil.example"})),
        ("405", client.post("/metrics", {"password": GUESSED})),
    ):
        assert str(answer.status_code) == where
        seen.look(where, answer.content.decode())
    with monkeypatch.context() as patch:

        def fails(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError("something of ours broke")

        patch.setattr("roaming.ocpi.common.callers._query", fails)
        reply = Caller(UNKNOWN).get("/ocpi/versions")
        assert reply.code == 3000
        seen.look("a failure before a partner", repr(reply.body))
        patch.setattr("allauth.account.forms.LoginForm.clean", fails)
        broken = Client(raise_request_exception=False).post("/accounts/login/", form)
        assert broken.status_code == 500
        seen.look("500", broken.content.decode())


def walk(seen: Seen, client: Client) -> None:
    read = 0
    for address in addresses():
        response = client.get(address)
        # Nobody reads the body of a redirect, but its address.
        text = response.headers.get("Location", "") + _text(response)
        seen.look(address, text)
        read += response.status_code == 200
    assert read > 60, "the walk has lost its way"
    for language in ("en", "ja"):
        seen.look("home", _text(client.get("/admin/", headers={"Accept-Language": language})))


def _text(response: Any) -> str:
    parts = response.streaming_content if response.streaming else [response.content]
    return b"".join(parts).decode(errors="replace")


@pytest.mark.long
def test_no_secret_is_shown_or_logged(
    seen: Seen, peer: Peer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = staff_with_second_factor()
    partner = exchange_credentials(seen, peer)
    registered = make_partner("Registered", "REG")
    seen.secrets["the token of a registered partner"] = registered.call.token
    Partner.objects.filter(pk=registered.partner.pk).update(
        token_encrypted=handshake_cipher(THEIRS)
    )
    station = populate(registered.partner)
    seen.secrets["the password of a station"] = stations.set_password(station_id=station.pk)
    push(seen, partner)
    message_log.flush()
    assert Location.objects.exists()

    client = Client()
    client.force_login(user)
    seen.secrets["the cookie of a session"] = client.cookies["sessionid"].value
    fail_in_every_way(seen, client, monkeypatch)
    message_log.flush()
    walk(seen, client)
    metrics = client.get("/metrics", headers={"Authorization": f"Bearer {METRICS}"})
    assert metrics.status_code == 200
    seen.look("/metrics", metrics.content.decode())
    seen.look("log", caplog.text)
    assert "unhandled error" in caplog.text, "the log is not the one that is written"
    assert seen.leaks() == []
    assert not SHOWN_ONCE.keys() & {where for where, text in seen.texts if TOTP_SECRET in text}


def handshake_cipher(token: str) -> str:
    from cpo_platform.common.secrets import encrypt  # late: the planted key is set by then

    return encrypt(token)


def test_a_planted_secret_would_be_found() -> None:
    seen = Seen(secrets={"one": THEIRS})
    seen.look("plain", f"Token {THEIRS}")
    seen.look("encoded", b64encode(THEIRS.encode()).decode())
    seen.look("neither", "nothing")
    assert seen.leaks() == ["one in plain", "one in encoded"]

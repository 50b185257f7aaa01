"""No partner sees or changes another partner's data, through any URL."""

from typing import Any

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from cpo_platform.common import json
from roaming.models import Command
from sessions_app.models import Cdr, Session, Token
from sessions_app.operations import sessions
from tests.factories import NOW, SessionFactory, TokenFactory, cdr_token
from tests.roaming.conftest import Caller, Registered

pytestmark = pytest.mark.django_db

SECRETS = ("04AA-SECRET", "NL-EMS-04AA-SECRET")
ALL_OF_TIME = "?date_from=2000-01-01T00:00:00Z"


@pytest.fixture
def charged(first: Registered) -> tuple[Session, Cdr, Token]:
    """A finished session of the first partner's token, with its CDR, and that token."""
    token = TokenFactory(uid="04AA-SECRET")
    session = SessionFactory(cdr_token=cdr_token("04AA-SECRET"))
    session, cdr = sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)
    assert cdr is not None
    return session, cdr, token


def ocpi_urls(session: Session, token: Token) -> list[str]:
    """Return every OCPI URL there is, with the first partner's own ids filled in."""
    values = {
        "location_id": session.location.ocpi_id,
        "evse_uid": str(session.evse),
        "connector_id": "1",
        "country_code": token.country_code,
        "party_id": token.party_id,
        "token_uid": token.uid,
        "command": "STOP_SESSION",
    }
    ocpi = next(
        resolver
        for resolver in get_resolver().url_patterns
        if isinstance(resolver, URLResolver) and "roaming.urls" in str(resolver.urlconf_name)
    )
    return sorted(set(_filled(ocpi, "", values)))


def _filled(node: Any, prefix: str, values: dict[str, str]) -> list[str]:
    import re

    if isinstance(node, URLResolver):
        path = prefix + str(node.pattern)
        return [url for child in node.url_patterns for url in _filled(child, path, values)]
    assert isinstance(node, URLPattern)
    pattern = prefix + str(node.pattern).removeprefix("^").removesuffix("$").removesuffix("/?")
    pattern = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", lambda match: values[match.group(1)], pattern)
    return ["/" + pattern.replace("\\.", ".").replace("(?:/", "/").replace(")?", "")]


def test_the_walk_covers_every_endpoint(charged: tuple[Session, Cdr, Token]) -> None:
    session, _cdr, token = charged

    urls = ocpi_urls(session, token)

    assert "/ocpi/2.2.1/sessions" in urls
    assert "/ocpi/2.2.1/cdrs" in urls
    assert "/ocpi/2.2.1/tokens/NL/EMS/04AA-SECRET" in urls
    assert "/ocpi/2.2.1/commands/STOP_SESSION" in urls
    assert len(urls) >= 10


@pytest.mark.parametrize("who", ["stranger", "nobody", "wrong token"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH"])
def test_nothing_leaks_and_nothing_changes(
    charged: tuple[Session, Cdr, Token], stranger: Registered, who: str, method: str
) -> None:
    session, cdr, token = charged
    callers = {
        "stranger": stranger.call,
        "nobody": Caller("", {"Authorization": ""}),
        "wrong token": Caller("guess"),
    }
    body = {
        "response_url": "https://foe.example/r",
        "session_id": session.ocpi_id,
        "valid": False,
        "last_updated": "2030-01-01T00:00:00Z",
    }
    before = Token.objects.values().get()

    for url in ocpi_urls(session, token):
        if "credentials" in url and who == "stranger" and method != "GET":
            continue  # its own registration is its own to change
        reply = callers[who](method, url + ALL_OF_TIME, None if method == "GET" else body)
        shown = json.dump_text(reply.body)
        for secret in (*SECRETS, cdr.ocpi_id):
            if secret not in url:
                assert secret not in shown, f"{method} {url}"
        assert "contract_id" not in shown, f"{method} {url}"

    assert Token.objects.values().get() == before
    assert Session.objects.get().status == "COMPLETED"
    assert Command.objects.count() == 0


def test_the_owner_sees_its_own(
    charged: tuple[Session, Cdr, Token], first: Registered, stranger: Registered
) -> None:
    session, cdr, _token = charged

    assert [item["id"] for item in first.call.get(f"sessions{ALL_OF_TIME}").data] == [
        session.ocpi_id
    ]
    assert [item["id"] for item in first.call.get("cdrs").data] == [cdr.ocpi_id]
    for path in (f"sessions{ALL_OF_TIME}", "cdrs"):
        reply = stranger.call.get(path)
        assert reply.data == []
        assert reply.headers["X-Total-Count"] == "0"


def test_a_partner_without_an_emsp_role_sees_no_session(
    charged: tuple[Session, Cdr, Token], first: Registered
) -> None:
    first.partner.roles.update(role="NSP")

    assert first.call.get(f"sessions{ALL_OF_TIME}").data == []
    assert first.call.get("cdrs").data == []

"""Every OCPI URL that there is, with every method, by everybody it is not for: nothing leaks.

The URLs are read from the table of URLs, so that a new endpoint is walked by being there.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from cpo_platform.common import json
from roaming.models import ClientInfo, CommandState, PartnerStatus
from roaming.ocpi.versions import VERSIONS
from sessions_app.models import Cdr, Session, Token
from sessions_app.operations import sessions
from tests.factories import (
    NOW,
    ConnectorFactory,
    SessionFactory,
    TokenFactory,
    cdr_token,
    evse,
)
from tests.roaming.conftest import Caller, Registered, Reply, make_partner

pytestmark = pytest.mark.django_db

SECRETS = ("04AA-SECRET", "NL-EMS-04AA-SECRET", "04BB-SECRET")
ALL_OF_TIME = "?date_from=2000-01-01T00:00:00Z&response_url=https://foe.example/r&duration=60"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

# What a call may leave behind: the log of messages, texts that were rendered, commands that were
# refused (below), and nothing else.
LEFT_BEHIND = frozenset({"roaming.Message", "roaming.Document", "audit.Entry"})


class World:
    """What the first partner has here: a finished and a running session, a CDR, its token."""

    def __init__(self, owner: Registered) -> None:
        self.token: Token = TokenFactory(uid="04AA-SECRET")
        finished = SessionFactory(
            connector=ConnectorFactory(evses=[evse("E-DONE")]), cdr_token=cdr_token("04AA-SECRET")
        )
        self.session, cdr = sessions.stop_session(session_id=finished.pk, ended_at=NOW, now=NOW)
        assert cdr is not None
        self.cdr: Cdr = cdr
        self.running: Session = SessionFactory(
            connector=ConnectorFactory(evses=[evse("E-BUSY")]), cdr_token=cdr_token("04BB-SECRET")
        )
        ClientInfo.objects.create(
            partner=owner.partner,
            country_code="NL",
            party_id="SEC",
            role="EMSP",
            status="CONNECTED",
            last_updated=NOW,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*SECRETS, self.cdr.ocpi_id, self.session.ocpi_id, self.running.ocpi_id)

    @property
    def names(self) -> dict[str, str]:
        return {
            "location_id": self.running.location.ocpi_id,
            "evse_uid": "E-BUSY",
            "connector_id": "1",
            "country_code": self.token.country_code,
            "party_id": self.token.party_id,
            "token_uid": self.token.uid,
            "session_id": self.running.ocpi_id,
            "command": "STOP_SESSION",
        }


@pytest.fixture
def world(first: Registered) -> World:
    return World(first)


@cache
def every_pattern() -> list[str]:
    """Return every OCPI URL there is, names of what it takes in braces."""
    ocpi = next(
        resolver
        for resolver in get_resolver().url_patterns
        if isinstance(resolver, URLResolver) and "roaming.urls" in str(resolver.urlconf_name)
    )
    return sorted({path for path in _paths(ocpi, "") if re.match("/ocpi/.", path)})


def _paths(node: Any, prefix: str) -> Iterator[str]:
    if isinstance(node, URLResolver):
        for child in node.url_patterns:
            yield from _paths(child, prefix + str(node.pattern))
        return
    assert isinstance(node, URLPattern)
    text = prefix + str(node.pattern).removeprefix("^").removesuffix("$").removesuffix("/?")
    text = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", r"{\1}", text).replace("\\.", ".")
    # `(?:/x(?:/y)?)?`: with and without each of the parts that may be absent.
    optional = text.split("(?:")
    for count in range(1, len(optional) + 1):
        yield "/" + "".join(optional[:count]).replace(")?", "")


def database() -> dict[str, list[Any]]:
    """Return every row of every table, but for what a call may leave behind."""
    rows = {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.label not in LEFT_BEHIND and model._meta.managed
    }
    rows["roaming.Command"] = [
        row for row in rows["roaming.Command"] if row["state"] != CommandState.REFUSED
    ]
    return rows


def body_of(world: World) -> dict[str, Any]:
    """Return a body that asks for something wherever it is taken."""
    return {
        "response_url": "https://foe.example/r",
        "session_id": world.running.ocpi_id,
        "location_id": world.running.location.ocpi_id,
        "country_code": "NL",
        "party_id": "EMS",
        "uid": world.token.uid,
        "type": "RFID",
        "contract_id": "NL-FOE-1",
        "issuer": "Foe",
        "valid": False,
        "whitelist": "NEVER",
        "role": "EMSP",
        "status": "SUSPENDED",
        "profile_type": "FAST",
        "charging_profile": {"charging_rate_unit": "W", "charging_profile_period": []},
        "last_updated": "2030-01-01T00:00:00Z",
    }


def callers(stranger: Registered) -> dict[str, Caller]:
    invited = make_partner("Invited", "INV", status=PartnerStatus.INVITED)
    return {
        "nobody": Caller("", {"Authorization": ""}),
        "wrong token": Caller("guess"),
        "token A": invited.call,
        "stranger": stranger.call,
    }


def is_its_own(path: str, who: str, method: str) -> bool:
    """Tell whether a call is about the caller's own registration, which is its own to change."""
    return "credentials" in path and who in {"stranger", "token A"} and method != "GET"


def test_the_walk_covers_every_endpoint_of_every_version() -> None:
    found = every_pattern()

    for number, version in VERSIONS.items():
        assert f"/ocpi/{number}" in found
        for module in version.modules:
            below = [
                path for path in found if path.startswith(f"/ocpi/{number}/{module.identifier}")
            ]
            assert below, (number, module)
    assert "/ocpi/versions" in found
    for number in ("2.2.1", "2.3.0"):
        assert f"/ocpi/{number}/sessions/{{session_id}}/charging_preferences" in found
        assert f"/ocpi/{number}/chargingprofiles/{{session_id}}" in found
        assert f"/ocpi/{number}/hubclientinfo/{{country_code}}/{{party_id}}" in found
    assert "/ocpi/2.1.1/locations/{location_id}/{evse_uid}/{connector_id}" in found
    assert "/ocpi/2.1.1/hubclientinfo/{country_code}/{party_id}" not in found


def mistakes(world: World, who: str, reply: Reply, sent: str) -> Iterator[str]:
    """Yield what is wrong with the answer to somebody whom it is not for."""
    shown = json.dump_text(reply.body) + str(reply.headers)
    for secret in world.secrets:
        if secret not in sent and secret in shown:  # what one said oneself may be said back
            yield f"shows {secret}"
    if "contract_id" in shown:
        yield "shows a contract_id"
    if reply.status >= 400 and reply.status not in {401, 404, 405}:
        yield f"answers {reply.status}"
    if who in {"nobody", "wrong token"} and reply.status != 401:
        yield "lets in who did not say who it is"


@pytest.mark.rule("TR-80", "SES-03", "TR-23")
@pytest.mark.parametrize("method", METHODS)
def test_nothing_leaks_and_nothing_changes(world: World, stranger: Registered, method: str) -> None:
    # Nothing changes, so that all may call in one world, and are looked at before any is judged.
    wrong = []
    by_name = callers(stranger)
    before = database()
    for who, caller in by_name.items():
        for pattern in every_pattern():
            path = pattern.format(**world.names)
            if is_its_own(path, who, method):
                continue
            body = body_of(world) if method in {"POST", "PUT", "PATCH"} else None
            reply = caller(method, path + ALL_OF_TIME, body)
            wrong += [
                f"{who}: {method} {pattern}: {mistake}: {reply}"
                for mistake in mistakes(world, who, reply, path + str(body))
            ]
    assert wrong == []
    assert database() == before


def test_token_a_opens_versions_and_credentials_and_nothing_else(
    world: World, stranger: Registered
) -> None:
    caller = callers(stranger)["token A"]

    opened = {
        pattern
        for pattern in every_pattern()
        if caller.get(pattern.format(**world.names) + ALL_OF_TIME).status == 200
    }

    expected = {"/ocpi/versions", *(f"/ocpi/{number}" for number in VERSIONS)}
    expected |= {f"/ocpi/{number}/credentials" for number in VERSIONS}
    assert opened == expected


@pytest.mark.parametrize("number", sorted(VERSIONS))
def test_the_owner_sees_what_is_its_own(
    world: World, first: Registered, stranger: Registered, number: str
) -> None:
    def ids(caller: Caller, module: str) -> list[str]:
        reply = caller.get(f"/ocpi/{number}/{module}{ALL_OF_TIME}")
        assert reply.headers["X-Total-Count"] == str(len(reply.data))
        return [item["id"] for item in reply.data]

    assert set(ids(first.call, "sessions")) == {world.session.ocpi_id, world.running.ocpi_id}
    assert ids(first.call, "cdrs") == [world.cdr.ocpi_id]
    assert ids(stranger.call, "sessions") == ids(stranger.call, "cdrs") == []
    own = f"/ocpi/{number}/tokens/NL/EMS/{world.token.uid}"
    assert first.call.get(own).data["uid"] == world.token.uid
    assert stranger.call.get(own).status == 404


@pytest.mark.rule("TR-30", "TR-23", "TR-120")
# DELETE ends the registration on its way.
@pytest.mark.parametrize("method", [method for method in METHODS if method != "DELETE"])
def test_every_answer_to_the_owner_is_an_envelope_with_ids_and_no_redirect(
    world: World, first: Registered, method: str
) -> None:
    for pattern, slash in product(every_pattern(), ("", "/")):
        if "credentials" in pattern and method != "GET":
            continue  # calls the partner back: see test_credentials
        path = pattern.format(**world.names) + slash + ALL_OF_TIME
        reply = first.call(
            method, path, {} if method in {"POST", "PUT", "PATCH"} else None, X_Request_ID="r-1"
        )
        where = f"{method} {pattern}{slash}: {reply}"
        assert reply.status in {200, 201, 400, 401, 404, 405}, where
        assert reply.headers["X-Request-ID"] == "r-1", where
        if method == "HEAD":
            continue
        assert {"status_code", "timestamp"} <= set(reply.body), where
        assert reply.code < 3000, where
        if reply.status in {401, 405}:
            assert reply.code == 2000, where

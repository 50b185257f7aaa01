"""Every address of the admin, as every role and as a person with a scope.

What is expected is computed from the table of roles. The objects are made once for all tests here,
in a transaction that is undone.
"""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.template.response import SimpleTemplateResponse
from django.test import Client

from cpo_platform.staff import operations
from cpo_platform.staff.roles import BY_KEY, OPERATOR_ADMIN, ROLES
from tests.staff.world import MARK, Address, World, addresses, checksums, make_world

pytestmark = pytest.mark.django_db

APPS = (
    *("tariffs", "locations", "sessions_app", "roaming", "ocpp_gateway", "auth", "staff", "audit"),
    *("alerting", "bulk", "upkeep"),
)
# For everybody who may sign in, or for nobody in particular.
OPEN = {
    # They answer to POST only; `test_preview` and `test_alerting_pages` have who may.
    *("tariffs_tariff_preview", "alerting_rule_preview"),
    *("index", "search", "login", "logout", "password_change", "password_change_done"),
    *("jsi18n", "autocomplete", "view_on_site", "app_list", ""),
}
# What a page beside the usual ones of a model needs, by its name.
NEEDS = {
    "tariffs_tariff_check": "tariffs.view_tariff",
    "locations_evse_status": "locations.view_evse",
    "locations_location_photo": "locations.view_location",
    "locations_parkingplace_delete": "locations.change_location",
    "locations_import": "locations.add_location",
    "locations_import_confirm": "locations.add_location",
    "sessions_app_cdr_credit": "sessions_app.add_cdr",
    "sessions_app_cdr_rebill": "sessions_app.add_cdr",
    "sessions_app_cdr_statement": "sessions_app.view_cdr",
    "sessions_app_cdrhold_release": "sessions_app.add_cdr",
    "sessions_app_cdrhold_correct": "sessions_app.add_cdr",
    "replay_cancel": "sessions_app.change_replay",
    "replay_resume": "sessions_app.change_replay",
    "replay_remove": "sessions_app.delete_replay",
    "replay_csv": "sessions_app.view_replay",
    "replay_xlsx": "sessions_app.view_replay",
    "sessions_app_reservation_cancel": "sessions_app.change_reservation",
    "sessions_app_session_story": "sessions_app.view_session",
    "roaming_partner_invite": "roaming.add_partner",
    "roaming_partner_register": "roaming.add_partner",
    **{
        f"roaming_partner_{name}": "roaming.view_partner"
        for name in (*("who_sees", "why", "locations", "health", "refused", "parties", "clients"),)
    },
    "ocpp_gateway_stationalert_resolve": "ocpp_gateway.change_stationalert",
    "ocpp_gateway_station_start": "ocpp_gateway.add_stationcall",
    "ocpp_gateway_station_stop": "ocpp_gateway.add_stationcall",
    "ocpp_gateway_station_unlock": "ocpp_gateway.add_stationcall",
    "ocpp_gateway_station_trigger": "ocpp_gateway.add_stationcall",
    "bulk_job_refused": "bulk.view_job",
    # Jobs of others are seen by who sees the audit.
    "bulk_job_history": "audit.view_entry",
    # Those of the world's jobs are EVSEs: what may be put back is what may be changed.
    "bulk_job_undo": "locations.change_evse",
    "auth_user_password_change": "auth.change_user",
    "alerting_incident_count": "alerting.view_incident",
}
# Pages that are there for nobody: rows that no person makes or deletes.
MADE_BY_NOBODY = {
    f"{app}_{model}_add"
    for app, model in (
        *(("sessions_app", name) for name in ("cdr", "cdrhold", "reservation", "session", "token")),
        *(("roaming", name) for name in ("command", "driftcheck", "message", "partner")),
        *(("roaming", name) for name in ("profilerequest", "quarantined", "refusedcall")),
        *(("ocpp_gateway", name) for name in ("station", "stationalert", "stationmessage")),
        ("ocpp_gateway", "transaction"),
        *(("audit", "entry"), ("alerting", "incident"), ("bulk", "job")),
        ("upkeep", "schedule"),
    )
} | {"audit_entry_history"}
DELETABLE = {
    *("tariffs_tariff_delete", "locations_locationgroup_delete", "auth_group_delete"),
    *("alerting_rule_delete", "alerting_channel_delete"),
}
REFUSED = {403, 404}


def needed(address: Address) -> str | None:
    """Return the permission that an address needs; None: it is for nobody."""
    if address.name in NEEDS:
        return NEEDS[address.name]
    app, _dot, model = address.label.partition(".")
    verb = address.name.rpartition("_")[2]
    if address.name in MADE_BY_NOBODY or (verb == "delete" and address.name not in DELETABLE):
        return None
    usual = {
        "changelist": "view",
        "history": "view",
        "export": "view",
        "add": "add",
        "delete": "delete",
    }
    if address.name == f"{app}_{model}_change":
        return f"{app}.view_{model}"
    # All other pages beside the usual ones change something.
    return f"{app}.{usual.get(verb, 'change')}_{model}"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Write no word of log for each page that is refused."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the templates out: whether a page opens is decided before, and they take most time."""
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", property(lambda _self: ""))


@pytest.fixture(scope="module")
def every() -> list[Address]:
    return [address for address in addresses() if address.name not in OPEN]


def client_of(name: str, *roles: str, **scope: Any) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    operations.set_roles(user_id=user.pk, roles=roles)
    if scope:
        operations.set_scope(user_id=user.pk, everything=False, **scope)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def tables() -> dict[str, str]:
    return checksums([model for label in APPS for model in apps.get_app_config(label).get_models()])


@pytest.mark.long
@pytest.mark.parametrize("role", [role.key for role in ROLES])
def test_a_role_opens_what_the_table_says_and_nothing_else(
    role: str, world: World, every: list[Address], request: pytest.FixtureRequest
) -> None:
    # Who opens all pages shows that they can be rendered.
    if role != OPERATOR_ADMIN:
        request.getfixturevalue("unrendered")
    client = client_of(f"walk-{role}", role)
    wrong = []
    for address in every:
        permission = needed(address)
        allowed = permission is not None and permission in BY_KEY[role].permissions
        status = _read(client, address.url(world.own))
        fine = {200, 302, 405} if allowed else REFUSED
        if status not in fine:
            wrong.append(f"{address.name}: {status}, needs {permission}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.long
def test_what_a_role_may_not_do_it_cannot_post_either(
    world: World, every: list[Address], unrendered: None
) -> None:
    clients = {role.key: client_of(f"post-{role.key}", role.key) for role in ROLES}
    before = tables()
    wrong = []
    for key, client in clients.items():
        for address in every:
            permission = needed(address)
            if permission is not None and _writes(permission, address) in BY_KEY[key].permissions:
                continue
            status = client.post(address.url(world.own)).status_code
            if status >= 500 or (permission is None and status not in REFUSED):
                wrong.append(f"{key} {address.name}: {status}")
    assert not wrong, "\n".join(wrong)
    assert tables() == before


def _writes(permission: str, address: Address) -> str:
    """Return what it takes to write where an address is to be read."""
    name = address.name
    writes = name.endswith("_change") or name == "locations_evse_status"
    return permission.replace(".view_", ".change_") if writes else permission


def test_somebody_without_roles_sees_nothing(
    world: World, every: list[Address], unrendered: None
) -> None:
    client = client_of("nobody")
    wrong = [
        address.name
        for address in every
        if client.get(address.url(world.own)).status_code not in REFUSED
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.long
@pytest.mark.parametrize("by", ["party", "group"])
def test_a_scoped_person_never_meets_another_partys_objects(
    by: str, world: World, every: list[Address]
) -> None:
    scope = {"party_ids": [world.party.pk]} if by == "party" else {"group_ids": [world.group.pk]}
    client = client_of(f"scoped-{by}", "operator_admin", **scope)
    before = tables()
    wrong = []
    # The home page comes last: it shows what the pages before had to say.
    for address in [*every, Address("index", "", "")]:
        urls = [address.url(world.own), address.url(world.other)]
        for url in dict.fromkeys(urls):
            answer = client.get(url)
            if answer.status_code >= 500 or MARK in _text(answer):
                wrong.append(f"GET {address.name} {url}: {answer.status_code}")
    for address in every:
        # What belongs to nobody is the same row for both.
        if world.other.get(address.label) == world.own.get(address.label):
            continue
        url = address.url(world.other)
        if url == address.url(world.own):
            continue
        answer = client.post(url, {"confirmed": "1", "step": "confirm", "status": "REMOVED"})
        if answer.status_code not in {302, *REFUSED} or MARK in _text(answer):
            wrong.append(f"POST {address.name}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tables() == before


def _read(client: Client, url: str) -> int:
    answer = client.get(url)
    if answer.streaming:
        # Read to the end, or its file stays open.
        _text(answer)
    return int(answer.status_code)


def _text(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode(errors="replace"))

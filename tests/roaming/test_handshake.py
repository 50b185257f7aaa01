"""The handshake in every version and in both directions, also where it goes wrong.

OCPI credentials and version_information_endpoint, of 2.1.1, 2.2.1 and 2.3.0.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import translation
from pytest_django import Settings

from cpo_platform.common import clock, http
from cpo_platform.common.secrets import decrypt
from roaming.client import Credential, Request, send_once
from roaming.failures import in_words
from roaming.models import Delivery, Partner, PartnerStatus, PartnerToken
from roaming.ocpi import handshake, talk
from roaming.operations import partners
from roaming.tasks import renew_registrations, tidy
from tests.conftest import Clock
from tests.factories import LocationFactory, PartyFactory
from tests.roaming.conftest import Caller, Reply, make_partner
from tests.roaming.peer import Answered, Peer, Seen, held_back, running_peer

pytestmark = pytest.mark.django_db(transaction=True)

VERSIONS = ["2.1.1", "2.2.1", "2.3.0"]
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
WITH_ROLES = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])


@pytest.fixture(autouse=True)
def ours(transactional_db: None, settings: Settings) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    PartyFactory()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer(*VERSIONS) as running:
        yield running


def invite() -> str:
    return partners.invite_partner(
        name="Peer", role="EMSP", country_code="NL", party_id="EMS", now=clock.now()
    ).token_a


def exchange(
    peer: Peer, method: str, version: str, present: str, new: str, **changes: Any
) -> Reply:
    """Have the partner send its credentials, with a token `new` for us."""
    peer.tokens.add(new)
    body = peer.credentials(version, new) | changes
    return Caller(present)(method, f"/ocpi/{version}/credentials", body)


def registered(peer: Peer, version: str) -> str:
    """Have the partner register; return the token that it calls us with."""
    reply = exchange(peer, "POST", version, invite(), "B-token")
    assert reply.code == 1000, reply.body
    return str(reply.data["token"])


def register(peer: Peer, version: str = "") -> Partner:
    return handshake.register_with_partner(
        name="Peer",
        versions_url=peer.versions_url,
        token_a="A-token",
        now=clock.now(),
        version=version,
    )


def update(**options: Any) -> Partner:
    return handshake.update_registration(
        partner_id=Partner.objects.get().pk, now=clock.now(), **options
    )


def status_with(token: str, path: str = "/ocpi/versions") -> int:
    return Caller(token).get(path).status


def status_meanwhile(token: str) -> int:
    """Call the platform from the partner's own thread."""
    try:
        return status_with(token)
    finally:
        connection.close()


# The partner starts


@pytest.mark.rule("CR-02", "CR-20", "CR-29", "VE-03", "CR-11", "CR-30")
@EVERY_VERSION
def test_a_partner_registers_and_is_called_back_before_it_has_its_answer(
    peer: Peer, version: str
) -> None:
    token_a = invite()
    assert status_with(token_a) == status_with(token_a, f"/ocpi/{version}") == 200

    reply = exchange(peer, "POST", version, token_a, "B-token")

    assert (reply.status, reply.code) == (200, 1000)
    assert [(one.method, one.path) for one in peer.seen] == [
        ("GET", "/versions"),
        ("GET", f"/{version}"),
    ]
    partner = Partner.objects.get()
    assert (partner.status, partner.version) == (PartnerStatus.REGISTERED, version)
    assert decrypt(partner.token_encrypted) == "B-token"
    # Token A is void, the new one is good for everything.
    assert status_with(token_a) == 401
    assert status_with(reply.data["token"], f"/ocpi/{version}/tariffs") == 200
    assert PartnerToken.objects.count() == 1


@pytest.mark.rule("TR-03", "TR-04", "TR-06")
@EVERY_VERSION
@pytest.mark.parametrize("form", ["both", "base64", "raw"])
def test_the_partner_is_called_with_the_token_in_the_form_that_it_takes(
    peer: Peer, version: str, form: str
) -> None:
    peer.form = form

    registered(peer, version)

    in_base64 = b64encode(b"B-token").decode()
    own_form = "raw" if version == "2.1.1" else "base64"
    wanted = own_form if form == "both" else form
    assert peer.seen[-1].value == (in_base64 if wanted == "base64" else "B-token")
    assert Partner.objects.get().token_base64 is (wanted == "base64")
    # The other form was tried once, and never again.
    refused = [one for one in peer.seen if one.value != peer.seen[-1].value]
    assert len(refused) == (0 if form in {"both", own_form} else 1)


@pytest.mark.rule("TR-06")
@pytest.mark.parametrize("refusal", [Answered(http=403, raw=b"{}"), Answered([], code=3000)])
@pytest.mark.parametrize("started_by", ["partner", "us"])
def test_a_partner_of_2_1_1_may_want_base64_for_its_versions_and_plain_for_the_rest(
    peer: Peer, started_by: str, refusal: Answered
) -> None:
    peer.versions = ("2.1.1",)

    def in_its_form(seen: Seen) -> Answered:
        in_base64 = seen.value not in peer.tokens
        if in_base64 is not (seen.path == "/versions"):
            return Answered(http=401, raw=b"{}") if in_base64 else refusal
        del peer.answers[seen.path]
        answered = peer.answer(seen)
        peer.answers[seen.path] = in_its_form
        return answered

    peer.answers = dict.fromkeys(["/versions", "/2.1.1", "/2.1.1/credentials"], in_its_form)

    if started_by == "us":
        register(peer)
    else:
        registered(peer, "2.1.1")

    partner = Partner.objects.get()
    assert (partner.status, partner.token_base64) == (PartnerStatus.REGISTERED, False)
    # And so it goes on with every exchange.
    assert update().version == "2.1.1"
    assert Partner.objects.get().token_base64 is False


@pytest.mark.rule("CR-03", "CR-05", "CR-06", "CR-32")
@EVERY_VERSION
def test_wrong_states_are_405_and_change_nothing(peer: Peer, version: str) -> None:
    token_a = invite()
    url = f"/ocpi/{version}/credentials"
    body = peer.credentials(version, "B-token")

    assert Caller(token_a)("PUT", url, body).status == 405
    assert Caller(token_a)("DELETE", url).status == 405
    assert Caller(token_a).get(url).data["token"] == token_a
    token = registered(peer, version)
    again = Caller(token)("POST", url, body)

    assert (again.status, again.code) == (405, 2000)
    assert status_with(token) == 200


@pytest.mark.rule("CR-01", "CR-08", "CR-09", "CR-12")
@EVERY_VERSION
def test_our_credentials_name_our_versions_url_and_the_presented_token(
    peer: Peer, version: str
) -> None:
    PartyFactory(country_code="DE", party_id="TWO", name="Two")
    token = registered(peer, version)

    data = Caller(token).get(f"/ocpi/{version}/credentials").data

    assert data["token"] == token
    assert data["url"] == "http://localhost:8000/ocpi/versions"
    if version == "2.1.1":
        # One party on each side: our oldest.
        assert (data["country_code"], data["party_id"]) == ("NL", "TST")
        assert data["business_details"] == {"name": "Test Charging"}
        assert "roles" not in data
    else:
        named = [(one["role"], one["country_code"], one["party_id"]) for one in data["roles"]]
        assert named == [("CPO", "NL", "TST"), ("CPO", "DE", "TWO")]
    assert "hub_party_id" not in data


@pytest.mark.rule("CR-11")
def test_a_2_1_1_connection_is_with_the_party_that_staff_has_chosen(peer: Peer) -> None:
    two = PartyFactory(country_code="DE", party_id="TWO", name="Two")
    token_a = invite()
    Partner.objects.update(our_party=two)

    data = exchange(peer, "POST", "2.1.1", token_a, "B-token").data

    assert (data["country_code"], data["party_id"]) == ("DE", "TWO")
    assert Partner.objects.get().told_parties == ["DE*TWO"]


@pytest.mark.rule("CR-22", "CR-26")
@EVERY_VERSION
@pytest.mark.parametrize(
    "trouble",
    [
        Answered(http=500, raw=b"no"),
        Answered(raw=b"<html>"),
        Answered(raw=b'{"data": [], '),
        Answered(hang=True),
        Answered(data={"not": "a list"}),
        Answered(code=3000),
        Answered(http=302, headers={"Location": "/elsewhere"}),
    ],
    ids=["500", "html", "truncated", "silent", "object", "3000", "redirect"],
)
@pytest.mark.parametrize("where", ["versions", "details"])
def test_an_api_that_cannot_be_used_is_3001_and_leaves_nothing_registered(
    peer: Peer, version: str, trouble: Answered, where: str
) -> None:
    token_a = invite()
    peer.answers["/versions" if where == "versions" else f"/{version}"] = trouble

    reply = exchange(peer, "POST", version, token_a, "B-token")

    assert (reply.status, reply.code) == (200, 3001)
    partner = Partner.objects.get()
    assert (partner.status, partner.token_encrypted) == (PartnerStatus.INVITED, "")
    assert partner.handshake[-1]["ok"] is False
    # The partner may try again with the same token A.
    assert status_with(token_a) == 200
    peer.answers.clear()
    assert exchange(peer, "POST", version, token_a, "B-token").code == 1000


@pytest.mark.rule("CR-21", "CR-22")
def test_a_partner_that_hangs_does_not_hold_the_handshake_longer_than_its_deadline(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "DEADLINE_SECONDS", 0.5)
    # What a single request may take does not end it.
    monkeypatch.setattr(http, "TIMEOUT_SECONDS", 600)
    token_a = invite()

    with held_back(Answered([])) as slow:
        peer.answers["/versions"] = slow
        reply = exchange(peer, "POST", "2.2.1", token_a, "B-token")

    assert reply.code == 3001
    assert "no answer in time" in reply.body["status_message"]


@pytest.mark.rule("CR-23")
@EVERY_VERSION
def test_a_partner_without_the_version_of_the_endpoint_it_called_is_3002(
    peer: Peer, version: str
) -> None:
    peer.versions = ("2.0", *(one for one in VERSIONS if one != version))

    reply = exchange(peer, "POST", version, invite(), "B-token")

    assert (reply.status, reply.code) == (200, 3002)


@pytest.mark.rule("CR-24")
@EVERY_VERSION
@pytest.mark.parametrize(
    "endpoints", [{"tokens": "SENDER"}, {"credentials": "SENDER"}, {"credentials": "RECEIVER"}, {}]
)
def test_a_partner_without_credentials_or_any_module_is_3003(
    peer: Peer, version: str, endpoints: dict[str, str]
) -> None:
    peer.endpoints = endpoints

    assert exchange(peer, "POST", version, invite(), "B-token").code == 3003


@pytest.mark.rule("CR-24", "CR-25")
@WITH_ROLES
@pytest.mark.parametrize(("cdrs", "code"), [("RECEIVER", 1000), ("SENDER", 3003), (None, 3003)])
def test_what_an_emsp_must_offer_is_checked_with_its_role(
    peer: Peer, version: str, settings: Settings, cdrs: str | None, code: int
) -> None:
    settings.REQUIRED_ENDPOINTS = ["cdrs:RECEIVER", "tokens:SENDER"]
    del peer.endpoints["cdrs"]
    if cdrs:
        peer.endpoints["cdrs"] = cdrs

    assert exchange(peer, "POST", version, invite(), "B-token").code == code


@pytest.mark.rule("CR-25", "VE-05")
def test_in_2_1_1_the_role_of_an_endpoint_is_what_an_emsp_has_in_the_module(
    peer: Peer, settings: Settings
) -> None:
    settings.REQUIRED_ENDPOINTS = ["cdrs:RECEIVER", "tokens:SENDER"]
    peer.endpoints["nlems-extra"] = "SENDER"

    registered(peer, "2.1.1")

    stored = dict(Partner.objects.get().endpoints.values_list("identifier", "role"))
    assert stored == {
        "credentials": "SENDER",
        "cdrs": "RECEIVER",
        "commands": "SENDER",
        "locations": "RECEIVER",
        "sessions": "RECEIVER",
        "tariffs": "RECEIVER",
        "tokens": "SENDER",
        "nlems-extra": "",
    }


@pytest.mark.rule("VE-06", "VE-07")
@WITH_ROLES
def test_the_role_of_credentials_is_not_looked_at_and_a_module_may_come_in_both(
    peer: Peer, version: str
) -> None:
    endpoints = [
        {"identifier": "credentials", "role": "BOTH", "url": f"{peer.url}/{version}/credentials"},
        {"identifier": "tokens", "role": "SENDER", "url": f"{peer.url}/t1"},
        {"identifier": "tokens", "role": "RECEIVER", "url": f"{peer.url}/t2"},
    ]
    peer.answers[f"/{version}"] = Answered({"version": version, "endpoints": endpoints})

    registered(peer, version)

    stored = Partner.objects.get().endpoints.values_list("identifier", "role")
    assert sorted(stored) == [
        ("credentials", "SENDER"),
        ("tokens", "RECEIVER"),
        ("tokens", "SENDER"),
    ]


@pytest.mark.rule("CR-07", "CR-09")
@EVERY_VERSION
def test_bad_credentials_are_2001_and_the_partner_is_not_called(peer: Peer, version: str) -> None:
    token_a = invite()
    changes: list[dict[str, Any]] = [
        {"token": "x" * 65},
        {"token": "two words"},
        {"token": ""},
        {"url": "ftp://x"},
    ]
    if version != "2.1.1":
        roles = peer.credentials(version, "x")["roles"]
        changes += [
            {"roles": []},
            {"roles": [*roles, roles[0] | {"party_id": "ems"}]},
            {"roles": [roles[0] | {"role": "KING"}]},
        ]

    for change in changes:
        reply = exchange(peer, "POST", version, token_a, "B-token", **change)
        assert (reply.status, reply.code) == (200, 2001), change

    assert peer.seen == []
    assert Partner.objects.get().status == PartnerStatus.INVITED


@pytest.mark.rule("CR-07", "CR-12", "TR-101")
@EVERY_VERSION
@pytest.mark.parametrize("token", ["x" * 64, "a+b/c=d:e!~", "=="])
def test_any_token_that_a_header_can_carry_is_taken_and_unknown_fields_are_no_harm(
    peer: Peer, version: str, token: str
) -> None:
    reply = exchange(peer, "POST", version, invite(), token, of_our_own={"deep": [1]})

    assert reply.code == 1000
    assert decrypt(Partner.objects.get().token_encrypted) == token
    assert {one.value for one in peer.seen} <= {token, b64encode(token.encode()).decode()}


@pytest.mark.rule("CR-04", "CR-13")
@EVERY_VERSION
def test_put_gives_a_new_token_and_reads_the_endpoints_anew(peer: Peer, version: str) -> None:
    old = registered(peer, version)
    peer.endpoints = {"credentials": "SENDER", "sessions": "RECEIVER"}

    reply = exchange(peer, "PUT", version, old, "B2-token")

    assert (reply.status, reply.code) == (200, 1000)
    assert reply.data["token"] != old
    assert status_with(reply.data["token"]) == 200
    partner = Partner.objects.get()
    assert decrypt(partner.token_encrypted) == "B2-token"
    assert set(partner.endpoints.values_list("identifier", flat=True)) == {
        "credentials",
        "sessions",
    }


@pytest.mark.rule("CR-31")
@pytest.mark.parametrize(
    ("before", "after"), [("2.1.1", "2.2.1"), ("2.2.1", "2.3.0"), ("2.3.0", "2.1.1")]
)
def test_a_put_to_another_versions_endpoint_switches_the_version(
    peer: Peer, before: str, after: str
) -> None:
    location = LocationFactory()
    old = registered(peer, before)
    partner = Partner.objects.get()
    Delivery.objects.create(
        partner=partner, module="locations", object_id=location.pk, sent={"digest": "x"}
    )

    assert exchange(peer, "PUT", after, old, "B2-token").code == 1000

    partner.refresh_from_db()
    assert partner.version == after
    assert partner.endpoints.get(identifier="tokens").url == f"{peer.url}/{after}/tokens"
    # What it has is in the other version's words: it gets the whole again.
    assert Delivery.objects.get().sent == {"digest": "x", "uncertain": True}
    assert partner.token_base64 is (after != "2.1.1")


@pytest.mark.rule("CR-06", "CR-29")
@EVERY_VERSION
def test_after_delete_every_call_is_401_and_a_new_token_a_opens_again(
    peer: Peer, version: str
) -> None:
    token = registered(peer, version)

    assert Caller(token)("DELETE", f"/ocpi/{version}/credentials").code == 1000

    assert status_with(token) == 401
    partner = Partner.objects.get()
    assert (partner.status, partner.token_encrypted) == (PartnerStatus.UNREGISTERED, "")
    peer.tokens = set()
    assert status_with(registered(peer, version)) == 200


# Nobody is locked out


@pytest.mark.rule("CR-28")
@EVERY_VERSION
def test_after_a_put_the_token_before_it_is_good_until_the_new_one_is_used(
    peer: Peer, version: str
) -> None:
    old = registered(peer, version)

    new = exchange(peer, "PUT", version, old, "B2-token").data["token"]

    # Our answer may have been lost: the partner goes on, and may even ask once more.
    assert status_with(old) == status_with(old) == 200
    newer = exchange(peer, "PUT", version, old, "B3-token").data["token"]
    assert status_with(newer) == 200
    assert status_with(old) == status_with(new) == 401
    assert PartnerToken.objects.count() == 1


@pytest.mark.rule("CR-28")
def test_the_token_before_a_put_is_void_when_its_time_is_over(
    peer: Peer, platform_clock: Clock
) -> None:
    old = registered(peer, "2.2.1")
    new = exchange(peer, "PUT", "2.2.1", old, "B2-token").data["token"]

    platform_clock.forward(minutes=11)

    assert status_with(old) == 401
    assert status_with(new) == 200
    tidy()
    assert PartnerToken.objects.count() == 1
    assert Partner.objects.get().previous_token_encrypted == ""


@pytest.mark.rule("CR-28")
def test_without_a_grace_the_token_before_is_void_at_once(peer: Peer, settings: Settings) -> None:
    settings.TOKEN_GRACE_MINUTES = 0
    old = registered(peer, "2.2.1")

    exchange(peer, "PUT", "2.2.1", old, "B2-token")

    assert status_with(old) == 401


def test_ending_the_grace_costs_one_query_once(peer: Peer, django_assert_num_queries: Any) -> None:
    old = registered(peer, "2.2.1")
    first = Caller(exchange(peer, "PUT", "2.2.1", old, "B2-token").data["token"])

    # Who calls; and one DELETE, with its BEGIN and COMMIT.
    with django_assert_num_queries(4):
        first.get("/ocpi/versions")
    with django_assert_num_queries(1):
        first.get("/ocpi/versions")


@pytest.mark.rule("CR-28")
@EVERY_VERSION
def test_a_failed_put_leaves_both_tokens_as_they_were(peer: Peer, version: str) -> None:
    old = registered(peer, version)
    peer.answers["/versions"] = Answered(http=500, raw=b"")

    assert exchange(peer, "PUT", version, old, "B2-token").code == 3001

    assert status_with(old) == 200
    partner = Partner.objects.get()
    assert decrypt(partner.token_encrypted) == "B-token"
    assert (partner.status, partner.previous_token_encrypted) == (PartnerStatus.REGISTERED, "")


@pytest.mark.rule("CR-28")
def test_a_partner_that_goes_on_with_its_old_token_is_still_reached(
    peer: Peer, platform_clock: Clock
) -> None:
    """It sent a new one and then lost it, say by restoring a backup."""
    old = registered(peer, "2.2.1")
    exchange(peer, "PUT", "2.2.1", old, "B2-token")
    peer.tokens = {"B-token"}
    peer.answers["/anything"] = Answered()
    partner = Partner.objects.get()
    peer.seen.clear()

    reply = send_once(Request("GET", f"{peer.url}/anything"), Credential.of(partner))

    assert reply.ok
    assert [one.value for one in peer.seen] == [
        b64encode(token).decode() for token in (b"B2-token", b"B-token")
    ]
    assert len({one.headers["x-request-id"] for one in peer.seen}) == 2
    platform_clock.forward(minutes=11)
    assert (
        send_once(Request("GET", f"{peer.url}/anything"), Credential.of(partner)).http_status == 401
    )


# We start


@pytest.mark.rule("CR-20", "CR-21", "CR-29", "VE-10", "VE-11")
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (("2.1.1",), "2.1.1"),
        (("2.1.1", "2.2.1"), "2.2.1"),
        (("2.3.0", "2.10.1", "2.2", "2.2.1", "beta"), "2.3.0"),
    ],
)
def test_we_register_in_the_latest_version_of_both_and_are_called_back_meanwhile(
    peer: Peer, offered: tuple[str, ...], chosen: str
) -> None:
    peer.versions = offered
    called_back: list[int] = []

    def call_back(credentials: dict[str, Any]) -> None:
        # The partner reads our versions with token B while our POST is open.
        called_back.append(status_meanwhile(credentials["token"]))

    peer.before_answer = call_back

    partner = register(peer)

    assert called_back == [200]
    assert partner.version == chosen
    assert decrypt(partner.token_encrypted) == "C-token"
    assert status_with(peer.received[0]["token"], f"/ocpi/{chosen}/tariffs") == 200
    assert [(one.method, one.path) for one in peer.seen] == [
        ("GET", "/versions"),
        ("GET", f"/{chosen}"),
        ("POST", f"/{chosen}/credentials"),
    ]
    assert not any(name.startswith("ocpi-") for one in peer.seen for name in one.headers)


@pytest.mark.rule("TR-06")
@pytest.mark.parametrize("form", ["both", "base64", "raw"])
@EVERY_VERSION
def test_at_first_contact_the_other_form_of_the_token_is_tried_once(
    peer: Peer, version: str, form: str
) -> None:
    peer.versions, peer.form = (version,), form

    partner = register(peer)

    expected = version != "2.1.1" if form == "both" else form == "base64"
    assert partner.token_base64 is expected
    assert len(peer.requests("POST", f"/{version}/credentials")) == 1


@pytest.mark.rule("CR-24", "CR-25", "CR-26")
@EVERY_VERSION
def test_nothing_is_posted_to_a_partner_that_lacks_what_we_need(
    peer: Peer, version: str, settings: Settings
) -> None:
    settings.REQUIRED_ENDPOINTS = ["cdrs:RECEIVER"]
    del peer.endpoints["cdrs"]

    with pytest.raises(handshake.HandshakeFailed) as failure:
        register(peer, version)

    assert failure.value.status_code == 3003
    assert peer.received == []
    assert PartnerToken.objects.count() == 0


@pytest.mark.rule("CR-23", "CR-26")
def test_a_partner_that_offers_none_of_our_versions_is_not_posted_to(peer: Peer) -> None:
    peer.versions = ("2.0", "2.2")

    with pytest.raises(handshake.HandshakeFailed, match=r"2\.0, 2\.2") as failure:
        register(peer)

    assert failure.value.status_code == 3002
    assert peer.received == []


@pytest.mark.rule("CR-26")
def test_an_exchange_in_a_version_that_the_partner_lacks_keeps_all_as_it_is(peer: Peer) -> None:
    peer.versions = ("2.2.1",)
    register(peer)
    sent = len(peer.received)

    with pytest.raises(handshake.HandshakeFailed, match=r"offers 2\.2\.1") as failure:
        update(version="2.3.0")

    assert failure.value.status_code == 3002
    assert len(peer.received) == sent
    assert Partner.objects.get().version == "2.2.1"
    assert PartnerToken.objects.count() == 1


@pytest.mark.rule("CR-26")
@EVERY_VERSION
@pytest.mark.parametrize(
    "trouble",
    [Answered(code=3001), Answered(http=405, code=2000), Answered(hang=True), Answered(data={})],
    ids=["3001", "405", "silent", "nonsense"],
)
def test_a_registration_that_fails_leaves_no_token_of_ours(
    peer: Peer, version: str, trouble: Answered
) -> None:
    token_b: list[str] = []

    def refuse(seen: Any) -> Answered:
        token_b.append(seen.body["token"])
        return trouble

    peer.answers[f"/{version}/credentials"] = refuse

    with pytest.raises(handshake.HandshakeFailed):
        register(peer, version)

    assert status_with(token_b[0]) == 401
    partner = Partner.objects.get()
    assert (partner.status, partner.token_encrypted) == (PartnerStatus.INVITED, "")
    assert partner.handshake[-1]["ok"] is False


@pytest.mark.rule("CR-04", "CR-28")
@EVERY_VERSION
def test_our_put_exchanges_both_tokens_and_keeps_those_before_for_a_while(
    peer: Peer, version: str
) -> None:
    register(peer, version)
    old = peer.received[0]["token"]
    peer.gives = "C2-token"

    partner = update()

    assert decrypt(partner.token_encrypted) == "C2-token"
    assert decrypt(partner.previous_token_encrypted) == "C-token"
    new = peer.received[1]["token"]
    assert status_with(old) == 200
    assert status_with(new) == 200
    assert status_with(old) == 401


@pytest.mark.rule("CR-28")
@pytest.mark.parametrize(
    "refusal", [Answered(code=3001), Answered(http=500, code=3000), Answered(http=405, code=2000)]
)
def test_a_put_that_is_refused_takes_the_offered_token_back(peer: Peer, refusal: Answered) -> None:
    register(peer)
    old = peer.received[0]["token"]
    offered: list[str] = []

    def refuse(seen: Any) -> Answered:
        # It has called us with the new one already.
        offered.append(seen.body["token"])
        assert status_meanwhile(offered[0]) == 200
        return refusal

    peer.answers["/2.3.0/credentials"] = refuse

    with pytest.raises(handshake.HandshakeFailed):
        update()

    assert status_with(offered[0]) == 401
    assert status_with(old) == 200
    assert decrypt(Partner.objects.get().token_encrypted) == "C-token"
    assert PartnerToken.objects.get().valid_until is None


@pytest.mark.rule("CR-28")
@pytest.mark.parametrize(
    "lost", [Answered(hang=True), Answered(http=502, raw=b"<html>"), Answered(raw=b"")]
)
def test_a_put_whose_answer_is_lost_leaves_both_tokens_good_and_says_so(
    peer: Peer, platform_clock: Clock, lost: Answered
) -> None:
    register(peer)
    old = peer.received[0]["token"]
    offered: list[str] = []

    def lose(seen: Any) -> Answered:
        offered.append(seen.body["token"])
        return lost

    peer.answers["/2.3.0/credentials"] = lose

    with pytest.raises(handshake.HandshakeFailed):
        update()

    # Whichever of the two the partner uses, and however long.
    platform_clock.forward(days=3)
    tidy()
    assert status_with(offered[0]) == status_with(old) == 200
    steps = Partner.objects.get().handshake
    assert steps[-1]["text"] == handshake.LOST.text
    # The next exchange puts it in order.
    peer.answers.clear()
    update()
    assert status_with(peer.received[-1]["token"]) == 200
    assert status_with(offered[0]) == status_with(old) == 401


@pytest.mark.rule("CR-31")
def test_an_exchange_keeps_the_version_unless_another_is_asked_for(peer: Peer) -> None:
    register(peer, "2.1.1")
    # What the partner says of each version itself, and not what is newest, decides.
    assert update().version == "2.1.1"
    peer.answers.clear()

    assert update(version="2.3.0").version == "2.3.0"

    assert [one.path for one in peer.seen if one.method == "PUT"] == [
        "/2.1.1/credentials",
        "/2.3.0/credentials",
    ]
    peer.versions = ("2.1.1", "2.2.1")
    assert update().version == "2.2.1"


def test_staff_switches_the_version_by_command(peer: Peer) -> None:
    call_command(
        "register_partner",
        "Peer",
        f"--versions-url={peer.versions_url}",
        "--token-a=A-token",
        "--ocpi=2.1.1",
    )
    assert Partner.objects.get().version == "2.1.1"

    call_command("renew_partner", "Peer", "--ocpi=2.2.1")

    assert Partner.objects.get().version == "2.2.1"
    peer.answers["/2.2.1/credentials"] = Answered(code=3000)
    with pytest.raises(CommandError, match="the exchange failed"):
        call_command("renew_partner", "Peer")
    with pytest.raises(CommandError, match="no partner"):
        call_command("renew_partner", "Nobody")


@pytest.mark.rule("VE-09", "CR-09")
def test_a_new_party_of_ours_is_told_by_put_except_where_there_is_room_for_one(
    peer: Peer,
) -> None:
    partner = register(peer, "2.2.1")
    PartyFactory(country_code="DE", party_id="TWO", name="Two")
    assert handshake.unknown_parties(partner) == {"DE*TWO"}

    update()

    assert [role["party_id"] for role in peer.received[-1]["roles"]] == ["TST", "TWO"]
    partner = update(version="2.1.1")
    assert partner.told_parties == ["NL*TST"]
    assert handshake.unknown_parties(partner) == set()


@pytest.mark.rule("CR-06")
@EVERY_VERSION
@pytest.mark.parametrize("trouble", [None, Answered(http=500, raw=b""), Answered(hang=True)])
def test_we_end_a_registration_whatever_the_partner_answers(
    peer: Peer, version: str, trouble: Answered | None
) -> None:
    register(peer, version)
    if trouble:
        peer.answers[f"/{version}/credentials"] = trouble

    handshake.unregister(partner_id=Partner.objects.get().pk, now=clock.now())

    assert peer.requests("DELETE", f"/{version}/credentials")
    assert status_with(peer.received[0]["token"]) == 401
    assert Partner.objects.get().status == PartnerStatus.UNREGISTERED


@pytest.mark.rule("CR-27")
def test_tokens_are_renewed_by_themselves_within_a_month(peer: Peer, platform_clock: Clock) -> None:
    register(peer, "2.2.1")
    renew_registrations()
    assert len(peer.received) == 1
    platform_clock.forward(days=29)

    renew_registrations()
    renew_registrations()

    assert len(peer.received) == 2
    assert peer.requests("PUT", "/2.2.1/credentials")


@pytest.mark.rule("CR-27")
def test_a_renewal_that_fails_is_not_tried_again_at_once(peer: Peer, platform_clock: Clock) -> None:
    register(peer, "2.2.1")
    platform_clock.forward(days=29)
    peer.answers["/versions"] = Answered(http=503, raw=b"")

    renew_registrations()
    asked = len(peer.seen)
    renew_registrations()
    assert len(peer.seen) == asked
    platform_clock.forward(hours=13)
    renew_registrations()

    assert len(peer.seen) > asked


@pytest.mark.rule("VE-01", "VE-02", "VE-04", "VE-05", "VE-06", "VE-08", "VE-10", "VE-13")
@EVERY_VERSION
def test_we_list_our_versions_and_their_modules_in_their_own_words(
    peer: Peer, version: str, make_caller: Callable[[], Caller]
) -> None:
    caller = make_caller()

    listed = caller.get("/ocpi/versions", X_Request_ID="r-1", OCPI_from_party_id="EMS")
    details = caller.get(f"/ocpi/{version}").data

    assert [one["version"] for one in listed.data] == VERSIONS
    assert {one["version"]: one["url"] for one in listed.data}[version].endswith(f"/{version}")
    assert listed.headers["X-Request-ID"] == "r-1"
    assert not any(name.startswith("OCPI-") for name in listed.headers)
    assert details["version"] == version
    modules = {one["identifier"]: one.get("role") for one in details["endpoints"]}
    sender = {"credentials", "locations", "tariffs", "sessions", "cdrs"}
    receiver = {"tokens", "commands"}
    if version == "2.1.1":
        assert modules == dict.fromkeys(sender | receiver)
        assert all(set(one) == {"identifier", "url"} for one in details["endpoints"])
    else:
        receiver |= {"chargingprofiles", "hubclientinfo"}
        assert modules == dict.fromkeys(sender, "SENDER") | dict.fromkeys(receiver, "RECEIVER")
    assert len(details["endpoints"]) == len(modules)


@pytest.fixture
def make_caller(peer: Peer) -> Callable[[], Caller]:
    return lambda: Caller(registered(peer, "2.2.1"))


@pytest.mark.rule("VE-12", "HCI-05")
def test_versions_are_cheap_to_ask_for_and_change_nothing(
    peer: Peer, make_caller: Callable[[], Caller], django_assert_num_queries: Any
) -> None:
    """A hub asks for them every few minutes, to see whether we are alive."""
    caller = make_caller()

    with django_assert_num_queries(1):
        caller.get("/ocpi/versions")


def test_steps_of_a_handshake_tell_how_far_it_got(peer: Peer) -> None:
    peer.answers["/2.2.1"] = Answered(raw=b"<html>")

    with pytest.raises(handshake.HandshakeFailed) as failure:
        register(peer, "2.2.1")

    assert [step.ok for step in failure.value.steps] == [True, False]


@pytest.mark.parametrize("where", ["/versions", "/2.2.1/credentials"])
def test_where_the_partner_refuses_token_a_staff_is_told_what_to_ask_for(
    peer: Peer, where: str
) -> None:
    peer.answers[where] = Answered(http=401, code=2000)
    told = StringIO()

    with pytest.raises(CommandError):
        call_command(
            "register_partner",
            "Peer",
            f"--versions-url={peer.versions_url}",
            "--token-a=A-token",
            "--ocpi=2.2.1",
            stdout=told,
        )

    assert "plain and in Base64 (HTTP 401, OCPI 2000" in told.getvalue()
    assert "Ask the partner for a new one." in told.getvalue()
    # Both forms were tried.
    assert len({one.value for one in peer.seen if one.path == where}) == 2
    detail = Partner.objects.get().handshake[-1]["detail"]
    assert "A-token" not in str(Partner.objects.get().handshake)
    with translation.override("ja"):
        assert "新しいトークンをパートナーに依頼してください" in in_words(detail)


def test_where_there_are_no_versions_staff_is_told_to_ask_for_their_url(peer: Peer) -> None:
    peer.answers["/versions"] = Answered(http=404, raw=b"<html>not found</html>")

    with pytest.raises(handshake.HandshakeFailed) as failure:
        register(peer)

    (step,) = failure.value.steps
    assert step.detail.startswith("There is nothing at this URL (HTTP 404): it is mistyped")
    with translation.override("ja"):
        assert step.told_detail.startswith("この URL には何もありません(HTTP 404)")


def test_a_partner_that_does_not_know_its_own_token_is_told_from_one_with_a_wrong_token_a(
    peer: Peer,
) -> None:
    peer.answers["/versions"] = Answered(http=401, code=2000)

    reply = exchange(peer, "POST", "2.2.1", invite(), "B-token")

    assert reply.code == 3001
    detail = Partner.objects.get().handshake[-1]["detail"]
    assert detail.startswith("The partner refuses the token of its own credentials")
    # That is for staff: the partner reads what came back.
    assert "its own credentials" not in reply.body["status_message"]
    assert "HTTP 401" in reply.body["status_message"]


def _spoken_for(country_code: str = "NL", party_id: str = "EMS") -> None:
    """Have another registered partner that speaks for a party."""
    other = make_partner(name="Other")
    other.partner.roles.update(country_code=country_code, party_id=party_id, granted=True)


def test_the_command_says_what_is_not_granted(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    _spoken_for()

    call_command(
        "register_partner", "Peer", f"--versions-url={peer.versions_url}", "--token-a=A-token"
    )

    assert "Not granted: NL*EMS (EMSP)" in capsys.readouterr().out


def _claims() -> list[tuple[str, bool]]:
    roles = Partner.objects.get(name="Peer").roles.order_by("party_id")
    return [(role.party_id, role.granted) for role in roles]


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
def test_a_party_that_another_speaks_for_stays_a_claim_in_every_exchange(
    peer: Peer, version: str
) -> None:
    _spoken_for()
    partner = register(peer, version)
    assert _claims() == [("EMS", False)]

    handshake.update_registration(partner_id=partner.pk, now=clock.now())

    assert status_with(peer.received[-1]["token"]) == 200
    # The partner's own exchange is not refused either, for what it has claimed before.
    reply = exchange(peer, "PUT", version, peer.received[-1]["token"], "D-token")
    assert reply.code == 1000, reply.body
    assert _claims() == [("EMS", False)]


def test_an_exchange_of_ours_that_brings_a_party_of_another_locks_nobody_out(peer: Peer) -> None:
    _spoken_for("DE", "TWO")
    partner = register(peer, "2.2.1")
    role = peer.credentials("2.2.1", "")["roles"][0]
    peer.roles = [role, role | {"country_code": "DE", "party_id": "TWO"}]
    peer.gives = "E-token"

    handshake.update_registration(partner_id=partner.pk, now=clock.now())

    assert _claims() == [("EMS", True), ("TWO", False)]
    partner.refresh_from_db()
    assert decrypt(partner.token_encrypted) == "E-token"
    assert status_with(peer.received[-1]["token"]) == 200


def test_a_new_claim_to_a_party_of_another_is_refused_and_changes_nothing(peer: Peer) -> None:
    _spoken_for("DE", "TWO")
    token = registered(peer, "2.2.1")
    role = peer.credentials("2.2.1", "")["roles"][0]

    both = [role, role | {"country_code": "DE", "party_id": "TWO"}]
    reply = exchange(peer, "PUT", "2.2.1", token, "D-token", roles=both)

    assert reply.code == 2001
    assert _claims() == [("EMS", True)]
    assert status_with(token) == 200

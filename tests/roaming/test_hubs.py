"""Hubs: the parties behind them, and whether those may be called (OCPI mod_hub_client_info)."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from cpo_platform.common import clock
from roaming import pulling
from roaming.authorizing import OcpiAuthorizer
from roaming.models import ClientInfo, Partner, PartnerRole, PartnerStatus, TokenPurpose
from roaming.ocpi import handshake
from roaming.operations import hubs, partners
from sessions_app.authorization import Allowed, Question
from tests.factories import NOW, PartyFactory, SessionFactory, cdr_token
from tests.roaming.conftest import Caller, Registered, make_partner
from tests.roaming.peer import Answered, Peer, Seen, running_peer

pytestmark = pytest.mark.django_db(transaction=True)

HUB_VERSIONS = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])


def info(party_id: str = "EMS", **fields: Any) -> dict[str, Any]:
    return {
        "country_code": "NL",
        "party_id": party_id,
        "role": "EMSP",
        "status": "CONNECTED",
        "last_updated": "2026-06-01T08:00:00Z",
        **fields,
    }


def role(name: str, party_id: str) -> dict[str, Any]:
    return {
        "role": name,
        "country_code": "NL",
        "party_id": party_id,
        "business_details": {"name": party_id},
    }


@pytest.fixture
def hub(db: None) -> Registered:
    """A 2.2.1 hub, NL*HUB, whose parties staff grants as it names them."""
    PartyFactory()
    made = make_partner("Hub", "HUB")
    made.partner.roles.update(role="HUB")
    Partner.objects.filter(pk=made.partner.pk).update(hub_party_id="NLHUB", auto_grant=True)
    made.partner.refresh_from_db()
    return made


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    PartyFactory()
    with running_peer("2.2.1", "2.3.0") as running:
        running.party = ("NL", "HUB")
        running.endpoints["hubclientinfo"] = "SENDER"
        yield running


def register(peer: Peer, version: str, *, auto_grant: bool = True) -> Partner:
    """Have the hub register; return it."""
    invitation = partners.invite_partner(
        name="Hub", role="HUB", country_code="NL", party_id="HUB", now=clock.now()
    )
    Partner.objects.update(auto_grant=auto_grant)
    peer.tokens.add("B-token")
    reply = Caller(invitation.token_a)(
        "POST", f"/ocpi/{version}/credentials", peer.credentials(version, "B-token")
    )
    assert reply.code == 1000, reply.body
    return Partner.objects.get(name="Hub")


@pytest.mark.rule("HCI-01", "HCI-06", "HCI-07", "TR-110", "TR-115")
@HUB_VERSIONS
def test_a_hub_tells_of_a_party_and_reads_what_it_told(hub: Registered, version: str) -> None:
    url = f"/ocpi/{version}/hubclientinfo/NL/EMS"

    created = hub.call("PUT", url, info())
    updated = hub.call(
        "PUT", url, info(status="OFFLINE", last_updated="2026-06-01T09:00:00Z", more="x")
    )

    assert (created.status, created.code) == (201, 1000)
    assert (updated.status, updated.code) == (200, 1000)
    assert hub.call.get(f"/ocpi/{version}/hubclientinfo/nl/ems").data == info(
        status="OFFLINE", last_updated="2026-06-01T09:00:00Z"
    )
    assert hub.call("DELETE", url).status == 405


@pytest.mark.rule("TR-137")
@HUB_VERSIONS
def test_what_a_hub_said_before_is_left_alone(hub: Registered, version: str) -> None:
    url = f"/ocpi/{version}/hubclientinfo/NL/EMS"
    hub.call("PUT", url, info(last_updated="2026-06-01T09:00:00Z"))

    late = hub.call("PUT", url, info(status="SUSPENDED"))

    assert (late.status, late.code) == (200, 1000)
    assert ClientInfo.objects.get().status == "CONNECTED"


@pytest.mark.rule("TR-118", "TR-102", "TR-116")
@HUB_VERSIONS
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"party_id": "FOE"}, "party_id"),
        ({"country_code": "BE"}, "country_code"),
        ({"status": "GONE"}, "status"),
        ({"role": "KING"}, "role"),
        ({"last_updated": None}, "last_updated"),
    ],
)
def test_bad_client_info_is_2001_and_changes_nothing(
    hub: Registered, version: str, change: dict[str, Any], field: str
) -> None:
    reply = hub.call("PUT", f"/ocpi/{version}/hubclientinfo/NL/EMS", info(**change))

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert not ClientInfo.objects.exists()


@pytest.mark.rule("TR-51", "TR-08", "HCI-07")
@HUB_VERSIONS
def test_only_registered_hubs_tell_of_parties_and_without_routing_headers(
    hub: Registered, version: str
) -> None:
    url = f"/ocpi/{version}/hubclientinfo/NL/EMS"
    emsp = make_partner("An eMSP", "FOE")
    invited = make_partner("Invited", "INV", status=PartnerStatus.INVITED)

    assert emsp.call("PUT", url, info()).status == 405
    assert invited.call("PUT", url, info()).status == 401
    assert hub.call("PUT", "/ocpi/2.1.1/hubclientinfo/NL/EMS", info()).status == 404
    assert hub.call.get(url).status == 404
    # Routing headers have no place here: a wrong one is not looked at, and none comes back.
    reply = hub.call("PUT", url, info(), OCPI_to_country_code="XX", OCPI_to_party_id="YYY")
    assert reply.status == 201
    assert not any(name.startswith("OCPI-") for name in reply.headers)


@pytest.mark.rule("HCI-03")
def test_a_party_may_be_there_in_one_role_and_not_in_another(hub: Registered) -> None:
    url = "hubclientinfo/NL/EMS"
    hub.call("PUT", url, info(role="CPO", status="OFFLINE"))
    hub.call("PUT", url, info())

    assert ClientInfo.objects.count() == 2
    assert hubs.reachable(hub.partner, "nl", "ems")
    assert not hubs.reachable(hub.partner, "NL", "EMS", role="CPO")


@pytest.mark.rule("HCI-02", "TR-133")
@pytest.mark.parametrize(
    ("status", "expected"),
    [("CONNECTED", True), ("OFFLINE", False), ("PLANNED", False), ("SUSPENDED", False)],
)
def test_a_party_is_called_only_while_its_hub_says_that_it_is_connected(
    hub: Registered,
    status: str,
    expected: bool,  # noqa: FBT001
    django_assert_num_queries: Any,
) -> None:
    hub.call("PUT", "hubclientinfo/NL/EMS", info(status=status))

    with django_assert_num_queries(1):
        assert hubs.reachable(hub.partner, "NL", "EMS") is expected
    # Of who is not named the hub has said nothing.
    assert hubs.reachable(hub.partner, "NL", "XXX")
    assert hubs.is_away(hubs.client_infos(hub.partner), "NL", "EMS") is not expected


@pytest.mark.rule("HCI-02", "TR-133")
@pytest.mark.parametrize(
    ("status", "connected"),
    [("CONNECTED", True), ("OFFLINE", True), ("PLANNED", False), ("SUSPENDED", False)],
)
def test_who_is_away_is_not_asked_about_its_tokens(
    hub: Registered,
    peer: Peer,
    status: str,
    connected: bool,  # noqa: FBT001
) -> None:
    peer.tokens = {"their-token"}
    peer.answers["/tokens/04AA/authorize"] = Answered({"allowed": "ALLOWED"})
    hub.partner.endpoints.create(identifier="tokens", role="SENDER", url=f"{peer.url}/tokens")
    hub.call("PUT", "hubclientinfo/NL/EMS", info(status=status))
    question = Question("NL", "EMS", "04AA", "RFID", "L1", "E1", asker=("NL", "TST"))

    answer = OcpiAuthorizer().ask(question)

    assert OcpiAuthorizer().is_connected(country_code="NL", party_id="EMS") is connected
    if status == "CONNECTED":
        assert answer.allowed is Allowed.ALLOWED
        # Via the hub, to the party behind it.
        assert peer.seen[0].headers["ocpi-to-party-id"] == "EMS"
        assert peer.seen[0].headers["ocpi-from-party-id"] == "TST"
    else:
        assert answer.allowed is Allowed.UNREACHABLE
        assert peer.seen == []


@pytest.mark.rule("TR-65", "TR-53", "TR-09")
def test_a_party_behind_a_2_2_1_hub_is_served_through_it(hub: Registered) -> None:
    SessionFactory(cdr_token=cdr_token(party_id="EMS"))
    path = "sessions?date_from=2020-01-01T00:00:00Z"
    token = {
        "country_code": "NL",
        "party_id": "EMS",
        "uid": "04AA",
        "type": "RFID",
        "contract_id": "C1",
        "issuer": "EMS",
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": "2026-06-01T08:00:00Z",
    }
    sender = {"OCPI_from_country_code": "NL", "OCPI_from_party_id": "EMS"}
    assert hub.call.get(path).data == []
    assert hub.call.get(path, **sender).status == 404

    hub.call("PUT", "hubclientinfo/NL/EMS", info())

    row = PartnerRole.objects.get(party_id="EMS")
    assert (row.partner, row.via_hub, row.granted) == (hub.partner, True, True)
    assert len(hub.call.get(path, **sender).data) == 1
    assert hub.call("PUT", "tokens/NL/EMS/04AA", token, **sender).status == 201
    # The hub itself may be the sender, of what it sends to everybody.
    by_hub = {"OCPI_from_country_code": "NL", "OCPI_from_party_id": "HUB"}
    assert hub.call.get(path, **by_hub).status == 200


def test_a_party_that_another_partner_speaks_for_is_not_given_to_the_hub(
    hub: Registered, first: Registered
) -> None:
    reply = hub.call("PUT", "hubclientinfo/NL/EMS", info())

    assert (reply.status, reply.code) == (201, 1000)
    claim = PartnerRole.objects.get(partner=hub.partner, party_id="EMS")
    assert (claim.granted, claim.via_hub) == (False, True)
    assert hubs.claims(hub.partner) == [claim]
    assert PartnerRole.objects.get(partner=first.partner).granted


def test_without_auto_grant_an_emsp_behind_a_hub_waits_for_staff(hub: Registered) -> None:
    Partner.objects.update(auto_grant=False)

    hub.call("PUT", "hubclientinfo/NL/EMS", info())

    assert PartnerRole.objects.get(party_id="EMS").granted is False
    partners.grant(hub.partner, partners.TheirRole("EMSP", "NL", "EMS"))
    assert hub.call.get("tokens/NL/EMS/04AA").code == 2004


@pytest.mark.rule("TR-65", "HCI-04", "TR-26")
def test_at_the_start_the_whole_list_of_a_hub_is_read_once(peer: Peer) -> None:
    peer.roles = [role("HUB", "HUB")]
    peer.answers["/2.2.1/hubclientinfo"] = lambda seen: (
        Answered([info("TWO", role="CPO", status="PLANNED")])
        if seen.query.get("page") == "2"
        else Answered(
            [info("EMS"), info("BAD", status="GONE"), "nonsense"],
            headers={"Link": f'<{peer.url}/2.2.1/hubclientinfo?page=2>; rel="next"'},
        )
    )
    peer.answers["/2.2.1/tokens"] = Answered([])
    hub = register(peer, "2.2.1")
    assert hub.hub_party_id == "NLHUB"

    pulling.pull_partner(hub.pk)
    pulling.pull_partner(hub.pk)

    asked = peer.requests("GET", "/2.2.1/hubclientinfo")
    assert len(asked) == 2
    assert not any(name.startswith("ocpi-") for one in asked for name in one.headers)
    told = ClientInfo.objects.order_by("party_id").values_list("party_id", "role", "status")
    assert list(told) == [("EMS", "EMSP", "CONNECTED"), ("TWO", "CPO", "PLANNED")]
    assert set(hub.roles.filter(via_hub=True).values_list("party_id", "granted")) == {
        ("EMS", True),
        ("TWO", True),
    }
    # Its tokens are asked for as all of the hub's.
    asked_for_tokens: Seen = peer.requests("GET", "/2.2.1/tokens")[0]
    assert asked_for_tokens.headers["ocpi-to-party-id"] == "HUB"
    assert asked_for_tokens.headers["ocpi-from-party-id"] == "TST"


@pytest.mark.rule("TR-65", "CR-13")
def test_an_exchange_of_tokens_leaves_the_parties_behind_a_2_2_1_hub(peer: Peer) -> None:
    peer.roles = [role("HUB", "HUB")]
    hub = register(peer, "2.2.1")
    hubs.put_client_info(
        partner_id=hub.pk, info=hubs.TheirClientInfo("NL", "EMS", "EMSP", "CONNECTED", NOW)
    )

    handshake.update_registration(partner_id=hub.pk, now=clock.now())

    assert hub.roles.filter(via_hub=True, granted=True, party_id="EMS").exists()
    # With the end of the registration they go.
    partners.forget_partner(partner_id=hub.pk)
    assert not hub.roles.filter(via_hub=True).exists()
    assert not ClientInfo.objects.exists()


@pytest.mark.rule("TR-66", "CR-12", "CR-13")
@pytest.mark.parametrize("auto_grant", [True, False])
def test_a_2_3_0_hub_lists_its_parties_in_its_credentials(
    peer: Peer,
    first: Registered,
    auto_grant: bool,  # noqa: FBT001
) -> None:
    peer.hub_party_id = "NLHUB"
    peer.roles = [role("EMSP", "EMS"), role("EMSP", "NEW"), role("CPO", "CPO"), role("NSP", "NSP")]

    hub = register(peer, "2.3.0", auto_grant=auto_grant)

    assert hub.hub_party_id == "NLHUB"
    granted = dict(hub.roles.values_list("party_id", "granted"))
    # NL*EMS is another partner's.
    assert granted == {"EMS": False, "NEW": auto_grant, "CPO": True, "NSP": True}
    assert PartnerRole.objects.get(partner=first.partner).granted
    # Client info tells only whether they are there: who is no role of its is not added.
    hubs.put_client_info(
        partner_id=hub.pk, info=hubs.TheirClientInfo("NL", "XXX", "EMSP", "CONNECTED", NOW)
    )
    assert hub.roles.count() == 4


@pytest.mark.rule("TR-66", "TR-102")
@pytest.mark.parametrize("change", [{"hub_party_id": "NL"}, {"roles": [role("HUB", "HUB")]}])
def test_2_3_0_has_no_role_hub_and_a_hub_party_id_of_five(
    peer: Peer, change: dict[str, Any]
) -> None:
    invited = make_partner("Invited", "INV", status=PartnerStatus.INVITED)
    body = peer.credentials("2.3.0", "B-token") | change

    assert invited.call("POST", "/ocpi/2.3.0/credentials", body).code == 2001


def test_a_hub_is_invited_and_trusted_by_command() -> None:
    call_command("create_partner", "Hub", "--party=NL*HUB", "--role=HUB", "--auto-grant")

    assert Partner.objects.get().auto_grant
    call_command("create_partner", "Hub", "--party=NL*HUB", "--role=HUB")
    assert Partner.objects.get().auto_grant


def test_our_own_registration_at_a_hub_does_not_trust_it_with_every_party(peer: Peer) -> None:
    peer.hub_party_id = "NLHUB"
    peer.roles = [role("EMSP", "EMS")]

    partner = handshake.register_with_partner(
        name="Hub", versions_url=peer.versions_url, token_a="A-token", now=clock.now()
    )

    assert partner.roles.get().granted is False
    assert "hub_party_id" not in peer.received[0]
    assert {one["role"] for one in peer.received[0]["roles"]} == {"CPO"}
    assert partner.tokens.get().purpose == TokenPurpose.OPERATION

"""The handshake, in both directions and in every wrong state (OCPI 2.2.1, credentials)."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from cpo_platform.common import clock
from cpo_platform.common.secrets import decrypt
from roaming.models import (
    Change,
    Delivery,
    Feed,
    Partner,
    PartnerRole,
    PartnerStatus,
    PartnerToken,
)
from roaming.ocpi import handshake
from roaming.operations import partners
from sandbox.emsp import Emsp, PeerError, RegistrationError, running_emsp
from tests.factories import LocationFactory, PartyFactory
from tests.roaming import lanes
from tests.roaming.conftest import Caller, Registered, make_partner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def party(transactional_db: None) -> None:
    PartyFactory()


def invite(name: str = "Sandbox") -> partners.Invitation:
    return partners.invite_partner(
        name=name, role="EMSP", country_code="NL", party_id="EMS", now=clock.now()
    )


def test_a_partner_registers_with_us(emsp: Emsp, platform: str) -> None:
    LocationFactory()
    invitation = invite()

    emsp.register(platform, invitation.token_a)

    partner = Partner.objects.get()
    assert partner.status == PartnerStatus.REGISTERED
    assert partner.version == "2.2.1"
    assert partner.versions_url == emsp.versions_url
    assert decrypt(partner.token_encrypted) == emsp.inbound_token
    assert emsp.inbound_token not in partner.token_encrypted
    assert {step["ok"] for step in partner.handshake} == {True}
    role = PartnerRole.objects.get()
    assert (role.role, role.country_code, role.party_id) == ("EMSP", "NL", "EMS")
    assert partner.endpoints.filter(identifier="cdrs", role="RECEIVER").exists()
    # Token A is void; the new one works; all that it may see is on its way.
    assert Caller(invitation.token_a).get("/ocpi/versions").status == 401
    assert Caller(emsp.outbound_token).get("locations").status == 200
    assert set(Change.objects.values_list("module", "partner")) >= {
        ("locations", partner.pk),
        ("tariffs", partner.pk),
    }


def test_we_register_with_a_partner(emsp: Emsp, platform: str) -> None:
    call_command(
        "register_partner",
        "Sandbox",
        f"--versions-url={emsp.versions_url}",
        f"--token-a={emsp.own_token_a}",
    )

    partner = Partner.objects.get()
    assert partner.status == PartnerStatus.REGISTERED
    assert emsp.registered
    assert Caller(emsp.outbound_token).get("locations").status == 200
    assert PartnerToken.objects.count() == 1
    assert emsp.violations() == []


@pytest.mark.rule("CR-04", "CR-28")
def test_put_exchanges_both_tokens_and_locks_nobody_out(emsp: Emsp, platform: str) -> None:
    emsp.register(platform, invite().token_a)
    before = emsp.outbound_token, emsp.inbound_token

    emsp.renew()

    # The one before is good until the new one is used for the first time.
    assert Caller(before[0]).get("/ocpi/versions").status == 200
    assert Caller(emsp.outbound_token).get("locations").status == 200
    assert Caller(before[0]).get("/ocpi/versions").status == 401
    assert decrypt(Partner.objects.get().token_encrypted) == emsp.inbound_token != before[1]


def test_we_exchange_both_tokens_by_put(emsp: Emsp, platform: str) -> None:
    emsp.register(platform, invite().token_a)
    before = emsp.outbound_token

    handshake.update_registration(partner_id=Partner.objects.get().pk, now=clock.now())

    assert Caller(before).get("/ocpi/versions").status == 200
    assert Caller(emsp.outbound_token).get("locations").status == 200
    assert Caller(before).get("/ocpi/versions").status == 401
    assert PartnerToken.objects.count() == 1


def test_a_failed_exchange_leaves_the_old_tokens(emsp: Emsp, platform: str) -> None:
    emsp.register(platform, invite().token_a)
    emsp.misbehave("status", status=500, module="credentials")

    with pytest.raises(handshake.HandshakeFailed):
        handshake.update_registration(partner_id=Partner.objects.get().pk, now=clock.now())

    assert Caller(emsp.outbound_token).get("locations").status == 200
    # HTTP 500 and no envelope may come from what stands between: the partner may have taken it.
    assert PartnerToken.objects.count() == 2
    assert Partner.objects.get().handshake[-1]["text"] == handshake.LOST.text


def test_delete_ends_the_registration(emsp: Emsp, platform: str) -> None:
    emsp.register(platform, invite().token_a)
    token = emsp.outbound_token

    emsp.unregister()

    partner = Partner.objects.get()
    assert partner.status == PartnerStatus.UNREGISTERED
    assert partner.token_encrypted == ""
    assert not hasattr(Partner.objects.get(), "feed")
    assert Caller(token).get("/ocpi/versions").status == 401
    # And it may come back, with a new invitation.
    emsp.register(platform, invite().token_a)
    assert Partner.objects.get().status == PartnerStatus.REGISTERED


def test_we_end_the_registration(emsp: Emsp, platform: str) -> None:
    emsp.register(platform, invite().token_a)

    steps = handshake.unregister(partner_id=Partner.objects.get().pk, now=clock.now())

    assert [step.ok for step in steps] == [True]
    assert not emsp.registered
    assert Partner.objects.get().status == PartnerStatus.UNREGISTERED


def test_wrong_states_are_405(first: Registered) -> None:
    invited = make_partner("Invited", "INV", status=PartnerStatus.INVITED).call

    assert first.call("POST", "credentials", {}).status == 405
    assert invited("PUT", "credentials", {}).status == 405
    assert invited("DELETE", "credentials").status == 405
    assert invited("PATCH", "credentials", {}).status == 405


def test_get_shows_our_credentials_with_the_callers_own_token(first: Registered) -> None:
    data = first.call.get("credentials").data

    assert data["token"] == first.call.token
    assert data["url"] == "http://localhost:8000/ocpi/versions"
    assert data["roles"] == [
        {
            "role": "CPO",
            "country_code": "NL",
            "party_id": "TST",
            "business_details": {"name": "Test Charging"},
        }
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"token": "x" * 65}, "token"),
        ({"token": "two words"}, "token"),
        ({"url": "ftp://emsp.example"}, "url"),
        ({"url": None}, "url"),
        ({"roles": []}, "roles"),
        ({"roles": [{"role": "EMSP"}]}, "roles[0].party_id"),
    ],
)
def test_bad_credentials_are_2001_and_change_nothing(change: dict[str, object], field: str) -> None:
    invited = make_partner("Invited", "INV", status=PartnerStatus.INVITED).call
    role = {
        "role": "EMSP",
        "country_code": "NL",
        "party_id": "INV",
        "business_details": {"name": "Invited"},
    }
    body = {"token": "b", "url": "https://emsp.example/versions", "roles": [role]} | change

    reply = invited("POST", "credentials", body)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert Partner.objects.get().status == PartnerStatus.INVITED


@pytest.fixture
def broken(platform: str, settings: object) -> Iterator[Emsp]:
    settings.OUTBOUND_ALLOW_PRIVATE = True  # type: ignore[attr-defined]
    with running_emsp() as running:
        yield running


@pytest.mark.parametrize("kind", ["down", "truncated", "html", "redirect"])
def test_a_partner_whose_api_cannot_be_used_is_3001(broken: Emsp, platform: str, kind: str) -> None:
    invitation = invite()
    broken.misbehave(kind, module="versions")

    with pytest.raises((PeerError, RegistrationError), match="3001"):
        broken.register(platform, invitation.token_a)

    partner = Partner.objects.get()
    assert partner.status == PartnerStatus.INVITED
    assert partner.handshake[-1]["ok"] is False
    # Token A is still good: the partner may try again.
    assert Caller(invitation.token_a).get("/ocpi/versions").status == 200


def test_a_failed_handshake_of_ours_leaves_no_valid_token(emsp: Emsp, platform: str) -> None:
    with pytest.raises(handshake.HandshakeFailed) as failure:
        handshake.register_with_partner(
            name="Sandbox", versions_url=emsp.versions_url, token_a="wrong", now=clock.now()
        )

    assert [step.ok for step in failure.value.steps] == [False]
    assert "401" in failure.value.steps[0].detail
    assert PartnerToken.objects.count() == 0


def test_a_party_of_another_partner_cannot_be_taken(
    emsp: Emsp, platform: str, first: Registered
) -> None:
    invitation = partners.invite_partner(
        name="Thief", role="EMSP", country_code="NL", party_id="NEW", now=clock.now()
    )

    with pytest.raises((PeerError, RegistrationError), match="2001"):
        emsp.register(platform, invitation.token_a)

    assert Partner.objects.get(name="Thief").status == PartnerStatus.INVITED
    assert PartnerRole.objects.get(party_id="EMS").partner == first.partner


@pytest.mark.rule("TR-01")
def test_private_addresses_are_not_called(emsp: Emsp, platform: str, settings: object) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False  # type: ignore[attr-defined]

    with pytest.raises(handshake.HandshakeFailed, match="https"):
        handshake.register_with_partner(
            name="Sandbox", versions_url=emsp.versions_url, token_a="a", now=clock.now()
        )

    assert emsp.messages(direction="in") == []


def test_a_new_party_of_ours_is_introduced_before_its_objects_are_pushed(
    emsp: Emsp, platform: str
) -> None:
    emsp.register(platform, invite().token_a)
    LocationFactory(country_code="DE", party_id="NEU", id="NEW")
    partner = Partner.objects.get()
    assert partner.told_parties == ["NL*TST"]
    Feed.objects.update(retry_at=None)

    lanes.drain(partner)

    assert Partner.objects.get().told_parties == ["DE*NEU", "NL*TST"]
    assert emsp.get("locations", "DE", "NEU", "NEW") is not None
    assert emsp.violations() == []


def test_what_was_noted_after_the_end_of_a_registration_is_no_news_to_keep(
    emsp: Emsp, platform: str
) -> None:
    """A worker was sending while the partner left, and noted what it had sent after that."""
    tariff = LocationFactory().evses.get().connectors.get().tariffs.get()
    emsp.register(platform, invite().token_a)
    partner = Partner.objects.get()
    Feed.objects.update(retry_at=None)
    lanes.drain(partner)
    late = Delivery.objects.get(module="tariffs")
    assert late.sent["digest"]
    emsp.unregister()
    late.pk = None
    late.save()

    emsp.register(platform, invite().token_a)

    assert not Delivery.objects.exists()
    Feed.objects.update(retry_at=None)
    emsp_requests = len(emsp.messages(direction="in"))
    lanes.drain(Partner.objects.get())
    pushed = [message["url"] for message in emsp.messages(direction="in")[emsp_requests:]]
    assert any(url.endswith(f"tariffs/NL/TST/{tariff.ocpi_id}") for url in pushed)

"""What staff sees and does at a partner: its parties, its tokens, invitations and exchanges."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common.saying import Saying
from roaming import wake
from roaming.models import ClientInfo, Partner, PartnerRole, PartnerStatus
from roaming.ocpi import handshake
from roaming.operations import partners
from roaming.operations.partners import Step, TheirRole
from tests.factories import NOW, PartyFactory
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db
PARTNERS = "/admin/roaming/partner/"
INVITATION = {"name": "Hub", "role": "HUB", "country_code": "NL", "party_id": "HUB"}


def text_of(response: Any) -> str:
    return str(response.content.decode())


def page(client: Client, partner: Partner) -> str:
    return text_of(client.get(f"{PARTNERS}{partner.pk}/change/"))


def hub_of(parties: int) -> Partner:
    """Return a 2.2.1 hub with so many parties behind it, each claimed only."""
    partner = make_partner("Hub", "HUB").partner
    Partner.objects.filter(pk=partner.pk).update(hub_party_id="NLHUB")
    for number in range(parties):
        name = {"role": "EMSP", "country_code": "DE", "party_id": f"{number:03}"}
        PartnerRole.objects.create(partner=partner, granted=False, via_hub=True, **name)
        ClientInfo.objects.create(partner=partner, status="OFFLINE", last_updated=NOW, **name)
    return Partner.objects.get(pk=partner.pk)


# Invitations


def test_an_invitation_says_how_a_hub_is_trusted_and_which_party_of_ours_it_is_with(
    admin_client: Client,
) -> None:
    PartyFactory(party_id="ONE")
    second = PartyFactory(party_id="TWO")

    admin_client.post(
        f"{PARTNERS}invite/", INVITATION | {"auto_grant": "on", "our_party": second.pk}
    )

    partner = Partner.objects.get()
    assert (partner.auto_grant, partner.our_party) == (True, second)
    again = admin_client.get(f"{PARTNERS}invite/?partner={partner.pk}").context["form"]
    assert (again["auto_grant"].value(), again["our_party"].value()) == (True, second.pk)

    admin_client.post(f"{PARTNERS}invite/", INVITATION)
    assert not Partner.objects.get().auto_grant


# Exchanges of tokens


@pytest.mark.parametrize("version", ["", "2.3.0"])
def test_staff_chooses_the_version_of_an_exchange(
    admin_client: Client, first: Registered, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(handshake, "update_registration", lambda **values: asked.update(values))
    url = f"{PARTNERS}{first.partner.pk}/renew/"

    question = admin_client.get(url)
    assert asked == {}
    choices = [value for value, _text in question.context["form"].fields["version"].choices]
    assert choices == ["", "2.1.1", "2.3.0"]
    admin_client.post(url, {"version": version})

    assert (asked["partner_id"], asked["version"]) == (first.partner.pk, version)


@pytest.mark.parametrize(
    ("minutes", "told"), [(10, "another 10 minutes"), (1, "another minute"), (0, "end as soon as")]
)
def test_the_question_tells_of_the_grace_and_of_a_lost_answer(
    admin_client: Client, first: Registered, settings: Settings, minutes: int, told: str
) -> None:
    settings.TOKEN_GRACE_MINUTES = minutes
    text = text_of(admin_client.get(f"{PARTNERS}{first.partner.pk}/renew/"))
    assert told in text
    assert "If its answer is lost" in text


@pytest.mark.parametrize(
    ("last_step", "told"),
    [(handshake.LOST, "The answer was lost"), (Saying("PUT credentials"), "The exchange failed")],
)
def test_a_failed_exchange_says_which_tokens_are_valid(
    admin_client: Client,
    first: Registered,
    monkeypatch: pytest.MonkeyPatch,
    last_step: Saying,
    told: str,
) -> None:
    def fail(**_values: Any) -> None:
        steps = [Step(last_step, ok=False)]
        raise handshake.HandshakeFailed("HTTP 502", status_code=3001, steps=steps)

    monkeypatch.setattr(handshake, "update_registration", fail)
    response = admin_client.post(
        f"{PARTNERS}{first.partner.pk}/renew/", {"version": ""}, follow=True
    )
    assert told in text_of(response)


# Parties


def test_a_claim_says_who_speaks_for_the_party(admin_client: Client, first: Registered) -> None:
    other = make_partner("Claimant", "OWN").partner
    claim = PartnerRole.objects.create(
        partner=other, role="EMSP", country_code="NL", party_id="EMS", granted=False
    )
    text = page(admin_client, other)
    assert "claimed only. Who speaks for it:" in text
    assert f'href="{PARTNERS}{first.partner.pk}/change/"' in text

    claim.party_id = "NEW"
    claim.save()
    assert "claimed only, it sees nothing of it" in page(admin_client, other)


def test_a_partner_that_registered_as_another_party_is_told_of_on_top(
    admin_client: Client, first: Registered
) -> None:
    assert "cannot charge yet" not in page(admin_client, first.partner)
    first.partner.roles.update(granted=False)

    text = page(admin_client, first.partner)

    assert text.index("Its drivers cannot charge yet") < text.index("Its versions URL")
    assert "It registered as NL*EMS, which you have not granted." in text


def test_as_whom_it_was_invited_is_told_as_long_as_that_is_known(
    admin_client: Client, first: Registered
) -> None:
    named = [TheirRole("EMSP", "nl", "NEW")]
    assert partners.other_party(first.partner, [*named, TheirRole("EMSP", "nl", "ems")]) is None
    step = partners.other_party(first.partner, named)
    assert step is not None

    partners.record_handshake(partner_id=first.partner.pk, steps=[step], now=NOW)
    first.partner.roles.update(granted=False, party_id="NEW")

    told = "It registered as nl*NEW, and not as NL*EMS, which you granted it. Its starts are"
    assert told in page(admin_client, first.partner)


def test_a_failed_handshake_is_told_beside_the_status(
    admin_client: Client, first: Registered
) -> None:
    step = {"text": "Read your versions", "ok": False, "detail": "HTTP 500"}
    Partner.objects.filter(pk=first.partner.pk).update(handshake=[step])
    text = page(admin_client, first.partner)
    assert "Last attempt failed: Read your versions: HTTP 500" in text
    assert 'href="#handshake"' in text
    assert 'id="handshake"' in text

    Partner.objects.filter(pk=first.partner.pk).update(handshake=[step, {**step, "ok": True}])
    assert "Last attempt failed" not in page(admin_client, first.partner)


def test_claims_of_others_parties_do_not_keep_the_rest_from_being_granted(
    admin_client: Client, first: Registered
) -> None:
    hub = hub_of(1)
    PartnerRole.objects.create(
        partner=hub, role="EMSP", country_code="NL", party_id="EMS", granted=False
    )

    response = admin_client.post(f"{PARTNERS}{hub.pk}/grant/", follow=True)

    assert "Granted: DE*000." in text_of(response)
    assert "other partners speak for them: NL*EMS." in text_of(response)
    claims = PartnerRole.objects.filter(partner=hub, granted=False)
    assert [role.party_id for role in claims] == ["EMS"]


def test_a_hub_shows_the_parties_behind_it_and_their_connection(
    admin_client: Client, first: Registered
) -> None:
    text = page(admin_client, hub_of(1))
    assert "Parties behind the hub" in text
    assert "DE*000" in text
    assert "Offline" in text
    assert "Parties behind the hub" not in page(admin_client, first.partner)


@pytest.mark.parametrize("which", ["parties", "clients"])
def test_the_parties_of_a_big_hub_are_paginated(admin_client: Client, which: str) -> None:
    hub = hub_of(60)
    url = f"{PARTNERS}{hub.pk}/{which}/"
    assert url in page(admin_client, hub)
    assert "DE*020" not in page(admin_client, hub)

    first, second = admin_client.get(url), admin_client.get(f"{url}?p=2")
    assert "DE*049" in text_of(first)
    assert "DE*050" not in text_of(first)
    assert "DE*059" in text_of(second)


@pytest.mark.parametrize("parties", [1, 19])
def test_a_partner_page_takes_the_same_queries_for_any_number_of_parties(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, parties: int
) -> None:
    hub = hub_of(parties)
    page(admin_client, hub)  # fills the caches that live longer than a request
    with django_assert_num_queries(20):
        page(admin_client, hub)
    for which, queries in (("parties", 6), ("clients", 5)):
        with django_assert_num_queries(queries):
            admin_client.get(f"{PARTNERS}{hub.pk}/{which}/")


# The pull of its tokens


@pytest.fixture
def puller(first: Registered) -> Partner:
    first.partner.endpoints.create(identifier="tokens", role="SENDER", url="https://x.example/t")
    return first.partner


def test_a_partner_without_a_list_of_tokens_has_nothing_to_pull(
    admin_client: Client, first: Registered
) -> None:
    text = page(admin_client, first.partner)
    assert "offers no list of its tokens" in text
    assert "Pull its tokens now" not in text


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        ({}, "Not pulled yet"),
        ({"began_at": "2026-05-04T10:00:00+00:00"}, "Under way"),
        (
            {
                "began_at": "2026-05-04T10:00:00+00:00",
                "done_at": "2026-05-04T10:01:00+00:00",
                "full": True,
                "stored": 7123,
            },
            "7123",
        ),
        ({"began_at": "2026-05-04T10:00:00+00:00", "error": "HTTP 500 there"}, "HTTP 500 there"),
        ({"refused": ["page 1, entry 4: uid: is required"]}, "page 1, entry 4: uid: is required"),
    ],
)
def test_the_page_shows_how_the_pull_went(
    admin_client: Client, puller: Partner, progress: dict[str, Any], told: str
) -> None:
    Partner.objects.filter(pk=puller.pk).update(token_pull=progress)
    assert told in page(admin_client, puller)


def test_staff_has_the_tokens_pulled_now(
    admin_client: Client, puller: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(wake, "pull", asked.append)
    url = f"{PARTNERS}{puller.pk}/pull/"
    assert url in page(admin_client, puller)
    admin_client.get(url)
    assert asked == []

    admin_client.post(url)
    assert asked == [puller.pk]

    Partner.objects.filter(pk=puller.pk).update(status=PartnerStatus.SUSPENDED)
    assert url not in page(admin_client, puller)
    admin_client.post(url)
    assert asked == [puller.pk]

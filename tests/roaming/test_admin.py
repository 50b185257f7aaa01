"""The admin pages of partners: connecting them, and whether everything reaches them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from cpo_platform.common.saying import Saying
from cpo_platform.common.secrets import digest
from roaming.models import (
    Feed,
    Message,
    Partner,
    PartnerRole,
    PartnerStatus,
    PartnerToken,
)
from roaming.ocpi import handshake
from roaming.operations.partners import Step
from tests.admin_data import NOW, make_location, make_party, make_tariff

pytestmark = pytest.mark.django_db
PARTNERS = "/admin/roaming/partner/"
INVITATION = {"name": "Partner One", "role": "EMSP", "country_code": "nl", "party_id": "ems"}


def page(partner: Partner) -> str:
    return f"{PARTNERS}{partner.pk}/change/"


def invite(client: Client, **changes: str) -> Any:
    return client.post(f"{PARTNERS}invite/", INVITATION | changes)


@pytest.fixture
def partner() -> Partner:
    """Return a registered partner whose feed fails."""
    make_party()
    row = Partner.objects.create(
        name="Partner One",
        status=PartnerStatus.REGISTERED,
        version="2.2.1",
        versions_url="https://partner.example/versions",
        token_encrypted="secret",
        handshake=[{"text": "GET versions", "ok": False, "detail": "HTTP 500"}],
    )
    row.roles.create(role="EMSP", country_code="NL", party_id="EMS")
    row.endpoints.create(identifier="cdrs", role="RECEIVER", url="https://partner.example/cdrs")
    row.tokens.create(digest="d" * 64, purpose="OPERATION", created_at=NOW)
    Feed.objects.create(
        partner=row,
        lane="NETWORK",
        failures=3,
        last_error="HTTP 503",
        retry_at=NOW + timedelta(minutes=1),
        last_success_at=NOW,
    )
    return row


def test_an_invitation_shows_its_token_once(admin_client: Client) -> None:
    make_party()
    response = invite(admin_client)
    row = Partner.objects.get()
    token = response.context["token_a"]
    assert PartnerToken.objects.get().digest == digest(token)
    text = response.content.decode()
    assert token in text
    assert "/ocpi/versions" in text
    assert "no-store" in response.headers["Cache-Control"]
    assert (row.status, str(row.roles.get())) == ("INVITED", "NL*EMS EMSP")
    assert token not in admin_client.get(page(row)).content.decode()


def test_an_invitation_needs_a_party_of_ours_first(admin_client: Client) -> None:
    response = admin_client.get(f"{PARTNERS}invite/")
    assert response.headers["Location"] == "/admin/tariffs/party/add/"


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"country_code": "1"}, "country_code", "Two letters (ISO 3166-1 alpha-2)."),
        (
            {"party_id": "TOOLONG"},
            "party_id",
            "Ensure this value has at most 3 characters (it has 7).",
        ),
        ({}, "name", "A partner of this name is registered already."),
        ({"name": "Another"}, "__all__", "Another partner speaks for this party already."),
    ],
)
def test_an_invitation_that_is_refused_changes_nothing(
    admin_client: Client, partner: Partner, changes: dict[str, str], field: str, error: str
) -> None:
    response = invite(admin_client, **changes)
    assert error in response.context["form"].errors[field]
    assert Partner.objects.count() == 1
    assert PartnerToken.objects.count() == 1


def test_a_failed_registration_is_told_step_by_step(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_party()
    asked: dict[str, Any] = {}

    def refuse(**values: Any) -> Partner:
        asked.update(values)
        steps = [
            Step(Saying("GET versions"), ok=True),
            Step(Saying("GET details"), ok=False, detail="HTTP 404"),
            Step(Saying("GET details"), ok=False, detail="[Errno -2] Name or service not known"),
        ]
        raise handshake.HandshakeFailed("no", status_code=3001, steps=steps)

    monkeypatch.setattr(handshake, "register_with_partner", refuse)
    form = {"name": "P", "versions_url": "https://p.example/versions", "token_a": "abc"}
    response = admin_client.post(f"{PARTNERS}register/", form)
    text = response.content.decode()
    assert "GET versions" in text
    assert "HTTP 404" in text
    assert "the name of the host is not known (DNS)" in text
    assert "Nothing of it is valid" in text
    assert {name: asked[name] for name in form} == form


def test_a_registration_leads_to_the_partner(
    admin_client: Client, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "register_with_partner", lambda **_values: partner)
    form = {"name": "P", "versions_url": "https://p.example/versions", "token_a": "abc"}
    response = admin_client.post(f"{PARTNERS}register/", form)
    assert response.headers["Location"] == page(partner)


def test_the_partner_page_shows_how_it_is_doing(admin_client: Client, partner: Partner) -> None:
    Message.objects.create(
        partner=partner, at=NOW, direction="OUT", method="PUT", url="https://x.example/1"
    )
    text = admin_client.get(page(partner)).content.decode()
    for expected in (
        "https://partner.example/versions",
        "https://partner.example/cdrs",
        "NL*EMS",
        "Failing",
        f'href="{PARTNERS}{partner.pk}/health/"',
        "GET versions",
        "HTTP 500",
        "PUT https://x.example/1",
    ):
        assert expected in text, expected
    assert "secret" not in text
    assert "d" * 64 not in text


def test_unregistering_asks_first(
    admin_client: Client, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    def unregister(*, partner_id: int, **_values: Any) -> list[Step]:
        ended.append(partner_id)
        return []

    monkeypatch.setattr(handshake, "unregister", unregister)
    url = f"{PARTNERS}{partner.pk}/unregister/"
    assert "Its tokens stop working at once" in admin_client.get(url).content.decode()
    assert ended == []
    assert admin_client.post(url).headers["Location"] == page(partner)
    assert ended == [partner.pk]


def test_a_party_that_was_only_claimed_is_granted_after_a_question(
    admin_client: Client, partner: Partner
) -> None:
    claim = PartnerRole.objects.create(
        partner=partner, role="EMSP", country_code="NL", party_id="CLM", granted=False
    )
    url = f"{PARTNERS}{partner.pk}/grant/"

    assert "Grant parties" in admin_client.get(page(partner)).content.decode()
    assert "NL*CLM" in admin_client.get(url).content.decode()
    claim.refresh_from_db()
    assert claim.granted is False
    admin_client.post(url)

    assert PartnerRole.objects.get(party_id="CLM").granted
    assert "Grant parties" not in admin_client.get(page(partner)).content.decode()


def test_staff_that_may_only_look_gets_no_buttons(client: Client, partner: Partner) -> None:
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_partner"))
    client.force_login(user)
    assert "Unregister" not in client.get(page(partner)).content.decode()
    for action in ("renew", "unregister", "grant"):
        assert client.post(f"{PARTNERS}{partner.pk}/{action}/").status_code == 403
    assert client.get(f"{PARTNERS}invite/").status_code == 403
    assert client.get(f"{PARTNERS}register/").status_code == 403


@pytest.mark.parametrize("size", [1, 5])
def test_lists_take_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, partner: Partner, size: int
) -> None:
    for number in range(size):
        row = Partner.objects.create(name=f"P{number}")
        Feed.objects.create(partner=row, lane="NETWORK")
    admin_client.get(PARTNERS)  # fills the caches that live longer than a request
    with django_assert_num_queries(7):
        assert admin_client.get(PARTNERS).status_code == 200


@pytest.mark.parametrize("size", [0, 4])
def test_the_home_page_takes_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, partner: Partner, size: int
) -> None:
    make_tariff()
    make_location("L", evses=1)
    for number in range(size):
        make_location(f"L{number}", evses=2)
    admin_client.get("/admin/")  # fills the caches that live longer than a request
    with django_assert_num_queries(28):
        text = admin_client.get("/admin/").content.decode()
    assert "HTTP 503" in text


def test_a_new_platform_is_told_its_next_steps(admin_client: Client) -> None:
    text = admin_client.get("/admin/").content.decode()
    for step in (
        "Create your party",
        "Bring in your network",
        "Set your prices",
        "Connect a partner",
    ):
        assert step in text

"""Asking an eMSP in real time, over HTTP, as roaming does it."""

import pytest

from roaming.client import OcpiAuthorizer
from roaming.models import Endpoint, PartnerStatus
from sandbox.emsp import Emsp
from sessions_app.authorization import Allowed, Question
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db(transaction=True)

RFID = {
    "country_code": "NL",
    "party_id": "EMS",
    "uid": "04AA",
    "type": "RFID",
    "contract_id": "NL-EMS-C1",
    "issuer": "Sandbox",
    "valid": True,
    "whitelist": "NEVER",
    "last_updated": "2026-06-01T08:00:00Z",
}
QUESTION = Question("NL", "EMS", "04AA", "RFID", "SITE", "E1")


@pytest.fixture
def link(emsp: Emsp) -> Registered:
    made = make_partner()
    Endpoint.objects.create(
        partner=made.partner,
        identifier="tokens",
        role="SENDER",
        url=f"{emsp.url}/ocpi/2.2.1/tokens",
    )
    emsp.assume_registered(
        inbound_token="their-token",
        outbound_token="ours",
        versions_url="http://localhost/ocpi/versions",
        endpoints=[],
        roles=[],
    )
    emsp.add_token(RFID, push=False)
    return made


def test_an_emsp_is_connected_while_its_partner_is_registered(link: Registered) -> None:
    authorizer = OcpiAuthorizer()

    assert authorizer.is_connected(country_code="nl", party_id="ems")
    assert not authorizer.is_connected(country_code="NL", party_id="FOE")
    link.partner.status = PartnerStatus.SUSPENDED
    link.partner.save()
    assert not authorizer.is_connected(country_code="NL", party_id="EMS")


def test_allowed_brings_the_token_and_the_reference(link: Registered, emsp: Emsp) -> None:
    emsp.answer_authorization("04AA", "ALLOWED", reference="REF-7")

    answer = OcpiAuthorizer().ask(QUESTION)

    assert answer.allowed is Allowed.ALLOWED
    assert answer.authorization_reference == "REF-7"
    assert answer.cdr_token is not None
    assert answer.cdr_token.contract_id == "NL-EMS-C1"
    assert emsp.violations() == []


@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_each_refusal_is_told(link: Registered, emsp: Emsp, allowed: str) -> None:
    emsp.answer_authorization("04AA", allowed)

    assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed(allowed)


def test_an_unknown_token_is_not_a_network_failure(link: Registered) -> None:
    question = Question("NL", "EMS", "NOBODY", "RFID", "SITE", "E1")

    assert OcpiAuthorizer().ask(question).allowed is Allowed.UNKNOWN_TOKEN


def test_another_evse_than_those_allowed_is_refused(link: Registered, emsp: Emsp) -> None:
    emsp.answer_authorization("04AA", "ALLOWED", evse_uids=["E2"])

    assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed.NOT_ALLOWED


@pytest.mark.parametrize("kind", ["down", "html", "truncated", "redirect"])
def test_an_emsp_in_trouble_is_unreachable(link: Registered, emsp: Emsp, kind: str) -> None:
    emsp.misbehave(kind)

    assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed.UNREACHABLE

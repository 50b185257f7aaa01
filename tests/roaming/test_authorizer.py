"""Asking an eMSP in real time, over HTTP, in every version."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from cpo_platform.common.secrets import encrypt
from roaming import authorizing
from roaming.authorizing import OcpiAuthorizer
from roaming.models import Endpoint, Partner, PartnerStatus
from sandbox.emsp import Emsp
from sessions_app.authorization import Allowed, Question, RealtimeAnswer
from tests.roaming.conftest import Registered, make_partner
from tests.roaming.peer import Answered, Peer, Seen, held_back, running_peer

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
QUESTION = Question("NL", "EMS", "04AA", "RFID", "SITE", "E1", "1", ("NL", "TST"))
PATH = "/tokens/04AA/authorize"
EVERY_VERSION = pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with running_peer() as running:
        running.tokens = {"their-token"}
        make_partner(endpoints={"tokens": f"{running.url}/tokens"})
        yield running


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


def speak(version: str) -> None:
    Partner.objects.update(version=version, token_base64=version != "2.1.1")


def ask(peer: Peer, answer: Answered, **changes: Any) -> RealtimeAnswer:
    peer.answers[PATH] = answer
    question = Question(**{**QUESTION.__dict__, **changes})
    return OcpiAuthorizer().ask(question)


def test_an_emsp_is_connected_while_its_partner_is_registered(link: Registered) -> None:
    authorizer = OcpiAuthorizer()

    assert authorizer.is_connected(country_code="nl", party_id="ems")
    assert not authorizer.is_connected(country_code="NL", party_id="FOE")
    link.partner.status = PartnerStatus.SUSPENDED
    link.partner.save()
    assert not authorizer.is_connected(country_code="NL", party_id="EMS")


@pytest.mark.rule("TOK-25")
def test_allowed_brings_the_token_and_the_reference(link: Registered, emsp: Emsp) -> None:
    emsp.answer_authorization("04AA", "ALLOWED", reference="REF-7")

    answer = OcpiAuthorizer().ask(QUESTION)

    assert answer.allowed is Allowed.ALLOWED
    assert answer.authorization_reference == "REF-7"
    assert answer.cdr_token is not None
    assert answer.cdr_token.contract_id == "NL-EMS-C1"


@pytest.mark.rule("TOK-21", "TOK-03", "TR-04", "TR-46", "TR-50")
@EVERY_VERSION
def test_each_version_is_asked_in_its_own_words(peer: Peer, version: str) -> None:
    speak(version)

    answer = ask(peer, Answered({"allowed": "ALLOWED"}), type="APP_USER")

    assert answer == RealtimeAnswer(Allowed.ALLOWED)
    seen: Seen = peer.seen[0]
    assert (seen.method, seen.path) == ("POST", PATH)
    place = {"location_id": "SITE", "evse_uids": ["E1"]}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-request-id"]
    if version == "2.1.1":
        assert seen.body == place | {"connector_ids": ["1"]}
        assert seen.query == {"type": "OTHER"}
        assert seen.value == "their-token"
        assert not any(name.startswith("ocpi-") for name in seen.headers)
    else:
        assert seen.body == place
        assert seen.query == {"type": "APP_USER"}
        assert seen.value == b64encode(b"their-token").decode()
        assert [seen.headers[f"ocpi-{end}-party-id"] for end in ("from", "to")] == ["TST", "EMS"]


@pytest.mark.rule("TOK-23")
@EVERY_VERSION
@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_each_refusal_is_told(peer: Peer, version: str, allowed: str) -> None:
    speak(version)
    data = {"allowed": allowed, "info": {"language": "en", "text": "Because"}}

    answer = ask(peer, Answered(data))

    assert (answer.allowed, answer.info) == (Allowed(allowed), "Because")


@pytest.mark.rule("TOK-22", "TOK-20", "TOK-29", "TR-31", "TR-32")
@EVERY_VERSION
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answered(http=404, code=2004), Allowed.UNKNOWN_TOKEN),
        (Answered(code=2004), Allowed.UNKNOWN_TOKEN),
        (Answered(http=404, raw=b"<html>"), Allowed.UNKNOWN_TOKEN),
        # It answers, but does not decide: nobody charges on that.
        (Answered(code=2002), Allowed.NOT_ALLOWED),
        (Answered(code=2001), Allowed.NOT_ALLOWED),
        (Answered(http=405, code=2000), Allowed.UNREACHABLE),
        (Answered(http=500, raw=b""), Allowed.UNREACHABLE),
        (Answered(code=3000), Allowed.UNREACHABLE),
        (Answered(http=503, code=3000), Allowed.UNREACHABLE),
        (Answered(raw=b"<html>"), Allowed.UNREACHABLE),
        (Answered(hang=True), Allowed.UNREACHABLE),
        (Answered(http=401, code=2000), Allowed.UNREACHABLE),
        (Answered({"allowed": "PERHAPS"}), Allowed.UNREACHABLE),
        (Answered({"allowed": "UNREACHABLE"}), Allowed.UNREACHABLE),
        (Answered({"allowed": ["ALLOWED"]}), Allowed.UNREACHABLE),
        (Answered([]), Allowed.UNREACHABLE),
        # A list of one is taken for the one; of two, nobody knows which.
        (Answered([{"allowed": "ALLOWED"}]), Allowed.ALLOWED),
        (Answered([{"allowed": "BLOCKED"}]), Allowed.BLOCKED),
        (Answered([{"allowed": "ALLOWED"}] * 2), Allowed.UNREACHABLE),
        (Answered([["ALLOWED"]]), Allowed.UNREACHABLE),
        # A hub's own trouble says nothing of the token.
        (Answered(code=4002), Allowed.UNREACHABLE),
        (Answered(http=404, code=4001), Allowed.UNREACHABLE),
    ],
)
def test_every_answer_has_one_meaning(
    peer: Peer, version: str, answer: Answered, expected: Allowed
) -> None:
    speak(version)

    assert ask(peer, answer).allowed is expected


def test_an_unknown_token_is_not_a_network_failure(link: Registered) -> None:
    question = Question("NL", "EMS", "NOBODY", "RFID", "SITE", "E1")

    assert OcpiAuthorizer().ask(question).allowed is Allowed.UNKNOWN_TOKEN


@pytest.mark.rule("TOK-24")
@EVERY_VERSION
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"location_id": "SITE", "evse_uids": ["e1", "E2"]}, Allowed.ALLOWED),
        ({"location_id": "SITE", "evse_uids": ["E2"]}, Allowed.NOT_ALLOWED),
        ({"location_id": "SITE", "evse_uids": []}, Allowed.NOT_ALLOWED),
        ({"location_id": "SITE"}, Allowed.ALLOWED),
        (None, Allowed.ALLOWED),
    ],
)
def test_charging_is_allowed_only_at_the_evses_that_are_named(
    peer: Peer, version: str, location: object, expected: Allowed
) -> None:
    speak(version)

    assert ask(peer, Answered({"allowed": "ALLOWED", "location": location})).allowed is expected


@pytest.mark.rule("TOK-28")
def test_a_slow_emsp_is_unreachable_before_the_station_gives_up(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorizing, "TIMEOUT_SECONDS", 0.3)

    # Sooner than any other request would be given up.
    with held_back(Answered({"allowed": "ALLOWED"}), seconds=5) as slow:
        peer.answers[PATH] = slow
        assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed.UNREACHABLE


@pytest.mark.rule("CR-28")
@pytest.mark.parametrize("http", [401, 403])
def test_shortly_after_an_exchange_the_token_before_it_is_tried_as_well(
    peer: Peer, http: int
) -> None:
    def by_token(seen: Seen) -> Answered:
        old = b64decode(seen.value) == b"their-token"
        return Answered({"allowed": "ALLOWED"}) if old else Answered(raw=b"{}", http=http)

    peer.tokens.add("newer")
    Partner.objects.update(
        token_encrypted=encrypt("newer"),
        previous_token_encrypted=encrypt("their-token"),
        previous_token_until=clock.now() + timedelta(minutes=5),
    )
    peer.answers[PATH] = by_token

    assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed.ALLOWED
    assert len(peer.seen) == 2


@pytest.mark.rule("TOK-29")
def test_an_emsp_without_a_token_endpoint_cannot_be_asked(peer: Peer) -> None:
    Endpoint.objects.all().delete()

    assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed.UNREACHABLE
    assert peer.seen == []


@pytest.mark.parametrize("kind", ["down", "html", "truncated", "redirect"])
def test_an_emsp_in_trouble_is_unreachable(link: Registered, emsp: Emsp, kind: str) -> None:
    emsp.misbehave(kind)

    assert OcpiAuthorizer().ask(QUESTION).allowed is Allowed.UNREACHABLE

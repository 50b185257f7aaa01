"""Handshakes that are meant to hurt: to hold our threads, or to take what is another's."""

import socket
import threading
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from roaming.models import Partner, PartnerRole, PartnerStatus
from sessions_app.authorization import Question
from tests.factories import PartyFactory, SessionFactory, cdr_token
from tests.roaming.conftest import Caller, Registered, Reply, make_partner

pytestmark = pytest.mark.django_db(transaction=True)


def credentials(url: str, *roles: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "token": "theirs",
        "url": url,
        "roles": [
            {
                "role": role,
                "country_code": country_code,
                "party_id": party_id,
                "business_details": {"name": "Attacker"},
            }
            for role, country_code, party_id in roles
        ],
    }


def test_a_partner_has_one_handshake_at_a_time(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    PartyFactory()
    attacker = make_partner("Attacker", "ATT", status=PartnerStatus.INVITED)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        body = credentials(f"http://127.0.0.1:{silent.getsockname()[1]}/", ("EMSP", "NL", "ATT"))
        first: list[Reply] = []

        def begin() -> None:
            try:
                first.append(attacker.call("POST", "credentials", body))
            finally:
                connection.close()

        thread = threading.Thread(target=begin)
        thread.start()
        hanging, _address = silent.accept()

        second = attacker.call("POST", "credentials", body)
        hanging.close()
        thread.join()

    assert second.code == 2000
    assert second.body["status_message"] == "another credentials request of yours is under way"
    assert [reply.code for reply in first] == [3001]
    # The lock is gone with the handshake.
    assert attacker.call("POST", "credentials", credentials("http://127.0.0.1:9/")).code != 2000


@pytest.mark.parametrize("role", ["x" * 60, "sender", "BOTH"])
def test_an_endpoint_with_an_unknown_role_is_the_partners_mistake(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    from roaming.client import Reply as Answer
    from roaming.client import Request
    from roaming.ocpi import talk

    answers = {
        "https://emsp.example/v": [{"version": "2.2.1", "url": "https://emsp.example/d"}],
        "https://emsp.example/d": {
            "version": "2.2.1",
            "endpoints": [
                {"identifier": "credentials", "role": "BOTH", "url": "https://emsp.example/c"},
                {"identifier": "tokens", "role": role, "url": "https://emsp.example/t"},
            ],
        },
    }

    def send_once(request: Request, *_args: object, **_kwargs: object) -> Answer:
        return Answer(request, 200, status_code=1000, data=answers[request.url])

    monkeypatch.setattr(talk, "send_once", send_once)
    attacker = make_partner("Attacker", "ATT", status=PartnerStatus.INVITED)

    reply = attacker.call(
        "POST", "credentials", credentials("https://emsp.example/v", ("EMSP", "NL", "ATT"))
    )

    assert reply.code == 3001
    assert "endpoints[1].role" in reply.body["status_message"]


def test_only_the_emsp_itself_is_asked_about_its_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from roaming import authorizing, client
    from roaming.authorizing import OcpiAuthorizer
    from roaming.client import Request

    asked: list[str] = []

    def send_once(request: Request, *_args: object, **_kwargs: object) -> client.Reply:
        asked.append(request.url)
        return client.Reply(request, 200, status_code=1000, data={"allowed": "BLOCKED"})

    monkeypatch.setattr(authorizing, "send_once", send_once)
    # The older partner: it would be found first.
    attacker = make_partner("Attacker", "ATT", endpoints={"tokens": "https://attacker.example/t"})
    make_partner("Victim", "EMS", endpoints={"tokens": "https://victim.example/t"})
    PartnerRole.objects.create(
        partner=attacker.partner, role="NSP", country_code="nl", party_id="ems"
    )

    OcpiAuthorizer().ask(Question("NL", "EMS", "04AA", "RFID", "L1", "E1"))

    assert asked == ["https://victim.example/t/04AA/authorize?type=RFID"]


@pytest.mark.parametrize("role", ["CPO", "NSP", "HUB", "OTHER"])
def test_a_role_that_is_no_emsp_sees_no_sessions(first: Registered, role: str) -> None:
    SessionFactory(cdr_token=cdr_token(party_id="EMS"))
    attacker = make_partner("Attacker", "ATT")
    PartnerRole.objects.create(
        partner=attacker.partner, role=role, country_code="nl", party_id="ems"
    )

    mine = attacker.call.get("sessions?date_from=2020-01-01T00:00:00Z")
    theirs = first.call.get("sessions?date_from=2020-01-01T00:00:00Z")

    assert (len(mine.data), len(theirs.data)) == (0, 1)


def test_a_party_that_nobody_holds_is_not_shown_to_whoever_claims_it() -> None:
    from roaming.ocpi.v2_2_1.credentials import read_credentials
    from roaming.operations import partners, registering
    from tests.factories import NOW

    session = SessionFactory(cdr_token=cdr_token(party_id="EMS"))
    attacker = make_partner("Attacker", "ATT")
    body = credentials("https://emsp.example/v", ("EMSP", "NL", "ATT"), ("EMSP", "nl", "ems"))

    registering.complete_registration(
        partner_id=attacker.partner.pk,
        credentials=read_credentials(body),
        endpoints=[],
        version="2.2.1",
        token_base64=True,
        our_token="another",
        our_parties=[],
        now=NOW,
    )

    seen = Caller("another").get("sessions?date_from=2000-01-01T00:00:00Z").data
    assert seen == []
    token = Caller("another")("PUT", "tokens/NL/EMS/04AA", {})
    assert token.status == 404
    # Until staff grants it.
    partner = Partner.objects.get(pk=attacker.partner.pk)
    partners.grant(partner, partners.TheirRole("EMSP", "NL", "EMS"))
    seen = Caller("another").get("sessions?date_from=2000-01-01T00:00:00Z").data
    assert [item["id"] for item in seen] == [session.ocpi_id]

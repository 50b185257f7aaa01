"""Parties behind a hub: their commands, their results, and what happens while they are away."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from locations.models import Evse, Location
from roaming.models import Command, ConnectionStatus, Partner, TokenPurpose
from roaming.operations import commands
from roaming.operations.hubs import TheirClientInfo, put_client_info
from roaming.operations.partner_tokens import give_token
from sessions_app.models import Session
from sessions_app.operations import sessions
from tests.factories import LocationFactory, SessionFactory, TokenFactory, cdr_token, evse
from tests.roaming.conftest import Caller
from tests.roaming.recording import RecordingPeer, drain, recording_peer

pytestmark = pytest.mark.django_db(transaction=True)

LATER = ("2.2.1", "2.3.0")
AWAY = (ConnectionStatus.OFFLINE, ConnectionStatus.PLANNED, ConnectionStatus.SUSPENDED)


@pytest.fixture
def peer(settings: Settings) -> Iterator[RecordingPeer]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with recording_peer() as running:
        yield running


@pytest.fixture
def site() -> Location:
    location: Location = LocationFactory(
        id="SITE", tariff=None, evses=[evse("E1"), evse("E2")], now=clock.now()
    )
    return location


def say(partner: Partner, party_id: str, status: str) -> None:
    info = TheirClientInfo("NL", party_id, "EMSP", status, clock.now())
    put_client_info(partner_id=partner.pk, info=info)


def start(uid: str, party_id: str) -> Session:
    session: Session = SessionFactory(
        connector=Evse.objects.get(uid=uid).connectors.get(),
        cdr_token=cdr_token(f"CARD{party_id}", party_id=party_id),
        now=clock.now(),
    )
    return session


@pytest.mark.rule("TR-133")
@pytest.mark.parametrize("version", LATER)
@pytest.mark.parametrize("status", AWAY)
def test_nothing_is_sent_to_a_party_that_its_hub_cannot_reach(
    peer: RecordingPeer, site: Location, version: str, status: str
) -> None:
    partner = peer.connect(version, behind=("EM1", "EM2"))
    drain(partner)
    say(partner, "EM1", status)
    say(partner, "EM2", ConnectionStatus.CONNECTED)
    peer.new()
    start("E1", "EM1")
    start("E2", "EM2")

    drain(partner)

    assert [one.party("to") for one in peer.new() if one.path.startswith("sessions/")] == ["NL*EM2"]


@pytest.mark.rule("TR-133", "TR-131")
@pytest.mark.parametrize("version", LATER)
def test_a_party_that_is_back_is_told_how_things_are_now(
    peer: RecordingPeer, site: Location, version: str
) -> None:
    partner = peer.connect(version, behind=("EM1",), registered_at=clock.now())
    say(partner, "EM1", ConnectionStatus.OFFLINE)
    session = start("E1", "EM1")
    drain(partner)
    ended = clock.now() + timedelta(minutes=30)
    sessions.stop_session(session_id=session.pk, ended_at=ended, now=ended)
    drain(partner)
    assert {one.path.split("/")[0] for one in peer.new()} == {"locations"}

    say(partner, "EM1", ConnectionStatus.CONNECTED)
    drain(partner)

    back = peer.new()
    path = f"sessions/NL/TST/{session.ocpi_id}"
    assert [one.line for one in back] == [f"PUT {path}", "POST cdrs"]
    assert back[0].body["status"] == "COMPLETED"
    say(partner, "EM1", ConnectionStatus.OFFLINE)
    say(partner, "EM1", ConnectionStatus.CONNECTED)
    assert drain(partner) == 0


@pytest.mark.rule("TR-50", "TR-52", "TR-62")
@pytest.mark.parametrize("version", LATER)
def test_a_hub_delivers_the_commands_of_two_parties_and_each_gets_its_result(
    peer: RecordingPeer, site: Location, version: str
) -> None:
    partner = peer.connect(version, behind=("EM1", "EM2"))
    drain(partner)
    peer.new()
    give_token(partner, "hub-token", purpose=TokenPurpose.OPERATION, now=clock.now())
    for party_id, uid in (("EM1", "E1"), ("EM2", "E2")):
        token = TokenFactory(uid=f"CARD{party_id}", party_id=party_id)
        call = Caller("hub-token", _headers(party_id))
        body = {
            "response_url": f"{peer.url}/results/{party_id}",
            "token": _token(token.uid, party_id),
            "location_id": "SITE",
            "evse_uid": uid,
        }
        reply = call("POST", f"/ocpi/{version}/commands/START_SESSION", body)
        assert (reply.status, reply.data["result"]) == (200, "ACCEPTED"), reply.body
        assert reply.headers["OCPI-to-party-id"] == party_id
    for command in Command.objects.all():
        commands.finish_command(
            command_id=command.pk, result="ACCEPTED", message="", now=clock.now()
        )

    drain(partner)

    results = sorted((one.path, one.party("from"), one.party("to")) for one in peer.new())
    assert results == [
        ("results/EM1", "NL*TST", "NL*EM1"),
        ("results/EM2", "NL*TST", "NL*EM2"),
    ]


def _headers(party_id: str) -> dict[str, str]:
    return {
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": party_id,
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "TST",
    }


def _token(uid: str, party_id: str) -> dict[str, object]:
    return {
        "country_code": "NL",
        "party_id": party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"NL-{party_id}-{uid}",
        "issuer": "Test eMSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-06-01T08:00:00Z",
    }

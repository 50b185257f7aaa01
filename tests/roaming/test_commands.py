"""START_SESSION and STOP_SESSION (OCPI 2.2.1, mod_commands, Receiver interface)."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from locations.models import Evse
from locations.operations import set_evse_status
from roaming.models import Change, Command, CommandState
from roaming.operations import commands
from roaming.tasks import execute_command, expire_commands
from sessions_app.models import Session
from tests.factories import NOW, LocationFactory, SessionFactory, cdr_token, evse
from tests.roaming.conftest import Caller, Registered

pytestmark = pytest.mark.django_db

TOKEN: dict[str, Any] = {
    "country_code": "NL",
    "party_id": "EMS",
    "uid": "anna",
    "type": "APP_USER",
    "contract_id": "NL-EMS-C1",
    "issuer": "First eMSP",
    "valid": True,
    "whitelist": "NEVER",
    "last_updated": "2026-06-01T08:00:00Z",
}
START: dict[str, Any] = {
    "response_url": "https://emsp.example/commands/START_SESSION/1",
    "token": TOKEN,
    "location_id": "SITE",
    "evse_uid": "E1",
    "authorization_reference": "REF-1",
}
STOP_URL = "https://emsp.example/commands/STOP_SESSION/1"


@pytest.fixture(autouse=True)
def site(db: None) -> None:
    LocationFactory(id="SITE", evses=[evse("E1"), evse("E2", capabilities=["RFID_READER"])])


def test_a_start_is_accepted_and_kept(call: Caller) -> None:
    reply = call("POST", "commands/START_SESSION", START)

    assert (reply.status, reply.code) == (200, 1000)
    assert reply.data == {"result": "ACCEPTED", "timeout": 60}
    command = Command.objects.get()
    assert command.state == CommandState.ACCEPTED
    assert command.evse == Evse.objects.get(uid="E1")
    assert command.authorization_reference == "REF-1"
    assert command.token is not None
    assert command.token["uid"] == "anna"


def test_without_an_evse_a_free_one_is_taken(call: Caller) -> None:
    reply = call(
        "POST",
        "commands/START_SESSION",
        {name: value for name, value in START.items() if name != "evse_uid"},
    )

    assert reply.data["result"] == "ACCEPTED"
    assert Command.objects.get().evse == Evse.objects.get(uid="E1")


@pytest.mark.parametrize(
    "change",
    [{"location_id": "NOWHERE"}, {"evse_uid": "E9"}, {"connector_id": "9"}],
)
def test_an_unknown_place_is_2003_with_a_rejection(call: Caller, change: dict[str, Any]) -> None:
    reply = call("POST", "commands/START_SESSION", START | change)

    assert (reply.status, reply.code) == (200, 2003)
    assert reply.data["result"] == "REJECTED"
    assert reply.data["timeout"] == 60
    assert Command.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"token": TOKEN | {"party_id": "FOE"}}, "REJECTED"),
        ({"evse_uid": "E2"}, "NOT_SUPPORTED"),
    ],
)
def test_what_cannot_be_started_is_refused_at_once(
    call: Caller, change: dict[str, Any], result: str
) -> None:
    reply = call("POST", "commands/START_SESSION", START | change)

    assert (reply.status, reply.code) == (200, 1000)
    assert reply.data["result"] == result
    assert Command.objects.count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://emsp.example/r",
        "https://127.0.0.1/r",
        "https://[::1]/r",
        "https://[::ffff:10.0.0.1]/r",
        "https://169.254.169.254/latest/meta-data",
        "https://user:secret@emsp.example/r",
    ],
)
def test_a_dangerous_response_url_is_refused(call: Caller, settings: Settings, url: str) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False

    reply = call("POST", "commands/START_SESSION", START | {"response_url": url})

    assert reply.data["result"] == "REJECTED"
    assert Command.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"response_url": None}, "response_url"),
        ({"token": None}, "token"),
        ({"token": TOKEN | {"contract_id": None}}, "token.contract_id"),
        ({"evse_uid": None, "connector_id": "1"}, "evse_uid"),
    ],
)
def test_a_bad_command_is_2001_and_names_the_field(
    call: Caller, change: dict[str, Any], field: str
) -> None:
    reply = call("POST", "commands/START_SESSION", START | change)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert Command.objects.count() == 0


@pytest.mark.parametrize("command", ["START_ENGINE", "start_session", "RESERVE_NOW"])
def test_an_unknown_command_is_not_supported(call: Caller, command: str) -> None:
    assert call("POST", f"commands/{command}", START).data["result"] == "NOT_SUPPORTED"


def test_the_stations_answer_becomes_the_result_and_is_announced_to_the_sender(
    first: Registered,
) -> None:
    first.call("POST", "commands/START_SESSION", START)
    command = Command.objects.get()

    execute_command(command_id=command.pk)
    execute_command(command_id=command.pk)

    command.refresh_from_db()
    assert (command.state, command.result) == (CommandState.FINISHED, "ACCEPTED")
    change = Change.objects.get(module="commands")
    assert (change.object_id, change.partner) == (command.pk, first.partner)


def test_a_broken_station_is_inoperative(call: Caller) -> None:
    set_evse_status(
        evse_id=Evse.objects.get(uid="E1").pk,
        status="OUTOFORDER",
        now=NOW + timedelta(hours=1),
    )
    call("POST", "commands/START_SESSION", START)
    command = Command.objects.get()

    execute_command(command_id=command.pk)

    command.refresh_from_db()
    assert command.result == "EVSE_INOPERATIVE"
    assert Session.objects.count() == 0


def test_a_command_without_an_answer_becomes_a_timeout(call: Caller) -> None:
    call("POST", "commands/START_SESSION", START)
    Command.objects.update(deadline=NOW)

    expire_commands()

    command = Command.objects.get()
    assert (command.state, command.result) == (CommandState.FINISHED, "TIMEOUT")
    assert Change.objects.filter(module="commands").count() == 1


def test_a_late_answer_does_not_replace_the_timeout(call: Caller) -> None:
    call("POST", "commands/START_SESSION", START)
    command = Command.objects.get()
    commands.finish_command(command_id=command.pk, result="TIMEOUT", message="", now=NOW)

    changed = commands.finish_command(command_id=command.pk, result="ACCEPTED", message="", now=NOW)

    command.refresh_from_db()
    assert (changed, command.result) == (False, "TIMEOUT")


def test_stop_of_an_own_session_is_accepted(call: Caller) -> None:
    session = SessionFactory(cdr_token=cdr_token("anna"))

    reply = call(
        "POST",
        "commands/STOP_SESSION",
        {"response_url": STOP_URL, "session_id": session.ocpi_id.upper()},
    )

    assert reply.data["result"] == "ACCEPTED"
    assert Command.objects.get().session == session


def test_stop_of_somebody_elses_session_is_as_unknown_as_none(call: Caller) -> None:
    foreign = SessionFactory(cdr_token=cdr_token("bob", party_id="FOE"))

    answers = [
        call(
            "POST",
            "commands/STOP_SESSION",
            {"response_url": STOP_URL, "session_id": session_id},
        ).data["result"]
        for session_id in (foreign.ocpi_id, "no-such-session")
    ]

    assert answers == ["UNKNOWN_SESSION", "UNKNOWN_SESSION"]
    assert Command.objects.count() == 0


def test_the_party_that_is_asked_is_the_one_whose_location_is_meant(call: Caller) -> None:
    other = LocationFactory(party_id="TWO", id="SITE", evses=[evse("E1-OF-TWO")])
    start = {name: value for name, value in START.items() if name != "evse_uid"}

    reply = call(
        "POST",
        "commands/START_SESSION",
        start,
        OCPI_to_country_code="NL",
        OCPI_to_party_id="TWO",
    )

    assert reply.data["result"] == "ACCEPTED"
    assert Command.objects.get().location == other
    # Without it the older one is.
    call("POST", "commands/START_SESSION", start)
    assert Command.objects.latest("id").location.party_id == "TST"  # type: ignore[union-attr]


def test_a_session_of_another_party_of_ours_is_not_stopped(call: Caller) -> None:
    session: Session = SessionFactory()
    LocationFactory(party_id="TWO")
    stop = {"response_url": START["response_url"], "session_id": session.ocpi_id}

    reply = call(
        "POST", "commands/STOP_SESSION", stop, OCPI_to_country_code="NL", OCPI_to_party_id="TWO"
    )

    assert reply.data["result"] == "UNKNOWN_SESSION"
    assert Command.objects.count() == 0

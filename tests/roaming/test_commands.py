"""Starting, stopping and unlocking by command (OCPI mod_commands, Receiver interface)."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from locations.models import Evse, Status
from locations.operations import set_evse_status
from roaming.models import Change, Command, CommandState, Partner
from roaming.operations import commands, refused_commands
from roaming.tasks import execute_command, expire_commands
from sessions_app.models import Session, Token
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


VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
CAPABILITIES = ["REMOTE_START_STOP_CAPABLE", "RESERVABLE", "UNLOCK_CAPABLE"]


def passed_on() -> int:
    return Command.objects.exclude(state=CommandState.REFUSED).count()


@pytest.fixture(autouse=True)
def site(db: None) -> None:
    LocationFactory(
        id="SITE",
        evses=[
            evse("E1", capabilities=CAPABILITIES),
            evse("E2", capabilities=["RFID_READER"]),
            evse("E3", capabilities=[*CAPABILITIES, "START_SESSION_CONNECTOR_REQUIRED"]),
        ],
    )


@pytest.fixture(params=VERSIONS)
def version(request: Any, first: Registered) -> str:
    """Connect the partner by each version in turn."""
    Partner.objects.filter(pk=first.partner.pk).update(version=request.param)
    return str(request.param)


def token_in(version: str) -> dict[str, Any]:
    """Return a token as the version has it: 2.1.1 has no owner, and an auth_id."""
    if version != "2.1.1":
        return TOKEN
    later = ("country_code", "party_id", "contract_id")
    token = {name: value for name, value in TOKEN.items() if name not in later}
    return token | {"auth_id": "NL-EMS-C1", "type": "RFID"}


def start_in(version: str, **changes: Any) -> dict[str, Any]:
    document = START | {"token": token_in(version)} | changes
    if version == "2.1.1":
        del document["authorization_reference"]
    return {name: value for name, value in document.items() if value is not None}


def answer_in(version: str, result: str) -> dict[str, Any]:
    """Return the immediate answer without its message."""
    return {"result": result} if version == "2.1.1" else {"result": result, "timeout": 60}


def without_message(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "message"}


def post(call: Caller, version: str, command: str, body: Any) -> Any:
    return call("POST", f"/ocpi/{version}/commands/{command}", body)


@pytest.mark.rule("CMD-01", "CMD-02", "CMD-03", "CMD-04", "CMD-10", "CMD-11")
def test_a_start_is_answered_in_the_shape_of_the_version(call: Caller, version: str) -> None:
    reply = post(call, version, "START_SESSION", start_in(version))

    assert (reply.status, reply.code) == (200, 1000)
    assert reply.data == answer_in(version, "ACCEPTED")
    command = Command.objects.get()
    assert command.token == {
        "country_code": "NL",
        "party_id": "EMS",
        "uid": "anna",
        "type": token_in(version)["type"],
        "contract_id": "NL-EMS-C1",
    }
    # Not pushed before, and not kept as one that was.
    assert Token.objects.count() == 0


@pytest.mark.rule("CMD-10", "CMD-11")
def test_a_token_that_is_blocked_by_its_list_entry_is_passed_on_all_the_same(
    call: Caller, version: str
) -> None:
    token = token_in(version) | {"valid": False, "whitelist": "ALWAYS"}

    reply = post(call, version, "START_SESSION", start_in(version, token=token))

    assert reply.data["result"] == "ACCEPTED"


@pytest.mark.rule("CMD-01", "CMD-07")
@pytest.mark.parametrize(
    ("command", "change"),
    [
        ("START_SESSION", {"location_id": "NOWHERE"}),
        ("START_SESSION", {"evse_uid": "E9"}),
        ("RESERVE_NOW", {"location_id": "NOWHERE"}),
        ("RESERVE_NOW", {"evse_uid": "E9"}),
        ("UNLOCK_CONNECTOR", {"location_id": "NOWHERE"}),
        ("UNLOCK_CONNECTOR", {"evse_uid": "E9"}),
        ("UNLOCK_CONNECTOR", {"connector_id": "9"}),
    ],
)
def test_an_unknown_place_is_told_in_every_version(
    call: Caller, version: str, command: str, change: dict[str, Any]
) -> None:
    extra: dict[str, Any] = {"connector_id": "1"} if command == "UNLOCK_CONNECTOR" else {}
    if command == "RESERVE_NOW":
        extra = {
            "expiry_date": "2099-01-01T00:00:00Z",
            "reservation_id": 7 if version == "2.1.1" else "R7",
        }

    reply = post(call, version, command, start_in(version, **(extra | change)))

    assert (reply.status, reply.code) == (200, 2003)
    assert without_message(reply.data) == answer_in(version, "REJECTED")
    assert passed_on() == 0


@pytest.mark.rule("CMD-13", "CMD-09")
@pytest.mark.parametrize("command", ["START_SESSION", "RESERVE_NOW", "UNLOCK_CONNECTOR"])
def test_a_missing_capability_is_not_supported(call: Caller, version: str, command: str) -> None:
    body = start_in(
        version,
        evse_uid="E2",
        expiry_date="2099-01-01T00:00:00Z",
        reservation_id=7 if version == "2.1.1" else "R7",
        connector_id="1",
    )

    reply = post(call, version, command, body)

    assert without_message(reply.data) == answer_in(version, "NOT_SUPPORTED")
    assert passed_on() == 0


@pytest.mark.rule("CMD-09")
def test_a_session_at_an_evse_without_remote_stop_is_not_stopped(
    call: Caller, version: str
) -> None:
    session = SessionFactory(
        connector=Evse.objects.get(uid="E2").connectors.get(), cdr_token=cdr_token("anna")
    )

    reply = post(
        call,
        version,
        "STOP_SESSION",
        {"response_url": STOP_URL, "session_id": session.ocpi_id},
    )

    assert reply.data["result"] == "NOT_SUPPORTED"


@pytest.mark.rule("CMD-13")
def test_a_connector_is_named_where_the_evse_needs_that(call: Caller, version: str) -> None:
    reply = post(call, version, "START_SESSION", start_in(version, evse_uid="E3"))

    if version == "2.1.1":
        # It has no word for it: we choose.
        assert reply.data == {"result": "ACCEPTED"}
        return
    assert (reply.status, reply.code) == (200, 2001)
    assert "connector_id" in reply.body["status_message"]
    assert passed_on() == 0
    named = start_in(version, evse_uid="E3", connector_id="1")
    assert post(call, version, "START_SESSION", named).data["result"] == "ACCEPTED"


@pytest.mark.rule("CMD-12")
def test_a_token_of_another_emsp_is_rejected(
    call: Caller, stranger: Registered, version: str
) -> None:
    """In 2.1.1 a token is its sender's by the connection: there is no other to name."""
    token = token_in(version) | {"party_id": "FOE"}

    reply = post(call, version, "START_SESSION", start_in(version, token=token))

    if version == "2.1.1":
        assert Command.objects.get().token["party_id"] == "EMS"  # type: ignore[index]
    else:
        assert without_message(reply.data) == answer_in(version, "REJECTED")
        assert passed_on() == 0


@pytest.mark.rule("CMD-09")
@pytest.mark.parametrize("command", ["START_ENGINE", "start_session", "Reserve_Now", "UNLOCK"])
def test_a_command_is_called_by_its_exact_name(call: Caller, version: str, command: str) -> None:
    reply = post(call, version, command, start_in(version))

    assert (reply.status, reply.code) == (200, 1000)
    assert without_message(reply.data) == answer_in(version, "NOT_SUPPORTED")


@pytest.mark.rule("CMD-08")
def test_a_foreign_session_is_unknown_in_every_version(call: Caller, version: str) -> None:
    foreign = SessionFactory(cdr_token=cdr_token("bob", party_id="FOE"))

    for session_id in (foreign.ocpi_id, "no-such-session"):
        body = {"response_url": STOP_URL, "session_id": session_id}
        reply = post(call, version, "STOP_SESSION", body)
        assert without_message(reply.data) == answer_in(version, "UNKNOWN_SESSION")
    assert passed_on() == 0


@pytest.mark.rule("CMD-04", "CMD-26")
def test_a_connector_is_unlocked(call: Caller, version: str) -> None:
    body = {
        "response_url": "https://emsp.example/unlocked?id=1&x=%20y",
        "location_id": "site",
        "evse_uid": "e1",
        "connector_id": "1",
    }

    reply = post(call, version, "UNLOCK_CONNECTOR", body)
    command = Command.objects.get()
    execute_command(command_id=command.pk)

    assert reply.data == answer_in(version, "ACCEPTED")
    command.refresh_from_db()
    assert (command.result, command.response_url) == ("ACCEPTED", body["response_url"])


@pytest.mark.rule("CMD-26")
@pytest.mark.parametrize("field", ["location_id", "evse_uid", "connector_id", "response_url"])
def test_unlocking_needs_to_know_exactly_what(call: Caller, version: str, field: str) -> None:
    body = {
        "response_url": STOP_URL,
        "location_id": "SITE",
        "evse_uid": "E1",
        "connector_id": "1",
    }
    del body[field]

    reply = post(call, version, "UNLOCK_CONNECTOR", body)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]


@pytest.mark.rule("CMD-27")
def test_a_command_that_is_repeated_while_it_runs_is_one_command(
    first: Registered, stranger: Registered, version: str
) -> None:
    body = start_in(version)
    for _ in range(2):
        assert post(first.call, version, "START_SESSION", body).data["result"] == "ACCEPTED"
    assert Command.objects.count() == 1

    # Neither another partner's nor another URL's is the same.
    post(first.call, version, "START_SESSION", body | {"response_url": STOP_URL})
    theirs = body | {"token": token_in(version) | {"party_id": "FOE"}}
    Partner.objects.filter(pk=stranger.partner.pk).update(version=version)
    post(stranger.call, version, "START_SESSION", theirs)
    assert Command.objects.count() == 3


@pytest.mark.rule("CMD-27")
def test_a_second_start_of_an_evse_is_occupied_and_a_finished_one_may_come_again(
    call: Caller, version: str
) -> None:
    results = []
    for number in (1, 2):
        post(
            call,
            version,
            "START_SESSION",
            start_in(version, response_url=f"https://e.example/{number}"),
        )
        command = Command.objects.latest("pk")
        execute_command(command_id=command.pk)
        command.refresh_from_db()
        results.append(command.result)
    post(call, version, "START_SESSION", start_in(version, response_url="https://e.example/1"))

    assert results == ["ACCEPTED", "EVSE_OCCUPIED"]
    assert Command.objects.count() == 3


@pytest.mark.rule("CMD-04", "CMD-15")
@pytest.mark.parametrize(
    ("status", "result"),
    [
        (Status.AVAILABLE, "ACCEPTED"),
        (Status.OUTOFORDER, "EVSE_INOPERATIVE"),
        (Status.UNKNOWN, "TIMEOUT"),
        (Status.BLOCKED, "EVSE_OCCUPIED"),
        (Status.RESERVED, "EVSE_OCCUPIED"),
    ],
)
def test_the_station_says_what_became_of_a_start(
    call: Caller, version: str, status: Status, result: str
) -> None:
    set_evse_status(
        evse_id=Evse.objects.get(uid="E1").pk, status=status, now=NOW + timedelta(hours=1)
    )

    post(call, version, "START_SESSION", start_in(version))
    command = Command.objects.get()
    execute_command(command_id=command.pk)

    command.refresh_from_db()
    assert command.result == result
    assert Session.objects.count() == 0


@pytest.mark.rule("CMD-02")
def test_the_timeout_is_told_well_before_it_passes(call: Caller) -> None:
    """The beat looks every five seconds, and the result has to travel."""
    call("POST", "commands/START_SESSION", START)

    command = Command.objects.get()

    assert command.deadline - command.received_at <= timedelta(seconds=60 - 15)


@pytest.mark.rule("CMD-01", "CMD-14")
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


@pytest.mark.rule("CMD-13")
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
    assert passed_on() == 0


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
    assert passed_on() == 0


@pytest.mark.rule("CMD-06")
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
    assert passed_on() == 0


@pytest.mark.rule("CMD-13")
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
    assert passed_on() == 0


@pytest.mark.rule("CMD-01", "CMD-05")
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


@pytest.mark.rule("CMD-02")
def test_a_command_without_an_answer_becomes_a_timeout(call: Caller) -> None:
    call("POST", "commands/START_SESSION", START)
    Command.objects.update(deadline=NOW)

    expire_commands()

    command = Command.objects.get()
    assert (command.state, command.result) == (CommandState.FINISHED, "TIMEOUT")
    assert Change.objects.filter(module="commands").count() == 1


@pytest.mark.rule("CMD-02")
def test_a_late_answer_does_not_replace_the_timeout(call: Caller) -> None:
    call("POST", "commands/START_SESSION", START)
    command = Command.objects.get()
    commands.finish_command(command_id=command.pk, result="TIMEOUT", message="", now=NOW)

    changed = commands.finish_command(command_id=command.pk, result="ACCEPTED", message="", now=NOW)

    command.refresh_from_db()
    assert (changed, command.result) == (False, "TIMEOUT")


@pytest.mark.rule("CMD-01")
def test_stop_of_an_own_session_is_accepted(call: Caller) -> None:
    session = SessionFactory(cdr_token=cdr_token("anna"))

    reply = call(
        "POST",
        "commands/STOP_SESSION",
        {"response_url": STOP_URL, "session_id": session.ocpi_id.upper()},
    )

    assert reply.data["result"] == "ACCEPTED"
    assert Command.objects.get().session == session


@pytest.mark.rule("CMD-08")
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
    assert passed_on() == 0


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
    call("POST", "commands/START_SESSION", start | {"response_url": STOP_URL})
    assert Command.objects.latest("id").location.party_id == "TST"  # type: ignore[union-attr]


def test_a_session_of_another_party_of_ours_is_not_stopped(call: Caller) -> None:
    session: Session = SessionFactory()
    LocationFactory(party_id="TWO")
    stop = {"response_url": START["response_url"], "session_id": session.ocpi_id}

    reply = call(
        "POST", "commands/STOP_SESSION", stop, OCPI_to_country_code="NL", OCPI_to_party_id="TWO"
    )

    assert reply.data["result"] == "UNKNOWN_SESSION"
    assert passed_on() == 0


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"evse_uid": "E2"}, ("NOT_SUPPORTED", "E2")),
        ({"evse_uid": "E9"}, ("REJECTED", None)),
        ({"location_id": "NOWHERE"}, ("REJECTED", None)),
    ],
)
def test_a_refused_command_is_kept_for_staff_and_nothing_follows(
    call: Caller, admin_client: Client, change: dict[str, Any], kept: tuple[str, str | None]
) -> None:
    reply = call("POST", "commands/START_SESSION", START | change)

    row = Command.objects.get()
    assert (row.state, row.finished_at) == (CommandState.REFUSED, row.received_at)
    assert (row.result, row.evse and row.evse.uid) == kept
    assert row.parameters == {
        "location_id": START["location_id"],
        "evse_uid": START["evse_uid"],
        **change,
    }
    assert not Change.objects.filter(module="commands").exists()
    assert reply.data["message"][0]["text"] == row.message
    page = admin_client.get(f"/admin/roaming/command/{row.pk}/change/").content.decode()
    for said in (f"Refused: {row.result}", escape(row.message), *change.values()):
        assert said in page


@pytest.mark.parametrize("host", ["emsp.example", "emsp.example:99999", "[emsp.example"])
def test_a_password_in_a_refused_address_is_not_kept(
    call: Caller, settings: Settings, host: str
) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False
    url = f"https://user:secret@{host}/r"

    call("POST", "commands/START_SESSION", START | {"response_url": url})

    row = Command.objects.get()
    assert (row.state, row.response_url) == (CommandState.REFUSED, "")
    assert "secret" not in row.message


def test_refused_commands_are_kept_as_long_as_messages(
    call: Caller, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.MESSAGE_LOG_DAYS = 3
    call("POST", "commands/START_SESSION", START | {"evse_uid": "E9"})
    call("POST", "commands/START_SESSION", START)
    received = Command.objects.earliest("pk").received_at

    assert refused_commands.forget(now=received + timedelta(days=3)) == 0
    # However many a partner has sent: none of them is read.
    with django_assert_num_queries(1):
        assert refused_commands.forget(now=received + timedelta(days=4)) == 1
    assert Command.objects.get().state == CommandState.ACCEPTED


def test_of_a_flood_of_refused_commands_the_beginning_is_kept(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_commands, "MOST_AN_HOUR", 2)
    for _ in range(4):
        reply = call("POST", "commands/START_SESSION", START | {"evse_uid": "E9"})
        assert reply.data["result"] == "REJECTED"
    assert Command.objects.count() == 2

"""Reserving by command, and what its eMSP is told until the reservation ends."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from cpo_platform.common import clock
from locations.models import Evse, Status
from locations.operations import set_evse_status
from roaming.commanded import CommandLog
from roaming.draining.jobs import Job, jobs_for
from roaming.models import Change, Command, CommandState, Delivery, Partner
from roaming.ocpi.target import Target
from roaming.operations import commands
from roaming.tasks import execute_command
from sessions_app import tasks
from sessions_app.models import (
    Reservation,
    ReservationStatus,
    Session,
    SessionStatus,
    SimulatedStation,
)
from sessions_app.operations import reservations
from sessions_app.simulator import SimulatedStations
from tests.conftest import Clock
from tests.factories import LocationFactory, evse
from tests.roaming.conftest import Caller, Registered

pytestmark = pytest.mark.django_db

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
LATER = ("2.2.1", "2.3.0")
CAPABILITIES = ["REMOTE_START_STOP_CAPABLE", "RESERVABLE", "UNLOCK_CAPABLE"]
URL = "https://emsp.example/commands/RESERVE_NOW/1?of=NL%2AEMS"
STOP = f"{URL}&stop=1"
TOKEN: dict[str, Any] = {
    "country_code": "NL",
    "party_id": "EMS",
    "uid": "04AA",
    "type": "RFID",
    "contract_id": "NL-EMS-C1",
    "issuer": "First eMSP",
    "valid": True,
    "whitelist": "NEVER",
    "last_updated": "2026-06-01T08:00:00Z",
}
# Results of 2.2.1 that 2.1.1 has a name for; the others it can only call REJECTED.
KNOWN_TO_2_1_1 = {"ACCEPTED", "NOT_SUPPORTED", "REJECTED", "TIMEOUT", "UNKNOWN_SESSION"}
COMMANDS = (
    "START_SESSION",
    "STOP_SESSION",
    "RESERVE_NOW",
    "CANCEL_RESERVATION",
    "UNLOCK_CONNECTOR",
)
RESULTS = [
    "ACCEPTED",
    "CANCELED_RESERVATION",
    "EVSE_OCCUPIED",
    "EVSE_INOPERATIVE",
    "FAILED",
    "NOT_SUPPORTED",
    "REJECTED",
    "TIMEOUT",
    "UNKNOWN_RESERVATION",
]


def passed_on() -> int:
    return Command.objects.exclude(state=CommandState.REFUSED).count()


@pytest.fixture(autouse=True)
def site(db: None) -> None:
    LocationFactory(id="SITE", evses=[evse(uid, capabilities=CAPABILITIES) for uid in ("E1", "E2")])
    LocationFactory(id="OTHER", evses=[evse("E9", capabilities=CAPABILITIES)])


@pytest.fixture(params=VERSIONS)
def version(request: Any, first: Registered) -> str:
    """Connect the partner by each version in turn."""
    Partner.objects.filter(pk=first.partner.pk).update(version=request.param)
    return str(request.param)


@pytest.fixture(params=LATER)
def later(request: Any, first: Registered) -> str:
    """Connect the partner by each version that knows more than making a reservation."""
    Partner.objects.filter(pk=first.partner.pk).update(version=request.param)
    return str(request.param)


def body_in(version: str, *, party_id: str = "EMS", **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "response_url": URL,
        "token": TOKEN | {"party_id": party_id},
        "expiry_date": "2099-01-01T00:00:00Z",
        "reservation_id": "R7",
        "location_id": "SITE",
        "evse_uid": "E1",
        "authorization_reference": "REF-1",
    }
    if version == "2.1.1":
        token = dict(document["token"])
        token["auth_id"] = token.pop("contract_id")
        del token["country_code"], token["party_id"], document["authorization_reference"]
        document |= {"token": token, "reservation_id": 7}
    return {name: value for name, value in (document | changes).items() if value is not None}


def post(call: Caller, version: str, body: Any, command: str = "RESERVE_NOW") -> Any:
    return call("POST", f"/ocpi/{version}/commands/{command}", body)


def run() -> str:
    """Execute the newest command; return its result."""
    command = Command.objects.latest("pk")
    execute_command(command_id=command.pk)
    command.refresh_from_db()
    return command.result


def reserve(call: Caller, version: str, **changes: Any) -> str:
    assert post(call, version, body_in(version, **changes)).data["result"] == "ACCEPTED"
    return run()


def cancel(call: Caller, version: str, reservation_id: str = "R7", **headers: str) -> str:
    body = {"response_url": f"{URL}&cancel=1", "reservation_id": reservation_id}
    reply = call("POST", f"/ocpi/{version}/commands/CANCEL_RESERVATION", body, **headers)
    assert reply.data["result"] == "ACCEPTED"
    return run()


def status(uid: str = "E1") -> str:
    return Evse.objects.get(uid=uid).status


def jobs(partner: Partner) -> list[Job]:
    """Return the results that the partner's feed would send now."""
    fresh = Partner.objects.prefetch_related("roles", "endpoints").get(pk=partner.pk)
    target = Target.of(fresh, untold=(), now=clock.now())
    ids = (
        Change.objects.filter(module="commands").order_by("pk").values_list("object_id", flat=True)
    )
    return list(jobs_for(target, "commands", list(dict.fromkeys(ids))))


def sent(job: Job) -> Any:
    [push] = job.plan.pushes
    return push.body


# --- RESERVE_NOW


@pytest.mark.rule("CMD-01", "CMD-02", "CMD-03", "CMD-20", "CMD-21", "CMD-22", "CMD-25", "CMD-11")
def test_an_evse_is_reserved_in_every_version(call: Caller, version: str) -> None:
    reply = post(call, version, body_in(version))

    expected = (
        {"result": "ACCEPTED"} if version == "2.1.1" else {"result": "ACCEPTED", "timeout": 60}
    )
    assert reply.data == expected
    assert Reservation.objects.count() == 0
    assert run() == "ACCEPTED"
    reservation = Reservation.objects.get()
    session = reservation.session
    assert reservation.reservation_id == ("7" if version == "2.1.1" else "R7")
    assert (session.status, session.token_contract_id) == (SessionStatus.RESERVATION, "NL-EMS-C1")
    assert session.authorization_reference == ("" if version == "2.1.1" else "REF-1")
    assert status() == Status.RESERVED
    told = SimulatedStation.objects.get().reservation
    assert told is not None
    assert told["number"] == reservation.pk
    command = Command.objects.get()
    assert (command.reservation, command.session) == (reservation, session)
    assert Change.objects.filter(module="sessions", object_id=session.pk).exists()


@pytest.mark.rule("CMD-20", "CMD-13")
def test_any_evse_of_a_location_is_kept_free(call: Caller, version: str) -> None:
    assert reserve(call, version, evse_uid=None) == "ACCEPTED"

    assert Reservation.objects.get().evse is None
    assert status("E1") == status("E2") == Status.AVAILABLE


@pytest.mark.rule("CMD-25")
@pytest.mark.parametrize("reservation_id", ["7", 7.5, None, True])
def test_in_2_1_1_a_reservation_has_a_whole_number(
    first: Registered, reservation_id: object
) -> None:
    Partner.objects.update(version="2.1.1")

    reply = post(first.call, "2.1.1", body_in("2.1.1") | {"reservation_id": reservation_id})

    assert (reply.status, reply.code) == (200, 2001)
    assert "reservation_id" in reply.body["status_message"]


@pytest.mark.rule("CMD-20")
def test_a_moment_that_has_passed_is_rejected(call: Caller, version: str) -> None:
    reply = post(call, version, body_in(version, expiry_date="2020-01-01T00:00:00Z"))

    assert reply.data["result"] == "REJECTED"
    assert passed_on() == 0


@pytest.mark.rule("CMD-20", "CMD-21", "SES-12")
def test_the_same_id_at_the_same_location_replaces(call: Caller, version: str) -> None:
    reserve(call, version)
    number = Reservation.objects.get().pk

    assert (
        reserve(
            call,
            version,
            evse_uid="E2",
            response_url=f"{URL}&again=1",
            expiry_date="2098-01-01T00:00:00Z",
        )
        == "ACCEPTED"
    )

    reservation = Reservation.objects.get()
    assert (reservation.pk, reservation.expiry_date.year) == (number, 2098)
    assert (status("E1"), status("E2")) == (Status.AVAILABLE, Status.RESERVED)
    assert Session.objects.count() == 1


@pytest.mark.rule("CMD-20")
def test_the_same_id_at_another_location_is_rejected(call: Caller, version: str) -> None:
    reserve(call, version)

    other = body_in(version, location_id="OTHER", evse_uid="E9", response_url=f"{URL}&other=1")
    reply = post(call, version, other)

    assert reply.data["result"] == "REJECTED"
    assert Reservation.objects.get().location.ocpi_id == "SITE"


@pytest.mark.rule("CMD-21")
def test_one_emsp_neither_replaces_nor_cancels_anothers_reservation(
    first: Registered, stranger: Registered
) -> None:
    reserve(first.call, "2.2.1")

    assert reserve(stranger.call, "2.2.1", party_id="FOE") == "EVSE_OCCUPIED"
    assert cancel(stranger.call, "2.2.1") == "UNKNOWN_RESERVATION"

    reservation = Reservation.objects.get()
    assert (reservation.owner_party_id, reservation.status) == ("EMS", ReservationStatus.ACTIVE)
    assert status() == Status.RESERVED


@pytest.mark.rule("CMD-12")
def test_a_reservation_for_a_token_of_another_emsp_is_rejected(call: Caller, later: str) -> None:
    reply = post(call, later, body_in(later, party_id="FOE"))

    assert reply.data["result"] == "REJECTED"
    assert passed_on() == 0


@pytest.mark.rule("CMD-04")
@pytest.mark.parametrize(
    ("evse_status", "result"),
    [
        (Status.CHARGING, "EVSE_OCCUPIED"),
        (Status.OUTOFORDER, "EVSE_INOPERATIVE"),
        (Status.UNKNOWN, "TIMEOUT"),
    ],
)
def test_the_station_says_what_became_of_a_reservation(
    call: Caller, version: str, evse_status: Status, result: str
) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid="E1").pk, status=evse_status, now=clock.now())

    assert reserve(call, version) == result

    assert Reservation.objects.count() == Session.objects.count() == 0


def test_an_evse_that_is_wanted_for_an_open_reservation_is_given_back(
    first: Registered, stranger: Registered
) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid="E2").pk, status="CHARGING", now=clock.now())
    reserve(first.call, "2.2.1", evse_uid=None)

    assert reserve(stranger.call, "2.2.1", party_id="FOE") == "EVSE_OCCUPIED"

    assert status() == Status.AVAILABLE
    assert SimulatedStation.objects.get().reservation is None


@pytest.mark.rule("CMD-02")
def test_a_reservation_whose_timeout_was_told_is_not_made(call: Caller) -> None:
    """The station answers, and the beat was a moment faster: the eMSP thinks there is none."""
    post(call, "2.2.1", body_in("2.2.1"))
    command = Command.objects.get()
    real = SimulatedStations.reserve

    def slow(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = real(self, *args, **kwargs)
        commands.finish_command(
            command_id=command.pk, result="TIMEOUT", message="", now=clock.now()
        )
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedStations, "reserve", slow)
        assert run() == "TIMEOUT"

    assert Reservation.objects.count() == Session.objects.count() == 0
    assert status() == Status.AVAILABLE


@pytest.mark.rule("CMD-27")
def test_a_command_that_is_executed_twice_reserves_once(call: Caller) -> None:
    post(call, "2.2.1", body_in("2.2.1"))
    command = Command.objects.get()
    execute_command(command_id=command.pk)
    Command.objects.update(state=CommandState.ACCEPTED, result="")

    execute_command(command_id=command.pk)

    command.refresh_from_db()
    assert command.result == "ACCEPTED"
    assert Reservation.objects.count() == 1


# --- Used


@pytest.mark.rule("SES-13", "SES-11", "SES-12", "CMD-14")
def test_a_start_by_the_same_token_uses_the_reservation(call: Caller, version: str) -> None:
    reserve(call, version)
    start = body_in(version)
    del start["expiry_date"], start["reservation_id"], start["evse_uid"]
    if version != "2.1.1":
        start["authorization_reference"] = "REF-2"

    assert post(call, version, start, "START_SESSION").data["result"] == "ACCEPTED"
    assert run() == "ACCEPTED"
    SimulatedStations().advance(now=clock.now())

    session = Session.objects.get()
    assert session.status == SessionStatus.ACTIVE
    # Without an EVSE it is the reserved one, although another is free.
    assert session.evse == Evse.objects.get(uid="E1")
    assert session.authorization_reference == ("" if version == "2.1.1" else "REF-2")
    assert Reservation.objects.get().status == ReservationStatus.USED


@pytest.mark.rule("CMD-04", "CMD-21")
def test_a_start_by_another_token_finds_it_occupied(
    first: Registered, stranger: Registered
) -> None:
    reserve(first.call, "2.2.1")
    start = body_in("2.2.1", party_id="FOE")

    post(stranger.call, "2.2.1", start, "START_SESSION")

    assert run() == "EVSE_OCCUPIED"


# --- CANCEL_RESERVATION


@pytest.mark.rule("CMD-24", "SES-13")
def test_a_reservation_is_canceled(call: Caller, later: str) -> None:
    reserve(call, later)

    assert cancel(call, later, "r7") == "ACCEPTED"

    reservation = Reservation.objects.get()
    assert reservation.status == ReservationStatus.CANCELED
    assert reservation.session.status == SessionStatus.COMPLETED
    assert status() == Status.AVAILABLE
    assert SimulatedStation.objects.get().reservation is None


@pytest.mark.rule("CMD-24")
def test_an_unknown_reservation_is_told_by_the_result(first: Registered, later: str) -> None:
    result = cancel(first.call, later, "NONE", OCPI_to_country_code="NL", OCPI_to_party_id="TST")

    assert result == "UNKNOWN_RESERVATION"
    [job] = jobs(first.partner)
    assert str(job.sender) == "NL*TST"


@pytest.mark.rule("CMD-24")
def test_a_reservation_that_has_ended_meanwhile_is_unknown(call: Caller, later: str) -> None:
    reserve(call, later)
    body = {"response_url": STOP, "reservation_id": "R7"}
    post(call, later, body, "CANCEL_RESERVATION")
    number = Reservation.objects.get().pk
    reservations.withdraw_reservation(number=number, now=clock.now())
    command = Command.objects.get(command="CANCEL_RESERVATION")

    execute_command(command_id=command.pk)

    command.refresh_from_db()
    assert command.result == "UNKNOWN_RESERVATION"
    assert Reservation.objects.get().status == ReservationStatus.CANCELED_BY_CPO


@pytest.mark.rule("CMD-25", "CMD-09")
def test_2_1_1_has_no_way_to_cancel(first: Registered) -> None:
    Partner.objects.update(version="2.1.1")
    reserve(first.call, "2.1.1")

    body = {"response_url": URL, "reservation_id": 7}
    reply = post(first.call, "2.1.1", body, "CANCEL_RESERVATION")

    assert (reply.code, reply.data) == (1000, {"result": "NOT_SUPPORTED"})
    assert Reservation.objects.get().status == ReservationStatus.ACTIVE


def test_of_two_emsps_behind_one_partner_the_one_that_asks_is_meant(first: Registered) -> None:
    first.partner.roles.create(role="EMSP", country_code="NL", party_id="TWO")
    reserve(first.call, "2.2.1")
    reserve(first.call, "2.2.1", evse_uid="E2", party_id="TWO", response_url=f"{URL}&two=1")

    result = cancel(first.call, "2.2.1", OCPI_from_country_code="NL", OCPI_from_party_id="TWO")

    assert result == "ACCEPTED"
    assert (status("E1"), status("E2")) == (Status.RESERVED, Status.AVAILABLE)


# --- Canceled by us


@pytest.mark.rule("CMD-23")
def test_a_reservation_that_we_cancel_is_told_to_where_it_was_made(
    first: Registered, later: str
) -> None:
    reserve(first.call, later)
    set_evse_status(evse_id=Evse.objects.get(uid="E1").pk, status="OUTOFORDER", now=clock.now())

    tasks.tend_reservations()
    tasks.tend_reservations()

    [made, told] = jobs(first.partner)
    assert sent(made) == {"result": "ACCEPTED"}
    assert made.url == told.url == URL
    assert sent(told)["result"] == "CANCELED_RESERVATION"
    assert (str(told.sender), str(told.receiver)) == ("NL*TST", "NL*EMS")
    command = Command.objects.get(result="CANCELED_RESERVATION")
    assert command.follows == Command.objects.get(result="ACCEPTED")
    assert (command.command, command.state) == ("RESERVE_NOW", CommandState.FINISHED)


@pytest.mark.rule("CMD-23")
def test_it_is_told_however_long_ago_the_reservation_was_made(
    first: Registered, later: str, platform_clock: Clock
) -> None:
    reserve(first.call, later)
    Delivery.objects.create(
        partner=first.partner,
        module="commands",
        object_id=Command.objects.get().pk,
        sent={"delivered": True},
    )
    platform_clock.forward(hours=5)

    tasks.withdraw_reservation(Reservation.objects.get().pk, clock.now())

    [told] = jobs(first.partner)
    assert sent(told)["result"] == "CANCELED_RESERVATION"


@pytest.mark.rule("CMD-23")
def test_the_command_that_replaced_a_reservation_is_the_one_that_hears_of_its_end(
    call: Caller, later: str
) -> None:
    reserve(call, later)
    reserve(call, later, response_url=f"{URL}&again=1")

    tasks.withdraw_reservation(Reservation.objects.get().pk, clock.now())

    assert Command.objects.get(result="CANCELED_RESERVATION").response_url == f"{URL}&again=1"


def test_a_reservation_that_no_command_made_has_nobody_to_be_told(call: Caller) -> None:
    reserve(call, "2.2.1")
    Command.objects.all().delete()

    tasks.withdraw_reservation(Reservation.objects.get().pk, clock.now())

    assert passed_on() == 0


# --- Results on the wire


@pytest.mark.rule("CMD-01", "CMD-03", "CMD-04", "CMD-06")
def test_a_result_has_the_shape_of_the_version(first: Registered, version: str) -> None:
    now = clock.now()
    wanted: dict[int, Any] = {}
    for command, result in product(COMMANDS, RESULTS):
        row = Command.objects.create(
            partner=first.partner,
            command=command,
            response_url=URL,
            received_at=now,
            deadline=now + timedelta(seconds=45),
        )
        commands.finish_command(command_id=row.pk, result=result, message="why", now=now)
        if version == "2.1.1":
            wanted[row.pk] = {"result": result if result in KNOWN_TO_2_1_1 else "REJECTED"}
        else:
            text = {"language": "en", "text": "why"}
            wanted[row.pk] = {"result": result, "message": [text]}

    found = jobs(first.partner)

    assert len(found) == len(wanted)
    assert {job.object_id: sent(job) for job in found} == wanted
    assert {(job.url, job.exact_url) for job in found} == {(URL, True)}


@pytest.mark.rule("CMD-01")
def test_a_command_that_was_not_accepted_gets_no_result(first: Registered, version: str) -> None:
    post(first.call, version, body_in(version, location_id="NOWHERE"))
    post(first.call, version, body_in(version, expiry_date="2020-01-01T00:00:00Z"))

    assert jobs(first.partner) == []


# --- What the commands say of tokens


@pytest.mark.rule("TOK-26")
def test_the_commands_say_which_tokens_an_emsp_vouched_for(call: Caller) -> None:
    reserve(call, "2.2.1", token=TOKEN | {"group_id": "FLEET"})
    log, since = CommandLog(), clock.now() - timedelta(minutes=15)

    def find(uid: str, type_: str = "RFID", at: str = "E1") -> Any:
        evse_id = Evse.objects.get(uid=at).pk
        return log.find(evse_id=evse_id, uid=uid, type=type_, since=since)

    said = find("04aa")
    assert (said.cdr_token.contract_id, said.group_id) == ("NL-EMS-C1", "FLEET")
    assert said.authorization_reference == "REF-1"
    assert find("04BB") is None
    assert find("04AA", "APP_USER") is None
    assert find("04AA", at="E2") is None


@pytest.mark.rule("TOK-26")
def test_a_command_for_the_whole_location_vouches_at_each_of_its_evses(call: Caller) -> None:
    reserve(call, "2.2.1", evse_uid=None)
    since = clock.now() - timedelta(minutes=15)

    found = [
        CommandLog().find(evse_id=row.pk, uid="04AA", type="RFID", since=since) is not None
        for row in Evse.objects.order_by("uid")
    ]

    assert found == [True, True, False]


def test_a_refused_command_and_an_old_one_vouch_for_nobody(call: Caller) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid="E1").pk, status="CHARGING", now=clock.now())
    reserve(call, "2.2.1")
    reserve(call, "2.2.1", evse_uid="E2", response_url=f"{URL}&two=1")
    log = CommandLog()

    def find(uid: str, since: Any) -> Any:
        evse_id = Evse.objects.get(uid=uid).pk
        return log.find(evse_id=evse_id, uid="04AA", type="RFID", since=since)

    assert find("E1", clock.now() - timedelta(minutes=15)) is None
    assert find("E2", clock.now() - timedelta(minutes=15)) is not None
    assert find("E2", clock.now() + timedelta(seconds=1)) is None

"""The port's requests as calls to a station of either version, and its answers in OCPI's words."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from cpo_platform.common.shapes import CdrToken
from locations.models import Connector, Evse, Location
from ocpp_gateway.authorizing import decide
from ocpp_gateway.frames import Version
from ocpp_gateway.models import Outlet, RemoteStart, Station, StationCall
from ocpp_gateway.registry import CallOutcome, OutcomeKind
from ocpp_gateway.station_control import OcppStations
from sessions_app.authorization import Allowed
from sessions_app.models import Session
from sessions_app.operations import reservations, sessions
from sessions_app.stations import ReserveRequest, StartRequest, StationAnswer, StationResult
from tests.factories import NOW, LocationFactory, SessionFactory, cdr_token, evse
from tests.ocpp_gateway.gateways import FakeGateway, refused, running
from tests.ocpp_gateway.placing import BOTH, open_transaction, place

pytestmark = pytest.mark.django_db

CAPABILITIES = ["REMOTE_START_STOP_CAPABLE", "RESERVABLE", "UNLOCK_CAPABLE"]
ACCEPTED: dict[str, Any] = {"status": "Accepted"}
REJECTED: dict[str, Any] = {"status": "Rejected"}
UNTIL = NOW + timedelta(hours=1)
LONG = "APP-0123456789-0123456789"

control = OcppStations()


@pytest.fixture(params=BOTH)
def version(request: Any) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
def location() -> Location:
    made: Location = LocationFactory(
        id="SITE",
        evses=[
            evse("E1", capabilities=CAPABILITIES),
            evse("E2", capabilities=CAPABILITIES),
            evse("E3", capabilities=[]),
        ],
    )
    return made


@pytest.fixture
def station(location: Location, version: Version) -> Station:
    return place(location, version)


@pytest.fixture
def gateway(broker: redis.Redis, station: Station) -> Iterator[FakeGateway]:
    with running("gateway") as gateway:
        gateway.claim(station.pk)
        yield gateway


def connector(uid: str = "E2") -> Connector:
    return Connector.objects.select_related("evse").get(evse__uid=uid)


def start(token: CdrToken | None = None, *, uid: str = "E2", group: str = "G1") -> StationAnswer:
    request = StartRequest(connector(uid).pk, token or cdr_token(), "REF-1", group)
    return control.start(request, now=NOW)


def calls(gateway: FakeGateway) -> list[tuple[str, Any]]:
    return [(one.action, one.payload) for one in gateway.asked]


def started(action_of: Version) -> str:
    is_1_6 = action_of is Version.V1_6
    return "RemoteStartTransaction" if is_1_6 else "RequestStartTransaction"


def stopped(action_of: Version) -> str:
    return "RemoteStopTransaction" if action_of is Version.V1_6 else "RequestStopTransaction"


def test_a_start_is_noted_and_asked_for(gateway: FakeGateway, version: Version) -> None:
    gateway.script[started(version)] = ACCEPTED

    assert start() == StationAnswer(StationResult.ACCEPTED)

    awaited = RemoteStart.objects.get()
    assert (awaited.id_tag, awaited.authorization_reference) == ("04AA", "REF-1")
    assert not awaited.refused
    payload: dict[Version, Any] = {
        Version.V1_6: {"connectorId": 2, "idTag": "04AA"},
        Version.V2_0_1: {
            "evseId": 2,
            "remoteStartId": awaited.pk,
            "idToken": {"idToken": "04AA", "type": "ISO14443"},
            "groupIdToken": {"idToken": "G1", "type": "Central"},
        },
    }
    assert calls(gateway) == [(started(version), payload[version])]
    assert StationCall.objects.get().asked_by == "START_SESSION"


def test_a_token_that_is_too_long_for_1_6_has_a_stand_in_that_is_recognised(
    broker: redis.Redis, location: Location
) -> None:
    token = CdrToken(country_code="NL", party_id="EMS", uid=LONG, type="APP_USER", contract_id="C")
    station = place(location)
    with running("gateway", {"RemoteStartTransaction": ACCEPTED}) as gateway:
        gateway.claim(station.pk)
        assert start(token).result is StationResult.ACCEPTED

    tag = gateway.asked[0].payload["idTag"]
    assert len(tag) == 20
    outlet = Outlet.objects.get(ordinal=2)
    late = NOW + timedelta(hours=12)
    decision = decide(outlet_id=outlet.pk, uid=tag, token_type="", now=late)
    assert (decision.verdict, decision.cdr_token) == (Allowed.ALLOWED, token)


def test_what_no_reader_reads_is_awaited_longer_than_a_card(
    gateway: FakeGateway, version: Version
) -> None:
    gateway.script[started(version)] = ACCEPTED
    app = CdrToken(country_code="NL", party_id="EMS", uid="anna", type="APP_USER", contract_id="C")

    start()
    start(app)

    card, of_app = RemoteStart.objects.order_by("pk")
    assert card.until == NOW + timedelta(minutes=15)
    assert of_app.until == NOW + timedelta(days=1)


def test_a_token_that_no_reader_reads_is_central_in_2_0_1(
    broker: redis.Redis, location: Location
) -> None:
    token = CdrToken(country_code="NL", party_id="EMS", uid=LONG, type="APP_USER", contract_id="C")
    station = place(location, Version.V2_0_1)
    with running("gateway", {"RequestStartTransaction": ACCEPTED}) as gateway:
        gateway.claim(station.pk)
        start(token, group="")

    assert gateway.asked[0].payload["idToken"] == {"idToken": LONG, "type": "Central"}
    assert "groupIdToken" not in gateway.asked[0].payload


FAILURES = {
    "offline": (
        CallOutcome(OutcomeKind.OFFLINE),
        StationAnswer(StationResult.TIMEOUT, "EVSE E2 is offline."),
        True,
    ),
    "lost on the way": (
        CallOutcome(OutcomeKind.OFFLINE, sent_at=NOW),
        StationAnswer(StationResult.TIMEOUT, "EVSE E2 is offline."),
        False,
    ),
    "silent": (
        CallOutcome(OutcomeKind.TIMEOUT, sent_at=NOW),
        StationAnswer(StationResult.TIMEOUT, "EVSE E2: its station has not answered in time."),
        False,
    ),
    "unable": (
        refused("NotImplemented: what?"),
        StationAnswer(StationResult.NOT_SUPPORTED, "The station does not support {action}."),
        True,
    ),
    "broken": (
        refused("InternalError: oops"),
        StationAnswer(StationResult.FAILED, "The station has failed: InternalError."),
        True,
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_start_without_an_answer_is_awaited_only_if_it_may_still_come(
    gateway: FakeGateway, version: Version, name: str
) -> None:
    outcome, answer, is_refused = FAILURES[name]
    gateway.script[started(version)] = outcome

    found = start()

    text = answer.message.format(action=started(version))
    assert found == StationAnswer(answer.result, text)
    assert RemoteStart.objects.get().refused is is_refused


def test_a_start_that_is_rejected_says_why_as_far_as_that_is_known(
    gateway: FakeGateway, version: Version, station: Station
) -> None:
    gateway.script[started(version)] = REJECTED

    assert start() == StationAnswer(StationResult.REJECTED, "The station has rejected it.")
    assert RemoteStart.objects.get().refused

    session = SessionFactory(connector=connector())
    assert start() == StationAnswer(StationResult.EVSE_OCCUPIED, "EVSE E2: a session is running.")
    sessions.stop_session(session_id=session.pk, ended_at=UNTIL, now=UNTIL)
    Outlet.objects.filter(station=station, ordinal=2).update(reported_status="Faulted")
    assert start() == StationAnswer(StationResult.EVSE_INOPERATIVE, "EVSE E2 is Faulted.")


def test_who_cannot_be_asked_is_not(
    gateway: FakeGateway, station: Station, location: Location
) -> None:
    assert start(uid="E3") == StationAnswer(
        StationResult.NOT_SUPPORTED, "EVSE E3 has no remote start."
    )
    Station.objects.update(in_maintenance=True)
    assert start() == StationAnswer(StationResult.EVSE_INOPERATIVE, "EVSE E2 is in maintenance.")
    Station.objects.update(in_maintenance=False, ocpp_version="")
    assert start() == StationAnswer(StationResult.TIMEOUT, "EVSE E2 is offline.")
    Outlet.objects.all().delete()
    assert start() == StationAnswer(
        StationResult.NOT_SUPPORTED, "EVSE E2 belongs to no charging station."
    )
    request = StartRequest(0, cdr_token(), "")
    assert control.start(request, now=NOW).result is StationResult.REJECTED
    assert gateway.asked == []
    assert not RemoteStart.objects.exists()


def test_the_last_free_evse_is_kept_for_those_who_reserved_any(
    gateway: FakeGateway, version: Version, location: Location
) -> None:
    gateway.script[started(version)] = ACCEPTED
    reservations.make_reservation(
        number=reservations.next_number(),
        reservation_id="R1",
        location_id=location.pk,
        evse_id=None,
        cdr_token=cdr_token("04BB"),
        expiry_date=UNTIL,
        now=NOW,
    )

    assert start(cdr_token("04AA"), uid="E1").result is StationResult.ACCEPTED
    assert start(cdr_token("04CC")) == StationAnswer(
        StationResult.EVSE_OCCUPIED, "EVSE E2: it is kept free for a reservation."
    )
    assert start(cdr_token("04BB")).result is StationResult.ACCEPTED


@pytest.fixture
def session() -> Session:
    made: Session = SessionFactory(connector=connector())
    return made


def test_a_session_is_stopped_by_its_transaction(
    gateway: FakeGateway, version: Version, session: Session
) -> None:
    charging = open_transaction(session)
    gateway.script[stopped(version)] = ACCEPTED

    assert control.stop(session_id=session.pk, now=NOW).result is StationResult.ACCEPTED

    name = charging.pk if version is Version.V1_6 else "TX-1"
    assert calls(gateway) == [(stopped(version), {"transactionId": name})]
    assert StationCall.objects.get().session == session

    gateway.script[stopped(version)] = REJECTED
    assert control.stop(session_id=session.pk, now=NOW) == StationAnswer(
        StationResult.REJECTED, "The station has rejected it."
    )


def test_a_transaction_that_only_the_station_numbered_is_stopped_by_its_number(
    broker: redis.Redis, location: Location
) -> None:
    station = place(location)
    session = SessionFactory(connector=connector())
    open_transaction(session, ref="#4711")
    with running("gateway", {"RemoteStopTransaction": ACCEPTED}) as gateway:
        gateway.claim(station.pk)
        control.stop(session_id=session.pk, now=NOW)

    assert gateway.asked[0].payload == {"transactionId": 4711}


def test_what_does_not_go_on_cannot_be_stopped(gateway: FakeGateway, session: Session) -> None:
    ended = StationAnswer(StationResult.REJECTED, "The session has ended already.")

    assert control.stop(session_id=session.pk, now=NOW) == ended
    charging = open_transaction(session)
    charging.ended_at = NOW
    charging.save()
    assert control.stop(session_id=session.pk, now=NOW) == ended
    assert control.stop(session_id=0, now=NOW) == StationAnswer(
        StationResult.REJECTED, "There is no such session."
    )
    assert gateway.asked == []


def reserve(token: CdrToken, uid: str = "E2") -> StationAnswer:
    evse_id = Evse.objects.get(uid=uid).pk
    request = ReserveRequest(77, evse_id, token, "G1", UNTIL)
    return control.reserve(request, now=NOW)


def test_an_evse_is_reserved_for_the_tag_that_a_start_will_show(
    gateway: FakeGateway, version: Version
) -> None:
    gateway.script |= {"ReserveNow": ACCEPTED, started(version): ACCEPTED}
    token = CdrToken(country_code="NL", party_id="EMS", uid=LONG, type="APP_USER", contract_id="C")

    assert reserve(token) == StationAnswer(StationResult.ACCEPTED)
    start(token)

    reserved, begun = (one.payload for one in gateway.asked)
    name = "idTag" if version is Version.V1_6 else "idToken"
    assert reserved[name] == begun[name]
    expected: dict[Version, Any] = {
        Version.V1_6: {
            "connectorId": 2,
            "expiryDate": "2026-06-01T09:00:00Z",
            "idTag": reserved.get("idTag"),
            "parentIdTag": "G1",
            "reservationId": 77,
        },
        Version.V2_0_1: {
            "id": 77,
            "evseId": 2,
            "expiryDateTime": "2026-06-01T09:00:00Z",
            "idToken": {"idToken": LONG, "type": "Central"},
            "groupIdToken": {"idToken": "G1", "type": "Central"},
        },
    }
    assert reserved == expected[version]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("Faulted", StationAnswer(StationResult.EVSE_INOPERATIVE, "EVSE E2 is faulted.")),
        ("Occupied", StationAnswer(StationResult.EVSE_OCCUPIED, "EVSE E2: it is in use.")),
        ("Rejected", StationAnswer(StationResult.REJECTED, "The station has rejected it.")),
        ("Unavailable", StationAnswer(StationResult.EVSE_INOPERATIVE, "EVSE E2 is unavailable.")),
    ],
)
def test_a_reservation_that_is_refused_says_why(
    gateway: FakeGateway, status: str, answer: StationAnswer
) -> None:
    gateway.script["ReserveNow"] = {"status": status}

    assert reserve(cdr_token()) == answer


def test_what_is_not_reservable_is_not_asked(gateway: FakeGateway) -> None:
    assert reserve(cdr_token(), "E3") == StationAnswer(
        StationResult.NOT_SUPPORTED, "The EVSE cannot be reserved."
    )
    assert gateway.asked == []


def test_a_reservation_is_given_back(gateway: FakeGateway) -> None:
    evse_id = Evse.objects.get(uid="E2").pk
    gateway.script["CancelReservation"] = ACCEPTED

    answer = control.cancel_reservation(number=77, evse_id=evse_id, now=NOW)

    assert answer == StationAnswer(StationResult.ACCEPTED)
    assert calls(gateway) == [("CancelReservation", {"reservationId": 77})]
    gateway.script["CancelReservation"] = REJECTED
    assert control.cancel_reservation(number=77, evse_id=evse_id, now=NOW) == StationAnswer(
        StationResult.REJECTED, "There is no such reservation."
    )


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("Unlocked", StationAnswer(StationResult.ACCEPTED)),
        ("UnlockFailed", StationAnswer(StationResult.FAILED, "EVSE E2: the lock is stuck.")),
        (
            "NotSupported",
            StationAnswer(StationResult.NOT_SUPPORTED, "It cannot be unlocked remotely."),
        ),
        (
            "OngoingAuthorizedTransaction",
            StationAnswer(StationResult.EVSE_OCCUPIED, "EVSE E2: a session is running."),
        ),
        (
            "UnknownConnector",
            StationAnswer(StationResult.REJECTED, "The station has no such connector."),
        ),
    ],
)
def test_a_connector_is_unlocked(
    gateway: FakeGateway, version: Version, status: str, answer: StationAnswer
) -> None:
    gateway.script["UnlockConnector"] = {"status": status}

    assert control.unlock(connector_id=connector().pk, now=NOW) == answer

    number = {"connectorId": 2} if version is Version.V1_6 else {"evseId": 2, "connectorId": 1}
    assert calls(gateway) == [("UnlockConnector", number)]


def test_what_runs_there_ends_first(
    gateway: FakeGateway, version: Version, session: Session
) -> None:
    open_transaction(session)
    gateway.script |= {"UnlockConnector": {"status": "Unlocked"}, stopped(version): ACCEPTED}

    assert control.unlock(connector_id=connector().pk, now=NOW).result is StationResult.ACCEPTED

    asked = [action for action, _payload in calls(gateway)]
    # 1.6 ends it by itself (OCPP 1.6, 5.18).
    before = [] if version is Version.V1_6 else ["RequestStopTransaction"]
    assert asked == [*before, "UnlockConnector"]

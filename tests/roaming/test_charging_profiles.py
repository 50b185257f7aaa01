"""Charging profiles of partners (OCPI 2.2.1, mod_charging_profiles, Receiver interface)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from cpo_platform.common.shapes import ChargingProfile, parse
from roaming.models import (
    Change,
    CommandState,
    Delivery,
    Endpoint,
    Partner,
    PartnerRole,
    ProfileAction,
    ProfileRequest,
    ProfileResult,
)
from roaming.ocpi.v2_2_1.charging_profiles import read_query
from roaming.ocpi.versions import VERSIONS
from roaming.operations.charging_profiles import TIMEOUT_SECONDS
from roaming.tasks import execute_profile_request, expire_profile_requests
from sessions_app.models import Session, SimulatedStation
from sessions_app.operations import sessions
from sessions_app.simulator import SimulatedStations
from tests.conftest import Clock
from tests.factories import ConnectorFactory, LocationFactory, SessionFactory, cdr_token, evse
from tests.roaming import lanes
from tests.roaming.conftest import Registered, Reply, make_partner
from tests.roaming.listening import Listener, listening

pytestmark = pytest.mark.django_db

STATIONS = SimulatedStations()
CAPABLE = ["REMOTE_START_STOP_CAPABLE", "CHARGING_PROFILE_CAPABLE"]
RESPONSE_URL = "https://emsp.example/profiles/1"
PROFILE: dict[str, Any] = {
    "charging_rate_unit": "A",
    "charging_profile_period": [
        {"start_period": 0, "limit": 10},
        {"start_period": 900, "limit": 6.5},
    ],
}


@pytest.fixture(params=["2.2.1", "2.3.0"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def partner(version: str) -> Registered:
    """NL*EMS, in this version."""
    made = make_partner()
    Partner.objects.filter(pk=made.partner.pk).update(version=version)
    made.partner.refresh_from_db()
    return made


@pytest.fixture
def session(partner: Registered) -> Session:
    """Return a session of the partner that charges at a station that takes profiles."""
    return charging("E1")


def charging(uid: str, *, party_id: str = "EMS", now: datetime | None = None) -> Session:
    now = now or clock.now() - timedelta(minutes=1)
    connector = ConnectorFactory(evses=[evse(uid, capabilities=CAPABLE)], now=now)
    return SessionFactory(connector=connector, cdr_token=cdr_token(party_id=party_id), now=now)


def ask(
    who: Registered, method: str, session: Session | str, query: str = "", body: Any = None
) -> Reply:
    session_id = session if isinstance(session, str) else session.ocpi_id
    version = Partner.objects.get(pk=who.partner.pk).version
    path = f"/ocpi/{version}/chargingprofiles/{session_id}"
    return who.call(method, f"{path}?{query}" if query else path, body)


def get(who: Registered, session: Session | str, query: str = "") -> Reply:
    return ask(
        who, "GET", session, query or f"duration=900&response_url={quote(RESPONSE_URL, safe='')}"
    )


def put(who: Registered, session: Session | str, **changes: Any) -> Reply:
    body = {"charging_profile": PROFILE, "response_url": RESPONSE_URL} | changes
    return ask(who, "PUT", session, body=body)


def delete(who: Registered, session: Session | str) -> Reply:
    return ask(who, "DELETE", session, f"response_url={quote(RESPONSE_URL, safe='')}")


CALLS = {"GET": get, "PUT": put, "DELETE": delete}
methods = pytest.mark.parametrize("method", CALLS)


def execute() -> ProfileRequest:
    """Carry out the newest request."""
    request = ProfileRequest.objects.latest("id")
    execute_profile_request(request_id=request.pk)
    request.refresh_from_db()
    return request


# --- The immediate answer


@methods
@pytest.mark.rule("CP-01")
def test_a_request_is_accepted_kept_and_says_how_long_to_wait(
    partner: Registered, session: Session, method: str
) -> None:
    reply = CALLS[method](partner, session)

    assert (reply.status, reply.code) == (200, 1000)
    assert reply.data == {"result": "ACCEPTED", "timeout": 60}
    request = ProfileRequest.objects.get()
    assert (request.partner, request.session) == (partner.partner, session)
    assert (request.response_url, request.state) == (RESPONSE_URL, CommandState.ACCEPTED)
    assert request.duration == (900 if method == "GET" else None)
    assert (request.charging_profile is not None) == (method == "PUT")


@methods
@pytest.mark.rule("CP-01", "CP-11")
def test_an_evse_without_the_capability_supports_none(partner: Registered, method: str) -> None:
    plain = SessionFactory()

    reply = CALLS[method](partner, plain)

    assert reply.data == {"result": "NOT_SUPPORTED", "timeout": 60}
    assert ProfileRequest.objects.count() == 0


@pytest.mark.rule("CP-11")
def test_the_capability_is_published_with_the_evse(partner: Registered, session: Session) -> None:
    version = partner.partner.version

    locations = partner.call.get(f"/ocpi/{version}/locations").data

    assert [evse["capabilities"] for site in locations for evse in site["evses"]] == [CAPABLE]


@methods
@pytest.mark.rule("CP-01", "CP-15")
def test_a_session_that_is_not_active_is_rejected(
    partner: Registered, session: Session, method: str
) -> None:
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())

    reply = CALLS[method](partner, session)

    assert reply.data == {"result": "REJECTED", "timeout": 60}
    assert ProfileRequest.objects.count() == 0


@methods
@pytest.mark.rule("CP-01", "CP-15")
def test_somebody_elses_session_is_as_unknown_as_none(
    partner: Registered, session: Session, method: str
) -> None:
    foreign = charging("E2", party_id="FOE")

    answers = [CALLS[method](partner, one).data for one in (foreign, "no-such-session")]

    assert answers == [{"result": "UNKNOWN_SESSION", "timeout": 60}] * 2
    assert ProfileRequest.objects.count() == 0


@pytest.mark.rule("CP-14")
def test_the_session_is_named_by_our_id_whatever_its_case(
    partner: Registered, session: Session
) -> None:
    assert get(partner, session.ocpi_id.upper()).data["result"] == "ACCEPTED"
    assert ProfileRequest.objects.get().session == session


def test_a_session_of_another_party_of_ours_is_unknown(
    partner: Registered, session: Session
) -> None:
    LocationFactory(party_id="TWO")
    partner.call.headers |= {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "TWO"}

    assert get(partner, session).data["result"] == "UNKNOWN_SESSION"


@pytest.mark.rule("CP-01", "CP-03")
def test_more_requests_than_allowed_are_too_often_for_that_session_only(
    partner: Registered, session: Session, settings: Settings, platform_clock: Clock
) -> None:
    settings.PROFILE_REQUESTS_PER_MINUTE = 2
    other = charging("E2")

    answers = [call(partner, session).data for call in (get, put, get)]

    assert [answer["result"] for answer in answers] == ["ACCEPTED", "ACCEPTED", "TOO_OFTEN"]
    assert answers[2]["timeout"] == 60
    assert get(partner, other).data["result"] == "ACCEPTED"
    platform_clock.forward(seconds=61)
    assert get(partner, session).data["result"] == "ACCEPTED"


LACKING = (
    ("response_url=https%3A%2F%2Femsp.example%2Fr", "duration"),
    ("duration=900", "response_url"),
    ("duration=&response_url=https%3A%2F%2Femsp.example%2Fr", "duration"),
    ("duration=-5&response_url=https%3A%2F%2Femsp.example%2Fr", "duration"),
    ("duration=0&response_url=https%3A%2F%2Femsp.example%2Fr", "duration"),
    ("duration=99999999999999999999&response_url=https%3A%2F%2Femsp.example%2Fr", "duration"),
    ("duration=900&response_url=nowhere", "response_url"),
    (f"duration=900&response_url=https://emsp.example/{'r' * 255}", "response_url"),
)


@pytest.mark.rule("CP-12")
def test_a_get_without_what_it_needs_is_2001_and_names_it(
    partner: Registered, session: Session
) -> None:
    def is_refused(query: str, field: str) -> bool:
        reply = get(partner, session, query)
        named = reply.body["status_message"]
        return (reply.status, reply.code) == (200, 2001) and field in named

    assert [case for case in LACKING if not is_refused(*case)] == []
    assert ProfileRequest.objects.count() == 0


@pytest.mark.rule("CP-12")
def test_a_delete_needs_a_response_url(partner: Registered, session: Session) -> None:
    reply = ask(partner, "DELETE", session)

    assert (reply.status, reply.code) == (200, 2001)
    assert "response_url" in reply.body["status_message"]


@pytest.mark.rule("CP-12")
@pytest.mark.parametrize(
    ("query", "response_url", "duration"),
    [
        # As the specification writes it: not encoded, with a query of its own.
        ("duration=900&response_url=https://a.example/r?request_id=5", "?request_id=5", "900"),
        ("duration=900&response_url=https://a.example/r?a=5&b=6", "?a=5&b=6", "900"),
        ("response_url=https://a.example/r?a=5&b=6&duration=900", "?a=5&b=6", "900"),
        ("duration=900&response_url=https://a.example/r?a=5&duration=6", "?a=5&duration=6", "900"),
        ("response_url=https://a.example/r?a=1%202", "?a=1%202", ""),
        # Encoded, wholly or as far as a query must be.
        (
            "duration=900&response_url=https%3A%2F%2Fa.example%2Fr%3Fa%3D5%26b%3D6",
            "?a=5&b=6",
            "900",
        ),
        (
            "response_url=https%3A%2F%2Fa.example%2Fr%3Fa%3D5%26b%3D6&duration=900",
            "?a=5&b=6",
            "900",
        ),
        ("duration=900&response_url=https://a.example/r?a%3D5%26b%3D6", "?a=5&b=6", "900"),
        ("duration=900&response_url=HTTPS%3a%2f%2fa.example/r", "", "900"),
        ("response_url=https://a.example/r", "", ""),
    ],
)
def test_a_response_url_is_read_encoded_or_not(
    query: str, response_url: str, duration: str
) -> None:
    url, seconds = read_query(query)

    assert url.lower().replace("https://a.example/r", "", 1) == response_url
    assert seconds == duration


@pytest.mark.rule("CP-12")
def test_a_url_that_is_not_encoded_arrives_whole(partner: Registered, session: Session) -> None:
    reply = get(partner, session, f"duration=900&response_url={RESPONSE_URL}?request_id=7&part=2")

    assert reply.data["result"] == "ACCEPTED"
    assert ProfileRequest.objects.get().response_url == f"{RESPONSE_URL}?request_id=7&part=2"


@methods
@pytest.mark.rule("CP-12")
def test_a_dangerous_response_url_is_rejected(
    partner: Registered, session: Session, settings: Settings, method: str
) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = False
    url = "https://169.254.169.254/latest"
    query = f"duration=900&response_url={url}" if method != "PUT" else ""
    body = {"charging_profile": PROFILE, "response_url": url} if method == "PUT" else None

    reply = ask(partner, method, session, query, body)

    assert reply.data["result"] == "REJECTED"
    assert ProfileRequest.objects.count() == 0


NO_PROFILES: tuple[tuple[Any, str], ...] = (
    (PROFILE | {"charging_rate_unit": "kW"}, "charging_rate_unit"),
    (PROFILE | {"charging_rate_unit": None}, "charging_rate_unit"),
    (PROFILE | {"duration": -1}, "duration"),
    (PROFILE | {"duration": "long"}, "duration"),
    (PROFILE | {"start_date_time": "soon"}, "start_date_time"),
    (PROFILE | {"min_charging_rate": 6.25}, "min_charging_rate"),
    (PROFILE | {"charging_profile_period": [{"start_period": 0, "limit": 6.25}]}, "limit"),
    (PROFILE | {"charging_profile_period": [{"start_period": 0, "limit": -1}]}, "limit"),
    (PROFILE | {"charging_profile_period": [{"start_period": -1, "limit": 1}]}, "start_period"),
    (PROFILE | {"charging_profile_period": [{"limit": 1}]}, "start_period"),
    (
        PROFILE
        | {
            "charging_profile_period": [
                {"start_period": second, "limit": 1} for second in range(1001)
            ]
        },
        "charging_profile_period",
    ),
    (None, "charging_profile"),
)


@pytest.mark.rule("CP-08")
def test_a_profile_that_is_none_is_2001_and_names_the_field(
    partner: Registered, session: Session
) -> None:
    def is_refused(profile: Any, field: str) -> bool:
        reply = put(partner, session, charging_profile=profile)
        named = reply.body["status_message"]
        return (reply.status, reply.code) == (200, 2001) and field in named

    assert [case for case in NO_PROFILES if not is_refused(*case)] == []
    assert ProfileRequest.objects.count() == 0


@pytest.mark.rule("CP-08")
@pytest.mark.parametrize(
    "profile",
    [
        {"charging_rate_unit": "W"},
        PROFILE | {"min_charging_rate": 6, "duration": 0},
        PROFILE | {"start_date_time": "2026-06-01T08:00:00Z", "duration": 3600},
        {"charging_rate_unit": "W", "charging_profile_period": [{"start_period": 0, "limit": 8.1}]},
    ],
)
def test_only_the_unit_is_required_of_a_profile(
    partner: Registered, session: Session, profile: Any
) -> None:
    assert put(partner, session, charging_profile=profile).data["result"] == "ACCEPTED"
    assert execute().result == ProfileResult.ACCEPTED


# --- What the station makes of it


@pytest.mark.rule("CP-04")
def test_a_profile_reaches_the_station_and_a_second_one_replaces_it(
    partner: Registered, session: Session
) -> None:
    put(partner, session)
    assert execute().result == ProfileResult.ACCEPTED
    other = {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 5}],
    }
    put(partner, session, charging_profile=other)
    execute()

    told = SimulatedStation.objects.get().charging_profile
    assert told is not None
    assert parse(ChargingProfile, told["profile"]) == parse(ChargingProfile, other)


@pytest.mark.rule("CP-02")
@pytest.mark.parametrize("before", ["one is set", "none is set"])
def test_a_clear_is_accepted_or_unknown(partner: Registered, session: Session, before: str) -> None:
    if before == "one is set":
        put(partner, session)
        execute()
    delete(partner, session)

    assert execute().result == (
        ProfileResult.ACCEPTED if before == "one is set" else ProfileResult.UNKNOWN
    )


@pytest.mark.rule("CP-02")
def test_a_session_that_ended_meanwhile_is_rejected_by_the_station(
    partner: Registered, session: Session
) -> None:
    put(partner, session)
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())

    request = execute()

    assert (request.result, request.state) == (ProfileResult.REJECTED, CommandState.FINISHED)


@pytest.mark.rule("CP-02")
def test_a_silent_station_is_answered_for_before_the_timeout(
    partner: Registered, session: Session, platform_clock: Clock
) -> None:
    put(partner, session)
    request = ProfileRequest.objects.get()
    assert (request.deadline - request.received_at).total_seconds() <= TIMEOUT_SECONDS - 10

    expire_profile_requests()
    assert ProfileRequest.objects.get().result == ""
    platform_clock.forward(seconds=50)
    expire_profile_requests()

    request.refresh_from_db()
    assert (request.result, request.state) == (ProfileResult.REJECTED, CommandState.FINISHED)
    change = Change.objects.get(module="profileresults")
    assert (change.object_id, change.partner) == (request.pk, partner.partner)


@pytest.mark.rule("CP-02")
def test_a_station_that_takes_a_profile_too_late_is_told_to_drop_it(
    partner: Registered,
    session: Session,
    platform_clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The partner was told that its profile is rejected by then."""
    real = SimulatedStations.set_charging_profile

    def slow(self: SimulatedStations, **kwargs: Any) -> Any:
        answer = real(self, **kwargs)
        platform_clock.forward(seconds=51)
        expire_profile_requests()
        return answer

    monkeypatch.setattr(SimulatedStations, "set_charging_profile", slow)
    put(partner, session)

    assert execute().result == ProfileResult.REJECTED
    assert SimulatedStation.objects.get().charging_profile is None


def test_a_result_is_set_once(partner: Registered, session: Session) -> None:
    put(partner, session)
    request = execute()
    execute_profile_request(request_id=request.pk)
    expire_profile_requests()

    assert Change.objects.filter(module="profileresults").count() == 1


# --- What the partner is sent


@pytest.fixture
def listener(transactional_db: None, settings: Settings) -> Iterator[Listener]:
    """Listen for what is sent: a feed tells of nothing that is not committed."""
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with listening() as one:
        yield one


@pytest.fixture
def connected(partner: Registered, listener: Listener) -> Registered:
    """The partner, with an interface for the limits that we tell (role SENDER)."""
    connect(partner, listener)
    return partner


def connect(partner: Registered, listener: Listener) -> None:
    Endpoint.objects.create(
        partner=partner.partner,
        identifier="chargingprofiles",
        role="SENDER",
        url=f"{listener.url}/chargingprofiles",
    )


def drain(who: Registered) -> None:
    lanes.drain(who.partner)


def set_at(listener: Listener, who: Registered, session: Session, **changes: Any) -> None:
    put(who, session, response_url=f"{listener.url}/results/1", **changes)
    execute()


@pytest.mark.rule("CP-01", "CP-02")
@pytest.mark.parametrize(
    ("method", "result"), [("GET", "ACCEPTED"), ("PUT", "ACCEPTED"), ("DELETE", "UNKNOWN")]
)
def test_the_result_is_posted_to_the_response_url_once(
    partner: Registered, session: Session, listener: Listener, method: str, result: str
) -> None:
    url = f"{listener.url}/results?id=7&part=2"
    if method == "PUT":
        put(partner, session, response_url=url)
    else:
        ask(partner, method, session, f"duration=900&response_url={url}")
    drain(partner)
    assert listener.heard == []
    execute()

    drain(partner)
    drain(partner)

    assert listener.lines() == ["POST /results?id=7&part=2"]
    heard = listener.heard[0]
    assert heard.body["result"] == result
    assert ("profile" in heard.body) == (method == "GET")
    assert heard.headers["OCPI-from-party-id"] == "TST"
    assert heard.headers["OCPI-to-party-id"] == "EMS"
    assert Delivery.objects.get(module="profileresults").delivered_at is not None


@pytest.mark.rule("CP-02", "CP-07", "CP-10")
def test_a_get_is_answered_with_the_active_profile(
    partner: Registered, session: Session, listener: Listener
) -> None:
    get(partner, session, f"duration=600&response_url={listener.url}/results/1")
    asked = execute()
    assert asked.finished_at is not None

    drain(partner)

    profile = listener.heard[0].body["profile"]
    # No profile is set: what the connector can give.
    assert profile["charging_profile"] == {
        "start_date_time": profile["start_date_time"],
        "duration": 600,
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 22000}],
    }
    calculated = datetime.fromisoformat(profile["start_date_time"])
    assert timedelta(0) <= asked.finished_at - calculated < timedelta(seconds=2)


@pytest.mark.rule("CP-02")
def test_a_rejected_get_has_no_profile(
    partner: Registered, session: Session, listener: Listener, platform_clock: Clock
) -> None:
    get(partner, session, f"duration=600&response_url={listener.url}/results/1")
    platform_clock.forward(seconds=51)
    expire_profile_requests()

    drain(partner)

    assert [one.body for one in listener.heard] == [{"result": "REJECTED"}]


@pytest.mark.rule("CP-01")
@methods
def test_what_was_not_accepted_gets_no_result(
    connected: Registered, listener: Listener, method: str
) -> None:
    plain = SessionFactory(now=clock.now())
    CALLS[method](connected, plain)

    drain(connected)

    assert [line for line in listener.lines() if "sessions" not in line] == []


def test_a_result_that_is_too_late_is_dropped_and_staff_can_read_why(
    partner: Registered, session: Session, listener: Listener, platform_clock: Clock
) -> None:
    set_at(listener, partner, session)
    platform_clock.forward(seconds=TIMEOUT_SECONDS + 1)

    drain(partner)

    assert listener.heard == []
    delivery = Delivery.objects.get(module="profileresults")
    assert delivery.refused_at is not None
    assert "too late" in delivery.error


@pytest.mark.rule("CP-05", "CP-06", "CP-10")
def test_who_set_a_profile_is_told_the_limits_after_its_result(
    connected: Registered, session: Session, listener: Listener
) -> None:
    set_at(listener, connected, session)

    drain(connected)

    assert listener.lines() == ["POST /results/1", f"PUT /chargingprofiles/{session.ocpi_id}"]
    body = listener.heard[1].body
    assert body["start_date_time"] == body["charging_profile"]["start_date_time"]
    inner = body["charging_profile"]
    assert 300 <= inner["duration"] <= 3600
    assert inner["charging_rate_unit"] == "A"
    # The session has charged for a minute or so: the profile counts from its start.
    first, second = inner["charging_profile_period"]
    assert (first, second["limit"]) == ({"start_period": 0, "limit": 10}, Decimal("6.5"))
    assert 780 < second["start_period"] <= 840
    assert listener.heard[1].headers["OCPI-to-party-id"] == "EMS"


@pytest.mark.rule("CP-05", "CP-07", "CP-09")
@pytest.mark.parametrize("change", ["clear", "local limit", "end of session"])
def test_every_later_change_of_the_limits_is_told(
    connected: Registered, session: Session, listener: Listener, change: str
) -> None:
    set_at(listener, connected, session)
    drain(connected)
    listener.heard.clear()

    now = clock.now()
    match change:
        case "clear":
            STATIONS.clear_charging_profile(session_id=session.pk, now=now)
        case "local limit":
            STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=Decimal(2), now=now)
        case _:
            STATIONS.stop(session_id=session.pk, now=now)
    drain(connected)

    assert listener.lines() == [f"PUT /chargingprofiles/{session.ocpi_id}"]
    inner = listener.heard[0].body["charging_profile"]
    limits = [period["limit"] for period in inner["charging_profile_period"]]
    expected = {
        # 2 kW are 2.898... A of each of three phases.
        "local limit": ("A", [Decimal("2.8")]),
    }.get(change, ("W", [22000]))  # CP-07: without a profile the maximum of the connector
    assert (inner["charging_rate_unit"], limits) == expected


@pytest.mark.rule("CP-05")
@pytest.mark.parametrize("call", ["GET", "DELETE", "rejected PUT", "none"])
def test_who_never_set_a_profile_is_told_nothing(
    connected: Registered, session: Session, listener: Listener, call: str
) -> None:
    match call:
        case "GET":
            get(connected, session, f"duration=600&response_url={listener.url}/results/1")
            execute()
        case "DELETE":
            ask(connected, "DELETE", session, f"response_url={listener.url}/results/1")
            execute()
        case "rejected PUT":
            put(connected, session, response_url=f"{listener.url}/results/1")
            ProfileRequest.objects.update(deadline=clock.now())
            expire_profile_requests()

    STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=Decimal(2), now=clock.now())
    drain(connected)

    assert [line for line in listener.lines() if line.startswith("PUT /chargingprofiles")] == []


@pytest.mark.rule("CP-05", "CP-13")
def test_two_who_set_profiles_are_both_announced_every_change_and_nobody_else(
    connected: Registered, session: Session, listener: Listener
) -> None:
    """They are told as far as they see the session: it may have gone from one to the other."""
    second = make_partner("Hub", "HUB")
    make_partner("Bystander", "FOE")
    set_at(listener, connected, session)
    now = clock.now()
    ProfileRequest.objects.create(
        partner=second.partner,
        session=session,
        action=ProfileAction.SET,
        response_url=RESPONSE_URL,
        state=CommandState.FINISHED,
        result=ProfileResult.ACCEPTED,
        received_at=now,
        deadline=now,
        finished_at=now,
    )
    Change.objects.all().delete()

    STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=Decimal(2), now=now)

    told = Change.objects.filter(module="chargingprofiles").order_by("partner")
    assert [(change.object_id, change.partner) for change in told] == [
        (session.pk, connected.partner),
        (session.pk, second.partner),
    ]


@pytest.mark.rule("CP-05")
def test_a_session_that_is_not_the_partners_any_more_is_not_told(
    connected: Registered, session: Session, listener: Listener
) -> None:
    set_at(listener, connected, session)
    drain(connected)
    listener.heard.clear()
    PartnerRole.objects.filter(partner=connected.partner).update(granted=False)

    STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=Decimal(2), now=clock.now())
    drain(connected)

    assert listener.heard == []


def test_many_changes_while_the_partner_was_away_are_one_request(
    connected: Registered, session: Session, listener: Listener
) -> None:
    set_at(listener, connected, session)
    drain(connected)
    listener.heard.clear()
    for kilowatts in (5, 4, 3, 2):
        STATIONS.limit_power(
            evse_id=session.evse_id or 0, power_kw=Decimal(kilowatts), now=clock.now()
        )

    drain(connected)

    assert listener.lines() == [f"PUT /chargingprofiles/{session.ocpi_id}"]


def test_the_module_is_not_part_of_2_1_1() -> None:
    assert VERSIONS["2.1.1"].shapes.charging_profiles is None
    assert "chargingprofiles" not in {one.identifier for one in VERSIONS["2.1.1"].modules}

"""Who may charge at a station: commands first, then what the eMSP has said or says."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pytest_django import Settings

from cpo_platform.common.shapes import CdrToken, plain
from locations.models import Connector
from ocpp_gateway.authorizing import Decision, decide, decide_anywhere, id_tag_info, id_token_info
from ocpp_gateway.models import Outlet, RemoteStart, Station
from sessions_app.authorization import Allowed, Question, RealtimeAnswer
from sessions_app.commanded import Commanded
from sessions_app.models import AuthMethod
from sessions_app.operations import reservations
from tests.factories import NOW, LocationFactory, TokenFactory, cdr_token, evse
from tests.ocpp_gateway.placing import place

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=15)
RESERVABLE = ["REMOTE_START_STOP_CAPABLE", "RESERVABLE"]


class Emsp:
    """eMSPs that are connected, and what they answer."""

    answer: ClassVar[RealtimeAnswer] = RealtimeAnswer(Allowed.UNREACHABLE)
    questions: ClassVar[list[Question]] = []

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return True

    def ask(self, question: Question) -> RealtimeAnswer:
        self.questions.append(question)
        return self.answer


class Commands:
    """What was commanded lately: of each token's uid and type."""

    said: ClassVar[dict[tuple[int, str, str], Commanded]] = {}

    def find(self, *, evse_id: int, uid: str, type: str, since: Any) -> Commanded | None:  # noqa: A002
        return self.said.get((evse_id, uid, type))


@pytest.fixture(autouse=True)
def emsp(settings: Settings) -> None:
    settings.REALTIME_AUTHORIZER = f"{__name__}.Emsp"
    settings.COMMANDED_TOKENS = f"{__name__}.Commands"
    Emsp.answer, Emsp.questions = RealtimeAnswer(Allowed.UNREACHABLE), []
    Commands.said = {}


@pytest.fixture
def station() -> Station:
    return place(
        LocationFactory(
            evses=[evse("E1", capabilities=RESERVABLE), evse("E2", capabilities=RESERVABLE)]
        )
    )


@pytest.fixture
def outlet(station: Station) -> Outlet:
    return Outlet.objects.get(station=station, ordinal=1)


@pytest.fixture
def other(station: Station) -> Outlet:
    return Outlet.objects.get(station=station, ordinal=2)


def expect(outlet: Outlet, **fields: Any) -> RemoteStart:
    values: dict[str, Any] = {
        "id_tag": "04AA",
        "cdr_token": plain(CdrToken, cdr_token("04AA")),
        "authorization_reference": "REF-1",
        "group_id": "G1",
        "asked_at": NOW,
        "until": LATER,
    }
    return RemoteStart.objects.create(outlet=outlet, **(values | fields))


def decided(outlet: Outlet, uid: str = "04AA", token_type: str = "", **options: Any) -> Decision:
    return decide(outlet_id=outlet.pk, uid=uid, token_type=token_type, now=NOW, **options)


def test_a_start_that_is_awaited_is_allowed_by_command(outlet: Outlet) -> None:
    start = expect(outlet)

    assert decided(outlet, "04aa") == Decision(
        Allowed.ALLOWED,
        cdr_token("04AA"),
        AuthMethod.COMMAND,
        "REF-1",
        group_id="G1",
        remote_start=start.pk,
    )


@pytest.mark.parametrize(
    "fields",
    [{"refused": True}, {"until": NOW}, {"id_tag": "04BB"}],
    ids=["refused", "too late", "of another"],
)
def test_a_start_that_is_not_awaited_allows_nobody(outlet: Outlet, fields: dict[str, Any]) -> None:
    expect(outlet, **fields)

    assert decided(outlet).verdict is Allowed.UNKNOWN_TOKEN


def test_a_start_at_another_evse_is_not_this_one(outlet: Outlet, other: Outlet) -> None:
    expect(other)

    assert decided(outlet).verdict is Allowed.UNKNOWN_TOKEN


def test_the_number_of_a_start_counts_at_its_station_only(
    outlet: Outlet, other: Outlet, settings: Settings
) -> None:
    start = expect(other, until=NOW)
    elsewhere = place(LocationFactory(), identity="CP-2").outlets.get()

    found = decided(outlet, "anything", "ISO14443", remote_start_id=start.pk)
    stranger = decided(elsewhere, "anything", "ISO14443", remote_start_id=start.pk)

    assert (found.verdict, found.remote_start) == (Allowed.ALLOWED, start.pk)
    assert (stranger.verdict, stranger.remote_start) == (Allowed.UNKNOWN_TOKEN, None)


def test_a_start_at_any_outlet_counts_where_none_is_named(station: Station, other: Outlet) -> None:
    start = expect(other)

    decision = decide_anywhere(station_id=station.pk, uid="04AA", token_type="", now=NOW)

    assert (decision.verdict, decision.remote_start) == (Allowed.ALLOWED, start.pk)


def test_a_token_that_was_commanded_lately_is_not_asked_about(
    station: Station, outlet: Outlet, other: Outlet
) -> None:
    said = Commanded(cdr_token("04AA"), "G2", "REF-2")
    Commands.said = {(other.connector.evse_id, "04AA", "RFID"): said}
    allowed = Decision(
        Allowed.ALLOWED, cdr_token("04AA"), AuthMethod.COMMAND, "REF-2", group_id="G2"
    )

    assert decided(other) == allowed
    assert decide_anywhere(station_id=station.pk, uid="04AA", token_type="", now=NOW) == allowed
    assert decided(outlet).verdict is Allowed.UNKNOWN_TOKEN
    assert Emsp.questions == []


def test_a_card_on_the_whitelist_is_allowed_with_its_group(outlet: Outlet) -> None:
    token = TokenFactory(uid="04AA", group_id="G3")

    assert decided(outlet) == Decision(Allowed.ALLOWED, token.cdr_token, group_id="G3")


def test_an_emsp_is_asked_with_the_connector_and_its_answer_decides(outlet: Outlet) -> None:
    token = TokenFactory(uid="04AA", whitelist="NEVER")
    Emsp.answer = RealtimeAnswer(Allowed.NO_CREDIT, authorization_reference="R", info="Pay up")

    decision = decided(outlet)

    assert decision == Decision(
        Allowed.NO_CREDIT, token.cdr_token, AuthMethod.AUTH_REQUEST, "R", "Pay up"
    )
    (question,) = Emsp.questions
    assert (question.evse_uid, question.connector_id) == ("E1", "1")


@pytest.mark.parametrize(
    ("token_type", "kind"),
    [
        ("ISO14443", "RFID"),
        ("ISO15693", "RFID"),
        ("eMAID", "EMAID"),
        ("Central", "OTHER"),
        ("KeyCode", "OTHER"),
        ("MacAddress", "OTHER"),
    ],
)
def test_kinds_of_tokens_are_those_of_ocpi(outlet: Outlet, token_type: str, kind: str) -> None:
    token = TokenFactory(uid="NL-EMS-C1", type=kind)

    assert decided(outlet, "NL-EMS-C1", token_type).cdr_token == token.cdr_token


def test_in_1_6_a_contract_is_found_where_no_card_is(outlet: Outlet) -> None:
    contract = TokenFactory(uid="NL-EMS-C1", type="EMAID")

    assert decided(outlet, "NL-EMS-C1").cdr_token == contract.cdr_token

    card = TokenFactory(uid="NL-EMS-C1", type="RFID")
    assert decided(outlet, "NL-EMS-C1").cdr_token == card.cdr_token


@pytest.mark.parametrize("token_type", ["Local", "NoAuthorization"])
def test_what_a_station_makes_up_itself_is_nobodys_token(outlet: Outlet, token_type: str) -> None:
    TokenFactory(uid="0", type="OTHER")

    decision = decided(outlet, "0", token_type)

    assert decision.verdict is Allowed.NOT_ALLOWED
    assert decision.info.endswith("nobody pays")


def test_a_token_that_only_a_reservation_knows_may_use_it(outlet: Outlet) -> None:
    connector = Connector.objects.select_related("evse").get(pk=outlet.connector_id)
    reservations.make_reservation(
        number=reservations.next_number(),
        reservation_id="R1",
        location_id=connector.evse.location_id,
        evse_id=connector.evse_id,
        cdr_token=cdr_token("04AA"),
        expiry_date=NOW + timedelta(hours=1),
        now=NOW,
        group_id="G4",
        authorization_reference="REF-4",
    )

    assert decided(outlet) == Decision(
        Allowed.ALLOWED, cdr_token("04AA"), AuthMethod.COMMAND, "REF-4", group_id="G4"
    )


def test_a_station_without_outlets_lets_nobody_charge() -> None:
    station = Station.objects.create(identity="CP-9")

    decision = decide_anywhere(station_id=station.pk, uid="04AA", token_type="", now=NOW)

    assert decision.verdict is Allowed.NOT_ALLOWED


ANSWERS = {
    Allowed.ALLOWED: ("Accepted", "Accepted"),
    Allowed.BLOCKED: ("Blocked", "Blocked"),
    Allowed.EXPIRED: ("Expired", "Expired"),
    Allowed.NO_CREDIT: ("Blocked", "NoCredit"),
    Allowed.NOT_ALLOWED: ("Blocked", "NotAtThisLocation"),
    Allowed.UNKNOWN_TOKEN: ("Invalid", "Unknown"),
    Allowed.UNREACHABLE: ("Invalid", "Invalid"),
}


@pytest.mark.parametrize("verdict", list(Allowed))
def test_stations_are_told_in_their_versions_words(verdict: Allowed) -> None:
    decision = Decision(verdict, group_id="G1")
    old, new = ANSWERS[verdict]

    assert id_tag_info(decision) == {"status": old, "parentIdTag": "G1"}
    assert id_token_info(decision) == {
        "status": new,
        "groupIdToken": {"idToken": "G1", "type": "Central"},
    }


def test_a_group_that_1_6_cannot_name_is_left_out() -> None:
    assert id_tag_info(Decision(Allowed.ALLOWED, group_id="G" * 21)) == {"status": "Accepted"}
    assert id_token_info(Decision(Allowed.ALLOWED)) == {"status": "Accepted"}

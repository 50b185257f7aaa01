"""Who may charge: the whitelist, and the eMSP where it has to be asked."""

from typing import Any, ClassVar

import pytest

from cpo_platform.common.shapes import CdrToken
from locations.models import Evse
from sessions_app.authorization import (
    Allowed,
    Authorization,
    Question,
    RealtimeAnswer,
    authorize,
)
from sessions_app.models import AuthMethod
from tests.factories import EvseFactory, TokenFactory, cdr_token

pytestmark = pytest.mark.django_db

YES, NO, SILENCE = Allowed.ALLOWED, Allowed.BLOCKED, Allowed.UNREACHABLE


class Emsp:
    """An eMSP that gives the answers that a test prepared, by party id."""

    answers: ClassVar[dict[str, RealtimeAnswer]] = {}
    questions: ClassVar[list[Question]] = []

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return (country_code, party_id) != ("NL", "OFF")

    def ask(self, question: Question) -> RealtimeAnswer:
        self.questions.append(question)
        return self.answers[question.party_id]


@pytest.fixture
def emsp(settings: Any) -> type[Emsp]:
    settings.REALTIME_AUTHORIZER = f"{__name__}.Emsp"
    Emsp.answers, Emsp.questions = {}, []
    return Emsp


@pytest.fixture
def evse() -> Evse:
    row: Evse = EvseFactory()
    return row


@pytest.mark.parametrize(
    ("whitelist", "valid", "answer", "expected", "asked"),
    [
        ("ALWAYS", True, None, YES, False),
        ("ALWAYS", False, None, Allowed.NOT_ALLOWED, False),
        ("ALLOWED", True, None, YES, False),
        ("ALLOWED", False, YES, YES, True),
        ("ALLOWED", False, NO, NO, True),
        ("ALLOWED", False, SILENCE, SILENCE, True),
        ("ALLOWED_OFFLINE", True, YES, YES, True),
        ("ALLOWED_OFFLINE", True, NO, NO, True),
        ("ALLOWED_OFFLINE", True, SILENCE, YES, True),
        ("ALLOWED_OFFLINE", False, YES, YES, True),
        ("ALLOWED_OFFLINE", False, NO, NO, True),
        ("ALLOWED_OFFLINE", False, SILENCE, SILENCE, True),
        ("NEVER", True, YES, YES, True),
        ("NEVER", True, NO, NO, True),
        ("NEVER", True, SILENCE, SILENCE, True),
        ("NEVER", False, YES, YES, True),
        ("NEVER", False, NO, NO, True),
        ("NEVER", False, SILENCE, SILENCE, True),
    ],
)
def test_whitelist_and_answer_decide(
    emsp: type[Emsp],
    evse: Evse,
    whitelist: str,
    valid: bool,  # noqa: FBT001  a column of the table above
    answer: Allowed | None,
    expected: Allowed,
    asked: bool,  # noqa: FBT001
) -> None:
    TokenFactory(uid="04AA", whitelist=whitelist, valid=valid)
    if answer:
        emsp.answers["EMS"] = RealtimeAnswer(answer)

    authorization = authorize(uid="04AA", evse=evse)

    assert authorization.allowed is expected
    assert len(emsp.questions) == asked


def test_emsp_is_asked_about_its_token_at_this_evse(emsp: type[Emsp], evse: Evse) -> None:
    TokenFactory(uid="04AA", whitelist="NEVER")
    emsp.answers["EMS"] = RealtimeAnswer(YES)

    authorize(uid="04aa", evse=evse)

    assert emsp.questions == [
        Question("NL", "EMS", "04AA", "RFID", evse.location.ocpi_id, evse.uid)
    ]


def test_answer_carries_over_to_the_session(emsp: type[Emsp], evse: Evse) -> None:
    TokenFactory(uid="04AA", whitelist="NEVER")
    paid_by: CdrToken = cdr_token("VIRTUAL")
    emsp.answers["EMS"] = RealtimeAnswer(YES, paid_by, "REF-1", "Welcome")

    assert authorize(uid="04AA", evse=evse) == Authorization(
        YES, paid_by, AuthMethod.AUTH_REQUEST, "REF-1", "Welcome"
    )


def test_whitelisted_token_pays_itself(emsp: type[Emsp], evse: Evse) -> None:
    token = TokenFactory(uid="04AA")

    assert authorize(uid="04AA", evse=evse) == Authorization(
        YES, token.cdr_token, AuthMethod.WHITELIST
    )


def test_offline_allowance_counts_as_whitelisted(emsp: type[Emsp], evse: Evse) -> None:
    TokenFactory(uid="04AA", whitelist="ALLOWED_OFFLINE")
    emsp.answers["EMS"] = RealtimeAnswer(SILENCE)

    assert authorize(uid="04AA", evse=evse).auth_method is AuthMethod.WHITELIST


def test_unknown_token_and_unknown_type_may_not_charge(emsp: type[Emsp], evse: Evse) -> None:
    TokenFactory(uid="04AA")

    assert authorize(uid="04BB", evse=evse).allowed is Allowed.UNKNOWN_TOKEN
    assert authorize(uid="04AA", evse=evse, type="APP_USER").allowed is Allowed.UNKNOWN_TOKEN
    assert emsp.questions == []


def test_of_two_emsps_with_one_uid_the_one_that_allows_it_pays(
    emsp: type[Emsp], evse: Evse
) -> None:
    TokenFactory(uid="04AA", party_id="ONE", whitelist="NEVER")
    TokenFactory(uid="04AA", party_id="TWO", whitelist="NEVER")
    emsp.answers = {"ONE": RealtimeAnswer(NO), "TWO": RealtimeAnswer(YES)}

    authorization = authorize(uid="04AA", evse=evse)

    assert authorization.allowed is YES
    assert authorization.cdr_token is not None
    assert authorization.cdr_token.party_id == "TWO"


def test_of_two_emsps_a_valid_token_goes_first(emsp: type[Emsp], evse: Evse) -> None:
    TokenFactory(uid="04AA", party_id="ONE", whitelist="NEVER", valid=False)
    TokenFactory(uid="04AA", party_id="TWO")

    authorization = authorize(uid="04AA", evse=evse)

    assert authorization.cdr_token is not None
    assert authorization.cdr_token.party_id == "TWO"
    assert emsp.questions == []


def test_of_two_emsps_that_refuse_the_first_says_why(emsp: type[Emsp], evse: Evse) -> None:
    TokenFactory(uid="04AA", party_id="ONE", whitelist="NEVER")
    TokenFactory(uid="04AA", party_id="TWO", whitelist="NEVER")
    emsp.answers = {
        "ONE": RealtimeAnswer(Allowed.NO_CREDIT),
        "TWO": RealtimeAnswer(Allowed.EXPIRED),
    }

    assert authorize(uid="04AA", evse=evse).allowed is Allowed.NO_CREDIT


def test_an_emsp_cannot_make_another_one_pay(emsp: type[Emsp], evse: Evse) -> None:
    token = TokenFactory(uid="04AA", whitelist="NEVER")
    emsp.answers["EMS"] = RealtimeAnswer(YES, cdr_token("VICTIM", party_id="FOE"))

    authorization = authorize(uid="04AA", evse=evse)

    assert authorization.allowed is YES
    assert authorization.cdr_token == token.cdr_token


def test_a_token_of_an_emsp_that_left_is_refused_whatever_its_whitelist(
    emsp: type[Emsp], evse: Evse
) -> None:
    TokenFactory(party_id="OFF", uid="04AA", whitelist="ALWAYS")

    assert authorize(uid="04AA", evse=evse).allowed is Allowed.NOT_ALLOWED
    assert emsp.questions == []

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


# By whitelist and validity: what counts without a question (None: it is asked), and what while
# the eMSP cannot be reached. An answer that came decides, whatever the whitelist.
RULES: dict[tuple[str, bool], tuple[Allowed | None, Allowed]] = {
    ("ALWAYS", True): (YES, YES),
    ("ALWAYS", False): (Allowed.NOT_ALLOWED, Allowed.NOT_ALLOWED),
    ("ALLOWED", True): (YES, YES),
    ("ALLOWED", False): (None, SILENCE),
    ("ALLOWED_OFFLINE", True): (None, YES),
    ("ALLOWED_OFFLINE", False): (None, SILENCE),
    ("NEVER", True): (None, SILENCE),
    ("NEVER", False): (None, SILENCE),
}


@pytest.mark.rule("TOK-20", "TOK-23", "TOK-29")
@pytest.mark.parametrize("answer", list(Allowed), ids=str)
@pytest.mark.parametrize(("whitelist", "valid"), list(RULES))
def test_whitelist_validity_and_answer_decide(
    emsp: type[Emsp],
    evse: Evse,
    whitelist: str,
    valid: bool,  # noqa: FBT001  a column of the table above
    answer: Allowed,
) -> None:
    TokenFactory(uid="04AA", whitelist=whitelist, valid=valid)
    emsp.answers["EMS"] = RealtimeAnswer(answer)
    unasked, unreachable = RULES[whitelist, valid]

    authorization = authorize(uid="04AA", evse=evse)

    asked = unasked is None
    expected = unasked or (unreachable if answer is SILENCE else answer)
    assert authorization.allowed is expected
    assert len(emsp.questions) == asked
    by_question = asked and answer is not SILENCE
    method = AuthMethod.AUTH_REQUEST if by_question else AuthMethod.WHITELIST
    assert authorization.auth_method == method


@pytest.mark.rule("TOK-21", "TOK-27")
@pytest.mark.parametrize("publish", [True, False])
def test_emsp_is_asked_about_its_token_at_this_evse_published_or_not(
    emsp: type[Emsp],
    publish: bool,  # noqa: FBT001
) -> None:
    place: Evse = EvseFactory(publish=publish)
    TokenFactory(uid="04AA", whitelist="NEVER")
    emsp.answers["EMS"] = RealtimeAnswer(YES)

    authorize(uid="04aa", evse=place, connector_id="2")

    assert emsp.questions == [
        Question("NL", "EMS", "04AA", "RFID", place.location.ocpi_id, place.uid, "2", ("NL", "TST"))
    ]


@pytest.mark.rule("TOK-09", "TOK-28")
@pytest.mark.parametrize("uid", ["NL-EMS-C12345678-X", "nlemsC12345678"])
def test_a_contract_id_names_the_emsp_to_ask(emsp: type[Emsp], evse: Evse, uid: str) -> None:
    payer = cdr_token(uid)
    emsp.answers["EMS"] = RealtimeAnswer(YES, payer, "REF-1")

    authorization = authorize(uid=uid, evse=evse, type="EMAID")

    assert authorization == Authorization(YES, payer, AuthMethod.AUTH_REQUEST, "REF-1")
    assert [(one.country_code, one.party_id, one.uid) for one in emsp.questions] == [
        ("NL", "EMS", uid)
    ]


@pytest.mark.rule("TOK-28")
def test_an_unknown_card_is_told_to_nobody_unless_the_operator_says_so(
    emsp: type[Emsp], evse: Evse, settings: Any
) -> None:
    assert authorize(uid="04BB", evse=evse).allowed is Allowed.UNKNOWN_TOKEN
    assert emsp.questions == []
    settings.ASK_UNKNOWN_TOKENS = ["NL*OFF", "NL*ONE", "NL*TWO", "NL*EMS"]
    payer = cdr_token("04BB", party_id="TWO")
    emsp.answers = {
        "ONE": RealtimeAnswer(Allowed.UNKNOWN_TOKEN),
        "TWO": RealtimeAnswer(YES, payer),
    }

    authorization = authorize(uid="04BB", evse=evse)

    # In the order of the setting, only those that are connected, and not further than needed.
    assert [one.party_id for one in emsp.questions] == ["ONE", "TWO"]
    assert (authorization.allowed, authorization.cdr_token) == (YES, payer)


@pytest.mark.rule("TOK-25", "TOK-28")
@pytest.mark.parametrize("payer", [None, cdr_token("04BB", party_id="FOE")])
def test_for_an_unknown_token_its_emsp_must_say_who_of_its_own_pays(
    emsp: type[Emsp], evse: Evse, settings: Any, payer: CdrToken | None
) -> None:
    settings.ASK_UNKNOWN_TOKENS = ["NL*EMS"]
    emsp.answers["EMS"] = RealtimeAnswer(YES, payer)

    authorization = authorize(uid="04BB", evse=evse)

    assert (authorization.allowed, authorization.cdr_token) == (Allowed.UNKNOWN_TOKEN, None)


@pytest.mark.rule("TOK-25")
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


@pytest.mark.rule("TOK-08")
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

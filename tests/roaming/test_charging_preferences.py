"""PUT charging_preferences (OCPI 2.2.1, mod_sessions, Sender interface)."""

from datetime import timedelta
from typing import Any

import pytest

from cpo_platform.common import clock
from cpo_platform.common.json import format_datetime
from roaming.models import Change, Partner
from sessions_app.models import Session
from sessions_app.operations import sessions
from tests.factories import LocationFactory, SessionFactory, TariffFactory, cdr_token, connector
from tests.factories import evse as evse_of
from tests.roaming.conftest import Registered, Reply, make_partner

pytestmark = pytest.mark.django_db

GREEN: dict[str, Any] = {"profile_type": "GREEN", "energy_need": 20}


@pytest.fixture(params=["2.2.1", "2.3.0"])
def partner(request: pytest.FixtureRequest) -> Registered:
    """NL*EMS, in each version that has preferences."""
    made = make_partner()
    Partner.objects.filter(pk=made.partner.pk).update(version=request.param)
    made.partner.refresh_from_db()
    return made


@pytest.fixture
def session(partner: Registered) -> Session:
    """Return a session of the partner at a connector that sells GREEN and FAST."""
    return charging("E1")


def charging(uid: str, *, capable: bool = True, **fields: Any) -> Session:
    now = clock.now() - timedelta(minutes=5)
    for tariff_id, kind in (("T-REGULAR", ""), ("T-GREEN", "GREEN"), ("T-FAST", "FAST")):
        TariffFactory(id=tariff_id, type=f"PROFILE_{kind}" if kind else "REGULAR", now=now)
    capabilities = ["CHARGING_PREFERENCES_CAPABLE"] if capable else ["RFID_READER"]
    tariff_ids = ["T-REGULAR", "T-GREEN", "T-FAST"]
    location = LocationFactory(
        now=now,
        evses=[
            evse_of(uid, capabilities=capabilities)
            | {"connectors": [connector(tariff_ids=tariff_ids)]}
        ],
    )
    return SessionFactory(
        connector=location.evses.get().connectors.get(),
        now=now,
        **({"cdr_token": cdr_token()} | fields),
    )


def put(who: Registered, session: Session | str, body: Any) -> Reply:
    session_id = session if isinstance(session, str) else session.ocpi_id
    path = f"/ocpi/{who.partner.version}/sessions/{session_id}/charging_preferences"
    return who.call("PUT", path, body)


def leaving(**by: float) -> dict[str, str]:
    return {"departure_time": format_datetime(clock.now() + timedelta(**by))}


@pytest.mark.rule("SES-18")
@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({"profile_type": "REGULAR"}, "ACCEPTED"),
        ({"profile_type": "FAST"}, "ACCEPTED"),
        (GREEN | {"hours": 8}, "ACCEPTED"),
        (GREEN, "DEPARTURE_REQUIRED"),
        ({"profile_type": "GREEN", "hours": 8}, "ENERGY_NEED_REQUIRED"),
        # 20 kWh in half an hour are more than 22 kW give.
        (GREEN | {"hours": 0.5}, "NOT_POSSIBLE"),
        ({"profile_type": "FAST", "hours": -1}, "NOT_POSSIBLE"),
        ({"profile_type": "CHEAP", "hours": 8, "energy_need": 20}, "PROFILE_TYPE_NOT_SUPPORTED"),
    ],
)
def test_the_answer_is_one_word_as_a_string(
    partner: Registered, session: Session, wanted: dict[str, Any], answer: str
) -> None:
    body = {name: value for name, value in wanted.items() if name != "hours"}
    if "hours" in wanted:
        body |= leaving(hours=wanted["hours"])

    reply = put(partner, session, body)

    assert (reply.status, reply.code, reply.data) == (200, 1000, answer)
    session.refresh_from_db()
    assert (session.charging_preferences is not None) == (answer == "ACCEPTED")


@pytest.mark.rule("SES-18")
def test_a_session_that_is_over_cannot_be_given_any(partner: Registered, session: Session) -> None:
    sessions.stop_session(session_id=session.pk, ended_at=clock.now(), now=clock.now())

    assert put(partner, session, {"profile_type": "FAST"}).data == "NOT_POSSIBLE"


@pytest.mark.rule("SES-18")
def test_an_evse_without_the_capability_is_404_and_2001(partner: Registered) -> None:
    plain = charging("E2", capable=False)

    reply = put(partner, plain, {"profile_type": "FAST"})

    assert (reply.status, reply.code) == (404, 2001)
    assert Session.objects.get().charging_preferences is None


@pytest.mark.rule("SES-18", "SES-20")
def test_only_who_owns_the_token_may_set_them(partner: Registered) -> None:
    foreign = charging("E3", cdr_token=cdr_token(party_id="FOE"))

    replies = [put(partner, one, {"profile_type": "FAST"}) for one in (foreign, "nothing-like-it")]

    assert [(reply.status, reply.code) for reply in replies] == [(404, 2001), (404, 2001)]
    assert Session.objects.get().charging_preferences is None


def test_a_session_of_another_party_of_ours_is_unknown(
    partner: Registered, session: Session
) -> None:
    LocationFactory(party_id="TWO")
    partner.call.headers |= {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "TWO"}

    assert put(partner, session, {"profile_type": "FAST"}).status == 404


@pytest.mark.rule("SES-18")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "profile_type"),
        ({"profile_type": "ECO"}, "profile_type"),
        ({"profile_type": "FAST", "departure_time": "soon"}, "departure_time"),
        ({"profile_type": "FAST", "energy_need": -1}, "energy_need"),
        ([], ""),
    ],
)
def test_what_are_no_preferences_is_2001_and_names_the_field(
    partner: Registered, session: Session, body: Any, field: str
) -> None:
    reply = put(partner, session, body)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]


@pytest.mark.rule("SES-19")
def test_what_is_accepted_is_kept_with_its_defaults_and_no_news_to_partners(
    partner: Registered, session: Session
) -> None:
    before = Change.objects.count()

    put(partner, session, {"profile_type": "FAST"})

    session.refresh_from_db()
    assert session.charging_preferences == {"profile_type": "FAST", "discharge_allowed": False}
    assert Change.objects.count() == before

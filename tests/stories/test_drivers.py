"""Drivers at the station: a card before the reader, a cable that does not come out."""

import pytest

from cpo_platform.common import clock
from locations.models import Capability, Evse
from sessions_app.simulator import SimulatedStations
from sessions_app.stations import StationResult
from tests.conftest import Clock
from tests.factories import LocationFactory, TariffFactory, evse
from tests.stories.conftest import Registered, charge, finished, result_of, session_of, settle

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"]),
]

CAPABILITIES = [
    Capability.REMOTE_START_STOP_CAPABLE,
    Capability.RFID_READER,
    Capability.UNLOCK_CAPABLE,
]
ASKED = "04B0B0B0B0B0B0"


@pytest.fixture(autouse=True)
def network() -> None:
    LocationFactory(
        id="SITE",
        tariff=TariffFactory(id="DAY"),
        evses=[evse("E1", capabilities=CAPABILITIES)],
        now=clock.now(),
    )


@pytest.mark.rule("TOK-21", "TOK-23", "TOK-25", "SES-12", "CDR-19")
def test_a_card_is_asked_about_in_real_time_and_its_session_says_so(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    emsp = registered(version)
    emsp.push_tokens()
    settle(platform_clock)
    emsp.wait_for(lambda e: e.objects("locations"), what="the location")
    station, place = SimulatedStations(), Evse.objects.get(uid="E1").pk

    emsp.answer_authorization(ASKED, "NO_CREDIT")
    refused = station.present_token(evse_id=place, uid=ASKED, now=clock.now())
    assert refused.result is StationResult.REJECTED
    assert "NO_CREDIT" in refused.message

    emsp.answer_authorization(ASKED, "ALLOWED")
    allowed = station.present_token(evse_id=place, uid=ASKED, now=clock.now())
    assert allowed.result is StationResult.ACCEPTED
    charge(platform_clock, minutes=20)
    emsp.wait_for(lambda e: session_of(e).get("status") == "ACTIVE", what="the session")
    assert session_of(emsp)["auth_method"] == "AUTH_REQUEST"
    emsp.stop_session(session_of(emsp)["id"])
    emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")
    asked = emsp.messages(direction="in", module="tokens", method="POST")
    assert [entry["status_code"] for entry in asked] == [1000, 1000]
    assert emsp.violations() == []


@pytest.mark.rule("CMD-26")
def test_the_help_desk_unlocks_a_connector(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    emsp = registered(version)
    settle(platform_clock)
    emsp.wait_for(lambda e: e.objects("locations"), what="the location")
    command = emsp.unlock_connector(location_id="SITE", evse_uid="E1", connector_id="1")
    emsp.wait_for(finished(command), what="the result")
    assert result_of(emsp, command) == "ACCEPTED"
    assert emsp.violations() == []

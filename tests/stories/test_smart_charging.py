"""A partner limits the car of its driver, and is told what the station makes of it."""

from decimal import Decimal
from typing import Any

import pytest

from cpo_platform.common import clock
from locations.models import Capability, Evse
from sandbox.emsp import Emsp
from sessions_app.simulator import SimulatedStations
from tests.conftest import Clock
from tests.factories import LocationFactory, TariffFactory, evse
from tests.stories.conftest import Registered, charge, result_of, session_of, settle

pytestmark = pytest.mark.django_db(transaction=True)

SMART = [
    Capability.REMOTE_START_STOP_CAPABLE,
    Capability.CHARGING_PROFILE_CAPABLE,
    Capability.CHARGING_PREFERENCES_CAPABLE,
]
SLOW = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 4000}],
}
LATER = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])


@pytest.fixture(autouse=True)
def network() -> None:
    LocationFactory(
        id="SITE",
        tariff=TariffFactory(id="DAY"),
        evses=[evse("E1", capabilities=SMART)],
        now=clock.now(),
    )


@pytest.fixture
def emsp(
    registered: Registered, worker: None, platform_clock: Clock, request: pytest.FixtureRequest
) -> Emsp:
    """A partner of the version the test asks for, whose driver charges at E1."""
    partner = registered(request.getfixturevalue("version"))
    partner.push_tokens()
    settle(platform_clock)
    partner.wait_for(lambda e: e.objects("locations"), what="the location")
    started = partner.start_session(location_id="SITE", evse_uid="E1", token_uid="app-anna")
    partner.wait_for(lambda e: result_of(e, started), what="the result of the start")
    charge(platform_clock, minutes=6)
    partner.wait_for(lambda e: session_of(e).get("status") == "ACTIVE", what="the session")
    return partner


def answered(emsp: Emsp, request: dict[str, Any]) -> str:
    """Wait for the result of a request about a profile, and return it."""
    assert request["response"]["result"] == "ACCEPTED"
    emsp.wait_for(lambda e: (e.profile_request(request["id"]) or {})["result"], what="a result")
    return str((emsp.profile_request(request["id"]) or {})["result"]["result"])


def limit_of(emsp: Emsp) -> tuple[Decimal, str]:
    """Return the first limit of the last ActiveChargingProfile in kW, and how we came by it."""
    active = emsp.active_profile(session_of(emsp)["id"])
    if active is None:
        return Decimal(0), ""
    profile = active["profile"]["charging_profile"]
    assert profile["charging_rate_unit"] == "W"
    return Decimal(str(profile["charging_profile_period"][0]["limit"])) / 1000, active["how"]


@pytest.mark.rule("CP-01", "CP-02", "CP-04", "CP-05", "CP-07", "CP-10", "CP-12")
@LATER
def test_a_limit_is_set_read_lowered_by_the_station_and_lifted(
    emsp: Emsp, platform_clock: Clock, version: str
) -> None:
    session_id = session_of(emsp)["id"]
    station, place = SimulatedStations(), Evse.objects.get(uid="E1").pk

    # A local limit of the station is nobody's business as long as nobody has set a profile.
    station.limit_power(evse_id=place, power_kw=Decimal(10), now=clock.now())
    settle(platform_clock)
    assert answered(emsp, emsp.get_profile(session_id, duration=600)) == "ACCEPTED"
    assert limit_of(emsp) == (Decimal(10), "result")
    assert answered(emsp, emsp.get_profile(session_id, encoded=False)) == "ACCEPTED"
    station.limit_power(evse_id=place, power_kw=None, now=clock.now())
    settle(platform_clock)

    # The partner sets one, and is told from now on.
    assert answered(emsp, emsp.set_profile(session_id, SLOW)) == "ACCEPTED"
    settle(platform_clock)
    station.limit_power(evse_id=place, power_kw=Decimal(3), now=clock.now())
    settle(platform_clock)
    emsp.wait_for(lambda e: limit_of(e) == (Decimal(3), "told"), what="the station's limit")

    # What the car gets is no more than that.
    before = session_of(emsp)["kwh"]
    platform_clock.forward(minutes=60)
    station.advance(now=clock.now())
    settle(platform_clock)
    emsp.wait_for(lambda e: session_of(e).get("kwh", 0) > before, what="energy")
    assert session_of(emsp)["kwh"] - before < 3.3

    # Without any limit it is all the connector can give.
    station.limit_power(evse_id=place, power_kw=None, now=clock.now())
    assert answered(emsp, emsp.clear_profile(session_id)) == "ACCEPTED"
    settle(platform_clock)
    emsp.wait_for(lambda e: limit_of(e)[0] > 20, what="the connector's maximum")
    assert answered(emsp, emsp.clear_profile(session_id)) == "UNKNOWN"
    assert emsp.violations() == []


@pytest.mark.rule("SES-18")
@LATER
def test_preferences_are_answered_and_shown(emsp: Emsp, version: str) -> None:
    session_id = session_of(emsp)["id"]
    assert emsp.set_preferences(session_id, profile_type="CHEAP") in {
        "DEPARTURE_REQUIRED",
        "ENERGY_NEED_REQUIRED",
        "PROFILE_TYPE_NOT_SUPPORTED",
    }
    assert emsp.set_preferences(session_id, profile_type="REGULAR") == "ACCEPTED"
    assert emsp.violations() == []

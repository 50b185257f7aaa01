"""Commands, charging preferences and charging profiles, with what comes back."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.emsp import Emsp, running_emsp
from tests.sandbox import objects
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.objects import T0
from tests.sandbox.other_versions import LOCATIONS, TARIFFS
from tests.sandbox.wire import Got, call

Pair = tuple[Emsp, FakeCpo]
CARD = "04A1B2C3D4E5F6"
PROFILE = {
    "start_date_time": T0,
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 4000}],
}
ACTIVE = {"start_date_time": T0, "charging_profile": PROFILE}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(params=["2.1.1", "2.2.1", "2.3.0"])
def pair(request: pytest.FixtureRequest, cpo: FakeCpo) -> Iterator[Pair]:
    cpo.version = request.param
    if cpo.plain:
        cpo.command_answer = {"result": "ACCEPTED"}
    with running_emsp(ocpi_version=request.param) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        yield emsp, cpo


@pytest.fixture
def later(cpo: FakeCpo) -> Iterator[Pair]:
    with running_emsp(ocpi_version="2.3.0") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        yield emsp, cpo


def rules(emsp: Emsp) -> list[str]:
    return [entry["rule"] for entry in emsp.violations()]


def answer(cpo: FakeCpo, url: str, **result: Any) -> Got:
    return call("POST", url, result, token=cpo.outbound, plain=cpo.plain)


def test_commands_have_the_shape_of_the_version(pair: Pair) -> None:
    emsp, cpo = pair
    started = emsp.start_session(
        location_id="LOC-1", evse_uid="EVSE-1", connector_id="1", token_uid="app-anna"
    )
    emsp.reserve_now(location_id="LOC-1", evse_uid="EVSE-1", token_uid=CARD, reservation_id="77")
    emsp.unlock_connector(location_id="LOC-1", evse_uid="EVSE-1", connector_id="1")
    start, reserve, unlock = cpo.commands
    assert f"/ocpi/{cpo.version}/commands/START_SESSION/" in start["response_url"]
    assert reserve["reservation_id"] == (77 if cpo.plain else "77")
    assert unlock["connector_id"] == "1"
    if cpo.plain:
        assert start.keys() == {"name", "response_url", "token", "location_id", "evse_uid"}
        assert start["token"]["auth_id"] == "NL-EMS-C10000001"
        assert "." not in reserve["expiry_date"]
    else:
        assert start["token"]["country_code"] == "NL"
        assert start["authorization_reference"] != reserve["authorization_reference"]
    assert answer(cpo, start["response_url"], result="ACCEPTED").code == 1000
    assert (emsp.command(started["id"]) or {})["result"] == {"result": "ACCEPTED"}
    assert emsp.violations() == []


def test_a_result_has_the_shape_of_the_version(pair: Pair) -> None:
    emsp, cpo = pair
    emsp.start_session(location_id="LOC-1", evse_uid="EVSE-1", token_uid=CARD)
    url = cpo.commands[0]["response_url"]
    # EVSE_OCCUPIED came with CommandResult, in OCPI 2.2; 2.1.1 has the values of CommandResponse.
    assert answer(cpo, url, result="EVSE_OCCUPIED").code == (2001 if cpo.plain else 1000)
    assert rules(emsp) == (["enum"] if cpo.plain else [])


def test_a_cpo_may_cancel_a_reservation_once(later: Pair) -> None:
    emsp, cpo = later
    made = emsp.reserve_now(location_id="LOC-1", evse_uid="EVSE-1", token_uid=CARD)
    url = cpo.commands[0]["response_url"]
    answer(cpo, url, result="ACCEPTED")
    answer(cpo, url, result="CANCELED_RESERVATION")
    stored = emsp.command(made["id"]) or {}
    assert stored["result"] == {"result": "ACCEPTED"}
    assert stored["cancellation"] == {"result": "CANCELED_RESERVATION"}
    assert emsp.violations() == []
    answer(cpo, url, result="CANCELED_RESERVATION")
    assert rules(emsp) == ["duplicate-result"]


def test_a_reservation_is_cancelled_by_its_id(later: Pair) -> None:
    emsp, cpo = later
    emsp.reserve_now(location_id="LOC-1", token_uid=CARD, reservation_id="R1")
    cancelled = emsp.cancel_reservation("R1")
    assert cpo.commands[-1]["reservation_id"] == "R1"
    answer(cpo, cpo.commands[-1]["response_url"], result="UNKNOWN_RESERVATION")
    stored = emsp.command(cancelled["id"]) or {}
    assert stored["result"] == {"result": "UNKNOWN_RESERVATION"}
    assert emsp.violations() == []


def test_preferences_are_answered_with_a_word(later: Pair) -> None:
    emsp, cpo = later
    assert emsp.set_preferences("SESSION-1", profile_type="CHEAP", energy_need=20) == "ACCEPTED"
    assert cpo.preferences == [{"profile_type": "CHEAP", "energy_need": 20}]
    cpo.preferences_answer = "PERHAPS"
    assert emsp.set_preferences("SESSION-1", profile_type="CHEAP") == "PERHAPS"
    assert rules(emsp) == ["enum"]


def test_a_profile_is_set_read_and_cleared(later: Pair) -> None:
    emsp, cpo = later
    made = emsp.set_profile("SESSION-1", PROFILE)
    assert made["response"] == {"result": "ACCEPTED", "timeout": 30}
    [asked] = cpo.profiles
    assert (asked["method"], asked["body"]["charging_profile"]) == ("PUT", PROFILE)
    answer(cpo, asked["body"]["response_url"], result="ACCEPTED")
    assert (emsp.profile_request(made["id"]) or {})["result"] == {"result": "ACCEPTED"}

    # From now on the CPO tells every change, unasked.
    assert cpo.push("PUT", "chargingprofiles/SESSION-1", ACTIVE).code == 1000
    assert (emsp.active_profile("SESSION-1") or {})["how"] == "told"

    emsp.get_profile("SESSION-1", duration=600)
    asked = cpo.profiles[-1]
    assert (asked["method"], asked["query"]["duration"]) == ("GET", ["600"])
    answer(cpo, asked["query"]["response_url"][0], result="ACCEPTED", profile=ACTIVE)
    assert (emsp.active_profile("SESSION-1") or {})["how"] == "result"

    emsp.get_profile("SESSION-1", encoded=False)
    assert f"response_url={emsp.url}/ocpi/2.3.0/" in cpo.calls[-1]

    emsp.clear_profile("SESSION-1")
    asked = cpo.profiles[-1]
    assert asked["method"] == "DELETE"
    answer(cpo, asked["query"]["response_url"][0], result="UNKNOWN")
    assert emsp.violations() == []


def test_a_profile_nobody_set_is_recorded(later: Pair) -> None:
    emsp, cpo = later
    cpo.push("PUT", "chargingprofiles/SESSION-1", ACTIVE)
    emsp.get_profile("SESSION-2")
    url = cpo.profiles[-1]["query"]["response_url"][0]
    answer(cpo, url, result="REJECTED", profile=ACTIVE)
    answer(cpo, url, result="PERHAPS")
    assert cpo.push("PUT", "chargingprofiles/SESSION-1", {"start_date_time": T0}).code == 2001
    assert rules(emsp) == [
        "profile-not-expected",
        "profile-not-expected",
        "enum",
        "required",
    ]


def test_every_request_has_a_button(pair: Pair) -> None:
    emsp, cpo = pair
    version = cpo.version
    cpo.push("PUT", "tariffs/NL/CPO/TARIFF-1", TARIFFS[version]())
    cpo.push("PUT", "locations/NL/CPO/LOC-1", LOCATIONS[version]())
    page = call("GET", f"{emsp.url}/locations").text
    assert page.count("/actions/reserve") == page.count("/actions/unlock") == 1

    def press(name: str, fields: str) -> str:
        raw = f"back=/sessions&{fields}".encode()
        done = call("POST", f"{emsp.url}/actions/{name}", raw=raw, headers=FORM)
        return done.headers["Location"]

    place = "location_id=LOC-1&evse_uid=EVSE-1&connector_id=1"
    assert "notice=RESERVE_NOW" in press("reserve", f"{place}&token_uid={CARD}&reservation_id=7")
    assert "notice=UNLOCK" in press("unlock", place)
    answer(cpo, cpo.commands[0]["response_url"], result="ACCEPTED")
    commands = call("GET", f"{emsp.url}/sessions").text
    assert ("/actions/cancel" in commands) == (not cpo.plain)
    if cpo.plain:
        return
    cpo.push("PUT", "sessions/NL/CPO/SESSION-1", objects.session())
    page = call("GET", f"{emsp.url}/sessions").text
    for name in ("preferences", "set_profile", "get_profile", "clear_profile"):
        assert f"/actions/{name}" in page
    session = "session_id=SESSION-1"
    assert "answers+ACCEPTED" in press("preferences", f"{session}&profile_type=FAST")
    assert "notice=" in press("set_profile", f"{session}&limit=4000&unit=W")
    assert cpo.profiles[-1]["body"]["charging_profile"] == {
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 4000.0}],
    }
    assert "notice=" in press("get_profile", f"{session}&limit=4000&unit=W")
    assert "notice=" in press("clear_profile", f"{session}&limit=4000&unit=W")
    assert "notice=" in press("cancel", "reservation_id=7")
    assert "notice=" in press("switch", "version=2.2.1")
    assert emsp.version == "2.2.1"

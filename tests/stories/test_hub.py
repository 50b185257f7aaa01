"""Two eMSPs behind one hub: in the way of OCPI 2.2.1, and in that of 2.3.0."""

from collections.abc import Callable

import pytest

from cpo_platform.common import clock
from sandbox.emsp import Emsp
from tests.conftest import Clock
from tests.factories import LocationFactory, TariffFactory, evse
from tests.stories.conftest import Registered, charge, finished, result_of, settle, status_at

pytestmark = pytest.mark.django_db(transaction=True)

DRIVERS = {"EM1": "E1", "EM2": "E2"}


@pytest.fixture(autouse=True)
def network() -> None:
    LocationFactory(
        id="SITE",
        tariff=TariffFactory(id="DAY"),
        evses=[evse("E1"), evse("E2")],
        now=clock.now(),
    )


def owners(emsp: Emsp, module: str) -> list[str]:
    """Return the parties whose sessions or CDRs the hub holds."""
    return sorted(body["cdr_token"]["party_id"] for body in emsp.objects(module))


def addressees(emsp: Emsp, module: str) -> set[str]:
    """Return the parties that pushes of a module were for."""
    messages = emsp.messages(direction="in", module=module)
    return {message["to"] for message in messages if message["method"] != "GET"}


def both_addressed(module: str) -> Callable[[Emsp], bool]:
    """Return what to wait for: pushes of a module to each of the two parties, and no other."""
    return lambda hub: addressees(hub, module) == {"NL*EM1", "DE*EM2"}


@pytest.mark.rule("TR-60", "TR-61", "HCI-01", "CMD-12")
@pytest.mark.parametrize(
    "version",
    [
        pytest.param("2.2.1", marks=pytest.mark.rule("TR-65", "HCI-04")),
        pytest.param("2.3.0", marks=pytest.mark.rule("TR-66")),
    ],
)
def test_a_hub_brings_commands_of_two_parties_and_gets_each_its_own_bill(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    hub = registered(version, party_id="HUB", role="HUB", auto_grant=True, hub_for="NL*EM1,DE*EM2")
    settle(platform_clock)
    for party in ("NL*EM1", "DE*EM2"):
        hub.client_info(party, "CONNECTED")
    hub.push_tokens()

    # What everybody may see is pushed once, to the hub.
    settle(platform_clock)
    hub.wait_for(lambda e: status_at(e, "E1") == "AVAILABLE", what="the location")
    assert addressees(hub, "locations") == {"NL*HUB"}

    # Each party's driver starts a car, and each party is told of its own session.
    commands = [
        hub.start_session(location_id="SITE", evse_uid=uid, token_uid=f"app-anna-{party}")
        for party, uid in DRIVERS.items()
    ]
    for command in commands:
        hub.wait_for(finished(command), what="a result")
        assert result_of(hub, command) == "ACCEPTED"
    charge(platform_clock, minutes=30)
    hub.wait_for(lambda e: owners(e, "sessions") == ["EM1", "EM2"], what="two sessions")
    hub.wait_for(
        lambda e: all(session["status"] == "ACTIVE" for session in e.objects("sessions")),
        what="two cars that charge",
    )
    for session in hub.objects("sessions"):
        hub.stop_session(session["id"])
    hub.wait_for(lambda e: owners(e, "cdrs") == ["EM1", "EM2"], what="two CDRs")
    for module in ("sessions", "cdrs"):
        hub.wait_for(both_addressed(module), what=f"{module} to both")
    assert hub.violations() == []


@pytest.mark.rule("HCI-02", "TR-133")
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_a_party_that_is_offline_is_told_when_it_is_back(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    hub = registered(version, party_id="HUB", role="HUB", auto_grant=True, hub_for="NL*EM1,DE*EM2")
    for party in ("NL*EM1", "DE*EM2"):
        hub.client_info(party, "CONNECTED")
    hub.push_tokens()
    settle(platform_clock)
    hub.wait_for(lambda e: status_at(e, "E1") == "AVAILABLE", what="the location")
    commands = [
        hub.start_session(location_id="SITE", evse_uid=uid, token_uid=f"app-anna-{party}")
        for party, uid in DRIVERS.items()
    ]
    for command in commands:
        hub.wait_for(finished(command), what="a result")
    hub.client_info("DE*EM2", "OFFLINE")
    charge(platform_clock, minutes=30)
    settle(platform_clock)
    hub.wait_for(lambda e: "EM1" in owners(e, "sessions"), what="the session of EM1")
    assert owners(hub, "sessions") == ["EM1"]

    hub.client_info("DE*EM2", "CONNECTED")
    settle(platform_clock)
    hub.wait_for(lambda e: owners(e, "sessions") == ["EM1", "EM2"], what="the session of EM2")
    assert hub.violations() == []

"""Partners of different versions beside each other, and one that moves from one to the next."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from locations.models import Evse, Status
from locations.operations import set_evse_status
from roaming.models import Partner
from roaming.ocpi import handshake
from sandbox.emsp import Emsp, running_emsp
from tests.conftest import Clock
from tests.factories import LocationFactory, TariffFactory, evse
from tests.stories.conftest import Registered, charge, result_of, session_of, settle, status_at

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def network() -> None:
    LocationFactory(
        id="SITE",
        tariff=TariffFactory(id="DAY"),
        evses=[evse("E1"), evse("E2")],
        now=clock.now(),
    )


def knows_the_network(emsp: Emsp) -> bool:
    return bool(emsp.objects("locations") and emsp.objects("tariffs"))


def shown(status: Status) -> Callable[[Emsp], bool]:
    """Return what to wait for: a status at E1."""
    return lambda emsp: status_at(emsp, "E1") == status


@pytest.mark.rule("TR-03", "TR-04", "LOC-07", "SES-03", "CDR-04")
def test_three_partners_see_the_same_change_each_in_its_version(
    registered: Registered, worker: None, platform_clock: Clock
) -> None:
    versions = {"OLD": "2.1.1", "MID": "2.2.1", "NEW": "2.3.0"}
    emsps = {name: registered(version, party_id=name) for name, version in versions.items()}
    settle(platform_clock)
    for emsp in emsps.values():
        emsp.push_tokens()
        emsp.wait_for(knows_the_network, what="the network")

    set_evse_status(
        evse_id=Evse.objects.get(uid="E2").pk, status=Status.OUTOFORDER, now=clock.now()
    )
    settle(platform_clock)
    for emsp in emsps.values():
        emsp.wait_for(lambda e: status_at(e, "E2") == Status.OUTOFORDER, what="the fault")
    places = {name: emsp.objects("locations")[0] for name, emsp in emsps.items()}
    assert "type" in places["OLD"]
    assert {"country_code", "publish"}.isdisjoint(places["OLD"])
    assert places["MID"] == places["NEW"]

    # What one partner's driver does, the others are not told.
    started = emsps["OLD"].start_session(
        location_id="SITE", evse_uid="E1", token_uid="04A1B2C3D4E5F6"
    )
    emsps["OLD"].wait_for(lambda e: result_of(e, started), what="the result")
    charge(platform_clock, minutes=20)
    emsps["OLD"].wait_for(lambda e: session_of(e).get("status") == "ACTIVE", what="the session")
    emsps["OLD"].stop_session(session_of(emsps["OLD"])["id"])
    emsps["OLD"].wait_for(lambda e: e.objects("cdrs"), what="the CDR")
    for name in ("MID", "NEW"):
        assert emsps[name].pull("sessions", "cdrs") == {"sessions": 0, "cdrs": 0}
        assert emsps[name].objects("sessions") == []
    for emsp in emsps.values():
        assert emsp.violations() == []


@pytest.mark.rule("CR-04", "CR-31")
def test_a_partner_moves_to_newer_versions_and_back(
    registered: Registered, worker: None, platform_clock: Clock
) -> None:
    emsp = registered("2.1.1")
    settle(platform_clock)
    emsp.wait_for(knows_the_network, what="the network")
    for version in ("2.2.1", "2.3.0", "2.1.1"):
        tokens = emsp.inbound_token, emsp.outbound_token
        emsp.switch_version(version)
        assert emsp.version == version
        assert {emsp.inbound_token, emsp.outbound_token}.isdisjoint(tokens)
        settle(platform_clock)
        emsp.wait_for(knows_the_network, what=f"the network in {version}")
        assert ("publish" in emsp.objects("locations")[0]) == (version != "2.1.1")
        status = {"2.2.1": Status.BLOCKED, "2.3.0": Status.INOPERATIVE}.get(version, Status.UNKNOWN)
        set_evse_status(evse_id=Evse.objects.get(uid="E1").pk, status=status, now=clock.now())
        settle(platform_clock)
        emsp.wait_for(shown(status), what=f"{status} in {version}")
    assert emsp.violations() == []


@pytest.mark.rule("TR-06", "CR-20", "CR-31", "VE-11")
@pytest.mark.parametrize(
    ("offers", "chosen"),
    [("2.1.1", "2.1.1"), ("2.1.1,2.2.1", "2.2.1"), ("2.1.1,2.2.1,2.3.0", "2.3.0")],
)
def test_we_register_in_the_newest_version_that_a_partner_offers(
    settings: Settings, platform: str, worker: None, platform_clock: Clock, offers: str, chosen: str
) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with running_emsp(ocpi_version="newest", offers=offers) as emsp:
        handshake.register_with_partner(
            name="Partner",
            versions_url=emsp.versions_url,
            token_a=emsp.own_token_a,
            now=clock.now(),
        )
        assert emsp.version == chosen
        settle(platform_clock)
        emsp.wait_for(knows_the_network, what="the network")
        assert emsp.push_tokens() == 4

        # It offers more afterwards: staff moves the connection there.
        emsp.offer("2.3.0")
        handshake.update_registration(
            partner_id=Partner.objects.get().pk, version="2.3.0", now=clock.now()
        )
        assert emsp.version == "2.3.0"
        settle(platform_clock)
        emsp.wait_for(knows_the_network, what="the network in 2.3.0")
        assert emsp.violations() == []

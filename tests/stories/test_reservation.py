"""A driver keeps an EVSE free for himself; it is given back by him, by us, or by time."""

import pytest

from cpo_platform.common import clock
from locations.models import Capability, Evse, Status
from locations.operations import set_evse_status
from sandbox.emsp import Emsp
from sandbox.emsp.recompute import recompute
from sessions_app.tasks import tend_reservations
from tests.conftest import Clock
from tests.factories import LocationFactory, TariffFactory, evse, price
from tests.stories.conftest import (
    Registered,
    charge,
    result_of,
    session_of,
    settle,
    status_at,
)

pytestmark = pytest.mark.django_db(transaction=True)

RESERVABLE = [Capability.REMOTE_START_STOP_CAPABLE, Capability.RESERVABLE]
LATER = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])


@pytest.fixture(autouse=True)
def network() -> None:
    """A site in Amsterdam where an EVSE may be reserved: 2.00 EUR an hour, then 0.40 EUR/kWh."""
    reserved = {
        "price_components": [price("TIME", "2.00")],
        "restrictions": {"reservation": "RESERVATION"},
    }
    tariff = TariffFactory(
        id="DAY", elements=[reserved, {"price_components": [price("ENERGY", "0.40")]}]
    )
    LocationFactory(
        id="SITE", tariff=tariff, evses=[evse("E1", capabilities=RESERVABLE)], now=clock.now()
    )


def reserve(emsp: Emsp, platform_clock: Clock) -> dict[str, str]:
    """Reserve E1 as R1 and wait until both sides know."""
    settle(platform_clock)
    emsp.wait_for(lambda e: status_at(e, "E1") == Status.AVAILABLE, what="the location")
    command = emsp.reserve_now(
        location_id="SITE", evse_uid="E1", token_uid="app-anna", reservation_id="1001"
    )
    assert command["response"]["result"] == "ACCEPTED"
    emsp.wait_for(lambda e: result_of(e, command), what="the result")
    assert result_of(emsp, command) == "ACCEPTED"
    emsp.wait_for(lambda e: status_at(e, "E1") == Status.RESERVED, what="RESERVED")
    return command


@pytest.mark.rule("CMD-22", "CMD-24", "SES-13")
@LATER
def test_a_driver_reserves_and_cancels(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    emsp = registered(version)
    emsp.push_tokens()
    reserve(emsp, platform_clock)
    emsp.wait_for(lambda e: session_of(e).get("status") == "RESERVATION", what="the session")

    cancelled = emsp.cancel_reservation("1001")
    emsp.wait_for(lambda e: result_of(e, cancelled), what="the result of the cancel")
    assert result_of(emsp, cancelled) == "ACCEPTED"
    emsp.wait_for(lambda e: status_at(e, "E1") == Status.AVAILABLE, what="AVAILABLE")
    emsp.wait_for(lambda e: session_of(e).get("status") == "COMPLETED", what="the end")

    again = emsp.cancel_reservation("1001")
    emsp.wait_for(lambda e: result_of(e, again), what="the second result")
    assert result_of(emsp, again) == "UNKNOWN_RESERVATION"
    assert emsp.violations() == []


@pytest.mark.rule("CMD-23")
@LATER
def test_a_defect_takes_a_reservation_back_and_its_driver_is_told(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    emsp = registered(version)
    emsp.push_tokens()
    command = reserve(emsp, platform_clock)

    set_evse_status(
        evse_id=Evse.objects.get(uid="E1").pk, status=Status.OUTOFORDER, now=clock.now()
    )
    tend_reservations()

    emsp.wait_for(lambda e: (e.command(command["id"]) or {}).get("cancellation"), what="the word")
    stored = emsp.command(command["id"]) or {}
    assert stored["cancellation"]["result"] == "CANCELED_RESERVATION"
    assert stored["result"]["result"] == "ACCEPTED"
    emsp.wait_for(lambda e: session_of(e).get("status") == "COMPLETED", what="the end")
    assert emsp.violations() == []


@pytest.mark.rule("CMD-20", "CMD-25", "SES-13", "CDR-19")
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_the_reserved_evse_is_used_and_both_are_billed_once(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    emsp = registered(version)
    emsp.push_tokens()
    reserve(emsp, platform_clock)
    platform_clock.forward(minutes=5)

    started = emsp.start_session(location_id="SITE", evse_uid="E1", token_uid="app-anna")
    emsp.wait_for(lambda e: result_of(e, started), what="the result of the start")
    assert result_of(emsp, started) == "ACCEPTED"
    charge(platform_clock, minutes=30)
    emsp.wait_for(lambda e: session_of(e).get("kwh", 0) > 1, what="energy")
    assert len(emsp.objects("sessions")) == 1
    assert session_of(emsp)["status"] == "ACTIVE"
    emsp.stop_session(session_of(emsp)["id"])
    emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")
    emsp.wait_for(lambda e: session_of(e).get("status") == "COMPLETED", what="the end")

    (cdr,) = emsp.objects("cdrs")
    assert ("total_reservation_cost" in cdr) == (version != "2.1.1")
    assert emsp.violations() == []


@pytest.mark.rule("CMD-22", "SES-13", "CDR-20", "TAR-25")
@LATER
def test_a_driver_who_never_comes_gets_a_bill_for_the_reservation_alone(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    emsp = registered(version)
    emsp.push_tokens()
    reserve(emsp, platform_clock)
    platform_clock.forward(minutes=20)
    tend_reservations()
    settle(platform_clock)
    emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")
    emsp.wait_for(lambda e: session_of(e).get("status") == "COMPLETED", what="the end")
    emsp.wait_for(lambda e: status_at(e, "E1") == Status.AVAILABLE, what="AVAILABLE")

    cdr = emsp.read("cdrs", emsp.objects("cdrs")[0])
    assert cdr["total_energy"] == 0
    assert cdr["total_reservation_cost"] == cdr["total_cost"]
    # A quarter of an hour at 2.00 EUR an hour.
    assert cdr["total_cost"]["excl_vat"] == pytest.approx(0.5, abs=0.01)
    again = recompute(cdr, "Europe/Amsterdam")
    assert again is not None
    assert again.agrees
    assert emsp.violations() == []

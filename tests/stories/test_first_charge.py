"""The product as one story: an operator, a partner, a car; in every version of OCPI.

Everything between the platform and the eMSP goes over HTTP, as in the field; a real Celery worker
does the pushing. Only the clock is in our hands, so that an hour of charging takes no hour.
"""

from decimal import Decimal

import pytest

from cpo_platform.common import clock
from locations.models import Evse, Status
from locations.operations import set_evse_status
from sandbox.emsp.recompute import recompute
from sessions_app.models import Cdr, SessionStatus
from sessions_app.simulator import SimulatedStations
from tests.conftest import Clock
from tests.factories import LocationFactory, TariffFactory, evse, price
from tests.stories.conftest import Registered, result_of, session_of, settle, status_at

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def network() -> None:
    """A site in Amsterdam: 0.50 EUR to start and 0.40 EUR/kWh, plus 21 % VAT."""
    tariff = TariffFactory(
        id="DAY",
        elements=[{"price_components": [price("FLAT", "0.50"), price("ENERGY", "0.40")]}],
    )
    LocationFactory(id="SITE", tariff=tariff, evses=[evse("E1")], now=clock.now())


@pytest.mark.rule("CR-02", "LOC-29", "CMD-01", "CMD-14", "SES-01", "CDR-04", "CDR-07", "TAR-47")
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_a_partner_starts_a_car_and_gets_a_bill_it_can_recompute(
    registered: Registered, worker: None, platform_clock: Clock, version: str
) -> None:
    # The operator invites a partner; the partner registers by itself, in the version it speaks.
    emsp = registered(version)
    emsp.push_tokens()
    assert emsp.version == version

    # It is told of the network without asking; and what it may pull is the same.
    settle(platform_clock)
    emsp.wait_for(lambda e: e.get("locations", "NL", "TST", "SITE"), what="the location")
    assert emsp.get("tariffs", "NL", "TST", "DAY") is not None
    told = emsp.objects("locations")
    assert emsp.pull() == {"tariffs": 1, "locations": 1, "sessions": 0, "cdrs": 0}
    assert emsp.objects("locations") == told

    # A driver taps "start" in the eMSP's app, at the station.
    command = emsp.start_session(location_id="SITE", evse_uid="E1", token_uid="app-anna")
    assert command["response"]["result"] == "ACCEPTED"
    emsp.wait_for(lambda e: result_of(e, command), what="the command's result")
    assert result_of(emsp, command) == "ACCEPTED"

    # The car charges for an hour; the eMSP watches.
    station = SimulatedStations()
    for _step in range(3):
        platform_clock.forward(seconds=5)
        station.advance(now=clock.now())
    platform_clock.forward(minutes=60)
    station.advance(now=clock.now())
    emsp.wait_for(lambda e: session_of(e).get("kwh", 0) > 5, what="energy")
    assert session_of(emsp)["status"] == SessionStatus.ACTIVE
    # In a lane of its own: it may come before the session or after it.
    emsp.wait_for(lambda e: status_at(e, "E1") == Status.CHARGING, what="CHARGING")

    # "Stop": the session ends, and the bill comes.
    stop = emsp.stop_session(session_of(emsp)["id"])
    emsp.wait_for(lambda e: result_of(e, stop), what="the result of the stop")
    emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")
    emsp.wait_for(
        lambda e: session_of(e).get("status") == SessionStatus.COMPLETED, what="the session's end"
    )

    # The bill is what the tariff says, to the cent, from the CDR's own figures.
    (received,) = emsp.objects("cdrs")
    cdr = emsp.read("cdrs", received)
    net = Decimal("0.50") + Decimal(str(cdr["total_energy"])) * Decimal("0.40")
    assert Decimal(str(cdr["total_cost"]["excl_vat"])) == pytest.approx(net, abs=Decimal("0.0005"))
    again = recompute(cdr, "Europe/Amsterdam")
    assert again is not None
    assert again.agrees
    assert cdr["tariffs"][0]["id"] == "DAY"
    assert cdr["cdr_token"]["contract_id"] == "NL-EMS-C10000001"
    assert Cdr.objects.get().ocpi_id == cdr["id"]
    if version == "2.1.1":
        # No VAT, no token, no command as a way of authorisation: it knows none of them.
        assert received["auth_method"] == "AUTH_REQUEST"
        assert received["location"]["evses"][0]["uid"] == "E1"
    else:
        assert Decimal(str(cdr["total_cost"]["incl_vat"])) == pytest.approx(
            net * Decimal("1.21"), abs=Decimal("0.0005")
        )
        assert cdr["session_id"] == session_of(emsp)["id"]
        assert cdr["cdr_token"]["uid"] == "app-anna"
        assert cdr["auth_method"] == "COMMAND"

    # A fault at the station reaches the partner as well, and nothing we sent broke a rule.
    set_evse_status(
        evse_id=Evse.objects.get(uid="E1").pk, status=Status.OUTOFORDER, now=clock.now()
    )
    emsp.wait_for(lambda e: status_at(e, "E1") == Status.OUTOFORDER, what="the fault")
    assert emsp.violations() == []

"""A driver's app, our platform, a charger: three programs that know one another over the wire."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from cpo_platform.runner import processes
from locations.models import Capability, Location, Status
from ocpp_gateway import passwords
from ocpp_gateway.models import (
    AlertKind,
    Outlet,
    Station,
    StationAlert,
    StationCall,
    StationState,
    Transaction,
)
from ocpp_gateway.tasks import digest_news
from roaming.models import Message
from roaming.tasks import wake_feeds
from sandbox.charger import running
from sandbox.charger.handle import Handle
from sandbox.emsp import Emsp
from sandbox.emsp.recompute import recompute
from sessions_app.models import Cdr, Session, SessionStatus
from tests.factories import LocationFactory, TariffFactory, evse, price
from tests.ocpp_gateway.serving import PASSWORD, running_gateway
from tests.stories.conftest import Registered, result_of, session_of, status_at

pytestmark = pytest.mark.django_db(transaction=True)

CARD = "04A1B2C3D4E5F6"
ABLE = [
    Capability.REMOTE_START_STOP_CAPABLE,
    Capability.RESERVABLE,
    Capability.RFID_READER,
    Capability.UNLOCK_CAPABLE,
    Capability.CHARGING_PROFILE_CAPABLE,
]
BOTH = pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
Charger = Callable[..., AbstractContextManager[tuple[Emsp, Handle]]]
# Not faster than real: what no connector can give would hold the CDR.
FAST = {"meter_seconds": 0.3, "plug_after": 0.1}


@pytest.fixture
def beat(worker: None) -> Iterator[None]:
    """Send for what the beat sends for, quicker than it does."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.3):
            for task in (digest_news, wake_feeds):
                task.apply_async(expires=1)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(10)


@pytest.fixture
def charger(settings: Settings, registered: Registered, beat: None) -> Charger:
    """Return what connects a simulated charger to a gateway, and an eMSP to the platform."""
    settings.STATION_CONTROL = "ocpp_gateway.station_control.OcppStations"

    @contextmanager
    def connected(ocpp: str, **more: object) -> Iterator[tuple[Emsp, Handle]]:
        tariff = TariffFactory(id="DAY", elements=[{"price_components": [price("ENERGY", "0.40")]}])
        location = LocationFactory(
            id="SITE", tariff=tariff, evses=[evse("E1", capabilities=ABLE)], now=clock.now()
        )
        _place(location)
        emsp = registered("2.2.1")
        emsp.push_tokens()
        station = {"identity": "CP-1", "password": PASSWORD, "ocpp": ocpp, **more}
        fleet_of = {"stations": [station]}
        with running_gateway() as gateway, running(fleet_of, url=gateway.url, **FAST) as fleet:
            fleet["CP-1"].wait_for(lambda one: one.connected)
            emsp.wait_for(lambda e: status_at(e, "E1") == Status.AVAILABLE, what="AVAILABLE")
            yield emsp, fleet["CP-1"]

    return connected


def _place(location: Location) -> None:
    at = location.evses.get()
    station = Station.objects.create(
        identity="CP-1",
        state=StationState.PLACED,
        location=location,
        password_hash=passwords.make(PASSWORD),
    )
    Outlet.objects.create(
        station=station,
        connector=at.connectors.get(),
        ordinal=1,
        evse_number=1,
        connector_number=1,
    )


@BOTH
def test_a_driver_starts_and_stops_by_his_app(charger: Charger, ocpp: str) -> None:
    with charger(ocpp) as (emsp, station):
        before = station.register_wh(1)
        started = emsp.start_session(location_id="SITE", evse_uid="E1", token_uid="app-anna")
        emsp.wait_for(lambda e: result_of(e, started), what="the result of the start")
        assert result_of(emsp, started) == "ACCEPTED"
        emsp.wait_for(lambda e: session_of(e).get("status") == "ACTIVE", what="the session")
        station.wait_for(lambda one: one.register_wh(1) > before)

        stopped = emsp.stop_session(session_of(emsp)["id"])
        emsp.wait_for(lambda e: result_of(e, stopped), what="the result of the stop")
        assert result_of(emsp, stopped) == "ACCEPTED"
        emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")
        emsp.wait_for(lambda e: status_at(e, "E1") == Status.AVAILABLE, what="AVAILABLE again")

        (cdr,) = emsp.objects("cdrs")
        assert Decimal(str(cdr["total_energy"])) * 1000 == station.register_wh(1) - before
        assert cdr["auth_method"] == "COMMAND"
        computed = recompute(cdr)
        assert computed is not None
        assert computed.agrees
        assert emsp.violations() == []
    actions = list(StationCall.objects.order_by("pk").values_list("state", flat=True))
    assert actions == ["ANSWERED", "ANSWERED"]


@BOTH
def test_a_card_at_the_reader_charges_and_is_billed(charger: Charger, ocpp: str) -> None:
    with charger(ocpp) as (emsp, station):
        before = station.register_wh(1)
        station.plug(need_kwh=5)
        assert station.present(CARD) == "Accepted"
        emsp.wait_for(lambda e: status_at(e, "E1") == Status.CHARGING, what="CHARGING")
        station.wait_for(lambda one: one.register_wh(1) > before)
        station.unplug(1)
        emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")

        (cdr,) = emsp.objects("cdrs")
        assert Decimal(str(cdr["total_energy"])) * 1000 == station.register_wh(1) - before
        assert (cdr["auth_method"], cdr["cdr_token"]["uid"]) == ("WHITELIST", CARD)
        assert emsp.violations() == []
    # One id leads from what the station said to everything that the partner was sent of it.
    cause = f"tx-{Transaction.objects.get().pk}"
    emsp_messages = Message.objects.filter(correlation_id=cause)
    assert processes.wait_for(lambda: emsp_messages.filter(module="cdrs").exists(), seconds=10)
    assert set(emsp_messages.values_list("method", "module")) >= {
        ("PUT", "sessions"),
        ("POST", "cdrs"),
    }


@BOTH
def test_a_charge_that_went_on_without_us_is_billed_by_its_own_times(
    charger: Charger, ocpp: str
) -> None:
    with charger(ocpp) as (emsp, station):
        before = station.register_wh(1)
        station.plug(need_kwh=50)
        station.present(CARD)
        emsp.wait_for(lambda e: session_of(e).get("status") == "ACTIVE", what="the session")
        station.drop()
        at_drop = station.register_wh(1)
        station.wait_for(lambda one: one.register_wh(1) > at_drop)
        station.unplug(1)
        ended_by = clock.now()
        station.resume()
        emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")
        told = station.register_wh(1) - before

    cdr = Cdr.objects.get()
    assert cdr.total_energy * 1000 == told
    assert cdr.end_date_time <= ended_by
    assert Session.objects.get().status == SessionStatus.COMPLETED


@BOTH
def test_a_broken_signature_is_told_and_seen(charger: Charger, ocpp: str) -> None:
    with charger(ocpp, signs=True) as (emsp, station):
        Outlet.objects.update(public_key=station.public_key)
        station.plug(need_kwh=5)
        station.break_signature()
        station.present(CARD)
        emsp.wait_for(lambda e: session_of(e).get("status") == "ACTIVE", what="the session")
        station.unplug(1)
        emsp.wait_for(lambda e: e.objects("cdrs"), what="the CDR")

        (cdr,) = emsp.objects("cdrs")
        assert cdr["signed_data"]["signed_values"]
    alert = StationAlert.objects.get(kind=AlertKind.BROKEN_SIGNATURE)
    assert alert.transaction is not None
    assert alert.transaction.session == Session.objects.get()

"""Simulated stations behave as real ones do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection, transaction

from cpo_platform.common import clock
from cpo_platform.common.locks import advisory_lock
from locations import operations as locations
from locations.models import Connector, Evse, Status
from sessions_app import tasks
from sessions_app.authorization import Allowed, Question, RealtimeAnswer
from sessions_app.models import (
    AuthMethod,
    Cdr,
    MeterReading,
    Session,
    SessionStatus,
    SimulatedStation,
)
from sessions_app.simulator import SimulatedStations
from sessions_app.simulator.car import Charge
from sessions_app.simulator.history import Visit, play_session
from sessions_app.simulator.stations import Impossible
from sessions_app.simulator.traffic import keep_busy
from sessions_app.stations import (
    StartRequest,
    StationAnswer,
    StationResult,
    station_control,
)
from tests.factories import (
    NOW,
    ConnectorFactory,
    LocationFactory,
    SessionFactory,
    TokenFactory,
    cdr_token,
    evse,
)

pytestmark = pytest.mark.django_db

STATIONS = SimulatedStations()
ACCEPTED = StationAnswer(StationResult.ACCEPTED)


def second(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


@pytest.fixture
def connector() -> Connector:
    row: Connector = ConnectorFactory()
    return row


@pytest.fixture
def alone(connector: Connector) -> Connector:
    """Return a connector whose station has no driver: somebody has to plug in."""
    SimulatedStation.objects.create(evse=connector.evse, has_driver=False)
    return connector


def start(connector: Connector, now: datetime = NOW) -> StationAnswer:
    return STATIONS.start(StartRequest(connector.pk, cdr_token("CARD"), "REF-1"), now=now)


def status(connector: Connector) -> str:
    return Evse.objects.get(pk=connector.evse_id).status


def station(connector: Connector) -> SimulatedStation:
    return SimulatedStation.objects.get(evse_id=connector.evse_id)


def charging(connector: Connector) -> Session:
    """Start a session that is ACTIVE since second 4."""
    assert start(connector) == ACCEPTED
    STATIONS.advance(now=second(2))
    STATIONS.advance(now=second(4))
    session = Session.objects.get(evse_id=connector.evse_id)
    assert session.status == SessionStatus.ACTIVE
    return session


# --- From a remote start to the CDR


def test_settings_name_the_simulated_stations() -> None:
    assert isinstance(station_control(), SimulatedStations)


@pytest.mark.rule("SES-10", "SES-12", "CMD-11", "CMD-14")
def test_remote_start_becomes_a_session_when_the_driver_has_plugged_in(
    connector: Connector,
) -> None:
    assert start(connector) == ACCEPTED
    assert Session.objects.count() == 0
    assert status(connector) == Status.AVAILABLE

    STATIONS.advance(now=second(2))
    session = Session.objects.get()
    assert (session.status, session.auth_method) == (SessionStatus.PENDING, AuthMethod.COMMAND)
    assert session.cdr_token == cdr_token("CARD")
    assert session.authorization_reference == "REF-1"
    assert status(connector) == Status.CHARGING
    assert station(connector).request is None

    STATIONS.advance(now=second(4))
    session.refresh_from_db()
    assert (session.status, session.start_date_time) == (SessionStatus.ACTIVE, second(4))


def test_energy_grows_with_power_and_time(connector: Connector) -> None:
    session = charging(connector)

    STATIONS.advance(now=second(6))
    assert MeterReading.objects.count() == 1  # the meter is read every ten seconds

    STATIONS.advance(now=second(4 + 36))
    session.refresh_from_db()
    assert session.kwh == Decimal("0.11")  # 11 kW for 36 s
    assert session.total_cost_before_taxes == Decimal("0.044")
    newest = MeterReading.objects.order_by("-at")[0]
    assert (newest.at, newest.power, newest.requesting_power) == (second(40), Decimal(11), True)
    assert newest.current == Decimal("47.8")  # 11 kW at 230 V, over three phases


def test_full_car_parks_from_the_moment_it_is_full(alone: Connector) -> None:
    STATIONS.plug(evse_id=alone.evse_id, now=NOW, power_kw=Decimal(10), need_kwh=Decimal(1))
    start(alone)
    STATIONS.advance(now=NOW)
    STATIONS.advance(now=NOW)

    STATIONS.advance(now=minute(12))

    session = Session.objects.get()
    assert session.kwh == 1
    readings = list(MeterReading.objects.order_by("at").values_list("at", "kwh", "power"))
    assert readings == [
        (minute(0), 0, None),
        (minute(5), Decimal("0.8333"), 10),
        (minute(6), 1, 0),
        (minute(10), 1, 0),
        (minute(12), 1, 0),
    ]
    assert list(MeterReading.objects.order_by("at").values_list("requesting_power", flat=True)) == [
        True,
        True,
        False,
        False,
        False,
    ]
    _stopped = STATIONS.stop(session_id=session.pk, now=minute(20))
    cdr = Cdr.objects.get()
    assert (cdr.total_energy, cdr.total_parking_time) == (Decimal(1), Decimal("0.2333"))


def test_stop_issues_the_cdr_and_the_driver_leaves_later(connector: Connector) -> None:
    session = charging(connector)

    assert STATIONS.stop(session_id=session.pk, now=second(4 + 360)) == ACCEPTED

    session.refresh_from_db()
    cdr = Cdr.objects.get()
    assert session.status == SessionStatus.COMPLETED
    assert cdr.total_energy == Decimal("1.1")
    assert cdr.end_date_time == second(364)
    assert status(connector) == Status.CHARGING
    assert start(connector, second(365)).result is StationResult.EVSE_OCCUPIED

    STATIONS.advance(now=second(370))
    assert status(connector) == Status.CHARGING
    STATIONS.advance(now=second(374))
    assert status(connector) == Status.AVAILABLE
    row = station(connector)
    assert (row.plugged_in, row.leaves_at, row.meter_kwh) == (False, None, Decimal("1.1"))


def test_next_session_goes_on_where_the_register_stood(connector: Connector) -> None:
    first = charging(connector)
    STATIONS.stop(session_id=first.pk, now=second(364))
    STATIONS.advance(now=second(400))
    start(connector, second(400))

    STATIONS.advance(now=second(402))

    second_session = Session.objects.latest("pk")
    assert (second_session.meter_start, second_session.kwh) == (Decimal("1.1"), Decimal(0))


def test_driver_of_a_full_car_comes_back_by_himself(connector: Connector) -> None:
    charging(connector)
    STATIONS.advance(now=minute(115))  # 20 kWh at 11 kW take 109 minutes
    STATIONS.advance(now=minute(124))
    assert Cdr.objects.count() == 0

    STATIONS.advance(now=minute(125))

    assert Cdr.objects.get().total_energy == 20
    assert status(connector) == Status.AVAILABLE


@pytest.mark.rule("CMD-15")
def test_start_waits_for_a_car_and_then_gives_up(alone: Connector) -> None:
    start(alone)

    assert STATIONS.advance(now=second(59)) == []
    assert station(alone).request is not None
    assert STATIONS.advance(now=second(60)) == [
        f"EVSE {alone.evse.uid}: the start was dropped: no car was plugged in"
    ]

    assert station(alone).request is None
    assert Session.objects.count() == 0
    assert start(alone, second(61)) == ACCEPTED


def test_session_that_is_stopped_while_pending_is_not_billed(connector: Connector) -> None:
    start(connector)
    STATIONS.advance(now=second(2))

    assert STATIONS.stop(session_id=Session.objects.get().pk, now=second(3)) == ACCEPTED

    assert Session.objects.get().status == SessionStatus.INVALID
    assert Cdr.objects.count() == 0


# --- Refusals


@pytest.mark.parametrize(
    ("evse_status", "result"),
    [
        (Status.OUTOFORDER, StationResult.EVSE_INOPERATIVE),
        (Status.INOPERATIVE, StationResult.EVSE_INOPERATIVE),
        (Status.PLANNED, StationResult.EVSE_INOPERATIVE),
        (Status.REMOVED, StationResult.EVSE_INOPERATIVE),
        (Status.UNKNOWN, StationResult.TIMEOUT),
        (Status.BLOCKED, StationResult.EVSE_OCCUPIED),
        (Status.RESERVED, StationResult.EVSE_OCCUPIED),
        (Status.CHARGING, StationResult.EVSE_OCCUPIED),
    ],
)
def test_status_decides_whether_a_start_is_accepted(
    evse_status: Status, result: StationResult
) -> None:
    connector = ConnectorFactory(evses=[evse(status=evse_status.value)])

    answer = start(connector)

    assert answer.result is result
    assert connector.evse.uid in answer.message
    assert station(connector).request is None


def test_broken_station_refuses(connector: Connector) -> None:
    STATIONS.fault(evse_id=connector.evse_id, now=NOW)

    assert start(connector).result is StationResult.EVSE_INOPERATIVE


@pytest.mark.rule("CMD-27")
def test_station_in_use_refuses_a_second_start(connector: Connector) -> None:
    start(connector)
    assert start(connector).result is StationResult.EVSE_OCCUPIED
    STATIONS.advance(now=second(2))
    assert start(connector).result is StationResult.EVSE_OCCUPIED

    assert Session.objects.count() == 1


def test_start_that_nobody_came_for_is_replaced(alone: Connector) -> None:
    start(alone)

    assert start(alone, second(59)).result is StationResult.EVSE_OCCUPIED
    assert start(alone, second(60)) == ACCEPTED
    assert station(alone).request_until == second(120)


def test_unknown_connector_is_rejected() -> None:
    answer = STATIONS.start(StartRequest(404, cdr_token(), ""), now=NOW)

    assert answer.result is StationResult.REJECTED


def test_evse_without_remote_start_says_so() -> None:
    connector = ConnectorFactory(evses=[evse(capabilities=["RFID_READER"])])

    assert start(connector).result is StationResult.NOT_SUPPORTED


def test_stop_of_a_session_that_is_over_or_unknown_is_rejected(connector: Connector) -> None:
    session = charging(connector)
    STATIONS.stop(session_id=session.pk, now=second(20))

    assert STATIONS.stop(session_id=session.pk, now=second(21)).result is StationResult.REJECTED
    assert STATIONS.stop(session_id=404, now=second(21)).result is StationResult.REJECTED
    assert Cdr.objects.count() == 1


def test_start_is_dropped_when_the_evse_goes_out_of_service(connector: Connector) -> None:
    start(connector)
    locations.set_evse_status(evse_id=connector.evse_id, status=Status.REMOVED, now=second(1))

    STATIONS.advance(now=second(2))

    assert Session.objects.count() == 0
    assert station(connector).request is None
    assert status(connector) == Status.REMOVED


def test_start_is_dropped_when_its_connector_is_removed(connector: Connector) -> None:
    start(connector)
    connector.delete()

    assert STATIONS.advance(now=second(2)) == [
        f"EVSE {connector.evse.uid}: the start was dropped: its connector is gone"
    ]

    assert station(connector).request is None
    assert status(connector) == Status.AVAILABLE


def test_broken_station_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    broken, sound = ConnectorFactory(), ConnectorFactory()
    start(broken)
    start(sound)
    SimulatedStation.objects.filter(evse=broken.evse).update(
        request={"connector_id": broken.pk, "cdr_token": {}}
    )

    assert len(STATIONS.advance(now=second(2))) == 1

    assert Session.objects.get().connector_id == sound.pk
    assert status(broken) == Status.AVAILABLE
    assert "could not be moved" in caplog.text


# --- At the station


def test_known_token_starts_at_the_reader(alone: Connector) -> None:
    token = TokenFactory(uid="04AA")

    assert STATIONS.present_token(evse_id=alone.evse_id, uid="04aa", now=NOW) == ACCEPTED
    STATIONS.plug(evse_id=alone.evse_id, now=second(5))
    STATIONS.advance(now=second(6))

    session = Session.objects.get()
    assert session.cdr_token == token.cdr_token
    assert session.auth_method == AuthMethod.WHITELIST


def test_same_token_again_stops_the_session(connector: Connector) -> None:
    TokenFactory(uid="04AA")
    STATIONS.present_token(evse_id=connector.evse_id, uid="04AA", now=NOW)
    STATIONS.advance(now=second(2))
    STATIONS.advance(now=second(4))

    assert STATIONS.present_token(evse_id=connector.evse_id, uid="04AA", now=second(40)) == ACCEPTED

    assert Session.objects.get().status == SessionStatus.COMPLETED


def test_other_token_cannot_stop_the_session(connector: Connector) -> None:
    charging(connector)
    TokenFactory(uid="04BB")

    answer = STATIONS.present_token(evse_id=connector.evse_id, uid="04BB", now=second(10))

    assert answer.result is StationResult.EVSE_OCCUPIED
    assert Session.objects.get().status == SessionStatus.ACTIVE


def test_refused_token_starts_nothing_and_hears_why(alone: Connector) -> None:
    TokenFactory(uid="04CC", whitelist="ALWAYS", valid=False)

    refused = STATIONS.present_token(evse_id=alone.evse_id, uid="04CC", now=NOW)
    unknown = STATIONS.present_token(evse_id=alone.evse_id, uid="04DD", now=NOW)

    assert refused == StationAnswer(StationResult.REJECTED, "NOT_ALLOWED")
    assert unknown == StationAnswer(StationResult.REJECTED, "UNKNOWN_TOKEN")
    assert station(alone).request is None


def test_plugging_in_occupies_and_unplugging_frees(alone: Connector) -> None:
    STATIONS.plug(evse_id=alone.evse_id, now=NOW)
    assert status(alone) == Status.CHARGING
    with pytest.raises(Impossible, match="already"):
        STATIONS.plug(evse_id=alone.evse_id, now=NOW)

    STATIONS.unplug(evse_id=alone.evse_id, now=second(1))
    assert status(alone) == Status.AVAILABLE
    with pytest.raises(Impossible, match="no car"):
        STATIONS.unplug(evse_id=alone.evse_id, now=second(2))


def test_unplugging_ends_the_session(connector: Connector) -> None:
    charging(connector)

    STATIONS.unplug(evse_id=connector.evse_id, now=second(364))

    assert Cdr.objects.get().total_energy == Decimal("1.1")
    assert status(connector) == Status.AVAILABLE
    assert station(connector).leaves_at is None


def test_fault_ends_the_session_and_is_cleared(connector: Connector) -> None:
    charging(connector)

    STATIONS.fault(evse_id=connector.evse_id, now=second(364))

    assert Cdr.objects.get().total_energy == Decimal("1.1")
    assert status(connector) == Status.OUTOFORDER
    assert STATIONS.advance(now=second(500)) == []
    STATIONS.clear(evse_id=connector.evse_id, now=second(600))
    assert status(connector) == Status.CHARGING  # the car is still there
    STATIONS.advance(now=second(602))
    assert status(connector) == Status.AVAILABLE


def test_removed_station_neither_breaks_nor_comes_back(connector: Connector) -> None:
    locations.set_evse_status(evse_id=connector.evse_id, status=Status.REMOVED, now=NOW)

    for change in (STATIONS.fault, STATIONS.clear):
        with pytest.raises(locations.EvseRemoved):
            change(evse_id=connector.evse_id, now=second(1))

    assert not station(connector).faulted


def test_session_that_was_not_started_here_is_left_alone() -> None:
    session = SessionFactory()

    assert STATIONS.advance(now=minute(5)) == []

    session.refresh_from_db()
    assert session.kwh == 0


# --- Several processes


def test_idle_stations_cost_one_query(django_assert_num_queries: Any) -> None:
    location = LocationFactory(evses=[evse(f"E{number}") for number in range(20)])
    for row in location.evses.all():
        SimulatedStation.objects.create(evse=row)

    with django_assert_num_queries(1):
        assert STATIONS.advance(now=NOW) == []


@pytest.mark.django_db(transaction=True)
def test_station_that_another_process_moves_is_left_to_it() -> None:
    connector = ConnectorFactory()
    start(connector)
    locked, done = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            SimulatedStation.objects.select_for_update().get(evse_id=connector.evse_id)
            locked.set()
            done.wait(timeout=10)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert locked.wait(timeout=10)
        try:
            assert STATIONS.advance(now=second(2)) == []
        finally:
            done.set()
        holding.result()

    assert Session.objects.count() == 0
    assert len(STATIONS.advance(now=second(2))) == 1


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_tick_at_once_make_one_session() -> None:
    connectors = [ConnectorFactory() for _ in range(4)]
    for connector in connectors:
        start(connector)
    barrier = Barrier(2)

    def tick() -> None:
        try:
            for number in range(1, 6):
                barrier.wait(timeout=10)
                STATIONS.advance(now=second(number * 12))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for ticking in [pool.submit(tick), pool.submit(tick)]:
            ticking.result()

    assert Session.objects.count() == 4
    for connector in connectors:
        session = Session.objects.get(evse_id=connector.evse_id)
        assert session.status == SessionStatus.ACTIVE
        newest = session.meter_readings.order_by("-at")[0]
        assert session.kwh == newest.kwh - session.meter_start


@pytest.mark.django_db(transaction=True)
def test_stations_of_one_location_start_at_once_without_a_deadlock(
    caplog: pytest.LogCaptureFixture,
) -> None:
    location = LocationFactory(evses=[evse(f"E{number}") for number in range(12)])
    for row in location.evses.all():
        STATIONS.plug(evse_id=row.pk, now=NOW)
        start(row.connectors.get())
    barrier = Barrier(2)

    def tick() -> None:
        try:
            barrier.wait(timeout=10)
            for _ in range(4):
                STATIONS.advance(now=second(2))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for ticking in [pool.submit(tick), pool.submit(tick)]:
            ticking.result()

    assert Session.objects.filter(status=SessionStatus.ACTIVE).count() == 12
    assert caplog.text == ""


def test_task_moves_the_stations_whatever_arguments_it_gets(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(connector)
    monkeypatch.setattr(clock, "now", lambda: second(2))

    tasks.advance_simulated_stations(reason="beat")

    assert Session.objects.get().status == SessionStatus.PENDING


@pytest.mark.django_db(transaction=True)
def test_task_is_left_out_while_another_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    start(ConnectorFactory())
    monkeypatch.setattr(clock, "now", lambda: second(2))

    with ThreadPoolExecutor(1) as pool, advisory_lock(tasks.LOCK) as alone:
        assert alone

        def run() -> None:
            tasks.advance_simulated_stations()
            connection.close()

        pool.submit(run).result()

    assert Session.objects.count() == 0
    tasks.advance_simulated_stations()
    assert Session.objects.count() == 1


class RealStations:
    """Stations that need nobody to turn their clock."""


def test_task_does_nothing_where_stations_are_real(connector: Connector, settings: Any) -> None:
    start(connector)
    settings.STATION_CONTROL = f"{__name__}.RealStations"

    tasks.advance_simulated_stations()

    assert Session.objects.count() == 0


# --- Drivers who come by themselves


def test_busy_stations_are_visited_by_valid_tokens_in_turns() -> None:
    location = LocationFactory(evses=[evse(f"E{number}") for number in range(4)])
    for row in location.evses.all():
        SimulatedStation.objects.create(evse=row)
    for uid in ("04AA", "04BB"):
        TokenFactory(uid=uid)
    TokenFactory(uid="04CC", valid=False)

    for arrival in range(3):
        assert len(keep_busy(STATIONS, count=3, now=second(arrival))) == 1
        STATIONS.advance(now=second(arrival))
    assert keep_busy(STATIONS, count=3, now=second(3)) == []
    STATIONS.advance(now=second(4))

    assert list(Session.objects.order_by("pk").values_list("token_uid", "status")) == [
        ("04AA", SessionStatus.ACTIVE),
        ("04BB", SessionStatus.ACTIVE),
        ("04AA", SessionStatus.ACTIVE),
    ]
    STATIONS.advance(now=minute(3))  # the first driver leaves
    assert Cdr.objects.count() == 1
    assert len(keep_busy(STATIONS, count=3, now=minute(3))) == 1


def test_nobody_comes_when_every_station_is_in_use_or_out_of_service() -> None:
    connector = ConnectorFactory(evses=[evse(status="INOPERATIVE")])
    SimulatedStation.objects.create(evse=connector.evse)
    TokenFactory()

    assert keep_busy(STATIONS, count=1, now=NOW) == ["No station is free."]


def test_driver_whose_token_is_refused_leaves_again(connector: Connector, settings: Any) -> None:
    settings.REALTIME_AUTHORIZER = f"{__name__}.Refusing"
    SimulatedStation.objects.create(evse=connector.evse)
    TokenFactory(uid="04AA", whitelist="NEVER")

    assert keep_busy(STATIONS, count=1, now=NOW) == [
        f"EVSE {connector.evse.uid}: token 04AA was refused: NO_CREDIT (Top up)"
    ]

    assert status(connector) == Status.AVAILABLE
    assert Session.objects.count() == 0


class Refusing:
    """An eMSP that refuses everybody."""

    def is_connected(self, *, country_code: str, party_id: str) -> bool:
        return (country_code, party_id) != ("NL", "OFF")

    def ask(self, _question: Question) -> RealtimeAnswer:
        return RealtimeAnswer(Allowed.NO_CREDIT, info="Top up")


def test_nobody_comes_without_tokens(connector: Connector) -> None:
    SimulatedStation.objects.create(evse=connector.evse)

    assert keep_busy(STATIONS, count=1, now=NOW) == [
        "No eMSP has given us a valid RFID token yet: nobody comes."
    ]


# --- Sessions in the past


def test_whole_session_is_played_with_the_clock_of_its_time(connector: Connector) -> None:
    cdr = play_session(
        connector=connector,
        cdr_token=cdr_token("CARD"),
        visit=Visit(NOW, 50, Decimal(11), Decimal(22)),
        now=minute(60),
    )

    session = Session.objects.get()
    assert cdr is not None
    assert (session.start_date_time, session.end_date_time) == (NOW, minute(50))
    assert (cdr.total_energy, cdr.total_cost_before_taxes) == (Decimal(11), Decimal("4.4"))
    assert (cdr.total_time, cdr.total_parking_time) == (Decimal("0.8333"), Decimal("0.3333"))
    assert cdr.last_updated == minute(50)
    assert session.price_details["remarks"] == []
    assert station(connector).meter_kwh == 11
    assert status(connector) == Status.AVAILABLE


@pytest.mark.parametrize(
    ("visit", "reason"),
    [
        (Visit(NOW, 61, Decimal(5)), "not over"),
        (Visit(NOW, 10, Decimal(5)), "too much"),
        (Visit(NOW, 60, Decimal(12), Decimal(11)), "give less"),
        (Visit(NOW, 0, Decimal(5)), "at least a minute"),
        (Visit(minute(-50), 55, Decimal(5)), "was there"),
    ],
)
def test_impossible_session_is_not_played(connector: Connector, visit: Visit, reason: str) -> None:
    play_session(
        connector=connector,
        cdr_token=cdr_token(),
        visit=Visit(NOW, 5, Decimal(1)),
        now=minute(60),
    )

    with pytest.raises(Impossible, match=reason):
        play_session(connector=connector, cdr_token=cdr_token(), visit=visit, now=minute(60))

    assert Session.objects.count() == 1
    assert station(connector).meter_kwh == 1


# --- The car


def test_car_takes_energy_until_it_is_full() -> None:
    charge = Charge(register=Decimal(100), need=Decimal(2), power_kw=Decimal(24), volts=400)

    shown = [
        (reading.at, reading.kwh, reading.power_kw, reading.requesting_power)
        for reading in charge.readings(NOW, minute(7))
    ]

    assert shown == [
        (minute(5), Decimal(102), Decimal(0), False),
        (minute(7), Decimal(102), Decimal(0), False),
    ]


def test_moment_that_is_no_whole_millisecond_is_rounded_up() -> None:
    charge = Charge(register=Decimal(0), need=Decimal(1), power_kw=Decimal(7), volts=230)

    full, _end = charge.readings(NOW, NOW + timedelta(minutes=9))[1:]

    assert full.at == NOW + timedelta(milliseconds=514_286)
    assert (full.kwh, full.requesting_power) == (Decimal(1), False)


@pytest.mark.parametrize(
    ("power_type", "limit", "expected"),
    [
        ("AC_1_PHASE", None, "7.36"),
        ("AC_2_PHASE", None, "14.72"),
        ("AC_3_PHASE", None, "22.08"),
        ("AC_3_PHASE", 11000, "11"),
        ("DC", None, "7.36"),
    ],
)
def test_power_of_a_connector_is_that_of_its_phases_or_its_limit(
    power_type: str, limit: int | None, expected: str
) -> None:
    row = Connector(
        power_type=power_type, max_voltage=230, max_amperage=32, max_electric_power=limit
    )

    assert row.power_kw == Decimal(expected)

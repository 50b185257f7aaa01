"""Charging profiles at a simulated station: what they limit, and what the station tells of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from cpo_platform.common.shapes import ActiveChargingProfile, ChargingProfile, parse
from locations.models import Connector
from sessions_app.models import MeterReading, Session, SimulatedStation
from sessions_app.signals import charging_profile_changed
from sessions_app.simulator import SimulatedStations
from sessions_app.simulator.profiles import MOST_PERIODS, Limits
from sessions_app.stations import ProfileAnswer, ProfileResult, StartRequest
from tests.factories import NOW, ConnectorFactory, SessionFactory, cdr_token

STATIONS = SimulatedStations()
ACCEPTED = ProfileAnswer(ProfileResult.ACCEPTED)


def after(**by: float) -> datetime:
    return NOW + timedelta(**by)


def profile(*periods: tuple[int, str], unit: str = "W", **fields: Any) -> ChargingProfile:
    """Return a profile of periods: from this second on, at most that."""
    return parse(
        ChargingProfile,
        {
            "charging_rate_unit": unit,
            "charging_profile_period": [
                {"start_period": start, "limit": Decimal(limit)} for start, limit in periods
            ],
            **fields,
        },
    )


def limits(one: ChargingProfile | None = None, **fields: Any) -> Limits:
    """Return the limits of a connector of 230 V, 32 A and three phases, since NOW."""
    defaults: dict[str, Any] = {"capacity_w": Decimal(22080), "volts": 230, "phases": 3}
    return Limits(**(defaults | {"started": NOW, "profile": one} | fields))


def told(active: ActiveChargingProfile) -> tuple[str, int | None, list[tuple[int, str]]]:
    """Return what an active profile says: unit, duration and periods."""
    inner = active.charging_profile
    return (
        inner.charging_rate_unit,
        inner.duration,
        [(one.start_period, f"{one.limit:f}") for one in inner.charging_profile_period or []],
    )


# --- Which limit holds when


@pytest.mark.rule("CP-09")
@pytest.mark.parametrize(
    ("phases", "watts"), [(1, Decimal(3680)), (3, Decimal(11040))], ids=["1 phase", "3 phases"]
)
def test_amperes_are_of_each_phase_and_watts_are_the_total(phases: int, watts: Decimal) -> None:
    in_a = limits(profile((0, "16"), unit="A"), phases=phases)
    in_w = limits(profile((0, "3600")), phases=phases)

    assert in_a.at(NOW) == watts
    assert in_w.at(NOW) == 3600


@pytest.mark.rule("CP-04")
def test_a_profile_is_a_maximum_and_never_more_than_the_connector_gives() -> None:
    assert limits(profile((0, "99000"))).at(NOW) == 22080
    assert limits(profile((0, "9000")), local_limit_w=Decimal(5000)).at(NOW) == 5000


@pytest.mark.rule("CP-08")
def test_a_period_ends_where_the_next_one_starts_whatever_their_order() -> None:
    one = limits(profile((600, "3000"), (0, "6000")))

    assert [one.at(after(seconds=second)) for second in (0, 599, 600, 90_000)] == [
        *(6000, 6000),
        *(3000, 3000),  # without a duration the last one holds on
    ]


@pytest.mark.rule("CP-08")
def test_after_its_duration_a_profile_limits_nothing() -> None:
    one = limits(profile((0, "6000"), duration=900))

    assert one.at(after(seconds=899)) == 6000
    assert one.at(after(seconds=900)) == 22080


@pytest.mark.rule("CP-08")
def test_a_start_makes_a_profile_absolute_and_none_makes_it_relative_to_the_charging() -> None:
    absolute = limits(profile((0, "6000"), start_date_time="2026-06-01T09:00:00Z"))
    relative = limits(profile((0, "6000")), started=after(minutes=30))

    assert [absolute.at(after(minutes=minutes)) for minutes in (59, 60)] == [22080, 6000]
    assert [relative.at(after(minutes=minutes)) for minutes in (29, 30)] == [22080, 6000]


def test_a_profile_at_the_end_of_time_is_no_accident() -> None:
    far = limits(profile((31_536_000, "1"), start_date_time="9999-12-31T23:59:59Z"))

    assert far.at(NOW) == 22080
    assert far.changes(NOW, after(days=1)) == []


@pytest.mark.rule("CP-10")
def test_the_active_profile_begins_when_it_was_calculated_and_counts_from_there() -> None:
    one = limits(profile((0, "16"), (900, "10.5"), (5000, "6"), unit="A"))

    active = one.active(after(minutes=5), 3600)

    assert active.start_date_time == after(minutes=5)
    assert active.charging_profile.start_date_time == after(minutes=5)
    assert told(active) == ("A", 3600, [(0, "16.0"), (600, "10.5")])


@pytest.mark.rule("CP-07")
def test_without_a_profile_it_is_the_maximum_of_the_connector() -> None:
    assert told(limits().active(NOW, 600)) == ("W", 600, [(0, "22080.0")])


@pytest.mark.rule("CP-08")
def test_limits_are_told_with_one_decimal_rounded_down() -> None:
    # 5000 W are 7.246... A of each phase.
    one = limits(profile((0, "16"), unit="A"), local_limit_w=Decimal(5000))

    assert told(one.active(NOW, 600))[2] == [(0, "7.2")]


def test_more_periods_than_fit_are_told_as_far_as_they_go() -> None:
    many = [(second, str(6000 + second % 2)) for second in range(MOST_PERIODS)]
    one = limits(profile(*many), started=after(seconds=10))

    unit, duration, periods = told(one.active(NOW, 3600))

    assert (unit, len(periods)) == ("W", MOST_PERIODS)
    assert duration == MOST_PERIODS + 9
    assert periods[0] == (0, "22080.0")
    assert periods[-1][0] == MOST_PERIODS + 8


# --- At the station


@pytest.fixture
def connector(db: None) -> Connector:
    """Return a connector whose station has a car of 11 kW that nobody drives away."""
    row: Connector = ConnectorFactory()
    SimulatedStation.objects.create(evse=row.evse, has_driver=False)
    STATIONS.plug(evse_id=row.evse_id, now=NOW, power_kw=Decimal(11), need_kwh=Decimal(50))
    return row


@pytest.fixture
def session(connector: Connector) -> Session:
    """Return a session that is ACTIVE since NOW."""
    STATIONS.start(StartRequest(connector.pk, cdr_token(), ""), now=NOW)
    STATIONS.advance(now=NOW)
    STATIONS.advance(now=NOW)
    return Session.objects.get()


@pytest.fixture
def changes() -> Iterator[list[int]]:
    """Return the sessions whose limits were said to have changed."""
    heard: list[int] = []

    def hear(*, session_id: int, **_kwargs: Any) -> None:
        heard.append(session_id)

    charging_profile_changed.connect(hear)
    yield heard
    charging_profile_changed.disconnect(hear)


def set_profile(session: Session, one: ChargingProfile, now: datetime) -> ProfileAnswer:
    return STATIONS.set_charging_profile(session_id=session.pk, profile=one, now=now)


def active(session: Session, now: datetime) -> list[tuple[int, str]]:
    answer = STATIONS.active_charging_profile(session_id=session.pk, duration=600, now=now)
    assert answer.profile is not None
    return told(answer.profile)[2]


def kwh(session: Session) -> Decimal:
    session.refresh_from_db()
    return session.kwh


@pytest.mark.rule("CP-04")
def test_the_car_takes_no_more_than_the_profile_from_then_on(
    session: Session, changes: list[int]
) -> None:
    assert set_profile(session, profile((0, "6"), unit="A"), after(minutes=6)) == ACCEPTED
    assert kwh(session) == Decimal("1.1")  # 11 kW for six minutes, before it

    STATIONS.advance(now=after(minutes=36))

    assert kwh(session) == Decimal("3.17")  # 6 A of 230 V and three phases for half an hour
    newest = MeterReading.objects.order_by("-at")[0]
    assert (newest.power, newest.current, newest.requesting_power) == (
        *(Decimal("4.14"), Decimal("18.0")),
        True,
    )
    assert changes == [session.pk]


def test_a_reading_tells_the_power_that_holds_from_it_on(session: Session) -> None:
    set_profile(session, profile((0, "6000"), (600, "2000")), after(minutes=6))

    STATIONS.advance(now=after(minutes=12))

    powers = dict(MeterReading.objects.values_list("at", "power"))
    assert powers[after(minutes=6)] == 6
    assert powers[after(minutes=10)] == 2
    assert kwh(session) == Decimal("1.5667")  # 1.1, then 4 minutes at 6 kW and 2 at 2 kW


@pytest.mark.rule("CP-04")
def test_a_second_profile_replaces_the_first(session: Session) -> None:
    set_profile(session, profile((0, "6000")), after(minutes=1))
    set_profile(session, profile((0, "4000")), after(minutes=2))

    assert active(session, after(minutes=2)) == [(0, "4000.0")]


def test_a_limit_of_nothing_pauses_the_car_without_parking_it(session: Session) -> None:
    set_profile(session, profile((0, "0")), after(minutes=6))

    STATIONS.advance(now=after(minutes=16))

    assert kwh(session) == Decimal("1.1")
    newest = MeterReading.objects.order_by("-at")[0]
    assert (newest.power, newest.requesting_power) == (Decimal(0), True)


@pytest.mark.rule("CP-07")
def test_a_cleared_profile_leaves_the_maximum(session: Session, changes: list[int]) -> None:
    set_profile(session, profile((0, "6000")), after(minutes=1))

    answer = STATIONS.clear_charging_profile(session_id=session.pk, now=after(minutes=2))

    assert answer == ACCEPTED
    assert active(session, after(minutes=2)) == [(0, "22000.0")]
    assert changes == [session.pk, session.pk]


@pytest.mark.rule("CP-02")
def test_nothing_to_clear_is_unknown(session: Session, changes: list[int]) -> None:
    answer = STATIONS.clear_charging_profile(session_id=session.pk, now=after(minutes=1))

    assert answer.result is ProfileResult.UNKNOWN
    assert changes == []


@pytest.mark.rule("CP-15")
def test_a_session_that_does_not_charge_takes_no_profile(db: None) -> None:
    pending = SessionFactory(active=False)

    assert set_profile(pending, profile((0, "6000")), NOW).result is ProfileResult.REJECTED
    cleared = STATIONS.clear_charging_profile(session_id=pending.pk, now=NOW)
    assert cleared.result is ProfileResult.REJECTED
    unknown = STATIONS.set_charging_profile(session_id=0, profile=profile((0, "1")), now=NOW)
    assert unknown.result is ProfileResult.REJECTED
    assert list(SimulatedStation.objects.values_list("charging_profile")) == [(None,)]


@pytest.mark.rule("CP-05")
def test_a_limit_of_the_station_itself_holds_beside_the_profile_and_is_told(
    session: Session, changes: list[int]
) -> None:
    set_profile(session, profile((0, "6000")), after(minutes=1))

    STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=Decimal(3), now=after(minutes=2))
    limited = active(session, after(minutes=2))
    STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=None, now=after(minutes=3))

    assert limited == [(0, "3000.0")]
    assert active(session, after(minutes=3)) == [(0, "6000.0")]
    assert changes == [session.pk] * 3


def test_the_profile_ends_with_its_session_and_the_stations_limit_stays(
    session: Session, changes: list[int]
) -> None:
    set_profile(session, profile((0, "6000")), after(minutes=1))
    STATIONS.limit_power(evse_id=session.evse_id or 0, power_kw=Decimal(9), now=after(minutes=2))

    STATIONS.stop(session_id=session.pk, now=after(minutes=3))

    assert active(session, after(minutes=3)) == [(0, "9000.0")]
    assert SimulatedStation.objects.get().charging_profile == {"local_limit_w": "9000"}
    assert changes == [session.pk] * 3


def test_a_driver_comes_back_to_a_car_that_was_full_when_the_limits_changed(
    session: Session,
) -> None:
    SimulatedStation.objects.update(has_driver=True, car_need_kwh=Decimal(1))

    set_profile(session, profile((0, "6000")), after(minutes=30))

    assert SimulatedStation.objects.get().leaves_at == after(minutes=40)


def test_staff_limits_a_station_from_the_command_line(connector: Connector) -> None:
    call_command("simulate", "limit", connector.evse.uid, "--power", "7.5")
    assert SimulatedStation.objects.get().charging_profile == {"local_limit_w": "7500.0"}

    call_command("simulate", "limit", connector.evse.uid)

    assert SimulatedStation.objects.get().charging_profile is None

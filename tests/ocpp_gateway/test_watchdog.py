"""What is left behind when a station falls silent."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from ocpp_gateway import watchdog
from ocpp_gateway.frames import Version
from ocpp_gateway.models import AlertKind, Outlet, Station, StationAlert, Transaction
from ocpp_gateway.watchdog import Seen, Verdict
from sessions_app.models import Cdr, Session, SessionStatus
from tests.ocpp_gateway.world import Charge, make_outlet, minute

pytestmark = pytest.mark.django_db


USUAL = Seen(
    status=SessionStatus.ACTIVE,
    began_at=minute(0),
    said_at=minute(100),
    moved_at=minute(100),
    is_online=True,
    says_it_charges=True,
)


@pytest.mark.parametrize(
    ("fields", "at", "verdict"),
    [
        ({}, 110, Verdict.FINE),
        ({"status": SessionStatus.PENDING}, 119, Verdict.FINE),
        ({"status": SessionStatus.PENDING}, 120, Verdict.NEVER_BEGAN),
        ({"says_it_charges": False}, 159, Verdict.FINE),
        ({"says_it_charges": False}, 160, Verdict.SILENT),
        ({"is_online": False}, 200, Verdict.FINE),
        ({"is_online": False}, 100 + 24 * 60, Verdict.GIVEN_UP),
        ({}, 129, Verdict.FINE),
        ({}, 130, Verdict.STANDING),
        ({"says_it_charges": False}, 130, Verdict.FINE),
        ({"is_online": False}, 130, Verdict.FINE),
    ],
)
def test_what_is_wrong(fields: dict[str, Any], at: float, verdict: Verdict) -> None:
    assert watchdog.judge(replace(USUAL, **fields), now=minute(at)) is verdict


def charging(**location: Any) -> Charge:
    charge = Charge(make_outlet(**location))
    charge.start()
    charge.meter(10, "12000")
    charge.digest(10)
    Station.objects.update(online_until=minute(10_000))
    return charge


def kinds() -> list[str]:
    open_ones = StationAlert.objects.filter(resolved_at__isnull=True)
    return list(open_ones.values_list("kind", flat=True))


def test_one_that_is_silent_for_an_hour_is_told_once() -> None:
    charging()
    assert watchdog.watch(now=minute(30)) == []
    assert len(watchdog.watch(now=minute(71))) == 1
    assert watchdog.watch(now=minute(72)) == []
    assert kinds() == [AlertKind.STUCK]


def test_one_that_is_silent_for_a_day_is_billed_as_far_as_it_is_known() -> None:
    charge = charging()

    watchdog.watch(now=minute(10) + timedelta(hours=24))

    cdr = Cdr.objects.get()
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal(2), minute(10))
    row = Transaction.objects.get()
    assert (row.ended_at, row.end_reason) == (minute(10), "Watchdog")
    assert kinds() == [AlertKind.STUCK]

    charge.stop(60 * 30, 99_000)
    charge.digest(60 * 30)
    assert Cdr.objects.count() == 1
    assert AlertKind.LATE_FACTS in kinds()


def test_one_that_never_began_ends_without_a_bill() -> None:
    charge = Charge(make_outlet(Version.V2_0_1))
    charge.event(0, "Started", 0, 10_000, state="EVConnected")
    charge.digest(1)
    assert Session.objects.get().status == SessionStatus.PENDING
    charge.event(1, "Updated", 119, 10_000)
    charge.digest(119)

    watchdog.watch(now=minute(121))

    assert Session.objects.get().status == SessionStatus.INVALID
    assert not Cdr.objects.exists()


def test_one_that_says_it_charges_while_the_register_stands() -> None:
    charge = charging()
    Outlet.objects.update(reported_status="Charging")
    charge.meter(39, "12000")
    charge.digest(39)
    watchdog.watch(now=minute(41))
    assert kinds() == [AlertKind.NO_PROGRESS]

    charge.meter(42, "12500")
    charge.digest(42)
    watchdog.watch(now=minute(43))
    assert kinds() == []


def test_an_offline_station_that_is_back_is_no_alert() -> None:
    outlet = make_outlet()
    StationAlert.objects.create(
        kind=AlertKind.OFFLINE, station=outlet.station, text="gone", raised_at=minute(0)
    )
    watchdog.watch(now=minute(1))
    assert kinds() == []


def test_as_many_queries_for_many_as_for_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(4):
        charging(id=f"SITE-{number}")
    with django_assert_num_queries(7):
        watchdog.watch(now=minute(20))

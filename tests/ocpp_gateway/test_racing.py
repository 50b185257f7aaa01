"""The watchdog and the publisher, and what happens while they look."""

from decimal import Decimal
from typing import Any

import pytest

from locations.operations import set_evse_status
from ocpp_gateway import publishing, watchdog
from ocpp_gateway.frames import Version
from ocpp_gateway.models import News, Outlet, Station, StationAlert
from sessions_app.models import Session, SessionStatus
from tests.ocpp_gateway.world import Charge, make_outlet, minute


def silent() -> Charge:
    charge = Charge(make_outlet())
    charge.start(0, 10_000)
    charge.meter(10, "11000")
    charge.digest(11)
    return charge


@pytest.mark.django_db
def test_what_is_heard_while_the_watchdog_looks_is_not_closed_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charge = silent()
    judge = watchdog.judge

    def meanwhile(seen: watchdog.Seen, *, now: Any) -> watchdog.Verdict:
        verdict = judge(seen, now=now)
        News.objects.create(transaction=charge.row, due_at=now)
        return verdict

    monkeypatch.setattr(watchdog, "judge", meanwhile)
    watchdog.watch(now=minute(24 * 60 + 11))
    assert charge.session.status == SessionStatus.ACTIVE
    assert not StationAlert.objects.exists()


@pytest.mark.django_db
def test_what_is_silent_for_a_day_is_closed_with_its_last_reading() -> None:
    charge = silent()
    watchdog.watch(now=minute(24 * 60 + 11))
    assert charge.session.status == SessionStatus.COMPLETED
    assert charge.session.kwh == Decimal(1)
    assert charge.session.end_date_time == minute(10)


@pytest.mark.django_db
def test_what_has_begun_while_the_watchdog_looks_is_not_ended_as_if_it_had_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charge = Charge(make_outlet(Version.V2_0_1))
    charge.event(0, "Started", 0, 1000, state="EVConnected")
    charge.digest(1)
    assert charge.session.status == SessionStatus.PENDING
    judge = watchdog.judge

    def meanwhile(seen: watchdog.Seen, *, now: Any) -> watchdog.Verdict:
        verdict = judge(seen, now=now)
        charge.event(1, "Updated", 120, 1000, state="Charging")
        charge.digest(121)
        return verdict

    monkeypatch.setattr(watchdog, "judge", meanwhile)
    watchdog.watch(now=minute(121))
    assert Session.objects.get().status == SessionStatus.ACTIVE


@pytest.mark.django_db
def test_maintenance_that_begins_while_a_status_is_published_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outlet = make_outlet()
    Outlet.objects.update(reported_status="Charging", publish_due_at=minute(0))
    shown = set_evse_status

    def meanwhile(**fields: Any) -> Any:
        monkeypatch.setattr(publishing, "set_evse_status", shown)
        Station.objects.update(in_maintenance=True)
        publishing.publish_station(station_id=outlet.station_id, now=minute(2))
        return shown(**fields)

    monkeypatch.setattr(publishing, "set_evse_status", meanwhile)
    publishing.publish_due(now=minute(1))
    publishing.publish_due(now=minute(2))

    evse = outlet.connector.evse
    evse.refresh_from_db()
    assert evse.status == "INOPERATIVE"

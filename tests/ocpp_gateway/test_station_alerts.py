"""Alerts: one of a kind at a time."""

import pytest

from cpo_platform.common.saying import say
from ocpp_gateway.models import AlertKind, StationAlert
from ocpp_gateway.operations.alerts import raise_alert, resolve_alert, resolve_alerts
from tests.ocpp_gateway.world import Charge, make_outlet, minute

pytestmark = pytest.mark.django_db


def test_one_of_a_kind_is_open_at_a_time_and_says_the_last() -> None:
    station = make_outlet().station
    assert raise_alert(kind=AlertKind.FLOOD, station_id=station.pk, saying=say("1"), now=minute(0))

    assert not raise_alert(
        kind=AlertKind.FLOOD, station_id=station.pk, saying=say("2"), now=minute(1)
    )

    alert = StationAlert.objects.get()
    assert (alert.text, alert.raised_at) == ("2", minute(0))


def test_kinds_stations_and_transactions_have_alerts_of_their_own() -> None:
    one, other = Charge(make_outlet()), Charge(make_outlet())
    for charge in (one, other):
        station_id = charge.station.pk
        for transaction_id in (None, charge.row.pk):
            for kind in (AlertKind.STUCK, AlertKind.UNBILLED):
                assert raise_alert(
                    kind=kind,
                    station_id=station_id,
                    transaction_id=transaction_id,
                    saying=say(""),
                    now=minute(0),
                )

    assert StationAlert.objects.count() == 8


def test_what_has_gone_by_itself_is_resolved_and_may_come_again() -> None:
    station = make_outlet().station
    assert not resolve_alert(kind=AlertKind.OFFLINE, station_id=station.pk, now=minute(0))
    raise_alert(kind=AlertKind.OFFLINE, station_id=station.pk, saying=say("1"), now=minute(0))

    assert resolve_alert(kind=AlertKind.OFFLINE, station_id=station.pk, now=minute(5))
    assert raise_alert(
        kind=AlertKind.OFFLINE, station_id=station.pk, saying=say("2"), now=minute(6)
    )

    first, second = StationAlert.objects.order_by("pk")
    assert (first.resolved_at, first.resolved_by, first.text) == (minute(5), "", "1")
    assert (second.resolved_at, second.text) == (None, "2")


def test_staff_resolves_what_is_open_and_is_named() -> None:
    station = make_outlet().station
    raise_alert(kind=AlertKind.OFFLINE, station_id=station.pk, saying=say(""), now=minute(0))
    raise_alert(kind=AlertKind.FLOOD, station_id=station.pk, saying=say(""), now=minute(0))
    resolve_alert(kind=AlertKind.FLOOD, station_id=station.pk, now=minute(1))
    ids = list(StationAlert.objects.values_list("pk", flat=True))

    assert resolve_alerts(alert_ids=ids, by="anna", now=minute(2)) == 1

    assert set(StationAlert.objects.values_list("kind", "resolved_at", "resolved_by")) == {
        ("OFFLINE", minute(2), "anna"),
        ("FLOOD", minute(1), ""),
    }

"""What partners see of what stations report: as what, how often, and when a station is silent."""

from datetime import timedelta
from itertools import pairwise

import pytest

from cpo_platform.common.locks import advisory_lock
from locations.models import Connector, Evse, Status
from ocpp_gateway import publishing, statuses
from ocpp_gateway.frames import Version
from ocpp_gateway.models import AlertKind, Outlet, Station, StationAlert
from tests.concurrency import elsewhere
from tests.factories import LocationFactory, connector, evse
from tests.ocpp_gateway.placing import place
from tests.ocpp_gateway.world import make_outlet, minute

pytestmark = pytest.mark.django_db
GRACE = timedelta(minutes=5)


def say(outlet: Outlet, status: str, at: float, *, state: str = "") -> None:
    """Note what an outlet reports, as the gateway does."""
    Outlet.objects.filter(pk=outlet.pk).update(
        reported_status=status,
        reported_at=minute(at),
        charging_state=state,
        publish_due_at=minute(at),
    )


def shown(at: float) -> str:
    """Publish what is due, and return the status of the only EVSE."""
    publishing.publish_due(now=minute(at))
    return str(Evse.objects.values_list("status", flat=True).get())


@pytest.mark.parametrize(
    ("version", "status", "state", "expected"),
    [
        (Version.V1_6, "Charging", "", Status.CHARGING),
        (Version.V1_6, "Faulted", "", Status.OUTOFORDER),
        (Version.V2_0_1, "Occupied", "", Status.BLOCKED),
        (Version.V2_0_1, "Occupied", "SuspendedEV", Status.CHARGING),
        (Version.V2_0_1, "Unavailable", "", Status.INOPERATIVE),
    ],
)
def test_what_is_reported_is_shown_by_the_table(
    version: Version, status: str, state: str, expected: str
) -> None:
    outlet = make_outlet(version)
    say(outlet, status, 1, state=state)

    assert shown(1) == expected

    assert not Outlet.objects.filter(publish_due_at__isnull=False).exists()


def test_who_flaps_is_shown_six_times_and_then_once_a_minute() -> None:
    outlet = make_outlet()
    changes = []
    for second in range(0, 300, 5):
        before = Evse.objects.values_list("status", flat=True).get()
        say(outlet, "Charging" if second % 10 else "Available", second / 60)
        if shown(second / 60) != before:
            changes.append(second)

    assert len(changes) == statuses.MOST_WHEN_CALM + 4
    assert all(b - a >= 60 for a, b in pairwise(changes[6:]))


def test_the_last_of_a_flapping_stations_words_comes_through() -> None:
    outlet = make_outlet()
    for second in range(8):
        say(outlet, "Charging" if second % 2 else "Available", second / 60)
        shown(second / 60)
    say(outlet, "Faulted", 0.2)

    assert shown(0.2) != Status.OUTOFORDER
    due_at = Outlet.objects.values_list("publish_due_at", flat=True).get()
    assert due_at is not None
    assert due_at <= minute(1.2)
    assert shown(1.2) == Status.OUTOFORDER


def test_an_evse_is_what_its_connectors_are_together() -> None:
    location = LocationFactory(evses=[evse("E1", connectors=[connector("1"), connector("2")])])
    place(location)
    first, second = Outlet.objects.order_by("ordinal")
    say(first, "Available", 1)
    say(second, "Faulted", 1)
    assert shown(1) == Status.AVAILABLE
    say(second, "Charging", 2)
    assert shown(2) == Status.CHARGING


def test_maintenance_goes_before_what_the_station_says() -> None:
    outlet = make_outlet()
    Station.objects.update(in_maintenance=True)
    say(outlet, "Available", 1)
    assert shown(1) == Status.INOPERATIVE
    Station.objects.update(in_maintenance=False)
    publishing.publish_station(station_id=outlet.station_id, now=minute(2))
    assert shown(2) == Status.AVAILABLE


@pytest.mark.parametrize("status", [Status.PLANNED, Status.REMOVED])
def test_what_is_planned_or_removed_stays_so(status: str) -> None:
    outlet = make_outlet(evses=[evse("E1", status=status)])
    say(outlet, "Available", 1)

    assert shown(1) == status


def test_a_station_that_is_away_for_long_is_unknown_until_it_is_back() -> None:
    outlet = make_outlet()
    say(outlet, "Available", 0)
    shown(0)
    Station.objects.update(online_until=minute(1))

    assert publishing.show_offline(now=minute(5.9), grace=GRACE) == 0
    assert publishing.show_offline(now=minute(6.1), grace=GRACE) == 1
    assert shown(6.1) == Status.UNKNOWN
    assert StationAlert.objects.get().kind == AlertKind.OFFLINE
    assert publishing.show_offline(now=minute(7), grace=GRACE) == 0

    Station.objects.update(offline_shown=False)
    publishing.publish_station(station_id=outlet.station_id, now=minute(8))
    assert shown(8) == Status.AVAILABLE


def test_a_station_that_has_never_connected_is_not_shown_as_gone() -> None:
    make_outlet()
    assert publishing.show_offline(now=minute(600), grace=GRACE) == 0


def test_what_was_said_meanwhile_is_still_to_be_shown() -> None:
    outlet = make_outlet()
    say(outlet, "Available", 1)
    read = list(Outlet.objects.select_related("station", "connector__evse"))
    say(outlet, "Charging", 1.1)

    assert not publishing._unchanged(read).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_show_one_evse_at_a_time() -> None:
    outlet = make_outlet()
    say(outlet, "Charging", 1)
    with advisory_lock(publishing.PUBLISHING, Connector.objects.get().evse_id):
        elsewhere(lambda: publishing.publish_due(now=minute(1)))
    assert Evse.objects.get().status != Status.CHARGING
    assert shown(1) == Status.CHARGING

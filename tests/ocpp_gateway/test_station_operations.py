"""What staff decides on stations: placed, refused, forgotten, and never halfway."""

from typing import Any

import pytest
import redis
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from cpo_platform.common.saying import say
from locations.models import Connector, Location
from ocpp_gateway import passwords, registry
from ocpp_gateway.models import Outlet, Station, StationAlert, StationState
from ocpp_gateway.operations import stations
from ocpp_gateway.operations.alerts import raise_alert
from ocpp_gateway.operations.stations import OutletPlace, PasswordChoice, default_outlets
from tests.factories import NOW, LocationFactory, SessionFactory, connector, evse
from tests.ocpp_gateway.gateways import running, until
from tests.ocpp_gateway.placing import open_transaction, place

pytestmark = pytest.mark.django_db


def stranger() -> Station:
    return Station.objects.create(identity="CP-9", password_hash=passwords.make("knocked"))


def numbers(station: Station) -> list[tuple[str, int, int, int]]:
    rows = station.outlets.select_related("connector__evse").order_by("ordinal")
    return [
        (row.connector.evse.uid, row.ordinal, row.evse_number, row.connector_number) for row in rows
    ]


def place_it(station: Station, location: Location, **how: Any) -> stations.Placed:
    values = {"password": PasswordChoice.KEEP, "now": NOW, **how}
    return stations.place_station(station_id=station.pk, location_id=location.pk, **values)


def test_a_stranger_gets_an_outlet_for_each_free_connector_counted_both_ways() -> None:
    location = LocationFactory(
        evses=[evse("E1", connectors=[connector("1"), connector("2")]), evse("E2"), evse("E3")]
    )
    other = place(LocationFactory(), identity="OTHER")
    taken = Connector.objects.get(evse__uid="E2")
    Outlet.objects.create(
        station=other, connector=taken, ordinal=9, evse_number=9, connector_number=1
    )
    row = stranger()

    placed = place_it(row, location)

    row.refresh_from_db()
    assert (row.state, row.location, placed.password) == (StationState.PLACED, location, "")
    assert passwords.matches(b"knocked", row.password_hash)
    assert numbers(row) == [("E1", 1, 1, 1), ("E1", 2, 1, 2), ("E3", 3, 2, 1)]


def test_a_new_password_is_returned_once_and_kept_as_a_hash() -> None:
    row = stranger()
    password = place_it(row, LocationFactory(), password=PasswordChoice.NEW).password

    row.refresh_from_db()
    assert password not in row.password_hash
    assert passwords.matches(password.encode(), row.password_hash)
    assert not passwords.matches(b"knocked", row.password_hash)
    again = stations.set_password(station_id=row.pk)
    row.refresh_from_db()
    assert again != password
    assert passwords.matches(again.encode(), row.password_hash)


def test_a_station_can_be_placed_before_it_connects() -> None:
    location = LocationFactory()
    placed = stations.place_station(
        identity="CP-NEW", location_id=location.pk, password=PasswordChoice.NEW, now=NOW
    )
    assert placed.station.pk
    assert numbers(placed.station) == [(location.evses.get().uid, 1, 1, 1)]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"station_id": 0}, stations.NoSuchStation),
        ({"identity": "CP 1"}, stations.BadIdentity),
        ({"identity": ""}, stations.BadIdentity),
        ({"identity": "cp-9"}, stations.IdentityTaken),
        ({"identity": "CP-10", "location_id": 0}, stations.NoSuchLocation),
        ({"identity": "CP-10", "password": PasswordChoice.KEEP}, stations.NoPassword),
        ({"identity": "CP-10", "password": PasswordChoice.NONE}, stations.NoPassword),
        ({"identity": "CP-10", "outlets": [OutletPlace(0, 1, 1, 1)]}, stations.BadOutlets),
    ],
)
def test_what_cannot_be_placed_is_refused_and_nothing_changes(
    how: dict[str, Any], error: type[ValueError]
) -> None:
    location = LocationFactory()
    stranger()
    values = {"location_id": location.pk, "password": PasswordChoice.NEW, "now": NOW, **how}

    with pytest.raises(error):
        stations.place_station(**values)

    assert list(Station.objects.values_list("identity", "state")) == [("CP-9", "HELD")]
    assert not Outlet.objects.exists()


def test_a_station_without_password_needs_the_setting(settings: Settings) -> None:
    settings.OCPP_REQUIRE_PASSWORD = False
    row = stranger()
    place_it(row, LocationFactory(), password=PasswordChoice.NONE)
    row.refresh_from_db()
    assert row.password_hash == ""


def test_one_in_service_is_not_placed_again() -> None:
    row = place(LocationFactory())
    with pytest.raises(stations.WrongState):
        place_it(row, LocationFactory())


def test_numbers_of_outlets_can_be_exchanged_and_outlets_taken_away() -> None:
    location = LocationFactory(evses=[evse("E1"), evse("E2"), evse("E3")])
    row = place(location)
    one, two, _three = row.outlets.order_by("ordinal")
    places = [
        OutletPlace(one.connector_id, 2, 2, 1, "KEY"),
        OutletPlace(two.connector_id, 1, 1, 1),
    ]

    stations.put_outlets(station_id=row.pk, outlets=places, now=NOW)

    assert numbers(row) == [("E2", 1, 1, 1), ("E1", 2, 2, 1)]
    assert Outlet.objects.get(pk=one.pk).public_key == "KEY"


@pytest.mark.parametrize("change", [{"ordinal": 1}, {"evse_number": 1}, {"ordinal": 20_000}])
def test_outlets_that_are_counted_wrong_are_refused(change: dict[str, int]) -> None:
    row = place(LocationFactory(evses=[evse("E1"), evse("E2")]))
    first, second = row.outlets.order_by("ordinal")
    wrong: dict[str, Any] = {
        "connector_id": second.connector_id,
        "ordinal": 2,
        "evse_number": 2,
        **change,
    }
    places = [
        OutletPlace(first.connector_id, 1, 1, 1),
        OutletPlace(connector_number=1, **wrong),
    ]
    with pytest.raises(stations.BadOutlets, match="outlets: "):
        stations.put_outlets(station_id=row.pk, outlets=places, now=NOW)
    assert numbers(row) == [("E1", 1, 1, 1), ("E2", 2, 2, 1)]


def test_an_outlet_where_somebody_charges_is_not_taken_away() -> None:
    session = SessionFactory()
    row = place(session.location)
    open_transaction(session)
    with pytest.raises(stations.StillCharging):
        stations.put_outlets(station_id=row.pk, outlets=[], now=NOW)
    with pytest.raises(stations.StillCharging):
        stations.refuse_station(station_id=row.pk, now=NOW)
    row.refresh_from_db()
    assert (row.state, row.outlets.count()) == (StationState.PLACED, 1)


def test_a_refused_station_gives_its_connectors_back_and_can_be_placed_later() -> None:
    location = LocationFactory()
    row = place(location, password_hash=passwords.make("x"))
    raise_alert(kind="OFFLINE", station_id=row.pk, saying=say(""), now=NOW)  # type: ignore[arg-type]

    assert stations.refuse_station(station_id=row.pk, now=NOW).state == StationState.REFUSED

    assert not row.outlets.exists()
    assert not StationAlert.objects.filter(resolved_at=None).exists()
    place_it(row, location)
    assert row.outlets.count() == 1


def test_maintenance_has_its_evses_looked_at() -> None:
    row = place(LocationFactory())
    assert stations.set_maintenance(station_id=row.pk, in_maintenance=True, now=NOW).in_maintenance
    assert row.outlets.get().publish_due_at == NOW


def test_only_a_station_without_transactions_is_forgotten() -> None:
    session = SessionFactory()
    row = place(session.location)
    open_transaction(session)
    with pytest.raises(stations.HasTransactions):
        stations.forget_station(station_id=row.pk)
    quiet = stranger()
    stations.forget_station(station_id=quiet.pk)
    assert list(Station.objects.all()) == [row]


def test_who_is_connected_has_to_boot_anew(
    broker: redis.Redis,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    row = stranger()
    with running("gateway") as gateway:
        gateway.claim(row.pk, 7)
        with django_capture_on_commit_callbacks(execute=True):
            place_it(row, LocationFactory())
        assert until(lambda: gateway.closed) == [(row.pk, 7)]


def test_a_broker_that_is_away_does_not_keep_anybody_from_deciding(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def away(_station_id: int) -> bool:
        raise redis.ConnectionError

    monkeypatch.setattr(registry, "disconnect", away)
    row = stranger()
    with django_capture_on_commit_callbacks(execute=True):
        stations.refuse_station(station_id=row.pk, now=NOW)
    row.refresh_from_db()
    assert row.state == StationState.REFUSED


def test_connectors_of_its_own_are_offered_to_a_station_again() -> None:
    location = LocationFactory(evses=[evse("E1"), evse("E2")])
    row = place(location)
    assert default_outlets(location.pk) == []
    assert len(default_outlets(location.pk, station_id=row.pk)) == 2

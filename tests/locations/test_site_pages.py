"""What the pages of a site show and let people write: parking places, positions, logos, hours."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from cpo_platform.staff import operations as staff
from locations.models import Evse, Location, ParkingPlace
from roaming.models import Change
from tests.admin_pages import errors_of, send_form
from tests.factories import NOW, LocationFactory, evse

pytestmark = pytest.mark.django_db
PLACES = "/admin/locations/parkingplace/"
PLACE = {
    "id": "P1",
    "vehicle_types": ["PERSONAL_VEHICLE"],
    "restricted_to_type": False,
    "reservation_required": False,
}


def page(location: Location) -> str:
    return f"/admin/locations/location/{location.pk}/change/"


def evse_page() -> str:
    return f"/admin/locations/evse/{Evse.objects.get().pk}/change/"


def test_a_parking_place_is_added_from_its_location(admin_client: Client) -> None:
    location = LocationFactory()
    url = f"{PLACES}add/?location={location.pk}"
    assert url in admin_client.get(page(location)).content.decode()
    fields = {
        "ocpi_id": "P1",
        "vehicle_types": ["BUS", "DISABLED"],
        "max_vehicle_height": "350",
        "restricted_to_type": "on",
        "roofed": "true",
    }
    response = send_form(admin_client, url, "parkingplace_form", **fields)
    assert response.status_code == 302, errors_of(response)
    place = ParkingPlace.objects.get()
    assert place.location == location
    assert place.vehicle_types == ["BUS", "DISABLED"]
    assert place.max_vehicle_height == Decimal(350)
    assert (place.restricted_to_type, place.roofed, place.lighting) == (True, True, None)
    location.refresh_from_db()
    assert location.last_updated > NOW
    shown = admin_client.get(page(location)).content.decode()
    assert f"{PLACES}{place.pk}/change/" in shown


def test_a_new_parking_place_with_the_id_of_another_is_refused(admin_client: Client) -> None:
    location = LocationFactory(parking_places=[PLACE])
    url = f"{PLACES}add/?location={location.pk}"
    response = send_form(
        admin_client, url, "parkingplace_form", ocpi_id="p1", vehicle_types=["BUS"]
    )
    assert errors_of(response) == {"ocpi_id": ["This location has a parking place with this id."]}
    assert ParkingPlace.objects.get().vehicle_types == ["PERSONAL_VEHICLE"]


def test_a_parking_place_that_is_saved_unchanged_is_not_announced(admin_client: Client) -> None:
    LocationFactory(parking_places=[PLACE | {"roofed": False, "vehicle_types": ["HOVERCRAFT"]}])
    changes = Change.objects.count()
    url = f"{PLACES}{ParkingPlace.objects.get().pk}/change/"
    response = send_form(admin_client, url, "parkingplace_form")
    assert response.status_code == 302, errors_of(response)
    assert Location.objects.get().last_updated == NOW
    assert Change.objects.count() == changes


def test_where_an_evse_stands_is_written_and_kept(admin_client: Client) -> None:
    LocationFactory(parking_places=[PLACE], evses=[evse("E1", parking=[{"parking_id": "P1"}])])
    response = send_form(admin_client, evse_page(), "evse_form", position_lines="P1 left")
    assert response.status_code == 302, errors_of(response)
    assert Evse.objects.get().parking.get().evse_position == "LEFT"
    response = send_form(admin_client, evse_page(), "evse_form", floor_level="-1")
    assert response.status_code == 302, errors_of(response)
    assert Evse.objects.get().parking.get().evse_position == "LEFT"


@pytest.mark.parametrize("line", ["P1", "P1 ABOVE", "P2 LEFT"])
def test_a_position_that_is_none_is_refused(admin_client: Client, line: str) -> None:
    LocationFactory(parking_places=[PLACE], evses=[evse("E1", parking=[{"parking_id": "P1"}])])
    response = send_form(admin_client, evse_page(), "evse_form", position_lines=line)
    assert list(errors_of(response)) == ["position_lines"]
    assert Evse.objects.get().parking.get().evse_position == ""


def test_a_connector_says_that_it_can_plug_and_charge(admin_client: Client) -> None:
    LocationFactory()
    fields: dict[str, Any] = {"connectors-0-capabilities": ["ISO_15118_20_PLUG_AND_CHARGE"]}
    response = send_form(admin_client, evse_page(), "evse_form", **fields)
    assert response.status_code == 302, errors_of(response)
    connector = Evse.objects.get().connectors.get()
    assert connector.capabilities == ["ISO_15118_20_PLUG_AND_CHARGE"]


def test_a_business_has_one_logo(admin_client: Client) -> None:
    location = LocationFactory(operator={"name": "TST"})
    logo = "OPERATOR https://e.example/logo.png 120x60 png"
    response = send_form(admin_client, page(location), "location_form", operator_logo=logo)
    assert response.status_code == 302, errors_of(response)
    location.refresh_from_db()
    assert location.operator["logo"]["url"] == "https://e.example/logo.png"
    twice = send_form(
        admin_client, page(location), "location_form", operator_logo=f"{logo}\n{logo}"
    )
    assert errors_of(twice) == {"operator_logo": ["Give one image only."]}
    nameless = send_form(admin_client, page(location), "location_form", owner_logo=logo)
    assert errors_of(nameless) == {"owner_name": ["A logo needs a name as well."]}


def test_who_may_only_look_sees_hours_parking_photos_and_energy() -> None:
    location = LocationFactory(
        parking_places=[PLACE],
        evses=[evse("E1", parking_restrictions=["DISABLED"])],
        opening_times={
            "twentyfourseven": False,
            "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "18:00"}],
        },
        images=[{"url": "https://e.example/a.jpg", "category": "ENTRANCE", "type": "jpeg"}],
        energy_mix={
            "is_green_energy": True,
            "energy_sources": [{"source": "WIND", "percentage": 100}],
        },
    )
    user = User.objects.create_user("reader", is_staff=True)
    staff.set_roles(user_id=user.pk, roles=["read_only"])
    client = Client()
    client.force_login(user)
    text = client.get(page(location)).content.decode()
    for shown in ("cpo-when-open", "cpo-source-wind", "https://e.example/a.jpg", "P1", "E1"):
        assert shown in text
    assert 'rel="noopener noreferrer"' in text
    # Nothing of another host is loaded.
    assert "<img" not in text
    assert f"{PLACES}add/" not in text


def test_a_parking_place_is_deleted_and_evses_name_it_no_more(admin_client: Client) -> None:
    location = LocationFactory(
        parking_places=[PLACE, PLACE | {"id": "P2"}],
        evses=[
            evse("E1", parking=[{"parking_id": "P1"}, {"parking_id": "P2"}]),
            evse("E2", parking=[{"parking_id": "P2"}]),
        ],
    )
    place = ParkingPlace.objects.get(ocpi_id="P1")
    url = f"{PLACES}{place.pk}/delete/"
    asked = admin_client.get(url).content.decode()
    assert "1 EVSE stands at it. It stays, and does not name the place any more." in asked
    assert ParkingPlace.objects.count() == 2
    changes = Change.objects.count()
    response = admin_client.post(url)
    assert response.headers["Location"] == f"{page(location)}#parking"
    assert [one.ocpi_id for one in ParkingPlace.objects.all()] == ["P2"]
    first, second = Evse.objects.order_by("uid")
    assert [one.parking_place.ocpi_id for one in first.parking.all()] == ["P2"]
    location.refresh_from_db()
    assert location.last_updated >= first.last_updated > NOW
    assert second.last_updated == NOW
    assert Change.objects.count() > changes
    # Who comes second is told that it is gone.
    assert admin_client.post(url).headers["Location"] == PLACES


def test_who_may_not_change_a_location_deletes_no_parking_place() -> None:
    LocationFactory(parking_places=[PLACE])
    user = User.objects.create_user("reader", is_staff=True)
    staff.set_roles(user_id=user.pk, roles=["read_only"])
    client = Client()
    client.force_login(user)
    url = f"{PLACES}{ParkingPlace.objects.get().pk}/delete/"
    assert client.get(url).status_code == client.post(url).status_code == 403
    assert ParkingPlace.objects.exists()

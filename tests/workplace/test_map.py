"""The map: what it shows, to whom, and what it refuses."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cpo_platform.staff import operations
from tests.factories import LocationFactory, evse
from tests.staff.world import MARK, World, make_world

pytestmark = pytest.mark.django_db
POINTS = "/admin/map/points/"
WORLD = {"bbox": "-180,-90,180,90", "zoom": "1"}


def points(client: Client, **asked: str) -> Any:
    answer = client.get(POINTS, {**WORLD, **asked})
    assert answer.status_code == 200, answer.content
    return answer.json()


def scoped(world: World, by: str) -> Client:
    user = User.objects.create_user("scoped", is_staff=True)
    operations.set_roles(user_id=user.pk, roles=["operator_admin"])
    ids: Any = {"party_ids": [world.party.pk]} if by == "party" else {"group_ids": [world.group.pk]}
    operations.set_scope(user_id=user.pk, everything=False, **ids)
    client = Client()
    client.force_login(user)
    return client


def test_places_near_one_another_are_one_mark_until_there_is_room(admin_client: Client) -> None:
    LocationFactory(coordinates={"latitude": "52.100000", "longitude": "5.100000"})
    LocationFactory(coordinates={"latitude": "52.200000", "longitude": "5.200000"})
    far = points(admin_client)
    assert [mark["locations"] for mark in far["marks"]] == [2]
    near = points(admin_client, bbox="5.0,52.0,5.3,52.3", zoom="11")
    assert [mark["locations"] for mark in near["marks"]] == [1, 1]
    assert all("id" in mark and mark["name"] for mark in near["marks"])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"bbox": ""}, "bbox"),
        ({"bbox": "1,2,3"}, "bbox"),
        ({"bbox": "1,2,3,4,5"}, "bbox"),
        ({"bbox": "a,b,c,d"}, "bbox"),
        ({"bbox": "nan,0,1,1"}, "bbox"),
        ({"bbox": "2,0,1,1"}, "bbox"),
        ({"bbox": "181,0,190,1"}, "bbox"),
        ({"zoom": "x"}, "zoom"),
        ({"zoom": "-1"}, "zoom"),
        ({"zoom": "99"}, "zoom"),
        ({"tone": "pink"}, "tone"),
        ({"group": "1;"}, "group"),
    ],
)
def test_what_is_no_part_of_a_map_is_refused_with_the_reason(
    admin_client: Client, asked: dict[str, str], field: str
) -> None:
    answer = admin_client.get(POINTS, {**WORLD, **asked})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(field)


def test_the_worst_places_come_first(admin_client: Client) -> None:
    statuses = {
        "All fine": ["AVAILABLE"],
        "One blocked": ["AVAILABLE", "BLOCKED"],
        "One broken": ["AVAILABLE", "OUTOFORDER"],
        "Broken altogether": ["OUTOFORDER", "OUTOFORDER"],
    }
    for number, (name, of_evses) in enumerate(statuses.items()):
        place = {"latitude": f"52.{number}00000", "longitude": "5.100000"}
        evses = [evse(f"{number}-{at}", status=status) for at, status in enumerate(of_evses)]
        LocationFactory(name=name, coordinates=place, evses=evses)

    marks = points(admin_client, bbox="5,51.9,5.5,52.4", zoom="12")["marks"]

    names = [mark["name"].partition(",")[0] for mark in marks]
    assert names == ["Broken altogether", "One broken", "One blocked", "All fine"]


def test_a_status_and_a_group_narrow_it(admin_client: Client) -> None:
    world = make_world()
    assert points(admin_client)["locations"] == 2
    assert points(admin_client, group=str(world.group.pk))["locations"] == 1
    assert points(admin_client, tone="red")["locations"] == 0


@pytest.mark.parametrize("by", ["party", "group"])
def test_a_scoped_person_sees_no_place_and_no_number_of_another_party(by: str) -> None:
    world = make_world()
    client = scoped(world, by)
    found = points(client, zoom="19", bbox="-180,-90,180,90")
    assert found["locations"] == 1
    assert [mark["evses"] for mark in found["marks"]] == [4]
    assert MARK not in str(found)
    other_group = str(world.other["locations.locationgroup"])
    assert points(client, group=other_group)["locations"] == 0
    other = world.other["locations.location"]
    assert client.get(f"/admin/map/{other}/").status_code == 404
    for path in ("/admin/map/", f"/admin/map/?location={other}"):
        page = client.get(path).content.decode()
        assert MARK not in page
        assert 'data-location=""' in page


def test_a_place_shows_its_evses_with_links(admin_client: Client) -> None:
    world = make_world()
    own = world.own["locations.location"]
    page = admin_client.get(f"/admin/map/{own}/").content.decode()
    assert f"/admin/locations/evse/{world.own['locations.evse']}/change/" in page
    assert f"/admin/locations/location/{own}/change/" in page
    assert (
        f'data-location="{own}"' in admin_client.get(f"/admin/map/?location={own}").content.decode()
    )


@pytest.mark.parametrize("path", ["/admin/map/", POINTS, "/admin/map/1/"])
def test_it_is_for_who_may_see_locations(client: Client, path: str) -> None:
    assert client.get(path).status_code == 302
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(path, WORLD).status_code == 403


def test_the_number_of_questions_does_not_grow(admin_client: Client) -> None:
    counts = []
    for _round in range(2):
        LocationFactory()
        with CaptureQueriesContext(connection) as queries:
            points(admin_client)
        counts.append(len(queries))
    # The names of places that stand alone are one more.
    assert counts == [5, 4]


def test_no_other_server_is_named_where_no_tiles_are_set(admin_client: Client) -> None:
    page = admin_client.get("/admin/map/").content.decode()
    assert 'data-tiles=""' in page
    assert "cpo/map/countries.json" in page


def test_no_outline_goes_around_the_world() -> None:
    path = Path(settings.BASE_DIR) / "static/cpo/map/countries.json"
    outlines = json.loads(path.read_text(encoding="utf-8"))
    rings = [
        (feature["properties"]["name"], ring)
        for feature in outlines["features"]
        for polygon in feature["geometry"]["coordinates"]
        for ring in polygon
    ]
    assert len(rings) > 500
    around = {name for name, ring in rings for a, b in pairwise(ring) if abs(a[0] - b[0]) > 180}
    assert around == set(), "a country beyond 180 degrees is drawn as a band across all others"


def test_an_empty_map_says_what_to_do_next(admin_client: Client) -> None:
    hint = "There are no locations yet: import them from a file, or write the first."
    page = admin_client.get("/admin/map/").content.decode()
    assert hint in page
    assert 'href="/admin/locations/location/">To the locations' in page
    LocationFactory()
    assert hint not in admin_client.get("/admin/map/").content.decode()

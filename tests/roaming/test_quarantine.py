"""An object that breaks the rules of a version: set aside for that version, and for nobody else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from locations.models import Evse, Location
from locations.operations import set_evse_status
from roaming.models import Document, Quarantined
from roaming.ocpi import documents
from roaming.ocpi.versions import VERSIONS
from tests.audiences import EVERYBODY
from tests.factories import NOW, LocationFactory, TariffFactory, evse
from tests.roaming.conftest import Caller

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
REASON = "coordinates.latitude"


class Renderer:
    """The real one, but in 2.2.1 wrong for locations called BAD, and failing for RAISING ones."""

    def __init__(self, real: Callable[..., dict[str, Any]]) -> None:
        self._real = real
        self.corrected = False

    def __call__(self, shapes: Any, row: Any, audience: Any) -> dict[str, Any]:
        document = self._real(shapes, row, audience)
        if self.corrected or shapes is not VERSIONS["2.2.1"].shapes:
            return document
        if row.ocpi_id.startswith("RAISING"):
            raise ZeroDivisionError("no such place")
        if row.ocpi_id.startswith("BAD"):
            return document | {"coordinates": {"latitude": "north", "longitude": "4.895168"}}
        return document


@pytest.fixture
def renderer(monkeypatch: pytest.MonkeyPatch) -> Renderer:
    source = documents.SOURCES["locations"]
    broken = Renderer(source.render)
    monkeypatch.setitem(documents.SOURCES, "locations", replace(source, render=broken))
    return broken


def sites(*names: str) -> None:
    tariff = TariffFactory(id="T")
    for name in names:
        LocationFactory(id=name, tariff=tariff, evses=[evse(f"E-{name}")])


def pull(call: Caller, path: str) -> tuple[list[str], list[str]]:
    """Follow every link; return the ids and the counts that were told."""
    seen: list[str] = []
    counts: list[str] = []
    while path:
        reply = call.get(path)
        assert (reply.status, reply.code) == (200, 1000)
        seen += [item["id"] for item in reply.data]
        counts.append(reply.headers["X-Total-Count"])
        path = reply.headers.get("Link", "").removeprefix("<http://localhost:8000").split(">")[0]
    return seen, counts


@pytest.mark.rule("TR-74", "TR-81")
def test_bad_objects_are_left_out_of_every_page_and_of_the_first_count(
    call: Caller, renderer: Renderer
) -> None:
    names = [f"L{number:03}" for number in range(100)]
    names[3], names[50], names[99] = "BAD-1", "RAISING-2", "BAD-3"
    sites(*names)

    seen, counts = pull(call, "locations?limit=30")

    assert seen == [name for name in names if name.startswith("L")]
    assert counts == ["97"] * 4
    assert Quarantined.objects.count() == 3
    problems = dict(Quarantined.objects.values_list("object_id", "problems"))
    ids = dict(Location.objects.values_list("ocpi_id", "pk"))
    assert REASON in problems[ids["BAD-1"]][0]
    assert problems[ids["RAISING-2"]] == ["ZeroDivisionError: no such place"]


def test_another_version_is_served_all_of_them(call: Caller, renderer: Renderer) -> None:
    sites("L1", "BAD-2", "L3")

    pull(call, "locations")

    assert pull(call, "/ocpi/2.3.0/locations")[0] == ["L1", "BAD-2", "L3"]


@pytest.mark.rule("LOC-30")
def test_a_bad_object_is_not_there_by_its_own_url(call: Caller, renderer: Renderer) -> None:
    sites("L1", "BAD-2")

    reply = call.get("locations/BAD-2")

    assert (reply.status, reply.code) == (404, 2003)
    assert "data" not in reply.body
    assert REASON not in str(reply.body)
    assert call.get("locations/L1").status == 200
    assert call.get("locations/BAD-2/E-BAD-2").status == 404


def test_a_bad_object_is_not_pushed(renderer: Renderer) -> None:
    sites("L1", "BAD-2")
    moments = dict(Location.objects.values_list("pk", "last_updated"))

    bodies = documents.bodies(
        moments.items(), module="locations", version=VERSIONS["2.2.1"], audience=EVERYBODY
    )

    assert set(bodies) == {Location.objects.get(ocpi_id="L1").pk}


def test_the_next_good_rendering_heals(call: Caller, renderer: Renderer) -> None:
    sites("L1", "BAD-2", "L3")
    assert pull(call, "locations") == (["L1", "L3"], ["2"])

    renderer.corrected = True
    assert pull(call, "locations") == (["L1", "L3"], ["2"])  # nothing has changed yet
    set_evse_status(evse_id=Evse.objects.get(uid="E-BAD-2").pk, status="BLOCKED", now=LATER)

    assert pull(call, "locations") == (["L1", "BAD-2", "L3"], ["3"])
    assert not Quarantined.objects.exists()


def test_an_object_that_goes_bad_is_left_out_at_once(call: Caller, renderer: Renderer) -> None:
    renderer.corrected = True
    sites("L1", "BAD-2", "L3")
    assert pull(call, "locations")[0] == ["L1", "BAD-2", "L3"]

    renderer.corrected = False
    set_evse_status(evse_id=Evse.objects.get(uid="E-BAD-2").pk, status="BLOCKED", now=LATER)

    assert pull(call, "locations?limit=2") == (["L1", "L3"], ["2"])


def test_a_bad_object_is_rendered_once_and_not_with_every_page(
    call: Caller, renderer: Renderer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    sites("L1", "BAD-2")
    pull(call, "locations")

    # Who calls, and the page.
    with django_assert_num_queries(2):
        call.get("locations")


def test_a_list_too_long_to_be_rendered_at_once_is_rendered_page_by_page(
    call: Caller, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_SWEPT", 3)
    sites("L1", "L2", "BAD-3", "L4", "L5", "L6")

    seen, counts = pull(call, "locations?limit=2")

    assert seen == ["L1", "L2", "L4", "L5", "L6"]
    assert counts[-1] == "5"
    assert pull(call, "locations?limit=2")[1] == ["5", "5", "5"]


def test_staff_reads_what_is_wrong_and_has_it_checked_again(
    call: Caller, renderer: Renderer, admin_client: Client
) -> None:
    sites("L1", "BAD-2")
    pull(call, "locations")
    row = Quarantined.objects.get()
    pages = reverse("admin:roaming_quarantined_changelist")

    listed = admin_client.get(pages)
    shown = admin_client.get(reverse("admin:roaming_quarantined_change", args=[row.pk]))
    of_object = admin_client.get(reverse("admin:locations_location_change", args=[row.object_id]))

    assert "2.2.1" in listed.content.decode()
    for response in (listed, shown, of_object):
        assert response.status_code == 200
        assert REASON in response.content.decode()

    again = {"action": "check_again", "_selected_action": [row.pk]}
    admin_client.post(pages, again)
    assert Quarantined.objects.get().object_id == row.object_id

    renderer.corrected = True
    admin_client.post(pages, {**again, "_selected_action": [Quarantined.objects.get().pk]})
    assert not Quarantined.objects.exists()
    assert pull(call, "locations") == (["L1", "BAD-2"], ["2"])
    assert Document.objects.filter(object_id=row.object_id).exists()

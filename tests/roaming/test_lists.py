"""Lists: pages, filters, what they cost, and that every object in them is right."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from cpo_platform.common import clock
from cpo_platform.common.json import format_datetime
from locations.models import Evse, Location
from locations.operations import set_evse_status
from roaming.models import Document
from roaming.ocpi.common import pagination
from tests.factories import NOW, LocationFactory, TariffFactory, connector, evse
from tests.roaming.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def five_sites(db: None) -> None:
    tariff = TariffFactory(id="T")
    for number in range(5):
        LocationFactory(
            id=f"L{number}",
            tariff=tariff,
            evses=[evse(f"E{number}")],
            now=NOW + timedelta(hours=number),
        )


def ids(data: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in data]


def test_links_lead_through_every_page_once(call: Caller, five_sites: None) -> None:
    seen: list[str] = []
    path = "locations?limit=2&date_from=2026-01-01T00:00:00Z"
    links = []
    second = Location.objects.get(ocpi_id="L1").pk
    while path:
        reply = call.get(path)
        assert reply.headers["X-Total-Count"] == "5"
        assert reply.headers["X-Limit"] == "100"
        seen += ids(reply.data)
        link = reply.headers.get("Link", "")
        links.append(link)
        path = link.removeprefix("<http://localhost:8000").split(">")[0]

    assert seen == ["L0", "L1", "L2", "L3", "L4"]
    assert links[0] == (
        "<http://localhost:8000/ocpi/2.2.1/locations?offset=2&limit=2"
        f'&date_from=2026-01-01T00%3A00%3A00Z&after={second}>; rel="next"'
    )
    assert links[-1] == ""


def test_date_from_is_inclusive_and_date_to_exclusive(call: Caller, five_sites: None) -> None:
    second, fourth = (format_datetime(NOW + timedelta(hours=hours)) for hours in (1, 3))

    reply = call.get(f"locations?date_from={second}&date_to={fourth}")

    assert ids(reply.data) == ["L1", "L2"]
    assert reply.headers["X-Total-Count"] == "2"


def test_a_change_does_not_move_an_object_between_pages(call: Caller, five_sites: None) -> None:
    set_evse_status(
        evse_id=Evse.objects.get(uid="E0").pk, status="CHARGING", now=NOW + timedelta(days=1)
    )

    assert ids(call.get("locations?limit=2").data) == ["L0", "L1"]


def test_a_status_change_is_seen_by_a_pull_by_date(call: Caller, five_sites: None) -> None:
    later = NOW + timedelta(days=1)
    set_evse_status(evse_id=Evse.objects.get(uid="E2").pk, status="CHARGING", now=later)

    (location,) = call.get(f"locations?date_from={format_datetime(later)}").data

    assert location["id"] == "L2"
    assert location["last_updated"] == format_datetime(later)
    assert location["evses"][0]["last_updated"] == format_datetime(later)
    assert location["evses"][0]["status"] == "CHARGING"
    assert location["evses"][0]["connectors"][0]["last_updated"] != format_datetime(later)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=ten",
        "limit=1.5",
        "offset=-1",
        "offset=²",
        "offset=99999999999999999999999",
        "date_from=yesterday",
        "date_from=2026-01-01",
        "date_to=2026-13-01T00:00:00Z",
    ],
)
def test_a_bad_parameter_is_2001_and_named(call: Caller, query: str) -> None:
    reply = call.get(f"locations?{query}")

    assert (reply.status, reply.code) == (200, 2001)
    assert query.partition("=")[0] in reply.body["status_message"]


def test_a_limit_above_ours_is_lowered(
    call: Caller, five_sites: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "MAX_LIMIT", 3)

    reply = call.get("locations?limit=2000")

    assert len(reply.data) == 3
    assert reply.headers["X-Limit"] == "3"
    assert "limit=3" in reply.headers["Link"]


def test_a_page_beyond_the_end_is_empty(call: Caller, five_sites: None) -> None:
    reply = call.get("locations?offset=100")

    assert reply.data == []
    assert reply.headers["X-Total-Count"] == "5"
    assert "Link" not in reply.headers


def test_sessions_need_a_date_from(call: Caller) -> None:
    assert call.get("sessions").code == 2001
    assert call.get("sessions?date_from=2026-01-01T00:00:00Z").data == []


def test_an_offset_in_a_date_is_understood(call: Caller, five_sites: None) -> None:
    # 10:00+01:00 is 09:00 UTC; the + arrives as a space when it is not encoded.
    reply = call.get("locations?date_from=2026-06-01T10:00:00+01:00")

    assert ids(reply.data) == ["L1", "L2", "L3", "L4"]


@pytest.mark.parametrize("count", [1, 5])
def test_a_page_costs_the_same_queries_at_any_size(
    call: Caller, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tariff = TariffFactory(id="T")
    for number in range(count):
        LocationFactory(id=f"L{number}", tariff=tariff, evses=[evse(f"E{number}")])
    call.get("locations")

    # Who calls, and the page.
    with django_assert_num_queries(2):
        assert len(call.get("locations").data) == count


def test_a_document_is_rendered_once_and_again_after_a_change(
    call: Caller, five_sites: None
) -> None:
    call.get("locations")
    before = dict(Document.objects.values_list("object_id", "body"))
    call.get("locations")
    assert dict(Document.objects.values_list("object_id", "body")) == before

    changed = Location.objects.get(ocpi_id="L1")
    set_evse_status(evse_id=changed.evses.get().pk, status="BLOCKED", now=NOW + timedelta(days=2))
    call.get("locations")

    after = dict(Document.objects.values_list("object_id", "body"))
    assert {key for key in after if after[key] != before[key]} == {changed.pk}


def test_three_levels_of_a_location(call: Caller, five_sites: None) -> None:
    assert call.get("locations/l1").data["id"] == "L1"
    assert call.get("locations/L1/e1").data["uid"] == "E1"
    assert call.get("locations/L1/E1/1").data["id"] == "1"
    for path in ("L9", "L1/E2", "L1/E1/2"):
        reply = call.get(f"locations/{path}")
        assert (reply.status, reply.code) == (404, 2003)


def test_an_unpublished_location_is_not_there(call: Caller) -> None:
    LocationFactory(id="HIDDEN", publish=False)

    assert call.get("locations").data == []
    assert call.get("locations/HIDDEN").status == 404


def test_a_removed_evse_is_still_told(call: Caller, five_sites: None) -> None:
    set_evse_status(evse_id=Evse.objects.get(uid="E1").pk, status="REMOVED", now=clock.now())

    statuses = {item["id"]: item["evses"][0]["status"] for item in call.get("locations").data}

    assert statuses["L1"] == "REMOVED"


def test_an_evse_that_the_version_cannot_express_is_not_there(call: Caller) -> None:
    """MCS has no name in 2.2.1: the list leaves the EVSE out, and so does its own URL."""
    mcs = connector("1") | {"standard": "MCS"}
    LocationFactory(
        id="TRUCKS", evses=[evse("E-CCS", power="DC"), evse("E-MCS") | {"connectors": [mcs]}]
    )

    assert [one["uid"] for one in call.get("locations/TRUCKS").data["evses"]] == ["E-CCS"]
    assert call.get("locations/TRUCKS/E-CCS").status == 200
    reply = call.get("locations/TRUCKS/E-MCS")
    assert (reply.status, reply.code) == (404, 2003)
    assert call.get("locations/TRUCKS/E-MCS/1").status == 404

"""Stations and location groups: what a file says of them, and what only their pages may."""

from typing import Any

import pytest
from django.urls import reverse

from locations.models import Location, LocationGroup
from ocpp_gateway.models import Outlet, Station, StationState
from roaming.models import Change
from tests.bulk.jobs import (
    apply,
    change,
    client_of,
    imported,
    outcomes,
    person,
    reasons,
    rows,
    undo,
    value,
)
from tests.factories import LocationFactory, evse
from tests.ocpp_gateway.placing import place

pytestmark = pytest.mark.django_db

NEW = "identity,location__ocpi_id,evse_uids,password\n"


def two_stations() -> list[Station]:
    return [
        place(LocationFactory(id=f"L{number}", evses=[evse(f"E{number}")]), identity=f"CP-{number}")
        for number in (1, 2)
    ]


def test_maintenance_of_many_stations_begins_and_is_put_back() -> None:
    keys = [one.pk for one in two_stations()]
    user = person()
    job = change(user, "ocpp_gateway.station", keys, in_maintenance=value("on"))
    assert outcomes(job) == ["WOULD_CHANGE"] * 2, reasons(job)
    to_publish = Outlet.objects.filter(publish_due_at__isnull=False)
    assert not to_publish.exists()
    job = apply(job)
    assert job.counts == {"CHANGED": 2}
    assert Station.objects.filter(in_maintenance=True).count() == 2
    assert to_publish.count() == 2
    apply(undo(job, user))
    assert not Station.objects.filter(in_maintenance=True).exists()


def test_a_station_of_a_file_waits_for_its_charger_with_a_password_that_nobody_knows() -> None:
    LocationFactory(id="L1", evses=[evse("E1"), evse("E2")])
    job = imported(person(), "ocpp_gateway.station", NEW + "CP-9,L1,E2; E1,NEW\n")
    assert outcomes(job) == ["WOULD_CREATE"], reasons(job)
    assert not Station.objects.exists()
    job = apply(job)
    station = Station.objects.get()
    assert (station.identity, station.state) == ("CP-9", StationState.PLACED)
    assert station.password_hash
    outlets = Outlet.objects.order_by("ordinal").values_list(
        "ordinal", "evse_number", "connector_number", "connector__evse__uid"
    )
    assert list(outlets) == [(1, 1, 1, "E2"), (2, 2, 1, "E1")]
    assert station.password_hash not in str(list(job.rows.values()))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("C P,L1,E1,NEW", "The identity has 1 to 48 letters"),
        ("CP-9,L1,E7,NEW", "The location has no such EVSE with a connector: E7."),
        ("CP-9,L7,E1,NEW", "There is no location L7."),
        ("CP-9,L1,,NEW", "This field is required."),
        ("CP-9,L1,E1,SECRET", "SECRET is not one of the available choices"),
        ("CP-1,L2,,", "This station is at the location L1, and cannot be moved."),
        ("CP-9,L1,E1,NEW", "a connector is of another station"),
    ],
)
def test_a_station_that_cannot_be_is_refused_with_the_reason(line: str, sentence: str) -> None:
    two_stations()
    job = imported(person(), "ocpp_gateway.station", f"{NEW}{line}\n")
    assert outcomes(job) == ["REFUSED"]
    assert sentence in reasons(job)[0]
    assert Station.objects.count() == 2


def test_a_station_that_has_knocked_is_decided_on_its_page() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    Station.objects.create(identity="STRANGER")
    job = imported(person(), "ocpp_gateway.station", NEW + "STRANGER,L1,E1,NEW\n")
    assert reasons(job) == [
        "identity: This station has knocked, or was refused: place it on its page."
    ]


def test_without_a_password_is_offered_only_where_it_is_allowed(settings: Any) -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    settings.OCPP_REQUIRE_PASSWORD = True
    user = person()
    assert outcomes(imported(user, "ocpp_gateway.station", NEW + "CP-9,L1,E1,NONE\n")) == [
        "REFUSED"
    ]
    settings.OCPP_REQUIRE_PASSWORD = False
    apply(imported(user, "ocpp_gateway.station", NEW + "CP-9,L1,E1,NONE\n"))
    assert Station.objects.get().password_hash == ""


def test_the_list_of_stations_offers_both_and_its_template_changes_nothing() -> None:
    two_stations()
    user = person()
    client = client_of(user)
    page = client.get(reverse("admin:ocpp_gateway_station_changelist")).content.decode()
    assert 'value="change_many"' in page
    assert "import-file" in page
    url = reverse("admin:ocpp_gateway_station_bulk_template")
    content = client.post(url, {"format": "csv", "filled": "1"}).content.decode("utf-8-sig")
    job = imported(user, "ocpp_gateway.station", content)
    assert job.counts == {"UNCHANGED": 2}, reasons(job)


def of(group: LocationGroup) -> set[str]:
    return set(group.locations.values_list("ocpi_id", flat=True))


def test_a_group_is_what_the_file_says_or_gets_more_and_less() -> None:
    for name in ("L1", "L2", "L3"):
        LocationFactory(id=name, evses=[evse(f"E-{name}")])
    party = Location.objects.get(ocpi_id="L1").party
    user = person()
    text = f"name,locations\nFleet,L1; {party}*L2\n"
    job = apply(imported(user, "locations.locationgroup", text))
    assert job.counts == {"CREATED": 1}, reasons(job)
    group = LocationGroup.objects.get(name="Fleet")
    assert of(group) == {"L1", "L2"}

    text = "name,add_locations,remove_locations\nFleet,L3,L1\n"
    job = imported(user, "locations.locationgroup", text)
    names = [f"{party}*{one}" for one in ("L1", "L2", "L3")]
    row = rows(job)[0]
    assert (row.before, row.after) == (
        {"locations": ["\n".join(names[:2])]},
        {"locations": ["\n".join(names[1:])]},
    )
    announced = Change.objects.count()
    job = apply(job)
    assert of(group) == {"L2", "L3"}
    assert Change.objects.count() >= announced
    apply(undo(job, user))
    assert of(group) == {"L1", "L2"}


def test_many_groups_get_a_location_at_once() -> None:
    for name in ("L1", "L2"):
        LocationFactory(id=name, evses=[evse(f"E-{name}")])
    groups = [LocationGroup.objects.create(name=name) for name in ("A", "B")]
    keys = [group.pk for group in groups]
    job = apply(change(person(), "locations.locationgroup", keys, add_locations=value("L1")))
    assert job.counts == {"CHANGED": 2}
    assert [of(group) for group in groups] == [{"L1"}, {"L1"}]


def test_an_id_that_is_none_or_means_several_is_refused() -> None:
    LocationFactory(id="L1", party_id="AAA", evses=[evse("E1")])
    LocationFactory(id="L1", party_id="BBB", evses=[evse("E2")])
    job = imported(person(), "locations.locationgroup", "name,locations\nA,L1; L9\n")
    assert reasons(job) == [
        "locations: No location has this id, or several have it: L1, L9. Write DE*ABC*LOC1."
    ]

"""Locations as each version has them, and what the platform refuses to make."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cpo_platform.common.shapes import EnergyMix, Hours, ShapeError, parse
from locations.models import Evse, Location
from locations.operations import (
    EvseElsewhere,
    OverlappingTariffs,
    UnknownParkingPlace,
    set_evse_status,
)
from roaming.ocpi import schemas
from roaming.ocpi.common.audience import Audience
from tariffs.operations import delete_tariff
from tests.audiences import EVERYBODY
from tests.factories import NOW, LocationFactory, TariffFactory, connector, evse
from tests.roaming.ocpi_shapes.objects import (
    ALL,
    DIRECTIONS,
    IMAGE,
    LATER,
    PARKING,
    period,
    render,
    rich_location,
    whole,
)

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def only_evse(document: Json) -> Json:
    [item] = document["evses"]
    found: Json = item
    return found


@pytest.mark.rule("LOC-12", "LOC-14", "LOC-18")
def test_a_rich_location_in_2_1_1() -> None:
    document = render("2.1.1", rich_location())
    item = document.pop("evses")[0]

    assert document == {
        "id": "L1",
        "type": "OTHER",
        "name": "Test location",
        "address": "A street with a name that is longer than fort",
        "city": "Amsterdam",
        "postal_code": "1000 AA",
        "country": "NLD",
        "coordinates": {"latitude": "52.370216", "longitude": "4.895168"},
        "related_locations": [
            {
                "latitude": "-52.370216",
                "longitude": "-104.895169",
                "name": {"language": "en", "text": "Entrance"},
            }
        ],
        "directions": DIRECTIONS,
        "operator": {"name": "Test Charging", "website": "https://cpo.example", "logo": IMAGE},
        "suboperator": {"name": "Sub"},
        "owner": {"name": "Test Charging", "website": "https://cpo.example"},
        "facilities": ["CAFE"],
        "time_zone": "Europe/Amsterdam",
        "opening_times": {
            "twentyfourseven": False,
            "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}],
            "exceptional_openings": [period("2026-12-24T08:00:00Z", "2026-12-24T12:00:00Z")],
            "exceptional_closings": [period("2026-12-25T00:00:00Z", "2026-12-26T00:00:00Z")],
        },
        "charging_when_closed": False,
        "images": [IMAGE],
        "energy_mix": {
            "is_green_energy": False,
            "energy_sources": [
                {"source": "SOLAR", "percentage": Decimal("60.5")},
                {"source": "COAL", "percentage": Decimal("39.5")},
            ],
            # Not `category`, as it is called later.
            "environ_impact": [{"source": "CARBON_DIOXIDE", "amount": Decimal("120.5")}],
            "supplier_name": "Green Power",
            "energy_product_name": "Mostly green",
        },
        "last_updated": "2026-06-01T08:30:15Z",
    }
    first, second = item.pop("connectors")
    assert item == {
        "uid": "E1",
        "evse_id": "NL*TST*E1",
        "status": "AVAILABLE",
        "status_schedule": [
            period("2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z") | {"status": "INOPERATIVE"}
        ],
        "capabilities": ["RFID_READER"],
        "floor_level": "-1",
        "coordinates": {"latitude": "52.370300", "longitude": "4.895300"},
        "physical_reference": "7",
        "directions": DIRECTIONS,
        "parking_restrictions": ["EV_ONLY"],
        "images": [IMAGE],
        "last_updated": "2026-06-01T08:30:15Z",
    }
    assert first == {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "voltage": 230,
        "amperage": 32,
        "tariff_id": "REG",
        "terms_and_conditions": "https://cpo.example/terms",
        "last_updated": "2026-06-01T08:30:15Z",
    }
    assert second["power_type"] == "AC_1_PHASE"


@pytest.mark.rule("LOC-23", "LOC-25", "LOC-26")
def test_what_2_3_0_says_beyond_2_2_1() -> None:
    location = rich_location()

    older, newer = render("2.2.1", location), render("2.3.0", location)

    assert {name: newer[name] for name in newer.keys() - older.keys()} == {
        "parking_places": [
            PARKING | {"max_vehicle_weight": Decimal("40000.5"), "time_limit": Decimal("90.5")}
        ],
        "help_phone": "+31 20 555 0100",
    }
    old, new = older["evses"][0], newer["evses"][0]
    assert {name: new[name] for name in new.keys() - old.keys()} == {
        "parking": [{"parking_id": "P1", "evse_position": "LEFT"}],
        "accepted_service_providers": ["First eMSP"],
    }
    assert new["connectors"][0] == old["connectors"][0] | {
        "capabilities": ["ISO_15118_2_PLUG_AND_CHARGE"]
    }


@pytest.mark.rule("TR-99")
@pytest.mark.parametrize(
    ("number", "evses"), [("2.1.1", {"E1": 2}), ("2.2.1", {"E1": 2}), ("2.3.0", {"E1": 3, "E2": 1})]
)
def test_a_connector_without_a_name_is_left_out_and_an_evse_without_connectors_too(
    number: str, evses: dict[str, int]
) -> None:
    document = render(number, rich_location())

    assert {item["uid"]: len(item["connectors"]) for item in document["evses"]} == evses


@pytest.mark.rule("LOC-13", "TR-103")
@pytest.mark.parametrize(("number", "code"), [("2.1.1", "-"), ("2.2.1", None), ("2.3.0", None)])
def test_a_postal_code_that_does_not_exist(number: str, code: str | None) -> None:
    location = whole(LocationFactory(postal_code=None))

    document = render(number, location)

    assert document.get("postal_code") == code
    assert document["time_zone"] == "Europe/Amsterdam"
    assert schemas.problems(number, "locations", document) == []


@pytest.mark.parametrize(
    ("parking_type", "type_"),
    [
        (None, "UNKNOWN"),
        ("ON_STREET", "ON_STREET"),
        ("PARKING_LOT", "PARKING_LOT"),
        ("ALONG_MOTORWAY", "OTHER"),
        ("ON_DRIVEWAY", "OTHER"),
        ("ON_THE_ROOF", "OTHER"),
    ],
)
def test_the_type_that_2_1_1_requires(parking_type: str | None, type_: str) -> None:
    location = whole(LocationFactory(parking_type=parking_type))

    assert render("2.1.1", location)["type"] == type_


@pytest.mark.rule("LOC-14")
@pytest.mark.parametrize("number", ALL)
def test_coordinates_are_strings_with_a_point_and_six_decimals(number: str) -> None:
    place = {"latitude": "-5.1234567", "longitude": "-123.12345"}
    location = whole(LocationFactory(coordinates=place))

    assert render(number, location)["coordinates"] == {
        "latitude": "-5.123457",
        "longitude": "-123.123450",
    }


@pytest.mark.rule("LOC-12")
@pytest.mark.parametrize("number", LATER)
def test_the_country_has_three_letters_and_the_owners_two(number: str) -> None:
    document = render(number, whole(LocationFactory()))

    assert (document["country"], document["country_code"]) == ("NLD", "NL")
    with pytest.raises(ShapeError, match="country"):
        LocationFactory(country="NL")


@pytest.mark.rule("LOC-03", "LOC-05")
@pytest.mark.parametrize("number", ALL)
def test_a_removed_evse_stays_in_its_location_and_says_so(number: str) -> None:
    location = LocationFactory(evses=[evse("E1"), evse("E2")])
    gone = location.evses.get(uid="E1")

    set_evse_status(evse_id=gone.pk, status="REMOVED", now=NOW + timedelta(minutes=1))

    document = render(number, whole(location))
    assert [(item["uid"], item["status"]) for item in document["evses"]] == [
        ("E1", "REMOVED"),
        ("E2", "AVAILABLE"),
    ]


@pytest.mark.rule("LOC-01")
def test_the_database_refuses_other_ids_for_locations_and_evses() -> None:
    location = LocationFactory(id="L1", evses=[evse("E1")])
    later = NOW + timedelta(minutes=1)

    with pytest.raises(IntegrityError, match="never change"), transaction.atomic():
        Location.objects.filter(pk=location.pk).update(ocpi_id="L2", last_updated=later)
    with pytest.raises(IntegrityError, match="never change"), transaction.atomic():
        Evse.objects.filter(location=location).update(uid="E2", last_updated=later)


@pytest.mark.rule("LOC-01")
def test_an_evse_uid_is_taken_once_on_the_platform() -> None:
    LocationFactory(evses=[evse("E1")])

    with pytest.raises(EvseElsewhere, match="e1"):
        LocationFactory(evses=[evse("e1")])
    with pytest.raises(ShapeError, match="connectors has two"):
        LocationFactory(evses=[evse("E9") | {"connectors": [connector("1"), connector("1")]}])


@pytest.mark.rule("LOC-08")
@pytest.mark.parametrize("number", ALL)
def test_a_schedule_is_told_and_changes_no_status(number: str) -> None:
    entry = period("2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z") | {"status": "OUTOFORDER"}
    location = whole(LocationFactory(evses=[evse("E1", status_schedule=[entry])]))

    item = only_evse(render(number, location))

    assert item["status_schedule"] == [entry]
    assert item["status"] == "AVAILABLE"


@pytest.mark.rule("LOC-17")
def test_two_tariffs_of_one_type_at_one_time_are_refused() -> None:
    TariffFactory(id="A", type="REGULAR", end_date_time="2026-07-01T00:00:00Z")
    TariffFactory(id="B", type="REGULAR", start_date_time="2026-06-15T00:00:00Z")

    with pytest.raises(OverlappingTariffs, match=r"A.*B"):
        LocationFactory(evses=[evse("E1", tariff_ids=["A", "B"])])


@pytest.mark.rule("LOC-17")
@pytest.mark.parametrize("number", LATER)
def test_later_versions_name_every_tariff_of_a_connector(number: str) -> None:
    four_tariffs()
    location = whole(LocationFactory(evses=[evse("E1", tariff_ids=["AD", "NOW", "ANY", "NEXT"])]))

    [plug] = only_evse(render(number, location))["connectors"]

    assert plug["tariff_ids"] == ["AD", "ANY", "NEXT", "NOW"]


@pytest.mark.rule("LOC-17")
@pytest.mark.parametrize(
    ("days", "tariff_id"),
    [
        # REGULAR goes before one without a type, and before its validity there is none.
        (0, "NOW"),
        (29, "NOW"),
        (30, "NEXT"),
        (90, "ANY"),
    ],
)
def test_2_1_1_names_the_one_tariff_that_is_valid(days: int, tariff_id: str) -> None:
    four_tariffs()
    location = whole(LocationFactory(evses=[evse("E1", tariff_ids=["AD", "NOW", "ANY", "NEXT"])]))

    document = render("2.1.1", location, Audience(NOW + timedelta(days=days)))

    [plug] = only_evse(document)["connectors"]
    assert plug["tariff_id"] == tariff_id


@pytest.mark.parametrize("number", ALL)
def test_a_tariff_of_other_partners_is_not_named(number: str) -> None:
    tariff = TariffFactory(id="OWN")
    type(tariff).objects.filter(pk=tariff.pk).update(
        public=False, last_updated=NOW + timedelta(minutes=1)
    )
    location = whole(LocationFactory(evses=[evse("E1", tariff_ids=["OWN"])]))
    theirs = Audience(NOW, own_tariffs=frozenset([tariff.pk]))

    def named(audience: Audience) -> list[str]:
        [plug] = only_evse(render(number, location, audience))["connectors"]
        found = [plug["tariff_id"]] if "tariff_id" in plug else plug.get("tariff_ids", [])
        return [str(item) for item in found]

    assert named(theirs) == ["OWN"]
    assert named(EVERYBODY) == []


def four_tariffs() -> None:
    TariffFactory(id="AD", type="AD_HOC_PAYMENT")
    TariffFactory(id="NOW", type="REGULAR", end_date_time="2026-07-01T08:00:00Z")
    TariffFactory(
        id="NEXT",
        type="REGULAR",
        start_date_time="2026-07-01T08:00:00Z",
        end_date_time="2026-08-01T08:00:00Z",
    )
    TariffFactory(id="ANY")


def test_a_tariff_that_is_deleted_is_not_named() -> None:
    tariff = TariffFactory(id="OLD")
    location = LocationFactory(tariff=tariff)
    plug = location.evses.get().connectors.get()
    plug.tariffs.clear()
    delete_tariff(tariff_id=tariff.pk, now=NOW)

    [document] = only_evse(render("2.1.1", whole(location)))["connectors"]

    assert "tariff_id" not in document


@pytest.mark.rule("LOC-18")
@pytest.mark.parametrize("number", ALL)
def test_an_operator_that_is_not_given_is_left_out(number: str) -> None:
    assert "operator" not in render(number, whole(LocationFactory()))


@pytest.mark.rule("LOC-19")
@pytest.mark.parametrize("number", LATER)
def test_a_payment_terminal_is_told_by_its_capabilities(number: str) -> None:
    terminal = [
        "CHIP_CARD_SUPPORT",
        "CONTACTLESS_CARD_SUPPORT",
        "CREDIT_CARD_PAYABLE",
        "DEBIT_CARD_PAYABLE",
        "PED_TERMINAL",
    ]
    location = whole(LocationFactory(evses=[evse("E1", capabilities=terminal)]))

    assert only_evse(render(number, location))["capabilities"] == terminal


@pytest.mark.rule("LOC-20")
@pytest.mark.parametrize("number", ALL)
def test_hours_are_regular_ones_or_always(number: str) -> None:
    closing = period("2026-12-25T00:00:00Z", "2026-12-26T00:00:00Z")
    regular = {"weekday": 7, "period_begin": "10:00", "period_end": "23:59"}
    hours = {
        "twentyfourseven": True,
        "regular_hours": [regular],
        "exceptional_closings": [closing],
    }
    always = render(number, whole(LocationFactory(opening_times=hours)))
    some = render(number, whole(LocationFactory(opening_times=hours | {"twentyfourseven": False})))

    assert always["opening_times"] == {
        "twentyfourseven": True,
        "exceptional_closings": [closing],
    }
    assert some["opening_times"]["regular_hours"] == [regular]
    assert schemas.problems(number, "locations", always) == []
    with pytest.raises(ShapeError, match="regular_hours is required"):
        parse(Hours, {"twentyfourseven": False})


@pytest.mark.rule("LOC-21")
@pytest.mark.parametrize("end", ["22:00", "06:00", "24:00"])
def test_hours_over_midnight_are_two_entries(end: str) -> None:
    night = {"weekday": 1, "period_begin": "22:00", "period_end": end}

    with pytest.raises(ShapeError, match="period_end"):
        parse(Hours, {"twentyfourseven": False, "regular_hours": [night]})


@pytest.mark.rule("LOC-22")
def test_the_sources_of_energy_add_up_to_100() -> None:
    sources = [{"source": "SOLAR", "percentage": 60}, {"source": "WIND", "percentage": 39.9}]

    with pytest.raises(ShapeError, match="add up to 100"):
        parse(EnergyMix, {"is_green_energy": True, "energy_sources": sources})
    with pytest.raises(ShapeError, match="is_green_energy"):
        parse(EnergyMix, {"supplier_name": "X"})


@pytest.mark.rule("LOC-23")
def test_parking_that_does_not_exist_or_twice_is_refused() -> None:
    with pytest.raises(UnknownParkingPlace, match="P9"):
        LocationFactory(
            parking_places=[PARKING], evses=[evse("E1", parking=[{"parking_id": "P9"}])]
        )
    with pytest.raises(ShapeError, match="parking_places has two"):
        LocationFactory(parking_places=[PARKING, PARKING])
    for field in ("vehicle_types", "restricted_to_type", "reservation_required"):
        incomplete = {name: value for name, value in PARKING.items() if name != field}
        with pytest.raises(ShapeError, match=field):
            LocationFactory(parking_places=[incomplete])


@pytest.mark.rule("LOC-26")
@pytest.mark.parametrize("number", ["2.1.1", "2.2.1"])
def test_plug_and_charge_is_told_by_2_3_0_only(number: str) -> None:
    document = render(number, rich_location())

    assert all("capabilities" not in plug for plug in document["evses"][0]["connectors"])


@pytest.mark.rule("LOC-27")
@pytest.mark.parametrize("number", ALL)
def test_images_tell_their_size(number: str) -> None:
    [image, *_others] = render(number, rich_location())["images"]

    assert (image["width"], image["height"]) == (800, 600)


@pytest.mark.parametrize(("number", "type_"), [("2.2.1", "OTHER"), ("2.3.0", "EMAID")])
def test_a_token_that_may_see_the_location_is_of_a_type_that_the_version_knows(
    number: str, type_: str
) -> None:
    allowed = [{"uid": "04AA", "type": "EMAID"}]
    location = whole(LocationFactory(publish=False, publish_allowed_to=allowed))

    assert render(number, location)["publish_allowed_to"] == [{"uid": "04AA", "type": type_}]


@pytest.mark.parametrize("number", ALL)
def test_rendering_a_location_runs_no_query(
    django_assert_num_queries: DjangoAssertNumQueries, number: str
) -> None:
    location = rich_location()

    with django_assert_num_queries(0):
        render(number, location)


@pytest.mark.rule("LOC-02")
def test_staff_is_told_that_a_uid_is_no_serial_number(admin_client: Client) -> None:
    location = LocationFactory()

    page = admin_client.get(f"/admin/locations/evse/add/?location={location.pk}")

    assert "never used again: no serial number" in page.content.decode()

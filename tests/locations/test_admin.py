"""The admin pages of locations and EVSEs save by one operation, and refuse without changing."""

from typing import Any

import pytest
from django.test import Client

from locations.canonical import evse_shape_of, shape_of
from locations.models import Evse, Location
from locations.operations import set_evse_status
from roaming.models import Change
from tests.admin_data import NOW, make_location, make_party, make_session, make_tariff
from tests.admin_pages import errors_of, read_form, send_form
from tests.concurrency import just_before

pytestmark = pytest.mark.django_db
LIST = "/admin/locations/location/"
EVSES = "/admin/locations/evse/"
FORM = "location_form"
EVSE_FORM = "evse_form"
SITE = {
    "ocpi_id": "L9",
    "address": "Street 9",
    "city": "Town",
    "country": "deu",
    "latitude": "48.1",
    "longitude": "9.2",
    "time_zone": "Europe/Berlin",
}


@pytest.fixture(autouse=True)
def _party() -> None:
    make_party()


def page(location: Location) -> str:
    return f"{LIST}{location.pk}/change/"


def evse_page(evse: Evse) -> str:
    return f"{EVSES}{evse.pk}/change/"


def test_a_location_is_created_without_any_json(admin_client: Client) -> None:
    response = send_form(
        admin_client,
        f"{LIST}add/",
        FORM,
        **SITE,
        operator_name="Example",
        operator_website="https://example.com",
        direction_texts="de: Hinten\nen: Behind",
        related="48.10001, 9.20001 en: Gate",
        facilities=["HOTEL", "WIFI"],
        open_always="no",
        monday="8:00-12:00, 13:00-18:00",
        sunday="10:00-24:00",
        openings="2026-12-24 08:00 - 2026-12-24 12:00",
        closings="2026-12-25 00:00 to 2026-12-26T00:00Z",
        image_lines="CHARGER https://example.com/a.jpg 800x600 https://example.com/t.jpg",
        green="yes",
        energy_sources="SOLAR 60\nWIND 40%",
        environ_impact="CARBON_DIOXIDE 1.5",
    )
    location = Location.objects.complete().get()
    # A location without EVSEs is of no use: its page is where they are added.
    assert response.headers["Location"] == page(location)
    document = shape_of(location).model_dump(mode="json", exclude_none=True)
    assert document == {
        "country_code": "DE",
        "party_id": "ABC",
        "id": "L9",
        "publish": True,
        "address": "Street 9",
        "city": "Town",
        "country": "DEU",
        "coordinates": {"latitude": "48.100000", "longitude": "9.200000"},
        "related_locations": [
            {
                "latitude": "48.10001",
                "longitude": "9.20001",
                "name": {"language": "en", "text": "Gate"},
            }
        ],
        "evses": [],
        "parking_places": [],
        "directions": [
            {"language": "de", "text": "Hinten"},
            {"language": "en", "text": "Behind"},
        ],
        "operator": {"name": "Example", "website": "https://example.com"},
        "facilities": ["HOTEL", "WIFI"],
        "time_zone": "Europe/Berlin",
        "opening_times": {
            "twentyfourseven": False,
            "regular_hours": [
                {"weekday": 1, "period_begin": "08:00", "period_end": "12:00"},
                {"weekday": 1, "period_begin": "13:00", "period_end": "18:00"},
                {"weekday": 7, "period_begin": "10:00", "period_end": "23:59"},
            ],
            # Local time: Berlin is an hour ahead of UTC in winter.
            "exceptional_openings": [
                {"period_begin": "2026-12-24T07:00:00Z", "period_end": "2026-12-24T11:00:00Z"}
            ],
            "exceptional_closings": [
                {"period_begin": "2026-12-24T23:00:00Z", "period_end": "2026-12-26T00:00:00Z"}
            ],
        },
        "charging_when_closed": True,
        "images": [
            {
                "url": "https://example.com/a.jpg",
                "thumbnail": "https://example.com/t.jpg",
                "category": "CHARGER",
                "type": "jpeg",
                "width": 800,
                "height": 600,
            }
        ],
        "energy_mix": {
            "is_green_energy": True,
            "energy_sources": [
                {"source": "SOLAR", "percentage": "60"},
                {"source": "WIND", "percentage": "40"},
            ],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": "1.5"}],
        },
    }


def test_saving_a_location_unchanged_changes_nothing(admin_client: Client) -> None:
    location = make_location(
        facilities=["HOTEL", "SAUNA"],
        parking_type="ON_ROOF",
        publish=False,
        publish_allowed_to=[{"visual_number": "A 1", "issuer": 'Fleet\'s "own"'}],
        directions=[{"language": "de", "text": "Hinten: links"}],
        owner={
            "name": "Owner",
            "logo": {"url": "https://example.com/l.png", "category": "OWNER", "type": "png"},
        },
        opening_times={
            "twentyfourseven": True,
            # 02:30 happens twice that night in Berlin.
            "exceptional_closings": [
                {"period_begin": "2026-10-25T00:30:00Z", "period_end": "2026-10-25T01:30:00Z"}
            ],
        },
        images=[{"url": "https://example.com/a", "category": "CHARGER", "type": "png"}],
        energy_mix={"is_green_energy": False, "supplier_name": "Sun"},
    )
    changes = Change.objects.count()
    response = send_form(admin_client, page(location), FORM)
    assert response.status_code == 302, errors_of(response)
    location.refresh_from_db()
    assert location.last_updated == NOW
    assert Change.objects.count() == changes


@pytest.mark.parametrize(
    ("field", "value", "errors"),
    [
        (
            "time_zone",
            "Berlin",
            {"time_zone": ["There is no such time zone: write one like Europe/Berlin."]},
        ),
        (
            "monday",
            "from eight",
            {
                "monday": [
                    "“from eight” is no time span: write one such as 08:00-18:00 or 8-18, with a "
                    "comma before the next."
                ],
                # Whatever the hours are, there are some.
                "open_always": ["Say when it is open."],
            },
        ),
        (
            "monday",
            "20:00-02:00",
            {
                "monday": [
                    "“20:00-02:00” ends before it begins: give the hours after midnight to the "
                    "next day."
                ],
                "open_always": ["Say when it is open."],
            },
        ),
        ("monday", "08:00-12:00", {"open_always": ["Say when it is open."]}),
        ("publish_to", "uid=1", {"publish_to": ["Line 1: uid needs type as well."]}),
        (
            "publish_to",
            "group_id=a",
            {"__all__": ["publish_allowed_to is only allowed with publish=false"]},
        ),
        (
            "image_lines",
            "CHARGER",
            {"image_lines": ["Line 1: the address of the image is missing."]},
        ),
        ("country", "QQ", {"country": ["There is no country with the code QQ: Germany is DEU."]}),
        ("country", "GER", {"country": ["There is no country with the code GER: Germany is DEU."]}),
        (
            "country",
            "Germany",
            {"country": ["There is no country with the code Germany: Germany is DEU."]},
        ),
        (
            "time_zone",
            "",
            {
                "time_zone": [
                    "Write a time zone, such as Europe/Berlin: ESP has several, or is not known to "
                    "us."
                ]
            },
        ),
        (
            "owner_website",
            "https://example.com",
            {"owner_name": ["A website needs a name as well."]},
        ),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_saved(
    admin_client: Client, field: str, value: str, errors: dict[str, list[str]]
) -> None:
    country = {"country": "es"} if field == "time_zone" else {}
    response = send_form(admin_client, f"{LIST}add/", FORM, **(SITE | country | {field: value}))
    assert errors_of(response) == errors
    assert not Location.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_add_one_id_at_once_do_not_write_over_each_other(admin_client: Client) -> None:
    with just_before(
        'INSERT INTO "locations_location"', lambda: make_location("L9", name="Theirs")
    ):
        response = send_form(admin_client, f"{LIST}add/", FORM, **SITE, name="Ours")

    assert errors_of(response) == {"ocpi_id": ["This party has a location with this id."]}
    assert Location.objects.get().name == "Theirs"


@pytest.mark.parametrize(
    ("written", "spans"),
    [
        ("8-20", [("08:00", "20:00")]),
        ("08-20", [("08:00", "20:00")]),
        ("8:00-20", [("08:00", "20:00")]),
        ("8\N{EN DASH}20", [("08:00", "20:00")]),
        ("8:30 - 12, 13-18:15", [("08:30", "12:00"), ("13:00", "18:15")]),
        # As a Japanese keyboard writes 8:00~20:00 and 0-24.
        (
            "\N{FULLWIDTH DIGIT EIGHT}\N{FULLWIDTH COLON}00\N{FULLWIDTH TILDE}20:00",
            [("08:00", "20:00")],
        ),
        ("0\N{WAVE DASH}24", [("00:00", "23:59")]),
    ],
)
def test_hours_are_understood_as_people_write_them(
    admin_client: Client, written: str, spans: list[tuple[str, str]]
) -> None:
    fields = SITE | {"open_always": "no", "monday": written}
    assert send_form(admin_client, f"{LIST}add/", FORM, **fields).status_code == 302
    hours = Location.objects.get().opening_times
    assert hours is not None
    assert [(one["period_begin"], one["period_end"]) for one in hours["regular_hours"]] == spans


@pytest.mark.parametrize("written", ["8-25", "8:75-20", "24:30-25", "8-", "820", "8-9-10"])
def test_hours_that_there_are_not_are_refused_with_an_example(
    admin_client: Client, written: str
) -> None:
    fields = SITE | {"open_always": "no", "monday": written}
    found = errors_of(send_form(admin_client, f"{LIST}add/", FORM, **fields))
    assert list(found) == ["monday"]
    assert "such as 08:00-18:00 or 8-18" in found["monday"][0]
    assert not Location.objects.exists()


def test_an_exception_may_be_hours_of_one_day(admin_client: Client) -> None:
    exceptions = {"openings": "2026-12-24 8-12", "closings": "2026-12-31 18:00\N{EN DASH}24"}
    fields = SITE | {"open_always": "yes"} | exceptions
    assert send_form(admin_client, f"{LIST}add/", FORM, **fields).status_code == 302
    hours = Location.objects.get().opening_times
    assert hours is not None
    assert hours["exceptional_openings"] == [
        {"period_begin": "2026-12-24T07:00:00Z", "period_end": "2026-12-24T11:00:00Z"}
    ]
    assert hours["exceptional_closings"] == [
        {"period_begin": "2026-12-31T17:00:00Z", "period_end": "2026-12-31T22:59:00Z"}
    ]


@pytest.mark.parametrize(
    ("country", "found", "zone"),
    [("de", "DEU", "Europe/Berlin"), ("JPN", "JPN", "Asia/Tokyo")],
)
def test_two_letters_of_a_country_are_taken_and_give_its_only_time_zone(
    admin_client: Client, country: str, found: str, zone: str
) -> None:
    fields = SITE | {"country": country, "time_zone": ""}
    send_form(admin_client, f"{LIST}add/", FORM, **fields)
    location = Location.objects.get()
    assert (location.country, location.time_zone) == (found, zone)


def test_a_new_evse_has_the_id_of_its_first_connector_in_its_form(admin_client: Client) -> None:
    fields = read_form(admin_client, f"{EVSES}add/?location={make_location().pk}", EVSE_FORM)
    assert fields["connectors-0-id"] == ["1"]
    assert "connectors-1-id" not in fields


def test_all_that_is_wrong_with_a_location_is_said_at_once(admin_client: Client) -> None:
    make_location("L1")
    wrong = {
        # Unreadable; against a rule of the shape; against another location.
        "latitude": "north",
        "monday": "from eight",
        "country": "QQ",
        "owner_website": "https://example.com",
        "open_always": "yes",
        "sunday": "08:00-12:00",
        "ocpi_id": "l1",
    }
    response = send_form(admin_client, f"{LIST}add/", FORM, **(SITE | wrong))
    found = errors_of(response)
    assert set(found) == {
        *("latitude", "monday", "country", "owner_name", "open_always", "ocpi_id")
    }
    assert found["ocpi_id"] == ["This party has a location with this id."]
    assert found["country"] == ["There is no country with the code QQ: Germany is DEU."]


def test_a_field_that_cannot_be_read_is_the_only_one_that_is_blamed(admin_client: Client) -> None:
    for field, value in (
        *(("latitude", "north"), ("monday", "x"), ("time_zone", "Mars"), ("openings", "x")),
        *(("party", ""), ("address", ""), ("operator_logo", "x"), ("image_lines", "x")),
    ):
        fields = SITE | {"open_always": "no", "tuesday": "08:00-12:00", field: value}
        response = send_form(admin_client, f"{LIST}add/", FORM, **fields)
        assert list(errors_of(response)) == [field]


def test_a_new_location_does_not_write_over_one_that_is_there(admin_client: Client) -> None:
    location = make_location("L9")
    response = send_form(admin_client, f"{LIST}add/", FORM, **SITE)
    assert errors_of(response) == {"ocpi_id": ["This party has a location with this id."]}
    before = location.address
    location.refresh_from_db()
    assert location.address == before != SITE["address"]


@pytest.mark.rule("LOC-03")
def test_locations_and_evses_cannot_be_deleted(admin_client: Client) -> None:
    location = make_location()
    evse = location.evses.get()
    for url in (f"{LIST}{location.pk}/delete/", f"{EVSES}{evse.pk}/delete/"):
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
    for url in (LIST, EVSES):
        assert "delete_selected" not in admin_client.get(url).content.decode()
        admin_client.post(url, {"action": "delete_selected", "_selected_action": [location.pk]})
    assert Evse.objects.count() == Location.objects.count() == 1


def add_evse(client: Client, location: Location, **changes: Any) -> Any:
    fields = {
        "uid": "NEW",
        "evse_id": "DE*ABC*E99",
        "connectors-0-id": "1",
        "connectors-0-standard": "IEC_62196_T2",
        "connectors-0-format": "CABLE",
        "connectors-0-max_amperage": "16",
    }
    url = f"{EVSES}add/?location={location.pk}"
    return send_form(client, url, EVSE_FORM, **(fields | changes))


def test_all_that_is_wrong_with_an_evse_is_said_at_once(admin_client: Client) -> None:
    location = make_location()
    wrong = {
        "uid": location.evses.get().uid,
        "latitude": "48.1",
        "schedule": "2026-12-24 25:61 - INOPERATIVE",
        "floor_level": "above the clouds",
        "connectors-0-max_amperage": "",
    }
    response = add_evse(admin_client, location, **wrong)
    assert set(errors_of(response)) == {"uid", "latitude", "schedule", "floor_level"}
    connectors = response.context["adminform"].form.connectors
    assert list(connectors.forms[0].errors) == ["max_amperage"]
    assert location.evses.count() == 1


def test_a_connector_is_held_against_the_rules_beside_one_that_cannot_be_read(
    admin_client: Client,
) -> None:
    second = {
        "connectors-TOTAL_FORMS": "2",
        # It can be read, and is no id in OCPI.
        "connectors-0-id": "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "connectors-1-id": "2",
        "connectors-1-standard": "IEC_62196_T2",
        "connectors-1-format": "CABLE",
        "connectors-1-power_type": "AC_3_PHASE",
        "connectors-1-max_voltage": "many",
        "connectors-1-max_amperage": "16",
    }
    response = add_evse(admin_client, make_location(), **second)
    connectors = response.context["adminform"].form.connectors
    assert [list(part.errors) for part in connectors.forms] == [
        ["id"],
        ["max_voltage"],
    ]
    assert "Connector 2, V</a>: Enter a whole number." in response.content.decode()


def test_a_new_evse_can_what_nearly_all_can(admin_client: Client) -> None:
    location = make_location(evses=0)
    add_evse(admin_client, location)
    evse = Evse.objects.get()
    assert evse.capabilities == ["REMOTE_START_STOP_CAPABLE", "RFID_READER"]
    # What was taken away stays away.
    send_form(admin_client, evse_page(evse), EVSE_FORM, capabilities=["RFID_READER"])
    send_form(admin_client, evse_page(evse), EVSE_FORM, floor_level="1")
    evse.refresh_from_db()
    assert (evse.capabilities, evse.floor_level) == (["RFID_READER"], "1")


def test_an_empty_list_of_locations_says_how_to_begin(admin_client: Client) -> None:
    text = admin_client.get(LIST).content.decode()
    assert "Add the first location" in text
    assert text.count("/admin/locations/location/import/") == 2
    assert "docs/operators.md" in text
    make_location()
    assert "Add the first location" not in admin_client.get(LIST).content.decode()


def test_an_evse_is_added_with_its_connector(admin_client: Client) -> None:
    make_tariff()
    location = make_location(evses=0)
    response = add_evse(
        admin_client,
        location,
        status="PLANNED",
        schedule="2026-12-24 08:00 - INOPERATIVE",
        capabilities=["RFID_READER"],
        **{"connectors-0-tariff_ids": ["T1"]},
    )
    assert response.headers["Location"] == page(location)
    shape = evse_shape_of(Evse.objects.get()).model_dump(mode="json", exclude_none=True)
    assert shape == {
        "uid": "NEW",
        "evse_id": "DE*ABC*E99",
        "status": "PLANNED",
        "status_schedule": [{"period_begin": "2026-12-24T07:00:00Z", "status": "INOPERATIVE"}],
        "capabilities": ["RFID_READER"],
        "connectors": [
            {
                "id": "1",
                "standard": "IEC_62196_T2",
                "format": "CABLE",
                "power_type": "AC_3_PHASE",
                "max_voltage": 230,
                "max_amperage": 16,
                "tariff_ids": ["T1"],
            }
        ],
    }


def test_only_tariffs_of_the_locations_party_are_offered(admin_client: Client) -> None:
    make_party("XYZ")
    make_tariff("OURS")
    make_tariff("THEIRS", party_id="XYZ")
    location = make_location()
    text = admin_client.get(evse_page(location.evses.get())).content.decode()
    assert "OURS" in text
    assert "THEIRS" not in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"uid": "l1-1"}, "Another EVSE has or had this uid."),
        ({"latitude": "48.1"}, "Give both coordinates, or none."),
        ({"connectors-0-tariff_ids": ["T1", "T2"]}, "A connector has two tariffs of one type"),
        ({"connectors-0-DELETE": "on"}, "An EVSE needs at least one connector."),
        ({"schedule": "2026-02-30 08:00 - INOPERATIVE"}, "There is no such date or time."),
        ({"schedule": "0001-01-01 00:00 - INOPERATIVE"}, "There is no such date or time."),
        ({"schedule": "tomorrow"}, "Line 1: write the begin, the end and the status"),
    ],
)
def test_an_evse_that_is_refused_changes_nothing(
    admin_client: Client, changes: dict[str, Any], text: str
) -> None:
    make_tariff("T1")
    make_tariff("T2")
    location = make_location()
    total = Change.objects.count()
    response = add_evse(admin_client, location, **changes)
    assert response.status_code == 200
    assert text in response.content.decode()
    assert Evse.objects.count() == 1
    assert Change.objects.count() == total


def test_saving_an_evse_unchanged_changes_nothing(admin_client: Client) -> None:
    make_tariff()
    location = make_location(tariff_ids=["T1"])
    evse = location.evses.get()
    total = Change.objects.count()
    assert send_form(admin_client, evse_page(evse), EVSE_FORM).status_code == 302
    evse.refresh_from_db()
    assert evse.last_updated == NOW
    assert Change.objects.count() == total


def test_the_form_of_an_evse_leaves_a_status_that_the_station_set_meanwhile(
    admin_client: Client,
) -> None:
    evse = make_location().evses.get()
    fields = read_form(admin_client, evse_page(evse), EVSE_FORM)
    set_evse_status(evse_id=evse.pk, status="CHARGING", now=NOW)
    fields["physical_reference"] = ["A1"]
    response = admin_client.post(evse_page(evse), fields)
    assert response.status_code == 302, errors_of(response)
    evse.refresh_from_db()
    assert (evse.status, evse.physical_reference) == ("CHARGING", "A1")


def test_a_connector_with_sessions_is_not_removed(admin_client: Client) -> None:
    make_tariff()
    location = make_location(tariff_ids=["T1"])
    evse = location.evses.get()
    make_session(location)
    response = send_form(
        admin_client,
        evse_page(evse),
        EVSE_FORM,
        **{
            "connectors-0-DELETE": "on",
            "connectors-TOTAL_FORMS": "2",
            "connectors-1-id": "2",
            "connectors-1-standard": "CHADEMO",
            "connectors-1-format": "CABLE",
            "connectors-1-power_type": "DC",
            "connectors-1-max_voltage": "400",
            "connectors-1-max_amperage": "100",
        },
    )
    assert "A connector has had sessions and cannot be removed." in response.content.decode()
    assert [connector.ocpi_id for connector in evse.connectors.all()] == ["1"]


def test_a_status_button_sets_the_status(admin_client: Client) -> None:
    evse = make_location().evses.get()
    response = admin_client.post(f"{EVSES}{evse.pk}/status/", {"status": "OUTOFORDER"})
    assert response.headers["Location"] == evse_page(evse)
    evse.refresh_from_db()
    assert evse.status == "OUTOFORDER"


def test_a_status_button_does_not_lose_what_is_written_in_the_form(admin_client: Client) -> None:
    page = admin_client.get(evse_page(make_location().evses.get())).content.decode()
    assert 'class="warn-unsaved-form"' in page


@pytest.mark.rule("LOC-03")
def test_removing_an_evse_asks_first_and_is_for_good(admin_client: Client) -> None:
    evse = make_location().evses.get()
    url = f"{EVSES}{evse.pk}/status/"
    asked = admin_client.post(url, {"status": "REMOVED"})
    assert "can never come back" in asked.content.decode()
    evse.refresh_from_db()
    assert evse.status == "AVAILABLE"
    admin_client.post(url, {"status": "REMOVED", "confirmed": "1"})
    evse.refresh_from_db()
    assert evse.status == "REMOVED"
    admin_client.post(url, {"status": "AVAILABLE"})
    evse.refresh_from_db()
    assert evse.status == "REMOVED"
    assert 'name="_save"' not in admin_client.get(evse_page(evse)).content.decode()


def test_the_list_sets_many_statuses_and_asks_before_removing(admin_client: Client) -> None:
    evses = list(make_location(evses=3).evses.order_by("pk"))
    chosen = [evse.pk for evse in evses[:2]]
    admin_client.post(EVSES, {"action": "set_inoperative", "_selected_action": chosen})
    statuses = Evse.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["INOPERATIVE", "INOPERATIVE", "AVAILABLE"]
    asked = admin_client.post(EVSES, {"action": "set_removed", "_selected_action": chosen})
    assert "Remove 2 EVSEs?" in asked.content.decode()
    assert list(statuses.all()) == ["INOPERATIVE", "INOPERATIVE", "AVAILABLE"]
    form = {"action": "set_removed", "confirmed": "1", "_selected_action": chosen}
    admin_client.post(EVSES, form)
    assert list(statuses.all()) == ["REMOVED", "REMOVED", "AVAILABLE"]


def test_evses_are_found_by_tariff_and_location(admin_client: Client) -> None:
    tariff = make_tariff()
    one, other = make_location("L1", tariff_ids=["T1"]), make_location("L2")
    text = admin_client.get(f"{EVSES}?tariff={tariff.pk}").content.decode()
    assert "DE*ABC*EL11" in text
    assert "DE*ABC*EL21" not in text
    text = admin_client.get(f"{EVSES}?location={other.pk}").content.decode()
    assert "DE*ABC*EL21" in text
    assert one.name not in text


def test_adding_an_evse_without_a_location_leads_to_the_locations(admin_client: Client) -> None:
    response = admin_client.get(f"{EVSES}add/")
    assert response.headers["Location"] == LIST


@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize(("url", "queries"), [(LIST, 7), (EVSES, 7)])
def test_lists_take_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, url: str, queries: int, size: int
) -> None:
    for number in range(size):
        make_location(f"L{number}", evses=size)
    admin_client.get(url)  # fills the caches that live longer than a request
    with django_assert_num_queries(queries):
        assert admin_client.get(url).status_code == 200


@pytest.mark.parametrize("size", [1, 6])
def test_pages_take_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, size: int
) -> None:
    for number in range(size):
        make_tariff(f"T{number}", type="REGULAR" if number else "PROFILE_FAST")
    location = make_location(evses=size)
    admin_client.get(page(location))  # fills the caches that live longer than a request
    with django_assert_num_queries(33):
        assert admin_client.get(page(location)).status_code == 200
    admin_client.get(
        evse_page(location.evses.order_by("pk")[0])
    )  # fills the caches that live longer than a request
    with django_assert_num_queries(19):
        assert admin_client.get(evse_page(location.evses.order_by("pk")[0])).status_code == 200

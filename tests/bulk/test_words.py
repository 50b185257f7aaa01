"""What people with files are told: which column, all at once, and numbers as they write them."""

import pytest
from django import forms

from cpo_platform.bulk import filling, reading
from cpo_platform.bulk.filling import Unreadable
from cpo_platform.bulk.reading import UnreadableFile
from locations.models import Evse, Location
from tariffs.models import Party
from tests.bulk.jobs import (
    apply,
    change,
    client_of,
    imported,
    outcomes,
    person,
    reasons,
    upload,
    value,
)
from tests.bulk.test_imports import CONNECTOR, as_csv
from tests.factories import LocationFactory, evse

pytestmark = pytest.mark.django_db


def test_errors_name_the_columns_of_the_file_and_come_all_at_once() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    line = {
        "uid": "E1",
        "floor_level": "much too long",
        "connector_1_max_electric_power": "1,234",
        "image_lines": "nothing",
        "connector_1_max_voltage": "volts",
        "connector_2_id": "2",
        "connector_2_standard": "NO_SUCH_PLUG",
        "connector_2_format": "SOCKET",
    }
    job = imported(person(), "locations.evse", as_csv([line]))
    told = reasons(job)
    # A cell that cannot be read is found before the form is asked, and does not hide what it says.
    assert [one.partition(":")[0] for one in told] == [
        "connector_1_max_electric_power",
        "floor_level",
        "image_lines",
        "connector_1_max_voltage",
        "connector_2_standard",
    ], told


def test_what_the_rules_refuse_is_told_with_what_the_fields_refuse() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    line = {"uid": "E1", "floor_level": "much too long", "latitude": "52.1"}
    told = reasons(imported(person(), "locations.evse", as_csv([line])))
    assert told[0].startswith("floor_level: ")
    assert told[1:] == ["latitude: Give both coordinates, or none."]


def test_a_uid_that_is_taken_is_told_with_what_the_fields_refuse() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    LocationFactory(id="L2", party_id="OTH", evses=[evse("E2")])
    # Of another party: whoever does not see it learns of it when it is taken for a new one.
    user = person("scoped", party_ids=[Party.objects.get(party_id="TST").pk])
    line = {"uid": "E2", "location__ocpi_id": "L1", "evse_id": "?" * 49, **CONNECTOR}
    told = reasons(imported(user, "locations.evse", as_csv([line])))
    assert told[0] == "uid: Another EVSE has or had this uid."
    assert [one.partition(":")[0] for one in told[1:]] == ["evse_id"]


def test_a_change_still_names_the_fields_of_the_form() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    key = Evse.objects.get().pk
    job = change(person(), "locations.evse", [key], floor_level=value("much too long"))
    assert reasons(job)[0].startswith("Floor level: ")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12,5", "12.5"),
        ("-0,125", "-0.125"),
        ("1234,567", "1234.567"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
        ("22\u00a0000", "22000"),
        ("1.234", "1.234"),
        ("22", "22"),
        ("many", "many"),
    ],
)
def test_a_number_is_read_as_spreadsheets_write_it(cell: str, number: str) -> None:
    assert filling.texts_of_cell(forms.DecimalField(), cell) == [number]


@pytest.mark.parametrize(
    "field", [forms.DecimalField(), forms.IntegerField(), forms.DecimalField(max_value=1234)]
)
def test_a_number_that_may_be_one_of_two_is_refused_with_both(field: forms.Field) -> None:
    with pytest.raises(Unreadable, match=r"write 1234 or 1\.234"):
        filling.texts_of_cell(field, "1,234")


def test_decimal_commas_and_semicolons_of_a_european_spreadsheet_are_read() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    text = "uid;latitude;longitude\r\nE1;52,370216;4,895168\r\n"
    job = apply(imported(person(), "locations.evse", text))
    assert job.counts == {"CHANGED": 1}, reasons(job)
    row = Evse.objects.get()
    assert (str(row.latitude), str(row.longitude)) == ("52.3702160", "4.8951680")


@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig"])
def test_files_of_a_japanese_spreadsheet_are_read(encoding: str) -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    content = "ocpi_id,name,city\r\nL1,充電ステーション,東京都\r\n".encode(encoding)
    assert upload(client_of(person()), "locations.location", content).status_code == 302
    job = apply(imported(person("other"), "locations.location", content))
    assert job.counts == {"CHANGED": 1}, reasons(job)
    row = Location.objects.get()
    assert (row.name, row.city) == ("充電ステーション", "東京都")


@pytest.mark.parametrize(
    "text", ["école créée", "Köln it\u2019s", "Hämäläinentie", "Käpälämäki", "Mäkelänkatu"]
)
def test_western_letters_are_not_taken_for_japanese(text: str) -> None:
    with pytest.raises(UnreadableFile, match="UTF-8 or Shift_JIS"):
        reading.read(f"uid,floor_level\nE1,{text}\n".encode("cp1252"))


@pytest.mark.parametrize("text", ["東京都", "ツ橋", "大阪"])
def test_japanese_without_kana_or_with_little_of_it_is_read(text: str) -> None:
    table = reading.read(f"ocpi_id,city\nL1,{text}\n".encode("cp932"))
    assert list(table.rows) == [(2, ["L1", text])]


def test_a_refused_row_of_every_column_stays_refused() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    job = imported(person(), "locations.evse", 'uid,connector_1_max_amperage\nE1,"1,234"\n')
    assert outcomes(job) == ["REFUSED"]


def test_a_comma_in_a_coordinate_is_decimal_as_thousands_are_beyond_the_earth() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    line = {"ocpi_id": "L1", "latitude": "48,397", "longitude": "-9,991"}
    job = apply(imported(person(), "locations.location", as_csv([line])))
    assert job.counts == {"CHANGED": 1}, reasons(job)
    row = Location.objects.get()
    assert (str(row.latitude), str(row.longitude)) == ("48.3970000", "-9.9910000")


def test_a_new_location_of_a_file_needs_no_time_zone_and_no_third_letter() -> None:
    LocationFactory(id="L1", evses=[])
    line = {"ocpi_id": "L2", "address": "A 1", "city": "Ulm", "country": "DE"}
    line |= {"latitude": "48,397", "longitude": "9,991"}
    job = imported(person(), "locations.location", as_csv([line]))
    assert outcomes(job) == ["WOULD_CREATE"], reasons(job)
    apply(job)
    row = Location.objects.get(ocpi_id="L2")
    assert (row.country, row.time_zone) == ("DEU", "Europe/Berlin")

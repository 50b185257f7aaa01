"""Files: what a list gives out is read again, and a file does what its person could do by hand."""

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import Workbook

from cpo_platform.bulk.models import JobState
from locations.models import Evse, Location
from tests.bulk.jobs import (
    apply,
    client_of,
    imported,
    outcomes,
    person,
    reasons,
    rows,
    undo,
    upload,
)
from tests.factories import LocationFactory, evse
from tests.staff.world import checksums

pytestmark = pytest.mark.django_db

TEMPLATE = {"format": "csv", "filled": "1"}
CONNECTOR = {
    "connector_1_id": "1",
    "connector_1_standard": "IEC_62196_T2",
    "connector_1_format": "SOCKET",
    "connector_1_power_type": "AC_3_PHASE",
    "connector_1_max_voltage": "230",
    "connector_1_max_amperage": "32",
}


def as_csv(lines: list[dict[str, Any]], delimiter: str = ",") -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(lines[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("label", ["locations.location", "locations.evse"])
def test_the_list_as_a_template_changes_nothing_but_what_is_edited(label: str) -> None:
    LocationFactory(
        id="L1",
        name="=1+1",
        help_phone="+49 1",
        coordinates={"latitude": "-4.000001", "longitude": "9.000000"},
        evses=[evse("E1", floor_level="-1", capabilities=["X_OPEN"]), evse("E2", power="DC")],
    )
    LocationFactory(id="L2", evses=[evse("E3")])
    user = person()
    url = reverse(f"admin:{label.replace('.', '_')}_bulk_template")
    lines = table(client_of(user).post(url, TEMPLATE).content)

    job = imported(user, label, as_csv(lines))
    assert job.counts == {"UNCHANGED": len(lines)}, reasons(job)
    name = "city" if label == "locations.location" else "physical_reference"
    lines[0][name] = "Elsewhere"
    job = imported(user, label, as_csv(lines))
    assert job.counts == {"UNCHANGED": len(lines) - 1, "WOULD_CHANGE": 1}
    assert rows(job)[0].after == {name: ["Elsewhere"]}


def test_the_queries_of_a_template_do_not_grow_with_the_rows() -> None:
    client = client_of(person())
    url = reverse("admin:locations_evse_bulk_template")

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.post(url, TEMPLATE).status_code == 200
        return len(found)

    LocationFactory(id="L1", evses=[evse("A1"), evse("A2")])
    client.post(url, TEMPLATE)
    few = queries()
    LocationFactory(id="L2", evses=[evse(f"B{number}") for number in range(12)])
    assert queries() == few


def test_an_export_of_the_list_is_read_again() -> None:
    LocationFactory(id="L1", evses=[evse("E1"), evse("E2")])
    user = person()
    client = client_of(user)
    answer: Any = client.post(reverse("admin:locations_evse_export"), {"format": "csv"})
    lines = table(b"".join(answer.streaming_content))
    lines[1]["physical_reference"] = "P7"
    job = imported(user, "locations.evse", as_csv(lines))
    assert outcomes(job) == ["UNCHANGED", "WOULD_CHANGE"]
    assert apply(job).counts == {"UNCHANGED": 1, "CHANGED": 1}
    assert Evse.objects.get(uid="E2").physical_reference == "P7"


def test_a_row_that_names_nothing_adds_an_evse_with_its_connector() -> None:
    location = LocationFactory(id="L1", evses=[evse("E1")])
    user = person()
    line = {"location__ocpi_id": "L1", "uid": "NEW", "status": "PLANNED", **CONNECTOR}
    job = imported(user, "locations.evse", as_csv([line]))
    assert outcomes(job) == ["WOULD_CREATE"], reasons(job)
    assert not Evse.objects.filter(uid="NEW").exists()
    job = apply(job)
    row = Evse.objects.get(uid="NEW")
    assert (row.location_id, row.status, row.connectors.get().max_amperage) == (
        location.pk,
        "PLANNED",
        32,
    )
    # What was created stays when the rest is put back.
    back = undo(job, user)
    assert reasons(back) == [
        ": It was created by this. Nothing is deleted here: take it away by hand."
    ]


def test_a_second_connector_is_added_and_taken_away_by_undo() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    user = person()
    second = {name.replace("_1_", "_2_"): cell for name, cell in CONNECTOR.items()}
    line = {"uid": "E1", **second, "connector_2_id": "2"}
    job = apply(imported(user, "locations.evse", as_csv([line])))
    assert job.counts == {"CHANGED": 1}, reasons(job)
    assert Evse.objects.get().connectors.count() == 2
    assert apply(undo(job, user)).counts == {"CHANGED": 1}
    assert [one.ocpi_id for one in Evse.objects.get().connectors.all()] == ["1"]


def test_an_empty_cell_leaves_and_a_dash_empties() -> None:
    LocationFactory(
        id="L1", evses=[evse("E1", floor_level="2", physical_reference="P1", directions=[])]
    )
    line = {"uid": "E1", "floor_level": "", "physical_reference": "-", "capabilities": "-"}
    apply(imported(person(), "locations.evse", as_csv([line])))
    row = Evse.objects.get()
    assert (row.floor_level, row.physical_reference, row.capabilities) == ("2", "", [])


def test_what_is_wrong_is_named_by_field_and_the_others_go_on() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    lines = [
        {"ocpi_id": "L1", "publish": "perhaps", "time_zone": ""},
        {"ocpi_id": "L9", "publish": "true", "time_zone": "Mars"},
        {"ocpi_id": "L1", "publish": "true", "time_zone": ""},
    ]
    job = imported(person(), "locations.location", as_csv(lines))
    assert outcomes(job) == ["REFUSED"] * 3
    told = reasons(job)
    assert told[0] == "publish: “perhaps” is neither true nor false."
    assert "time_zone: There is no such time zone: write one like Europe/Berlin." in told
    assert told[-1] == ": Row 2 is about the same."


def test_an_evse_does_not_move_and_a_strangers_uid_is_refused() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    LocationFactory(id="L2", evses=[evse("E2")])
    line = {"uid": "E1", "location__ocpi_id": "L2", "floor_level": "1"}
    job = imported(person(), "locations.evse", as_csv([line]))
    assert reasons(job) == [
        "location__ocpi_id: This EVSE is at the location L1, and cannot be moved."
    ]


def test_refused_rows_come_back_with_the_reason_and_can_be_mended() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    user = person()
    client = client_of(user)
    job = imported(user, "locations.location", "ocpi_id,publish\nL1,perhaps\n")
    answer = client.get(reverse("admin:bulk_job_refused", args=[job.pk]))
    lines = table(answer.content)
    assert lines[0]["reason"] == "publish: “perhaps” is neither true nor false."
    lines[0]["publish"] = "false"
    job = apply(imported(user, "locations.location", as_csv(lines)))
    assert job.counts == {"CHANGED": 1}
    assert not Location.objects.get().publish


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"uid,colour\nE1,red\n", "Columns that are not known: colour."),
        (b"floor_level\n1\n", "Columns that are missing: uid."),
        (b"uid,floor_level,floor_level\n", "Columns that are there twice: floor_level."),
        (b"uid\nE1\n", "There is no column that could change anything."),
        (b"\xff\xfe\x00\x01", "neither Excel (.xlsx) nor CSV in UTF-8"),
        (b"PK\x03\x04 no archive", "This Excel file cannot be read."),
        (b" \n", "The first row has to hold the names of the columns."),
    ],
)
def test_a_file_that_is_none_is_told_what_it_lacks(content: bytes, sentence: str) -> None:
    answer = upload(client_of(person()), "locations.evse", content)
    assert answer.status_code == 200
    assert sentence in " ".join(answer.context["form"].errors["file"])


def test_rows_that_cannot_be_read_fail_the_job_and_change_nothing() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    user = person()
    before = checksums([Evse, Location])
    job = imported(user, "locations.evse", "uid,floor_level\nE1,2\nE2,3,4\n")
    assert (job.state, job.total) == (JobState.FAILED, 0)
    assert job.error == "Row 3 has more cells than there are columns."
    assert checksums([Evse, Location]) == before


def test_semicolons_a_mark_and_excel_say_the_same() -> None:
    LocationFactory(id="L1", evses=[evse("E1")])
    client = client_of(person())
    book = Workbook()
    sheet: Any = book.active
    for line in (["uid", "floor_level"], ["E1", 2]):
        sheet.append(line)
    file = io.BytesIO()
    book.save(file)
    for content in ("\ufeffuid;floor_level\r\nE1;2\r\n".encode(), file.getvalue()):
        answer = upload(client, "locations.evse", content)
        assert answer.status_code == 302
        page = client.get(answer.url)
        assert page.status_code == 200

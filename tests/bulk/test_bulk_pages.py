"""The way of a person through the pages: select, say what, look, apply, put back."""

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from cpo_platform.bulk import operations
from cpo_platform.bulk.admin import offering
from cpo_platform.bulk.models import Job, JobRow
from cpo_platform.common import clock
from locations.models import Evse
from tests.bulk.jobs import apply, change, client_of, imported, outcomes, person, run, value
from tests.bulk.test_imports import as_csv
from tests.factories import LocationFactory, evse

pytestmark = pytest.mark.django_db

LIST = "admin:locations_evse_changelist"


def make_evses(total: int, location_id: str = "L1") -> list[int]:
    location = LocationFactory(
        id=location_id, evses=[evse(f"{location_id}-{number}") for number in range(total)]
    )
    return list(location.evses.order_by("pk").values_list("pk", flat=True))


def select(client: Client, keys: list[int], query: str = "", **more: str) -> Any:
    data = {"action": "change_many", "_selected_action": [str(key) for key in keys], **more}
    return client.post(reverse(LIST) + query, data)


def page_of(name: str, job: Job) -> str:
    return reverse(f"admin:bulk_job_{name}", args=[job.pk])


def test_from_the_list_to_the_change_and_back() -> None:
    keys = make_evses(3)
    client = client_of(person())
    answer: Any = select(client, keys[:2])
    job = Job.objects.get()
    assert (answer.url, job.targets) == (page_of("fields", job), sorted(keys[:2]))
    assert "Change 2 EVSEs" in client.get(answer.url).content.decode()

    answer = client.post(answer.url, {"change-floor_level": "on", "floor_level": "-2"})
    assert answer.url == page_of("change", job)
    job = run(job)
    page = client.get(answer.url).content.decode()
    assert "<del>–</del>" in page
    assert "<ins>-2</ins>" in page
    assert "Apply to 2 objects…" in page
    assert "Will be changed: 2 EVSEs." in client.get(page_of("apply", job)).content.decode()
    assert Evse.objects.filter(floor_level="-2").count() == 0

    client.post(page_of("apply", job))
    job = run(job)
    assert Evse.objects.filter(floor_level="-2").count() == 2
    assert "Undo this bulk change?" in client.get(page_of("undo", job)).content.decode()
    client.post(page_of("undo", job))
    undo = run(Job.objects.latest("pk"))
    client.post(page_of("apply", undo))
    run(undo)
    assert Evse.objects.filter(floor_level="-2").count() == 0
    assert "Put back since" in client.get(page_of("change", job)).content.decode()


def test_all_that_the_filter_finds_is_taken_and_no_more() -> None:
    make_evses(3, "L1")
    keys = make_evses(2, "L2")
    select(client_of(person()), keys[:1], "?q=L2", select_across="1")
    assert sorted(Job.objects.get().targets) == keys


def test_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offering, "MOST_OBJECTS", 2)
    client = client_of(person())
    answer = select(client, make_evses(3))
    assert not Job.objects.exists()
    assert "more than 20,000" in client.get(answer.url).content.decode()


def test_without_a_tick_nothing_is_said_and_a_wrong_value_is_told() -> None:
    keys = make_evses(1)
    client = client_of(person())
    url = select(client, keys).url
    assert "Tick at least one field" in client.post(url, {"floor_level": "1"}).content.decode()
    answer = client.post(url, {"change-direction_texts": "on", "direction_texts": "no colon"})
    assert "write two letters, a colon and the text" in answer.content.decode()
    assert Job.objects.get().state == "DRAFT"


def test_a_page_of_rows_takes_so_many_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    user = person()
    job = change(user, "locations.evse", make_evses(60), floor_level=value("1"))
    client = client_of(user)
    with django_assert_max_num_queries(22):
        page = client.get(page_of("change", job)).content.decode()
    assert page.count('class="cpo-diff"') == 50
    assert "page 1 of 2" in page
    second = client.get(page_of("change", job) + "?outcome=WOULD_CHANGE&p=2").content.decode()
    assert second.count('class="cpo-diff"') == 10


def test_a_job_that_runs_can_be_stopped_on_its_page() -> None:
    user = person()
    job = change(user, "locations.evse", make_evses(2), floor_level=value("1"))
    client = client_of(user)
    operations.begin_apply(job_id=job.pk, now=clock.now())
    assert 'data-live="running"' in client.get(page_of("change", job)).content.decode()
    client.post(page_of("stop", job))
    page = client.get(page_of("change", job)).content.decode()
    assert "It was stopped." in page
    client.post(page_of("resume", job))
    assert run(job).counts == {"CHANGED": 2}


def test_the_list_of_jobs_says_what_to_do_where_there_is_none() -> None:
    client = client_of(person())
    assert "choose “Change…”" in client.get(reverse("admin:bulk_job_changelist")).content.decode()


def test_lists_that_cannot_be_imported_have_no_button() -> None:
    client = client_of(person("all", "operator_admin"))
    for name in ("tariffs_tariff", "sessions_app_token", "roaming_partner"):
        page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert "import-file" not in page
    for name in ("locations_location", "locations_evse"):
        page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert "import-file" in page
    assert not JobRow.objects.exists()


def test_a_file_of_which_nothing_can_be_written_says_so() -> None:
    user = person()
    job = imported(user, "locations.evse", "uid,floor_level\nnowhere,1\nno-place,2\n")
    page = client_of(user).get(page_of("change", job)).content.decode()
    assert "Nothing can be written: 2 of 2 were refused." in page
    assert "There is nothing to change." not in page


def test_what_is_created_is_not_said_to_be_undone() -> None:
    user = person()
    make_evses(1)
    cells = "NL*TST,L1,NEW,1,IEC_62196_T2,SOCKET,AC_3_PHASE,230,32"
    heads = (
        "location__party,location__ocpi_id,uid,connector_1_id,connector_1_standard,"
        "connector_1_format,connector_1_power_type,connector_1_max_voltage,connector_1_max_amperage"
    )
    job = imported(user, "locations.evse", f"{heads}\n{cells}\n")
    text = client_of(user).get(page_of("apply", job)).content.decode()
    assert "What is created stays" in text
    assert "can be undone later" not in text
    done = apply(job)
    assert done.counts == {"CREATED": 1}
    assert (
        page_of("undo", done) not in client_of(user).get(page_of("change", done)).content.decode()
    )


@pytest.mark.parametrize("label", ["locations.location", "locations.evse"])
def test_the_page_names_what_a_new_row_needs_and_the_example_is_one(label: str) -> None:
    LocationFactory(id="EXAMPLE-1" if label == "locations.evse" else "L1", evses=[])
    user = person("all", "operator_admin")
    client = client_of(user)
    name = label.replace(".", "_")
    answer = client.get(reverse(f"admin:{name}_bulk_import"))
    needed = [column.name for column in answer.context["needed"]]
    content = client.post(reverse(f"admin:{name}_bulk_template"), {"example": "1"}).content
    row = next(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    # What is needed is enough; the rest of the example is read as well.
    for cells in ({column: row[column] for column in needed}, row):
        text = as_csv([cells])
        assert outcomes(imported(user, label, text)) == ["WOULD_CREATE"], cells
    for column in needed:
        assert outcomes(imported(user, label, as_csv([row | {column: ""}]))) == ["REFUSED"]


def test_the_words_of_a_column_are_on_the_page() -> None:
    page = client_of(person()).get(reverse("admin:locations_evse_bulk_import")).content.decode()
    for word in ("IEC_62196_T2", "AC_3_PHASE", "PLANNED", "RFID_READER"):
        assert f"<code>{word}</code>" in page
    assert "A new row without it has: <code>IEC_62196_T2</code>" in page


def test_after_an_import_of_locations_their_evses_are_next() -> None:
    LocationFactory(id="L1", evses=[])
    user = person("all", "operator_admin")
    line = {"ocpi_id": "L2", "address": "A 1", "city": "Ulm", "country": "DEU"}
    line |= {"latitude": "48.397", "longitude": "9.991"}
    job = imported(user, "locations.location", as_csv([line]))
    client = client_of(user)
    assert "Create 1 location<" in client.get(page_of("apply", job)).content.decode()
    apply(job)
    page = client.get(page_of("change", job)).content.decode()
    assert "1 of these locations has no EVSEs yet, so no partner sees it." in page
    assert f'href="{reverse("admin:locations_evse_bulk_import")}"' in page
    LocationFactory(id="L2", evses=[evse("E1")])
    assert "has no EVSEs yet" not in client.get(page_of("change", job)).content.decode()


def test_a_job_that_was_never_applied_is_discarded_by_its_owner_only() -> None:
    user = person()
    keys = make_evses(1)
    job = change(user, "locations.evse", keys, floor_level=value("1"))
    other = client_of(person("all", "operator_admin"))
    other.post(page_of("discard", job))
    assert Job.objects.filter(pk=job.pk).exists()
    client = client_of(user)
    assert "Discard this bulk change?" in client.get(page_of("discard", job)).content.decode()
    client.post(page_of("discard", job))
    assert not Job.objects.exists()
    assert not JobRow.objects.exists()

    select(client, keys)
    draft = Job.objects.get()
    assert page_of("discard", draft) in client.get(page_of("fields", draft)).content.decode()
    client.post(page_of("discard", draft))
    assert not Job.objects.exists()

    done = apply(change(user, "locations.evse", keys, floor_level=value("1")))
    client.post(page_of("discard", done))
    assert Job.objects.get() == done

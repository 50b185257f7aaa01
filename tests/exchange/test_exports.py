"""Exports of lists: exact values, no formulas, written down, and never all at once in memory."""

import io
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.safestring import mark_safe
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries

from cpo_platform.audit.models import Entry
from cpo_platform.common.admin import export_pages, exporting, link_to, minute, pill
from sessions_app.models import Token
from tests.exchange.files import address, body, model_of, rows
from tests.factories import NOW, LocationFactory, TokenFactory, evse

pytestmark = pytest.mark.django_db


def test_filters_search_and_order_of_the_list_apply(admin_client: Client) -> None:
    LocationFactory(id="L1", evses=[evse("E1"), evse("E2", status="CHARGING"), evse("E3")])
    url = address(model_of("locations.evse"))

    assert [row["uid"] for row in rows(admin_client, f"{url}?status__exact=CHARGING")] == ["E2"]
    assert [row["uid"] for row in rows(admin_client, f"{url}?q=E3")] == ["E3"]
    # By the EVSE, downwards; which page of the list is open does not matter.
    ordered = rows(admin_client, f"{url}?o=-1&p=7")
    assert [row["uid"] for row in ordered] == ["E3", "E2", "E1"]


def test_a_filter_that_is_none_leads_back_to_the_list(admin_client: Client) -> None:
    url = address(model_of("locations.location"))
    answer = admin_client.get(f"{url}?country__exact=DEU&publish__exact=nonsense")
    assert answer.status_code == 302


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 6, 1, 10, tzinfo=timezone(timedelta(hours=2))), "2026-06-01T08:00:00Z"),
        (datetime(2026, 6, 1, 8, 0, 0, 120000, UTC), "2026-06-01T08:00:00.12Z"),
        (Decimal("1.500"), Decimal("1.500")),
        (minute(NOW + timedelta(seconds=7)), "2026-06-01T08:00:07Z"),
        (pill("a & b"), "a & b"),
        (link_to("/x", "=1+1"), "'=1+1"),
        (mark_safe("<div>one</div><div>two</div>"), "one; two"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+49 1", "'+49 1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("a <b> c", "a <b> c"),
        ("\N{EN DASH}", ""),
        (None, None),
    ],
)
def test_a_value_is_plain(value: object, expected: object) -> None:
    assert exporting.plain(value) == expected


def test_a_price_is_no_number_of_floats() -> None:
    lines = list(exporting.as_csv(["a", "b"], [[Decimal("0.1000"), True], [Decimal("1E+3"), None]]))
    assert lines == ["\ufeff", "a,b\r\n", "0.1000,true\r\n", "1000,\r\n"]


def test_excel_has_the_same_rows(admin_client: Client) -> None:
    LocationFactory(id="L1", name="=cmd", city="Town", evses=[evse("E1")])
    url = address(model_of("locations.location"))
    sheet: Any = load_workbook(io.BytesIO(body(admin_client, url, "xlsx"))).active
    heads, first = list(sheet.iter_rows(values_only=True))
    row = dict(zip(heads, first, strict=True))
    assert (row["ocpi_id"], row["title"], row["city"]) == ("L1", "'=cmd", "Town")
    assert row["publish"] is True


def test_excel_is_given_no_character_that_it_cannot_hold() -> None:
    file = exporting.as_xlsx(["a"], [["T\x07own"]])
    sheet: Any = load_workbook(file).active
    assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["a", "Town"]
    file.close()


def test_more_than_a_sheet_holds_is_refused(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_pages, "MOST_ROWS_A_SHEET", 1)
    for number in (1, 2):
        TokenFactory(uid=f"U{number}")
    url = address(Token)
    answer: Any = admin_client.post(url, {"format": "xlsx"})
    assert answer.status_code == 400
    assert "1,048,575" in answer.content.decode()
    assert len(rows(admin_client, url)) == 2


def test_who_took_what_and_how_much_is_written_down(admin_client: Client) -> None:
    TokenFactory(uid="U1")
    rows(admin_client, f"{address(Token)}?type=RFID")
    entry = Entry.objects.latest("id")
    assert (entry.table, entry.action, entry.actor_name) == ("sessions_app_token", "act", "admin")
    assert entry.after == {"note": "exported 1 rows as CSV: type=RFID"}
    assert (entry.key, entry.objects_changed, entry.row) == ("", [], {"name": "Tokens"})
    # It has a line in the list of the audit, and a page.
    page = admin_client.get(reverse("admin:audit_entry_changelist")).content.decode()
    assert "exported 1 rows as CSV" in page
    assert admin_client.get(reverse("admin:audit_entry_change", args=[entry.pk])).status_code == 200


def test_a_download_that_is_broken_off_is_written_down(admin_client: Client) -> None:
    for number in range(3):
        TokenFactory(uid=f"U{number}")
    answer: Any = admin_client.post(address(Token), {"format": "csv"})
    lines = answer._iterator
    for _line in range(3):
        next(lines)
    lines.close()
    assert (Entry.objects.latest("id").after or {})["note"] == "exported 1 rows as CSV"


def test_to_look_at_the_page_writes_nothing(admin_client: Client) -> None:
    before = Entry.objects.count()
    admin_client.get(address(Token))
    assert Entry.objects.count() == before


def test_queries_do_not_grow_with_the_rows(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            rows(admin_client, address(model_of("locations.evse")))
        return len(found)

    LocationFactory(id="L1", evses=[evse(f"A{number}") for number in range(2)])
    few = queries()
    LocationFactory(id="L2", evses=[evse(f"B{number}") for number in range(40)])
    assert queries() == few


def test_memory_does_not_grow_with_the_rows(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    total = 5000
    first = TokenFactory(uid="U0")
    fields = [field.attname for field in Token._meta.concrete_fields if not field.primary_key]
    values = {name: getattr(first, name) for name in fields}
    Token.objects.bulk_create(Token(**values | {"uid": f"U{number}"}) for number in range(1, total))
    with django_assert_max_num_queries(10):
        answer: Any = admin_client.post(address(Token), {"format": "csv"})
        tracemalloc.start()
        try:
            count = sum(chunk.count(b"\r\n") for chunk in answer.streaming_content)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == total + 1
    # All rows at once take some 6 MB; as they are written, less than 1, however many there are.
    assert peak < 1_500_000

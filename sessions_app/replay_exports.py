"""The results of a replay as a file: every CDR with its price before and after, streamed."""

import csv
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO, Any

from django.utils.translation import gettext
from openpyxl import Workbook

from sessions_app.models import Replay, ReplayResult

AT_ONCE = 200
# Excel has 1,048,576 rows a sheet.
ROWS_A_SHEET = 1_000_000
# What a spreadsheet takes for a formula.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")

_COLUMNS = (
    *("cdr__ocpi_id", "cdr__start_date_time", "cdr__end_date_time", "cdr__cdr_location__name"),
    *("cdr__cdr_location__address", "cdr__cdr_location__evse_id", "cdr__total_energy"),
    *("cdr__total_time", "cdr__total_parking_time", "before_taxes", "new_before_taxes"),
    *("difference", "after_taxes", "new_after_taxes"),
)


def heads(replay: Replay) -> list[str]:
    """Return the titles of the columns, in the reader's language."""
    currency = replay.currency
    names = (
        gettext("CDR"),
        gettext("started (UTC)"),
        gettext("ended (UTC)"),
        gettext("location"),
        gettext("address"),
        gettext("EVSE"),
        gettext("energy (kWh)"),
        gettext("time (h)"),
        gettext("parking time (h)"),
    )
    amounts = (
        gettext("before taxes"),
        gettext("before taxes, by this tariff"),
        gettext("difference"),
        gettext("after taxes"),
        gettext("after taxes, by this tariff"),
    )
    return [*names, *(f"{name} ({currency})" for name in amounts)]


def rows(replay: Replay) -> Iterator[Sequence[Any]]:
    """Yield one row per CDR, in their order; only a part of them is in memory at a time."""
    results: Any = ReplayResult.objects.filter(replay=replay).order_by("cdr_id")
    for row in results.values_list(*_COLUMNS).iterator(chunk_size=AT_ONCE):
        yield [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    """Return a value as a spreadsheet takes it: moments in UTC, and texts that are no formulas."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None, microsecond=0)
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def as_csv(replay: Replay) -> Iterator[str]:
    """Yield the lines of a CSV file; it begins with a mark by which Excel knows UTF-8."""
    writer = csv.writer(_Echo())
    yield "\N{ZERO WIDTH NO-BREAK SPACE}"
    yield writer.writerow(heads(replay))
    for row in rows(replay):
        yield writer.writerow([_text(value) for value in row])


def _text(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def as_xlsx(replay: Replay) -> IO[bytes]:
    """Return an Excel file, open at its beginning, which is gone when it is closed."""
    book = Workbook(write_only=True)
    sheet: Any = _sheet(book, replay)
    for number, row in enumerate(rows(replay), start=1):
        sheet.append(row)
        if number % ROWS_A_SHEET == 0:
            sheet = _sheet(book, replay)
    file = tempfile.TemporaryFile()  # noqa: SIM115  the response closes it
    book.save(file)
    file.seek(0)
    return file


def _sheet(book: Workbook, replay: Replay) -> Any:
    sheet: Any = book.create_sheet()
    sheet.append(heads(replay))
    return sheet

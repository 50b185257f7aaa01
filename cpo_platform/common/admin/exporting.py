"""What a list shows, as a file: every column as a plain value, row by row from the database.

A column is exported exactly where the list shows a number, a moment, a yes or no, or one of known
words: then by the name and with the value of the field that it is sorted by. Of all others the
text is exported that is shown. Before them come the fields that identify a row, and the OCPI ids
of what it belongs to where the list reads that anyway.
"""

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import IO, Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.db.models import Model, QuerySet
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from cpo_platform.common import acting
from cpo_platform.common.acting import Actor
from cpo_platform.common.admin.display import NONE

AT_ONCE = 500
# A sheet of Excel has 1,048,576 rows; the first are the names of the columns.
MOST_ROWS_A_SHEET = 1_048_575
# What a spreadsheet takes for a formula.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
# What a row is called by, in OCPI and OCPP and with us. Everything else has to be in the list.
IDENTIFYING = (
    *("country_code", "party_id", "ocpi_id", "uid", "evse_id", "identity", "ref", "currency"),
)
# What names a row that another one belongs to.
NAMING = ("ocpi_id", "uid", "evse_id", "identity", "ref")
# Exact values, where a list is sorted by such a field.
_EXACT = (models.DecimalField, models.DateTimeField, models.BooleanField, models.IntegerField)

Plain = str | int | Decimal | bool | None
Read = Callable[[Any], Any]


def columns_of(model_admin: Any, listed: Sequence[Any], related: Iterable[str]) -> dict[str, Read]:
    """Return the columns of a list by their names, each with how it is read from a row.

    `listed` is the list's `list_display`, `related` what it reads with each row.
    """
    meta = model_admin.opts
    columns: dict[str, Read] = {"id": lambda row: row.pk}
    for name in _fields_among(model_admin.model, IDENTIFYING):
        columns[name] = _reader(name)
    for relation in related:
        for name in _fields_among(_model_at(model_admin.model, relation), NAMING):
            path = f"{relation}__{name}"
            columns[path] = _reader(path)
    for shown in listed:
        if shown in {"action_checkbox", ACTION_CHECKBOX_NAME}:
            continue
        exact = _exact_field(meta, model_admin, shown)
        name = exact or (shown if isinstance(shown, str) else shown.__name__)
        columns.setdefault(name, _reader(exact) if exact else _shown(model_admin, shown))
    return columns


def _fields_among(model: type[Model] | None, names: Iterable[str]) -> list[str]:
    if model is None:
        return []
    has = {field.name for field in model._meta.concrete_fields}  # noqa: SLF001  Django's own public name
    return [name for name in names if name in has]


def _model_at(model: type[Model], path: str) -> type[Model] | None:
    found: Any = model
    for name in path.split("__"):
        found = found._meta.get_field(name).related_model  # noqa: SLF001
    return found if isinstance(found, type) else None


def _exact_field(meta: Any, model_admin: Any, shown: Any) -> str:
    """Return the field that a column shows in other words; "" where its text says more."""
    if not isinstance(shown, str):
        return ""
    method = getattr(model_admin, shown, None)
    order = getattr(method, "admin_order_field", shown if method is None else "")
    if not isinstance(order, str):
        return ""
    try:
        field = meta.get_field(order.removeprefix("-"))
    except FieldDoesNotExist:
        return ""
    exact = isinstance(field, _EXACT) or bool(getattr(field, "choices", None))
    return str(field.name) if exact and field.concrete and not field.is_relation else ""


def _reader(path: str) -> Read:
    names = path.split("__")

    def read(row: Any) -> Any:
        value = row
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return read


def _shown(model_admin: Any, name: Any) -> Read:
    def read(row: Any) -> Any:
        try:
            _field, _attribute, value = lookup_field(name, row, model_admin)
        except ObjectDoesNotExist:
            return None
        return value

    return read


def rows_of(columns: Mapping[str, Read], rows: "QuerySet[Any]") -> Iterator[list[Plain]]:
    """Yield a list of plain values for each row, read from a cursor of the database's."""
    reads = list(columns.values())
    for row in rows.iterator(chunk_size=AT_ONCE):
        yield [plain(read(row)) for read in reads]


def counted(
    rows: Iterable[Sequence[Plain]], note: Callable[[int], None]
) -> Iterator[Sequence[Plain]]:
    """Return the rows of a file; `note` is told how many were read, also if the reader goes away.

    A file that is streamed is read when the request is over: who acts, and the language, are those
    of the request.
    """
    actor, language = acting.current() or Actor(), translation.get_language()

    def read() -> Iterator[Sequence[Plain]]:
        number = 0
        translation.activate(language or "")
        try:
            for number, row in enumerate(rows, start=1):  # noqa: B007  the last one counts
                yield row
        finally:
            with acting.as_found(lambda: actor):
                note(number)

    return read()


def plain(value: Any) -> Plain:
    """Return a value as a machine reads it: numbers as they are, moments in ISO 8601 and UTC."""
    if value is None or isinstance(value, bool | int | Decimal):
        return value
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "; ".join(str(plain(item)) for item in value)
    text = _text_of(value) if isinstance(value, SafeString) else str(value)
    return defused("" if text == NONE else text)


def defused(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text


class _Words(HTMLParser):
    """Collects what HTML says: its words, and its moments as they were written for machines."""

    _BLOCKS = frozenset({"div", "p", "li", "br", "tr"})

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = [""]
        self._inside_moment = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._BLOCKS:
            self.lines.append("")
        moment = parse_datetime(dict(attrs).get("datetime") or "") if tag == "time" else None
        if moment is not None:
            self._inside_moment = True
            self.lines[-1] += str(plain(moment))

    def handle_endtag(self, tag: str) -> None:
        if tag == "time":
            self._inside_moment = False
        if tag in self._BLOCKS:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self._inside_moment:
            self.lines[-1] += data


def _text_of(html: str) -> str:
    if "<" not in html and "&" not in html:
        return html
    words = _Words()
    words.feed(html)
    words.close()
    lines = (" ".join(line.split()) for line in words.lines)
    return "; ".join(line for line in lines if line)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def as_csv(heads: Iterable[str], rows: Iterable[Sequence[Plain]]) -> Iterator[str]:
    """Yield the lines of a CSV file; it begins with a mark by which Excel knows UTF-8."""
    writer = csv.writer(_Echo())
    yield "\N{ZERO WIDTH NO-BREAK SPACE}"
    yield writer.writerow(heads)
    for row in rows:
        yield writer.writerow([_csv_value(value) for value in row])


def _csv_value(value: Plain) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else value


def as_xlsx(heads: Iterable[str], rows: Iterable[Sequence[Plain]]) -> IO[bytes]:
    """Return an Excel file, open at its beginning, which is gone when it is closed.

    Its rows are written to the disk as they come.
    """
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet()
    sheet.append(list(heads))
    for row in rows:
        sheet.append([_xlsx_value(value) for value in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115  the response closes it
    book.save(file)
    file.seek(0)
    return file


def _xlsx_value(value: Plain) -> Plain:
    return ILLEGAL_CHARACTERS_RE.sub("", value) if isinstance(value, str) else value

"""Files that people upload: CSV and Excel, as rows of texts, bounded in every direction.

The formats are read by the standard library and openpyxl. django-import-export was tried for this:
its `Resource` assigns cells to a model's fields and saves the model, one field one column; ours are
written by a form and an operation, know parts and structured values, and refuse in the words of the
form. What would be left of it is the reading of files, which it does without bounds.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext
from openpyxl import load_workbook

from cpo_platform.common.admin.exporting import FORMULAS
from cpo_platform.common.text import is_storable

MOST_BYTES = 5 * 1024 * 1024
# What an Excel file may be when it is unpacked: a small one can be made of gigabytes of nothing.
MOST_UNPACKED = 100 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 200
LONGEST_CELL = 10_000

_KANA = re.compile(r"[\u3041-\u30ff]")
_IDEOGRAPHS = re.compile(r"[\u4e00-\u9fff]{2,}")
# The first byte of the last common ideographs in Shift_JIS (JIS X 0208, level 1).
_LAST_COMMON = 0x98

Cells = list[str]


class UnreadableFile(ValueError):
    """A file is not what it should be; the message says what is wrong, for the person."""


@dataclass(frozen=True)
class Table:
    """A file: the names of its columns, and its rows with the number that a spreadsheet shows."""

    heads: Cells
    rows: Iterator[tuple[int, Cells]]


def read(content: bytes) -> Table:
    """Return the table of a file; its rows are read while they are asked for.

    Raises:
        UnreadableFile: also while rows are read.

    """
    if len(content) > MOST_BYTES:
        raise UnreadableFile(gettext("The file is larger than 5 MB: split it."))
    lines = _xlsx(content) if content.startswith(b"PK") else _csv(content)
    numbered = enumerate(_bounded(lines), start=1)
    _number, heads = next(numbered, (0, []))
    heads = [head.strip() for head in heads]
    while heads and not heads[-1]:
        heads.pop()
    if not heads:
        raise UnreadableFile(gettext("The first row has to hold the names of the columns."))
    return Table(heads, _rows(numbered, len(heads)))


def _rows(numbered: Iterable[tuple[int, Cells]], width: int) -> Iterator[tuple[int, Cells]]:
    total = 0
    for number, cells in numbered:
        if not any(cells):
            continue
        total += 1
        if total > MOST_ROWS:
            raise UnreadableFile(gettext("The file has more than 20,000 rows: split it."))
        if any(cells[width:]):
            raise UnreadableFile(
                gettext("Row %(number)s has more cells than there are columns.")
                % {"number": number}
            )
        yield number, [*cells[:width], *[""] * (width - len(cells))]


def _bounded(lines: Iterable[Cells]) -> Iterator[Cells]:
    for number, cells in enumerate(lines, start=1):
        # Blank rows count as well: a sheet may say that it has a million of them.
        if number > 2 * MOST_ROWS:
            raise UnreadableFile(gettext("The file has more than 20,000 rows: split it."))
        if len(cells) > MOST_COLUMNS:
            raise UnreadableFile(gettext("The file has more than 200 columns."))
        yield [_checked(cell, number) for cell in cells]


def _checked(cell: str, number: int) -> str:
    text = cell.strip()
    if len(text) > LONGEST_CELL:
        raise UnreadableFile(
            gettext("A cell of row %(number)s has more than 10,000 characters.")
            % {"number": number}
        )
    if not is_storable(text):
        raise UnreadableFile(
            gettext("A cell of row %(number)s holds characters that are none.") % {"number": number}
        )
    # An export writes it before what a spreadsheet would take for a formula.
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULAS) else text


def _csv(content: bytes) -> Iterator[Cells]:
    text = _decoded(content)
    first, _end, rest = text.partition("\n")
    if first.lower().startswith("sep="):
        first, text = rest.partition("\n")[0], rest
    delimiter = max(";,\t", key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise UnreadableFile(
            gettext("This is no CSV: %(reason)s.") % {"reason": str(error)[:200]}
        ) from error


def _decoded(content: bytes) -> str:
    """Return the text of a file: UTF-8, or what Excel writes in Japan.

    Bytes of Western letters may pass for Shift_JIS, but not for Japanese.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    with suppress(UnicodeDecodeError):
        text = content.decode("cp932")
        if _is_japanese(text):
            return text
    raise UnreadableFile(
        gettext(
            "This is neither Excel (.xlsx) nor CSV in UTF-8 or Shift_JIS: in Excel, save it as "
            "“CSV UTF-8”."
        )
    )


def _is_japanese(text: str) -> bool:
    """Tell whether a text has kana, or common ideographs in a row.

    Rare ones do not count: `ämälä` of a Windows file looks like three of them.
    """
    return bool(_KANA.search(text)) or any(
        _is_common(one) and _is_common(other)
        for found in _IDEOGRAPHS.finditer(text)
        for one, other in pairwise(found[0])
    )


def _is_common(ideograph: str) -> bool:
    return ideograph.encode("cp932")[0] <= _LAST_COMMON


def _xlsx(content: bytes) -> Iterator[Cells]:
    try:
        _refuse_bombs(content)
        book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        yield from _sheet(book.worksheets[0])
    except UnreadableFile:
        raise
    except Exception as error:
        # openpyxl raises whatever a broken file makes it.
        raise UnreadableFile(gettext("This Excel file cannot be read.")) from error


def _refuse_bombs(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # Nothing is unpacked beyond what it says of itself.
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MOST_UNPACKED:
        raise UnreadableFile(gettext("Unpacked, this Excel file is larger than 100 MB: split it."))


def _sheet(sheet: Any) -> Iterator[Cells]:
    # Its own word on how large it is would be believed otherwise.
    sheet.reset_dimensions()
    for row in sheet.iter_rows(max_row=2 * MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True):
        cells = [_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        yield cells


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)

"""Files that mean harm: bounded in every direction, and never calculated."""

import io
import zipfile
from typing import Any

import pytest
from openpyxl import Workbook

from cpo_platform.bulk import reading
from cpo_platform.bulk.reading import UnreadableFile


def xlsx(*lines: list[Any]) -> bytes:
    book = Workbook()
    sheet: Any = book.active
    for line in lines:
        sheet.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read(content: bytes) -> list[tuple[int, list[str]]]:
    return list(reading.read(content).rows)


def test_a_formula_is_a_text_and_numbers_are_as_they_are_written() -> None:
    content = xlsx(["a", "b", "c"], ["=1+1", 22.0, 1.5], [None, None, None], [True, "'-1", "x"])
    assert read(content) == [(2, ["=1+1", "22", "1.5"]), (4, ["true", "-1", "x"])]


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_UNPACKED", 1_000_000)
    file = io.BytesIO(xlsx(["uid"]))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", b" " * 2_000_000)
    assert len(file.getvalue()) < 20_000
    with pytest.raises(UnreadableFile, match="100 MB"):
        read(file.getvalue())


def test_a_sheet_that_lies_about_its_size_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 5)
    book = Workbook()
    sheet: Any = book.active
    sheet["A1"], sheet["A2"], sheet["A1000000"] = "uid", "E1", "E2"
    file = io.BytesIO()
    book.save(file)
    with pytest.raises(UnreadableFile, match="more than 20,000 rows"):
        read(file.getvalue())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\n" + b"x\n" * 8, "more than 20,000 rows"),
        (b"a\n" + b"x" * 10_001, "more than 10,000 characters"),
        (b",".join([b"a"] * 201), "more than 200 columns"),
        (b"a\nx\x00y\n", "characters that are none"),
        (b'a\n"never closed', "This is no CSV"),
    ],
)
def test_what_is_too_much_or_broken_is_refused(
    content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 5)
    with pytest.raises(UnreadableFile, match=words):
        read(content)


def test_entities_are_not_expanded() -> None:
    entities = b"".join(
        b'<!ENTITY %c "%s">' % (98 + step, b"&%c;" % (97 + step) * 10) for step in range(8)
    )
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + entities + b"]>"
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>&i;</t></is></c></row></sheetData></worksheet>'
    )
    source, target = io.BytesIO(xlsx(["uid"], ["E1"])), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            is_sheet = entry.filename == "xl/worksheets/sheet1.xml"
            new.writestr(entry.filename, bomb if is_sheet else old.read(entry))
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read(target.getvalue())

"""The file, object by object."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest

from locations.importing import reader
from locations.importing.reader import UnreadableFile, read_items


def read(text: str | bytes) -> list[tuple[Any, Any]]:
    data = text.encode() if isinstance(text, str) else text
    return [(item.path, item.value) for item in read_items(io.BytesIO(data))]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('[{"id": 1}, {"id": 2}]', [((0,), {"id": 1}), ((1,), {"id": 2})]),
        ('{"data": [{"id": 1}], "status_code": 1000}', [(("data", 0), {"id": 1})]),
        ('{"next": "x", "items": [{"id": 1}]}', [(("items", 0), {"id": 1})]),
        ('{"data": {"id": 1}}', [(("data",), {"id": 1})]),
        ('{"id": 1, "name": "n"}', [((), {"id": 1, "name": "n"})]),
        ("[]", []),
        ('{"data": []}', []),
        ('\ufeff [ {"id" : 1.50} ] \n', [((0,), {"id": Decimal("1.50")})]),
        ('[1, null, "x"]', [((0,), 1), ((1,), None), ((2,), "x")]),
    ],
)
def test_a_list_an_envelope_and_one_object_are_read(text: str, items: list[Any]) -> None:
    assert read(text) == items


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The file is empty."),
        ("  \n ", "The file is empty."),
        ("locations", "The file is not JSON: line 1, column 1: a list or an object is expected."),
        ('[\n {"id": 1},\n {"id" 2}]', "The file is not JSON: line 3, column 8: expecting ':'"),
        ('[{"id": 1}', "The file is not JSON: line 1, column 11: “,” is expected."),
        ("[1] [2]", "The file is not JSON: line 1, column 5: there is more after the end."),
        ("[1,]", "The file is not JSON: line 1, column 4: expecting value."),
        ("[NaN]", "The file is not JSON: NaN is not a JSON number."),
        ("{1: 2}", "The file is not JSON: line 1, column 2: a member's name in quotes is expected"),
        ('{"status_code": 2000}', "The file holds no locations: it is neither a list, nor an"),
        ("{}", "The file holds no locations: it is neither a list, nor an object"),
        (b'["\xff"]', "The file is not UTF-8 text (after about 0 characters)."),
        ("[" + "[" * 200_000, "The file is not JSON: line 1, column 2: it is nested too deeply."),
        (f"[1{'0' * 5000}]", "The file is not JSON: line 1, column 2: a number is too long."),
    ],
)
def test_an_unreadable_file_is_named_in_one_sentence(text: str | bytes, sentence: str) -> None:
    with pytest.raises(UnreadableFile) as raised:
        read(text)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_pieces_of_any_size_give_the_same_objects(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHUNK", chunk)
    content = {
        "count": 1.5e3,
        "items": [{"id": "é", "n": 12.25, "t": True}, 17, -1.5e-3, "“x”", [], {}, None],
    }
    assert [value for _path, value in read(json.dumps(content, ensure_ascii=False))] == [
        {"id": "é", "n": Decimal("12.25"), "t": True},
        17,
        Decimal("-0.0015"),
        "“x”",
        [],
        {},
        None,
    ]


def test_an_object_that_is_too_large_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "CHUNK", 100)
    monkeypatch.setattr(reader, "MAX_OBJECT", 1000)
    stream = io.BytesIO(b'[{"id": "' + b"x" * 100_000 + b'"}]')
    with pytest.raises(UnreadableFile, match=r"cannot be read: .* more than 1,000 characters"):
        list(read_items(stream))
    assert stream.tell() < 5000


def test_many_members_outside_a_list_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_OBJECT", 1000)
    members = {f"m{number}": "x" * 50 for number in range(100)}
    with pytest.raises(UnreadableFile, match="more than 1,000 characters"):
        read(json.dumps(members))

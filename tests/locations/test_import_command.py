"""`manage.py import_locations`: its output and its codes of exit."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from locations.management.commands import import_locations as command
from locations.models import Location
from tests.locations import feeds

pytestmark = pytest.mark.django_db


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def run(path: Path, *options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_locations", str(path), *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_good_file_is_imported_and_summed_up(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", [feeds.location(name=" A")])
    out, err = run(path)
    assert Location.objects.get().name == "A"
    lines = [line.split() for line in out.splitlines()]
    assert out.startswith("Imported. Locations: 1 of OCPI 2.2.1.\n")
    assert ["Created", "Changed", "Unchanged", "Mended", "Refused"] in lines
    assert ["Location", "1", "1"] in lines
    assert ["EVSE", "1"] in lines
    assert "1 × Location name: had spaces around it or unprintable characters in it: cleaned" in out
    assert err == ""


def test_a_dry_run_says_so_and_writes_nothing(tmp_path: Path) -> None:
    out, _err = run(written(tmp_path / "a.json", [feeds.location()]), "--dry-run")
    assert out.startswith("Dry run: nothing was written.")
    assert Location.objects.count() == 0


def test_a_refusal_exits_with_1_and_names_the_place(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", [feeds.location("L1"), feeds.location("L2", city=None)])
    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("import_locations", str(path), stdout=out)
    assert raised.value.returncode == 1
    assert str(raised.value) == "2 objects were refused; all others were taken."
    assert "Location NL*TST L2 at [1].city: is required" in out.getvalue()
    assert [row.ocpi_id for row in Location.objects.all()] == ["L1"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "{path}: The file is empty."),
        ('[{"id": ', "{path}: The file is not JSON: line 1, column 9: expecting value."),
        (None, "{path} cannot be opened: No such file or directory."),
    ],
)
def test_an_unreadable_file_exits_with_2_and_one_sentence(
    content: str | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        written(path, content)
    with pytest.raises(CommandError) as raised:
        run(path)
    assert raised.value.returncode == 2
    assert str(raised.value) == sentence.format(path=path)


def test_a_party_that_is_none_is_an_error_of_usage(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", [])
    with pytest.raises(CommandError, match="'Germany' is not a party such as DE"):
        run(path, "--party", "Germany")


def test_the_party_owns_2_1_1_objects(tmp_path: Path) -> None:
    run(written(tmp_path / "a.json", [feeds.location_2_1_1()]), "--party", "DE*ABC")
    assert Location.objects.get().party == "DE*ABC"


def test_the_report_file_has_every_line_and_the_summary(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", [feeds.location()])
    run(path, "--report", str(tmp_path / "report.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert lines == [
        {"action": "created", "kind": "party", "name": "NL*TST NL*TST", "path": "[0]"},
        {"action": "created", "kind": "location", "name": "NL*TST L1", "path": "[0]"},
        {"action": "created", "kind": "evse", "name": "E1", "path": "[0].evses[0]"},
        {
            "summary": {
                "dry_run": False,
                "versions": {"2.2.1": 1},
                "counts": {
                    "party": {"created": 1},
                    "location": {"created": 1},
                    "evse": {"created": 1},
                },
                "mends": [],
            }
        },
    ]


def test_a_report_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", [feeds.location()])
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        run(path, "--report", str(tmp_path))
    assert Location.objects.count() == 0


def test_more_words_show_every_object(tmp_path: Path) -> None:
    out, _err = run(written(tmp_path / "a.json", [feeds.location(name="")]), "--verbosity", "2")
    assert "\nCreated:\n  Party NL*TST NL*TST at [0]\n  Location NL*TST L1 at [0]\n" in out
    assert "\nMended:\n  Location NL*TST L1 at [0].name: name was empty: left out\n" in out


def test_a_long_import_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "EACH", 4)
    content = [
        feeds.location(f"L{number}", evses=[feeds.evse(f"E{number}")]) for number in range(5)
    ]
    _out, err = run(written(tmp_path / "a.json", content))
    assert err.splitlines() == ["2/5 locations, 2 EVSEs", "4/5 locations, 4 EVSEs"]


def test_a_terminal_gets_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    content = [feeds.location(f"L{number}", evses=[]) for number in range(2)]
    _out, err = run(written(tmp_path / "a.json", content))
    half, whole = "#" * 15, "#" * 30
    assert err == (
        f"\r[{half:<30}]  50 %  1/2 locations, 0 EVSEs\r[{whole}] 100 %  2/2 locations, 0 EVSEs\n"
    )

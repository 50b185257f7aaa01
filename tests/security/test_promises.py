"""SECURITY.md names files and tests that are there."""

import ast
import re
from pathlib import Path

from django.conf import settings

ROOT: Path = settings.BASE_DIR
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_promise_names_where_it_is_kept_and_the_test_that_shows_it() -> None:
    rows = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if len(row) == 3 and row[1].strip().startswith("`")]
    assert len(promises) > 15
    for promise, where, test in promises:
        for name in re.findall(r"`([^`]+)`", where):
            assert (ROOT / name).exists(), f"{promise}: {name}"
        named = re.findall(r"`(tests/[^`]+\.py)::(\w+)`", test)
        assert named, promise
        for path, function in named:
            assert function in _functions(ROOT / path), f"{promise}: {path}::{function}"


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

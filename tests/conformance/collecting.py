"""Which test shows which rule: read from the markers, without running a test.

This is a plugin of pytest as well, which `collect` loads in a process of its own: whatever the
running test run selected, every test is looked at.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 120
# rule id -> "tests/roaming/test_lists.py::test_pages", in order and each once
Shown = dict[str, list[str]]


class CollectionFailedError(Exception):
    """Some test could not be collected; the message is what pytest said."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rules-to", help="Write which test shows which rule to this file.")


def pytest_collection_finish(session: pytest.Session) -> None:
    if target := session.config.getoption("--rules-to"):
        Path(target).write_text(json.dumps(shown_by(session.items)), encoding="utf-8")


def shown_by(items: Iterable[pytest.Item]) -> Shown:
    """Return which of these tests show each rule."""
    shown: dict[str, set[str]] = defaultdict(set)
    for item in items:
        # One line for a function, however many parameters it is run with.
        name = item.nodeid.partition("[")[0]
        for marker in item.iter_markers("rule"):
            for rule in marker.args:
                shown[rule].add(name)
    return {rule: sorted(names) for rule, names in sorted(shown.items())}


def whole(config: pytest.Config) -> bool:
    """Tell whether a test run has collected every test, before any was deselected."""
    paths = {(config.invocation_params.dir / one).resolve() for one in config.args}
    narrowed = ("ignore", "ignore_glob", "lf", "continue_on_collection_errors")
    return paths == {ROOT / "tests"} and not any(
        config.getoption(name, default=None) for name in narrowed
    )


def collect(*, tolerant: bool = False) -> Shown:
    """Return the tests that show each rule.

    Raises:
        CollectionFailedError: a test module is broken; with `tolerant` the others are told.

    """
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "rules.json"
        process = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly"),
                *("-p", "no:cacheprovider", "-p", "tests.conformance.collecting"),
                *("--continue-on-collection-errors", "--rules-to", str(target)),
            ],
            cwd=ROOT,
            # No test runs, so that none of the servers is needed.
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
            | {"CPO_TEST_SERVERS": "1", "DATABASE_URL": "postgres://nobody@localhost/none"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if not target.exists() or (process.returncode and not tolerant):
            raise CollectionFailedError((process.stdout + process.stderr)[-4000:])
        shown: Shown = json.loads(target.read_text(encoding="utf-8"))
    return shown

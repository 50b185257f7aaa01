"""A known fault fails; a service that cannot be reached does not, and is said."""

import json

import pytest

from cpo_platform.runner.audit import NOT_AUDITED, read

GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "1.0", "vulns": [{"id": "X-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "status", "text"),
    [
        ([GOOD], 0, "1 audited, 0 known faults"),
        ([GOOD, BAD], 1, "bad 1.0: X-1, fixed in 1.1\n2 audited, 1 known faults"),
        (
            [GOOD, UNKNOWN],
            0,
            "1 audited, 0 known faults\nnot audited, for they are not known: unknown",
        ),
        ([UNKNOWN], 0, NOT_AUDITED),
        ([], 0, NOT_AUDITED),
    ],
)
def test_only_a_known_fault_fails(
    dependencies: list[dict[str, object]], status: int, text: str
) -> None:
    report = read(json.dumps({"dependencies": dependencies, "fixes": []}))
    assert (report.status, str(report)) == (status, text)


@pytest.mark.parametrize("output", ["", "no json", "[]", "{}"])
def test_no_answer_is_no_fault(output: str) -> None:
    report = read(output)
    assert (report.status, str(report)) == (0, NOT_AUDITED)

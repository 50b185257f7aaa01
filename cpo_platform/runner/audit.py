"""`make audit`: known faults of what we depend on, as far as a service that knows can be reached.

A fault fails. No service does not: then it says so, and passes. What is not known is no fault, and
a build must not depend on somebody else's machine.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from cpo_platform.environment import BASE_DIR

SECONDS = 300
NOT_AUDITED = "not audited: the service cannot be reached"


@dataclass(frozen=True)
class Report:
    """What is known of how many, and what is wrong."""

    audited: int = 0
    skipped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        return 1 if self.faults else 0

    def __str__(self) -> str:
        if not self.audited:
            return NOT_AUDITED
        lines = [*self.faults, f"{self.audited} audited, {len(self.faults)} known faults"]
        if self.skipped:
            lines.append(f"not audited, for they are not known: {', '.join(self.skipped)}")
        return "\n".join(lines)


def read(output: str) -> Report:
    """Return what pip-audit says (`--format json`); an empty report where it says nothing."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Report()
    known = [one for one in dependencies if "vulns" in one]
    return Report(
        audited=len(known),
        skipped=[one["name"] for one in dependencies if "vulns" not in one],
        faults=[
            f"{one['name']} {one.get('version', '')}: {fault['id']}, fixed in "
            f"{', '.join(fault.get('fix_versions') or ['no version yet'])}"
            for one in known
            for fault in one["vulns"]
        ],
    )


def main() -> int:
    """Audit what is locked; return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements.txt"]
    # What is locked with hashes is looked up as it stands: nothing is resolved or installed.
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        found = subprocess.run(  # noqa: S603
            command, cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        report = Report()
    else:
        report = read(found.stdout)
    sys.stdout.write(f"{report}\n")
    return report.status


if __name__ == "__main__":
    sys.exit(main())

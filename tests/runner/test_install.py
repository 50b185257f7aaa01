"""Making `.venv`."""

import pytest

from cpo_platform.runner.install import ROOT, shares


def packages(locked: str) -> set[str]:
    """Return each package with its hashes."""
    found: list[str] = []
    for line in locked.splitlines(keepends=True):
        if line.startswith("    --hash"):
            found[-1] += line
        else:
            found.append(line)
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_installed_once_with_its_hashes(name: str, number: int) -> None:
    locked = (ROOT / name).read_text()

    parts = [packages(part) for part in shares(locked, number)]

    assert len(parts) == number
    assert set().union(*parts) == packages(locked)
    sizes = [len(part) for part in parts]
    assert sum(sizes) == len(packages(locked))
    assert max(sizes) - min(sizes) <= 1


def test_fewer_packages_than_processors_leave_some_with_nothing_to_do() -> None:
    package = "one==1 \\\n    --hash=sha256:aa\n"
    assert shares(package, 2) == [package, ""]

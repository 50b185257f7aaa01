"""Processes for the tests of the runner; each test ends what it has started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cpo_platform.runner import processes, servers

ROOT = servers.ROOT
# What this test run itself was started with must not reach the commands under test.
_OURS = ("PYTEST_", "DATABASE_URL", "REDIS_URL", servers.TESTS_READY, "DJANGO_SETTINGS_MODULE")

Start = Callable[..., subprocess.Popen[str]]


def clean_environment(var: Path, **more: str) -> dict[str, str]:
    """Return the environment of somebody who sits down at a terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "VAR_DIR": str(var), **more}


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """Return a data directory; whatever still runs on it at the end fails the test."""
    # PostgreSQL may have to run as another user, who needs a way in.
    directory = tmp_path / "var"
    yield directory
    stopped = processes.wait_for(lambda: not servers.running(directory), 20)
    assert stopped, f"{servers.running(directory)} still run"


@pytest.fixture
def start(var: Path) -> Iterator[Start]:
    """Return a function that starts Python with arguments, and kill what is left at the end."""
    started: list[subprocess.Popen[str]] = []

    def start_python(*arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean_environment(var, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_python
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)

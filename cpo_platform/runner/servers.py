"""Find the embedded servers, or have them started, and hold on to them while we need them.

`keeper` explains the locks. A user of a server is a `Lease`; the last one to be
released, or to die, ends the server.
"""

import atexit
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cpo_platform.runner import postgres, processes, valkey
from cpo_platform.runner.errors import RunnerError

ROOT = Path(__file__).resolve().parents[2]
STATE = "state.json"
RUN_LOCK = "run.lock"
RUN_FILE = "run.json"
USERS_LOCK = "users.lock"
KEEPER_LOCK = "keeper.lock"
BUSY = 75
WAIT_SECONDS = 60.0
STOP_SECONDS = 15.0
VARIABLES = {postgres.VARIABLE: postgres.NAME, valkey.VARIABLE: valkey.NAME}

# Set for the processes that a test run starts: they use its servers and start none.
TESTS_READY = "CPO_TEST_SERVERS"


@dataclass(frozen=True)
class State:
    """Where a running server listens.

    The keeper counts, too: a server whose keeper was killed is about to end.
    """

    pid: int
    started: int
    keeper_pid: int
    keeper_started: int
    port: int
    url: str

    def alive(self) -> bool:
        """Tell whether the server and its keeper run; a pid alone may have been used again."""
        return (
            processes.started_at(self.pid) == self.started
            and processes.started_at(self.keeper_pid) == self.keeper_started
        )


@dataclass
class Lease:
    """The right to use a server: while it is held the server runs."""

    home: Path
    state: State
    _lock: IO[str]
    _keeper: subprocess.Popen[str] | None

    def alive(self) -> bool:
        """Tell whether the server still runs."""
        return self.state.alive()

    def release(self) -> None:
        """Give the right back; the last one waits until the server has stopped."""
        if self._lock.closed:
            return
        last = _try_lock(self._lock, fcntl.LOCK_EX)
        self._lock.close()
        if last:
            processes.wait_for(lambda: not _kept(self.home), STOP_SECONDS)
        if self._keeper and (last or self._keeper.poll() is not None):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.communicate(timeout=STOP_SECONDS)


def find(home: Path) -> State | None:
    """Return where the server of a directory listens, if it runs."""
    try:
        state = State(**json.loads((home / STATE).read_text()))
    except (FileNotFoundError, PermissionError):
        return None
    return state if state.alive() else None


def lease(name: str, home: Path, *, for_tests: bool = False) -> Lease:
    """Use the server of a directory; start it where it does not run.

    Raises:
        RunnerError: it cannot be started.
    """
    _prepare(home)
    lock = (home / USERS_LOCK).open("w")
    try:
        # Not granted while a keeper is stopping the server.
        stopped = processes.wait_for(lambda: _try_lock(lock, fcntl.LOCK_SH), STOP_SECONDS)
        _require(stopped, f"The embedded {name} does not stop: see {home.parent / 'log'}.")
        state, keeper = _wait_until_it_runs(name, home, for_tests=for_tests)
    except BaseException:
        lock.close()
        raise
    return Lease(home, state, lock, keeper)


def attach(environ: MutableMapping[str, str], var: Path, *, for_tests: bool = False) -> list[Lease]:
    """Use the embedded servers for those of DATABASE_URL and REDIS_URL that are unset; set them.

    Raises:
        RunnerError: one of them cannot be started; the other is released again.
    """
    unset = [variable for variable in VARIABLES if not environ.get(variable, "").strip()]
    leases: list[Lease] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = [
            pool.submit(lease, VARIABLES[variable], var / VARIABLES[variable], for_tests=for_tests)
            for variable in unset
        ]
    try:
        leases.extend(done.result() for done in waiting if done.exception() is None)
        for variable, done in zip(unset, waiting, strict=True):
            environ[variable] = done.result().state.url
    except RunnerError:
        for held in leases:
            held.release()
        raise
    return leases


@contextlib.contextmanager
def attached(environ: MutableMapping[str, str], var: Path) -> Iterator[list[Lease]]:
    """Use the embedded servers for the length of a block."""
    leases = attach(environ, var)
    try:
        yield leases
    finally:
        for held in leases:
            held.release()


def known_urls(var: Path) -> dict[str, str]:
    """Return the addresses of the servers that run: what the settings fall back to."""
    found = {variable: find(var / name) for variable, name in VARIABLES.items()}
    return {variable: state.url for variable, state in found.items() if state}


def keep_choices(var: Path, choices: Mapping[str, str]) -> None:
    """Write down what `make run` chose, for the commands that are typed beside it."""
    processes.write_private(var / RUN_FILE, json.dumps(dict(choices)))


def chosen_by_run(var: Path) -> dict[str, str]:
    """Return what the `make run` that runs now chose, such as its PORT; nothing if none runs."""
    try:
        with (var / RUN_LOCK).open() as lock:
            if _try_lock(lock, fcntl.LOCK_SH):
                return {}
        choices: dict[str, str] = json.loads((var / RUN_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return choices


def ensure_for_tests(var: Path) -> None:
    """Give a test run servers of its own, empty and fast, and point the environment at them.

    Whatever DATABASE_URL and REDIS_URL say is left alone: tests wipe what they use. The processes
    of pytest-xdist share the servers of the first; each uses a Redis database of its own.
    TEST_DATABASE_URL and TEST_REDIS_URL name other servers to test with.
    """
    if TESTS_READY not in os.environ:
        for variable in VARIABLES:
            os.environ[variable] = os.environ.get(f"TEST_{variable}", "")
        directory = _new_test_directory(var / "test")
        for held in attach(os.environ, directory, for_tests=True):
            atexit.register(held.release)
        os.environ[TESTS_READY] = "1"
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker and os.environ[valkey.VARIABLE].endswith("/0"):
        base = os.environ[valkey.VARIABLE].removesuffix("0")
        os.environ[valkey.VARIABLE] = f"{base}{int(worker) % 15 + 1}"


def _require(condition: bool, sentence: str) -> None:  # noqa: FBT001 - the condition itself
    if not condition:
        raise RunnerError(sentence)


def _prepare(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    owner = home.stat().st_uid
    if owner != os.geteuid() and os.geteuid() != 0:
        raise RunnerError(
            f"{home} belongs to another user (uid {owner}): run as that user, or remove it."
        )


def _wait_until_it_runs(
    name: str, home: Path, *, for_tests: bool
) -> tuple[State, subprocess.Popen[str] | None]:
    keeper: subprocess.Popen[str] | None = None
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if state := find(home):
            return state, keeper
        if keeper is None or keeper.poll() is not None:
            if keeper and keeper.returncode != BUSY:
                raise RunnerError(keeper.communicate()[1].strip() or f"{name} did not start.")
            keeper = _start_keeper(name, home, for_tests=for_tests)
        time.sleep(0.02)
    raise RunnerError(f"The embedded {name} does not start: see {home.parent / 'log'}.")


def _start_keeper(name: str, home: Path, *, for_tests: bool) -> subprocess.Popen[str]:
    options = ["--for-tests"] if for_tests else []
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "cpo_platform.runner.keeper", name, str(home), *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is not for it: it ends when its users have ended
    )


def _try_lock(lock: IO[str], operation: int) -> bool:
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kept(home: Path) -> bool:
    """Tell whether a keeper, or a server that it left behind, holds a directory."""
    try:
        with (home / KEEPER_LOCK).open("r") as lock:
            return not _try_lock(lock, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def try_exclusively(lock: IO[str]) -> bool:
    """Take a lock file for as long as it stays open; False where another process has it."""
    return _try_lock(lock, fcntl.LOCK_EX)


def running(var: Path) -> list[str]:
    """Return the names of the servers that run on a directory, or are about to stop."""
    return [name for name in VARIABLES.values() if _kept(var / name)]


def _new_test_directory(parent: Path) -> Path:
    """Make an empty directory; remove those that killed test runs have left."""
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.iterdir():
        # A young one may be between its making and its first lock.
        with contextlib.suppress(FileNotFoundError):
            if old.stat().st_mtime < time.time() - 600 and not running(old):
                shutil.rmtree(old, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(dir=parent))
    directory.chmod(0o755)  # PostgreSQL may have to run as another user
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory

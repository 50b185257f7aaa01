"""Keep an embedded server running as long as anybody uses it: `keeper NAME HOME [--for-tests]`.

`make run`, a `manage.py` command and another one beside it share a server, and none of them knows
who will be the last to leave. So the server belongs to none of them, but to this small process.
Whoever uses the server holds a shared lock on `users.lock`, which the kernel releases however the
user ends; getting that lock exclusively means that nobody is left.

`keeper.lock` is held by this process and inherited by the server: free, it proves that no server
runs on the directory, even after a SIGKILL. `state.json` says where the server listens.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from cpo_platform.runner import postgres, processes, servers, valkey
from cpo_platform.runner.errors import RunnerError

ATTEMPTS = 3
LOG_BYTES = 10_000_000

_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}


def main() -> None:
    """Keep the server named on the command line."""
    name, home, *options = sys.argv[1:]
    for_tests = "--for-tests" in options
    try:
        status = keep(make_server(name, Path(home), durable=not for_tests), for_tests=for_tests)
    except RunnerError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Cannot start {name} in {home}: {error.strerror}.")
    sys.exit(status)


def make_server(name: str, home: Path, *, durable: bool) -> postgres.Postgres | valkey.Valkey:
    """Return the server of that name."""
    if name == postgres.NAME:
        return postgres.Postgres(home, durable=durable)
    return valkey.Valkey(home, durable=durable)


def keep(server: postgres.Postgres | valkey.Valkey, *, for_tests: bool) -> int:
    """Run the server until its last user has gone, it ends by itself, or a signal asks us to."""
    home = server.home
    with (
        (home / servers.KEEPER_LOCK).open("w") as lock,
        (home / servers.USERS_LOCK).open("w") as users,
    ):
        if not _take(lock, home):
            return servers.BUSY
        process, port = _start(server, lock.fileno())
        state = home / servers.STATE
        try:
            described = {
                "pid": process.pid,
                "started": processes.started_at(process.pid),
                "keeper_pid": os.getpid(),
                "keeper_started": processes.started_at(os.getpid()),
                "port": port,
                "url": server.url(port),
            }
            processes.write_private(state, json.dumps(described))
            _wait_for_the_end(process, users)
        finally:
            state.unlink(missing_ok=True)
            died = process.poll() is not None
            server.stop(process)
            if for_tests:
                shutil.rmtree(home, ignore_errors=True)
    return 1 if died else 0


def _take(lock: IO[str], home: Path) -> bool:
    """Take the keeper's lock, once an earlier server is gone; False where one is kept already."""

    def try_it() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if processes.wait_for(lambda: try_it() or servers.find(home) is not None, 15):
        return try_it()
    raise RunnerError(f"Another process still holds {home}: wait for it to end and try again.")


def _start(
    server: postgres.Postgres | valkey.Valkey, lock: int
) -> tuple[subprocess.Popen[bytes], int]:
    log = log_file(server.home)
    log.parent.mkdir(exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        begin = output.tell()
        for _ in range(ATTEMPTS):  # another program may take the free port before we do
            port = processes.free_port()
            process = server.start(port, output, (lock,))
            done = processes.wait_for(
                lambda: process.poll() is not None or server.ready(port),  # noqa: B023 - called here only
                postgres.START_SECONDS,
            )
            if done and process.poll() is None:
                return process, port
            server.stop(process)
            with log.open("rb") as written:
                written.seek(begin)
                text = written.read().decode(errors="replace")
            if "Address already in use" not in text:
                break
    explain = postgres.explain if isinstance(server, postgres.Postgres) else valkey.explain
    reason = explain(text) if done else "it does not answer."
    raise RunnerError(f"The embedded {server.home.name} did not start (see {log}): {reason}")


def log_file(home: Path) -> Path:
    """Return where the server's output goes."""
    return home.parent / "log" / f"{home.name}.log"


def _wait_for_the_end(process: subprocess.Popen[bytes], users: IO[str]) -> None:
    """Return when the last user has gone, the server has ended, or a signal has come."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)

    def wait_for_the_users() -> None:
        fcntl.flock(users, fcntl.LOCK_EX)
        os.kill(os.getpid(), signal.SIGUSR1)

    threading.Thread(target=wait_for_the_users, daemon=True).start()
    while process.poll() is None:
        if signal.sigwait(_WATCHED) != signal.SIGCHLD:
            return


if __name__ == "__main__":
    main()

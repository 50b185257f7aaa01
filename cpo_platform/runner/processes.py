"""Processes, ports and private files: what the embedded servers and the supervisor share."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from cpo_platform.runner import launch
from cpo_platform.runner.errors import RunnerError

LOOPBACK = "127.0.0.1"


def spawn(
    command: list[str],
    *,
    death_signal: signal.Signals,
    identity: str = "same",
    output: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep: tuple[int, ...] = (),
) -> subprocess.Popen[bytes]:
    """Start a command in its own session that gets `death_signal` when this process ends.

    Call it from the main thread: to the kernel the parent is a thread.
    """
    shim = [sys.executable, "-I", "-S", launch.__file__]
    return subprocess.Popen(  # noqa: S603 - our own commands, no shell
        [*shim, str(os.getpid()), str(int(death_signal)), identity, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=env,
        cwd=cwd,
        pass_fds=keep,
    )


def stop(process: subprocess.Popen[bytes], *signals: signal.Signals, seconds: float) -> None:
    """Send one signal after the other, each with `seconds` to end, and at last SIGKILL."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def started_at(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where no such process runs.

    With the pid it names one process for good: pids are used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold anything. proc_pid_stat(5): field 3 is the state, 22 the start
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask until the answer is yes; tell whether it came in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(host: str, port: int, *, variable: str = "PORT") -> None:
    """Make sure that a server will be able to listen; `variable` chooses its port.

    Raises:
        RunnerError: another process listens there, or we may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise RunnerError(
                f"Port {port} is not open to ordinary users: choose another, "
                f"{variable}=8000 make run."
            ) from None
        except socket.gaierror:
            raise RunnerError(f"HOST must be an address of this machine, got {host!r}.") from None
        except OSError as error:
            raise RunnerError(
                f"Port {port} is taken ({error.strerror}): stop what listens on {host}:{port}, "
                f"or choose another, {variable}={port + 1 if port < 65535 else 8000} make run."
            ) from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def secret(path: Path) -> str:
    """Return the secret kept in a file, made on first use; all who ask at once get the same."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(name)
    finally:
        Path(name).unlink()
    return path.read_text().strip()

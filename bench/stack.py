"""The platform's processes, as the Procfile has them, for a benchmark or for chaos.

Whoever uses it says which of them run and when; none is started again by itself. The kernel kills
them if we are killed, so start them from the main thread.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cpo_platform.runner import processes, supervisor

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 8.0


class NotInTime(RuntimeError):
    """What was waited for did not come true."""


def environment(var: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of everything: nothing of a developer's own settings counts."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "cpo_platform.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "LOG_LEVEL": "WARNING",
        # What is measured is how many there can be.
        "OCPI_REQUESTS_PER_MINUTE": "0",
        "OUTBOUND_ALLOW_PRIVATE": "true",
        # As the supervisor of `make run` has it: Celery ends its tasks in good order on SIGTERM.
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONWARNINGS": "ignore:You're running the worker",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
        **more,
    }


def wait_until(
    condition: Callable[[], object], *, seconds: float, what: str, every: float = 0.1
) -> None:
    """Wait until the condition holds.

    Raises:
        NotInTime: it does not within so many seconds.

    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """Tell whether somebody listens at a port of the loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Stack:
    """Processes by name: those of the Procfile, and others that are added."""

    def __init__(self, environ: Mapping[str, str], logs: Path) -> None:
        self.environ = dict(environ)
        self._logs = logs
        self._logs.mkdir(parents=True, exist_ok=True)
        entries = supervisor.read_procfile(ROOT / "Procfile")
        self._commands = {
            entry.name: ["/bin/sh", "-c", f"exec {entry.command}"] for entry in entries
        }
        # Whom chargers connect to is measured by itself (`bench.ocpp`).
        self.platform = tuple(name for name in self._commands if name != "ocpp")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def pusher(self) -> str:
        """Return the process that sends to partners."""
        return "push" if "push" in self.platform else "worker"

    def add(self, name: str, command: Iterable[str]) -> None:
        """Let a name stand for one more command."""
        self._commands[name] = [*command]

    def double(self, name: str, other: str) -> None:
        """Let another name stand for one more process of the same kind."""
        self._commands[other] = self._commands[name]

    def start(self, *names: str, **more: str) -> None:
        """Start processes that do not run; `more` is added to their environment."""
        for name in names:
            if not self.runs(name):
                with (self._logs / f"{name}.log").open("ab") as log:
                    self._processes[name] = processes.spawn(
                        self._commands[name],
                        death_signal=signal.SIGKILL,
                        output=log,
                        env=self.environ | more,
                        cwd=ROOT,
                    )

    def runs(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Return the process id of one that runs; it leads a session and a group of its own."""
        return self._processes[name].pid

    def pids(self, name: str) -> list[int]:
        """Return the ids of a process and of those that it started."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getpgid(int(entry.name)) == self.pid(name):
                    found.append(int(entry.name))
        return found

    def kill(self, name: str, *, leader_only: bool = False) -> None:
        """End a process as a crash would; its children with it, or not."""
        process = self._processes[name]
        if leader_only:
            process.kill()
        else:
            _kill_group(process.pid)
        process.wait()

    def bury(self, name: str) -> None:
        """End what children of a dead process are left."""
        if name in self._processes:
            _kill_group(self._processes[name].pid)

    def stop(self, *names: str) -> None:
        """End processes in good order, and whatever is left of their groups."""
        ending = [self._processes[name] for name in names if name in self._processes]
        for process in ending:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in ending:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))
            _kill_group(process.pid)
            process.wait()

    def close(self) -> None:
        """End everything."""
        self.stop(*self._processes)

    def last_lines(self, name: str, number: int = 15) -> str:
        """Return the end of what a process has written."""
        return "\n".join(self.lines(name)[-number:])

    def lines(self, name: str) -> list[str]:
        """Return what a process has written so far."""
        with contextlib.suppress(OSError):
            return (self._logs / f"{name}.log").read_text(errors="replace").splitlines()
        return []


def peak_megabytes(pids: Iterable[int]) -> float:
    """Return the most memory (RSS) that the largest of some processes has held so far."""
    peaks = [0]
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peaks += [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return max(peaks) / 1024


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)

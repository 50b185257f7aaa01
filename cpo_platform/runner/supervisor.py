"""Run the processes of a Procfile side by side; one that crashes is started again."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cpo_platform.runner import processes
from cpo_platform.runner.errors import RunnerError

STOP_SECONDS = 6.0
# A process that ends more often than this within the time will not get better by itself.
MOST_RESTARTS = 5
RESTARTS_WITHIN_SECONDS = 60.0

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")
_COLOURS = (36, 33, 32, 35, 34, 31)


@dataclass(frozen=True)
class Entry:
    """One line of a Procfile."""

    name: str
    command: str


def read_procfile(path: Path) -> list[Entry]:
    """Return the entries of a Procfile: `name: command` lines, comments and empty lines.

    Raises:
        RunnerError: a line is none of these.
    """
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if not match:
            raise RunnerError(f"{path.name}, line {number}: expected `name: command`.")
        entries.append(Entry(match["name"], match["command"]))
    return entries


class Supervisor:
    """Starts the processes, prints their output with their names, and ends them together.

    Each has a session of its own, so that Ctrl-C reaches them through us, in order. They get
    SIGTERM from the kernel if we are killed.
    """

    def __init__(self, entries: Iterable[Entry], env: Mapping[str, str], cwd: Path) -> None:
        self._entries = [*entries]
        self._env = {
            **env,
            "PYTHONUNBUFFERED": "1",
            # Celery: SIGTERM gives running tasks some seconds, then puts them back in the queue.
            "REMAP_SIGTERM": "SIGQUIT",
            # Celery warns of root at length; here root is as good as anybody.
            "PYTHONWARNINGS": env.get("PYTHONWARNINGS", "ignore:You're running the worker"),
        }
        self._cwd = cwd
        self._width = max((len(entry.name) for entry in self._entries), default=0)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts: dict[str, list[float]] = {}
        self._pumps: list[threading.Thread] = []
        self._print_lock = threading.Lock()

    def start(self) -> None:
        """Start every process; call it from the main thread."""
        for entry in self._entries:
            self._start(entry)

    def _start(self, entry: Entry) -> None:
        process = processes.spawn(
            ["/bin/sh", "-c", f"exec {entry.command}"],
            death_signal=signal.SIGTERM,
            output=subprocess.PIPE,
            env=self._env,
            cwd=self._cwd,
        )
        self._processes[entry.name] = process
        prefix = self._prefix(entry.name, self._entries.index(entry))
        pump = threading.Thread(target=self._pump, args=(process, prefix), daemon=True)
        pump.start()
        self._pumps.append(pump)

    def keep_alive(self, until: Callable[[], bool]) -> None:
        """Start again what ends, until the condition holds.

        Raises:
            RunnerError: a process ends again and again.
        """
        while not until():
            for entry in self._entries:
                if self._processes[entry.name].poll() is not None:
                    self._restart(entry)
            time.sleep(0.1)

    def _restart(self, entry: Entry) -> None:
        how = _end_of(self._processes[entry.name].returncode)
        now = time.monotonic()
        recent = [
            moment
            for moment in self._restarts.get(entry.name, [])
            if now - moment < RESTARTS_WITHIN_SECONDS
        ]
        if len(recent) >= MOST_RESTARTS:
            raise RunnerError(
                f"The process {entry.name} {how}, for the {len(recent) + 1}th time within "
                f"{RESTARTS_WITHIN_SECONDS:.0f} s: see its last lines above."
            )
        self._restarts[entry.name] = [*recent, now]
        self._write(f"The process {entry.name} {how}: it is started again.")
        self._end_group(self._processes[entry.name])
        self._start(entry)

    def ended(self) -> tuple[str, int] | None:
        """Return name and exit status of a process that has ended, if one has."""
        for name, process in self._processes.items():
            if (status := process.poll()) is not None:
                return name, status
        return None

    def watch(self, until: Callable[[], bool]) -> None:
        """Return when the condition holds and all processes run.

        Raises:
            RunnerError: a process has ended before.
        """
        while True:
            done = until()
            if ended := self.ended():
                name, status = ended
                raise RunnerError(
                    f"The process {name} {_end_of(status)}: see its last lines above."
                )
            if done:
                return
            time.sleep(0.1)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End every process: SIGTERM to each, and SIGKILL to what is left of its group."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + seconds
        for process in self._processes.values():
            processes.wait_for(
                lambda: process.poll() is not None,  # noqa: B023 - called here only
                deadline - time.monotonic(),
            )
        for process in self._processes.values():
            self._end_group(process)
        for pump in self._pumps:
            pump.join(1)

    @staticmethod
    def _end_group(process: subprocess.Popen[bytes]) -> None:
        # The group outlives its leader if a child of his stayed behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _prefix(self, name: str, number: int) -> str:
        text = f"{name:<{self._width}} | "
        if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            return f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{text}\x1b[0m"
        return text

    def _pump(self, process: subprocess.Popen[bytes], prefix: str) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self._write(prefix + line.decode(errors="replace").rstrip("\n"))

    def _write(self, text: str) -> None:
        # Nobody may read us any more; the processes must not block for that.
        with self._print_lock, contextlib.suppress(OSError):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


def _end_of(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended ({status})"

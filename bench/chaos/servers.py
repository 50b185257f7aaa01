"""PostgreSQL and Valkey of our own, at ports that stay, so that they can be crashed and come back.

Their usual keeper ends with its server, and the next one takes another port.
"""

import os
import random
import signal
import subprocess
from pathlib import Path
from typing import IO

import redis

from bench.stack import free_port, wait_until
from cpo_platform.runner import postgres, valkey

READY_SECONDS = 60.0
# What PostgreSQL calls the processes that serve clients.
CLIENT = f"postgres: {postgres.USER} "


class Servers:
    """Both servers; call everything from the main thread, with which they die."""

    def __init__(self, var: Path) -> None:
        self._postgres = postgres.Postgres(_made(var / postgres.NAME))
        self._valkey = valkey.Valkey(_made(var / valkey.NAME))
        self._ports = {postgres.NAME: free_port(), valkey.NAME: free_port()}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = _made(var / "log") / "servers.log"

    @property
    def urls(self) -> dict[str, str]:
        """Return what DATABASE_URL and REDIS_URL would say."""
        return {
            postgres.VARIABLE: self._postgres.url(self._ports[postgres.NAME]),
            valkey.VARIABLE: self._valkey.url(self._ports[valkey.NAME]),
        }

    def start(self) -> None:
        """Start what does not run, and wait until it answers."""
        for name, server in ((postgres.NAME, self._postgres), (valkey.NAME, self._valkey)):
            if not self._runs(name):
                with self._log.open("ab") as log:
                    self._start(name, server, log)

    def _start(self, name: str, server: postgres.Postgres | valkey.Valkey, log: IO[bytes]) -> None:
        port = self._ports[name]
        self._processes[name] = server.start(port, log, ())
        wait_until(lambda: server.ready(port), seconds=READY_SECONDS, what=name)

    def _runs(self, name: str) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def crash_postgres(self) -> None:
        """Shut PostgreSQL down at once, without a checkpoint; it recovers at the next start."""
        process = self._processes[postgres.NAME]
        process.send_signal(signal.SIGQUIT)
        process.wait()

    def kill_client(self, chance: random.Random) -> bool:
        """Kill a process that serves a client: PostgreSQL ends all of them and recovers."""
        children = _children(self._processes[postgres.NAME].pid)
        clients = [pid for pid in children if _command(pid).startswith(CLIENT)]
        if clients:
            os.kill(chance.choice(clients), signal.SIGKILL)
        return bool(clients)

    def wipe_broker(self) -> None:
        with redis.Redis.from_url(self.urls[valkey.VARIABLE]) as client:
            client.flushall()

    def close(self) -> None:
        for name, server in ((postgres.NAME, self._postgres), (valkey.NAME, self._valkey)):
            if self._runs(name):
                server.stop(self._processes[name])


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _children(parent: int) -> list[int]:
    found = []
    for entry in sorted(Path("/proc").iterdir()):
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            # The name is in brackets, and may hold anything.
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""

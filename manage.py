#!/usr/bin/env python3
"""Django's command line. It finds the embedded servers, or starts them while a command runs."""

import getpass
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

# These read no database, and must not wait for one.
WITHOUT_SERVERS = frozenset(
    {"", "help", "version", "--help", "-h", "--version", "collectstatic", "compilemessages"}
    | {"makemessages", "findstatic", "diffsettings", "startapp", "price"}
)


def main() -> None:
    """Run a command against the database and broker that the environment, or `make run`, names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        _use_virtual_environment()
    from cpo_platform import environment
    from cpo_platform.runner import servers
    from cpo_platform.runner.errors import RunnerError

    try:
        environment.load_dotenv()
        if (sys.argv[1:2] or [""])[0] in WITHOUT_SERVERS or environment.testing():
            execute_from_command_line(sys.argv)
            return
        with servers.attached(os.environ, environment.var_dir()):
            run(sys.argv)
    except (ImproperlyConfigured, RunnerError) as error:
        sys.exit(str(error))


def run(argv: list[str]) -> None:
    """Run a command; what it writes is recorded as done by it. Its options may hold secrets."""
    from django.core.management import execute_from_command_line

    from cpo_platform.common import acting

    with acting.by("command", what=argv[1], name=_user()):
        execute_from_command_line(argv)


def _user() -> str:
    """Return the name of who runs this; a container may have no names."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _use_virtual_environment() -> None:
    """Start again with .venv's Python, which has Django."""
    python = ROOT / ".venv" / "bin" / "python"
    if Path(sys.prefix) == ROOT / ".venv" or not python.exists():
        sys.exit("Django is not installed: run `make setup` first.")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same program, no shell


if __name__ == "__main__":
    main()

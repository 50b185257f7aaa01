"""The processes of the Procfile where `make run` is not what starts them.

Containers, systemd and Kubernetes all call `python -m cpo_platform.runner start NAME`, so that what
a process is called with stands in one place.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import NoReturn

from cpo_platform import environment as env
from cpo_platform.runner import supervisor
from cpo_platform.runner.errors import RunnerError
from cpo_platform.runner.supervisor import Entry

TARGET = "cpo-platform.target"

_UNIT = Template("""\
# Written by `python -m cpo_platform.runner units`, from the Procfile.
[Unit]
Description=CPO platform: $name
PartOf=$target
After=network-online.target
Wants=network-online.target

[Service]
User=$user
WorkingDirectory=$root
EnvironmentFile=$env_file
Environment=REMAP_SIGTERM=SIGQUIT PYTHONUNBUFFERED=1
ExecStart=$python -m cpo_platform.runner start $name
Restart=always
RestartSec=2
TimeoutStopSec=30
KillMode=mixed
LimitNOFILE=65536
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=strict
ReadWritePaths=$var
ProtectHome=read-only

[Install]
WantedBy=$target
""")
_TARGET_UNIT = Template("""\
# Written by `python -m cpo_platform.runner units`: `systemctl start cpo-platform.target`.
[Unit]
Description=CPO platform
Wants=$units

[Install]
WantedBy=multi-user.target
""")


def become(name: str) -> NoReturn:
    """Replace this process by one of the Procfile.

    Raises:
        RunnerError: the Procfile has no such entry.

    """
    entries = {entry.name: entry for entry in [*_entries(), *_optional()]}
    if name not in entries:
        raise RunnerError(f"The Procfile has no {name!r}: it has {', '.join(entries)}.")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # Celery: SIGTERM gives running tasks some seconds, then puts them back in the queue.
    environ = {"REMAP_SIGTERM": "SIGQUIT", **os.environ, "PATH": path}
    os.chdir(env.BASE_DIR)
    os.execve("/bin/sh", ["/bin/sh", "-c", f"exec {entries[name].command}"], environ)  # noqa: S606  the Procfile is ours


def write_units(directory: Path, *, user: str, env_file: Path) -> Iterator[Path]:
    """Write a systemd unit for each process, and a target that starts them all; yield their paths.

    Each unit is named `cpo-platform-NAME.service`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    entries = _entries()
    for entry in entries:
        text = _UNIT.substitute(
            name=entry.name,
            target=TARGET,
            user=user,
            root=env.BASE_DIR,
            env_file=env_file,
            python=Path(sys.prefix) / "bin" / "python",
            var=env.var_dir(),
        )
        yield _written(directory / unit_of(entry), text)
    units = " ".join(unit_of(entry) for entry in entries)
    yield _written(directory / TARGET, _TARGET_UNIT.substitute(units=units))


def unit_of(entry: Entry) -> str:
    """Return the name of the unit of a process."""
    return f"cpo-platform-{entry.name}.service"


def _entries() -> list[Entry]:
    return supervisor.read_procfile(env.BASE_DIR / "Procfile")


def _optional() -> list[Entry]:
    """Return the processes that are started only where somebody wants them."""
    path = env.BASE_DIR / "Procfile.flower"
    return supervisor.read_procfile(path) if path.is_file() else []


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path

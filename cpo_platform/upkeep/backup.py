"""Backups by PostgreSQL's own tools, and what has to be done when one is restored.

The password is given to the tools in their environment, never on a command line.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from cpo_platform.audit import triggers
from cpo_platform.common.secrets import Undecipherable, decrypt
from cpo_platform.runner import postgres
from cpo_platform.runner.errors import RunnerError
from cpo_platform.secret_columns import COLUMNS
from roaming.models import Partner, PartnerStatus
from roaming.operations import walks

# What keeps bills, and identities, as they are: none may be missing after a restore.
GUARDS = (
    "cdr_immutable",
    "cdr_never_truncated",
    "evse_never_deleted",
    "evse_uid_never_changes",
    "audit_immutable",
    "audit_never_truncated",
)


class BackupFailed(RuntimeError):
    """A tool of PostgreSQL has failed; its own words say why."""


class NotEmpty(RuntimeError):
    """There is something in the database that a restore would mix with."""


class NotSound(RuntimeError):
    """What was restored lacks something that the platform relies on."""


@dataclass(frozen=True)
class Told:
    """A partner that is sent everything anew, and how many objects that is."""

    partner: str
    objects: int


def back_up(path: Path, *, database: Mapping[str, Any] | None = None) -> None:
    """Write the whole database to a file, in pg_dump's own format; others go on meanwhile.

    Raises:
        BackupFailed: pg_dump did not do it. No file is left then.

    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        _run("pg_dump", "--format=custom", f"--file={partial}", database=database)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def restore(path: Path, *, database: Mapping[str, Any] | None = None) -> None:
    """Bring a backup into an empty database: all of it, or nothing.

    Raises:
        NotEmpty: there are tables already.
        BackupFailed: pg_restore did not do it, or is too old.

    """
    if database is None and connection.introspection.table_names():
        raise NotEmpty("The database has tables: restore into a new one, and switch to it.")
    _run(
        *("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction"),
        f"--dbname={_parameters(database)['dbname']}",
        str(path),
        database=database,
    )


def check() -> None:
    """Make sure that what was restored is what the platform relies on.

    Raises:
        NotSound: a guard is missing, or a secret cannot be read with the present keys.

    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tgname FROM pg_trigger WHERE NOT tgisinternal")
        there = {name for (name,) in cursor.fetchall()}
    amiss = [name for name in GUARDS if name not in there] + triggers.amiss(using=connection.alias)
    if amiss:
        raise NotSound(f"These guards are missing: {', '.join(amiss)}.")
    for column in COLUMNS:
        for key, value in column.rows.values_list("pk", column.name):
            _read(column, key, value)


def tell_partners(*, now: datetime) -> Iterator[Told]:
    """Have every partner sent all that it may see: it may hold more than we know of."""
    for partner in Partner.objects.filter(status=PartnerStatus.REGISTERED).order_by("pk"):
        with transaction.atomic():
            walk = walks.send_everything_again(partner_id=partner.pk, now=now)
        yield Told(partner.name, walk.total)


def _read(column: Any, key: object, value: Any) -> None:
    try:
        column.map(value, decrypt)
    except Undecipherable as error:
        raise NotSound(f"{column}, row {key}: {error}.") from error


def _run(tool: str, *arguments: str, database: Mapping[str, Any] | None) -> None:
    parameters = _parameters(database)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    environ = {
        **os.environ,
        "PGDATABASE": str(parameters["dbname"]),
        **{
            variable: str(parameters[name])
            for name, variable in names.items()
            if name in parameters
        },
    }
    done = subprocess.run(  # noqa: S603  our own words, and a path: no shell
        [_tool(tool), "--no-password", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupFailed(f"{tool}: {done.stderr.strip() or done.returncode}")


def _parameters(database: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return connection.get_connection_params() if database is None else database


def _tool(name: str) -> str:
    """Return a tool that is not older than the server: that of the path, or the embedded one's.

    Raises:
        BackupFailed: there is none.

    """
    connection.ensure_connection()
    server: int = connection.pg_version // 10_000  # type: ignore[attr-defined]  # of PostgreSQL only
    for path in (shutil.which(name), _embedded(name)):
        if path is not None and _version(path) >= server:
            return path
    raise BackupFailed(f"{name} of PostgreSQL {server} or newer is needed: install its client.")


def _embedded(name: str) -> str | None:
    try:
        return str(postgres.binary_directory() / name)
    except RunnerError:
        return None


def _version(path: str) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"(\d+)", told.stdout)
    return int(found[1]) if found else 0

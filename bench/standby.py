"""A standby of the measured PostgreSQL: made by pg_basebackup, it follows by streaming."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bench.chaos.servers import Servers
from bench.stack import NotInTime, free_port, wait_until
from cpo_platform.runner import postgres

READY_SECONDS = 60.0
TABLES = ("sessions_app_session", "sessions_app_cdr", "roaming_message", "audit_entry")


class Standby:
    """Follows the primary of `servers`; nobody writes to it."""

    def __init__(self, var: Path, servers: Servers) -> None:
        self._primary = servers.urls[postgres.VARIABLE]
        self._home = var / "standby"
        self._server = postgres.Postgres(self._home)
        self._port = free_port()
        self._log = var / "log" / "standby.log"
        self._dump = var / "standby.dump"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        parts = urlsplit(self._primary)
        return parts._replace(
            netloc=parts.netloc.replace(str(parts.port), str(self._port))
        ).geturl()

    def start(self) -> None:
        """Copy the primary while it works, and follow it from then on."""
        self._home.mkdir()
        parts = urlsplit(self._primary)
        copy = [str(postgres.binary_directory() / "pg_basebackup"), "-D", str(self._home / "data")]
        where = ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username), "-R"]
        password = {"PGPASSWORD": str(parts.password)}
        subprocess.run([*copy, *where], check=True, env=os.environ | password)
        with self._log.open("ab") as log:
            self._process = self._server.start(self._port, log, ())
        wait_until(lambda: _answers(self.url), seconds=READY_SECONDS, what="the standby")

    def compare(self) -> Iterator[str]:
        """Yield what it has not, a line each; a backup is taken from it, too."""
        with psycopg.connect(self._primary) as ours, psycopg.connect(self.url) as theirs:
            if not _value(theirs, "SELECT pg_is_in_recovery()"):
                yield "the standby is none"
            reached = f"SELECT pg_last_wal_replay_lsn() >= '{_value(ours, LSN)}'::pg_lsn"
            try:
                wait_until(lambda: _value(theirs, reached), seconds=READY_SECONDS, what="standby")
            except NotInTime as error:
                yield str(error)
            for table in TABLES:
                rows = f"SELECT count(*), max(id) FROM {table}"  # noqa: S608  names of ours
                if ours.execute(rows).fetchone() != theirs.execute(rows).fetchone():
                    yield f"the standby has other rows in {table}"
        environ = os.environ | {postgres.VARIABLE: self.url}
        command = [sys.executable, "manage.py", "backup", str(self._dump)]
        done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
        if done.returncode or not self._dump.stat().st_size:
            yield f"no backup from the standby: {done.stderr[-300:]}"

    def exports(self) -> Iterator[str]:
        """Yield what is wrong with exports that are read from it, and from the primary without it.

        It is killed meanwhile.
        """
        from cpo_platform.common import replica

        places = {replica.State.OK: replica.ALIAS, replica.State.UNREACHABLE: "default"}
        for state, place in places.items():
            found = replica.look().state
            if found is not state:
                yield f"the standby is {found}, not {state}"
            if replica.alias() != place:
                yield f"exports are read from {replica.alias()}, not {place}"
            exported, wanted = _exported()
            if exported != wanted:
                yield f"{exported} of {wanted} sessions were exported, read from {place}"
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._server.stop(self._process)


LSN = "SELECT pg_current_wal_lsn()"


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _exported() -> tuple[int, int]:
    """Return how many sessions are in an export of their list, and how many there are."""
    from django.contrib.auth.models import User
    from django.test import Client

    from sessions_app.models import Session

    client = Client(headers={"Host": "localhost"})
    client.force_login(User.objects.get_or_create(username="exports", is_superuser=True)[0])
    User.objects.filter(username="exports").update(is_staff=True)
    answer: Any = client.post("/admin/sessions_app/session/export/", {"format": "csv"})
    lines = b"".join(answer.streaming_content).decode().count("\r\n")
    return lines - 1, Session.objects.count()


def _value(connection: "psycopg.Connection[tuple[object, ...]]", sql: str) -> object:
    row = connection.execute(sql.encode()).fetchone()
    connection.commit()
    return row[0] if row else None

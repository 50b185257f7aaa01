"""Read what reads much, and may be a few seconds old, from a standby of PostgreSQL.

A standby that is not set, does not answer, lags or was promoted is passed over: then the primary is
read. Nothing that is read from it may be written, and nobody's rights are looked up there.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models import QuerySet

from cpo_platform.common.resting import Rest

logger = logging.getLogger(__name__)

ALIAS = "replica"
# How long a standby that does not answer is left alone: each try takes some seconds.
REST_SECONDS = 10.0
_rest = Rest(REST_SECONDS)

Rows = TypeVar("Rows", bound=QuerySet[Any])


class State(StrEnum):
    """How a standby is doing; only one that is `OK` is read."""

    OK = "ok"
    LATE = "late"
    UNREACHABLE = "unreachable"
    PROMOTED = "promoted"


@dataclass(frozen=True)
class Standby:
    """A standby at this moment.

    `lag_seconds` is 0 where it has all that was written, None where nobody can tell.
    """

    state: State
    lag_seconds: float | None = None


def is_set() -> bool:
    """Tell whether there is to be a standby at all."""
    return ALIAS in connections.settings


def reading(rows: Rows) -> Rows:
    """Return the same rows, to be read from the standby if it is good enough."""
    return rows.using(alias())


def alias() -> str:
    """Return the name of the database to read from."""
    return ALIAS if is_set() and look().state is State.OK else DEFAULT_DB_ALIAS


def look() -> Standby:
    """Ask the standby how it is doing: one query there, and one of the primary.

    One that did not answer a moment ago is not asked.

    Raises:
        django.db.Error: the primary does not answer.

    """
    if _rest.is_on:
        return Standby(State.UNREACHABLE)
    # Where nothing is written the last transaction is old, and the standby none the worse: it is
    # late only if the primary's log goes on beyond what it has.
    written = _row(DEFAULT_DB_ALIAS, "SELECT pg_current_wal_lsn()")[0]
    try:
        is_standby, has_all, age = _row(
            ALIAS,
            "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() >= %s::pg_lsn,"
            " extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8",
            written,
        )
    except Error as error:
        _leave_alone(error)
        return Standby(State.UNREACHABLE)
    if not is_standby:
        return Standby(State.PROMOTED)
    if has_all:
        return Standby(State.OK, 0.0)
    if age is None:
        # It has replayed nothing since it was started.
        return Standby(State.LATE)
    lag = round(max(age, 0.0), 1)
    return Standby(State.LATE if lag > settings.REPLICA_LAG_SECONDS else State.OK, lag)


def _row(using: str, sql: str, *values: str) -> tuple[Any, ...]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, values or None)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _leave_alone(error: Error) -> None:
    _rest.begin()
    connections[ALIAS].close()
    logger.warning("The standby does not answer, the primary is read: %s", error)

"""Work in the background of charging."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from celery import shared_task
from django.db import connection

from cpo_platform.common import clock
from sessions_app.stations import station_control

# Names our lock among PostgreSQL's advisory locks: any number that nobody else uses.
LOCK = 7_310_245_001

logger = logging.getLogger(__name__)


@runtime_checkable
class Clockwork(Protocol):
    """Stations that live only while somebody turns the clock: simulated ones."""

    def advance(self, *, now: datetime) -> list[str]:
        """Move every station to `now`; return what happened, a sentence each."""


@shared_task(name="sessions_app.advance_simulated_stations")
def advance_simulated_stations(**_kwargs: Any) -> None:
    """Move the simulated stations to the present; do nothing where stations are real.

    A run that would overlap with another is left out: the next one does its work.
    """
    stations = station_control()
    if not isinstance(stations, Clockwork):
        return
    with _alone() as alone:
        if alone:
            for sentence in stations.advance(now=clock.now()):
                logger.debug(sentence)


@contextmanager
def _alone() -> Iterator[bool]:
    """Take the lock of this task, if it is free; it ends with the connection at the latest."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        (taken,) = cursor.fetchone()
    try:
        yield taken
    finally:
        if taken:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

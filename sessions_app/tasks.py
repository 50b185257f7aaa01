"""Work in the background of charging."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Protocol, runtime_checkable

from celery import shared_task
from django.db import transaction

from cpo_platform.common import broker, clock
from cpo_platform.common.locks import advisory_lock
from sessions_app.models import Replay, Reservation
from sessions_app.operations import replays, reservations
from sessions_app.stations import station_control

# Names our lock among PostgreSQL's advisory locks: any number that nobody else uses.
LOCK = 7_310_245_001
# The first of two numbers: the other one is the replay's.
REPLAYS = 731_024_502
# How long a replay keeps a worker before others have their turn, in seconds.
TURN = 20.0

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
    with advisory_lock(LOCK) as alone:
        if alone:
            for sentence in stations.advance(now=clock.now()):
                logger.debug(sentence)


@shared_task(name="sessions_app.tend_reservations")
def tend_reservations(**_kwargs: Any) -> None:
    """End the reservations whose time is up, and those whose EVSE went out of service."""
    now = clock.now()
    for number in reservations.overdue(now=now):
        _tend(_expire, number, now)
    for number in reservations.out_of_service():
        _tend(withdraw_reservation, number, now)


def _tend(end: Callable[[int, datetime], None], number: int, now: datetime) -> None:
    try:
        end(number, now)
    except reservations.ReservationOver as error:
        # Somebody else was faster.
        logger.debug("%s", error)
    except Exception:  # one that cannot be ended must not keep the others
        logger.exception("reservation %s could not be ended", number)


def _expire(number: int, now: datetime) -> None:
    reservations.expire_reservation(number=number, now=now)
    release_at_station(number, now)


def withdraw_reservation(number: int, now: datetime) -> None:
    """Take a reservation back, and tell the station. Not in a transaction.

    Raises:
        sessions_app.operations.reservations.ReservationOver: it has ended already.

    """
    reservations.withdraw_reservation(number=number, now=now)
    release_at_station(number, now)


def release_at_station(number: int, now: datetime) -> None:
    """Tell the station that a reservation has ended; one that does not know it is free already."""
    evse_id = Reservation.objects.values_list("evse_id", flat=True).get(pk=number)
    if evse_id is not None:
        station_control().cancel_reservation(number=number, evse_id=evse_id, now=now)


@shared_task(name="sessions_app.run_replay")
def run_replay(*, replay_id: int, **_kwargs: Any) -> None:
    """Work on a replay for a while, and come back if there is more to do.

    Only one worker is on it at a time; one that finds it taken leaves it to the other.
    """
    end = time.monotonic() + TURN
    with advisory_lock(REPLAYS, replay_id) as alone:
        more = alone
        try:
            while more and time.monotonic() < end:
                more = replays.replay_batch(replay_id=replay_id, now=clock.now())
        except Replay.DoesNotExist:
            more = False
    if more:
        run_replay.delay(replay_id=replay_id)


def replay_soon(replay_id: int) -> None:
    """Have a replay worked on once this transaction has committed; if not, the beat sees to it."""
    transaction.on_commit(partial(_send_replay, replay_id))


def _send_replay(replay_id: int) -> None:
    try:
        broker.send(run_replay.apply_async, kwargs={"replay_id": replay_id})
    except broker.Unreachable as error:
        logger.warning("replay %s waits for the beat: %s", replay_id, error)


@shared_task(name="sessions_app.tend_replays")
def tend_replays(**_kwargs: Any) -> None:
    """Go on with the replays whose worker is gone."""
    for replay_id in replays.stalled_replays(now=clock.now()):
        run_replay.delay(replay_id=replay_id)

"""Beats and workers end when they are told to, also where database or broker is away by then.

Celery's beat writes down its schedule within the handler of the signal: where that comes while a
query is under way, it waits for itself. Its worker says good-bye to the broker first, and waits for
one that is away until it is back. Supervisors kill both after a while; where the supervisor is what
has died, they would stay for good.
"""

import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from celery.signals import beat_init, worker_shutting_down

from cpo_platform.common import broker

logger = logging.getLogger(__name__)

# How often in a row the broker has to be away, once a second.
TRIES = 4


@beat_init.connect
def end_between_queries(**_kwargs: Any) -> None:
    """Leave what is under way by an exception: the beat writes its schedule down after it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())


@worker_shutting_down.connect
def end_without_broker(**_kwargs: Any) -> None:
    """End at once where the broker stays away: what is being done is done again then anyway."""
    threading.Thread(target=_watch, name="ending", daemon=True).start()


def _watch() -> None:
    away = 0
    while away < TRIES:
        time.sleep(1)
        away = 0 if _is_there() else away + 1
    logger.warning("The broker is away: what this worker was doing is done again by another.")
    os._exit(1)


def _is_there() -> bool:
    try:
        broker.check()
    except Exception:  # noqa: BLE001  whatever the broker's own library raises
        return False
    return True

"""Stay with a partner while there is news for it, and learn of more without being sent for.

A drain that ends gives up its connections and its lease, and the next one pays for them anew. So a
worker stays for a moment after the last change. Who stays is known within the process
(`nudge`); what other processes sequence is seen by looking, a few times a second.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from django.conf import settings

from roaming import draining

# How long a worker stays after the last change, and how often it looks by itself.
LINGER_SECONDS = 2.0
LOOK_SECONDS = 0.25
# After this it is another feed's turn, if one is waiting for a thread.
LONGEST_SECONDS = 20.0

# Where others wait for a thread, a turn is short.
SHORT_SECONDS = 3.0
# Threads that are left for waking the feeds, however many partners hang.
KEPT_FREE = 2

_lock = threading.Lock()
_attended: dict[int, "_Bell"] = {}
# Feeds that found no thread free, in the order in which they came.
_queue: dict[int, None] = {}
_closing = threading.Event()


class _Bell:
    """Rings when there may be news; `wait` is what a drain asks before it goes."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._quiet = 0.0

    def ring(self) -> None:
        self._rung.set()

    def is_rung(self) -> bool:
        return self._rung.is_set()

    def wait(self) -> bool:
        """Return True when it is worth to look again; False when it has been quiet for long."""
        if self._rung.wait(LOOK_SECONDS):
            self._rung.clear()
            self._quiet = 0.0
            return not _closing.is_set()
        self._quiet += LOOK_SECONDS
        # Somebody else may be waiting for our thread.
        stays = self._quiet < LINGER_SECONDS and not _is_full()
        return stays and not _closing.is_set()


def nudge(feed_id: int) -> bool:
    """Tell whoever stays with a feed, in this process, that there is news; False: nobody does."""
    with _lock:
        bell = _attended.get(feed_id)
    if bell is not None:
        bell.ring()
    return bell is not None


def attend(feed_id: int) -> draining.Drained:
    """Drain a feed and stay with it for a while; see `draining.attend`.

    When every thread is taken it waits for its turn: see `next_in_turn`.
    """
    with _bell_at(feed_id) as bell:
        if bell is None:
            return draining.Drained()
        seconds = SHORT_SECONDS if _queue else LONGEST_SECONDS
        drained = draining.attend(feed_id, wait=bell.wait, seconds=seconds)
    # Who rang while we were leaving took us for somebody who stays.
    return replace(drained, has_more=drained.has_more or bell.is_rung())


def next_in_turn(feed_id: int, *, has_more: bool) -> int | None:
    """Return which feed is to be drained now that one is done with: those that wait go first.

    What is in the queue of a process that ends is found by the beat.
    """
    with _lock:
        if has_more:
            _queue[feed_id] = None
        waiting = next(iter(_queue), None)
        if waiting is not None:
            del _queue[waiting]
        return waiting


def _is_full() -> bool:
    return len(_attended) >= max(settings.PUSH_CONCURRENCY - KEPT_FREE, 1)


def close() -> None:
    """Have everybody leave: the process is about to end."""
    _closing.set()
    with _lock:
        bells = list(_attended.values())
    for bell in bells:
        bell.ring()


def open_again() -> None:
    """Undo `close`: for tests, whose process goes on."""
    _closing.clear()


@contextmanager
def _bell_at(feed_id: int) -> Iterator[_Bell | None]:
    """Put up a bell at a feed; None: it has one, or there is no thread for it now."""
    bell = None
    with _lock:
        if feed_id not in _attended and not _closing.is_set():
            if _is_full():
                _queue[feed_id] = None
            else:
                bell = _attended[feed_id] = _Bell()
    try:
        yield bell
    finally:
        if bell is not None:
            with _lock:
                del _attended[feed_id]

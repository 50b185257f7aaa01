"""Stay with partners while there is news for them, and learn of more without being sent for.

A drain that ends gives up its connections and its lease, and the next one pays for them anew. So it
stays for a moment after the last change. Who stays is known within the process (`nudge`); what
other processes sequence is seen by looking, a few times a second.

All drains of a process run in one thread, in one event loop, on one connection to the database.
With a thread to each, they compete for the interpreter: each gives it up with every call of the
system and waits to get it back, and most of the time is spent on that.
"""

import asyncio
import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop
from django.conf import settings
from django.db import connection

from cpo_platform.common import clock
from roaming import draining, wake
from roaming.draining import reading
from roaming.draining.turns import Turn, allow_rows_in_loops
from roaming.operations import feed

logger = logging.getLogger(__name__)

# How long a drain stays after the last change, and how often it looks by itself.
LINGER_SECONDS = 2.0
LOOK_SECONDS = 0.25
# How long feeds are looked at after the last change that was found.
WATCH_SECONDS = 1.0
# After this it is another feed's turn, if one is waiting for a place.
LONGEST_SECONDS = 20.0
# Where others wait for a place, a turn is short.
SHORT_SECONDS = 3.0
# Names are looked up in threads, and a server of names may hang: there are enough for others.
RESOLVING_THREADS = 64


class Bell(Turn):
    """A turn that goes on while somebody rings now and then; where others wait it ends sooner."""

    def __init__(self, *, are_others_waiting: Callable[[], bool]) -> None:
        super().__init__(seconds=SHORT_SECONDS if are_others_waiting() else LONGEST_SECONDS)
        self._are_others_waiting = are_others_waiting
        self._is_ended = False
        self._rung = asyncio.Event()
        self._quiet = 0.0

    def is_over(self) -> bool:
        # Who leaves for nobody's sake begins anew, and what changes all the time is put off again.
        return self._is_ended or (super().is_over() and self._are_others_waiting())

    def end(self) -> None:
        """Have it end with the requests that are under way."""
        self._is_ended = True

    def ring(self) -> None:
        """Say that there may be news; in the loop's thread."""
        self._rung.set()

    def is_rung(self) -> bool:
        return self._rung.is_set()

    async def wait(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._rung.wait()
        except TimeoutError:
            self._quiet += LOOK_SECONDS
            is_quiet = self._quiet >= LINGER_SECONDS or self._are_others_waiting()
            return not is_quiet and not self.is_over()
        self._rung.clear()
        self._quiet = 0.0
        return not self.is_over()


class Attendants:
    """Whoever stays with a partner in this process: at most PUSH_CONCURRENCY, others wait."""

    def __init__(self) -> None:
        # Held by whoever reads or writes what is below.
        self._state = threading.Condition()
        self._attended: dict[int, Bell] = {}
        # Feeds that found no place free, in the order in which they came.
        self._queue: dict[int, None] = {}
        self._is_closing = False
        self._is_watching = False
        # Whether somebody sent for a look since the last one.
        self._is_wanted = False
        self._looked_at = 0.0
        self._context = contextvars.Context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def watch(self, send_for: Callable[[int], None]) -> None:
        """Look for news now, and again and again until it has been quiet for a while.

        `send_for` is called with feeds that have news and that nobody is at, in any process.
        """
        with self._state:
            if self._is_watching or self._is_closing:
                self._is_wanted = True
                return
            self._is_watching = self._is_wanted = True
            self._start(self._watch(send_for))

    def attend(self, feed_id: int) -> None:
        """Have a feed drained and stayed with: now, or as soon as there is a place.

        What waits in a process that ends is found by the beat.
        """
        with self._state:
            if self._is_closing:
                return
            if not self.nudge(feed_id):
                self._queue[feed_id] = None
                self._fill_places()

    def nudge(self, feed_id: int) -> bool:
        """Tell whoever stays with a feed that there is news; False: nobody does, here."""
        with self._state:
            bell = self._attended.get(feed_id)
            if bell is not None:
                self._ring(bell)
            return bell is not None

    def leave(self, *, seconds: float = 0) -> bool:
        """Have everybody leave, and wait for that so long; tell whether everybody has.

        The requests that are under way are the last ones. What is left is for other processes.
        """
        with self._state:
            self._is_closing = True
            self._queue.clear()
            for bell in self._attended.values():
                bell.end()
                self._ring(bell)
            return self._state.wait_for(self._is_empty, timeout=seconds)

    def come_back(self) -> None:
        """Undo `leave`: for tests, whose process goes on."""
        with self._state:
            self._is_closing = False

    def _ring(self, bell: Bell) -> None:
        self._running_loop().call_soon_threadsafe(bell.ring)

    def _fill_places(self) -> None:
        while self._queue and len(self._attended) < settings.PUSH_CONCURRENCY:
            feed_id = next(iter(self._queue))
            del self._queue[feed_id]
            bell = self._attended[feed_id] = Bell(are_others_waiting=lambda: bool(self._queue))
            self._start(self._stay(feed_id, bell))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        loop = self._running_loop()

        def start() -> None:
            # Within a loop, Django's connections are those of a context: here is one for all.
            task = loop.create_task(work, context=self._context)
            # The loop itself would let go of it.
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop.call_soon_threadsafe(start)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        # A fork has our memory, and not our thread.
        if self._loop is None or self._pid != os.getpid():
            allow_rows_in_loops()
            # For uvloop's own: it resolves what it connects to, numbers as well.
            os.environ.setdefault("UV_THREADPOOL_SIZE", str(RESOLVING_THREADS))
            self._loop, self._pid = uvloop.new_event_loop(), os.getpid()
            self._loop.set_default_executor(
                ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="push-resolving")
            )
            threading.Thread(target=self._loop.run_forever, name="push-loop", daemon=True).start()
        return self._loop

    async def _watch(self, send_for: Callable[[int], None]) -> None:
        """See `watch`. Meanwhile no commit sends for anybody: the mark in the broker says so."""
        try:
            watched_until = 0.0
            while not self._is_closing:
                await asyncio.sleep(settings.PUSH_GATHER_MS / 1000)
                wake.keep_awake()
                if self._look(send_for):
                    watched_until = time.monotonic() + WATCH_SECONDS
                elif time.monotonic() >= watched_until and not self._is_wanted:
                    break
            wake.feeds_are_awake()
            # Who committed before that took us for somebody who looks again.
            self._look(send_for)
        except Exception:
            logger.exception("the feeds are not looked at; the beat sends for us again")
        finally:
            connection.close_if_unusable_or_obsolete()
            await self._close_readers()
            with self._state:
                self._is_watching = False
                if self._is_wanted:
                    self.watch(send_for)
                self._close_unless_needed()

    def _look(self, send_for: Callable[[int], None]) -> bool:
        """Give changes their numbers, and have everybody know who has something to send."""
        is_wanted, self._is_wanted = self._is_wanted, False
        is_fresh = feed.has_fresh_changes() and feed.sequence_changes() > 0
        now = time.monotonic()
        if not is_fresh and not is_wanted and now - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = now
        feeds = feed.feeds_with_news(now=clock.now())
        for feed_id, is_free in feeds.items():
            if not self.nudge(feed_id) and is_free:
                send_for(feed_id)
        return is_fresh

    async def _stay(self, feed_id: int, bell: Bell) -> None:
        has_more = False
        try:
            drained = await draining.attend(feed_id, bell)
            has_more = drained.has_more
            if drained.requests:
                logger.info("feed %s: %s requests sent", feed_id, drained.requests)
        except Exception:
            # The database is away, most likely. The lease runs out, and the beat sends for us.
            logger.exception("feed %s was left", feed_id)
        finally:
            # No drain waits for anything within a transaction: no other needs this connection now.
            connection.close_if_unusable_or_obsolete()
            await self._close_readers()
            self._go(feed_id, bell, has_more=has_more)

    def _go(self, feed_id: int, bell: Bell, *, has_more: bool) -> None:
        with self._state:
            del self._attended[feed_id]
            # Who rang while we were leaving took us for somebody who stays.
            if (has_more or bell.is_rung()) and not self._is_closing:
                self._queue[feed_id] = None
            self._fill_places()
            self._close_unless_needed()

    def _is_empty(self) -> bool:
        return not self._attended and not self._is_watching

    async def _close_readers(self) -> None:
        """Close them when the last one leaves, before others are told that nobody is there."""
        if len(self._attended) + self._is_watching == 1:
            await reading.close()

    def _close_unless_needed(self) -> None:
        if self._is_empty():
            connection.close()
        self._state.notify_all()


_here = Attendants()
watch, attend, nudge = _here.watch, _here.attend, _here.nudge
leave, come_back = _here.leave, _here.come_back

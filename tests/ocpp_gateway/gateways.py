"""Gateways without chargers: the real post in a thread, and a script instead of stations."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings

from cpo_platform.common import clock
from ocpp_gateway.registry import CallOutcome, CallRequest, OutcomeKind, Post

T = TypeVar("T")
Json = dict[str, Any]
# By action: the answer, an outcome, or what makes one of the request.
Script = dict[str, Json | CallOutcome | Callable[[CallRequest], Json | CallOutcome]]


def until(condition: Callable[[], T], *, seconds: float = 10) -> T:
    """Wait until something is so, and return it."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("it has not come to that")


class FakeGateway:
    """Holds stations, answers by its script, and notes what it was asked."""

    def __init__(self, name: str, script: Script) -> None:
        self.name = name
        self.script = script
        self.asked: list[CallRequest] = []
        self.closed: list[tuple[int, int]] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._ready = threading.Event()
        self._post: Post
        self._running: asyncio.Task[None]

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        """End as a process does that is killed: nothing is given back."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._running.cancel)
            self._thread.join(10)
            assert not self._thread.is_alive()

    def claim(self, station_id: int, connection: int = 1) -> None:
        self._do(self._post.claim(station_id, connection))

    def release(self, station_id: int, connection: int = 1) -> None:
        self._do(self._post.release(station_id, connection))

    def renew(self, held: dict[int, int]) -> set[int]:
        return self._do(self._post.renew(held))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def _live(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._post = Post(settings.REDIS_URL, self.name)
        self._running = asyncio.create_task(self._post.run(self._handle, self._close))
        self._ready.set()
        try:
            await self._running
        except asyncio.CancelledError:
            pass
        finally:
            await self._post.close()

    async def _handle(self, request: CallRequest) -> CallOutcome:
        self.asked.append(request)
        answer = self.script.get(request.action, CallOutcome(OutcomeKind.OFFLINE))
        told = answer(request) if callable(answer) else answer
        if isinstance(told, CallOutcome):
            return told
        now = clock.now()
        return CallOutcome(OutcomeKind.ANSWERED, payload=told, sent_at=now, answered_at=now)

    async def _close(self, station_id: int, connection: int) -> None:
        self.closed.append((station_id, connection))


def refused(error: str) -> CallOutcome:
    """Return the outcome of a call that the station answered with an error."""
    now = clock.now()
    return CallOutcome(OutcomeKind.REFUSED, error=error, sent_at=now, answered_at=now)


@contextmanager
def running(name: str, script: Script | None = None) -> Iterator[FakeGateway]:
    gateway = FakeGateway(name, {} if script is None else script)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()

"""What answering a station's call needs, and what an answer is."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections

from cpo_platform.common import acting
from ocpp_gateway.server.database import Pool
from ocpp_gateway.server.known import KnownStation
from ocpp_gateway.server.store import OutletReport

T = TypeVar("T")
Payload = Mapping[str, Any]
# Whoever is asked about a token may be slow: this many stations wait at a time, others behind them.
THREADS = 24


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call is answered with, and what is to be kept before that.

    `news` are transactions to be looked at; `patient`: a few seconds later is soon enough. What is
    not `kept` goes to the log alone, which nobody waits for.
    """

    payload: Payload
    transaction_id: int | None = None
    news: tuple[int, ...] = ()
    patient: bool = False
    report: OutletReport | None = None
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Desk:
    """The means: connections, and threads for what Django does."""

    pool: Pool
    threads: ThreadPoolExecutor
    heartbeat_seconds: int

    async def ask(self, what: Callable[..., T], *args: object, **options: object) -> T:
        """Have Django answer, in a thread of its own: the loop goes on meanwhile."""
        work = partial(_with_fresh_connections, partial(what, *args, **options))
        context = contextvars.copy_context()  # logs there name the message, too
        return await asyncio.get_running_loop().run_in_executor(self.threads, context.run, work)


def _with_fresh_connections(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        with acting.by("ocpp"):
            return work()
    finally:
        close_old_connections()


Handler = Callable[[Desk, KnownStation, Payload, datetime], Awaitable[Answer]]


def told(payload: Payload | None = None) -> Handler:
    """Return a handler of what is only to be logged, with the answer to all such calls."""
    answer = Answer(payload or {}, kept=False)

    async def tell(
        _desk: Desk, _station: KnownStation, _payload: Payload, _now: datetime
    ) -> Answer:
        return answer

    return tell


def text_of(moment: datetime) -> str:
    """Return a moment as OCPP has it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"

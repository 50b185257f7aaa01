"""How requests to partners go: counted in memory, written down every few seconds.

A drain counts a request in about a microsecond. What is counted and not written yet is lost with
the process: these are figures for people, not the books.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from django.db import Error

from roaming.client import Reply, Verdict
from roaming.histograms import place
from roaming.operations import traffic
from roaming.operations.traffic import Tally

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0

_lock = threading.Lock()
_tallies: dict[tuple[int, str], Tally] = {}
_flushed_at = 0.0


class Sent(Protocol):
    """An object that was sent, as the drain knows it: see `roaming.draining.jobs.Job`."""

    @property
    def module(self) -> str: ...
    @property
    def verdict(self) -> Verdict | None: ...
    @property
    def since(self) -> float | None: ...
    @property
    def done_at(self) -> float | None: ...
    @property
    def replies(self) -> Sequence[Reply]: ...


def note(
    *,
    partner_id: int,
    module: str,
    outcome: Verdict,
    lag_seconds: float | None,
    answer_ms: int,
) -> None:
    """Count one request. `lag_seconds`: how long after the object's first change it was told."""
    with _lock:
        tally = _tallies.get((partner_id, module))
        if tally is None:
            tally = _tallies[partner_id, module] = Tally(partner_id, module)
        if outcome is Verdict.DONE:
            tally.done += 1
        elif outcome is Verdict.REFUSED:
            tally.refused += 1
        elif outcome is Verdict.TROUBLE:
            tally.failed += 1
        else:
            tally.unknown += 1
        seconds = answer_ms / 1000
        tally.answer[place(seconds)] += 1
        tally.answer_seconds += seconds
        if lag_seconds is not None:
            tally.lag[place(lag_seconds)] += 1
            tally.lag_seconds += lag_seconds


def note_jobs(partner_id: int, jobs: Iterable[Sent]) -> None:
    """Count the requests of objects that were sent; of those told just now, how late it was."""
    now = time.time()
    for job in jobs:
        if job.verdict is None or not job.replies:
            continue
        *others, last = job.replies
        for reply in others:
            note(
                partner_id=partner_id,
                module=job.module,
                outcome=reply.verdict,
                lag_seconds=None,
                answer_ms=reply.duration_ms,
            )
        told_at = job.done_at or now
        is_told = job.verdict is Verdict.DONE and job.since is not None
        note(
            partner_id=partner_id,
            module=job.module,
            outcome=job.verdict,
            lag_seconds=max(told_at - (job.since or told_at), 0.0) if is_told else None,
            answer_ms=last.duration_ms,
        )


def flush_now_and_then(now: datetime) -> None:
    """Write down what was counted, unless that was done a moment ago."""
    if time.monotonic() - _flushed_at >= FLUSH_SECONDS:
        flush(now)


def flush(now: datetime) -> None:
    """Write down what was counted. A database that is away costs nothing but a later flush."""
    global _flushed_at  # noqa: PLW0603  one per process
    with _lock:
        counted = dict(_tallies)
        _tallies.clear()
        _flushed_at = time.monotonic()
    if not counted:
        return
    try:
        traffic.add(tallies=counted.values(), now=now)
    except Error:
        logger.warning("what was counted of requests is written down later", exc_info=True)
        _put_back(counted)


def forget() -> None:
    """Forget what was counted and not written down."""
    with _lock:
        _tallies.clear()


def _put_back(counted: dict[tuple[int, str], Tally]) -> None:
    with _lock:
        for key, tally in counted.items():
            if key in _tallies:
                _tallies[key].add(tally)
            else:
                _tallies[key] = tally

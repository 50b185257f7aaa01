"""Ask a partner for its copies: a few at a time, and no more than it wants."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cpo_platform.common import http
from roaming.client import NOT_AUTHENTICATED, Credential, Reply, Request, send, with_routing
from roaming.drifting.expecting import Expected
from roaming.ocpi.target import Target

CONCURRENCY = 8
# Objects between two notes of what was found.
CHUNK = 32
# Where a partner limits our requests, a chunk is what may be asked in about so many seconds.
PACED_SECONDS = 10
# So many failures, and not one copy: it is the partner, not the object.
MOST_FAILURES = 3
# It has had enough, or does not know us: nothing more is asked.
STOPS = NOT_AUTHENTICATED | {429, 503}
NO_SUCH_METHOD = frozenset([405, 501])


class Said(StrEnum):
    """What an answer to a GET means for a copy."""

    COPY = "COPY"
    ABSENT = "ABSENT"
    NO_GET = "NO_GET"
    UNREADABLE = "UNREADABLE"
    TROUBLE = "TROUBLE"


@dataclass(frozen=True)
class Answer:
    """What came back for one object: `reply` is None where it was not asked for any more."""

    expected: Expected
    reply: Reply | None = None

    @property
    def said(self) -> Said:
        reply = self.reply
        if reply is None:
            return Said.UNREADABLE
        if reply.ok:
            # A success without an object is no answer to a GET.
            return Said.COPY if isinstance(reply.data, dict) and reply.data else Said.NO_GET
        if reply.http_status in NO_SUCH_METHOD:
            return Said.NO_GET
        if reply.is_of_hub:
            return Said.UNREADABLE
        if reply.http_status == 404 or reply.status_code == 2003:
            return Said.ABSENT
        trouble = reply.http_status is None or reply.http_status >= 500
        return Said.TROUBLE if trouble or reply.http_status in STOPS else Said.UNREADABLE


@dataclass(frozen=True)
class Answers:
    """All that was answered; `trouble` is why the partner cannot be asked any more now."""

    answers: Sequence[Answer]
    trouble: str = ""


def chunk_size(target: Target) -> int:
    """Return how many objects to ask for at a time."""
    limit = target.dialect.requests_per_minute
    return CHUNK if limit is None else max(1, min(CHUNK, limit * PACED_SECONDS // 60))


def ask(target: Target, wanted: Sequence[Expected]) -> Answers:
    """Ask for every object, until the partner is in trouble. Never raises for what it does."""
    return asyncio.run(_Asker(target).ask(wanted))


class _Asker:
    def __init__(self, target: Target) -> None:
        self._partner = target.partner
        self._credential = Credential.of(target.partner)
        limit = target.dialect.requests_per_minute
        self._pause = 60 / limit if limit else 0.0
        # With a limit, one goes after the other.
        self._free = asyncio.Semaphore(1 if limit else CONCURRENCY)
        self._failures = 0
        self._copies = 0
        self._trouble = ""

    async def ask(self, wanted: Sequence[Expected]) -> Answers:
        async with http.Client(connections=CONCURRENCY) as client:
            answers = await asyncio.gather(*(self._one(client, one) for one in wanted))
        return Answers(answers, self._trouble)

    async def _one(self, client: http.Client, expected: Expected) -> Answer:
        if expected.problem:
            return Answer(expected)
        async with self._free:
            if self._pause and not self._trouble:
                # Before each: the feed may have sent something just now.
                await asyncio.sleep(self._pause)
            if self._trouble:
                return Answer(expected)
            request = Request(
                "GET", expected.url, sender=expected.sender, receiver=expected.receiver
            )
            reply = await send(client, with_routing(self._partner, request), self._credential)
            answer = Answer(expected, reply)
            self._judge(answer)
            return answer

    def _judge(self, answer: Answer) -> None:
        reply = answer.reply
        self._copies += answer.said is Said.COPY
        if reply is None or answer.said is not Said.TROUBLE:
            return
        self._failures += 1
        down = self._failures >= MOST_FAILURES and not self._copies
        if reply.http_status in STOPS or down:
            self._trouble = self._trouble or reply.reason

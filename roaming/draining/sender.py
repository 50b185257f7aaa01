"""Connections to one partner: objects in parallel, those of a chain and their requests in a row."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from cpo_platform.common import clock, http, json
from roaming import failures
from roaming.client import Credential, Reply, Request, Verdict, http_join, send
from roaming.draining import asking
from roaming.draining.jobs import Job
from roaming.draining.pace import Pace
from roaming.draining.turns import Turn, beside
from roaming.models import Partner
from roaming.models.messages import MAX_LOGGED_BODY
from roaming.ocpi.dialects import dialect_of
from roaming.ocpi.pushing import Plan, Push
from roaming.operations import feed

logger = logging.getLogger(__name__)

# So many failures in a row, and nothing that went through: it is the partner, not the object.
MOST_FAILURES = 3
# The answer to a push says hardly anything. What is longer is not read.
MOST_ANSWERED = 256 * 1024
# No answer, or none now.
UNANSWERED = frozenset([None, 429, 500, 502, 503, 504])
# A CDR of ours, or a list with it, which we ask for.
MOST_ASKED = http.MAX_BODY_BYTES


class Sender:
    """Connections to one partner, kept over all that a drain sends."""

    def __init__(self, partner: Partner, lease: feed.Lease, turn: Turn) -> None:
        self.lease = lease
        # Whether anything went through of what is being sent: then the partner is not down.
        self.went_through = False
        self.gives_up = False
        self._failures = 0
        self.probes = lease.is_probe
        self._my_turn = turn
        self._pace: Pace | None = None
        self.speak_to(partner)
        self._connections = settings.PUSH_CONNECTIONS
        self._client = http.Client(connections=self._connections)
        self._count = 0

    def speak_to(self, partner: Partner) -> None:
        """Take the partner's token, and how it is spoken to, as they are in this row."""
        self._credential = Credential.of(partner)
        dialect = dialect_of(partner)
        # OCPI 2.1.1 has no routing headers.
        self._routing = dialect.routing_headers and partner.version != "2.1.1"
        limit = dialect.requests_per_minute
        if self._pace is not None and self._pace.limit != limit:
            self._pace.close()
            self._pace = None
        if limit and self._pace is None:
            self._pace = Pace(partner.pk, limit)

    async def __aenter__(self) -> "Sender":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)
        if self._pace is not None:
            self._pace.close()

    def is_through(self) -> bool:
        """Whether nothing more is sent: the partner is in trouble, or our time is over."""
        return self.gives_up or self._my_turn.is_over()

    def begin_anew(self) -> None:
        """Forget how it went so far: a partner that was there a minute ago may be down now."""
        self.went_through, self._failures = False, 0

    def take_count(self) -> int:
        count, self._count = self._count, 0
        return count

    async def send_all(self, jobs: Sequence[Job]) -> None:
        """Send every job, until one of them meets trouble; those not begun have no verdict then."""
        if jobs:
            await self._send_all(jobs)
            self._count += sum(len(job.replies) for job in jobs)

    async def _send_all(self, jobs: Sequence[Job]) -> None:
        ordered = _chains(jobs)
        if self.probes:
            # By chance, as the first of all.
            random.shuffle(ordered)
        chains = iter(ordered)
        beat = asyncio.create_task(self._keep_lease())
        try:
            while self.probes and not self.is_through() and (chain := next(chains, None)):
                # The partner was away: one request shows whether it is back. Where it answers that
                # it cannot take this object, a second and a third.
                await self._work(iter([chain]))
                self.probes = not self.went_through
            workers = min(self._connections, len(jobs))
            async with asyncio.TaskGroup() as group:
                for _each in range(workers):
                    group.create_task(self._work(chains))
        finally:
            beat.cancel()

    async def _work(self, chains: Iterator[Sequence[Job]]) -> None:
        for chain in chains:
            for job in chain:
                await self._turn()
                if self.is_through():
                    return
                await self._send(job)
                self._judge(job)
                if job.verdict is Verdict.TROUBLE and job.module == "cdrs":
                    # What comes after it in its chain is no good without it.
                    _wait_for(job, chain)
                    break

    async def _turn(self) -> None:
        """Wait for our turn, where the partner wants no more than so many requests a minute."""
        if self._pace is not None and not self.is_through():
            await self._pace.wait(self._my_turn)

    def _judge(self, job: Job) -> None:
        """Tell a partner that is down from an object that it cannot take."""
        job.done_at = clock.now().timestamp()
        if job.verdict is not Verdict.TROUBLE:
            self.went_through, self._failures = True, 0
            return
        self._failures += 1
        # What went through shows that the partner is there: then it may be the object after all.
        silent = not job.answered and not self.went_through
        self.gives_up = self.gives_up or silent or job.is_for_all or self._failures >= self._most()

    def _most(self) -> int:
        """Return how many failures in a row are the partner's: they come at the same time."""
        return MOST_FAILURES + self._connections if self.went_through else MOST_FAILURES

    async def _keep_lease(self) -> None:
        """Renew the lease while we wait for a slow partner; stop sending once it is lost."""
        third = feed.lease_time().total_seconds() / 3
        renewed_at = time.monotonic()
        while not self.gives_up:
            await asyncio.sleep(third)
            try:
                is_ours = await beside(feed.renew_lease, lease=self.lease, now=clock.now())
            except (DatabaseError, InterfaceError):
                # It may be back before the lease runs out; then nothing is sent any more.
                is_ours = time.monotonic() - renewed_at < 2 * third
                logger.warning("the lease of feed %s could not be renewed", self.lease.feed_id)
            else:
                renewed_at = time.monotonic()
            if not is_ours:
                self.gives_up = True

    async def _send(self, job: Job) -> None:
        if job.was_uncertain and job.asks and await self._has_it(job):
            return
        verdict, reason = await self._send_plan(job, job.plan)
        is_more = job.whole is not None and job.whole.pushes != job.plan.pushes
        if verdict is Verdict.UNKNOWN_OBJECT and job.whole is not None and is_more:
            # It lost the object, or never had it: the whole of it puts that right.
            verdict, reason = await self._send_plan(job, job.whole)
        if verdict is Verdict.UNKNOWN_OBJECT and job.delivery is not None:
            verdict = Verdict.REFUSED
        job.verdict, job.reason = verdict, reason
        if job.asks and verdict is not Verdict.DONE:
            job.is_known = asking.says_it_has_it(job.replies[-1])
            if job.is_known:
                job.verdict = Verdict.REFUSED
                await self._has_it(job)

    async def _has_it(self, job: Job) -> bool:
        """Ask the partner whether it has a CDR; if that can be told, it is the job's verdict.

        No answer at all is trouble: what may have been booked is not posted unasked.
        """
        document = job.plan.pushes[0].body or {}
        for url in job.asks:
            await self._turn()
            request = Request("GET", url, sender=job.sender, receiver=job.receiver)
            reply = await self._exchange(
                job, self._routed(request), most_bytes=MOST_ASKED, with_data=True
            )
            if reply.http_status in UNANSWERED and not reply.was_too_long:
                # It may have it: that is not the time to post. Not for ever, should it be this
                # question that it cannot take: an object that fails too often is set aside.
                job.verdict, job.reason, job.was_asked = Verdict.TROUBLE, reply.reason, True
                return True
            found = asking.look(reply, document)
            if found is asking.Found.SAME:
                job.verdict, job.reason, job.found_at = Verdict.DONE, "", url
                return True
            if found is asking.Found.DIFFERENT:
                job.verdict = Verdict.REFUSED
                job.reason = str(failures.ANOTHER_CDR.filled(url=url))
                return True
        return False

    async def _send_plan(self, job: Job, plan: Plan) -> tuple[Verdict, str]:
        takes_back, astray = _takes_back(plan), ""
        for number, push in enumerate(plan.pushes):
            if number:
                await self._turn()
            request = self._routed(_request(job, push))
            reply = await self._exchange(job, request, most_bytes=MOST_ANSWERED)
            verdict = reply.verdict
            if verdict is Verdict.UNKNOWN_OBJECT and takes_back:
                # Gone is what it is to be; but a 404 that is no OCPI answer may mean the endpoint.
                astray = astray or (reply.reason if reply.status_code is None else "")
                continue
            if verdict is not Verdict.DONE:
                return verdict, reply.reason
        return (Verdict.REFUSED, astray) if astray else (Verdict.DONE, "")

    async def _exchange(
        self, job: Job, request: Request, *, most_bytes: int, with_data: bool = False
    ) -> Reply:
        reply = await send(
            self._client, request, self._credential, most_bytes=most_bytes, with_data=with_data
        )
        kept = reply
        if with_data:
            # Data is of no use later, and hundreds of bodies are too much to keep.
            kept = replace(reply, data=None, body=reply.body[:MAX_LOGGED_BODY])
        job.replies.append(kept)
        return reply

    def _routed(self, request: Request) -> Request:
        return request if self._routing else replace(request, sender=None, receiver=None)


def _chains(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs by what must go in a row, in their order; most go alone."""
    chains: list[list[Job]] = []
    by_name: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        chain = by_name[job.chain] if job.chain else []
        if not chain:
            chains.append(chain)
        chain.append(job)
    return chains


def _takes_back(plan: Plan) -> bool:
    """Tell whether a plan takes something back: a tariff is deleted, a location withdrawn."""
    return "withdrawn" in plan.sent or any(push.method == "DELETE" for push in plan.pushes)


def _wait_for(failed: Job, chain: Sequence[Job]) -> None:
    for job in chain[chain.index(failed) + 1 :]:
        job.verdict, job.reason = Verdict.TROUBLE, str(failures.WAITS)


def _request(job: Job, push: Push) -> Request:
    return Request(
        push.method,
        job.url if job.exact_url else http_join(job.url, *push.path),
        body=None if push.body is None else json.dumps(push.body),
        sender=job.sender,
        receiver=job.receiver,
        **({"correlation_id": job.cause} if job.cause else {}),
    )

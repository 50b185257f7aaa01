"""Connections to one partner: objects in parallel, those of a chain and their requests in a row."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import connection

from cpo_platform.common import clock, http, json
from roaming.client import Credential, Request, Verdict, http_join, send
from roaming.draining.jobs import Job
from roaming.models import Partner
from roaming.models.messages import MAX_LOGGED_BODY, Direction
from roaming.ocpi.dialects import dialect_of
from roaming.ocpi.pushing import Plan, Push
from roaming.operations import feed

CONCURRENCY = 32
# So many failures in a row, and nothing that went through: it is the partner, not the object.
MOST_FAILURES = 3


class Pace:
    """So many requests a minute, evenly; the last that were sent before count as well."""

    def __init__(self, requests_per_minute: int, last: datetime | None) -> None:
        self._seconds = 60 / requests_per_minute
        passed = (clock.now() - last).total_seconds() if last else self._seconds
        self._wait_first = max(self._seconds - passed, 0.0)
        self._next: float | None = None

    async def turn(self) -> None:
        """Wait until the next request may go."""
        now = asyncio.get_running_loop().time()
        free = now + self._wait_first if self._next is None else max(self._next, now)
        # Before the wait: who comes meanwhile goes after us.
        self._next = free + self._seconds
        await asyncio.sleep(free - now)


class Sender:
    """Connections to one partner, kept over all batches of a drain."""

    def __init__(self, partner: Partner, lease: feed.Lease) -> None:
        self.lease = lease
        # Whether anything went through since the drain began: then the partner is not down.
        self.went_through = False
        self.gives_up = False
        self._failures = 0
        self.credential = Credential.of(partner)
        dialect = dialect_of(partner)
        # OCPI 2.1.1 has no routing headers.
        self._routing = dialect.routing_headers and partner.version != "2.1.1"
        limit = dialect.requests_per_minute
        self._pace = Pace(limit, _last_request(partner)) if limit else None
        self._runner = asyncio.Runner()
        self._client = http.Client(connections=CONCURRENCY)
        self._count = 0

    def __enter__(self) -> "Sender":
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.run(self._client.__aexit__(None, None, None))
        self._runner.close()

    def take_count(self) -> int:
        count, self._count = self._count, 0
        return count

    def send_all(self, jobs: Sequence[Job]) -> None:
        """Send every job, until one of them meets trouble; those not begun have no verdict then."""
        self._runner.run(self._send_all(jobs))
        self._count += sum(len(job.replies) for job in jobs)

    async def _send_all(self, jobs: Sequence[Job]) -> None:
        limit = asyncio.Semaphore(CONCURRENCY)

        async def run(chain: Sequence[Job]) -> None:
            for job in chain:
                async with limit:
                    await self._turn()
                    if not self.gives_up:
                        await self._send(job)
                        self._judge(job)

        async with asyncio.TaskGroup() as group:
            beat = group.create_task(self._keep_lease())
            await asyncio.gather(*(run(chain) for chain in _chains(jobs)))
            beat.cancel()

    async def _turn(self) -> None:
        """Wait for our turn, where the partner wants no more than so many requests a minute."""
        if self._pace is not None and not self.gives_up:
            await self._pace.turn()

    def _judge(self, job: Job) -> None:
        """Tell a partner that is down from an object that it cannot take."""
        if job.verdict is Verdict.DONE:
            self.went_through = True
        if job.verdict is Verdict.TROUBLE:
            self._failures += 1
            many = self._failures >= MOST_FAILURES and not self.went_through
            self.gives_up = self.gives_up or many or not job.answered

    async def _keep_lease(self) -> None:
        """Renew the lease while we wait for a slow partner; stop sending once it is lost."""
        while True:
            await asyncio.sleep(feed.lease_time().total_seconds() / 3)
            if not await asyncio.to_thread(_renew_in_thread, self.lease):
                self.gives_up = True

    async def _send(self, job: Job) -> None:
        verdict, reason = await self._send_plan(job, job.plan)
        if verdict is Verdict.UNKNOWN_OBJECT and job.whole is not None:
            # It lost the object, or never had it: the whole of it puts that right.
            verdict, reason = await self._send_plan(job, job.whole)
        if verdict is Verdict.UNKNOWN_OBJECT:
            verdict = Verdict.REFUSED
        job.verdict, job.reason = verdict, reason

    async def _send_plan(self, job: Job, plan: Plan) -> tuple[Verdict, str]:
        for push in plan.pushes:
            if job.replies:
                await self._turn()
            request = _request(job, push, routing=self._routing)
            reply = await send(self._client, request, self.credential)
            # Data is of no use here, and 64 bodies of a megabyte are too much to keep.
            job.replies.append(replace(reply, data=None, body=reply.body[:MAX_LOGGED_BODY]))
            verdict = reply.verdict
            if push.method == "DELETE" and verdict is Verdict.UNKNOWN_OBJECT:
                verdict = Verdict.DONE
            if verdict is not Verdict.DONE:
                return verdict, reply.reason
        return Verdict.DONE, ""


def _chains(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs by what must go in a row, in their order; most go alone."""
    chains: list[list[Job]] = []
    by_name: dict[str, list[Job]] = {}
    for job in jobs:
        chain = by_name.setdefault(job.chain, []) if job.chain else []
        if not chain:
            chains.append(chain)
        chain.append(job)
    return chains


def _renew_in_thread(lease: feed.Lease) -> bool:
    try:
        return feed.renew_lease(lease=lease, now=clock.now())
    finally:
        connection.close()


def _last_request(partner: Partner) -> datetime | None:
    sent = partner.messages.filter(direction=Direction.OUT).order_by("-at", "-id")
    return sent.values_list("at", flat=True).first()


def _request(job: Job, push: Push, *, routing: bool) -> Request:
    return Request(
        push.method,
        job.url if job.exact_url else http_join(job.url, *push.path),
        body=None if push.body is None else json.dumps(push.body),
        sender=job.sender if routing else None,
        receiver=job.receiver if routing else None,
    )

"""Drain one partner's feed: read what changed, send what differs, note what arrived, move on.

The rows are read and written between the sends, never while one is under way: no transaction is
open while we wait for a partner. One object has one request in flight, so its states arrive in
order; different objects go in parallel over kept-alive connections. A worker that is killed loses
its lease and nothing else: what was noted is not sent again, what was not is sent once more.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urljoin

import orjson
from django.db.models import QuerySet

from cpo_platform.common import clock, http, json
from roaming import visibility
from roaming.client import (
    Credential,
    Party,
    Reply,
    Request,
    Verdict,
    endpoint_url,
    http_join,
    send,
)
from roaming.models import Change, Command, Delivery, Message, Partner, Role
from roaming.models.messages import Direction
from roaming.ocpi.documents import SOURCES, bodies
from roaming.ocpi.handshake import HandshakeFailed, introduce_new_parties
from roaming.ocpi.pushing import PLANS, Plan, Push, plan_removal
from roaming.ocpi.versions import VERSIONS, Version
from roaming.operations import feed

CONCURRENCY = 32
# Objects between two looks at the lease; at ten seconds a request it must fit into one.
CHUNK = 64
# An object that makes the partner fail this often is set aside, so that the others can go on.
MOST_ATTEMPTS = 5
RESULTS_ARE_STALE_AFTER = timedelta(minutes=10)
MAX_LOGGED_BODY = 8192

# A location names tariffs, a session names a location: what is named goes first.
ORDER = ("tariffs", "locations", "sessions", "cdrs", "commands")


@dataclass
class _Job:
    """One object on its way to one partner, and what came back."""

    module: str
    object_id: int
    delivery: Delivery
    plan: Plan
    url: str
    sender: Party | None
    receiver: Party | None
    whole: Plan | None = None
    exact_url: bool = False
    replies: list[Reply] = field(default_factory=list)
    verdict: Verdict | None = None
    reason: str = ""

    @property
    def appends(self) -> bool:
        """Whether sending this twice would leave the partner with something double."""
        return any(
            push.method == "POST"
            or (push.method == "PATCH" and "charging_periods" in (push.body or {}))
            for push in self.plan.pushes
        )


@dataclass(frozen=True)
class _Trouble:
    """Why the partner cannot be served now."""

    reason: str
    retry_after_seconds: float | None = None


def drain(feed_id: int) -> int:
    """Send a partner all that it has to learn of; return how many requests that took.

    Does nothing when another worker is at it, or the feed is backing off.
    """
    sent = 0
    more = True
    while more:
        more, requests = _drain_leased(feed_id)
        sent += requests
    return sent


def _drain_leased(feed_id: int) -> tuple[bool, int]:
    """Drain under one lease; tell whether more has come meanwhile, and the number of requests."""
    lease = feed.lease_feed(feed_id=feed_id, now=clock.now())
    if lease is None:
        return False, 0
    position = lease.position
    try:
        introduce_new_parties(partner=Partner.objects.get(pk=lease.partner_id), now=clock.now())
    except HandshakeFailed as error:
        feed.back_off(lease=lease, error=str(error), now=clock.now())
        return False, 0
    partner = Partner.objects.prefetch_related("roles", "endpoints").get(pk=lease.partner_id)
    requests = 0
    with _Sender(partner) as sender:
        while batch := _next_batch(lease, position):
            trouble = _send_batch(sender, lease, batch.changes)
            requests += sender.take_count()
            now = clock.now()
            if trouble is not None:
                feed.back_off(
                    lease=lease,
                    error=trouble.reason,
                    now=now,
                    retry_after_seconds=trouble.retry_after_seconds,
                )
                return False, requests
            if not feed.move_on(lease=lease, position=batch.position, now=now):
                return False, requests
            position = batch.position
    feed.release_lease(lease=lease)
    # A change that was committed after the last look found the feed leased: look once more.
    return _next_batch(lease, position, limit=1) is not None, requests


def _next_batch(lease: feed.Lease, position: int, *, limit: int = feed.BATCH) -> feed.Batch | None:
    batch = feed.read_batch(lease=lease, position=position, limit=limit)
    if batch is None and feed.sequence_changes():
        batch = feed.read_batch(lease=lease, position=position, limit=limit)
    return batch


class _Sender:
    """Connections to one partner, kept over all batches of a drain."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.version: Version = VERSIONS[partner.version]
        self.credential = Credential.of(partner)
        self._runner = asyncio.Runner()
        self._client = http.Client(connections=CONCURRENCY)
        self._count = 0

    def __enter__(self) -> "_Sender":
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.run(self._client.__aexit__(None, None, None))
        self._runner.close()

    def take_count(self) -> int:
        count, self._count = self._count, 0
        return count

    def send_all(self, jobs: Sequence[_Job]) -> None:
        """Send every job, until one of them meets trouble; those not begun have no verdict then."""
        self._runner.run(self._send_all(jobs))
        self._count += sum(len(job.replies) for job in jobs)

    async def _send_all(self, jobs: Sequence[_Job]) -> None:
        limit = asyncio.Semaphore(CONCURRENCY)
        trouble = asyncio.Event()

        async def run(job: _Job) -> None:
            async with limit:
                if trouble.is_set():
                    return
                await self._send(job)
                if job.verdict is Verdict.TROUBLE:
                    trouble.set()

        await asyncio.gather(*(run(job) for job in jobs))

    async def _send(self, job: _Job) -> None:
        verdict, reason = await self._send_plan(job, job.plan)
        if verdict is Verdict.UNKNOWN_OBJECT and job.whole is not None:
            # It lost the object, or never had it: the whole of it puts that right.
            verdict, reason = await self._send_plan(job, job.whole)
        if verdict is Verdict.UNKNOWN_OBJECT:
            verdict = Verdict.REFUSED
        job.verdict, job.reason = verdict, reason

    async def _send_plan(self, job: _Job, plan: Plan) -> tuple[Verdict, str]:
        for push in plan.pushes:
            reply = await send(self._client, _request(job, push), self.credential)
            job.replies.append(reply)
            verdict = reply.verdict
            if push.method == "DELETE" and verdict is Verdict.UNKNOWN_OBJECT:
                verdict = Verdict.DONE
            if verdict is not Verdict.DONE:
                return verdict, reply.reason
        return Verdict.DONE, ""


def _request(job: _Job, push: Push) -> Request:
    return Request(
        push.method,
        job.url if job.exact_url else http_join(job.url, *push.path),
        body=None if push.body is None else json.dumps(push.body),
        sender=job.sender,
        receiver=job.receiver,
    )


def _send_batch(sender: _Sender, lease: feed.Lease, changes: Sequence[Change]) -> _Trouble | None:
    newest = {(change.module, change.object_id) for change in changes}
    for module in ORDER:
        object_ids = sorted(object_id for name, object_id in newest if name == module)
        for chunk in _chunks(object_ids):
            if not feed.renew_lease(lease=lease, now=clock.now()):
                return _Trouble("another worker took over")
            jobs = list(_jobs(sender, module, chunk))
            _mark_uncertain(jobs)
            sender.send_all(jobs)
            trouble = _note(sender.partner, jobs, clock.now())
            if trouble is not None:
                return trouble
    return None


def _chunks(object_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(object_ids), CHUNK):
        yield object_ids[start : start + CHUNK]


def _jobs(sender: _Sender, module: str, object_ids: Sequence[int]) -> Iterator[_Job]:
    deliveries = {
        delivery.object_id: delivery
        for delivery in Delivery.objects.filter(
            partner=sender.partner, module=module, object_id__in=object_ids
        )
    }
    for object_id in object_ids:
        deliveries.setdefault(
            object_id, Delivery(partner=sender.partner, module=module, object_id=object_id)
        )
    if module == "commands":
        yield from _command_jobs(sender, deliveries)
        return
    url = endpoint_url(sender.partner, module, "RECEIVER")
    if url is None:
        # The partner does not want to be told; it pulls.
        return
    yield from _object_jobs(sender, module, url, deliveries)


def _object_jobs(
    sender: _Sender, module: str, url: str, deliveries: dict[int, Delivery]
) -> Iterator[_Job]:
    wanted = _visible(sender.partner, module).filter(pk__in=list(deliveries))
    moments = dict(wanted.values_list("id", "last_updated"))
    if module == "locations":
        moments |= _withdrawn_locations(deliveries, moments)
    documents = bodies(moments.items(), module=module, version=sender.version)
    plan_for = PLANS[module]
    for object_id, delivery in deliveries.items():
        text = documents.get(object_id)
        if text is None:
            plan = plan_removal(delivery.sent) if module == "tariffs" else Plan((), delivery.sent)
            document, whole = {}, None
        else:
            document = orjson.loads(text)
            plan = plan_for(document, delivery.sent)
            whole = None if module == "cdrs" else plan_for(document, {}, whole=True)
        if not plan.pushes:
            continue
        yield _Job(
            module=module,
            object_id=object_id,
            delivery=delivery,
            plan=plan,
            whole=whole,
            url=url,
            sender=_owner(document),
            receiver=_receiver(sender.partner, document),
            exact_url=module == "cdrs",
        )


def _visible(partner: Partner, module: str) -> QuerySet[Any]:
    doors: dict[str, Any] = {
        "locations": visibility.locations_for,
        "tariffs": visibility.tariffs_for,
        "sessions": visibility.sessions_for,
        "cdrs": visibility.cdrs_for,
    }
    return cast("QuerySet[Any]", doors[module](partner))


def _withdrawn_locations(
    deliveries: dict[int, Delivery], visible: dict[int, datetime]
) -> dict[int, datetime]:
    """Return the locations that the partner has and may no longer see: it must learn of that.

    They are sent once more, with `publish` false; a location cannot be deleted in OCPI.
    """
    held = [
        object_id
        for object_id, delivery in deliveries.items()
        if object_id not in visible and delivery.sent.get("digest")
    ]
    rows = SOURCES["locations"].rows().filter(pk__in=held, publish=False)
    return dict(rows.values_list("id", "last_updated"))


def _owner(document: dict[str, Any]) -> Party | None:
    if "country_code" not in document:
        return None
    return Party(document["country_code"], document["party_id"])


def _receiver(partner: Partner, document: dict[str, Any]) -> Party | None:
    token = document.get("cdr_token")
    if token:
        return Party(token["country_code"], token["party_id"])
    roles = sorted(partner.roles.all(), key=lambda role: (role.role != Role.EMSP, role.pk))
    return Party(roles[0].country_code, roles[0].party_id) if roles else None


def _command_jobs(sender: _Sender, deliveries: dict[int, Delivery]) -> Iterator[_Job]:
    commands = Command.objects.filter(
        partner=sender.partner, pk__in=list(deliveries)
    ).select_related("location")
    for command in commands:
        delivery = deliveries[command.pk]
        if delivery.sent.get("delivered"):
            continue
        if command.finished_at and clock.now() - command.finished_at > RESULTS_ARE_STALE_AFTER:
            # The eMSP gave up long ago: OCPI's timeout for the command has passed.
            continue
        body = sender.version.shapes.command_result(command.result, command.message)
        location = command.location
        yield _Job(
            module="commands",
            object_id=command.pk,
            delivery=delivery,
            plan=Plan((Push("POST", (), body),), {"delivered": True}),
            url=command.response_url,
            sender=Party(location.country_code, location.party_id) if location else None,
            receiver=_receiver(sender.partner, {"cdr_token": command.token}),
            exact_url=True,
        )


def _mark_uncertain(jobs: Iterable[_Job]) -> None:
    """Note, before sending, what must not be sent again as it is if we never learn the outcome."""
    appending = [job for job in jobs if job.appends]
    for job in appending:
        job.delivery.sent = job.delivery.sent | {"uncertain": True}
    _store([job.delivery for job in appending])


def _store(deliveries: Sequence[Delivery]) -> None:
    Delivery.objects.bulk_create(
        deliveries,
        update_conflicts=True,
        unique_fields=["partner", "module", "object_id"],
        update_fields=["sent", "url", "delivered_at", "attempts", "error", "refused_at"],
    )


def _note(partner: Partner, jobs: Sequence[_Job], now: datetime) -> _Trouble | None:
    """Store what became of the jobs; return why to stop, if there is a reason."""
    trouble = None
    for job in jobs:
        if job.verdict is None:
            continue
        if job.verdict is Verdict.DONE:
            _note_done(job, now)
        elif job.verdict is Verdict.REFUSED:
            _note_refused(job, now)
        else:
            trouble = _note_trouble(job, now) or trouble
    _store([job.delivery for job in jobs if job.verdict is not None])
    Message.objects.bulk_create(
        _message(partner, job, reply, now) for job in jobs for reply in job.replies
    )
    return trouble


def _note_done(job: _Job, now: datetime) -> None:
    delivery = job.delivery
    delivery.sent = job.plan.sent
    delivery.delivered_at = now
    delivery.refused_at = None
    delivery.attempts = 0
    delivery.error = ""
    location = job.replies[-1].headers.get("Location", "") if job.replies else ""
    if job.module == "cdrs":
        delivery.url = _absolute(job.replies[-1].request.url, location)
        if not location:
            delivery.error = "The partner did not say where it keeps the CDR (no Location header)."


def _note_refused(job: _Job, now: datetime) -> None:
    delivery = job.delivery
    if job.module == "cdrs" and delivery.attempts:
        # An earlier answer was lost; the partner says that it has the CDR already.
        delivery.sent = job.plan.sent
        delivery.delivered_at = now
        delivery.error = f"Accepted as delivered after a lost answer: {job.reason}"
        return
    delivery.refused_at = now
    delivery.error = job.reason


def _note_trouble(job: _Job, now: datetime) -> _Trouble | None:
    """Count the attempt; an object that alone keeps failing is set aside instead of stopping."""
    delivery = job.delivery
    delivery.attempts += 1
    delivery.error = job.reason
    last = job.replies[-1]
    answered = last.http_status is not None and last.http_status not in {401, 429, 503}
    if answered and delivery.attempts >= MOST_ATTEMPTS:
        delivery.refused_at = now
        return None
    return _Trouble(job.reason, _retry_after(last))


def _retry_after(reply: Reply) -> float | None:
    value = reply.headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() else None


def _absolute(base: str, location: str) -> str:
    return urljoin(base, location)[:2000] if location else ""


def _message(partner: Partner, job: _Job, reply: Reply, now: datetime) -> Message:
    request = reply.request
    return Message(
        partner=partner,
        at=now,
        direction=Direction.OUT,
        method=request.method,
        url=request.url,
        module=job.module,
        object_id=job.object_id,
        http_status=reply.http_status,
        status_code=reply.status_code if (reply.status_code or 0) in range(10_000) else None,
        duration_ms=reply.duration_ms,
        error="" if reply.ok else reply.reason,
        request_id=request.request_id,
        request_body=_text(request.body),
        response_body=_text(reply.body),
    )


def _text(body: bytes | None) -> str:
    # PostgreSQL text holds no NUL.
    return (body or b"")[:MAX_LOGGED_BODY].decode(errors="replace").replace("\x00", "")

"""What became of what was sent: written down, so that it is neither lost nor sent twice."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.db import transaction

from cpo_platform.common import clock
from cpo_platform.common.text import storable
from roaming import failures, message_log
from roaming.client import Verdict
from roaming.draining.jobs import Job, deliveries_of
from roaming.models import Delivery, Partner
from roaming.operations import feed
from roaming.redaction import redact_text

# An object that fails this often, while others go through, is set aside.
MOST_ATTEMPTS = 5
LONGEST_PUT_OFF_SECONDS = 900


class LeaseLost(Exception):
    """Another worker has the feed: what it does is right, what we have just sent is uncertain."""


def mark_uncertain(jobs: Iterable[Job]) -> None:
    """Note, before sending, what must not be sent again as it is if we never learn the outcome."""
    marked = []
    for job in jobs:
        if job.delivery is not None and job.leaves_doubt:
            job.before = job.delivery.sent
            # Where a tariff is at the partner is where it is deleted, should it have to be.
            path = {"path": list(job.plan.pushes[0].path)} if job.module == "tariffs" else {}
            job.delivery.sent = job.before | path | {"uncertain": True}
            marked.append(job.delivery)
    _store(marked)


def note(partner: Partner, lease: feed.Lease, jobs: Sequence[Job]) -> None:
    """Store what became of the jobs.

    Raises:
        LeaseLost: another worker has the feed; what we sent is marked uncertain and announced
            again, so that it finds out what is true.

    """
    if all(job.verdict is Verdict.DONE and job.delivery is None for job in jobs):
        # Statuses that arrived: there is nothing to note, as long as we can move on past them.
        return
    now = clock.now()
    tried = [job for job in jobs if job.verdict is not None]
    with transaction.atomic():
        if feed.hold_lease(lease=lease):
            _find_deliveries(partner, [job for job in tried if job.verdict is not Verdict.DONE])
            _find_doubts(tried)
            for job in tried:
                if job.delivery is not None:
                    _NOTES[job.verdict or Verdict.TROUBLE](job, job.delivery, now)
            # What was not begun was marked with the rest, but nothing of it was sent.
            unbegun = [job for job in jobs if job.verdict is None and job.before is not None]
            for job in unbegun:
                _settle(job)
            _store([job.delivery for job in (*tried, *unbegun) if job.delivery is not None])
            return
        _leave_to_others(partner, tried, now)
    raise LeaseLost


def leave_to_others(partner: Partner, jobs: Sequence[Job]) -> None:
    """Mark what we sent as uncertain and announce it again: our lease was another's by then."""
    with transaction.atomic():
        _leave_to_others(partner, jobs, clock.now())


def _leave_to_others(partner: Partner, jobs: Sequence[Job], now: datetime) -> None:
    """Mark what we sent as uncertain and announce it again; what is sure stays sure."""
    _find_deliveries(partner, jobs)
    booked = [job for job in jobs if job.module == "cdrs"]
    known = deliveries_of(partner, "cdrs", [job.object_id for job in booked]) if booked else {}
    stored = []
    for job in jobs:
        if job.module == "cdrs" and known[job.object_id].sent.get("delivered"):
            continue
        if job.delivery is not None:
            stored.append(job.delivery)
            if job.module == "cdrs" and job.verdict is Verdict.DONE:
                _note_done(job, job.delivery, now)
                continue
            job.delivery.sent = job.delivery.sent | {"uncertain": True}
        feed.announce(module=job.module, object_id=job.object_id, partner_id=partner.pk)
    _store(stored)


def put_off(lease: feed.Lease, jobs: Sequence[Job]) -> None:
    """Have what failed sent again a little later, or set it aside when it fails too often.

    Raises:
        LeaseLost: another worker has the feed, and what failed is in it.

    """
    now = clock.now()
    with transaction.atomic():
        if not feed.hold_lease(lease=lease):
            raise LeaseLost
        deliveries = {id(job.delivery): job.delivery for job in jobs if job.delivery is not None}
        waiting = {id(job.delivery) for job in jobs if not job.replies}
        # A CDR is sent until it is acknowledged; one that the partner gives no good answer about
        # when it is asked is for staff to ask about.
        patient = {id(job.delivery) for job in jobs if job.module == "cdrs" and not job.was_asked}
        for key, delivery in deliveries.items():
            delivery.attempts += key not in waiting
            if delivery.attempts >= MOST_ATTEMPTS and key not in patient:
                delivery.refused_at, delivery.due_at, delivery.attempts = now, None, 0
            else:
                seconds = min(2**delivery.attempts, LONGEST_PUT_OFF_SECONDS)
                delivery.due_at = now + timedelta(seconds=seconds)
        _store(list(deliveries.values()))


def log(partner: Partner, jobs: Iterable[Job]) -> None:
    """Keep what went over the wire."""
    if not message_log.keeps(failed=True):
        return
    now = clock.now()
    message_log.write_soon(
        [
            message_log.sent(
                reply,
                partner_id=partner.pk,
                at=now,
                module=job.module,
                version=partner.version,
                object_id=job.object_id,
            )
            for job in jobs
            for reply in job.replies
        ]
    )


def _find_deliveries(partner: Partner, jobs: Sequence[Job]) -> None:
    """Fetch what we know of objects of which there was nothing to note so far."""
    bare = [job for job in jobs if job.delivery is None]
    if bare:
        ids = sorted({job.object_id for job in bare})
        deliveries = deliveries_of(partner, bare[0].module, ids)
        for job in bare:
            job.delivery = deliveries[job.object_id]


def _find_doubts(jobs: Sequence[Job]) -> None:
    """See what staff has doubted while it was under way: then it is still to be sent whole."""
    sure = {
        job.delivery.pk: job
        for job in jobs
        if job.delivery is not None and job.before is None and not job.was_uncertain
    }
    doubted = Delivery.objects.filter(pk__in=list(sure), sent__uncertain=True) if sure else ()
    for delivery in doubted:
        sure[delivery.pk].is_doubted = True


def _store(deliveries: Sequence[Delivery]) -> None:
    # Several jobs of one object share what is noted of it.
    different = list({id(delivery): delivery for delivery in deliveries}.values())
    Delivery.objects.bulk_create(
        different,
        update_conflicts=True,
        unique_fields=["partner", "module", "object_id"],
        update_fields=[
            "sent",
            "url",
            "delivered_at",
            "due_at",
            "attempts",
            "error",
            "refused_at",
        ],
    )


def _note_done(job: Job, delivery: Delivery, _now: datetime) -> None:
    delivery.sent = job.plan.sent | ({"uncertain": True} if job.is_doubted else {})
    # As of then: what has changed since is not what it has.
    delivery.delivered_at = job.made_at
    delivery.refused_at = None
    delivery.due_at = None
    delivery.attempts = 0
    delivery.error = ""
    if job.module == "cdrs":
        _note_place(job, delivery)


def _note_place(job: Job, delivery: Delivery) -> None:
    """Keep where the partner has the CDR: as it said, or where we found it."""
    if job.found_at:
        delivery.url = job.found_at[:2000] if "?" not in job.found_at else ""
        delivery.error = str(failures.FOUND_THERE)
        return
    location = job.replies[-1].headers.get("Location", "") if job.replies else ""
    delivery.url = _absolute(job.replies[-1].request.url, location)
    if not location:
        delivery.error = str(failures.NO_PLACE)


def _note_refused(job: Job, delivery: Delivery, now: datetime) -> None:
    reason = job.reason
    if job.module == "cdrs" and job.was_uncertain:
        if job.is_known:
            delivery.sent = job.plan.sent
            delivery.delivered_at = now
            delivery.refused_at = None
            delivery.error = str(failures.NOT_COMPARED.filled(reason=job.reason))
            return
        reason = str(failures.MAY_HAVE_IT.filled(reason=job.reason))
    _settle(job)
    delivery.refused_at = now
    delivery.due_at = None
    delivery.error = redact_text(reason)


def _note_trouble(job: Job, delivery: Delivery, _now: datetime) -> None:
    delivery.error = redact_text(job.reason)
    if not job.replies or job.replies[-1].is_unauthorized or job.replies[-1].is_throttled:
        _settle(job)


def _settle(job: Job) -> None:
    """Take back our mark: the partner has said that it did not take this."""
    if job.before is not None and job.delivery is not None:
        job.delivery.sent = job.before


_NOTES: dict[Verdict, Callable[[Job, Delivery, datetime], None]] = {
    Verdict.DONE: _note_done,
    Verdict.REFUSED: _note_refused,
    Verdict.TROUBLE: _note_trouble,
}


def _absolute(base: str, location: str) -> str:
    if not location:
        return ""
    try:
        return storable(urljoin(base, location))[:2000]
    except ValueError:  # such as http://[half
        return ""

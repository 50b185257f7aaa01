"""What became of what was sent: written down, so that it is neither lost nor sent twice."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from urllib.parse import urljoin

from django.db import transaction

from cpo_platform.common import clock
from cpo_platform.common.text import storable
from roaming import message_log
from roaming.client import Verdict
from roaming.draining.jobs import Job
from roaming.models import Delivery, Partner
from roaming.operations import feed

# How partners say that a CDR is not new to them; OCPI has no code for it.
ALREADY_THERE = ("exist", "duplicate", "already", "known")


class LeaseLost(Exception):
    """Another worker has the feed: what it does is right, what we have just sent is uncertain."""


def mark_uncertain(jobs: Iterable[Job]) -> None:
    """Note, before sending, what must not be sent again as it is if we never learn the outcome."""
    appending = [job for job in jobs if job.appends]
    for job in appending:
        job.delivery.sent = job.delivery.sent | {"uncertain": True}
    store([job.delivery for job in appending])


def store(deliveries: Sequence[Delivery]) -> None:
    Delivery.objects.bulk_create(
        deliveries,
        update_conflicts=True,
        unique_fields=["partner", "module", "object_id"],
        update_fields=["sent", "url", "delivered_at", "attempts", "error", "refused_at"],
    )


def note(partner: Partner, lease: feed.Lease, jobs: Sequence[Job]) -> list[Job]:
    """Store what became of the jobs; return those that failed and are to be tried again.

    Raises:
        LeaseLost: another worker has the feed; what we sent is marked uncertain and announced
            again, so that it finds out what is true.

    """
    now = clock.now()
    tried = [job for job in jobs if job.verdict is not None]
    message_log.write(
        [
            message_log.sent(
                reply,
                partner_id=partner.pk,
                at=now,
                module=job.module,
                version=partner.version,
                object_id=job.object_id,
            )
            for job in tried
            for reply in job.replies
        ]
    )
    with transaction.atomic():
        if feed.hold_lease(lease=lease):
            for job in tried:
                _NOTES[job.verdict or Verdict.TROUBLE](job, now)
            # What was not begun was marked with the rest, but nothing of it was sent.
            unbegun = [job for job in jobs if job.verdict is None and job.appends]
            for job in unbegun:
                _settle(job)
            store([job.delivery for job in (*tried, *unbegun)])
            return [job for job in tried if job.verdict is Verdict.TROUBLE]
        for job in tried:
            job.delivery.sent = job.delivery.sent | {"uncertain": True}
            feed.announce(module=job.module, object_id=job.object_id, partner_id=partner.pk)
        store([job.delivery for job in tried])
    raise LeaseLost


def _note_done(job: Job, now: datetime) -> None:
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


def _note_refused(job: Job, now: datetime) -> None:
    delivery = job.delivery
    reason = job.reason
    if job.module == "cdrs" and job.was_uncertain:
        if any(word in job.reason.lower() for word in ALREADY_THERE):
            delivery.sent = job.plan.sent
            delivery.delivered_at = now
            delivery.refused_at = None
            delivery.error = f"Delivered, though the first answer was lost: {job.reason}"
            return
        reason = f"The first answer was lost, so the partner may have it. It says now: {job.reason}"
    _settle(job)
    delivery.refused_at = now
    delivery.error = reason


def _note_trouble(job: Job, _now: datetime) -> None:
    job.delivery.attempts += 1
    job.delivery.error = job.reason
    if job.replies[-1].http_status in {401, 403, 429}:
        _settle(job)


def _settle(job: Job) -> None:
    """Take back our mark: the partner has said that it did not take this."""
    if not job.was_uncertain:
        job.delivery.sent = {
            name: value for name, value in job.delivery.sent.items() if name != "uncertain"
        }


_NOTES: dict[Verdict, Callable[[Job, datetime], None]] = {
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

"""Drain one partner's feed: read what changed, send what differs, note what arrived, move on.

The rows are read and written between the sends, never while one is under way: no transaction is
open while we wait for a partner. One object has one request in flight, so its states arrive in
order; different objects go in parallel over kept-alive connections. A worker that is killed loses
its lease and nothing else: what was noted is not sent again, what was not is sent once more.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from cpo_platform.common import clock
from cpo_platform.common.text import storable
from roaming.client import Reply
from roaming.draining import profiles
from roaming.draining.jobs import Job, Target, deliveries_of, jobs_for, removals
from roaming.draining.notes import LeaseLost, mark_uncertain, note, store
from roaming.draining.sender import Sender
from roaming.models import Partner
from roaming.ocpi.handshake import HandshakeFailed, unknown_parties, update_registration
from roaming.operations import feed

logger = logging.getLogger(__name__)

# Objects between two notes of what arrived.
CHUNK = 64
# An object that makes the partner fail this often, while others go through, is set aside.
MOST_ATTEMPTS = 5
# A handshake is at most some six requests of ten seconds.
HANDSHAKE_TIME = timedelta(seconds=90)

# The result of a request on a charging profile goes before the limits that it led to.
PROFILES = ("profileresults", "chargingprofiles")
# A location names tariffs, a session names a location: what is named goes first, and what is gone
# goes after what named it.
GONE_TARIFFS = "gone tariffs"
ORDER = ("tariffs", "locations", GONE_TARIFFS, "sessions", "cdrs", "commands", *PROFILES)


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
    try:
        return _drain(lease)
    except LeaseLost:
        return False, 0
    except Exception as error:
        # Whatever it is, the partner's page must say so: with the lease kept, the feed would
        # stand still without a word, and start again with the same error when it runs out.
        reason = f"internal error: {type(error).__name__}: {storable(str(error))}"
        feed.back_off(lease=lease, error=reason, now=clock.now())
        logger.exception("feed %s cannot be drained", feed_id)
        return False, 0


def _drain(lease: feed.Lease) -> tuple[bool, int]:
    position = lease.position
    _introduce_new_parties(lease)
    partner = Partner.objects.prefetch_related("roles", "endpoints").get(pk=lease.partner_id)
    untold = unknown_parties(partner)
    requests = 0
    with Sender(partner, lease) as sender:
        while batch := _next_batch(lease, position):
            # Anew for every batch: a tariff may have become valid, a party may be back.
            target = Target.of(partner, untold=untold, now=clock.now())
            trouble = _send_batch(target, sender, lease, batch)
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


def _introduce_new_parties(lease: feed.Lease) -> None:
    """Tell the partner of parties of ours that it does not know; their objects wait for that."""
    partner = Partner.objects.get(pk=lease.partner_id)
    now = clock.now()
    if not unknown_parties(partner) or not feed.may_introduce(lease=lease, now=now):
        return
    feed.renew_lease(lease=lease, now=now, at_least=HANDSHAKE_TIME)
    try:
        update_registration(partner_id=partner.pk, now=now)
    except HandshakeFailed as error:
        feed.note_error(lease=lease, error=str(error), now=now)


def _next_batch(lease: feed.Lease, position: int, *, limit: int = feed.BATCH) -> feed.Batch | None:
    batch = feed.read_batch(lease=lease, position=position, limit=limit)
    if batch is None and feed.sequence_changes():
        batch = feed.read_batch(lease=lease, position=position, limit=limit)
    return batch


def _send_batch(
    target: Target, sender: Sender, lease: feed.Lease, batch: feed.Batch
) -> _Trouble | None:
    """Send what changed; return why the batch has to be gone through again, if it has."""
    newest = {(change.module, change.object_id) for change in batch.changes}
    failed: list[Job] = []
    for module in ORDER:
        name = "tariffs" if module == GONE_TARIFFS else module
        object_ids = sorted(object_id for changed, object_id in newest if changed == name)
        for chunk in _chunks(object_ids):
            if not feed.renew_lease(lease=lease, now=clock.now()):
                raise LeaseLost
            jobs = list(_jobs(target, module, chunk, batch.position))
            mark_uncertain(jobs)
            sender.send_all(jobs)
            failed += note(target.partner, lease, jobs)
            if sender.gives_up:
                return _trouble(failed)
    return _trouble(_not_set_aside(sender, lease, failed))


def _jobs(target: Target, module: str, object_ids: Sequence[int], position: int) -> Iterator[Job]:
    if module == GONE_TARIFFS:
        return removals(target, object_ids, position=position)
    if module not in profiles.JOBS:
        return jobs_for(target, module, object_ids)
    if module in target.dialect.push_off:
        return iter(())
    return profiles.JOBS[module](target, deliveries_of(target.partner, module, object_ids))


def _not_set_aside(sender: Sender, lease: feed.Lease, failed: Sequence[Job]) -> list[Job]:
    """Set aside what fails again and again while others go through; return the other failures."""
    hopeless = [job for job in failed if job.delivery.attempts >= MOST_ATTEMPTS]
    if not hopeless or not sender.went_through:
        return list(failed)
    for job in hopeless:
        job.delivery.refused_at = clock.now()
        job.delivery.attempts = 0
    with transaction.atomic():
        if not feed.hold_lease(lease=lease):
            raise LeaseLost
        store([job.delivery for job in hopeless])
    return [job for job in failed if job not in hopeless]


def _trouble(failed: Sequence[Job]) -> _Trouble | None:
    if not failed:
        return None
    worst = next((job for job in failed if not job.answered), failed[0])
    return _Trouble(worst.reason, _retry_after(worst.replies[-1]))


def _chunks(object_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(object_ids), CHUNK):
        yield object_ids[start : start + CHUNK]


def _retry_after(reply: Reply) -> float | None:
    value = reply.headers.get("Retry-After", "")
    return min(float(value), 3600.0) if value.isascii() and value.isdigit() else None

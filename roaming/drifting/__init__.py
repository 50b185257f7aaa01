"""The drift check: GET our objects from a partner, and compare them with what we would send.

Chunk by chunk (`roaming.operations.drift`): no transaction is open while we wait for a partner.
What is on its way is no drift, so an object that changed or was sent while we asked is left out.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cpo_platform.common import clock
from cpo_platform.common.text import storable
from roaming import failures, message_log
from roaming.drifting import asking
from roaming.drifting.asking import Answer, Answers, Said, chunk_size
from roaming.drifting.expecting import expectations, states_of
from roaming.locks import DRIFT, partner_lock
from roaming.models import Drift, DriftCheck, DriftKind, Feed, Partner
from roaming.ocpi.comparing import compare
from roaming.ocpi.handshake import unknown_parties
from roaming.ocpi.target import Target
from roaming.operations import drift
from roaming.operations.drift import Chunk

logger = logging.getLogger(__name__)

# How long a check keeps a worker before others have their turn, in seconds.
TURN = 20.0


def work_on(check_id: int, *, seconds: float | None = TURN) -> bool:
    """Work on a check for a while (None: to its end); tell whether to come back at once.

    Only one worker asks a partner at a time; one that finds it taken leaves it to the other.
    """
    end = None if seconds is None else time.monotonic() + seconds
    partner_id = DriftCheck.objects.filter(pk=check_id).values_list("partner", flat=True).first()
    if partner_id is None:
        return False
    with partner_lock(DRIFT, partner_id) as alone:
        more = alone
        while more and (end is None or time.monotonic() < end):
            more = _check_chunk(check_id)
    return more


def _check_chunk(check_id: int) -> bool:
    try:
        return check_chunk(check_id)
    except Exception as error:
        # Whatever it is, the check's page must say so: the beat would only try it again.
        logger.exception("drift check %s cannot go on", check_id)
        reason = str(failures.internal(error))
        _stop(check_id, reason)
        return False


def _stop(check_id: int, reason: str) -> None:
    try:
        drift.stop_check(check_id=check_id, reason=reason, now=clock.now())
    except (drift.CheckNotOpen, DriftCheck.DoesNotExist):
        logger.info("drift check %s was ended meanwhile", check_id)


def check_chunk(check_id: int) -> bool:
    """Ask for the next objects of a check, and note what was found; tell whether to go on."""
    now = clock.now()
    check = drift.take_up(check_id=check_id, now=now)
    if check is None:
        return False
    if not check.module:
        drift.finish_empty(check=check, now=now)
        return False
    partner = Partner.objects.prefetch_related("roles", "endpoints").get(pk=check.partner_id)
    target = Target.of(partner, untold=unknown_parties(partner), now=now)
    if target.dialect.requests_per_minute and _is_being_sent_to(partner, now):
        drift.postpone(check=check, now=now)
        return False
    size = chunk_size(target)
    found = drift.next_objects(check, partner, size=size, now=now)
    expected = expectations(target, check.module, [object_id for object_id, _place in found])
    asked = asking.ask(target, expected.wanted)
    _log(partner, check.module, asked.answers)
    if asked.trouble:
        _stop(check.pk, asked.trouble)
        return False
    chunk = Chunk(following=found[-1][1] if found else check.cursor)
    chunk.counts["skipped"] += expected.skipped
    _Judge(target, check, chunk).judge(asked)
    chunk.last = len(found) < size or _is_pointless(check, chunk)
    return drift.note_chunk(check=check, chunk=chunk, now=clock.now())


def _is_being_sent_to(partner: Partner, now: datetime) -> bool:
    return Feed.objects.filter(partner=partner, lease_until__gt=now).exists()


def _is_pointless(check: DriftCheck, chunk: Chunk) -> bool:
    """Tell whether a module has shown no copy at all, though many objects were asked for."""
    before = check.tallies.get(check.module, {})
    silent, read = (
        sum(before.get(name, 0) + chunk.counts[name] for name in names)
        for names in (("missing", "no_get"), ("read",))
    )
    return silent >= drift.ENOUGH and not read


class _Judge:
    """Make counts and findings of what a partner answered for one chunk."""

    def __init__(self, target: Target, check: DriftCheck, chunk: Chunk) -> None:
        self._target, self._check, self._chunk = target, check, chunk
        self._now = clock.now()

    def judge(self, asked: Answers) -> None:
        """Judge every answer; what moved while we asked is left out. Four queries at most."""
        found = [(answer, self._finding(answer)) for answer in asked.answers]
        doubtful = [drifted.object_id for _answer, drifted in found if drifted is not None]
        states = states_of(self._target, self._check.module, doubtful) if doubtful else {}
        for answer, drifted in found:
            if drifted is not None and states.get(drifted.object_id) != answer.expected.state:
                self._chunk.counts["skipped"] += 1
            else:
                self._count(answer, drifted)

    def _finding(self, answer: Answer) -> Drift | None:
        expected = answer.expected
        if answer.said is Said.ABSENT and expected.document is not None:
            return self._drift(expected.object_id, DriftKind.MISSING)
        if answer.said is not Said.COPY or answer.reply is None:
            return None
        copy = answer.reply.data
        if expected.document is None:
            if self._check.module == "locations" and not _is_offered(copy):
                return None
            return self._drift(expected.object_id, DriftKind.UNEXPECTED)
        compared = compare(expected.document, copy)
        self._chunk.extra |= set(compared.extra)
        if compared.equal:
            return None
        return self._drift(
            expected.object_id,
            DriftKind.DIFFERENT,
            differences=[difference.as_json() for difference in compared.differences],
            more=compared.more,
        )

    def _drift(self, object_id: int, kind: DriftKind, **fields: Any) -> Drift:
        return drift.new_drift(self._check, object_id=object_id, kind=kind, now=self._now, **fields)

    def _count(self, answer: Answer, drifted: Drift | None) -> None:
        counts, said = self._chunk.counts, answer.said
        reply = answer.reply
        counts["read"] += said is Said.COPY
        counts["no_get"] += said is Said.NO_GET
        counts["bare"] += said is Said.ABSENT and reply is not None and reply.status_code is None
        if drifted is not None:
            counts[drifted.kind.lower()] += 1
            self._chunk.drifts.append(drifted)
        elif said in {Said.COPY, Said.ABSENT}:
            counts["equal"] += 1
        else:
            counts["unreadable"] += 1
            self._chunk.reason = storable(
                answer.expected.problem if reply is None else reply.reason
            )


def _is_offered(copy: dict[str, Any]) -> bool:
    """Tell whether a partner shows a location: it is published, and an EVSE of it is in place."""
    evses = copy.get("evses")
    in_place = isinstance(evses, list) and any(
        isinstance(evse, dict) and evse.get("status") != "REMOVED" for evse in evses
    )
    return copy.get("publish") is not False and in_place


def _log(partner: Partner, module: str, answers: Iterable[Answer]) -> None:
    now = clock.now()
    message_log.write(
        [
            message_log.sent(
                one.reply,
                partner_id=partner.pk,
                at=now,
                module=module,
                version=partner.version,
                object_id=one.expected.object_id,
            )
            for one in answers
            if one.reply is not None
        ]
    )

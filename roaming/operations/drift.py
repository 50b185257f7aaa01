"""Drift checks: which objects are looked at, how far a check is, and what it found.

A chunk is asked for outside any transaction; its counts, its findings and the cursor are then saved
together in a short one. Whoever is killed in between has lost one chunk of questions, no more.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import CharField, Value
from django.db.models.functions import MD5, Cast, Concat

from roaming import wake
from roaming.models import (
    Drift,
    DriftCheck,
    DriftKind,
    DriftState,
    Partner,
    PartnerStatus,
)
from roaming.models.drift import OPEN_STATES
from roaming.operations import drift_objects
from roaming.operations.partners import NotRegistered

# Findings that are kept of one check; the others are counted.
MOST_KEPT = 1000
# Without progress for this long, its worker is gone.
STALLED_AFTER = timedelta(seconds=60)
# How long a check waits for a feed that is being drained, where the partner limits our requests.
POSTPONED = timedelta(seconds=20)
# Objects of a module that were asked for in vain: more of them would say no more.
ENOUGH = 32
NIGHT = timedelta(hours=4)
KEEP = timedelta(days=30)

# Why a module's answers say nothing; why nothing is asked at all, `drift_objects` says.
NO_GET = "no_get"
# Each object that was looked at is counted in one of these.
OUTCOMES = ("equal", "different", "missing", "unexpected", "skipped", "unreadable")

# The counts of one module: `total` objects, the OUTCOMES, and how they were answered: `read` copies
# were had, `bare` is a 404 without an OCPI answer, `no_get` an answer that is none to a GET. `note`
# is that, or why nothing was asked, `reason` why the last one was unreadable, `extra` names fields
# that only the partner has.
Tally = dict[str, Any]


class CheckNotOpen(ValueError):
    """The check has ended, or, to be resumed, has not."""


@dataclass
class Chunk:
    """What came of some objects of a module; `following` is the cursor behind the last of them."""

    following: str
    counts: Counter[str] = field(default_factory=Counter)
    drifts: list[Drift] = field(default_factory=list)
    extra: set[str] = field(default_factory=set)
    reason: str = ""
    # Nothing more is to be asked of this module.
    last: bool = False


def start_check(
    *,
    partner_id: int,
    now: datetime,
    sample: int | None,
    modules: Iterable[str] | None = None,
    started_by: str = "",
    seed: int | None = None,
    due_at: datetime | None = None,
) -> DriftCheck:
    """Start a check, or return the one that is under way; nothing is asked yet.

    `sample` objects of each module, None for all; `modules` None means all that can be asked about.
    One that waits for the night makes room for one that somebody wants now.

    Raises:
        NotRegistered: the partner is not registered.

    """
    with transaction.atomic():
        partner = Partner.objects.select_for_update().filter(pk=partner_id).first()
        if partner is None or partner.status != PartnerStatus.REGISTERED:
            raise NotRegistered(f"partner {partner_id} is not registered")
        if started_by:
            DriftCheck.objects.filter(
                partner=partner, state=DriftState.WAITING, started_by=""
            ).delete()
        under_way = DriftCheck.objects.filter(partner=partner, state__in=OPEN_STATES).first()
        if under_way is not None:
            return under_way
        check = _new_check(partner, sample=sample, modules=modules, now=now)
        check.started_by = started_by[:150]
        check.seed = random.getrandbits(31) if seed is None else seed
        check.due_at = due_at or now
        check.save()
        if due_at is None:
            wake.check_drift(check.pk)
    return check


def _new_check(
    partner: Partner, *, sample: int | None, modules: Iterable[str] | None, now: datetime
) -> DriftCheck:
    wanted = set(drift_objects.MODULES if modules is None else modules)
    can, cannot = drift_objects.askable(partner)
    chosen = [module for module in can if module in wanted]
    tallies: dict[str, Tally] = {
        module: {"total": 0, "note": note} for module, note in cannot.items() if module in wanted
    }
    for module, count in drift_objects.count_objects(partner, now=now, modules=chosen).items():
        tallies[module] = {"total": count if sample is None else min(count, sample)}
    return DriftCheck(
        partner=partner,
        sample=sample,
        modules=chosen,
        module=chosen[0] if chosen else "",
        tallies=tallies,
        created_at=now,
    )


def start_nightly(*, now: datetime) -> list[int]:
    """Have a sample of every registered partner's copies looked at in the next hours.

    They begin at random moments, so that neither we nor a partner of many is busy with all at once.
    """
    if not settings.DRIFT_SAMPLE:
        return []
    partner_ids = Partner.objects.filter(status=PartnerStatus.REGISTERED).values_list(
        "pk", flat=True
    )
    started = []
    for partner_id in partner_ids.order_by("pk"):
        later = random.uniform(0, NIGHT.total_seconds())  # noqa: S311  not for secrets
        due_at = now + timedelta(seconds=later)
        try:
            check = start_check(
                partner_id=partner_id, sample=settings.DRIFT_SAMPLE, now=now, due_at=due_at
            )
        except NotRegistered:
            continue
        started.append(check.pk)
    return started


def take_up(*, check_id: int, now: datetime) -> DriftCheck | None:
    """Return a check to go on with, marked as running; None: there is nothing to do.

    A check of a partner that is not registered any more is stopped.
    """
    with transaction.atomic():
        check = DriftCheck.objects.select_for_update(of=("self",)).select_related("partner")
        row = check.filter(pk=check_id, state__in=OPEN_STATES).first()
        if row is None:
            return None
        if row.partner.status != PartnerStatus.REGISTERED:
            _end(row, DriftState.STOPPED, now, reason="not_registered")
            return None
        row.state = DriftState.RUNNING
        row.started_at = row.started_at or now
        row.due_at = now + STALLED_AFTER
        row.save()
    return row


def next_objects(
    check: DriftCheck, partner: Partner, *, size: int, now: datetime
) -> list[tuple[int, str]]:
    """Return the next objects of the check's module, each with the cursor behind it. One query.

    A sample is what comes first in an order that the seed makes: what is created or goes meanwhile
    moves nothing else.
    """
    rows = drift_objects.population(partner, check.module, now=now)
    if check.sample is None:
        after = int(check.cursor or 0)
        ids = rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size]
        return [(object_id, str(object_id)) for object_id in ids]
    left = check.sample - _done(check.tallies.get(check.module, {}))
    place = MD5(Concat(Value(f"{check.seed}:"), Cast("pk", CharField())))
    chosen = rows.annotate(place=place).filter(place__gt=check.cursor).order_by("place", "pk")
    return list(chosen.values_list("pk", "place")[: max(min(size, left), 0)])


def _done(tally: Mapping[str, Any]) -> int:
    return sum(tally.get(name, 0) for name in OUTCOMES)


def note_chunk(*, check: DriftCheck, chunk: Chunk, now: datetime) -> bool:
    """Save what came of a chunk, and move on; tell whether there is more to do.

    `check` is as it was when the chunk was read. What a second worker did is thrown away.
    """
    with transaction.atomic():
        row = DriftCheck.objects.select_for_update().filter(pk=check.pk).first()
        if row is None or row.state != DriftState.RUNNING:
            return False
        if (row.module, row.cursor) != (check.module, check.cursor):
            return True
        tally = row.tallies.setdefault(row.module, {})
        _add(tally, chunk)
        kept = row.drifts.count() if chunk.drifts else 0
        Drift.objects.bulk_create(chunk.drifts[: max(MOST_KEPT - kept, 0)])
        row.cursor, row.due_at = chunk.following, now + STALLED_AFTER
        if chunk.last:
            _next_module(row, tally, now)
        row.save()
    return row.state == DriftState.RUNNING


def _add(tally: Tally, chunk: Chunk) -> None:
    for name, count in chunk.counts.items():
        tally[name] = tally.get(name, 0) + count
    if chunk.extra:
        tally["extra"] = sorted({*tally.get("extra", []), *chunk.extra})[:20]
    if chunk.reason:
        tally["reason"] = chunk.reason[:300]


def _next_module(row: DriftCheck, tally: Tally, now: datetime) -> None:
    if _says_nothing(tally):
        # Asked enough: what is left would say no more.
        left = max(tally.get("total", 0) - _done(tally), 0)
        tally["unreadable"] = tally.get("unreadable", 0) + left
    # Objects come and go meanwhile.
    tally["total"] = _done(tally)
    following = row.modules[row.modules.index(row.module) + 1 :]
    row.module, row.cursor = (following[0] if following else ""), ""
    if not following:
        _conclude(row)
        _end(row, DriftState.DONE, now)


def _says_nothing(tally: Mapping[str, Any]) -> bool:
    return not tally.get("read") and bool(tally.get("missing") or tally.get("no_get"))


def _conclude(row: DriftCheck) -> None:
    """Tell a partner that lost objects from one that answers no GET.

    "Not found" for all that was asked for is believed only where it is an OCPI answer, and a copy
    of another module could be read.
    """
    answers = any(tally.get("read") for tally in row.tallies.values())
    for module, tally in row.tallies.items():
        if not _says_nothing(tally):
            continue
        if answers and not tally.get("bare") and not tally.get("no_get"):
            continue
        tally["unreadable"] = _done(tally) - tally.get("skipped", 0)
        tally |= {"equal": 0, "missing": 0, "note": NO_GET}
        row.drifts.filter(module=module).delete()


def _end(row: DriftCheck, state: DriftState, now: datetime, *, reason: str = "") -> None:
    row.state, row.reason, row.finished_at = state, reason[:1000], now
    row.save()


def finish_empty(*, check: DriftCheck, now: datetime) -> None:
    """End a check that has nothing to ask."""
    with transaction.atomic():
        row = DriftCheck.objects.select_for_update().filter(pk=check.pk).first()
        if row is not None and row.state == DriftState.RUNNING:
            _end(row, DriftState.DONE, now)


def postpone(*, check: DriftCheck, now: datetime) -> None:
    """Leave a check alone for a while: the feed goes first."""
    DriftCheck.objects.filter(pk=check.pk, state=DriftState.RUNNING).update(due_at=now + POSTPONED)


def stop_check(*, check_id: int, reason: str = "", now: datetime) -> DriftCheck:
    """Stop a check where it is; it can be resumed.

    Raises:
        CheckNotOpen: it has ended.
        DriftCheck.DoesNotExist: there is no such check.

    """
    with transaction.atomic():
        row = DriftCheck.objects.select_for_update().get(pk=check_id)
        if row.state not in OPEN_STATES:
            raise CheckNotOpen(f"check {check_id}: {row.state}")
        _end(row, DriftState.STOPPED, now, reason=reason)
    return row


def resume_check(*, check_id: int, now: datetime) -> DriftCheck:
    """Let a check that was stopped go on behind the last object in its counts.

    Raises:
        CheckNotOpen: it was not stopped, or another check of the partner is under way.
        Partner.DoesNotExist: there is no such check.

    """
    with transaction.atomic():
        # The partner first, as where one is started: two at once must not wait for each other.
        Partner.objects.select_for_update().get(drift_checks=check_id)
        row = DriftCheck.objects.select_for_update().get(pk=check_id)
        others = DriftCheck.objects.filter(partner=row.partner_id, state__in=OPEN_STATES)
        if row.state != DriftState.STOPPED or others.exists():
            raise CheckNotOpen(f"check {check_id}: {row.state}")
        row.state, row.reason, row.finished_at, row.due_at = DriftState.RUNNING, "", None, now
        row.save()
        wake.check_drift(row.pk)
    return row


def due_checks(*, now: datetime) -> list[int]:
    """Return the checks that are to begin, or whose worker is gone."""
    rows = DriftCheck.objects.filter(state__in=OPEN_STATES, due_at__lte=now).order_by("due_at")
    return list(rows.values_list("pk", flat=True))


def forget_old_checks(*, now: datetime) -> int:
    """Delete checks that ended long ago, with what they found; return how many."""
    old = DriftCheck.objects.filter(created_at__lt=now - KEEP).exclude(state__in=OPEN_STATES)
    ids = list(old.values_list("pk", flat=True))
    old.filter(pk__in=ids).delete()
    return len(ids)


def new_drift(
    check: DriftCheck,
    *,
    object_id: int,
    kind: DriftKind,
    now: datetime,
    differences: Sequence[dict[str, Any]] = (),
    more: int = 0,
) -> Drift:
    """Return a finding of a chunk, to be saved by `note_chunk`."""
    return Drift(
        check_run=check,
        module=check.module,
        object_id=object_id,
        kind=kind,
        differences=list(differences),
        more=more,
        found_at=now,
    )

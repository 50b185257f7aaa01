"""What is written of jobs and their rows. The objects themselves are written by their operations.

A row's outcome is written in the transaction that changes its object: whoever is killed in between
has done neither, and no row is done twice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count

from cpo_platform.bulk.models import (
    DID,
    WORKING,
    Job,
    JobKind,
    JobRow,
    JobState,
    RowOutcome,
)
from cpo_platform.common.text import storable

# Without progress for this long, its worker is gone.
STALLED_AFTER = timedelta(seconds=60)
MOST_OBJECTS = 20_000
_AT_ONCE = 1000


class WrongState(ValueError):
    """The job is not where this could be done: somebody was faster."""


@dataclass(frozen=True)
class Person:
    """Who has a job done; its rows are written as if this person wrote each."""

    user_id: int
    name: str
    language: str = "en"


@dataclass(frozen=True)
class NewRow:
    """A row of a job that is not checked yet, or is refused already."""

    number: int
    name: str = ""
    object_id: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    seen: str = ""
    source_id: int | None = None
    reasons: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Found:
    """What a check found out of a row: the form's data where it differs, before and after."""

    outcome: RowOutcome
    name: str
    object_id: int | None = None
    before: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)
    seen: str = ""
    reasons: Sequence[tuple[str, str]] = ()


def start_change(*, label: str, targets: Sequence[int], person: Person, now: datetime) -> Job:
    """Keep which objects are to be changed; what is to be changed is said later (`describe`).

    Raises:
        ValueError: these are none, or more than a job may have.

    """
    if not 0 < len(targets) <= MOST_OBJECTS:
        raise ValueError(f"targets: {len(targets)} of 1 to {MOST_OBJECTS}")
    job = _new(JobKind.CHANGE, label, person, now)
    # Each once: two lanes may work on a job, and must not meet at an object.
    job.state, job.targets = JobState.DRAFT, list(dict.fromkeys(targets))
    job.save()
    return job


def describe(*, job_id: int, values: dict[str, Any], now: datetime) -> Job:
    """Say what is to be changed, and have it checked.

    Raises:
        WrongState: it was said already.

    """
    with transaction.atomic():
        job = _locked(job_id, JobState.DRAFT)
        job.values, job.state, job.moved_at = values, JobState.CHECKING, now
        job.save()
    return job


def start_import(
    *,
    label: str,
    file_name: str,
    file: bytes,
    columns: Sequence[str],
    person: Person,
    now: datetime,
) -> Job:
    """Keep a file that was uploaded, and have it checked. `columns` are those of its first row."""
    job = _new(JobKind.IMPORT, label, person, now)
    job.file_name, job.file = storable(file_name)[:255], file
    job.columns = list(columns)
    job.save()
    return job


def start_undo(*, job_id: int, person: Person, now: datetime) -> Job:
    """Make a job that puts back what another one changed, and have it checked.

    Raises:
        WrongState: it is still being applied, or there is nothing to put back.

    """
    with transaction.atomic():
        undone = _locked(job_id, JobState.DONE, JobState.STOPPED)
        if not undone.did:
            raise WrongState(f"job {job_id}: nothing to put back")
        job = _new(JobKind.UNDO, undone.label, person, now)
        job.undoes = undone
        job.save()
    return job


def _new(kind: JobKind, label: str, person: Person, now: datetime) -> Job:
    return Job(
        kind=kind,
        label=label,
        started_by_id=person.user_id,
        started_by_name=person.name[:150],
        language=person.language,
        started_at=now,
        moved_at=now,
    )


def prepare(*, job_id: int, rows: Iterable[NewRow], now: datetime) -> None:
    """Give a job its rows, once; what they were made of is not needed any more."""
    with transaction.atomic():
        job = _locked(job_id)
        if job.prepared:
            return
        found = JobRow.objects.bulk_create(
            (
                JobRow(
                    job=job,
                    number=row.number,
                    name=row.name[:255],
                    object_id=row.object_id,
                    values=row.values,
                    seen=row.seen,
                    source_id=row.source_id,
                    outcome=RowOutcome.REFUSED if row.reasons else RowOutcome.PENDING,
                    reasons=list(row.reasons),
                )
                for row in rows
            ),
            batch_size=_AT_ONCE,
        )
        job.prepared, job.total = True, len(found)
        job.targets, job.file, job.moved_at = [], None, now
        _count(job)
        job.save()


def fail(*, job_id: int, error: str, now: datetime) -> None:
    """End a job that cannot be done at all, such as one with a file that cannot be read."""
    with transaction.atomic():
        job = _locked(job_id)
        job.state, job.error, job.finished_at = JobState.FAILED, storable(error)[:2000], now
        job.file = None
        job.save()


def note_checked(*, found: Mapping[int, Found]) -> None:
    """Write down what a check found of rows; one that was checked meanwhile stays as it is."""
    with transaction.atomic():
        for row_id, one in found.items():
            JobRow.objects.filter(pk=row_id, outcome=RowOutcome.PENDING).update(
                outcome=one.outcome,
                name=storable(one.name)[:255],
                object_id=one.object_id,
                before=one.before,
                after=one.after,
                seen=one.seen,
                reasons=list(one.reasons),
            )


def note_applied(*, row: JobRow, object_id: int, left: str) -> None:
    """Write down that an object was written, in the transaction that does it."""
    created = row.outcome == RowOutcome.WOULD_CREATE
    row.outcome = RowOutcome.CREATED if created else RowOutcome.CHANGED
    row.object_id, row.left = object_id, left
    row.save(update_fields=["outcome", "object_id", "left"])
    if row.source_id is not None:
        JobRow.objects.filter(pk=row.source_id).update(outcome=RowOutcome.UNDONE)


def note_refused(*, row: JobRow, reasons: Sequence[tuple[str, str]]) -> None:
    """Write down why an object was not written."""
    row.outcome, row.reasons = RowOutcome.REFUSED, list(reasons)
    row.save(update_fields=["outcome", "reasons"])


def begin_apply(*, job_id: int, now: datetime) -> Job:
    """Let a job change what its dry run showed.

    Raises:
        WrongState: it is not checked, or is applied already.

    """
    with transaction.atomic():
        job = _locked(job_id, JobState.READY)
        job.state, job.applied_at, job.moved_at = JobState.APPLYING, now, now
        job.save()
    return job


def stop(*, job_id: int, now: datetime) -> Job:
    """Stop a job where it is; it can go on.

    Raises:
        WrongState: it does nothing.

    """
    with transaction.atomic():
        job = _locked(job_id, *WORKING)
        job.state, job.finished_at = JobState.STOPPED, now
        job.save()
    return job


def go_on(*, job_id: int, now: datetime) -> Job:
    """Let a job that was stopped go on with what is left.

    Raises:
        WrongState: it is not stopped.

    """
    with transaction.atomic():
        job = _locked(job_id, JobState.STOPPED)
        job.state = JobState.CHECKING if job.applied_at is None else JobState.APPLYING
        job.finished_at, job.moved_at = None, now
        job.save()
    return job


def advance(*, job_id: int, now: datetime) -> Job:
    """Count the rows, and end the present work of a job where none is left.

    Raises:
        Job.DoesNotExist: it was deleted.

    """
    with transaction.atomic():
        job = _locked(job_id)
        _count(job)
        if job.state in WORKING:
            job.moved_at = now
            if job.prepared and not job.waiting:
                applied = job.state == JobState.APPLYING
                job.state = JobState.DONE if applied or not job.would else JobState.READY
                job.finished_at = now if job.state == JobState.DONE else None
        job.save(update_fields=["counts", "moved_at", "state", "finished_at"])
        if job.undoes_id is not None and job.state == JobState.DONE:
            _recount(job.undoes_id)
    return job


def _recount(job_id: int) -> None:
    other = Job.objects.select_for_update().filter(pk=job_id).first()
    if other is not None:
        _count(other)
        other.save(update_fields=["counts"])


def _count(job: Job) -> None:
    rows = job.rows.order_by().values_list("outcome").annotate(number=Count("pk"))
    job.counts = dict(Counter(dict(rows)))


def _locked(job_id: int, *states: JobState) -> Job:
    job = Job.objects.select_for_update().get(pk=job_id)
    if states and job.state not in states:
        raise WrongState(f"job {job_id}: {job.state}")
    return job


def rows_to_undo(job: Job) -> Iterable[NewRow]:
    """Return what an undo of a job has to do; who was created stays, with the reason."""
    rows = JobRow.objects.filter(job=job, outcome__in=DID).order_by("number")
    for row in rows.iterator(chunk_size=_AT_ONCE):
        added = [name for name in row.after if name not in row.before]
        yield NewRow(
            number=row.number,
            name=row.name,
            object_id=row.object_id,
            values={"data": row.before, "added": added},
            seen=row.left,
            source_id=row.pk,
            reasons=[("", "created")] if row.outcome == RowOutcome.CREATED else (),
        )


def stalled(*, now: datetime) -> list[int]:
    """Return the jobs that should be moving and have not for a while."""
    rows = Job.objects.filter(state__in=WORKING, moved_at__lt=now - STALLED_AFTER)
    return list(rows.order_by("moved_at").values_list("pk", flat=True)[:100])

"""Jobs that go: those that a person discards, and those that are old. What they wrote stays."""

from datetime import datetime, timedelta

from django.db import transaction

from cpo_platform.bulk.models import Job, JobRow, JobState
from cpo_platform.bulk.operations import WrongState

KEPT = timedelta(days=90)
DRAFTS_KEPT = timedelta(days=1)
_AT_ONCE = 1000


def discard(*, job_id: int) -> None:
    """Delete a job that changed nothing, with its rows.

    Raises:
        WrongState: it was applied, or is at work: then it is stopped first.
        Job.DoesNotExist: it was deleted.

    """
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job_id)
        if not job.is_discardable:
            raise WrongState(f"job {job_id}: {job.state}")
        _delete(job_id)


def forget(*, now: datetime) -> int:
    """Delete old jobs with their rows, and those that nobody described; return how many."""
    old = Job.objects.filter(started_at__lt=now - KEPT)
    drafts = Job.objects.filter(state=JobState.DRAFT, started_at__lt=now - DRAFTS_KEPT)
    keys = list((old | drafts).values_list("pk", flat=True)[:_AT_ONCE])
    for key in keys:
        with transaction.atomic():
            _delete(key)
    return len(keys)


def _delete(job_id: int) -> None:
    # Not by Django, which would read each of them first.
    rows = JobRow.objects.filter(job_id=job_id)
    JobRow.objects.filter(source__in=rows).update(source=None)
    rows._raw_delete(rows.db)  # noqa: SLF001
    Job.objects.filter(pk=job_id).delete()

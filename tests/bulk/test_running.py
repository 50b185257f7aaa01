"""Work that is interrupted, stopped, or done by two at once: each object is written once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cpo_platform.bulk import deleting, operations, running, tasks
from cpo_platform.bulk.lists import list_of
from cpo_platform.bulk.models import Job, JobRow, JobState
from cpo_platform.bulk.writing import Writer
from cpo_platform.common import clock
from locations.models import Evse
from roaming.models import Change
from tests.bulk.jobs import apply, change, outcomes, person, rows, run, value
from tests.factories import LocationFactory, evse

pytestmark = pytest.mark.django_db


def job_of(total: int, location_id: str = "L1", user: Any = None) -> Job:
    location = LocationFactory(
        id=location_id, evses=[evse(f"{location_id}-{number}") for number in range(total)]
    )
    keys = list(location.evses.order_by("pk").values_list("pk", flat=True))
    return change(user or person(), "locations.evse", keys, floor_level=value("1"))


class Killed(BaseException):
    """As if the process had ended: nothing catches it."""


def test_who_is_killed_in_the_middle_goes_on_and_does_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_of(5)
    announced = Change.objects.count()
    operations.begin_apply(job_id=job.pk, now=clock.now())
    noted: list[int] = []
    note = operations.note_applied

    def dies(**values: Any) -> None:
        # The object is written, and its row not yet: the worst moment.
        if len(noted) == 2:
            raise Killed
        noted.append(1)
        note(**values)

    monkeypatch.setattr(operations, "note_applied", dies)
    with pytest.raises(Killed):
        running.step(job_id=job.pk, clock=clock.now)
    assert outcomes(job) == ["CHANGED", "CHANGED", *["WOULD_CHANGE"] * 3]
    assert Evse.objects.filter(floor_level="1").count() == 2

    monkeypatch.setattr(operations, "note_applied", note)
    later = clock.now() + timedelta(minutes=2)
    assert operations.stalled(now=later) == [job.pk]
    job = run(job)
    assert (job.state, job.counts) == (JobState.DONE, {"CHANGED": 5})
    assert Change.objects.count() == announced + 5


def test_a_row_that_another_worker_has_done_is_left_alone() -> None:
    job = job_of(1)
    row = rows(job)[0]
    apply(job)
    announced = Change.objects.count()
    listed = list_of(job.label)
    assert listed is not None
    running._apply_row(Writer.of(job, listed), row.pk)
    assert Change.objects.count() == announced


def test_a_job_that_is_stopped_does_nothing_and_goes_on_when_told() -> None:
    job = job_of(4)
    operations.begin_apply(job_id=job.pk, now=clock.now())
    running.step(job_id=job.pk, clock=clock.now, size=1)
    operations.stop(job_id=job.pk, now=clock.now())
    assert not running.step(job_id=job.pk, clock=clock.now)
    assert outcomes(job).count("CHANGED") == 1
    operations.go_on(job_id=job.pk, now=clock.now())
    assert run(job).counts == {"CHANGED": 4}


def test_one_row_with_a_bug_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_of(2)
    first = rows(job)[0]
    write = Writer.apply

    def breaks(self: Writer, row: JobRow) -> Any:
        if row.pk == first.pk:
            raise ZeroDivisionError
        return write(self, row)

    monkeypatch.setattr(Writer, "apply", breaks)
    assert outcomes(apply(job)) == ["REFUSED", "CHANGED"]
    assert "cannot be applied" in caplog.text


def test_the_queries_of_a_batch_are_so_many_a_row_and_no_more() -> None:
    user = person()
    few, many = job_of(2, "L1", user), job_of(12, "L2", user)

    def queries(job: Job) -> int:
        operations.begin_apply(job_id=job.pk, now=clock.now())
        with CaptureQueriesContext(connection) as found:
            running.step(job_id=job.pk, clock=clock.now)
        return len(found)

    each = (queries(many) - queries(few)) / 10
    assert each <= 37


def test_old_jobs_go_with_their_rows_and_so_do_those_nobody_described() -> None:
    job = apply(job_of(2))
    user = person("other")
    draft = operations.start_change(
        label=job.label,
        targets=[1],
        person=operations.Person(user.pk, "other"),
        now=clock.now() - timedelta(days=2),
    )
    assert deleting.forget(now=clock.now()) == 1
    assert not Job.objects.filter(pk=draft.pk).exists()
    assert deleting.forget(now=clock.now() + timedelta(days=89)) == 0
    assert deleting.forget(now=clock.now() + timedelta(days=91)) == 1
    assert not JobRow.objects.exists()


def test_the_beat_wakes_what_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(1)
    operations.begin_apply(job_id=job.pk, now=clock.now() - timedelta(minutes=5))
    sent: list[int] = []
    monkeypatch.setattr(tasks.run, "delay", lambda *, job_id: sent.append(job_id))
    tasks.tend()
    assert sent == [job.pk]
    tasks.run(job_id=job.pk)
    assert Job.objects.get(pk=job.pk).state == JobState.DONE

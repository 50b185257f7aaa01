"""Lanes that work on one job side by side: each row is done once, and none is left."""

import time
from typing import Any

import pytest
from django.db import connection

from cpo_platform.bulk import claiming, operations, running, tasks
from cpo_platform.bulk.claiming import claimed
from cpo_platform.bulk.models import Job, JobRow, JobState, RowOutcome
from cpo_platform.bulk.writing import Writer
from cpo_platform.common import clock
from locations.models import Evse
from roaming.models import Change
from tests.bulk.jobs import apply, change, outcomes, person, value
from tests.concurrency import elsewhere
from tests.factories import LocationFactory, evse

STRIPE = 2


@pytest.fixture(autouse=True)
def _small_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "STRIPE", STRIPE)


def job_of(total: int) -> Job:
    location = LocationFactory(id="L1", evses=[evse(f"E{number}") for number in range(total)])
    keys = list(location.evses.order_by("pk").values_list("pk", flat=True))
    return change(person(), "locations.evse", keys, floor_level=value("1"))


def step(job: Job) -> bool:
    return running.step(job_id=job.pk, clock=clock.now)


@pytest.fixture
def in_the_middle(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Have something done elsewhere once: when the first row of a lane is about to be written."""
    to_do: list[Any] = []
    write = Writer.apply

    def waits(self: Writer, row: JobRow) -> Any:
        if to_do:
            elsewhere(to_do.pop())
        return write(self, row)

    monkeypatch.setattr(Writer, "apply", waits)
    return to_do


@pytest.mark.django_db(transaction=True)
def test_two_lanes_share_the_rows_and_the_end_is_noted_once(in_the_middle: list[Any]) -> None:
    job = job_of(5)
    announced = Change.objects.count()
    operations.begin_apply(job_id=job.pk, now=clock.now())
    seen: list[Any] = []

    def other_lane() -> None:
        # Our lane holds its stripe, and has written none of it yet.
        seen.append([step(job), step(job), step(job)])
        seen.append(outcomes(job))
        seen.append(Job.objects.get(pk=job.pk))

    in_the_middle.append(other_lane)
    assert not step(job)
    # It did the other two stripes, and then found nothing that nobody has.
    more, found, midway = seen
    assert more == [True, True, False]
    assert found == ["WOULD_CHANGE", "WOULD_CHANGE", "CHANGED", "CHANGED", "CHANGED"]
    assert (midway.state, midway.finished_at, midway.waiting) == (JobState.APPLYING, None, 2)
    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.counts) == (JobState.DONE, {"CHANGED": 5})
    assert Change.objects.count() == announced + 5
    ended = job.finished_at
    assert not step(job)
    assert Job.objects.get(pk=job.pk).finished_at == ended


@pytest.mark.django_db(transaction=True)
def test_rows_of_a_lane_that_is_killed_are_free_at_once() -> None:
    job = job_of(2)
    operations.begin_apply(job_id=job.pk, now=clock.now())

    def killed() -> None:
        # As a process that is gone: its connection is, and with it what it held.
        with claimed(job, [RowOutcome.WOULD_CHANGE]) as held:
            assert held is not None
            connection.close()
            connection.connect()

    elsewhere(killed)
    ends = time.monotonic() + 10
    # PostgreSQL notices in its own time.
    while step(job) or Job.objects.get(pk=job.pk).state != JobState.DONE:
        assert time.monotonic() < ends
    assert Job.objects.get(pk=job.pk).counts == {"CHANGED": 2}


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_stopped_stops_in_every_lane(in_the_middle: list[Any]) -> None:
    job = job_of(5)
    operations.begin_apply(job_id=job.pk, now=clock.now())
    seen: list[bool] = []

    def other_lane() -> None:
        operations.stop(job_id=job.pk, now=clock.now())
        seen.append(step(job))

    in_the_middle.append(other_lane)
    assert not step(job)
    assert seen == [False]
    assert outcomes(job).count("CHANGED") == STRIPE
    assert Job.objects.get(pk=job.pk).state == JobState.STOPPED


@pytest.mark.django_db(transaction=True)
def test_what_changes_between_reading_and_writing_is_seen(in_the_middle: list[Any]) -> None:
    job = job_of(2)
    operations.begin_apply(job_id=job.pk, now=clock.now())
    second = Evse.objects.get(uid="E1").pk

    def somebody() -> None:
        # All rows of the batch have been read by now.
        Evse.objects.filter(pk=second).update(last_updated=clock.now(), physical_reference="new")

    in_the_middle.append(somebody)
    step(job)
    assert outcomes(job) == ["CHANGED", "REFUSED"]
    assert Evse.objects.get(pk=second).floor_level == ""


@pytest.mark.django_db
def test_an_object_that_is_named_twice_is_one_row() -> None:
    location = LocationFactory(id="L1", evses=[evse("E0")])
    key = location.evses.get().pk
    job = apply(change(person(), "locations.evse", [key, key], floor_level=value("1")))
    assert outcomes(job) == ["CHANGED"]


@pytest.mark.django_db
def test_the_first_lane_starts_the_others_once(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.BULK_LANES = 3
    monkeypatch.setattr(tasks, "STRIPE", STRIPE)
    monkeypatch.setattr(tasks, "TURN", 0.0)
    job = job_of(7)
    operations.begin_apply(job_id=job.pk, now=clock.now())
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.run, "delay", lambda **values: sent.append(values))
    tasks.run(job_id=job.pk)
    assert [one["lane"] for one in sent] == [1, 2, 0]
    again = sent.pop()
    sent.clear()
    tasks.run(**again)
    assert [one["lane"] for one in sent] == [0]

"""Jobs, as their pages make them, and run to their end without a worker."""

import io
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from cpo_platform.bulk import operations, running
from cpo_platform.bulk.models import Job, JobRow
from cpo_platform.bulk.operations import Person
from cpo_platform.common import clock
from cpo_platform.staff import operations as staff

NAMES = {"csv": "file.csv", "xlsx": "file.xlsx"}


def person(name: str = "olga", *roles: str, **scope: Any) -> User:
    user = User.objects.create_user(name, is_staff=True)
    staff.set_roles(user_id=user.pk, roles=roles or ["operations"])
    if scope:
        staff.set_scope(user_id=user.pk, everything=False, **scope)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def run(job: Job, *, size: int = running.BATCH) -> Job:
    """Do all work that a job has now."""
    for _step in range(1000):
        if not running.step(job_id=job.pk, clock=clock.now, size=size):
            return Job.objects.get(pk=job.pk)
    raise AssertionError("it never ends")


def value(*texts: str, how: str = "set") -> dict[str, Any]:
    return {"data": list(texts), "how": how}


def change(user: User, label: str, targets: list[int], **values: Any) -> Job:
    """Make a job that changes these, and check it."""
    who = Person(user.pk, user.username)
    now = clock.now()
    job = operations.start_change(label=label, targets=targets, person=who, now=now)
    operations.describe(
        job_id=job.pk, values={k.replace("__", "."): v for k, v in values.items()}, now=now
    )
    return run(job)


def imported(user: User, label: str, text: str | bytes) -> Job:
    """Make a job of a file, and check it."""
    content = text.encode() if isinstance(text, str) else text
    heads = content.split(b"\n", 1)[0].decode(errors="replace").split(",")
    job = operations.start_import(
        label=label,
        file_name="file.csv",
        file=content,
        columns=[head.strip() for head in heads],
        person=Person(user.pk, user.username),
        now=clock.now(),
    )
    return run(job)


def apply(job: Job, *, size: int = running.BATCH) -> Job:
    operations.begin_apply(job_id=job.pk, now=clock.now())
    return run(job, size=size)


def undo(job: Job, user: User) -> Job:
    """Make the job that puts back what this one did, and check it."""
    who = Person(user.pk, user.username)
    return run(operations.start_undo(job_id=job.pk, person=who, now=clock.now()))


def outcomes(job: Job) -> list[str]:
    return [row.outcome for row in rows(job)]


def rows(job: Job) -> list[JobRow]:
    return list(JobRow.objects.filter(job=job).order_by("number"))


def reasons(job: Job) -> list[str]:
    return [f"{field}: {text}" for row in rows(job) for field, text in row.reasons]


def upload(client: Client, label: str, content: bytes, name: str = "file.csv") -> Any:
    file = io.BytesIO(content)
    file.name = name
    url = reverse(f"admin:{label.replace('.', '_')}_bulk_import")
    return client.post(url, {"file": file})

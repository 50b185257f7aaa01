"""Schedules of periodic tasks: kept in step with the code, changed by people, read by the beat."""

from datetime import time
from typing import Any

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from cpo_platform.upkeep import schedules
from cpo_platform.upkeep.models import Schedule


def keep_schedules() -> None:
    """Bring rows and code in step; what people have changed stays.

    What is new in the code is added, what is gone from it is removed, and a default that has
    changed holds where nobody has chosen another. What no code of ours knows is not sent for.
    """
    names = schedules.defaults().keys()
    with transaction.atomic():
        Schedule.objects.exclude(name__in=names).delete()
        there = set(Schedule.objects.values_list("name", flat=True))
        new = [Schedule(name=name) for name in names if name not in there]
        Schedule.objects.bulk_create(new, ignore_conflicts=True)
        PeriodicTask.objects.exclude(name__in=names).delete()
        for row in Schedule.objects.select_for_update().order_by("pk"):
            _hand_over(row)


def change_schedule(
    *, schedule_id: int, is_on: bool, seconds: int | None = None, at: time | None = None
) -> Schedule:
    """Set whether, and how often, a task is sent for; the beat follows within seconds.

    `seconds` and `at` (UTC): None, or what the code says, is the default. A task is sent for after
    so many seconds or daily, as in the code.

    Raises:
        ValueError: `seconds` is given for a daily task, or `at` for another.

    """
    with transaction.atomic():
        row = Schedule.objects.select_for_update().get(pk=schedule_id)
        default = row.default
        if (seconds and default.seconds is None) or (at and default.at is None):
            raise ValueError(f"{row.name} is sent for in another way")
        row.is_on = is_on
        row.seconds = None if seconds == default.seconds else seconds
        row.at = None if at == default.at else at
        row.save(update_fields=["is_on", "seconds", "at"])
        _hand_over(row)
    return row


def reset_schedule(*, schedule_id: int) -> Schedule:
    """Set everything of a task back to what the code says."""
    return change_schedule(schedule_id=schedule_id, is_on=True)


def _hand_over(row: Schedule) -> None:
    """Write down for the beat what a row says, where it says something new.

    Saving it has the beat read everything again: django-celery-beat notes when that was.
    """
    wanted = _wanted(row)
    task = PeriodicTask.objects.filter(name=row.name).first() or PeriodicTask(name=row.name)
    if task.pk is None or any(getattr(task, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(task, name, value)
        task.save()


def _wanted(row: Schedule) -> dict[str, Any]:
    interval = crontab = None
    default, every, at = row.default, row.every, row.daily_at
    if at is not None:
        crontab, _made = CrontabSchedule.objects.get_or_create(
            minute=str(at.minute),
            hour=str(at.hour),
            day_of_week="*",
            day_of_month="*",
            month_of_year="*",
            timezone="UTC",
        )
    else:
        interval, _made = IntervalSchedule.objects.get_or_create(
            every=every, period=IntervalSchedule.SECONDS
        )
    return {
        "task": default.task,
        "enabled": row.is_on,
        "interval_id": interval and interval.pk,
        "crontab_id": crontab and crontab.pk,
        # What waits for a worker until the next one comes is of no use any more.
        "expire_seconds": default.expires and every,
    }

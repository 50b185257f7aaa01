"""The Celery application: `celery -A cpo_platform worker`, `celery -A cpo_platform beat`."""

import os
from contextlib import ExitStack
from typing import Any

from celery import Celery
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_ready,
)

from cpo_platform.common import correlation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")

# The header of a task that names what it was sent for.
CAUSE = "cpo_cause"

# What logs and audit are told of each task that runs, until it ends.
_scopes: dict[str, ExitStack] = {}

app = Celery("cpo_platform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def leave_logging_as_it_is(**_kwargs: Any) -> None:
    """Log as the settings say in every process: with a receiver Celery configures nothing.

    Else its own level would stand in the place of `LOG_LEVEL`, and in tests, which start a worker
    beside themselves, hide every later warning.
    """


@worker_process_init.connect
@worker_ready.connect
def start_tracing(**_kwargs: Any) -> None:
    """Tell of traces and errors from processes that work: children that were forked, or threads."""
    from cpo_platform.upkeep import tracing

    tracing.start("worker")


@before_task_publish.connect
def pass_on_the_cause(headers: dict[str, Any] | None = None, **_kwargs: Any) -> None:
    """Let a task carry the id of what it is sent for."""
    if headers is not None and (cause := correlation.current()):
        headers[CAUSE] = cause


@task_prerun.connect
def begin(*, task_id: str, task: Any, **_kwargs: Any) -> None:
    """Begin a task with a connection that is good; say to logs and audit what it is.

    Its logs carry the id of what it was sent for; the beat's tasks have one of their own.
    """
    from cpo_platform.common import acting

    _look_at_connections()
    scope = _scopes[task_id] = ExitStack()
    cause = getattr(task.request, CAUSE, None) or f"task-{task_id}"
    scope.enter_context(correlation.caused_by(cause))
    scope.enter_context(acting.by("task", what=task.name, request_id=task_id))


@task_postrun.connect
def end(*, task_id: str, **_kwargs: Any) -> None:
    """End what `begin` began. Both run in the thread of the task."""
    scope = _scopes.pop(task_id, None)
    if scope is not None:
        scope.close()
    _look_at_connections()


def _look_at_connections() -> None:
    """Keep a thread's connection to the database for the next task, unless it is old or broken.

    Celery itself would close it after every task (see CELERY_DB_REUSE_MAX in the settings).
    """
    from django.db import close_old_connections

    close_old_connections()

"""How Celery's tasks fare: the last run of each, and who is there to run them.

The newest run of each task is kept in Redis as one small document; it is for people and monitoring,
and nothing depends on it.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from celery.signals import (
    after_task_publish,
    beat_init,
    heartbeat_sent,
    task_failure,
    task_postrun,
    task_prerun,
    worker_shutting_down,
)

from cpo_platform.common import figures
from cpo_platform.upkeep import families

KEY = "cpo:tasks"
WORKER, PUSH, BEAT = "worker", "push", "beat"
MOST_ERROR = 300
ALIVE_SECONDS = 10.0


@dataclass(frozen=True)
class TaskRun:
    """The newest run of a task: seconds, and what came of it (`done`, `failed`, `running`)."""

    task: str
    outcome: str
    started: float
    seconds: float = 0.0
    error: str = ""
    failed_at: float = 0.0

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(self.started, UTC)

    @property
    def last_failed_at(self) -> datetime | None:
        """When it last failed, as far as is remembered."""
        return datetime.fromtimestamp(self.failed_at, UTC) if self.failed_at else None


_running: dict[str, float] = {}
_errors: dict[str, str] = {}
_failed_at: dict[str, float] = {}
_is_beat = [False]
_said: dict[str, float] = {}


def last_runs() -> dict[str, TaskRun]:
    """Return the newest run of each task.

    Raises:
        redis.RedisError: Redis does not answer.

    """
    found: Mapping[bytes, bytes] = figures.connected().hgetall(KEY)  # type: ignore[assignment]
    return {name.decode(): TaskRun(**json.loads(text)) for name, text in found.items()}


@task_prerun.connect
def note_start(task_id: str = "", **_kwargs: Any) -> None:
    """Remember when a task began."""
    _running[task_id] = time.time()


@task_failure.connect
def note_failure(task_id: str = "", exception: BaseException | None = None, **_kw: Any) -> None:
    """Remember why a task failed."""
    _errors[task_id] = f"{type(exception).__name__}: {exception}"[:MOST_ERROR]


@task_postrun.connect
def note_end(task_id: str = "", task: Any = None, **_kwargs: Any) -> None:
    """Count a run, and keep it as the task's newest."""
    started = _running.pop(task_id, time.time())
    error = _errors.pop(task_id, "")
    seconds = time.time() - started
    outcome = "failed" if error else "done"
    if error:
        _failed_at[task.name] = started + seconds
    figures.count(families.TASKS, task.name, outcome)
    figures.observe(families.TASK_SECONDS, task.name, seconds=seconds)
    _keep(
        TaskRun(task.name, outcome, started, seconds, error, _failed_at.get(task.name, 0.0)),
    )


def _keep(run: TaskRun) -> None:
    try:
        figures.connected().hset(KEY, run.task, json.dumps(asdict(run)))
    except redis.RedisError as error:
        figures.logger.debug("the last run of %s is not kept: %s", run.task, error)


@heartbeat_sent.connect
def note_worker(sender: Any = None, **_kwargs: Any) -> None:
    """Say that a worker is there: its name begins with its kind (see the Procfile)."""
    name = str(sender.eventer.hostname)
    _say(_kind_of(name), name)


@worker_shutting_down.connect
def note_worker_gone(sender: Any = None, **_kwargs: Any) -> None:
    """Say that a worker ends."""
    name = str(sender)
    figures.flush()
    figures.say_gone(_kind_of(name), name)


def _kind_of(name: str) -> str:
    """Return which kind of worker has a name: `push@host`, `push2@host`."""
    return PUSH if name.partition("@")[0].rstrip("0123456789") == PUSH else WORKER


@beat_init.connect
def note_beat(**_kwargs: Any) -> None:
    """Know that this process is the beat."""
    _is_beat[0] = True


@after_task_publish.connect
def note_beat_sends(**_kwargs: Any) -> None:
    """Say that the beat is there, when it has sent something."""
    if _is_beat[0]:
        _say(BEAT, f"{BEAT}@{socket.gethostname()}-{os.getpid()}")


def _say(kind: str, name: str) -> None:
    now = time.monotonic()
    if now >= _said.get(name, 0.0) + ALIVE_SECONDS:
        _said[name] = now
        figures.say_alive(kind, name)

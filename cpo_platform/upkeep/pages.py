"""How the platform itself is doing, for who keeps it running: readiness, processes, tasks."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import redis
from celery.schedules import crontab
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock, figures
from cpo_platform.common.admin import NONE, Panel, moment, number, pill
from cpo_platform.staff.roles import VIEW_OPERATIONS
from cpo_platform.upkeep import readiness, task_runs
from cpo_platform.upkeep.task_runs import TaskRun
from ocpp_gateway import counting

# A periodic task that has not run for so many of its periods is late; none is late sooner than
# this, as one that runs each second may wait for a longer one.
PERIODS = 5
SOON = timedelta(seconds=60)
_STATUSES: Mapping[str, tuple[Any, str]] = {
    "ok": (_("fine"), "green"),
    "missing": (_("nobody there"), "red"),
    "unreachable": (_("does not answer"), "red"),
    "behind": (_("older than the code"), "red"),
    "late": (_("late"), "amber"),
}
_CHECKS: Mapping[str, Any] = {
    "database": _("Database"),
    "broker": _("Broker (Redis)"),
    "migrations": _("Migrations"),
    "feed": _("Changes for partners"),
    task_runs.WORKER: _("Workers"),
    task_runs.PUSH: _("Workers that push"),
    task_runs.BEAT: _("Beat"),
    counting.KIND: _("Gateways of chargers"),
}


def operations(request: HttpRequest) -> HttpResponse:
    """Show it to who may see it.

    Raises:
        PermissionDenied: the person may not.

    """
    if not request.user.has_perm(VIEW_OPERATIONS):
        raise PermissionDenied
    now = clock.now()
    request.current_app = admin.site.name
    return TemplateResponse(
        request,
        "admin/cpo/record.html",
        {
            **admin.site.each_context(request),
            "title": _("Operations"),
            "panels": [_ready(now), *_of_redis(now)],
        },
    )


def _ready(now: datetime) -> Panel:
    checks = readiness.look(now)
    return Panel(
        title=_("Is everything there?"),
        note=_("The same as /readyz tells load balancers and monitoring."),
        columns=(_("part"), _("state"), _("processes"), _("late by")),
        numeric=frozenset({2, 3}),
        rows=[
            (
                _CHECKS[name],
                pill(*_STATUSES[str(check["status"])]),
                check.get("processes", NONE),
                number(str(check["lag_seconds"]), "s") if "lag_seconds" in check else NONE,
            )
            for name, check in checks.items()
        ],
        whole=True,
    )


def _of_redis(now: datetime) -> Iterator[Panel]:
    try:
        runs = task_runs.last_runs()
        names = [
            (kind, name)
            for kind in readiness.KINDS
            if kind != task_runs.BEAT
            for name in figures.alive(kind)
        ]
    except redis.RedisError:
        return
    yield _periodic(runs, now)
    yield _others(runs)
    yield Panel(
        title=_("Processes"),
        columns=(_("kind"), _("name")),
        rows=[(_CHECKS[kind], name) for kind, name in names],
        empty=_("No worker and no gateway has said within the last minute that it is there."),
        half=True,
    )


def _periodic(runs: Mapping[str, TaskRun], now: datetime) -> Panel:
    """Return every task that the beat sends for, and how its last run went."""
    schedule: Mapping[str, Mapping[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    return Panel(
        title=_("Periodic tasks"),
        note=_("The beat sends for each; workers run them. All of them may run twice unharmed."),
        columns=(*(_("task"), _("every")), *_RUN_COLUMNS),
        numeric=frozenset({3}),
        rows=[
            (
                entry["task"],
                _every(entry["schedule"]),
                *_run(runs.get(entry["task"]), late=_is_late(entry, runs, now)),
            )
            for entry in sorted(schedule.values(), key=lambda entry: str(entry["task"]))
        ],
        whole=True,
    )


def _others(runs: Mapping[str, TaskRun]) -> Panel:
    periodic = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    return Panel(
        title=_("Other tasks"),
        columns=(_("task"), *_RUN_COLUMNS),
        numeric=frozenset({2}),
        rows=[
            (name, *_run(run, late=False))
            for name, run in sorted(runs.items())
            if name not in periodic
        ],
        empty=_("None has run yet."),
        whole=True,
    )


_RUN_COLUMNS = (
    *(_("last run (UTC)"), _("time"), _("outcome")),
    *(_("last failure (UTC)"), _("error")),
)


def _run(run: TaskRun | None, *, late: bool) -> tuple[object, ...]:
    if run is None:
        return (NONE, NONE, pill(_("never"), "amber" if late else "grey"), NONE, NONE)
    outcome = pill(_("failed"), "red") if run.outcome == "failed" else pill(_("done"), "green")
    return (
        moment(clock.truncate(run.started_at)),
        number(f"{run.seconds:.3f}", "s"),
        pill(_("late"), "red") if late else outcome,
        moment(run.last_failed_at and clock.truncate(run.last_failed_at)),
        run.error or NONE,
    )


def _every(schedule: Any) -> str:
    if isinstance(schedule, crontab):
        return gettext("day at %(hour)02d:%(minute)02d UTC") % {
            "hour": min(schedule.hour),  # type: ignore[attr-defined]
            "minute": min(schedule.minute),  # type: ignore[attr-defined]
        }
    return gettext("%(seconds)g s") % {"seconds": float(schedule)}


def _is_late(entry: Mapping[str, Any], runs: Mapping[str, TaskRun], now: datetime) -> bool:
    """Tell whether a task should have run meanwhile."""
    run = runs.get(entry["task"])
    if run is None or isinstance(entry["schedule"], crontab):
        return False
    period = timedelta(seconds=float(entry["schedule"]))
    return now - run.started_at > max(period * PERIODS, SOON)

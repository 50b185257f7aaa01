"""How the platform itself is doing, for who keeps it running: readiness, processes, tasks."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import redis
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cpo_platform.common import clock, figures
from cpo_platform.common.admin import (
    NONE,
    Button,
    Panel,
    change_url,
    link_to,
    may,
    moment,
    number,
    pill,
)
from cpo_platform.staff.roles import VIEW_OPERATIONS
from cpo_platform.upkeep import readiness, schedules, task_runs
from cpo_platform.upkeep.admin import every_text
from cpo_platform.upkeep.models import Schedule
from cpo_platform.upkeep.task_runs import TaskRun

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
    "promoted": (_("is no standby"), "red"),
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
            "panels": _panels(request, now),
        },
    )


def _panels(request: HttpRequest, now: datetime) -> list[Panel]:
    """Return what the page shows; without a database, nothing is known of schedules."""
    ready, checks = _ready(now)
    if checks["database"]["status"] != readiness.OK:
        return [ready]
    rows = list(Schedule.objects.order_by("name"))
    return [*_off(rows), ready, *_of_redis(request, rows, now)]


def _off(rows: Sequence[Schedule]) -> list[Panel]:
    """Return a warning of vital tasks that somebody has switched off; mostly, none."""
    off = [row for row in rows if row.is_vital_and_off]
    if not off:
        return []
    return [
        Panel(
            title=_("Vital tasks are off"),
            note=_("The platform does not work without them: switch them on again."),
            columns=(_("task"), _("without it")),
            rows=[
                (link_to(change_url(row), row), schedules.about(row.name).without) for row in off
            ],
        )
    ]


def _ready(now: datetime) -> tuple[Panel, Mapping[str, readiness.Check]]:
    checks = readiness.look(now)
    panel = Panel(
        title=_("Is everything there?"),
        note=_("The same as /readyz tells load balancers and monitoring."),
        columns=(_("part"), _("state"), _("processes"), _("late by")),
        numeric=frozenset({2, 3}),
        rows=[
            (
                readiness.NAMES[name],
                pill(*_STATUSES[str(check["status"])]),
                check.get("processes", NONE),
                number(str(check["lag_seconds"]), "s") if "lag_seconds" in check else NONE,
            )
            for name, check in checks.items()
        ],
        whole=True,
    )
    return panel, checks


def _of_redis(request: HttpRequest, schedule: Sequence[Schedule], now: datetime) -> Iterator[Panel]:
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
    yield _periodic(request, schedule, runs, now)
    yield _others(schedule, runs)
    yield Panel(
        title=_("Processes"),
        columns=(_("kind"), _("name")),
        rows=[(readiness.NAMES[kind], name) for kind, name in names],
        empty=_("No worker and no gateway has said within the last minute that it is there."),
        buttons=[Button(_("Watch workers in Flower"), reverse("flower"))],
        half=True,
    )


def _periodic(
    request: HttpRequest,
    schedule: Sequence[Schedule],
    runs: Mapping[str, TaskRun],
    now: datetime,
) -> Panel:
    """Return every task that the beat sends for, and how its last run went."""
    is_seen = may(request, "upkeep.view_schedule")
    list_url = reverse("admin:upkeep_schedule_changelist")
    return Panel(
        title=_("Periodic tasks"),
        note=_("The beat sends for each; workers run them. All of them may run twice unharmed."),
        columns=(*(_("task"), _("every")), *_RUN_COLUMNS),
        numeric=frozenset({3}),
        rows=[
            (
                link_to(change_url(row), row) if is_seen else row,
                every_text(row) if row.is_on else pill(_("off"), "amber"),
                *_run(runs.get(str(row)), late=_is_late(row, runs, now)),
            )
            for row in sorted(schedule, key=str)
        ],
        buttons=[Button(_("Change the schedules"), list_url)] if is_seen else [],
        whole=True,
    )


def _others(schedule: Sequence[Schedule], runs: Mapping[str, TaskRun]) -> Panel:
    periodic = {str(row) for row in schedule}
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


def _is_late(row: Schedule, runs: Mapping[str, TaskRun], now: datetime) -> bool:
    """Tell whether a task should have run meanwhile."""
    run, seconds = runs.get(str(row)), row.every
    if run is None or seconds is None or not row.is_on:
        return False
    return now - run.started_at > max(timedelta(seconds=seconds) * PERIODS, SOON)

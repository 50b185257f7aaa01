"""`/healthz`: is this process alive. `/readyz`: can the platform do its work, and if not, what not.

A load balancer takes a process that is not ready out; it must not do so because a partner is slow
or a worker is missing, which another web process would not mend. So `/readyz` answers 503 only for
what this process needs itself (database, broker, migrations), and says `degraded`, with 200, for
the rest; `/readyz?strict=1` answers 503 for that, too: for monitoring.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cpo_platform.common import broker, clock, figures, replica
from cpo_platform.upkeep import task_runs
from ocpp_gateway import counting
from roaming.operations.health import Circuit, registered_lanes

TIMEOUT_SECONDS = 2
# What a web process cannot do without.
NEEDED = ("database", "broker", "migrations")
# What each check is called, where people read it.
NAMES: Mapping[str, Any] = {
    "database": _("Database"),
    "broker": _("Broker"),
    "redis": _("Redis"),
    "replica": _("Standby to read from"),
    "migrations": _("Migrations"),
    "feed": _("Changes for partners"),
    task_runs.WORKER: _("Workers"),
    task_runs.PUSH: _("Workers that push"),
    task_runs.BEAT: _("Beat"),
    counting.KIND: _("Gateways of chargers"),
}
# The kinds of process that say that they are there.
KINDS = (task_runs.WORKER, task_runs.PUSH, task_runs.BEAT, counting.KIND)
OK, MISSING, UNREACHABLE = "ok", "missing", "unreachable"

log = logging.getLogger(__name__)
_migrated = [False]
Check = Mapping[str, object]


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200: whoever gets an answer knows that this process is alive."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer what works and what does not; names only, nothing that an attacker could use."""
    checks = look(clock.now())
    bad = {name for name, check in checks.items() if check["status"] != OK}
    unavailable = bad & set(NEEDED)
    status = "unavailable" if unavailable else "degraded" if bad else OK
    is_refused = unavailable or (bad and request.GET.get("strict") == "1")
    return JsonResponse({"status": status, "checks": checks}, status=503 if is_refused else 200)


def look(now: datetime) -> dict[str, Check]:
    """Return each check's state; those that need what does not answer are left out."""
    checks: dict[str, Check] = {"database": _database(), **_brokers()}
    if checks["database"]["status"] == OK:
        checks["migrations"] = _migrations()
        checks["feed"] = _feed(now)
        if replica.is_set():
            checks["replica"] = _replica()
    if checks.get("redis", checks["broker"])["status"] == OK:
        for kind in KINDS:
            checks[kind] = _alive(kind)
    return checks


def _database() -> Check:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        log.warning("The database does not answer.", exc_info=True)
        return {"status": UNREACHABLE}
    return {"status": OK}


def _brokers() -> dict[str, Check]:
    """Look at the broker of tasks, and at Redis by itself where it is another server.

    Then a web process can do without Redis: requests are not counted, and chargers cannot be asked.
    """
    if not settings.BROKER_IS_APART:
        return {"broker": _redis()}
    return {"broker": _broker(), "redis": _redis()}


def _broker() -> Check:
    try:
        broker.check()
    except broker.Unreachable:
        log.warning("The broker does not answer.", exc_info=True)
        return {"status": UNREACHABLE}
    return {"status": OK}


def _redis() -> Check:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError):
        log.warning("Redis does not answer.", exc_info=True)
        return {"status": UNREACHABLE}
    return {"status": OK}


def _replica() -> Check:
    """Look at the standby; without it the primary is read, so that it only degrades."""
    found = replica.look()
    lag = {} if found.lag_seconds is None else {"lag_seconds": found.lag_seconds}
    return {"status": found.state.value, **lag}


def _migrations() -> Check:
    """Find out whether the database is as new as the code; newer is fine (a rolling upgrade)."""
    if not _migrated[0]:
        executor = MigrationExecutor(connection)
        _migrated[0] = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return {"status": OK if _migrated[0] else "behind"}


def _feed(now: datetime) -> Check:
    """Find out how late the partners are told that can be reached: the others are their own."""
    lags = [
        lane.lag.total_seconds()
        for lane in registered_lanes(now=now)
        if lane.circuit is Circuit.CLOSED
    ]
    lag = round(max(lags, default=0.0), 1)
    late = lag > settings.READY_FEED_LAG_SECONDS
    return {"status": "late" if late else OK, "lag_seconds": lag}


def _alive(kind: str) -> Check:
    try:
        number = len(figures.alive(kind))
    except redis.RedisError:
        return {"status": UNREACHABLE}
    return {"status": OK if number else MISSING, "processes": number}

"""`/metrics`: everything that Prometheus reads, the same whichever process answers.

It comes from the database and from what all processes count in Redis (`common.figures`), with a
constant number of queries. What is not reachable is left out, and `cpo_up` says so.
"""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import redis
from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cpo_platform.common import broker, clock, figures, replica
from cpo_platform.common.figures import Family, Figure
from cpo_platform.upkeep import families, readiness, task_runs
from locations.models import Evse, Status
from ocpp_gateway.counting import FAMILIES as GATEWAY
from ocpp_gateway.models import News, Station, StationState
from roaming.metrics import PartnerCollector
from sessions_app.models import CdrHold, Session

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What a proxy says of those it speaks for: then the caller is not who it seems to be.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP")
QUEUES = ("cpo", "push")
COUNTED = (*families.COUNTED, *GATEWAY)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all metrics: to who has METRICS_TOKEN, or, where it is unset, to this machine."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
            return HttpResponse(
                "METRICS_TOKEN is needed as a bearer token.\n",
                status=401,
                content_type="text/plain",
                headers={"WWW-Authenticate": "Bearer"},
            )
    elif not _is_of_this_machine(request):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    now = clock.now()
    registry.register(PartnerCollector(now))
    registry.register(NetworkCollector(now))
    registry.register(FiguresCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE)


def _is_of_this_machine(request: HttpRequest) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class NetworkCollector(Collector):
    """Chargers and what goes on at them: five queries."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        evses = GaugeMetricFamily("cpo_evses", "EVSEs by status.", labels=("status",))
        counts = dict(
            Evse.objects.exclude(status=Status.REMOVED)
            .values_list("status")
            .annotate(Count("pk"))
            .order_by()
        )
        for status in Status.values:
            if status != Status.REMOVED:
                evses.add_metric((status,), counts.get(status, 0))
        yield evses
        placed = Station.objects.filter(state=StationState.PLACED)
        gauges: Sequence[tuple[str, str, Callable[[], int]]] = (
            (
                "cpo_stations_online",
                "Stations in service that are connected.",
                placed.online(now=self._now).count,
            ),
            ("cpo_stations", "Stations in service.", placed.count),
            ("cpo_sessions_ongoing", "Sessions that go on.", Session.objects.ongoing().count),
            ("cpo_cdrs_held", "CDRs that wait for staff.", CdrHold.objects.waiting().count),
            (
                "cpo_ocpp_news",
                "Messages of transactions that are to become part of a session.",
                News.objects.count,
            ),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value())


class FiguresCollector(Collector):
    """What all processes count, who they are, and what waits for them."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("cpo_up", "1: what metrics are made of answers.", labels=("part",))
        up.add_metric(("database",), 1)
        if replica.is_set():
            standby = replica.look()
            up.add_metric(("replica",), int(standby.state is not replica.State.UNREACHABLE))
            if standby.lag_seconds is not None:
                yield GaugeMetricFamily(
                    "cpo_replica_lag_seconds",
                    "How late the standby is that exports and charts are read from.",
                    value=standby.lag_seconds,
                )
        for part, read in (("redis", self._of_redis), ("broker", self._of_broker)):
            try:
                yield from [*read()]
                up.add_metric((part,), 1)
            except (redis.RedisError, broker.Unreachable):
                up.add_metric((part,), 0)
        yield up

    def _of_redis(self) -> Iterator[Metric]:
        for family, found in figures.read(COUNTED):
            yield (_histogram if family.is_duration else _counter)(family, found)
        processes = GaugeMetricFamily(
            "cpo_processes", "Processes that are alive, by kind.", labels=("kind",)
        )
        for kind in readiness.KINDS:
            processes.add_metric((kind,), len(figures.alive(kind)))
        yield processes
        last = GaugeMetricFamily(
            "cpo_task_last_run_timestamp_seconds",
            "When a task last ran to its end, well or not.",
            labels=("task",),
        )
        for run in task_runs.last_runs().values():
            last.add_metric((run.task,), run.started + run.seconds)
        yield last

    def _of_broker(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "cpo_queue_tasks", "Tasks that wait for a worker.", labels=("queue",)
        )
        for queue, number in broker.waiting(QUEUES).items():
            waiting.add_metric((queue,), number)
        yield waiting


def _counter(family: Family, found: Sequence[Figure]) -> Metric:
    metric = CounterMetricFamily(family.name, family.text, labels=family.labels)
    for figure in found:
        metric.add_metric(figure.labels, figure.total)
    return metric


def _histogram(family: Family, found: Sequence[Figure]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.text, labels=family.labels)
    for figure in found:
        buckets = figures.cumulative(figures.BOUNDS, figure.buckets)
        metric.add_metric(figure.labels, buckets, figure.total)
    return metric

"""How partners are doing, as Prometheus reads it: a part of `/metrics`.

Everything comes from the database, with a constant number of queries, or from Redis, so that it is
the same whichever process answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cpo_platform.common.figures import cumulative
from roaming.histograms import BOUNDS
from roaming.models import PartnerStatus, TrafficTotal
from roaming.ocpi.common import limits
from roaming.operations import health
from roaming.operations.health import Circuit, LaneHealth

CIRCUITS: Mapping[Circuit, int] = {
    Circuit.CLOSED: 0,
    Circuit.HALF_OPEN: 1,
    Circuit.OPEN: 2,
    Circuit.PAUSED: 3,
}
OUTCOMES = ("done", "unknown", "refused", "failed")


class PartnerCollector(Collector):
    """All there is to measure of partners at one moment: four queries."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        lanes = health.registered_lanes(now=self._now)
        yield from _lane_gauges(lanes)
        yield _tokens(lanes)
        yield _refused()
        yield _limited()
        totals = TrafficTotal.objects.exclude(partner__status=PartnerStatus.INVITED)
        yield from _traffic(
            list(totals.select_related("partner").order_by("partner__name", "module"))
        )


# A name, what it says, and how it is read from a lane.
_GAUGES: Sequence[tuple[str, str, Callable[[LaneHealth], float]]] = (
    (
        "cpo_partner_lag_now_seconds",
        "Age of the oldest change that the partner was not told yet; objects of walks aside.",
        lambda lane: lane.lag.total_seconds(),
    ),
    (
        "cpo_partner_pending_changes",
        f"Changes that the partner was not told yet, counted up to {health.MOST_PENDING}.",
        lambda lane: lane.waiting.total,
    ),
    (
        "cpo_partner_circuit",
        "0: requests go out, 1: the next one shows whether the partner is back, 2: the lane rests "
        "after failures, 3: paused by staff.",
        lambda lane: CIRCUITS[lane.circuit],
    ),
    ("cpo_partner_failures", "Failures in a row.", lambda lane: lane.feed.failures),
    (
        "cpo_partner_last_success_timestamp_seconds",
        "When the lane last went well; 0: never yet.",
        lambda lane: lane.feed.last_success_at.timestamp() if lane.feed.last_success_at else 0,
    ),
)


def _lane_gauges(lanes: Sequence[LaneHealth]) -> Iterator[Metric]:
    for name, text, value in _GAUGES:
        family = GaugeMetricFamily(name, text, labels=("partner", "lane"))
        for lane in lanes:
            family.add_metric((lane.feed.partner.name, lane.feed.lane), value(lane))
        yield family


def _tokens(lanes: Sequence[LaneHealth]) -> Metric:
    family = GaugeMetricFamily(
        "cpo_partner_token_refused", "1: the partner refuses our token.", labels=("partner",)
    )
    refused: dict[str, bool] = {}
    for lane in lanes:
        name = lane.feed.partner.name
        refused[name] = refused.get(name, False) or lane.feed.unauthorized_at is not None
    for name, is_refused in refused.items():
        family.add_metric((name,), int(is_refused))
    return family


def _refused() -> Metric:
    family = GaugeMetricFamily(
        "cpo_partner_refused_objects",
        "Objects that the partner refused and that are set aside.",
        labels=("partner", "module"),
    )
    for labels, count in sorted(health.refused_counts().items()):
        family.add_metric(labels, count)
    return family


def _limited() -> Metric:
    family = CounterMetricFamily(
        "cpo_ocpi_limited_requests",
        "OCPI requests that were answered with HTTP 429: of partners, or with no token we know.",
        labels=("caller",),
    )
    counts = limits.refused()
    for kind in (limits.PARTNERS, limits.STRANGERS):
        family.add_metric((kind,), counts.get(kind, 0))
    return family


def _traffic(totals: Sequence[TrafficTotal]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "cpo_partner_requests",
        "Requests to the partner by outcome: done, unknown (it did not have the object), refused, "
        "failed.",
        labels=("partner", "module", "outcome"),
    )
    lag = HistogramMetricFamily(
        "cpo_partner_lag_seconds",
        "From the commit of a change until the partner had it.",
        labels=("partner", "module"),
    )
    answer = HistogramMetricFamily(
        "cpo_partner_answer_seconds",
        "How long the partner took to answer.",
        labels=("partner", "module"),
    )
    for total in totals:
        labels = (total.partner.name, total.module)
        for outcome in OUTCOMES:
            requests.add_metric((*labels, outcome), getattr(total, outcome))
        lag.add_metric(labels, cumulative(BOUNDS, total.lag), total.lag_seconds)
        answer.add_metric(labels, cumulative(BOUNDS, total.answer), total.answer_seconds)
    yield from (requests, lag, answer)

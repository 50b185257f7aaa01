"""What monitoring reads: `/metrics`, and the alerts that we recommend."""

import re
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common import clock
from roaming import traffic
from roaming.client import Verdict
from roaming.models import Change, Delivery, Feed, Lane, Partner, PartnerStatus
from tests.factories import NOW
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db
ALERTS = django_settings.BASE_DIR / "docs/prometheus-alerts.yml"


def samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what is told, as Prometheus' own parser reads it."""
    response = client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def value(client: Client, name: str, **labels: str) -> float:
    return samples(client)[name, tuple(sorted(labels.items()))]


def note(partner: Partner, outcome: Verdict = Verdict.DONE, lag: float | None = 0.3) -> None:
    traffic.note(
        partner_id=partner.pk, module="cdrs", outcome=outcome, lag_seconds=lag, answer_ms=40
    )


@pytest.fixture
def partner(first: Registered) -> Partner:
    """A partner with something of everything."""
    traffic.forget()
    note(first.partner)
    note(first.partner, Verdict.REFUSED, None)
    traffic.flush(NOW)
    Delivery.objects.create(partner=first.partner, module="cdrs", object_id=1, refused_at=NOW)
    return first.partner


def test_lanes_are_told(client: Client, partner: Partner) -> None:
    lane = {"partner": partner.name, "lane": "NETWORK"}
    made = Change.objects.create(lane=Lane.NETWORK, module="locations", object_id=1)
    Change.objects.filter(pk=made.pk).update(created_at=clock.now() - timedelta(minutes=10))
    Feed.objects.filter(lane=Lane.NETWORK).update(
        failures=3, retry_at=clock.now() + timedelta(hours=1), last_success_at=NOW
    )
    assert value(client, "cpo_partner_lag_now_seconds", **lane) == pytest.approx(600, abs=30)
    assert value(client, "cpo_partner_pending_changes", **lane) == 1
    assert value(client, "cpo_partner_circuit", **lane) == 2
    assert value(client, "cpo_partner_failures", **lane) == 3
    told = value(client, "cpo_partner_last_success_timestamp_seconds", **lane)
    assert told == pytest.approx(NOW.timestamp())
    other = lane | {"lane": "CHARGING"}
    assert value(client, "cpo_partner_circuit", **other) == 0
    assert value(client, "cpo_partner_last_success_timestamp_seconds", **other) == 0
    assert value(client, "cpo_partner_token_refused", partner=partner.name) == 0

    Feed.objects.update(retry_at=None, unauthorized_at=NOW)
    assert value(client, "cpo_partner_circuit", **lane) == 1
    assert value(client, "cpo_partner_token_refused", partner=partner.name) == 1
    Feed.objects.update(paused_at=NOW)
    assert value(client, "cpo_partner_circuit", **lane) == 3


def test_traffic_is_told_and_never_decreases(client: Client, partner: Partner) -> None:
    module = {"partner": partner.name, "module": "cdrs"}
    assert value(client, "cpo_partner_requests_total", **module, outcome="done") == 1
    assert value(client, "cpo_partner_requests_total", **module, outcome="refused") == 1
    assert value(client, "cpo_partner_refused_objects", **module) == 1
    assert value(client, "cpo_partner_lag_seconds_bucket", **module, le="0.16") == 0
    assert value(client, "cpo_partner_lag_seconds_bucket", **module, le="0.32") == 1
    assert value(client, "cpo_partner_lag_seconds_bucket", **module, le="+Inf") == 1
    assert value(client, "cpo_partner_lag_seconds_sum", **module) == pytest.approx(0.3)
    assert value(client, "cpo_partner_answer_seconds_count", **module) == 2

    before = samples(client)
    note(partner)
    traffic.flush(NOW + timedelta(days=30))
    after = samples(client)
    for key, count in before.items():
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
            assert after[key] >= count, key
    assert value(client, "cpo_partner_requests_total", **module, outcome="done") == 2


def test_a_partner_that_is_suspended_is_nobodys_alarm(client: Client, partner: Partner) -> None:
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    lanes = [name for name, _labels in samples(client) if name == "cpo_partner_circuit"]
    assert lanes == []


@pytest.mark.parametrize("partners", [1, 6])
def test_metrics_take_the_same_queries_for_any_number_of_partners(
    client: Client,
    partner: Partner,
    django_assert_num_queries: DjangoAssertNumQueries,
    partners: int,
) -> None:
    for number in range(partners):
        note(make_partner(f"P{number}", f"P{number:02}").partner)
    traffic.flush(NOW)
    with django_assert_num_queries(10):
        client.get("/metrics")


# Who may read them


def test_without_a_token_only_this_machine_may_read(client: Client) -> None:
    def status(**values: Any) -> int:
        return client.get("/metrics", **values).status_code

    assert status() == 200
    assert status(REMOTE_ADDR="::1") == 200
    for address in ("10.0.0.7", "203.0.113.9", "", "127.0.0.1.example"):
        assert status(REMOTE_ADDR=address) == 404
    # A proxy on this machine speaks for somebody else.
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP"):
        assert status(headers={name: "203.0.113.9"}) == 404


def test_with_a_token_whoever_has_it_may_read(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "s3cret"

    def status(header: str) -> int:
        headers = {"Authorization": header}
        return client.get("/metrics", headers=headers, REMOTE_ADDR="10.0.0.7").status_code

    assert status("Bearer s3cret") == 200
    for wrong in ("", "Bearer", "Bearer s3cre", "Bearer s3cret2", "Token s3cret", "s3cret", "ü"):
        assert status(wrong) == 401
    assert client.get("/metrics").status_code == 401


def test_a_deployment_without_a_token_is_warned(settings: Settings) -> None:
    def warned() -> bool:
        found = run_checks(tags=["security"], include_deployment_checks=True)
        return any("METRICS_TOKEN" in message.msg for message in found)

    assert warned()
    settings.METRICS_TOKEN = "s3cret"
    assert not warned()


# The alerts


def test_every_metric_of_the_alerts_is_told(client: Client, partner: Partner) -> None:
    told = {name for name, _labels in samples(client)}
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 6
    for rule in rules:
        named = set(re.findall(r"\bcpo_\w+", rule["expr"]))
        assert named, rule["alert"]
        assert named <= told, rule["alert"]
        assert {"summary", "description"} == set(rule["annotations"])

"""What all processes count together, and who of them is alive."""

import json
import logging
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from celery.app.log import Logging
from django.http import HttpRequest, HttpResponse
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from cpo_platform import celery, logs
from cpo_platform.celery import app
from cpo_platform.common import correlation, figures
from cpo_platform.common.figures import Family, Figure
from cpo_platform.upkeep import families, middleware, task_runs

TURNS = Family("test_turns", "Turns.", ("who",))
WAITS = Family("test_waits", "Waits.", ("who",), is_duration=True)


@pytest.fixture(autouse=True)
def _from_nothing(broker: "redis.Redis") -> None:
    figures.flush()
    broker.flushdb()


def counted(family: Family) -> list[Figure]:
    return dict(figures.read([family]))[family]


def test_what_threads_count_is_added_up() -> None:
    def turn() -> None:
        for _ in range(500):
            figures.count(TURNS, "anna")

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures.count(TURNS, "bert")
    assert counted(TURNS) == [Figure(("anna",), 2000), Figure(("bert",), 1)]


def test_durations_are_sorted_into_buckets() -> None:
    for seconds in (0.001, 0.005, 0.04, 100.0):
        figures.observe(WAITS, "anna", seconds=seconds)
    (figure,) = counted(WAITS)
    assert figure.total == pytest.approx(100.046)
    assert figure.buckets == (2, 0, 1, 0, 0, 0, 0, 0, 0, 1)


def test_figures_wait_for_a_broker_that_is_away(settings: Settings) -> None:
    home = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    figures.count(TURNS, "anna")
    figures.observe(WAITS, "anna", seconds=1)
    figures.flush()
    settings.REDIS_URL = home
    assert counted(TURNS) == [Figure(("anna",), 1)]
    assert counted(WAITS)[0].total == 1


def test_a_run_of_a_task_is_counted_and_remembered() -> None:
    task = SimpleNamespace(name="some.task")
    task_runs.note_start(task_id="1")
    task_runs.note_failure(task_id="1", exception=ValueError("broken"))
    task_runs.note_end(task_id="1", task=task)
    task_runs.note_start(task_id="2")
    task_runs.note_end(task_id="2", task=task)
    assert counted(families.TASKS) == [
        Figure(("some.task", "done"), 1),
        Figure(("some.task", "failed"), 1),
    ]
    run = task_runs.last_runs()["some.task"]
    assert (run.outcome, run.error) == ("done", "")
    assert run.last_failed_at is not None
    assert run.started_at >= run.last_failed_at


def test_workers_are_told_apart_by_the_names_of_the_procfile() -> None:
    for name in ("worker@a", "push@a", "worker@b"):
        task_runs.note_worker(SimpleNamespace(eventer=SimpleNamespace(hostname=name)))
    assert figures.alive(task_runs.WORKER) == ["worker@a", "worker@b"]
    task_runs.note_worker_gone("worker@a")
    assert figures.alive(task_runs.WORKER) == ["worker@b"]
    assert figures.alive(task_runs.PUSH) == ["push@a"]


@pytest.mark.django_db
def test_requests_are_counted_by_what_they_reach_never_by_their_address(client: Client) -> None:
    client.get("/healthz")
    client.get("/wp-login.php?secret=1")
    client.get("/ocpi/2.2.1/locations/S3CRET")
    told = {figure.labels for figure in counted(families.REQUESTS)}
    assert ("healthz", "GET", "200") in told
    assert (middleware.NOWHERE, "GET", "404") in told
    assert "S3CRET" not in str(told)
    assert "secret" not in str(told)


def metric(client: Client, name: str, **labels: str) -> float:
    families_told = text_string_to_metric_families(client.get("/metrics").content.decode())
    found = [
        sample.value
        for family in families_told
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, name
    return found[0]


@pytest.mark.django_db
def test_monitoring_reads_what_was_counted(client: Client) -> None:
    client.get("/healthz")
    figures.say_alive("gateway", "g1")
    labels = {"endpoint": "healthz", "method": "GET", "status": "200"}
    assert metric(client, "cpo_http_requests_total", **labels) == 1
    assert metric(client, "cpo_http_request_seconds_count", endpoint="healthz") == 1
    assert metric(client, "cpo_http_request_seconds_bucket", endpoint="healthz", le="60") == 1
    assert metric(client, "cpo_processes", kind="gateway") == 1
    assert metric(client, "cpo_processes", kind="worker") == 0
    assert metric(client, "cpo_queue_tasks", queue="push") == 0
    assert metric(client, "cpo_evses", status="AVAILABLE") == 0
    assert metric(client, "cpo_up", part="broker") == 1
    assert metric(client, "cpo_up", part="redis") == 1


@pytest.mark.django_db
def test_monitoring_reads_queues_wherever_they_are(client: Client, settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "memory://"
    with app.connection_for_write("memory://") as connection, connection.channel() as channel:
        producer = app.amqp.Producer(channel)
        queue = app.amqp.queues["push"](channel)
        queue.declare()
        for number in range(3):
            producer.publish({"number": number}, exchange="", routing_key="push")
        try:
            assert metric(client, "cpo_queue_tasks", queue="push") == 3
            assert metric(client, "cpo_queue_tasks", queue="cpo") == 0
        finally:
            queue.delete()


@pytest.mark.django_db
def test_figures_are_told_where_the_broker_apart_is_away(
    client: Client, settings: Settings
) -> None:
    settings.CELERY_BROKER_URL = "amqp://guest:hidden@127.0.0.1:1//"
    figures.say_alive("worker", "w1")
    assert metric(client, "cpo_up", part="broker") == 0
    assert metric(client, "cpo_up", part="redis") == 1
    assert metric(client, "cpo_processes", kind="worker") == 1


@pytest.mark.django_db
def test_monitoring_is_told_what_is_left_where_the_broker_is_away(
    client: Client, settings: Settings
) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    assert metric(client, "cpo_up", part="redis") == 0
    assert metric(client, "cpo_up", part="broker") == 0
    assert metric(client, "cpo_stations") == 0


# One id for what comes of one cause


def _seen(request: HttpRequest) -> HttpResponse:
    return HttpResponse(correlation.current())


def test_a_request_carries_the_id_that_it_came_with() -> None:
    request = HttpRequest()
    request.method = "GET"
    request.META["HTTP_X_CORRELATION_ID"] = "their-1"
    response = cast("HttpResponse", middleware.Observed(_seen)(request))
    assert response.content == b"their-1"
    assert response["X-Correlation-ID"] == "their-1"
    assert correlation.current() == ""


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, "line\nbreak", "<script>"])
def test_an_id_that_nobody_should_repeat_is_replaced(bad: str) -> None:
    request = HttpRequest()
    request.method = "GET"
    request.META["HTTP_X_CORRELATION_ID"] = bad
    response = cast("HttpResponse", middleware.Observed(_seen)(request))
    assert response.content.decode() != bad
    assert len(response.content) == 32


@pytest.mark.django_db
def test_a_task_inherits_the_id_of_who_sends_it() -> None:
    headers: dict[str, Any] = {}
    with correlation.caused_by("tx-7"):
        celery.pass_on_the_cause(headers=headers)
    assert headers == {celery.CAUSE: "tx-7"}
    task = SimpleNamespace(name="t", request=SimpleNamespace(**headers))
    with correlation.caused_by(""):
        celery.begin(task=task, task_id="1")
        assert correlation.current() == "tx-7"
        celery.end(task_id="1")
        celery.begin(task=SimpleNamespace(name="t", request=SimpleNamespace()), task_id="1")
        assert correlation.current() == "task-1"
        celery.end(task_id="1")
        assert correlation.current() == ""


def test_log_lines_name_what_they_came_of() -> None:
    record = logging.LogRecord("roaming", logging.INFO, "", 0, "sent %s", ("one",), None)
    with correlation.caused_by("tx-7"):
        line = json.loads(logs.JsonFormatter().format(record))
        text = logs.LineFormatter("%(name)s%(cause)s: %(message)s").format(record)
    assert line["correlation_id"] == "tx-7"
    assert text == "roaming [tx-7]: sent one"
    assert logs.LineFormatter("%(name)s%(cause)s").format(record) == "roaming"


def test_a_worker_logs_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    before = logging.getLogger().level
    monkeypatch.setattr(Logging, "_setup", False)
    app.log.setup(loglevel=logging.CRITICAL)
    assert app.log.already_setup
    assert logging.getLogger().level == before

"""What load balancers and monitoring ask: is it alive, is it ready, and what is not."""

from datetime import timedelta

import pytest
import redis
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from cpo_platform.common import clock, figures
from cpo_platform.upkeep import readiness, task_runs
from roaming.models import Change, Feed, Lane
from tests.roaming.conftest import make_partner

pytestmark = pytest.mark.django_db
NOBODY = "redis://:hidden@127.0.0.1:1/0"


@pytest.fixture
def everybody(broker: "redis.Redis") -> None:
    """Let a process of each kind be alive."""
    for kind in (task_runs.WORKER, task_runs.PUSH, task_runs.BEAT, "gateway"):
        figures.say_alive(kind, f"{kind}@here")


def checks(client: Client) -> dict[str, str]:
    found = client.get("/readyz").json()["checks"]
    return {name: check["status"] for name, check in found.items()}


def test_a_process_that_answers_is_alive_whatever_else_is_away(
    client: Client, settings: Settings
) -> None:
    settings.REDIS_URL = NOBODY
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.usefixtures("everybody")
def test_all_is_ready(client: Client) -> None:
    answer = client.get("/readyz?strict=1")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert set(checks(client).values()) == {"ok"}
    assert answer.headers["Cache-Control"].startswith("max-age=0")


@pytest.mark.usefixtures("broker")
def test_who_is_missing_degrades_and_is_refused_only_where_that_is_asked_for(
    client: Client,
) -> None:
    figures.say_alive(task_runs.WORKER, "worker@here")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert checks(client)["worker"] == "ok"
    assert checks(client)["push"] == "missing"
    assert client.get("/readyz?strict=1").status_code == 503


@pytest.mark.usefixtures("everybody")
def test_who_has_been_silent_for_a_minute_is_missing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FORGOTTEN_AFTER", 0.0)
    assert checks(client)["beat"] == "missing"
    figures.say_gone(task_runs.PUSH, "push@here")
    assert figures.alive(task_runs.PUSH) == []


def test_a_broker_that_is_away_makes_it_unavailable(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = NOBODY
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert checks(client)["broker"] == "unreachable"
    assert "hidden" not in answer.content.decode()


@pytest.mark.usefixtures("everybody")
def test_a_broker_apart_that_is_away_makes_it_unavailable(
    client: Client, settings: Settings
) -> None:
    settings.BROKER_IS_APART = True
    settings.CELERY_BROKER_URL = "amqp://cpo:hidden@127.0.0.1:1//"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    found = checks(client)
    assert (found["broker"], found["redis"], found["worker"]) == ("unreachable", "ok", "ok")
    assert "hidden" not in answer.content.decode()


def test_without_redis_beside_its_broker_it_is_degraded(client: Client, settings: Settings) -> None:
    settings.BROKER_IS_APART = True
    settings.CELERY_BROKER_URL = "memory://"
    settings.REDIS_URL = NOBODY
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert checks(client)["broker"] == "ok"
    assert checks(client)["redis"] == "unreachable"


@pytest.mark.usefixtures("everybody")
def test_a_database_that_is_away_makes_it_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_cursor() -> None:
        raise OperationalError("secret-host refused")

    monkeypatch.setattr(connection, "cursor", no_cursor)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert checks(client) == dict.fromkeys(
        ["broker", "worker", "push", "beat", "gateway"], "ok"
    ) | {"database": "unreachable"}
    assert "secret-host" not in answer.content.decode()


@pytest.mark.usefixtures("everybody")
def test_a_database_older_than_the_code_makes_it_unavailable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_migrated", [False])
    monkeypatch.setattr(
        "django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *_args: ["one"]
    )
    answer = client.get("/readyz")
    assert (answer.status_code, checks(client)["migrations"]) == (503, "behind")


@pytest.mark.usefixtures("everybody")
def test_changes_that_are_told_late_degrade_unless_the_partner_is_away(
    client: Client,
) -> None:
    make_partner("One", "ONE")
    made = Change.objects.create(lane=Lane.NETWORK, module="locations", object_id=1)
    Change.objects.filter(pk=made.pk).update(created_at=clock.now() - timedelta(hours=1))
    assert checks(client)["feed"] == "late"
    assert client.get("/readyz").status_code == 200
    Feed.objects.update(failures=3)
    assert checks(client)["feed"] == "ok"

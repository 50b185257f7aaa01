"""A real beat process: it follows changes at once, and goes on when the database comes back."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection

from cpo_platform import environment as env
from cpo_platform.runner import processes
from cpo_platform.upkeep import operations
from cpo_platform.upkeep.models import Schedule
from tests.ocpp_gateway.gateways import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def only_digesting() -> Iterator[None]:
    """Switch all tasks off but one."""
    for row in Schedule.objects.exclude(name="digest-news"):
        operations.change_schedule(schedule_id=row.pk, is_on=False)
    yield
    for row in Schedule.objects.all():
        operations.reset_schedule(schedule_id=row.pk)


@pytest.fixture
def beat(broker: redis.Redis, only_digesting: None, tmp_path: Path) -> Iterator[Path]:
    """Run a beat on the test's database and broker; return its log."""
    database = settings.DATABASES["default"]
    url = (
        f"postgres://{database['USER']}:{database['PASSWORD']}"
        f"@{database['HOST']}:{database['PORT']}/{connection.settings_dict['NAME']}"
    )
    log = tmp_path / "beat.log"
    with log.open("wb") as output:
        process = processes.spawn(
            [sys.executable, "-m", "celery", "-A", "cpo_platform", "beat"],
            death_signal=signal.SIGTERM,
            output=output,
            env=os.environ | {"DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL},
            cwd=env.BASE_DIR,
        )
        try:
            yield log
        finally:
            with suppress(subprocess.TimeoutExpired):
                processes.stop(process, signal.SIGTERM, seconds=5)


def waiting(broker: redis.Redis, task: str) -> int:
    """Return how often a task was sent for, of what nobody has taken yet."""
    queue = "push" if task == "roaming.wake_feeds" else "cpo"
    messages: list[bytes] = broker.lrange(queue, 0, -1)  # type: ignore[assignment]
    return sum(f'"{task}"'.encode() in one for one in messages)


def test_it_follows_what_people_change_and_outlives_its_connections(
    beat: Path, broker: redis.Redis
) -> None:
    until(lambda: waiting(broker, "ocpp_gateway.digest_news"), seconds=40)
    assert waiting(broker, "roaming.turn_tariffs") == 0

    digest = Schedule.objects.get(name="digest-news")
    turn = Schedule.objects.get(name="turn-tariffs")
    operations.change_schedule(schedule_id=turn.pk, is_on=True, seconds=1)
    operations.change_schedule(schedule_id=digest.pk, is_on=False)
    until(lambda: waiting(broker, "roaming.turn_tariffs"), seconds=20)
    broker.delete("cpo")
    until(lambda: waiting(broker, "roaming.turn_tariffs") >= 2, seconds=20)
    assert waiting(broker, "ocpp_gateway.digest_news") == 0

    # As when PostgreSQL is started anew.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    operations.change_schedule(schedule_id=turn.pk, is_on=False)
    operations.change_schedule(schedule_id=digest.pk, is_on=True)
    broker.delete("cpo")
    until(lambda: waiting(broker, "ocpp_gateway.digest_news"), seconds=30)

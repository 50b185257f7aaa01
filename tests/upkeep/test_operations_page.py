"""The page for who keeps the platform running."""

import re
import time
from types import SimpleNamespace

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common import figures
from cpo_platform.staff import operations
from cpo_platform.upkeep import task_runs

pytestmark = pytest.mark.django_db
URL = "/admin/operations/"


@pytest.fixture(autouse=True)
def _from_nothing(broker: "redis.Redis") -> None:
    broker.flushdb()


def rows(client: Client) -> list[str]:
    """Return the rows of the page's tables as text."""
    page = client.get(URL).content.decode()
    found = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


def ran(task: str, *, error: Exception | None = None, ago: float = 0.0) -> None:
    task_runs.note_start(task_id=task)
    task_runs._running[task] = time.time() - ago
    if error:
        task_runs.note_failure(task_id=task, exception=error)
    task_runs.note_end(task_id=task, task=SimpleNamespace(name=task))


def test_every_periodic_task_is_listed_with_its_last_run(admin_client: Client) -> None:
    ran("roaming.tidy")
    ran("roaming.turn_tariffs", error=ValueError("no such price"))
    ran("roaming.expire_commands", ago=600)
    found = rows(admin_client)
    for entry in django_settings.CELERY_BEAT_SCHEDULE.values():
        assert any(row.startswith(f"{entry['task']} ") for row in found), entry["task"]
    (tidy,) = [row for row in found if row.startswith("roaming.tidy ")]
    assert "3600 s" in tidy
    assert "done" in tidy
    (failed,) = [row for row in found if row.startswith("roaming.turn_tariffs ")]
    assert "failed" in failed
    assert "ValueError: no such price" in failed
    (late,) = [row for row in found if row.startswith("roaming.expire_commands ")]
    assert "late" in late
    (nightly,) = [row for row in found if row.startswith("roaming.check_drift_nightly ")]
    assert "day at 01:00 UTC" in nightly
    assert "never" in nightly


def test_who_is_there_and_who_is_not_is_told(admin_client: Client) -> None:
    figures.say_alive(task_runs.PUSH, "push@here")
    found = rows(admin_client)
    assert "Workers that push fine 1 –" in found
    assert any(row.startswith("Beat nobody there 0") for row in found)
    assert "Workers that push push@here" in found


def test_a_broker_that_is_away_leaves_the_rest(admin_client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = rows(admin_client)
    assert any("does not answer" in row for row in found)
    assert any(row.startswith("Database fine") for row in found)


@pytest.mark.parametrize(
    ("role", "status"),
    [("ops", 200), ("operator_admin", 200), ("operations", 403), ("finance", 403)],
)
def test_it_is_for_who_keeps_the_platform_running(role: str, status: int) -> None:
    user = User.objects.create_user("eve", is_staff=True)
    operations.set_roles(user_id=user.pk, roles=[role])
    client = Client()
    client.force_login(user)
    assert client.get(URL).status_code == status


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    assert client.get(URL).status_code == 302


def test_it_takes_the_same_queries_whatever_there_is(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    admin_client.get(URL)
    with django_assert_num_queries(6):
        admin_client.get(URL)

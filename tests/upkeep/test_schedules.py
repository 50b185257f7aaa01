"""Schedules of periodic tasks: the code's by default, changed by people, followed by the beat."""

from datetime import time
from typing import Any

import pytest
from celery.schedules import crontab
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.audit.models import Entry
from cpo_platform.staff.operations import set_roles
from cpo_platform.upkeep import operations, schedules
from cpo_platform.upkeep.models import Schedule
from tests.admin_pages import errors_of, read_form, send_form

pytestmark = pytest.mark.django_db

LIST = "/admin/upkeep/schedule/"
FORM = "schedule_form"


def row(name: str) -> Schedule:
    return Schedule.objects.get(name=name)


def page_of(name: str) -> str:
    return f"{LIST}{row(name).pk}/change/"


def sent(name: str) -> PeriodicTask:
    """Return what the beat reads of a task."""
    return PeriodicTask.objects.select_related("interval", "crontab").get(name=name)


def other_code(settings: Settings, **entries: dict[str, Any]) -> None:
    """Let the next release have these tasks."""
    settings.CELERY_BEAT_SCHEDULE = entries
    operations.keep_schedules()


def test_the_beat_is_told_what_the_code_says() -> None:
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == set(
        django_settings.CELERY_BEAT_SCHEDULE
    )
    task = sent("wake-feeds")
    assert (task.task, task.enabled, task.interval.every) == ("roaming.wake_feeds", True, 2)
    assert task.expire_seconds == 2
    nightly = sent("check-drift")
    assert (nightly.crontab.hour, nightly.crontab.minute, nightly.interval) == ("1", "0", None)


def test_every_task_says_what_it_does_and_every_vital_one_what_stops() -> None:
    assert schedules.ABOUT.keys() == django_settings.CELERY_BEAT_SCHEDULE.keys()
    vital = {name for name, about in schedules.ABOUT.items() if about.without}
    assert vital >= {"wake-feeds", "announce-due", "watch-rules", "tidy", "tidy-audit"}


def test_what_people_have_changed_survives_an_upgrade(settings: Settings) -> None:
    operations.change_schedule(schedule_id=row("turn-tariffs").pk, is_on=True, seconds=30)
    operations.change_schedule(schedule_id=row("tidy").pk, is_on=False)
    code = {
        "turn-tariffs": {"task": "roaming.turn_tariffs", "schedule": 5.0},
        "tidy": {"task": "roaming.tidy", "schedule": 7200.0},
        "new-one": {"task": "roaming.new_one", "schedule": crontab(hour="2", minute="30")},
    }
    other_code(settings, **code)
    assert sent("turn-tariffs").interval.every == 30
    # Only that it is off was chosen: how often is the code's, the new one.
    assert (sent("tidy").enabled, sent("tidy").interval.every) == (False, 7200)
    assert (sent("new-one").task, sent("new-one").crontab.hour) == ("roaming.new_one", "2")
    assert PeriodicTask.objects.count() == Schedule.objects.count() == 3


def test_what_the_code_does_not_know_is_not_sent_for() -> None:
    made = PeriodicTask(name="mine", task="os.system", interval=sent("tidy").interval)
    made.save()
    operations.keep_schedules()
    assert not PeriodicTask.objects.filter(name="mine").exists()


def test_to_keep_what_is_there_writes_nothing(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    before = PeriodicTasks.last_change()
    operations.keep_schedules()
    assert PeriodicTasks.last_change() == before


def test_a_change_has_the_beat_read_again_and_is_audited() -> None:
    before = PeriodicTasks.last_change()
    operations.change_schedule(schedule_id=row("check-drift").pk, is_on=True, at=time(3, 15))
    assert PeriodicTasks.last_change() > before
    assert (sent("check-drift").crontab.hour, sent("check-drift").crontab.minute) == ("3", "15")
    entry = Entry.objects.filter(table="upkeep_schedule").latest("id")
    assert entry.after == {"at": "03:15:00"}


def test_a_daily_task_takes_no_seconds() -> None:
    with pytest.raises(ValueError, match="another way"):
        operations.change_schedule(schedule_id=row("check-drift").pk, is_on=True, seconds=5)
    with pytest.raises(ValueError, match="another way"):
        operations.change_schedule(schedule_id=row("tidy").pk, is_on=True, at=time(1))


def test_staff_changes_a_schedule_and_sets_it_back(admin_client: Client) -> None:
    url = page_of("turn-tariffs")
    assert read_form(admin_client, url, FORM)["seconds"] == ["10"]
    assert send_form(admin_client, url, FORM, seconds="60").status_code == 302
    assert row("turn-tariffs").seconds == 60
    assert sent("turn-tariffs").interval.every == 60
    # What waits for longer than until the next one is of no use.
    assert sent("turn-tariffs").expire_seconds == 60
    reset = f"{LIST}{row('turn-tariffs').pk}/reset/"
    assert reset in admin_client.get(url).content.decode()
    asked = admin_client.get(reset).content.decode()
    assert "It is on then, and sent for every 10 s." in asked
    assert row("turn-tariffs").seconds == 60
    assert admin_client.post(reset).status_code == 302
    assert row("turn-tariffs").is_default
    assert sent("turn-tariffs").interval.every == 10
    assert reset not in admin_client.get(url).content.decode()


def test_what_equals_the_default_follows_the_code(admin_client: Client) -> None:
    assert send_form(admin_client, page_of("turn-tariffs"), FORM, seconds="10").status_code == 302
    assert row("turn-tariffs").is_default


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "", "x"])
def test_seconds_out_of_bounds_are_refused(admin_client: Client, seconds: str) -> None:
    errors = errors_of(send_form(admin_client, page_of("tidy"), FORM, seconds=seconds))
    assert list(errors) == ["seconds"]
    assert row("tidy").is_default


def test_a_vital_task_that_is_off_is_warned_of(admin_client: Client) -> None:
    url = page_of("wake-feeds")
    answer = send_form(admin_client, url, FORM, is_on=None)
    text = admin_client.get(answer.headers["Location"]).content.decode()
    assert "roaming.wake_feeds is vital, and off: Partners may not be told of changes." in text
    assert "off, and vital" in text
    assert not sent("wake-feeds").enabled
    assert "Vital tasks are off" in admin_client.get("/admin/operations/").content.decode()
    operations.reset_schedule(schedule_id=row("wake-feeds").pk)
    assert "Vital tasks are off" not in admin_client.get("/admin/operations/").content.decode()


def test_a_task_that_is_not_vital_may_be_off(admin_client: Client) -> None:
    send_form(admin_client, page_of("pull-partners"), FORM, is_on=None)
    assert "Vital tasks are off" not in admin_client.get("/admin/operations/").content.decode()


@pytest.mark.parametrize(
    ("role", "status"),
    [("ops", 200), ("operator_admin", 200), ("operations", 403), ("read_only", 403)],
)
def test_schedules_are_for_who_keeps_the_platform_running(role: str, status: int) -> None:
    user = User.objects.create_user("eve", is_staff=True)
    set_roles(user_id=user.pk, roles=[role])
    client = Client()
    client.force_login(user)
    assert client.get(LIST).status_code == status
    assert client.get(page_of("tidy")).status_code == status
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.get("/admin/django_celery_beat/periodictask/").status_code == 404


def test_the_list_takes_the_same_queries_whatever_there_is(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    admin_client.get(LIST)
    with django_assert_num_queries(4):
        assert "Makes sessions of what chargers say." in admin_client.get(LIST).content.decode()

"""Workers share what is due, each transaction is one worker's, and none stands in others' way."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from cpo_platform.common import clock
from ocpp_gateway import tasks
from ocpp_gateway.models import News, StationMessage, Transaction
from ocpp_gateway.operations import digesting
from ocpp_gateway.operations.digesting import Due, Outcome
from ocpp_gateway.operations.gathering import facts_of
from sessions_app.models import Cdr, Session, SessionStatus
from tests.concurrency import elsewhere
from tests.ocpp_gateway.world import Charge, make_outlet, minute

pytestmark = pytest.mark.django_db


def ended(outlet: Any = None, *, at: float = 0) -> Charge:
    charge = Charge(outlet or make_outlet(), opened=at)
    charge.start(at)
    charge.stop(at + 10, 13_000)
    return charge


def ids(due: list[Due]) -> list[int]:
    return [one.transaction_id for one in due]


# What is due


def test_what_is_due_are_news_and_what_time_alone_changes() -> None:
    told, silent, later = ended(), ended(), ended()
    News.objects.exclude(transaction=told.row).delete()
    Transaction.objects.filter(pk=silent.row.pk).update(look_again_at=minute(20))
    News.objects.create(transaction=later.row, due_at=minute(30))

    assert ids(digesting.due(now=minute(19))) == [told.row.pk]
    assert ids(digesting.due(now=minute(20))) == [told.row.pk, silent.row.pk]
    assert ids(digesting.due(now=minute(30))) == [told.row.pk, silent.row.pk, later.row.pk]


def test_those_that_have_waited_longest_come_first_and_of_one_outlet_in_order() -> None:
    newest, oldest = ended(at=20), ended(at=0)
    second = ended(oldest.outlet, at=10)

    assert ids(digesting.due(now=minute(60), most=1)) == [oldest.row.pk]
    assert ids(digesting.due(now=minute(60))) == [newest.row.pk, oldest.row.pk, second.row.pk]


def test_what_is_open_at_an_outlet_is_looked_at_before_the_next_begins_there() -> None:
    first = Charge(make_outlet())
    first.start(0)
    first.meter(10, "11000")
    first.digest(10.1)
    second = Charge(first.outlet, opened=20)
    second.start(20, 11_000)

    assert digesting.due(now=minute(20)) == [
        Due(first.row.pk, first.outlet.pk),
        Due(second.row.pk, first.outlet.pk),
    ]
    tasks.digest_news()

    assert first.cdr.total_energy == Decimal(1)
    assert second.session.status == SessionStatus.ACTIVE
    # It has begun: what is told of it later is of no matter to others.
    second.meter(30, "12000")
    assert ids(digesting.due(now=minute(30))) == [second.row.pk]


# The task


def test_a_run_works_through_all_that_is_due() -> None:
    charges = [ended() for _ in range(3)]

    tasks.digest_news()

    assert {charge.cdr.total_energy for charge in charges} == {Decimal(3)}
    assert not News.objects.exists()


def test_a_run_ends_when_its_turn_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    ended()
    monkeypatch.setattr(tasks, "TURN", 0.0)

    tasks.digest_news()

    assert not Session.objects.exists()


def test_one_that_fails_is_logged_and_put_off_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = ended(), ended()
    StationMessage.objects.filter(transaction=broken.row, action="StopTransaction").update(
        payload="{"
    )
    monkeypatch.setattr(clock, "now", lambda: minute(10.1))

    with caplog.at_level(logging.ERROR):
        tasks.digest_news()

    assert f"transaction {broken.row.pk} could not be digested" in caplog.text
    assert sound.cdr.total_energy == Decimal(3)
    assert broken.now().session is None
    assert set(News.objects.values_list("transaction_id", "due_at")) == {
        (broken.row.pk, minute(11.1))
    }


def test_one_whose_token_was_refused_has_no_other_looked_at() -> None:
    outlet = make_outlet()
    charges = Charge(outlet)
    charges.start(0, 10_000)
    charges.digest(1)
    refused = Charge(outlet, verdict="BLOCKED", cdr_token=None)
    refused.start(2, 10_000)

    assert [one.transaction_id for one in digesting.due(now=minute(3))] == [refused.row.pk]


def test_what_fails_again_is_put_off_for_longer_each_time_up_to_an_hour() -> None:
    charge = ended()
    waits = []
    now = minute(10)
    for _ in range(9):
        digesting.put_off(transaction_id=charge.row.pk, why="x", now=now)
        again = News.objects.order_by("-due_at").values_list("due_at", flat=True)[0]
        waits.append((again - now) / timedelta(minutes=1))
        now = again

    assert waits == [1, 1, 2, 4, 8, 16, 32, 60, 60]


def test_news_that_come_meanwhile_are_not_put_off() -> None:
    charge = ended()
    Transaction.objects.update(look_again_at=minute(5))
    charge.meter(20, "14000")

    digesting.put_off(transaction_id=charge.row.pk, why="x", now=minute(10))

    assert set(News.objects.values_list("due_at", flat=True)) == {minute(11), minute(20)}
    assert charge.now().look_again_at == minute(11)


def test_the_beat_looks_every_second() -> None:
    entry = django_settings.CELERY_BEAT_SCHEDULE["digest-news"]

    assert entry == {
        "task": tasks.digest_news.name,
        "schedule": 1.0,
        "options": {"expires": 1},
    }


def test_a_nudge_is_sent_after_the_commit_and_not_too_often(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.digest_news, "apply_async", lambda **how: sent.append(how))
    monkeypatch.setitem(tasks._nudged, "at", 0.0)

    with django_capture_on_commit_callbacks(execute=True):
        tasks.digest_soon()
        assert sent == []
        tasks.digest_soon()

    assert sent == [{"retry": False, "expires": 1}]


def test_a_nudge_that_finds_no_broker_is_left_to_the_beat(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away(**_how: Any) -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(tasks.digest_news, "apply_async", away)
    monkeypatch.setitem(tasks._nudged, "at", 0.0)

    with django_capture_on_commit_callbacks(execute=True):
        tasks.digest_soon()

    assert "wait for the beat: nobody there" in caplog.text


# Several workers


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_session_of_a_transaction() -> None:
    charges = [ended() for _ in range(4)]
    barrier = Barrier(2)

    def work(_number: int) -> None:
        try:
            barrier.wait(timeout=10)
            tasks.digest_news()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    tasks.digest_news()

    assert Session.objects.count() == Cdr.objects.count() == 4
    assert {charge.cdr.total_energy for charge in charges} == {Decimal(3)}
    assert not News.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_another_worker_has_is_left_to_it_and_so_is_what_follows_at_the_outlet() -> None:
    first = ended()
    second = ended(first.outlet, at=20)
    elsewhere_too = ended(at=20)

    with transaction.atomic():
        Transaction.objects.select_for_update().get(pk=first.row.pk)
        taken: list[Outcome] = []
        elsewhere(lambda: taken.append(first.digest(40)))
        elsewhere(tasks.digest_news)

    assert taken == [Outcome.TAKEN]
    assert elsewhere_too.cdr.total_energy == Decimal(3)
    assert first.now().session is None
    assert second.now().session is None
    tasks.digest_news()
    assert first.cdr.end_date_time < second.cdr.start_date_time


@pytest.mark.django_db(transaction=True)
def test_the_gateway_goes_on_while_a_transaction_is_digested() -> None:
    """It keeps a message, which is news, whether or not a worker has the transaction."""
    charge = ended()

    with transaction.atomic():
        digesting._locked(charge.row.pk)
        elsewhere(lambda: charge.meter(5, "11000"))

    assert News.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_news_that_come_while_a_transaction_is_digested_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charge = Charge(make_outlet())
    charge.start()

    def slowly(*args: Any, **how: Any) -> Any:
        facts = facts_of(*args, **how)
        elsewhere(lambda: charge.stop(10, 13_000))
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(digesting, "facts_of", slowly)
        charge.digest(10)
    assert charge.session.status == SessionStatus.ACTIVE
    assert News.objects.count() == 1

    charge.digest(10.1)

    assert charge.cdr.total_energy == Decimal(3)

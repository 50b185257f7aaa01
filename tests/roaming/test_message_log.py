"""The message log: one COPY for many, days that come and go, and nobody who waits for it."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from cpo_platform.common import clock
from roaming import authorizing, message_log
from roaming.client import Credential, Reply, Request, send_once
from roaming.message_log import Direction, Entry
from roaming.models import Message, MessageBody, Partner
from roaming.ocpi import talk
from roaming.operations import message_log as days
from roaming.tasks import tidy
from sessions_app.authorization import Question
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db


def entry(**values: Any) -> Entry:
    return Entry(
        **{
            "partner_id": 1,
            "at": clock.now(),
            "direction": Direction.OUT,
            "method": "PUT",
            "url": "https://x.example/1",
            "module": "locations",
            "http_status": 200,
            "status_code": 1000,
            **values,
        }
    )


def partitions(parent: str = days.MESSAGES) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
            [parent],
        )
        return sorted(name for (name,) in cursor.fetchall())


def place_of(message: Message) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM roaming_message WHERE id = %s", [message.pk]
        )
        (name,) = cursor.fetchone()
        return str(name)


@pytest.mark.parametrize("size", [1, 300])
def test_many_entries_are_written_with_the_same_queries(
    django_assert_num_queries: Any, size: int
) -> None:
    # Two for the savepoint, the ids, messages, bodies.
    entries = [entry(object_id=number, request_body=b"{}") for number in range(size)]
    message_log.write([entry()])
    with django_assert_num_queries(5):
        message_log.write(entries)
    assert Message.objects.filter(object_id__isnull=False).count() == size
    assert MessageBody.objects.count() == size


def test_an_entry_is_kept_as_it_was() -> None:
    now = clock.now()
    message_log.write(
        [
            entry(
                at=now,
                url="https://x.example/\u30c6?limit=1",
                object_id=7,
                version="2.2.1",
                http_status=404,
                status_code=2003,
                duration_ms=12,
                error="HTTP 404\tOCPI 2003\n\\.",
                request_id="r" * 80,
                correlation_id="c",
                request_body='{"name":"\u30c6\\n\x00"}'.encode(),
                response_body=b"\xff\xfe<html>",
            )
        ]
    )
    row = Message.objects.values().get()
    pk = row["id"]
    assert row == {
        "id": pk,
        "partner_id": 1,
        "at": now,
        "direction": "OUT",
        "method": "PUT",
        "url": "https://x.example/\u30c6?limit=1",
        "version": "2.2.1",
        "module": "locations",
        "object_id": 7,
        "http_status": 404,
        "status_code": 2003,
        "duration_ms": 12,
        "failed": True,
        "error": "HTTP 404\tOCPI 2003\n\\.",
        "request_id": "r" * 64,
        "correlation_id": "c",
    }
    assert MessageBody.objects.values().get() == {
        "id": pk,
        "at": now,
        "request_body": '{"name":"\u30c6\\n"}',
        "response_body": "\ufffd\ufffd<html>",
    }


def test_bodies_are_cut_and_empty_ones_take_no_row() -> None:
    message_log.write([entry(), entry(response_body=b"x" * 20_000)])
    (body,) = MessageBody.objects.all()
    assert (len(body.response_body), body.request_body) == (8192, "")
    assert Message.objects.count() == 2


@pytest.mark.parametrize(("kept", "count"), [("all", 2), ("errors", 1), ("off", 0)])
def test_the_setting_says_what_is_kept(settings: Settings, kept: str, count: int) -> None:
    settings.MESSAGE_LOG = kept
    message_log.write([entry(), entry(http_status=None, status_code=None, error="no answer")])
    assert Message.objects.count() == count
    assert all(Message.objects.values_list("failed", flat=True)) is (kept != "all")


def test_bodies_can_be_left_out(settings: Settings) -> None:
    settings.MESSAGE_BODY_DAYS = 0
    message_log.write([entry(request_body=b"{}")])
    assert (Message.objects.count(), MessageBody.objects.count()) == (1, 0)


def test_a_log_that_cannot_be_written_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    message_log.write([entry(http_status=2**20)])
    assert "1 messages were not logged" in caplog.text
    assert not Message.objects.exists()


def test_messages_are_in_the_partition_of_their_day() -> None:
    now = clock.now()
    message_log.write([entry(at=now)])
    assert place_of(Message.objects.get()) == f"roaming_message_p{now:%Y%m%d}"


def test_what_has_no_day_is_kept_and_finds_its_day_when_the_log_is_tended() -> None:
    now = clock.now()
    stray = now - timedelta(days=20)
    message_log.write([entry(at=stray, request_body=b"{}")])
    message = Message.objects.get()
    assert place_of(message) == "roaming_message_default"

    days.tend(now=now)

    assert place_of(message) == f"roaming_message_p{stray:%Y%m%d}"
    assert Message.objects.get() == message
    assert not MessageBody.objects.exists()  # older than bodies are kept


def test_the_days_that_come_are_made_ahead_once() -> None:
    now = datetime(2031, 3, 30, 23, 59, tzinfo=UTC)

    made = days.tend(now=now).made

    assert [name for name in made if name.startswith("roaming_message_p")] == [
        f"roaming_message_p203103{day}" for day in (30, 31)
    ] + ["roaming_message_p20310401", "roaming_message_p20310402"]
    assert len(made) == 8
    assert days.tend(now=now).made == []


def test_a_day_that_nobody_made_is_made_by_the_first_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2031, 5, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    message_log.write([entry(at=now)])
    assert place_of(Message.objects.get()) == "roaming_message_p20310501"


def test_old_days_are_dropped_bodies_first(settings: Settings) -> None:
    settings.MESSAGE_LOG_DAYS, settings.MESSAGE_BODY_DAYS = 3, 1
    now = datetime(2031, 6, 10, 0, 30, tzinfo=UTC)
    moments = [now - timedelta(days=back) for back in range(6)]
    days.make_days(days=[moment.date() for moment in moments])
    message_log.write([entry(at=moment, request_body=b"{}") for moment in moments])

    dropped = days.tend(now=now).dropped

    assert [name for name in dropped if "203106" in name] == [
        "roaming_message_p20310605",
        "roaming_message_p20310606",
        *(f"roaming_messagebody_p2031060{day}" for day in (5, 6, 7, 8)),
    ]
    assert list(Message.objects.order_by("at").values_list("at__day", flat=True)) == [7, 8, 9, 10]
    assert list(MessageBody.objects.order_by("at").values_list("at__day", flat=True)) == [9, 10]


def test_a_day_that_was_detached_when_its_worker_died_is_dropped() -> None:
    days.make_days(days=[date(2000, 1, 1)])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE roaming_message DETACH PARTITION roaming_message_p20000101")
    assert "roaming_message_p20000101" in days.tend(now=clock.now()).dropped


def test_strays_that_are_too_old_are_deleted() -> None:
    now = clock.now()
    message_log.write([entry(at=now - timedelta(days=200)), entry(at=now)])
    days.tend(now=now)
    assert Message.objects.get().at == now


def test_tidying_tends_the_log() -> None:
    message_log.write([entry(at=clock.now() - timedelta(days=200))])
    tidy()
    assert not Message.objects.exists()


def test_what_is_recorded_is_written_later(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        for _ in range(3):
            message_log.record(entry())
    message_log.flush()
    assert Message.objects.count() == 3
    message_log.flush()
    assert Message.objects.count() == 3


def test_too_many_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(message_log, "CAPACITY", 2)
    for _ in range(5):
        message_log.record(entry())
    message_log.flush()
    assert Message.objects.count() == 2
    assert "3 messages were not logged: too many came at once" in caplog.text


def test_a_forked_process_does_not_write_what_its_parent_will() -> None:
    message_log.record(entry())
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, str(len(message_log._buffer._waiting)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 10) == b"0"
    os.close(reads)
    os.close(writes)
    assert len(message_log._buffer._waiting) == 1


@pytest.fixture
def thread(
    settings: Settings, transactional_db: None
) -> Iterator[message_log.Buffer[message_log.Entry]]:
    """Record as the web does: another thread writes, on a connection of its own."""
    settings.MESSAGE_LOG_THREAD = True
    buffer = message_log.Buffer(message_log.write)
    yield buffer
    buffer.stop()


@pytest.mark.django_db(transaction=True)
def test_the_thread_writes_what_the_web_recorded(
    thread: message_log.Buffer[message_log.Entry],
) -> None:
    for number in range(message_log.ENOUGH):
        thread.put(entry(object_id=number))
    thread.stop()
    assert Message.objects.count() == message_log.ENOUGH


@pytest.mark.django_db(transaction=True)
def test_tables_are_emptied_between_tests_that_commit() -> None:
    """The one before has committed, and every partition was truncated with its table."""
    assert not Message.objects.exists()
    with transaction.atomic():
        message_log.write([entry(request_body=b"{}")])
    assert Message.objects.get().pk == MessageBody.objects.get().pk


def test_a_partner_takes_its_messages_along() -> None:
    partner = Partner.objects.create(name="Gone")
    message_log.write([entry(partner_id=partner.pk), entry(partner_id=partner.pk + 1)])
    partner.delete()
    assert Message.objects.count() == 1


def test_what_a_known_partner_is_refused_is_logged_and_a_stranger_is_not(
    first: Registered,
) -> None:
    first.call("PATCH", "locations")
    first.call.token = "nobody's"
    first.call.get("locations")

    message_log.flush()

    (row,) = Message.objects.all()
    assert (row.partner_id, row.method, row.http_status, row.failed) == (
        first.partner.pk,
        "PATCH",
        405,
        True,
    )
    assert (row.version, row.module) == ("2.2.1", "locations")


def test_keys_of_partners_are_not_logged(first: Registered) -> None:
    first.call(
        "POST",
        "commands/STOP_SESSION?token=very-secret",
        {"session_id": "1", "response_url": "https://x.example/r?key=very-secret"},
    )
    message_log.flush()
    assert "very-secret" not in str([*Message.objects.values(), *MessageBody.objects.values()])
    assert "https://x.example/r?key=***" in MessageBody.objects.get().request_body


def test_questions_about_a_token_are_logged() -> None:
    partner = make_partner(endpoints={"tokens": "http://127.0.0.1:9/tokens"}).partner
    question = Question(
        country_code="NL",
        party_id="EMS",
        uid="04AA",
        type="RFID",
        location_id="LOC1",
        evse_uid="E1",
        connector_id="1",
        asker=None,
    )
    authorizing.OcpiAuthorizer().ask(question)
    row = Message.objects.get()
    assert (row.partner_id, row.module, row.method) == (partner.pk, "tokens", "POST")
    assert (row.failed, row.http_status) == (True, None)
    assert row.correlation_id


def test_the_entry_of_a_request_says_what_came_back() -> None:
    reply = send_once(Request("PUT", "http://127.0.0.1:9/x", b"{}"), Credential("t"))
    written = message_log.sent(
        reply, partner_id=3, at=clock.now(), module="cdrs", version="2.2.1", object_id=9
    )
    assert (written.direction, written.failed, written.error != "") == ("OUT", True, True)
    assert (written.request_body, written.correlation_id) == (b"{}", reply.request.correlation_id)


def test_a_conversation_about_credentials_is_one_correlation_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(request: Request, *_args: object, **_values: object) -> Reply:
        return Reply(request, 200, 1000, body=b'{"data":{"token":"very-secret"}}')

    monkeypatch.setattr(talk, "send_once", answer)
    partner = Partner.objects.create(name="New")
    conversation = talk.Talk(partner.pk, Credential("very-secret"))
    conversation.get("versions", "https://x.example/versions")
    conversation.send("credentials", "POST", "https://x.example/c", {"token": "very-secret"})

    rows = Message.objects.order_by("id")
    assert [(row.method, row.module) for row in rows] == [
        ("GET", "credentials"),
        ("POST", "credentials"),
    ]
    assert len({row.correlation_id for row in rows}) == 1
    bodies = list(MessageBody.objects.values())
    assert "very-secret" not in str(bodies)
    assert str(bodies).count('"token":"***"') == 3

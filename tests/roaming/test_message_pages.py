"""The pages of the message log: found by what people have at hand, without reading everything."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from pytest_django import Settings

from cpo_platform.common import clock
from cpo_platform.common.admin import searching
from roaming import message_log
from roaming.admin.message_log import MessageAdmin
from roaming.message_log import Entry
from roaming.models import Message, Partner
from sessions_app.operations import sessions
from tests.factories import NOW, ConnectorFactory, LocationFactory, SessionFactory, evse
from tests.roaming.test_message_log import entry

pytestmark = pytest.mark.django_db

LOG = "/admin/roaming/message/"


@pytest.fixture
def partner() -> Partner:
    return Partner.objects.create(name="First eMSP")


def log(partner: Partner, **values: Any) -> Message:
    message_log.write([entry(partner_id=partner.pk, **values)])
    return Message.objects.latest("pk")


def found(client: Client, **query: Any) -> list[str]:
    """Return the ends of the addresses of the messages that are listed."""
    response = client.get(f"{LOG}?{urlencode(query)}")
    assert response.status_code == 200
    return [row.url.rpartition("/")[2] for row in response.context["cl"].result_list]


def page(client: Client, message: Message) -> str:
    return client.get(f"{LOG}{message.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"direction": "IN"}, ["b"]),
        ({"module": "cdrs"}, ["d"]),
        ({"outcome": "failed"}, ["c", "b"]),
        ({"outcome": "unanswered"}, ["c"]),
        ({"status": "404"}, ["b"]),
        ({"status": "2003"}, ["b"]),
        ({"status": "1000"}, ["d", "a"]),
        ({"trace": "trace-7"}, ["b", "a"]),
        ({"trace": "request-9"}, ["d"]),
        ({"trace": "trace"}, []),
        ({"module": "locations", "outcome": "failed", "direction": "OUT"}, ["c"]),
    ],
)
def test_messages_are_found_by_each_field(
    admin_client: Client, partner: Partner, query: dict[str, str], expected: list[str]
) -> None:
    log(partner, url="https://x/a", correlation_id="trace-7")
    log(
        partner,
        url="/ocpi/b",
        direction="IN",
        http_status=404,
        status_code=2003,
        correlation_id="trace-7",
    )
    log(partner, url="https://x/c", http_status=None, status_code=None, error="no answer in time")
    log(partner, url="https://x/d", module="cdrs", request_id="request-9")
    assert found(admin_client, **query) == expected


def test_one_partner_is_shown_alone(admin_client: Client, partner: Partner) -> None:
    other = Partner.objects.create(name="Other")
    log(partner, url="https://x/a")
    log(other, url="https://x/b")
    assert found(admin_client, partner=partner.pk) == ["a"]


def test_an_object_is_found_by_its_row_and_by_what_partners_call_it(
    admin_client: Client, partner: Partner
) -> None:
    location = LocationFactory(evses=[evse("E-77")])
    quiet = LocationFactory()
    session = SessionFactory(connector=ConnectorFactory(evses=[evse("E-79")]))
    session, cdr = sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)
    assert cdr is not None
    log(partner, url="https://x/location", module="locations", object_id=location.pk)
    log(partner, url="https://x/session", module="sessions", object_id=session.pk)
    log(partner, url="https://x/cdr", module="cdrs", object_id=cdr.pk)

    assert found(admin_client, about=f"locations:{location.pk}") == ["location"]
    assert found(admin_client, about=location.ocpi_id.lower()) == ["location"]
    assert found(admin_client, about=" E-77 ") == ["location"]
    assert found(admin_client, about=session.ocpi_id)[-1] == "session"
    assert "cdr" in found(admin_client, about=cdr.ocpi_id)
    assert found(admin_client, about=quiet.ocpi_id) == []
    assert found(admin_client, about="nobody") == []
    assert found(admin_client, about=f"locations:{10**30}") == []


def test_the_last_day_is_shown_unless_somebody_says_since_when(
    admin_client: Client, partner: Partner
) -> None:
    now = clock.now()
    log(partner, url="https://x/old", at=now - timedelta(days=3.5), correlation_id="old")
    log(partner, url="https://x/new", at=now)
    since = f"{now - timedelta(days=4):%Y-%m-%dT%H:%M}"
    until = f"{now - timedelta(days=2):%Y-%m-%dT%H:%M}"

    assert found(admin_client) == ["new"]
    assert found(admin_client, since=since) == ["new", "old"]
    assert found(admin_client, since=since, until=until) == ["old"]
    assert found(admin_client, until=until) == []
    assert found(admin_client, trace="old") == ["old"]
    assert "say since when" in admin_client.get(LOG).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"status": "abc"},
        {"status": "7"},
        {"partner": "999999"},
        {"since": "yesterday"},
        {"since": "2026-05-02T10:00", "until": "2026-05-01T10:00"},
        {"about": "x" * 101},
    ],
)
def test_a_wrong_search_is_explained(
    admin_client: Client, partner: Partner, query: dict[str, str]
) -> None:
    log(partner)
    response = admin_client.get(f"{LOG}?{urlencode(query)}")
    assert response.context["cl"].result_count == 0
    assert 'class="cpo-error"' in response.content.decode()


def test_the_list_goes_on_with_older_ones(
    admin_client: Client, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST_FOUND", 4)
    monkeypatch.setattr(MessageAdmin, "list_per_page", 2)
    now = clock.now()
    message_log.write(
        [
            entry(partner_id=partner.pk, url=f"https://x/{n}", at=now - timedelta(minutes=n))
            for n in range(10)
        ]
    )
    seen: list[str] = []
    url = LOG
    while url:
        cl = admin_client.get(url).context["cl"]
        assert cl.result_count <= 4
        for number in cl.paginator.page_range:
            page_url = f"{url}{'&' if '?' in url else '?'}p={number}"
            rows = admin_client.get(page_url).context["cl"].result_list
            seen += [row.url.rpartition("/")[2] for row in rows]
        url = LOG + cl.older_url if cl.older_url else ""
    assert seen == list("0123456789")


@pytest.mark.parametrize("size", [1, 60])
def test_the_list_takes_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, partner: Partner, size: int
) -> None:
    message_log.write([entry(partner_id=partner.pk) for _ in range(size)])
    admin_client.get(LOG)  # fills the caches that live longer than a request
    # Session, user, partners to choose from, what is there, the page.
    with django_assert_num_queries(5):
        assert admin_client.get(LOG).status_code == 200


def test_a_message_shows_both_sides(
    admin_client: Client, django_assert_num_queries: Any, partner: Partner
) -> None:
    message = log(
        partner,
        object_id=7,
        request_body=b'{"uid":"1"}',
        response_body=b"<html>",
        correlation_id="trace-7",
    )
    log(partner, url="https://x/result", correlation_id="trace-7")
    page(admin_client, message)
    # Session, user, the message, its partner, its bodies, the same cause.
    with django_assert_num_queries(6):
        text = page(admin_client, message)
    assert "&quot;uid&quot;: &quot;1&quot;" in text
    assert "&lt;html&gt;" in text
    assert f'href="/admin/roaming/partner/{partner.pk}/change/"' in text
    assert 'href="/admin/locations/location/7/change/"' in text
    assert "The same correlation id" in text
    assert "https://x/result" in text


def test_a_message_says_why_it_has_no_bodies(
    admin_client: Client, partner: Partner, settings: Settings
) -> None:
    message = log(partner)
    old = log(partner, at=clock.now() - timedelta(days=8))
    assert "Without a body." in page(admin_client, message)
    assert "kept for 7 days only" in page(admin_client, old)
    settings.MESSAGE_BODY_DAYS = 0
    assert "MESSAGE_BODY_DAYS is 0" in page(admin_client, message)


def test_no_answer_is_said_in_words(admin_client: Client, partner: Partner) -> None:
    message = log(partner, http_status=None, status_code=None, error="no answer in time")
    assert "No answer came back." in page(admin_client, message)
    assert "No answer" in admin_client.get(LOG).content.decode()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("all", "No exchange with a partner in the last 24 hours."),
        ("errors", "Only failures are written down"),
        ("off", "Nothing is written down"),
    ],
)
def test_an_empty_log_says_why(
    admin_client: Client, settings: Settings, kept: str, said: str
) -> None:
    settings.MESSAGE_LOG = kept
    assert said in admin_client.get(LOG).content.decode()
    assert "Nothing matches" in admin_client.get(f"{LOG}?module=cdrs").content.decode()


def test_entries_are_cheap_to_keep() -> None:
    assert not hasattr(entry(), "__dict__")
    assert Entry.__slots__

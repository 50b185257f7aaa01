"""Who asks too often is told so; nobody else notices, also when what counts is away."""

import time
from collections.abc import Iterator

import pytest
import redis
from django.test import Client, RequestFactory
from pytest_django import Settings

from cpo_platform.common.client_address import client_address
from roaming.models import Message
from roaming.ocpi.common import limits
from roaming.ocpi.common.errors import TooManyRequests
from roaming.ocpi.common.limits import Limiter
from tests.roaming.conftest import Caller, Registered, make_partner

pytestmark = pytest.mark.django_db

# Far from the end of a minute of the clock.
NOW = 1_800_000_010.0


@pytest.fixture(autouse=True)
def fresh(broker: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with nothing counted, at a moment of a minute that does not end."""
    monkeypatch.setattr(limits, "limiter", Limiter())
    monkeypatch.setattr(time, "time", lambda: NOW)
    limits._client.cache_clear()
    yield
    limits._client.cache_clear()


@pytest.fixture
def first(db: None) -> Registered:
    return make_partner()


def take(limiter: Limiter, times: int, *, limit: int, key: str = "1", now: float = NOW) -> int:
    """Return how many of so many requests were let through."""
    through = 0
    for _ in range(times):
        try:
            limiter.check(limits.PARTNERS, key, limit, now=now)
        except TooManyRequests:
            continue
        through += 1
    return through


def test_a_partner_that_asks_too_often_is_told_when_to_come_back(
    first: Registered, settings: Settings
) -> None:
    settings.OCPI_REQUESTS_PER_MINUTE = 3
    other = make_partner("Other eMSP", "FOE")
    assert [first.call.get("locations").status for _ in range(3)] == [200, 200, 200]
    reply = first.call.get("locations")
    assert (reply.status, reply.code) == (429, 2000)
    assert reply.headers["Retry-After"] == "50"
    assert reply.body["status_message"] == "3 requests a minute are answered; ask again in 50 s"
    assert "timestamp" in reply.body
    assert other.call.get("locations").status == 200, "it is that partner's trouble alone"
    assert not Message.objects.filter(http_status=429).exists()


def test_strangers_are_counted_by_address_and_partners_there_are_not(
    first: Registered, settings: Settings
) -> None:
    settings.OCPI_UNKNOWN_PER_MINUTE = 2
    stranger = Caller("made-up")
    assert [stranger.get("locations").status for _ in range(4)] == [401, 401, 429, 429]
    assert Client().get("/ocpi/versions").status_code == 429, "with no token at all, too"
    assert Client().get("/ocpi/versions", REMOTE_ADDR="198.51.100.1").status_code == 401
    assert first.call.get("locations").status == 200


def test_a_network_of_ipv6_is_one_stranger(settings: Settings, db: None) -> None:
    settings.OCPI_UNKNOWN_PER_MINUTE = 2
    seen = [
        Client().get("/ocpi/versions", REMOTE_ADDR=f"2001:db8::{number:x}").status_code
        for number in range(4)
    ]
    assert seen == [401, 401, 429, 429]
    assert Client().get("/ocpi/versions", REMOTE_ADDR="2001:db8:0:1::1").status_code == 401


def test_all_processes_count_together_and_anew_each_minute(broker: redis.Redis) -> None:
    one, two = Limiter(), Limiter()
    through = sum(take(each, 400, limit=1000) for each in (one, two, one, two))
    # What one process took and the other would have needed is lost: a share of each at most.
    assert 1000 - 2 * (1000 // limits.SHARES) <= through <= 1000
    assert take(one, 5, limit=1000, now=NOW + 60) == 5


def test_most_requests_ask_nobody(broker: redis.Redis) -> None:
    before = _asked(broker)
    assert take(Limiter(), 300, limit=6000) == 300
    assert _asked(broker) - before == 10


def _asked(broker: redis.Redis) -> int:
    found = broker.info("commandstats").get("cmdstat_incrby")
    return int(found["calls"]) if found else 0


def test_nobody_is_refused_where_redis_is_away(
    settings: Settings, first: Registered, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.OCPI_REQUESTS_PER_MINUTE = 1
    assert [first.call.get("locations").status for _ in range(4)] == [200] * 4
    assert caplog.text.count("requests are not counted") == 1, "it is left alone for a while"


def test_what_is_remembered_is_bounded(
    monkeypatch: pytest.MonkeyPatch, broker: redis.Redis
) -> None:
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 50)
    monkeypatch.setattr(limits, "BUCKETS", 8)
    limiter = Limiter()
    for number in range(200):
        key = limits._bucket(f"198.51.{number}.1")
        limiter.check(limits.STRANGERS, key, 1000, now=NOW)
        limiter.check(limits.PARTNERS, str(number), 1000, now=NOW)
    assert len(limiter._taken) == 50
    names = broker.keys(f"{limits.PREFIX}:{limits.STRANGERS}:*")
    assert 1 < len(names) <= 8
    assert all(0 < broker.ttl(name) <= 120 for name in names)


def test_monitoring_sees_who_was_refused(client: Client, settings: Settings) -> None:
    settings.OCPI_UNKNOWN_PER_MINUTE = 1
    for _ in range(3):
        Caller("made-up").get("locations")
    text = client.get("/metrics").content.decode()
    assert 'cpo_ocpi_limited_requests_total{caller="unknown"} 2.0' in text
    assert 'cpo_ocpi_limited_requests_total{caller="partner"} 0.0' in text


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ("203.0.113.9", 0, "10.0.0.1"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "10.0.0.1"),
        ("nonsense", 1, "10.0.0.1"),
        ("", 1, "10.0.0.1"),
        ("[2001:db8::1]:443", 1, "2001:db8::1"),
        ("203.0.113.9:1234", 1, "203.0.113.9"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
    ],
)
def test_the_address_is_what_a_proxy_of_ours_saw(
    settings: Settings, forwarded: str, proxies: int, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == expected

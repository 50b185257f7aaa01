"""What every test may use.

The servers need nothing here: the settings start a pair for the test run (`ensure_for_tests`), and
each process of pytest-xdist gets a database and a Redis database of its own.
"""

import gc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.db import connection
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from pytest_django.plugin import DjangoDbBlocker

from cpo_platform.celery import app
from cpo_platform.common import clock
from roaming import message_log, refused_calls
from roaming.draining import attending
from sandbox.emsp import Emsp, running_emsp
from tests import databases, examples

AS_USUAL = gc.get_threshold()
SELDOM = (50_000, 20, 20)
# From now on: while tests are collected there is hardly any garbage, and much to look through.
gc.set_threshold(*SELDOM)

# Neither is about what is tested, but about how busy the machine is. The examples are the same in
# each run, so that a change is judged by itself; `make search` looks for others by chance.
hypothesis_settings.register_profile(
    "quiet",
    deadline=None,
    max_examples=100 * examples.TIMES,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=examples.TIMES == 1,
)
hypothesis_settings.load_profile("quiet")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, in an order by chance otherwise."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for garbage never again among what is there until the end.

    The platform, its libraries and some thousand tests are a few million objects, and each full
    look at them finds nothing.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def garbage_as_usual() -> Iterator[None]:
    """Look for garbage as often as in production, for tests of how much memory something takes."""
    gc.set_threshold(*AS_USUAL)
    yield
    gc.set_threshold(*SELDOM)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Have the processes of a run migrate one database for all."""
    if not hasattr(request.config, "workerinput"):
        yield
        return
    with databases.migrated_once(tmp_path_factory.getbasetemp().parent, django_db_blocker):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Have a database, and know what is in it."""
    with django_db_blocker.unblock():
        databases.remember_made()


@pytest.fixture(scope="session", autouse=True)
def quick_flush() -> Iterator[None]:
    """Empty quickly what a test with transactions leaves."""
    with databases.emptied_quickly():
        yield


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Speak English: a request in another language leaves it active in its thread."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    """Push the progress of sessions with each meter value, unless a test says otherwise."""
    settings.SESSION_UPDATE_SECONDS = 0


@pytest.fixture
def broker() -> "Iterator[redis.Redis]":
    """Return a client of this process's own Redis database, empty before and after."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def emsp(settings: Settings, tmp_path: Path) -> Iterator[Emsp]:
    """Run the sandbox eMSP, NL*EMS, on a free port: a partner that knows us over the wire only."""
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with running_emsp(database=str(tmp_path / "emsp.sqlite")) as running:
        yield running


@pytest.fixture
def platform(live_server: LiveServer, settings: Settings) -> str:
    """Serve the platform over HTTP; return its OCPI versions URL."""
    settings.PUBLIC_URL = live_server.url
    return f"{live_server.url}/ocpi/versions"


@pytest.fixture
def worker(
    broker: redis.Redis, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run a real Celery worker beside the test, on the test's own broker."""
    monkeypatch.setattr(attending, "LINGER_SECONDS", 0.25)
    # Its threads end without a word, and keep no connection over that.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    with start_worker(
        app,
        pool="threads",
        concurrency=6,
        queues=["cpo", "push"],
        perform_ping_check=False,
        shutdown_timeout=20,
    ):
        yield
        # It says so by itself in a process of its own.
        assert attending.leave(seconds=20)
    attending.come_back()


class Clock:
    """The platform's clock, in the hands of a test: it runs, and can be set forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = timedelta()
        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + self._ahead)

    def forward(self, **by: float) -> None:
        self._ahead += timedelta(**by)

    def now(self) -> datetime:
        return clock.now()


@pytest.fixture
def platform_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture(autouse=True)
def recorded_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with nothing recorded: `flush` of both writes what this test has recorded."""
    monkeypatch.setattr(message_log, "_buffer", message_log.Buffer(message_log.write))
    monkeypatch.setattr(refused_calls, "_buffer", message_log.Buffer(refused_calls.write))

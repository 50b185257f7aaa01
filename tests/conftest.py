"""What every test may use.

The servers need nothing here: the settings start a pair for the test run (`ensure_for_tests`), and
each process of pytest-xdist gets a database and a Redis database of its own.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.utils import translation
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from cpo_platform.celery import app
from cpo_platform.common import clock
from roaming.draining import attending
from sandbox.emsp import Emsp, running_emsp


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
    with start_worker(
        app,
        pool="threads",
        concurrency=6,
        queues=["cpo", "push"],
        perform_ping_check=False,
        shutdown_timeout=20,
    ):
        yield


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

"""Whatever dies in between, the partner ends up with our state."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings
from django.db import connection

from cpo_platform.common import clock
from locations.models import Evse, Location
from locations.operations import set_evse_status
from roaming.models import Feed
from roaming.ocpi.documents import bodies
from roaming.ocpi.versions import VERSIONS
from roaming.operations import feed, partners
from roaming.tasks import wake_feeds
from sandbox.emsp import Emsp
from tests.audiences import EVERYBODY
from tests.factories import LocationFactory, TariffFactory, evse

pytestmark = pytest.mark.django_db(transaction=True)

SITES = 60


class Worker:
    """A Celery worker in a process of its own, on the test's database and broker."""

    def __init__(self) -> None:
        database = settings.DATABASES["default"]
        url = (
            f"postgres://{database['USER']}:{database['PASSWORD']}"
            f"@{database['HOST']}:{database['PORT']}/{connection.settings_dict['NAME']}"
        )
        self._environment = os.environ | {
            "DATABASE_URL": url,
            "REDIS_URL": settings.REDIS_URL,
            "OUTBOUND_ALLOW_PRIVATE": "true",
            "FEED_LEASE_SECONDS": "2",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "cpo_platform", "worker"),
                *("--queues", "cpo,push", "--pool", "threads", "--concurrency", "6"),
            ],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """End it as a crash would: no clean-up, no goodbye."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def close(self) -> None:
        if self._process is not None:
            self.kill()


@pytest.fixture
def worker_process(broker: redis.Redis) -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def network(db: None) -> None:
    tariff = TariffFactory(id="T1")
    for number in range(SITES):
        LocationFactory(
            id=f"L{number:03}", tariff=tariff, evses=[evse(f"E{number:03}")], now=clock.now()
        )


def register(emsp: Emsp, platform: str) -> None:
    invitation = partners.invite_partner(
        name="Sandbox", role="EMSP", country_code="NL", party_id="EMS", now=clock.now()
    )
    emsp.register(platform, invitation.token_a)


def ours() -> dict[str, Any]:
    rows = Location.objects.values_list("id", "last_updated")
    found = bodies(rows, module="locations", version=VERSIONS["2.2.1"], audience=EVERYBODY)
    documents = (orjson.loads(body) for body in found.values())
    return {document["id"]: document for document in documents}


def theirs(emsp: Emsp) -> dict[str, Any]:
    return {document["id"]: document for document in emsp.objects("locations")}


def flip_all(status: str) -> None:
    for pk in Evse.objects.order_by("uid").values_list("pk", flat=True):
        set_evse_status(evse_id=pk, status=status, now=clock.now())


def nudged_until_equal(emsp: Emsp, *, seconds: float = 45) -> None:
    """Do what beat does, wake the feeds now and then, until the partner has what we have.

    And until the feed knows it: the position moves after the partner has answered.
    """
    expected = ours()
    deadline = time.monotonic() + seconds
    while theirs(emsp) != expected or any(feed.waiting(one) for one in Feed.objects.all()):
        assert time.monotonic() < deadline, f"{list(Feed.objects.values())}"
        wake_feeds.delay()
        _wait_for_a_change(emsp)


def _wait_for_a_change(emsp: Emsp) -> None:
    before = len(emsp.messages(direction="in"))
    try:
        emsp.wait_for(lambda e: len(e.messages(direction="in")) > before, timeout=0.5)
    except TimeoutError:
        return


@pytest.mark.long
def test_a_worker_that_is_killed_in_the_middle_loses_nothing(
    emsp: Emsp, platform: str, network: None, worker_process: Worker
) -> None:
    register(emsp, platform)
    worker_process.start()
    nudged_until_equal(emsp)
    worker_process.kill()

    flip_all("CHARGING")
    emsp.misbehave("hang", module="locations", seconds=0.05)
    worker_process.start()
    wake_feeds.delay()
    patched = len(emsp.messages(direction="in", module="locations"))
    emsp.wait_for(
        lambda e: len(e.messages(direction="in", module="locations")) > patched + 5,
        timeout=30,
        what="the middle of the drain",
    )
    worker_process.kill()
    flip_all("BLOCKED")
    emsp.behave()
    worker_process.start()

    nudged_until_equal(emsp)
    assert {document["evses"][0]["status"] for document in theirs(emsp).values()} == {"BLOCKED"}
    assert emsp.violations() == []


def test_a_broker_that_is_wiped_loses_nothing(
    emsp: Emsp, platform: str, network: None, worker_process: Worker, broker: redis.Redis
) -> None:
    register(emsp, platform)
    flip_all("CHARGING")
    broker.flushdb()

    worker_process.start()

    nudged_until_equal(emsp)
    assert {document["evses"][0]["status"] for document in theirs(emsp).values()} == {"CHARGING"}

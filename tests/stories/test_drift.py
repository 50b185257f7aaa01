"""A drift check whose worker is killed in the middle: another one finishes it."""

import time
from collections.abc import Iterator

import pytest
import redis

from cpo_platform.common import clock
from roaming.models import DriftCheck, DriftState, Message, Partner
from roaming.operations import drift
from roaming.tasks import tend_drift_checks
from sandbox.emsp import Emsp
from tests.factories import LocationFactory, TariffFactory, evse
from tests.stories.test_survival import Worker, nudged_until_equal, register

pytestmark = pytest.mark.django_db(transaction=True)

SITES = 80


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


def asked(emsp: Emsp) -> int:
    return len(emsp.messages(direction="in", module="locations", method="GET"))


def wait_for_more(emsp: Emsp) -> None:
    """Wait for one more question, or wake the worker once more, as the beat does."""
    before = asked(emsp)
    try:
        emsp.wait_for(lambda e: asked(e) > before, timeout=0.5)
    except TimeoutError:
        tend_drift_checks.delay()


def finished(check: DriftCheck) -> bool:
    check.refresh_from_db()
    return check.state == DriftState.DONE


@pytest.mark.long
def test_a_check_whose_worker_is_killed_is_finished_by_the_next(
    emsp: Emsp, platform: str, network: None, worker_process: Worker
) -> None:
    register(emsp, platform)
    worker_process.start()
    nudged_until_equal(emsp)
    emsp.misbehave("hang", module="locations", seconds=0.2, stage="after")
    check = drift.start_check(
        partner_id=Partner.objects.get().pk,
        sample=None,
        modules=["tariffs", "locations"],
        started_by="tester",
        now=clock.now(),
    )
    emsp.wait_for(lambda e: asked(e) > 40, timeout=30, what="the middle of the check")
    worker_process.kill()
    check.refresh_from_db()
    assert check.state == DriftState.RUNNING
    assert 0 < check.compared < SITES

    emsp.behave()
    worker_process.start()
    DriftCheck.objects.update(due_at=clock.now())
    tend_drift_checks.delay()

    deadline = time.monotonic() + 45
    while not finished(check):
        assert time.monotonic() < deadline, check.tallies
        wait_for_more(emsp)
    assert (check.compared, check.count("equal"), check.drifted) == (SITES + 1, SITES + 1, 0)
    located = Message.objects.filter(method="GET", module="locations", direction="OUT")
    # A chunk is logged when it is through: each object is there once, whoever asked.
    assert located.values("object_id").distinct().count() == located.count() == SITES

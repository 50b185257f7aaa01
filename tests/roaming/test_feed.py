"""The change feed: no commit order loses a change, and one worker drains at a time."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Max

from locations.models import Evse
from locations.operations import set_evse_status
from roaming.draining import reading
from roaming.models import Change, Delivery, Feed
from roaming.ocpi.pushing import Push, plan_removal
from roaming.operations import feed, partners, walks
from tariffs.models import Tariff
from tests.factories import NOW, EvseFactory, TariffFactory
from tests.roaming import lanes
from tests.roaming.conftest import Registered

pytestmark = pytest.mark.django_db(transaction=True)


def drain_ids(lease: feed.Lease, position: int) -> tuple[list[int], int]:
    """Read everything that can be read, as a drain does; return the ids and the new position."""
    feed.sequence_changes()
    seen: list[int] = []
    while window := window_of(lease, position):
        seen += [news.object_id for news in window.news]
        position = window.position
    return seen, position


def window_of(lease: feed.Lease, position: int) -> feed.Window | None:
    async def read() -> feed.Window | None:
        query = feed.window_query(lease=lease, position=position, limit=2)
        try:
            return feed.window_of(await reading.rows(*query))
        finally:
            await reading.close()

    return asyncio.run(read())


def leased(partner: Registered) -> feed.Lease:
    lease = feed.lease_feed(feed_id=lanes.feed_of(partner.partner).pk, now=NOW)
    assert lease is not None
    return lease


class Writer:
    """A transaction on a connection of its own, held open until told to commit."""

    def __init__(self) -> None:
        self._steps: list[tuple[Callable[[], Any] | None, threading.Event]] = []
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def do(self, step: Callable[[], Any]) -> None:
        done = threading.Event()
        with self._wake:
            self._steps.append((step, done))
            self._wake.notify()
        assert done.wait(10)

    def commit(self) -> None:
        with self._wake:
            self._steps.append((None, threading.Event()))
            self._wake.notify()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            with transaction.atomic():
                while True:
                    with self._wake:
                        self._wake.wait_for(lambda: self._steps, timeout=10)
                        step, done = self._steps.pop(0)
                    if step is None:
                        return
                    step()
                    done.set()
        finally:
            connection.close()


def write(object_id: int) -> Callable[[], Any]:
    return lambda: Change.objects.create(lane="NETWORK", module="locations", object_id=object_id)


def test_changes_that_commit_out_of_order_are_all_read_once(first: Registered) -> None:
    """Two long transactions, interleaved both ways; a reader looks after every commit."""
    lease, position = leased(first), 0
    early, late = Writer(), Writer()
    early.do(write(1))
    late.do(write(2))
    early.do(write(3))

    late.commit()
    seen, position = drain_ids(lease, position)
    # Early has not ended, and need not: what is committed is told without waiting for it.
    assert seen == [2]

    early.commit()
    rest, position = drain_ids(lease, position)
    assert rest == [1, 3]
    assert drain_ids(lease, position)[0] == []


def test_a_reader_by_id_alone_would_lose_a_change(first: Registered) -> None:
    """What the sequence is for: the plain way is shown to fail."""
    slow = Writer()
    slow.do(write(1))
    Change.objects.create(lane="NETWORK", module="locations", object_id=2)

    plain_position = max(Change.objects.values_list("id", flat=True))
    seen, position = drain_ids(leased(first), 0)
    slow.commit()

    assert list(Change.objects.filter(id__gt=plain_position)) == []
    Feed.objects.update(lease_until=None)
    assert seen + drain_ids(leased(first), position)[0] == [2, 1]


def test_sequencers_that_run_at_once_leave_no_gap_for_a_reader(first: Registered) -> None:
    """A reader may look between any two commits: what it is past, it has seen."""
    lease = leased(first)
    seen: list[int] = []
    position = 0
    writers = [Writer() for _each in range(4)]
    for number, writer in enumerate(writers):
        writer.do(write(number))
    for writer in reversed(writers):
        writer.commit()
        others = [threading.Thread(target=_sequence) for _each in range(3)]
        for thread in others:
            thread.start()
        new, position = drain_ids(lease, position)
        seen += new
        for thread in others:
            thread.join()

    seen += drain_ids(lease, position)[0]
    assert sorted(seen) == [0, 1, 2, 3]


def _sequence() -> None:
    try:
        feed.sequence_changes()
    finally:
        connection.close()


def test_a_new_feed_misses_nothing_of_a_transaction_that_is_still_open(
    first: Registered,
) -> None:
    first.partner.feeds.all().delete()
    slow = Writer()
    slow.do(write(7))
    Change.objects.create(lane="NETWORK", module="locations", object_id=8)
    feed.open_feeds(first.partner, now=NOW)
    slow.commit()

    lease = feed.lease_feed(feed_id=lanes.feed_of(first.partner).pk, now=NOW + timedelta(minutes=1))
    assert lease is not None
    assert 7 in drain_ids(lease, lease.position)[0]


def test_a_change_that_is_rolled_back_is_not_announced(db: None) -> None:
    evse: Evse = EvseFactory()
    before = Change.objects.count()

    with transaction.atomic():
        set_evse_status(evse_id=evse.pk, status="CHARGING", now=NOW + timedelta(hours=1))
        transaction.set_rollback(True)

    evse.refresh_from_db()
    assert evse.status == "AVAILABLE"
    assert Change.objects.count() == before


def test_only_one_worker_has_the_lease(first: Registered) -> None:
    lease = leased(first)

    assert feed.lease_feed(feed_id=lease.feed_id, now=NOW) is None
    assert feed.feeds_with_news(now=NOW) == {}


def test_a_lease_that_ran_out_can_be_taken_and_its_owner_is_told(first: Registered) -> None:
    dead = leased(first)
    later = NOW + feed.lease_time() + timedelta(seconds=1)

    taken = feed.lease_feed(feed_id=dead.feed_id, now=later)

    assert taken is not None
    assert feed.renew_lease(lease=dead, now=later) is False
    assert feed.move_on(lease=dead, position=5, now=later) is False
    assert lanes.feed_of(first.partner).position == 0


def test_a_change_for_one_partner_is_not_for_the_others(
    first: Registered, stranger: Registered
) -> None:
    feed.announce(module="tariffs", object_id=1, partner_id=first.partner.pk)

    assert drain_ids(leased(first), 0)[0] == [1]
    assert drain_ids(leased(stranger), 0)[0] == []


def test_a_failing_feed_rests_longer_each_time_and_obeys_the_partner(
    first: Registered,
) -> None:
    pauses = []
    now = NOW
    for _attempt in range(8):
        lease = feed.lease_feed(feed_id=lanes.feed_of(first.partner).pk, now=now)
        assert lease is not None
        retry_at = feed.back_off(lease=lease, error="HTTP 500", now=now)
        pauses.append((retry_at - now).total_seconds())
        assert feed.lease_feed(feed_id=lease.feed_id, now=now) is None
        now = retry_at

    assert all(0.5 * 2**power <= pause <= 2**power for power, pause in enumerate(pauses[:6]))
    assert max(pauses) <= feed.LONGEST_PAUSE_SECONDS
    lease = feed.lease_feed(feed_id=lanes.feed_of(first.partner).pk, now=now)
    assert lease is not None
    asked = feed.back_off(lease=lease, error="HTTP 429", now=now, retry_after_seconds=120)
    assert asked == now + timedelta(seconds=120)


def test_a_partner_that_was_away_for_longer_than_changes_are_kept_is_sent_what_it_may_see(
    first: Registered, stranger: Registered
) -> None:
    tariff: Tariff = TariffFactory()
    Change.objects.update(created_at=NOW - timedelta(days=30))
    lease = leased(first)
    _ids, position = drain_ids(lease, 0)
    feed.move_on(lease=lease, position=position, now=NOW)

    assert walks.forget_old_changes(now=NOW) == 1

    left = Change.objects.values_list("partner", "module", "object_id")
    assert list(left) == [(stranger.partner.pk, "tariffs", tariff.pk)]
    (progress,) = walks.progress(stranger.partner)
    assert (progress.walk.reason, progress.walk.total, progress.done) == ("TOO_OLD", 1, 0)
    lease = leased(stranger)
    assert drain_ids(lease, lease.position)[0] == [tariff.pk]
    feed.move_on(lease=lease, position=Change.objects.get().sequence or 0, now=NOW)
    assert walks.progress(stranger.partner) == []


def test_a_feed_that_failed_for_days_still_rests_and_says_why(first: Registered) -> None:
    Feed.objects.update(failures=5000)

    retry_at = feed.back_off(lease=leased(first), error="HTTP 502", now=NOW)

    assert timedelta(seconds=30) <= retry_at - NOW <= timedelta(seconds=60)
    kept = lanes.feed_of(first.partner)
    assert (kept.failures, kept.last_error, kept.lease_key) == (5001, "HTTP 502", "")


def test_a_partner_that_left_while_it_was_sent_to_is_no_error(first: Registered) -> None:
    lease = leased(first)
    partners.forget_partner(partner_id=first.partner.pk)

    feed.back_off(lease=lease, error="HTTP 401", now=NOW)

    assert not Feed.objects.exists()


def test_what_the_partner_has_is_known_while_everything_is_sent_again(first: Registered) -> None:
    tariff: Tariff = TariffFactory()
    held = {"digest": "d", "path": ["NL", "TST", tariff.ocpi_id]}
    Delivery.objects.create(
        partner=first.partner, module="tariffs", object_id=tariff.pk, sent=held, attempts=3
    )

    walks.send_everything_again(partner_id=first.partner.pk, now=NOW)

    delivery = Delivery.objects.get()
    assert delivery.sent == held | {"uncertain": True}
    assert delivery.attempts == 0
    # Deleted before it was sent again: the partner still has it.
    assert plan_removal(delivery.sent).pushes == (Push("DELETE", tuple(held["path"])),)


def test_everything_is_announced_slice_by_slice(
    first: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [TariffFactory().pk for _each in range(5)]
    Change.objects.all().delete()
    monkeypatch.setattr(feed, "BATCH", 2)

    walks.announce_everything(partner_id=first.partner.pk, now=NOW)

    assert list(Change.objects.order_by("id").values_list("object_id", flat=True)) == made


def test_a_feed_does_not_stand_before_what_is_for_others(
    first: Registered, stranger: Registered
) -> None:
    for number in range(3):
        feed.announce(module="tariffs", object_id=number, partner_id=first.partner.pk)
    feed.sequence_changes()
    newest = Change.objects.aggregate(newest=Max("sequence"))["newest"]

    # The stranger's lane of the tariffs. Nothing is in the way of the other lanes.
    assert feed.skip_others_changes(now=NOW) == 1

    assert lanes.feed_of(stranger.partner).position == newest
    assert drain_ids(leased(first), lanes.feed_of(first.partner).position)[0] == [0, 1, 2]


def test_a_feed_that_is_being_drained_is_not_moved(first: Registered) -> None:
    feed.announce(module="cdrs", object_id=1)
    feed.sequence_changes()
    lease = leased(first)

    feed.skip_others_changes(now=NOW)

    assert lanes.feed_of(first.partner).position == lease.position

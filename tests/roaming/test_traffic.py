"""Figures of requests to partners: counted in memory, added up in the database."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries, Settings

from roaming import tasks, traffic
from roaming.client import Verdict
from roaming.histograms import BOUNDS, BUCKETS, place, quantile
from roaming.models import TrafficMinute, TrafficTotal
from roaming.operations import traffic as figures
from tests.factories import NOW, ConnectorFactory
from tests.roaming.conftest import Registered
from tests.roaming.lanes import drain
from tests.roaming.listening import listening

MINUTE = NOW.replace(second=0, microsecond=0)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    traffic.forget()


def note(partner_id: int, outcome: Verdict = Verdict.DONE, **values: object) -> None:
    given = {"module": "locations", "lag_seconds": 0.3, "answer_ms": 40, **values}
    traffic.note(partner_id=partner_id, outcome=outcome, **given)  # type: ignore[arg-type]


# Buckets


def test_buckets_reach_from_five_milliseconds_to_a_day() -> None:
    assert (BOUNDS[0], BOUNDS[-1], len(BOUNDS)) == (0.005, 86_400.0, BUCKETS - 1)
    assert list(BOUNDS) == sorted(BOUNDS)
    assert (place(0.0), place(0.005), place(0.0051), place(1e9)) == (0, 0, 1, BUCKETS - 1)


def counts_of(*durations: float) -> list[int]:
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[place(seconds)] += 1
    return counts


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    assert quantile(counts_of(), 0.5) is None
    # Four between 40 and 80 ms: taken to be spread evenly.
    assert quantile(counts_of(0.05, 0.05, 0.06, 0.07), 0.5) == pytest.approx(0.06)
    assert quantile(counts_of(0.001, 0.001), 1.0) == pytest.approx(0.005)
    assert quantile(counts_of(1e9), 0.99) == 86_400.0


@given(st.lists(st.floats(0, 80_000), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_in_the_bucket_of_the_duration_that_has_its_rank(
    durations: list[float], share: float
) -> None:
    found = quantile(counts_of(*durations), share)
    assert found is not None
    ranked = sorted(durations)
    exact = next(
        one for rank, one in enumerate(ranked, start=1) if rank >= share * len(ranked) - 1e-9
    )
    bucket = place(exact)
    lower = BOUNDS[bucket - 1] if bucket else 0.0
    assert lower <= found <= BOUNDS[bucket]


# Counting


@pytest.mark.django_db
def test_what_is_counted_is_added_to_its_minute_and_to_the_total(
    first: Registered, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    note(first.partner.pk)
    note(first.partner.pk, Verdict.TROUBLE, lag_seconds=None, answer_ms=10_000)
    note(first.partner.pk, Verdict.REFUSED, lag_seconds=None, module="cdrs")
    with django_assert_num_queries(1):
        traffic.flush(NOW)
    note(first.partner.pk)
    note(first.partner.pk, Verdict.UNKNOWN_OBJECT, lag_seconds=None)
    traffic.flush(NOW)
    note(first.partner.pk)
    traffic.flush(NOW + timedelta(minutes=1))
    with django_assert_num_queries(0):
        traffic.flush(NOW + timedelta(minutes=2))

    minutes = TrafficMinute.objects.filter(module="locations").order_by("minute")
    assert [(row.minute, row.done, row.failed, row.unknown) for row in minutes] == [
        (MINUTE, 2, 1, 1),
        (MINUTE + timedelta(minutes=1), 1, 0, 0),
    ]
    assert minutes[0].lag == counts_of(0.3, 0.3)
    assert minutes[0].answer == counts_of(0.04, 0.04, 0.04, 10)
    total = TrafficTotal.objects.get(module="locations")
    assert (total.done, total.lag) == (3, counts_of(0.3, 0.3, 0.3))
    assert total.lag_seconds == pytest.approx(0.9)
    assert total.answer_seconds == pytest.approx(10.16)
    assert TrafficTotal.objects.get(module="cdrs").refused == 1


@pytest.mark.django_db
def test_nothing_is_written_of_a_partner_that_is_gone(first: Registered) -> None:
    note(first.partner.pk)
    note(first.partner.pk + 1_000_000)
    traffic.flush(NOW)
    assert TrafficTotal.objects.get().partner == first.partner


@pytest.mark.django_db
def test_what_cannot_be_written_is_written_later(
    first: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_values: object) -> None:
        note(first.partner.pk)
        raise DatabaseError

    note(first.partner.pk)
    with monkeypatch.context() as away:
        away.setattr(figures, "add", fail)
        traffic.flush(NOW)
    traffic.flush(NOW)
    assert TrafficTotal.objects.get().done == 2


def test_threads_lose_no_count() -> None:
    def work() -> None:
        for _each in range(2000):
            note(1)

    threads = [threading.Thread(target=work) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traffic._tallies[1, "locations"].done == 8000


@pytest.mark.django_db(transaction=True)
def test_a_drain_counts_what_it_sent(first: Registered, settings: Settings) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    ConnectorFactory()
    with listening() as listener:
        first.partner.endpoints.create(
            identifier="locations", role="RECEIVER", url=f"{listener.url}/locations"
        )
        sent = drain(first.partner)
    assert sent > 0
    traffic.flush(NOW)
    total = TrafficTotal.objects.get(module="locations")
    assert (total.done, sum(total.lag), sum(total.answer)) == (sent, sent, sent)


@pytest.mark.django_db
def test_minutes_are_forgotten_after_eight_days_and_totals_are_not(first: Registered) -> None:
    for days in (0, 9):
        note(first.partner.pk)
        traffic.flush(NOW - timedelta(days=days))
    figures.forget_old(now=NOW)
    assert TrafficMinute.objects.get().minute == MINUTE
    assert TrafficTotal.objects.get().done == 2


@pytest.mark.django_db
def test_slots_are_sums_of_minutes(
    first: Registered, stranger: Registered, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for minutes in (0, 5, 31):
        note(first.partner.pk)
        note(first.partner.pk, Verdict.TROUBLE, lag_seconds=None)
        note(stranger.partner.pk)
        traffic.flush(MINUTE + timedelta(minutes=minutes))
    with django_assert_num_queries(1):
        found = figures.slots(
            partner_id=first.partner.pk,
            begin=MINUTE,
            end=MINUTE + timedelta(hours=1),
            step=timedelta(minutes=30),
        )
    assert list(found) == ["locations"]
    by_slot = found["locations"]
    assert [(slot, part.done, part.failed) for slot, part in by_slot.items()] == [
        (MINUTE, 2, 2),
        (MINUTE + timedelta(minutes=30), 1, 1),
    ]
    assert figures.summed(by_slot).lag == counts_of(0.3, 0.3, 0.3)
    assert figures.summed(by_slot, since=MINUTE + timedelta(minutes=30)).requests == 2


@pytest.mark.django_db
def test_the_beat_writes_down_and_tidies(first: Registered) -> None:
    note(first.partner.pk)
    traffic.flush(NOW - timedelta(days=9000))
    tasks.tidy()
    assert not TrafficMinute.objects.exists()

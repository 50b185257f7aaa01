"""Beats and workers that are told to end, while database or broker is away."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from cpo_platform.common import broker
from cpo_platform.upkeep import ending


class Ended(BaseException):
    """The process would be gone."""


@pytest.fixture
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_beat_leaves_what_it_is_doing(signals: None, number: signal.Signals) -> None:
    ending.end_between_queries()
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), number)


def test_a_worker_ends_where_the_broker_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    there = iter([True, False, False, False, True, False, False, False, False])

    def check() -> None:
        if not next(there):
            raise broker.Unreachable("away")

    def leave(status: int) -> None:
        assert status == 1
        raise Ended

    monkeypatch.setattr(broker, "check", check)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(Ended):
        ending._watch()
    assert [*there] == [], "a broker that was back in between is waited for"

"""The broker of Celery's tasks: who sends is not held up by one that is away."""

from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import AccessRefused
from kombu.exceptions import OperationalError

from cpo_platform.common import broker, resting
from cpo_platform.common.resting import Rest


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_rest", Rest(broker.REST_SECONDS))


@pytest.mark.parametrize("error", [OperationalError, ConnectionResetError, AccessRefused])
def test_whatever_keeps_a_task_from_being_sent_is_one_error(error: type[Exception]) -> None:
    tried: list[dict[str, Any]] = []

    def away(**options: Any) -> None:
        tried.append(options)
        raise error("nobody there")

    for _ in range(2):
        with pytest.raises(broker.Unreachable):
            broker.send(away, kwargs={"one": 1})
    # It said so at once: nothing is lost by asking again.
    assert tried == [{"kwargs": {"one": 1}, "retry": False}] * 2


def test_a_broker_that_keeps_us_waiting_is_left_alone_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    for module in (broker, resting):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    tried: list[float] = []

    def slow(**_options: Any) -> None:
        tried.append(clock[0])
        clock[0] += 2.0
        raise OperationalError("timed out")

    for _ in range(3):
        with pytest.raises(broker.Unreachable):
            broker.send(slow)
    clock[0] += broker.REST_SECONDS
    with pytest.raises(broker.Unreachable):
        broker.send(slow)

    assert tried == [100.0, 102.0 + broker.REST_SECONDS]


def test_a_mistake_in_a_task_is_not_taken_for_a_broker_that_is_away() -> None:
    def wrong(**_options: Any) -> None:
        raise TypeError("no such argument")

    with pytest.raises(TypeError):
        broker.send(wrong)


@pytest.mark.parametrize(
    ("url", "redis"),
    [("redis://h", True), ("rediss://h", True), ("amqp://h", False), ("amqps://h", False)],
)
def test_it_is_known_which_broker_is_redis(*, url: str, redis: bool) -> None:
    assert broker.is_redis(url) is redis

"""What stations say is kept, and looked at, however slow or picky the database is."""

import asyncio
from typing import Any, cast

import psycopg
import pytest

from cpo_platform.common import clock
from ocpp_gateway.server import store
from ocpp_gateway.server.store import Message, Store
from tests.conftest import Clock


def reading(now: Any) -> Message:
    return Message(1, now, "IN", "ocpp1.6", "MeterValues", "1", "{}", transaction_id=7)


def test_what_is_kept_too_late_to_be_part_of_what_is_promised_is_news_again(
    monkeypatch: pytest.MonkeyPatch, platform_clock: Clock
) -> None:
    written: list[list[int]] = []
    slow = [0, 10, 0]

    async def commit(self: Store, batch: list[Any]) -> Any:
        news = self._news(batch, clock.now())
        written.append([one for one, _due_at in news.news])
        # The database was away until after the news before were looked at.
        platform_clock.forward(seconds=slow[len(written) - 1])
        return news

    async def story() -> None:
        kept = Store(cast("Any", None), lambda: None)
        kept.start()
        for _ in range(2):
            await kept.keep(reading(clock.now()), news=[7], patient=True)
        await kept.stop()

    monkeypatch.setattr(Store, "_commit", commit)
    asyncio.run(story())

    # The first is news; the second relies on that, and cannot.
    assert written == [[7], [], [7]]


def test_one_message_that_cannot_be_kept_does_not_take_the_others_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def commit(self: Store, batch: list[Any]) -> Any:
        if any(kept.message.unique_id == "bad" for kept in batch):
            raise psycopg.DataError("no such thing")
        return self._news(batch, clock.now())

    async def story() -> list[BaseException | None]:
        kept = Store(cast("Any", None), lambda: None)
        messages = [
            Message(1, clock.now(), "IN", "ocpp1.6", "MeterValues", one, "{}")
            for one in ("a", "bad", "b")
        ]
        waiting = [asyncio.ensure_future(kept.keep(message)) for message in messages]
        await asyncio.sleep(0)
        kept.start()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        await kept.stop()
        return done

    monkeypatch.setattr(Store, "_commit", commit)
    first, bad, last = asyncio.run(story())

    assert (first, last) == (None, None)
    assert isinstance(bad, store.NotKept)

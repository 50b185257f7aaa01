"""Turns at a partner that wants no more than so many requests a minute from us."""

import asyncio
from datetime import datetime, timedelta

from cpo_platform.common import clock
from roaming.draining.turns import Turn, beside
from roaming.operations import feed

# Turns are taken for so long at a time: each taking is a write.
TAKEN_AHEAD = timedelta(milliseconds=200)
# How soon one who waits sees that his time is over.
LOOK_SECONDS = 0.25


class Pace:
    """Our turns at one partner, taken from those of all our workers and lanes."""

    def __init__(self, partner_id: int, requests_per_minute: int) -> None:
        self._partner_id = partner_id
        self.limit = requests_per_minute
        per_taking = int(requests_per_minute * (TAKEN_AHEAD / timedelta(minutes=1)))
        self._turns = max(1, per_taking)
        self._mine: list[datetime] = []
        self._taking = asyncio.Lock()

    async def wait(self, turn: Turn) -> None:
        """Wait until the next request may go, or our time at the feed is over."""
        # One waits at a time, so that no more turns are taken than are used soon.
        async with self._taking:
            if not self._mine:
                await self._take()
            while not turn.is_over():
                seconds = (self._mine[0] - clock.now()).total_seconds()
                if seconds <= 0:
                    self._mine.pop(0)
                    return
                await asyncio.sleep(min(seconds, LOOK_SECONDS))

    def close(self) -> None:
        """Give back the turns that were not used."""
        if self._mine:
            feed.give_turns_back(
                partner_id=self._partner_id,
                requests_per_minute=self.limit,
                turns=len(self._mine),
            )
            self._mine = []

    async def _take(self) -> None:
        first, spacing = await beside(
            feed.take_turns,
            partner_id=self._partner_id,
            requests_per_minute=self.limit,
            turns=self._turns,
            now=clock.now(),
        )
        self._mine = [first + turn * spacing for turn in range(self._turns)]

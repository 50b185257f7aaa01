"""What all parts of a charger share: its outlets, variables, connection, clock and timers."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from sandbox.charger.certificates import Certificates
from sandbox.charger.config import StationConfig
from sandbox.charger.link import Link
from sandbox.charger.outlet import Outlet, Transaction
from sandbox.charger.profiles import Profiles
from sandbox.charger.signing import Signer
from sandbox.charger.variables import Variables

logger = logging.getLogger(__name__)


class Core:
    """Hold the state of one charger; everything here runs in the event loop.

    `meter_seconds` is the time between two samples, 0 for none. Without power nothing is measured.
    """

    def __init__(
        self, config: StationConfig, link: Link, rng: random.Random, changed: Callable[[], None]
    ) -> None:
        self.config = config
        self.link = link
        self.rng = rng
        self.changed = changed
        self.signer = Signer(config.identity, breaks=config.breaks_signature)
        key = self.signer.public_key if config.signs else ""
        self.variables = Variables(config, key)
        self.profiles = Profiles()
        self.certificates = Certificates()
        self.outlets = [
            Outlet(
                number,
                outlet,
                Decimal(rng.randrange(10**7) if outlet.meter_wh is None else outlet.meter_wh),
            )
            for number, outlet in enumerate(config.outlets, 1)
        ]
        self.firmware = config.firmware
        self.meter_seconds = config.meter_seconds
        self.is_powered = True
        self._timers: dict[tuple[int, str], asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._promised: list[Callable[[], None]] = []

    def seconds(self) -> float:
        """Return a clock that only counts, and is that of the timers."""
        return time.monotonic()

    def settle(self, outlet: Outlet) -> None:
        """Add up what has flowed until now."""
        if self.is_powered:
            outlet.settle(self.seconds(), self.config.time_factor)

    def outlet(self, number: int) -> Outlet | None:
        """Find an outlet by its number."""
        return self.outlets[number - 1] if 1 <= number <= len(self.outlets) else None

    def transactions(self) -> list[tuple[Outlet, Transaction]]:
        """List what goes on."""
        return [(one, one.transaction) for one in self.outlets if one.transaction is not None]

    def after(self, outlet: int, name: str, seconds: float, work: Callable[[], None]) -> None:
        """Do something later, instead of what was to be done by that name; 0 is the station."""
        self.cancel(outlet, name)

        def run() -> None:
            del self._timers[outlet, name]
            work()

        loop = asyncio.get_running_loop()
        self._timers[outlet, name] = loop.call_later(max(seconds, 0.0), run)

    def is_due(self, outlet: int, name: str) -> bool:
        """Answer whether something by that name is to be done later."""
        return (outlet, name) in self._timers

    def cancel(self, outlet: int, *names: str) -> None:
        """Do not do what was to be done by these names."""
        for name in names:
            timer = self._timers.pop((outlet, name), None)
            if timer is not None:
                timer.cancel()

    def promise(self, work: Callable[[], None]) -> None:
        """Do something as soon as the call that is being answered has been answered."""
        self._promised.append(work)

    def keep_promises(self) -> None:
        """Do what was promised."""
        promised, self._promised = self._promised, []
        for work in promised:
            work()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End all timers and tasks."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s", self.config.identity, exc_info=task.exception())

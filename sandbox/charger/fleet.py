"""Many chargers in one process, in one event loop; or beside a synchronous program, in a thread."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sandbox.charger import faults
from sandbox.charger.charger import Charger
from sandbox.charger.config import Config, StationConfig, read
from sandbox.charger.driver import drive
from sandbox.charger.handle import Changes, Handle

logger = logging.getLogger(__name__)

# So many chargers connect in a second: a whole fleet at once would be an attack.
_STARTED_AT_ONCE = 50
_START_TIMEOUT = 10.0
# Messages of each charger that a test can look at.
_LOGGED = 2000


class Fleet:
    """The chargers of a config, and the people who visit them."""

    def __init__(
        self,
        config: Config,
        url: str,
        *,
        changed: Callable[[], None] = lambda: None,
        logged: int = 0,
    ) -> None:
        self._config = config
        self._rng = random.Random(config.seed)  # noqa: S311  nothing here is a secret
        self.chargers = [
            # The seed of each is its own, so that it does the same whoever else there is.
            Charger(
                self._spoilt(station),
                url,
                rng=random.Random(f"{config.seed} {station.identity}"),  # noqa: S311
                changed=changed,
                logged=logged,
            )
            for station in config.stations
        ]

    def _spoilt(self, station: StationConfig) -> StationConfig:
        if not self._config.faults or station.clock_skew:
            return station
        return replace(station, clock_skew=faults.skew(self._rng))

    async def run(self) -> None:
        """Let all live until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._config.drivers):
                rng = random.Random(self._rng.random())  # noqa: S311
                group.create_task(drive(self.chargers, self._config.cards, rng))
            if self._config.faults:
                group.create_task(faults.spoil(self.chargers, self._rng))
            for number, charger in enumerate(self.chargers):
                if number and number % _STARTED_AT_ONCE == 0:
                    await asyncio.sleep(1)
                group.create_task(charger.run())


class RunningFleet:
    """A fleet in a thread of its own: `fleet["NL-AMS-1"]` is one of its chargers."""

    def __init__(self, config: Config, url: str) -> None:
        self._changes = Changes()
        self._fleet = Fleet(config, url, changed=self._changes.note, logged=_LOGGED)
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Task[None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-chargers")
        self._handles = {
            charger.config.identity: Handle(charger, self._loop, self._changes)
            for charger in self._fleet.chargers
        }

    def __getitem__(self, identity: str) -> Handle:
        """Return a charger by its identity."""
        return self._handles[identity]

    def __iter__(self) -> Iterator[Handle]:
        """Iterate over all chargers."""
        return iter(self._handles.values())

    def __len__(self) -> int:
        """Return how many chargers there are."""
        return len(self._handles)

    def wait_for(
        self,
        predicate: Callable[["RunningFleet"], object],
        timeout: float = 10.0,
        what: str = "",
    ) -> None:
        """Wait until the predicate is true of the fleet.

        Raises:
            TimeoutError: it was not within so many seconds; the text tells `what`.

        """
        self._changes.wait_for(lambda: predicate(self), timeout, what)

    def start(self) -> None:
        """Let all chargers live."""
        self._thread.start()
        self._started.wait(_START_TIMEOUT)

    def stop(self) -> None:
        """Take all chargers away; what goes on is not ended."""
        if self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.cancel)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._stopping = self._loop.create_task(self._fleet.run())
        self._loop.call_soon(self._started.set)
        try:
            self._loop.run_until_complete(self._stopping)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


@contextmanager
def running(
    config: Config | Mapping[str, Any], *, url: str, **defaults: Any
) -> Iterator[RunningFleet]:
    """Run chargers beside this thread; they connect to `{url}/{identity}`.

    `config` may be what a file holds; `defaults` are settings of `StationConfig` for all stations
    that say nothing else, such as `meter_seconds=0.2`.

    Raises:
        BadConfig: the config is none.

    """
    if not isinstance(config, Config):
        config = read({**config, "defaults": {**config.get("defaults", {}), **defaults}})
    fleet = RunningFleet(config, url)
    fleet.start()
    try:
        yield fleet
    finally:
        fleet.stop()

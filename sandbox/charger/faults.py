"""What goes wrong in the field, at random: connections, power, connectors, repeated messages."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from sandbox.charger.charger import Charger
from sandbox.charger.wire import CallFailed, NotConnected

# Seconds between two faults in a fleet, and how long they last.
_BETWEEN = (10.0, 60.0)
_LASTS = (5.0, 120.0)
_FLAPS = (0.2, 1.0)
_CODES = ("GroundFailure", "OverCurrentFailure", "ConnectorLockFailure", "HighTemperature")

Fault = Callable[[Charger, random.Random, float], Awaitable[None]]


async def spoil(chargers: Sequence[Charger], rng: random.Random, *, pace: float = 1.0) -> None:
    """Let something go wrong somewhere, again and again, until cancelled.

    `pace` above 1 makes all pauses shorter. What breaks mends before the next thing does.
    """
    while True:
        await asyncio.sleep(rng.uniform(*_BETWEEN) / pace)
        fault = rng.choice(list(FAULTS.values()))
        await fault(rng.choice(chargers), rng, pace)


def skew(rng: random.Random) -> float:
    """Return by how many seconds the clock of a charger is off: of one in five, by minutes."""
    return rng.choice([-900.0, -120.0, 90.0, 600.0]) if rng.random() < 0.2 else 0.0


async def _drop(charger: Charger, rng: random.Random, pace: float) -> None:
    charger.drop(rng.uniform(*_LASTS) / pace)


async def _lose_power(charger: Charger, rng: random.Random, pace: float) -> None:
    transactions = rng.choice(["ends", "ends", "goes on", "is forgotten"])
    charger.power_loss(rng.uniform(*_LASTS) / pace, transactions)


async def _repeat(charger: Charger, rng: random.Random, _pace: float) -> None:
    with suppress(CallFailed, NotConnected, TimeoutError):
        await charger.repeat_last(rng.choice(["", *charger.link.last]), new_id=rng.random() < 0.5)


async def _break(charger: Charger, rng: random.Random, pace: float) -> None:
    outlet = rng.choice(charger.core.outlets)
    charger.charging.fail(outlet, rng.choice(_CODES), ends=rng.random() < 0.5)
    await asyncio.sleep(rng.uniform(*_LASTS) / pace)
    charger.charging.repair(outlet)


async def _flap(charger: Charger, rng: random.Random, pace: float) -> None:
    outlet = rng.choice(charger.core.outlets)
    for _ in range(rng.randrange(3, 10)):
        charger.charging.fail(outlet, "OtherError", ends=False)
        await asyncio.sleep(rng.uniform(*_FLAPS) / pace)
        charger.charging.repair(outlet)
        await asyncio.sleep(rng.uniform(*_FLAPS) / pace)


FAULTS: Mapping[str, Fault] = {
    "drop": _drop,
    "power loss": _lose_power,
    "repeat": _repeat,
    "break": _break,
    "flap": _flap,
}

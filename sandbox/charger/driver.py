"""People who come by themselves: they plug in, present a card, charge, and leave."""

import asyncio
import random
from collections.abc import Sequence

from sandbox.charger.authorizing import ACCEPTED
from sandbox.charger.charger import Charger
from sandbox.charger.outlet import Card, Outlet
from sandbox.charger.vehicle import Vehicle, arriving

# Seconds.
_STAYS = (90.0, 420.0)
_IS_AWAY = (5.0, 60.0)
_MOVES = (0.5, 5.0)


async def drive(
    chargers: Sequence[Charger], cards: Sequence[str], rng: random.Random, *, pace: float = 1.0
) -> None:
    """Be one driver, visit after visit, until cancelled; `pace` above 1 makes all pauses shorter.

    About half end with the card; the others just pull the cable.
    """
    while True:
        await _pause(rng, _IS_AWAY, pace)
        found = _place(chargers, rng)
        if found is not None:
            await _visit(*found, rng.choice(cards), rng, pace)


async def _visit(
    charger: Charger, outlet: Outlet, uid: str, rng: random.Random, pace: float
) -> None:
    charging = charger.charging
    card = Card(uid)
    # One who presents the card first holds the outlet for the cable.
    if rng.random() < 0.3:
        accepted = await charging.present(card, outlet) == ACCEPTED
        await _pause(rng, _MOVES, pace)
        if not accepted or outlet.vehicle is not None:
            return
        charging.plug(outlet, _car(outlet, rng))
    else:
        charging.plug(outlet, _car(outlet, rng))
        await _pause(rng, _MOVES, pace)
        accepted = await charging.present(card, outlet) == ACCEPTED
    vehicle = outlet.vehicle
    if accepted:
        await _pause(rng, _STAYS, pace)
        transaction = outlet.transaction
        if rng.random() < 0.5 and transaction is not None and transaction.card == card:
            await charging.present(card, outlet)
            await _pause(rng, _MOVES, pace)
    # Another car may stand there by now.
    if outlet.vehicle is vehicle:
        charging.unplug(outlet)


def _car(outlet: Outlet, rng: random.Random) -> Vehicle:
    most = float(outlet.config.max_kw)
    need = rng.uniform(1, 20) if outlet.config.current == "AC" else rng.uniform(5, 50)
    return arriving(round(need, 1), round(most * rng.uniform(0.5, 1), 1), outlet.config.current)


def _place(chargers: Sequence[Charger], rng: random.Random) -> tuple[Charger, Outlet] | None:
    free = [
        (charger, outlet)
        for charger in chargers
        for outlet in charger.core.outlets
        if outlet.is_free and outlet.vehicle is None and outlet.reservation is None
    ]
    return rng.choice(free) if free else None


async def _pause(rng: random.Random, bounds: tuple[float, float], pace: float) -> None:
    await asyncio.sleep(rng.uniform(*bounds) / pace)

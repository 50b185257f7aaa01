"""Which readings count, and what their registers mean: one rule for each thing that meters do.

| what a meter does | rule |
|---|---|
| two readings of one moment | the higher register counts |
| falls once, and is back at its old level later (or nothing follows) | the low reading is ignored |
| jumps up once, and goes on from where it was before | the high reading is ignored |
| falls, and goes on from there for two readings or more | the meter began anew: energy goes on from the old level; what was counted between the two readings is lost |
| a clock ahead of ours | the reading is taken as of its arrival (`Reading.stamped_at`) |
"""  # noqa: E501  a table

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate

from cpo_platform.common.clock import in_utc
from sessions_app.metering.readings import Reading


def usable_readings(readings: Iterable[Reading]) -> tuple[list[Reading], list[str]]:
    """Return readings in order, one per moment, whose register never falls; and what was odd."""
    ordered = sorted(readings, key=lambda reading: (reading.at, reading.kwh))
    flags = [
        f"The station's clock was ahead: the reading that it stamped {in_utc(reading.stamped_at)} "
        f"is taken as of {in_utc(reading.at)}."
        for reading in ordered
        if reading.stamped_at is not None
    ]
    # The highest register from each reading on: whether a level is reached again.
    highest = list(accumulate((reading.kwh for reading in reversed(ordered)), max))[::-1]
    usable: list[Reading] = []
    added = Decimal(0)
    for index, read in enumerate(ordered):
        before = usable[-1] if usable else None
        if before is not None and read.kwh + added < before.kwh:
            is_back_later = highest[index] + added >= before.kwh
            if is_back_later or index == len(ordered) - 1:
                flags.append(_ignored(read, before.kwh - added))
                continue
            if _was_a_jump(usable, read.kwh + added):
                flags.append(_jumped(before, added))
                usable.pop()
            else:
                flags.append(_began_anew(read, before, added))
                added = before.kwh - read.kwh
        reading = replace(read, kwh=read.kwh + added) if added else read
        if usable and reading.at == usable[-1].at:
            flags.extend(_differing(usable[-1], reading))
            usable.pop()
        usable.append(reading)
    return usable, flags


def _was_a_jump(usable: Sequence[Reading], kwh: Decimal) -> bool:
    """Tell whether the last reading alone is too high: what follows fits the one before it."""
    return len(usable) > 1 and kwh >= usable[-2].kwh


def _ignored(reading: Reading, highest: Decimal) -> str:
    return (
        f"The reading of {in_utc(reading.at)} was ignored: its register, "
        f"{reading.kwh} kWh, is below an earlier one of {highest} kWh."
    )


def _jumped(reading: Reading, added: Decimal) -> str:
    return (
        f"The reading of {in_utc(reading.at)} was ignored: its register, "
        f"{reading.kwh - added} kWh, is above all later ones."
    )


def _began_anew(reading: Reading, before: Reading, added: Decimal) -> str:
    return (
        f"The meter began anew at {in_utc(reading.at)}: its register fell from "
        f"{before.kwh - added} kWh to {reading.kwh} kWh. Energy is counted on from there; what "
        "flowed since the reading before is not."
    )


def _differing(one: Reading, other: Reading) -> Iterable[str]:
    if one.kwh != other.kwh:
        yield (
            f"Two readings of {in_utc(other.at)} differ: {one.kwh} kWh "
            f"and {other.kwh} kWh. The higher one counts."
        )

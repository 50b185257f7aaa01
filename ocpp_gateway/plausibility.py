"""Registers that no meter of an outlet can show: left out, as no session could hold them.

What is merely doubtful counts, and its bill is held (`sessions_app.preflight`).
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from cpo_platform.common import clock
from cpo_platform.common.saying import say
from ocpp_gateway.facts import Code, Finding
from sessions_app.metering import Reading
from sessions_app.metering.registers import usable_readings

# kWh: more than the meter of an outlet counts in its life. Sessions and bills hold that much.
MOST_ENERGY = Decimal(10_000_000)


def possible(readings: list[Reading]) -> tuple[list[Reading], list[Finding]]:
    """Leave out what cannot be: registers that add up to more than there is."""
    left = _below(readings, lambda reading, most, _at: reading.kwh <= most)
    # A meter that falls and rises again and again counts until it is too much.
    left = _below(left, lambda reading, _most, at: reading.at < at)
    if len(left) == len(readings):
        return readings, []
    kept = {reading.at for reading in left}
    first = next(reading for reading in readings if reading.at not in kept)
    saying = say(
        "The register of %(at)s, %(kwh)s kWh, was left out, and %(more)s more: no car takes "
        "that much.",
        at=clock.in_utc(first.at),
        kwh=str(first.kwh),
        more=str(len(readings) - len(left) - 1),
    )
    return left, [Finding(Code.ABSURD_REGISTER, saying)]


def _below(
    readings: list[Reading], stays: Callable[[Reading, Decimal, datetime], bool]
) -> list[Reading]:
    """Return the readings that stay, where all together are too much from some moment on."""
    usable, _ = usable_readings(readings)
    most = usable[0].kwh + MOST_ENERGY if usable else MOST_ENERGY
    at = next((reading.at for reading in usable if reading.kwh > most), None)
    return readings if at is None else [one for one in readings if stays(one, most, at)]

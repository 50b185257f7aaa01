"""`make bench`: sessions priced a second on one core, and the memory that many of them take.

    python -m bench.pricing [--sessions 20000] [--rounds 5] [--memory 100000]

A session has 30 charging periods, on a tariff of six elements with restrictions on time, weekday,
energy, power and duration. No two sessions are equal. CPU time counts, so that other work on the
machine matters less; medians of the rounds are printed. No database, no Django.
"""

import argparse
import resource
import statistics
import time as clock
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from tariffs.pricing.engine import price_session
from tariffs.pricing.results import PricedSession
from tariffs.pricing.types import (
    DayOfWeek,
    PriceComponent,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TaxIncluded,
)

PERIODS = 30
ZONE = "Europe/Berlin"
FIRST = datetime(2026, 1, 1, 6, tzinfo=UTC)
WORKDAYS = frozenset(list(DayOfWeek)[:5])


def main() -> int:
    options = _options()
    tariff = the_tariff()
    sessions = list(_sessions(options.sessions // options.rounds))
    assert len(_price(tariff, sessions[0]).charging_periods) == PERIODS
    priced, told = [], []
    for _round in range(options.rounds):
        priced.append(_rate(tariff, sessions, explain=False))
        told.append(_rate(tariff, sessions[: len(sessions) // 4], explain=True))
    print(
        f"Sessions of {PERIODS} periods on {len(tariff.elements)} elements, a second of one core\n"
        f"  priced                              {statistics.median(priced):8.0f}"
        f"   (rounds: {', '.join(f'{rate:.0f}' for rate in priced)})\n"
        f"  with all periods and every sentence {statistics.median(told):8.0f}"
        f"   (rounds: {', '.join(f'{rate:.0f}' for rate in told)})"
    )
    before = _megabytes()
    for session in _sessions(options.memory):
        _price(tariff, session)
    print(f"  {options.memory} sessions: {before:.1f} MB before, {_megabytes():.1f} MB at the most")
    return 0


def the_tariff() -> Tariff:
    """Return a tariff whose six elements all have their turn."""
    kinds = TariffDimensionType

    def component(kind: TariffDimensionType, price: str, step_size: int = 1) -> PriceComponent:
        return PriceComponent(kind, Decimal(price), Decimal(19), step_size)

    return Tariff(
        id="BENCH",
        currency="EUR",
        tax_included=TaxIncluded.NO,
        elements=(
            TariffElement(
                (component(kinds.ENERGY, "0.59"), component(kinds.TIME, "1.20", 60)),
                TariffRestrictions(
                    start_time=time(8),
                    end_time=time(18),
                    day_of_week=WORKDAYS,
                    max_power=Decimal(16),
                ),
            ),
            TariffElement(
                (component(kinds.ENERGY, "0.69"),),
                TariffRestrictions(min_power=Decimal(16), max_kwh=Decimal(20)),
            ),
            TariffElement(
                (component(kinds.ENERGY, "0.45"),), TariffRestrictions(min_kwh=Decimal(20))
            ),
            TariffElement(
                (component(kinds.PARKING_TIME, "6", 300),), TariffRestrictions(min_duration=14_400)
            ),
            TariffElement(
                (component(kinds.FLAT, "0.50"), component(kinds.ENERGY, "0.39")),
                TariffRestrictions(start_time=time(22), end_time=time(6)),
            ),
            TariffElement(
                (
                    component(kinds.ENERGY, "0.49"),
                    component(kinds.TIME, "0.60", 60),
                    component(kinds.PARKING_TIME, "3", 300),
                )
            ),
        ),
    )


def _sessions(number: int) -> Iterator[list[Segment]]:
    """Return sessions that charge faster and slower in turn, and park at the end."""
    for place in range(number):
        moment = FIRST + timedelta(seconds=37 * place)
        segments = []
        for period in range(PERIODS):
            length = timedelta(seconds=420 + (place * 7 + period * 13) % 240)
            is_parking = period == PERIODS - 1
            energy = Decimal(0) if is_parking else Decimal(3000 + (place + period) % 900) / 10_000
            segments.append(
                Segment(
                    moment,
                    moment + length,
                    energy,
                    power=Decimal(20 if period % 2 else 11),
                    current=Decimal(16),
                    requesting_power=not is_parking,
                )
            )
            moment += length
        yield segments


def _rate(tariff: Tariff, sessions: list[list[Segment]], *, explain: bool) -> float:
    began = clock.process_time()
    for session in sessions:
        result = _price(tariff, session)
        if explain:
            assert len(result.charging_periods) >= PERIODS - 1
            assert all(line.text for line in result.lines)
    return len(sessions) / (clock.process_time() - began)


def _price(tariff: Tariff, session: list[Segment]) -> PricedSession:
    return price_session(tariff=tariff, segments=session, time_zone=ZONE)


def _megabytes() -> float:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.pricing", description=__doc__)
    parser.add_argument("--sessions", type=int, default=20_000, help="in all rounds together")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=100_000, help="sessions to watch memory over")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

"""Twenty thousand random sessions and tariffs, priced by the engine and by the naive pricer."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tariffs.pricing.engine import TariffSwitch, price_session
from tariffs.pricing.types import (
    DayOfWeek,
    Phase,
    PriceComponent,
    PriceLimit,
    ReservationRestrictionType,
    Segment,
    Tariff,
    TariffDimensionType,
    TariffElement,
    TariffRestrictions,
    TaxIncluded,
)
from tests.tariffs.pricing.naive import naive_price

CHUNKS = 40
PAIRS_PER_CHUNK = 500
ZONES = ("Europe/Amsterdam", "Asia/Tokyo", "America/New_York", "Asia/Kathmandu")
# Around both changes of the clock in Europe and New York, midnight, a working day, a weekend.
STARTS = (
    datetime(2024, 3, 31, 0, 57, tzinfo=UTC),
    datetime(2024, 10, 27, 0, 58, tzinfo=UTC),
    datetime(2024, 10, 27, 1, 55, tzinfo=UTC),
    datetime(2024, 3, 10, 6, 57, tzinfo=UTC),
    datetime(2024, 11, 3, 5, 58, tzinfo=UTC),
    datetime(2024, 6, 7, 21, 56, tzinfo=UTC),
    datetime(2024, 6, 5, 14, 58, tzinfo=UTC),
    datetime(2024, 12, 31, 14, 57, tzinfo=UTC),
)
# Less than one second costs at the lowest price. The engine keeps 12 places, of which a price limit
# without an amount after taxes may lose some: it scales the taxes.
TOLERANCE = Fraction(1, 10**8)


class Dice:
    """Random tariffs and sessions whose bounds lie where the session comes by."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.zone = self.random.choice(ZONES)
        self.start = self.random.choice(STARTS) + timedelta(seconds=self.random.randrange(120))
        # Wh a second, and the unit that energy bounds are multiples of.
        self.rate = self.random.choice([1, 2, 5, 10])

    def maybe(self, chance: float = 0.25) -> bool:
        return self.random.random() < chance

    def amount(self, most: int, places: int = 2) -> Decimal:
        return Decimal(self.random.randrange(most * 10**places)).scaleb(-places)

    def clock(self) -> time:
        """Return a whole minute near the session, in some zone that it might be in."""
        moment = self.start + timedelta(minutes=self.random.randrange(-2, 12))
        hour = self.random.choice([moment.hour, (moment.hour + 1) % 24, (moment.hour + 2) % 24])
        return time(self.random.choice([hour, (moment.hour + 9) % 24, 0]), moment.minute)

    def restrictions(self) -> TariffRestrictions:
        day = self.start.date().toordinal()
        wishes: dict[str, tuple[float, Callable[[], object]]] = {
            "start_time": (0.25, self.clock),
            "end_time": (0.25, self.clock),
            "start_date": (0.1, lambda: date.fromordinal(day + self.random.randrange(-1, 2))),
            "end_date": (0.1, lambda: date.fromordinal(day + self.random.randrange(0, 3))),
            "day_of_week": (0.15, lambda: frozenset(self.random.sample(list(DayOfWeek), 4))),
            "reservation": (0.15, lambda: self.random.choice(list(ReservationRestrictionType))),
        }
        for bound in ("min", "max"):
            wishes |= {
                f"{bound}_power": (0.12, lambda: Decimal(self.random.randrange(30))),
                f"{bound}_current": (0.12, lambda: Decimal(self.random.randrange(40))),
                f"{bound}_kwh": (
                    0.15,
                    lambda: Decimal(self.random.randrange(400) * self.rate) / 1000,
                ),
                f"{bound}_duration": (0.15, lambda: self.random.randrange(400)),
            }
        chosen = {name: make() for name, (chance, make) in wishes.items() if self.maybe(chance)}
        if chosen.get("start_time") == chosen.get("end_time"):
            chosen.pop("end_time", None)
        return TariffRestrictions(**chosen)  # type: ignore[arg-type]

    def component(self) -> PriceComponent:
        kind = self.random.choice(list(TariffDimensionType))
        is_parking = kind is TariffDimensionType.PARKING_TIME
        return PriceComponent(
            type=kind,
            price=self.amount(9, self.random.choice([0, 2, 4])),
            vat=self.random.choice([None, None, Decimal(0), Decimal(19), Decimal("5.5")]),
            step_size=self.random.choice([0, 1, 1, 7, 60, 300]),
            grace_period=self.random.randrange(1, 300) if is_parking and self.maybe(0.4) else 0,
        )

    def limit(self) -> PriceLimit | None:
        if not self.maybe(0.15):
            return None
        after = self.amount(4) if self.maybe(0.5) else None
        return PriceLimit(self.amount(3), after)

    def tariff(self, name: str = "T1") -> Tariff:
        elements = [
            TariffElement(
                tuple(self.component() for _ in range(self.random.randint(1, 3))),
                self.restrictions() if self.maybe(0.75) else TariffRestrictions(),
            )
            for _ in range(self.random.randint(1, 5))
        ]
        return Tariff(
            id=name,
            currency="EUR",
            elements=tuple(elements),
            tax_included=self.random.choice(list(TaxIncluded)),
            min_price=self.limit(),
            max_price=self.limit(),
        )

    def session(self) -> list[Segment]:
        segments: list[Segment] = []
        moment = self.start
        phases = [Phase.SESSION] * self.random.randint(1, 4)
        if self.maybe(0.2):
            phases.insert(0, Phase.RESERVATION)
        elif self.maybe(0.05):
            phases = [Phase.RESERVATION_EXPIRES]
        for phase in phases:
            seconds = self.random.choice([1, 30, 60, self.random.randrange(1, 240)])
            requesting = phase is not Phase.SESSION or self.maybe(0.65)
            rate = 0 if phase is not Phase.SESSION or self.maybe(0.2) else self.rate
            segments.append(
                Segment(
                    start=moment,
                    end=moment + timedelta(seconds=seconds),
                    energy=Decimal(rate * seconds) / 1000,
                    power=None if self.maybe(0.2) else Decimal(self.random.randrange(30)),
                    current=None if self.maybe(0.2) else Decimal(self.random.randrange(40)),
                    requesting_power=requesting,
                    phase=phase,
                )
            )
            moment += timedelta(seconds=seconds)
            if self.maybe(0.05):
                moment += timedelta(seconds=61)
        return segments

    def switches(self, segments: list[Segment]) -> list[TariffSwitch]:
        if not self.maybe(0.15):
            return []
        seconds = int((segments[-1].end - segments[0].start).total_seconds())
        moments = sorted(
            {self.random.randrange(seconds + 1) for _ in range(self.random.randint(1, 2))}
        )
        return [
            TariffSwitch(
                segments[0].start + timedelta(seconds=moment),
                None if self.maybe(0.3) else self.tariff(f"T{number}"),
            )
            for number, moment in enumerate(moments, start=2)
        ]


@pytest.mark.rule("TAR-20", "TAR-22", "TAR-23", "TAR-25", "TAR-26", "TAR-40", "TAR-47")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_engine_and_naive_pricer_agree(chunk: int) -> None:
    charged = 0
    for number in range(PAIRS_PER_CHUNK):
        seed = chunk * PAIRS_PER_CHUNK + number
        dice = Dice(seed)
        tariff, segments = dice.tariff(), dice.session()
        switches = dice.switches(segments)

        expected = naive_price(tariff, segments, dice.zone, switches)
        result = price_session(
            tariff=tariff, segments=segments, time_zone=dice.zone, switches=switches
        ).total_cost

        difference = abs(Fraction(result.before_taxes) - expected.before_taxes)
        assert difference <= TOLERANCE, f"seed {seed}, before taxes"
        assert (result.after_taxes is None) == (expected.after_taxes is None), f"seed {seed}"
        if result.after_taxes is not None and expected.after_taxes is not None:
            difference = abs(Fraction(result.after_taxes) - expected.after_taxes)
            assert difference <= TOLERANCE, f"seed {seed}, after taxes"
        charged += bool(result.before_taxes)
    # Sessions that cost nothing would agree whatever the engine does.
    assert charged > PAIRS_PER_CHUNK * 0.6

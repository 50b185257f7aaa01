"""Typical sessions become segments, and the engine prices them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tariffs.pricing.engine import price_session
from tariffs.pricing.samples import SAMPLES, Sample, next_monday_evening, segments
from tariffs.pricing.types import Phase, Segment, Tariff, TariffDimensionType
from tests.tariffs.pricing.builders import NOON, component, element, tariff

BERLIN = ZoneInfo("Europe/Berlin")


def sample(key: str) -> Sample:
    return next(item for item in SAMPLES if item.key == key)


def test_a_stop_charges_and_then_parks() -> None:
    first, second = segments(sample("short_stop"), start=NOON)
    assert first == Segment(
        start=NOON,
        end=NOON + timedelta(minutes=30),
        energy=Decimal(5),
        power=Decimal("10.0"),
        current=Decimal("43.5"),
    )
    assert second == Segment(
        start=NOON + timedelta(minutes=30),
        end=NOON + timedelta(minutes=40),
        power=Decimal(0),
        current=Decimal(0),
        requesting_power=False,
    )


@pytest.mark.parametrize(
    ("key", "power", "current"), [("ac", "6.7", "29.0"), ("dc", "96.0", "240.0")]
)
def test_the_current_follows_from_the_power(key: str, power: str, current: str) -> None:
    assert (sample(key).power, sample(key).current) == (Decimal(power), Decimal(current))


def test_a_reservation_comes_before_its_session_or_expires() -> None:
    used = segments(sample("reserved"), start=NOON)
    assert [part.phase for part in used] == [Phase.RESERVATION, Phase.SESSION]
    assert used[1].start == NOON + timedelta(minutes=15)
    (expired,) = segments(sample("not_used"), start=NOON)
    assert expired.phase is Phase.RESERVATION_EXPIRES
    assert (expired.power, expired.current) == (None, None)


def everything() -> Tariff:
    kinds = TariffDimensionType
    return tariff(
        element(
            component(kinds.FLAT, "1", "20"),
            component(kinds.ENERGY, "0.50", "20"),
            component(kinds.TIME, "1.20", "20"),
            component(kinds.PARKING_TIME, "6", "20"),
        )
    )


@pytest.mark.parametrize(
    ("key", "net", "gross"),
    [
        ("ac", "14.6", "17.52"),
        ("dc", "21.5", "25.8"),
        ("overnight", "55.6", "66.72"),
        ("short_stop", "5.1", "6.12"),
        ("reserved", "14.6", "17.52"),
        ("not_used", "0", "0"),
    ],
)
def test_the_engine_prices_each_of_them(key: str, net: str, gross: str) -> None:
    priced = price_session(
        tariff=everything(), segments=segments(sample(key), start=NOON), time_zone="UTC"
    )
    total = priced.total_cost.rounded()
    assert (total.before_taxes, total.after_taxes) == (Decimal(net), Decimal(gross))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 26, 12, tzinfo=UTC), datetime(2026, 11, 30, 17, tzinfo=UTC)),
        (datetime(2026, 11, 30, 9, tzinfo=UTC), datetime(2026, 12, 7, 17, tzinfo=UTC)),
        # Sunday 23:30 in UTC is Monday in Berlin.
        (datetime(2026, 7, 5, 23, 30, tzinfo=UTC), datetime(2026, 7, 13, 16, tzinfo=UTC)),
    ],
)
def test_the_start_is_next_monday_at_six_on_the_wall(now: datetime, expected: datetime) -> None:
    assert next_monday_evening(now, BERLIN) == expected

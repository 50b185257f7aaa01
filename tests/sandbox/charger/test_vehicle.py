"""How cars charge, and what limits them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.charger.profiles import Profiles, parse
from sandbox.charger.vehicle import arriving, share

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MUCH = Decimal(1_000_000)


def profile(*periods: tuple[int, int], **fields: Any) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "chargingRateUnit": fields.pop("unit", "W"),
        "chargingSchedulePeriod": [{"startPeriod": at, "limit": limit} for at, limit in periods],
    }
    for name in ("startSchedule", "duration"):
        if name in fields:
            schedule[name] = fields.pop(name)
    return {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **fields,
    }


def limits(profiles: Profiles, *seconds: int) -> list[Decimal | None]:
    return [profiles.limit_w(1, NOON + timedelta(seconds=one), NOON, 3)[0] for one in seconds]


@pytest.mark.parametrize(
    ("current", "shares"),
    [("AC", ["1", "1", "1", "0.2"]), ("DC", ["1", "1", "0.52", "0.12"])],
)
def test_power_falls_as_the_car_gets_full(current: str, shares: list[str]) -> None:
    assert [share(percent, current) for percent in (30, 45, 75, 100)] == [
        Decimal(one) for one in shares
    ]


def test_energy_is_power_times_time() -> None:
    vehicle = arriving(10, 11, "AC")

    assert vehicle.draw(Decimal(60), MUCH) == Decimal("183.333333333")
    assert vehicle.power_w(Decimal(4000)) == 4000
    assert vehicle.draw(Decimal(90), Decimal(4000)) == 100


@pytest.mark.parametrize("current", ["AC", "DC"])
def test_a_car_takes_exactly_what_it_needs(current: str) -> None:
    one, other = arriving(20, 50, current), arriving(20, 50, current)
    seconds = one.seconds_to_full(Decimal(30_000))
    assert seconds is not None

    taken = [one.draw(Decimal(7), Decimal(30_000)) for _ in range(int(seconds / 7) + 1)]
    other.draw(seconds + 1, Decimal(30_000))

    assert sum(taken) == 20_000
    assert one.is_full
    assert other.taken_wh == 20_000
    assert one.power_w(MUCH) == 0
    assert one.draw(Decimal(60), MUCH) == 0
    assert one.percent == 100


def test_without_power_a_car_is_never_full() -> None:
    vehicle = arriving(20, 50, "AC")

    assert vehicle.draw(Decimal(60), Decimal(0)) == 0
    assert vehicle.seconds_to_full(Decimal(0)) is None


def test_periods_follow_each_other_until_the_duration_is_over() -> None:
    profiles = Profiles()
    profiles.add(parse(profile((0, 3000), (60, 5000), duration=120), outlet=1))

    assert limits(profiles, 0, 59, 60, 119, 120) == [3000, 3000, 5000, 5000, None]
    assert profiles.limit_w(1, NOON, NOON, 3)[1] == NOON + timedelta(seconds=60)


def test_amperes_count_each_phase() -> None:
    profiles = Profiles()
    profiles.add(parse(profile((0, 10), unit="A"), outlet=1))

    assert limits(profiles, 0) == [6900]


def test_a_daily_profile_begins_again_each_day() -> None:
    body = profile(
        (0, 3000),
        (43_200, 9000),
        chargingProfileKind="Recurring",
        recurrencyKind="Daily",
        startSchedule="2026-05-01T00:00:00Z",
    )
    profiles = Profiles()
    profiles.add(parse(body, outlet=1))

    assert limits(profiles, -1, 0, 43_200) == [3000, 9000, 3000]


def test_the_highest_level_counts_and_what_is_not_valid_does_not() -> None:
    profiles = Profiles()
    profiles.add(parse(profile((0, 3000)), outlet=0))
    high = profile((0, 4000), id=2, stackLevel=3, validTo="2026-05-04T12:00:10Z")
    profiles.add(parse(high, outlet=0))

    assert limits(profiles, 0, 10) == [4000, 3000]


def test_the_profile_of_the_outlet_goes_before_that_of_the_station() -> None:
    profiles = Profiles()
    profiles.add(parse(profile((0, 3000), stackLevel=5), outlet=0))
    profiles.add(parse(profile((0, 4000), id=2), outlet=1))

    assert limits(profiles, 0) == [4000]
    assert profiles.clear(outlet=1)
    assert limits(profiles, 0) == [3000]


def test_one_of_the_same_place_and_level_replaces_the_other() -> None:
    profiles = Profiles()
    profiles.add(parse(profile((0, 3000)), outlet=1))
    profiles.add(parse(profile((0, 4000), id=2), outlet=1))

    assert not profiles.clear(profile_id=1)
    assert profiles.clear(profile_id=2)


def test_the_schedule_to_come_joins_all_changes() -> None:
    profiles = Profiles()
    profiles.add(parse(profile((0, 3000), (60, 5000), (90, 90_000)), outlet=1))

    found = profiles.composite(1, NOON, began=NOON, phases=3, seconds=600, most_w=Decimal(22_000))

    assert found == [(0, Decimal(3000)), (60, Decimal(5000)), (90, Decimal(22_000))]

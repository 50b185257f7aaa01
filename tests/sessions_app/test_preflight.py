"""What holds a CDR, what only warns, and what is ordinary: every check at its bound."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.metering import Reading
from sessions_app.preflight import (
    MOST,
    Code,
    Ended,
    Finding,
    Limits,
    deliverable,
    findings,
)

START = datetime(2026, 6, 1, 8, tzinfo=UTC)
LIMITS = Limits()


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def read(at: float, kwh: str) -> Reading:
    return Reading(minute(at), Decimal(kwh))


# An hour at a connector of 22 kW: 11 kWh for 4.40.
ORDINARY = Ended(
    start=START,
    end=minute(60),
    stopped_at=minute(60),
    readings=[read(0, "100"), read(30, "105.5"), read(60, "111")],
    power_kw=Decimal(22),
    energy=Decimal(11),
    cost=Decimal("4.40"),
)


def found(limits: Limits = LIMITS, **changes: Any) -> list[Finding]:
    return list(findings(replace(ORDINARY, **changes), limits))


def codes(limits: Limits = LIMITS, **changes: Any) -> list[tuple[Code, bool]]:
    return [(finding.code, finding.holds) for finding in found(limits, **changes)]


def test_an_ordinary_session_is_not_doubted() -> None:
    assert codes() == []


def test_what_a_connector_can_give_is_its_power_and_a_stated_tolerance() -> None:
    # 22 kW for 61 minutes, 15 % more, and 1 kWh for a coarse register.
    assert round(deliverable(Decimal(22), timedelta(hours=1)), 6) == Decimal("26.721667")


def test_more_energy_than_the_connector_can_give_holds() -> None:
    limit = deliverable(Decimal(22), timedelta(hours=1))

    assert codes(energy=limit) == []
    assert codes(energy=limit + Decimal("0.0001")) == [(Code.TOO_MUCH_ENERGY, True)]
    assert found(energy=Decimal(80))[0].values == {
        "kwh": "80",
        "hours": "1",
        "limit": "26.7217",
        "power": "22",
    }
    assert codes(energy=Decimal(80), power_kw=None) == []


def test_a_jump_between_two_readings_holds_and_names_both() -> None:
    limit = deliverable(Decimal(22), timedelta(minutes=1))
    at_the_bound = [read(0, "100"), read(1, str(100 + limit)), read(60, "111")]
    above = [read(0, "100"), read(1, str(101 + limit)), read(60, "111")]

    assert codes(readings=at_the_bound) == []
    [jump] = found(readings=above)
    assert (jump.code, jump.holds) == (Code.ENERGY_JUMP, True)
    assert jump.values == {
        "before_at": "2026-06-01T08:00:00Z",
        "at": "2026-06-01T08:01:00Z",
        "before": "100",
        "after": "102.8433",
        "kwh": "2.8433",
        "minutes": "1",
        "limit": "1.8433",
        "power": "22",
    }
    assert codes(readings=above, power_kw=None) == []


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        # A rounded register: a tenth of a kWh.
        (("100", "99.9", "100"), [(Code.METER_FELL, False)]),
        (("100", "99.89", "100"), [(Code.METER_FELL, True)]),
        (("100", "0.99", "2"), [(Code.METER_RESTARTED, True)]),
        (("100", "1", "2"), [(Code.METER_FELL, True)]),
        (("0.4", "0.35", "2"), [(Code.METER_FELL, False)]),
    ],
)
def test_a_meter_that_falls_ran_backwards_or_began_anew(
    registers: Sequence[str], expected: list[tuple[Code, bool]]
) -> None:
    readings = [read(30 * at, kwh) for at, kwh in enumerate(registers)]

    assert codes(readings=readings) == expected


def test_readings_are_looked_at_in_the_order_of_their_time() -> None:
    assert ORDINARY.readings is not None
    assert codes(readings=ORDINARY.readings[::-1]) == []


def test_what_the_meter_did_before_and_after_the_session_is_not_its_fault() -> None:
    before = [read(-20, "900"), read(-10, "1"), read(0, "100")]
    after = [read(60, "111"), read(61, "0")]

    assert codes(readings=[*before, *after]) == []


@pytest.mark.parametrize(
    ("cost", "reserved", "expected"),
    [
        ("0", "0", [(Code.NO_ENERGY, False)]),
        ("0.50", "0", [(Code.BILLED_WITHOUT_ENERGY, True)]),
        # Keeping the EVSE free is what was paid for.
        ("2", "2", [(Code.NO_ENERGY, False)]),
        ("2.50", "2", [(Code.BILLED_WITHOUT_ENERGY, True)]),
    ],
)
def test_no_energy_holds_only_where_it_is_billed(
    cost: str, reserved: str, expected: list[tuple[Code, bool]]
) -> None:
    readings = [read(0, "100"), read(60, "100")]
    changes: dict[str, Any] = {"cost": Decimal(cost), "reservation_cost": Decimal(reserved)}

    assert codes(readings=readings, energy=Decimal(0), **changes) == expected


def test_an_end_before_the_start_holds_unless_a_clock_is_a_minute_off() -> None:
    assert codes(stopped_at=START) == []
    assert codes(stopped_at=minute(-1)) == [(Code.ENDS_BEFORE_START, False)]
    assert codes(stopped_at=minute(-1.01)) == [(Code.ENDS_BEFORE_START, True)]


def test_a_session_that_is_too_long_holds() -> None:
    def ending(at: datetime) -> dict[str, Any]:
        return {"end": at, "stopped_at": at, "readings": [*readings, Reading(at, Decimal(111))]}

    readings = [read(0, "100")]
    week = START + timedelta(days=7)
    assert codes(**ending(week)) == []
    assert codes(**ending(week + timedelta(seconds=1))) == [(Code.TOO_LONG, True)]
    assert codes(Limits(longest=None), **ending(week + timedelta(days=30))) == []


def test_without_a_reading_after_the_start_what_is_billed_holds() -> None:
    nothing: dict[str, Any] = {"readings": [read(0, "100")], "energy": Decimal(0)}

    assert codes(**nothing, cost=Decimal(1)) == [
        (Code.NO_READINGS, True),
        (Code.BILLED_WITHOUT_ENERGY, True),
    ]
    assert codes(**nothing, cost=Decimal(0)) == [
        (Code.NO_READINGS, False),
        (Code.NO_ENERGY, False),
    ]
    assert codes(**nothing | {"readings": []}, cost=Decimal(0), end=START) == [
        (Code.NO_ENERGY, False)
    ]


def test_a_meter_that_was_silent_long_before_the_end_holds_what_is_billed() -> None:
    at_the_bound = minute(60 + 120)
    later = minute(60 + 120.1)

    assert codes(end=at_the_bound) == []
    assert codes(end=later) == [(Code.SILENT_BEFORE_END, True)]
    assert codes(end=later, cost=Decimal(0)) == [(Code.SILENT_BEFORE_END, False)]
    assert codes(Limits(silence=None), end=later) == []


def test_a_cost_above_the_limit_holds_where_there_is_one() -> None:
    limits = Limits(most_cost=Decimal(100))

    assert codes(cost=Decimal(5000)) == []
    assert codes(limits, cost=Decimal(100)) == []
    assert codes(limits, cost=Decimal("100.0001")) == [(Code.TOO_EXPENSIVE, True)]


def test_a_reservation_that_nobody_came_for_has_no_meter_to_doubt() -> None:
    assert codes(readings=None, energy=Decimal(0)) == []
    assert codes(Limits(most_cost=Decimal(1)), readings=None, energy=Decimal(0)) == [
        (Code.TOO_EXPENSIVE, True)
    ]


def test_what_holds_comes_before_what_warns_and_a_broken_meter_is_not_told_endlessly() -> None:
    readings = [read(number / 10, "900" if number % 2 else "100") for number in range(500)]

    seen = codes(readings=readings, stopped_at=minute(-0.5))

    assert seen.count((Code.METER_FELL, True)) == MOST
    assert seen.count((Code.ENERGY_JUMP, True)) == MOST
    assert seen[-1] == (Code.ENDS_BEFORE_START, False)


@given(
    st.lists(st.decimals(0, 22, places=3), min_size=1, max_size=40),
    st.integers(min_value=5, max_value=3600),
)
def test_nothing_that_a_connector_can_do_is_held(powers: list[Decimal], seconds: int) -> None:
    """However the power goes up and down below what the connector gives."""
    register, readings = Decimal(500), [read(0, "500")]
    for number, power in enumerate([Decimal(22), *powers], start=1):
        register += power * seconds / 3600
        readings.append(Reading(START + timedelta(seconds=number * seconds), register))
    end = readings[-1].at

    assert codes(readings=readings, end=end, stopped_at=end, energy=register - Decimal(500)) == []

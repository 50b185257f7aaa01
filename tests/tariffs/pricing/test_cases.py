"""Price the sessions in `cases/`: the worked examples of OCPI, and what they leave out."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tariffs.pricing.engine import price_session
from tariffs.pricing.results import CdrDimensionType, PricedSession
from tariffs.pricing.types import LineKind, Tariff, TariffDimensionType
from tests.tariffs.pricing.builders import segment_from_json

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())

# The rules of docs/conformance.md that a case was made for; the totals show them.
RULES = {
    "charging_is_not_rounded_when_parking_follows_10": ["TAR-41", "CDR-28"],
    "charging_is_not_rounded_when_parking_follows_5": ["TAR-41"],
    "complex_monday_slow": ["TAR-20", "TAR-22", "TAR-23"],
    "complex_saturday_fast": ["TAR-20", "TAR-22", "TAR-23", "TAR-31"],
    "energy_step_of_25_wh_on_115_2_wh": ["TAR-42"],
    "energy_step_over_two_prices": ["TAR-40", "TAR-42", "TAR-46", "CDR-28"],
    "exact_multiple_is_not_rounded": ["TAR-44"],
    "fallback_first_hides_the_rest": ["TAR-07"],
    "first_half_hour_is_free": ["TAR-23"],
    "free_of_charge": ["TAR-06"],
    "max_price_caps_a_large_session": ["TAR-08", "TAR-47"],
    "max_price_hit_on_net_only": ["TAR-08"],
    "min_price_hit_on_gross_only": ["TAR-08"],
    "min_price_raises_a_small_session": ["TAR-08"],
    "night_rate_over_the_23_hour_day": ["TAR-32"],
    "night_rate_over_the_25_hour_day": ["TAR-32"],
    "no_fallback_costs_nothing": ["TAR-21"],
    "parking_is_rounded_to_its_step": ["TAR-40", "TAR-47"],
    "power_decides_the_energy_price": ["TAR-31"],
    "prices_with_taxes_are_split": ["TAR-11"],
    "reservation_expired_dearer_time": ["TAR-25"],
    "reservation_expired_goes_first_in_any_order": ["TAR-25"],
    "reservation_expired_with_fee": ["TAR-25"],
    "reservation_fee_and_per_hour": ["TAR-24", "TAR-26", "TAR-45"],
    "reservation_used_no_expiry_fee": ["TAR-24"],
    "second_flat_is_not_charged": ["TAR-26"],
    "step_size_across_17_00": ["TAR-41", "TAR-42"],
    "step_size_charging_then_parking": ["TAR-41", "TAR-42"],
    "step_size_then_free_parking": ["TAR-43"],
    "time_step_over_two_prices": ["TAR-40", "TAR-42", "TAR-46"],
    "vat_left_out_of_one_component_is_no_vat": ["TAR-10"],
}


def read(case: Path, name: str) -> Any:
    return json.loads((case / f"{name}.json").read_text(encoding="utf-8"))


def priced(case: Path) -> PricedSession:
    session = read(case, "session")
    return price_session(
        tariff=Tariff.from_json(read(case, "tariff")),
        segments=[segment_from_json(item) for item in session["segments"]],
        time_zone=session["time_zone"],
    )


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_rules_are_named_for_cases_that_exist() -> None:
    assert set(RULES) <= {case.name for case in CASES}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=pytest.mark.rule(*RULES.get(case.name, ())))
        for case in CASES
    ],
)
def test_total_is_the_worked_result(case: Path) -> None:
    expected = read(case, "expected")

    total = priced(case).total_cost.rounded(12)

    assert total.before_taxes == Decimal(expected["before_taxes"])
    after_taxes = expected["after_taxes"]
    assert total.after_taxes == (None if after_taxes is None else Decimal(after_taxes))


@pytest.mark.rule("CDR-15", "CDR-16")
def test_parts_volumes_and_limits_are_as_expected(case: Path) -> None:
    expected = read(case, "expected")

    result = priced(case)

    for name, amount in expected.get("parts", {}).items():
        part = getattr(result, f"total_{name}_cost")
        assert part.before_taxes == Decimal(amount), name
    for name in ("total_energy", "total_time", "total_parking_time"):
        if name in expected:
            assert getattr(result, name) == Decimal(expected[name]), name
    if "billed" in expected:
        assert {
            (use.element + 1, use.dimension, use.volume, use.billed_volume)
            for use in result.components
        } == {
            (
                item["element"],
                TariffDimensionType(item["dimension"]),
                Decimal(item["volume"]),
                Decimal(item["billed_volume"]),
            )
            for item in expected["billed"]
        }
    if "limits" in expected:
        limits = [line.kind for line in result.lines if line.kind is not LineKind.COMPONENT]
        assert limits == [LineKind(kind) for kind in expected["limits"]]
    if "remarks" in expected:
        assert len(result.remarks) == expected["remarks"]


@pytest.mark.rule("CDR-09", "CDR-12", "CDR-13")
def test_charging_periods_are_as_expected(case: Path) -> None:
    expected = read(case, "expected")
    if "periods" not in expected:
        return

    result = priced(case)

    assert [
        {
            "start_date_time": period.start_date_time.isoformat().replace("+00:00", "Z"),
            "dimensions": {d.type: d.volume for d in period.dimensions},
        }
        for period in result.charging_periods
    ] == [
        {
            "start_date_time": period["start_date_time"],
            "dimensions": {
                CdrDimensionType(name): Decimal(volume)
                for name, volume in period["dimensions"].items()
            },
        }
        for period in expected["periods"]
    ]


@pytest.mark.rule("CDR-08", "CDR-10", "CDR-12")
def test_every_period_names_the_tariff_and_a_volume(case: Path) -> None:
    result = priced(case)

    assert result.charging_periods
    assert {period.tariff_id for period in result.charging_periods} == {result.tariff_id}
    assert all(period.dimensions for period in result.charging_periods)


@pytest.mark.rule("TAR-04")
def test_frozen_tariff_prices_the_same(case: Path) -> None:
    session = read(case, "session")
    tariff = Tariff.from_json(read(case, "tariff"))

    frozen = Tariff.from_json(json.loads(json.dumps(tariff.to_json())))

    assert frozen == tariff
    segments = [segment_from_json(item) for item in session["segments"]]
    assert (
        price_session(tariff=frozen, segments=segments, time_zone=session["time_zone"]).total_cost
        == priced(case).total_cost
    )

"""Price the sessions in `cases/`: the worked examples of OCPI, and what they leave out."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tariffs.pricing.engine import price_session
from tariffs.pricing.results import CdrDimensionType, LineKind, PricedSession
from tariffs.pricing.types import Tariff, TariffDimensionType
from tests.tariffs.pricing.builders import segment_from_json

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())


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


def test_total_is_the_worked_result(case: Path) -> None:
    expected = read(case, "expected")

    total = priced(case).total_cost.rounded(12)

    assert total.before_taxes == Decimal(expected["before_taxes"])
    after_taxes = expected["after_taxes"]
    assert total.after_taxes == (None if after_taxes is None else Decimal(after_taxes))


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


def test_every_period_names_the_tariff_and_a_volume(case: Path) -> None:
    result = priced(case)

    assert result.charging_periods
    assert {period.tariff_id for period in result.charging_periods} == {result.tariff_id}
    assert all(period.dimensions for period in result.charging_periods)


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

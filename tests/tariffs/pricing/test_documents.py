"""OCPI documents of every version, priced from outside: what a stranger makes of a CDR."""

import contextlib
import copy
import io
import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from cpo_platform.common.json import loads
from tariffs.pricing.documents import InvalidDocument, price_case
from tariffs.pricing.engine import price_session
from tariffs.pricing.results import PricedSession
from tariffs.pricing.types import Phase, Segment, Tariff, TaxIncluded
from tests.tariffs.pricing.builders import segment_from_json
from tests.tariffs.pricing.test_cases import CASES, priced, read
from tests.tariffs.pricing.test_properties import (
    ZONE,
    bounded,
    plain_tariffs,
    sessions,
    tariffs,
)

Json = dict[str, Any]
# What a document cannot tell: which taxes there are in 2.1.1, that the car came for a reservation
# that it then did not use, what held for a moment only, and that nobody knows the power.
WITHOUT_TAXES = "2.1.1"
MORNING = datetime(2024, 6, 7, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def wire_tariff(tariff: Tariff, version: str) -> Json:
    """Write a tariff with numbers as OCPI has them; prices without tax but for 2.3.0."""
    document: Json = json.loads(json.dumps(tariff.to_json()))
    for element in document["elements"]:
        for component in element["price_components"]:
            write_price(component, tariff.tax_included, version)
        for name, value in element.get("restrictions", {}).items():
            if name.startswith(("min_", "max_")):
                element["restrictions"][name] = Decimal(value)
    if version != "2.3.0":
        del document["tax_included"]
        for name in ("min_price", "max_price"):
            if limit := document.get(name):
                document[name] = {
                    "excl_vat": Decimal(limit["before_taxes"]),
                    **(
                        {"incl_vat": Decimal(limit["after_taxes"])}
                        if "after_taxes" in limit
                        else {}
                    ),
                }
    return document


def write_price(component: Json, tax_included: TaxIncluded, version: str) -> None:
    vat = component.get("vat")
    component["price"] = Decimal(component["price"])
    if tax_included is TaxIncluded.YES and version != "2.3.0" and vat is not None:
        component["price"] /= 1 + Decimal(vat) / 100
    if tax_included is TaxIncluded.NOT_APPLICABLE or version == WITHOUT_TAXES:
        component.pop("vat", None)


def wire_cdr(result: PricedSession, segments: list[Segment], version: str) -> Json:
    """Write what a CDR tells of a priced session: volumes with four decimals."""
    end = "stop_date_time" if version == WITHOUT_TAXES else "end_date_time"
    return {
        "start_date_time": segments[0].start.isoformat(),
        end: segments[-1].end.isoformat(),
        "charging_periods": [
            {
                "start_date_time": period.start_date_time.isoformat(),
                "dimensions": [
                    {"type": item.type.value, "volume": round(item.volume, 4)}
                    for item in period.dimensions
                ],
                **({"tariff_id": period.tariff_id} if version != WITHOUT_TAXES else {}),
            }
            for period in result.charging_periods
        ],
    }


def case_of(
    tariff: Tariff, segments: list[Segment], time_zone: str, version: str
) -> tuple[Json, PricedSession]:
    result = price_session(tariff=tariff, segments=segments, time_zone=time_zone)
    return {
        "version": version,
        "timezone": time_zone,
        "tariff": wire_tariff(tariff, version),
        "input": {"cdr": wire_cdr(result, segments, version)},
    }, result


def told(result: PricedSession) -> tuple[Decimal, Decimal | None]:
    total = result.total_cost.rounded()
    return total.before_taxes, total.after_taxes


def has_reservation(case: Path) -> bool:
    return "RESERVATION" in (case / "session.json").read_text(encoding="utf-8")


@pytest.mark.rule("CDR-27", "TAR-46")
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_worked_prices_are_found_again_from_the_cdr_alone(case: Path, version: str) -> None:
    if version == WITHOUT_TAXES and (has_reservation(case) or "min_price" in case.name):
        return
    session = read(case, "session")
    tariff = Tariff.from_json(read(case, "tariff"))
    segments = [segment_from_json(item) for item in session["segments"]]
    document, _result = case_of(tariff, segments, session["time_zone"], version)

    answer = price_case(loads(dump_text_exact(document)))

    before, after = told(priced(case))
    total = answer["total_cost"]
    # A net price made of a gross one has four decimals on the wire.
    assert abs(total["excl_vat"] - before) <= Decimal("0.001")
    tells_taxes = version != WITHOUT_TAXES and tariff.tax_included is not TaxIncluded.YES
    if tells_taxes and (after is not None or version == "2.3.0"):
        assert total["incl_vat"] == after
    assert len(answer["explanation"]) >= len(priced(case).lines)


def dump_text_exact(document: Json) -> str:
    """Write JSON with every digit: the prices of a case may have more than four decimals."""
    return json.dumps(document, default=float)


def with_power(segment: Segment) -> Segment:
    if segment.power is not None or segment.phase.is_reservation:
        return segment
    hours = Decimal((segment.end - segment.start).total_seconds()) / 3600
    return replace(segment, power=round(segment.energy / hours, 6))


def as_told(segments: list[Segment]) -> list[Segment]:
    """Return what a document can tell of a session.

    That is no moments, no holes (a period of a CDR lasts until the next one starts), the mean for
    unknown power, and a reservation that expired only if no session came of it.
    """
    lasting = [segment for segment in segments if segment.end > segment.start]
    ends = [segment.start for segment in lasting[1:]] + [segment.end for segment in lasting[-1:]]
    is_used = any(not segment.phase.is_reservation for segment in lasting)
    reserved = Phase.RESERVATION if is_used else Phase.RESERVATION_EXPIRES
    return [
        with_power(
            replace(
                segment, end=end, phase=reserved if segment.phase.is_reservation else segment.phase
            )
        )
        for segment, end in zip(lasting, ends, strict=True)
    ]


@pytest.mark.rule("CDR-27")
@bounded
@given(tariffs, sessions().map(as_told).filter(bool))
def test_any_session_costs_the_same_when_it_is_read_back(
    tariff: Tariff, segments: list[Segment]
) -> None:
    document, result = case_of(tariff, segments, ZONE, "2.3.0")

    answer = price_case(document)

    before, after = told(result)
    assert abs(answer["total_cost"]["excl_vat"] - before) <= Decimal("0.01")
    assert (answer["total_cost"]["incl_vat"] is None) == (after is None)


@pytest.mark.rule("CDR-27")
def test_a_power_on_both_sides_of_a_bound_is_told_in_two_periods() -> None:
    slow = Segment(MORNING, MORNING + HOUR, energy=Decimal(1), power=Decimal(1))
    fast = Segment(slow.end, slow.end + HOUR, energy=Decimal(3), power=Decimal(3))
    free = {"type": "FLAT", "price": "0", "step_size": 1}
    tariff = Tariff.from_json(
        {
            "id": "T",
            "currency": "EUR",
            "tax_included": "NO",
            "elements": [
                {
                    "price_components": [free],
                    "restrictions": {"max_kwh": "1", "min_power": "2"},
                },
                {"price_components": [{**free, "price": "5"}]},
            ],
        }
    )
    document, result = case_of(tariff, [slow, fast], ZONE, "2.3.0")

    answer = price_case(document)

    # Told in one, the fast hour's power would hold from the start, where it costs nothing.
    assert [period.start_date_time for period in result.charging_periods] == [MORNING, slow.end]
    assert answer["total_cost"]["excl_vat"] == 5


@pytest.mark.rule("CDR-27")
def test_energy_that_comes_unevenly_is_told_up_to_each_bound() -> None:
    quick = Segment(MORNING, MORNING + HOUR / 2, energy=Decimal(15))
    slow = Segment(quick.end, MORNING + 5 * HOUR, energy=Decimal(5))
    energy = {"type": "ENERGY", "price": "1", "step_size": 1}
    tariff = Tariff.from_json(
        {
            "id": "T",
            "currency": "EUR",
            "tax_included": "NO",
            "elements": [
                {
                    "price_components": [energy],
                    "restrictions": {"max_kwh": "10", "start_time": "12:00"},
                },
                {"price_components": [{**energy, "price": "0.2"}]},
            ],
        }
    )
    document, result = case_of(tariff, [quick, slow], ZONE, "2.3.0")

    answer = price_case(document)

    # Told in one, 10 kWh would be reached in the afternoon, when the first of them cost more.
    assert [period.start_date_time for period in result.charging_periods] == [
        MORNING,
        MORNING + HOUR / 3,
    ]
    assert told(result)[0] == 4
    assert answer["total_cost"]["excl_vat"] == 4


@bounded
@given(plain_tariffs, sessions())
def test_plain_tariffs_are_read_back_to_the_last_decimal(
    tariff: Tariff, segments: list[Segment]
) -> None:
    document, result = case_of(tariff, segments, ZONE, "2.3.0")

    total = price_case(document)["total_cost"]

    if not segments[0].phase.is_reservation:
        assert total == dict(zip(("excl_vat", "incl_vat"), told(result), strict=True))


EXAMPLE: Json = {
    "version": "2.2.1",
    "timezone": "Europe/Berlin",
    "tariff": {
        "id": "T",
        "currency": "EUR",
        "min_price": {"excl_vat": 0.5},
        "elements": [
            {
                "price_components": [
                    {"type": "ENERGY", "price": 0.25, "vat": 20, "step_size": 1},
                    {"type": "TIME", "price": 2, "vat": 20, "step_size": 300},
                ],
                "restrictions": {"day_of_week": ["MONDAY"], "min_kwh": 0, "start_time": "00:00"},
            },
            {"price_components": [{"type": "FLAT", "price": 1, "vat": 20, "step_size": 1}]},
        ],
    },
    "input": {
        "cdr": {
            "start_date_time": "2024-06-03T10:00:00Z",
            "end_date_time": "2024-06-03T11:00:00Z",
            "charging_periods": [
                {
                    "start_date_time": "2024-06-03T10:00:00Z",
                    "dimensions": [
                        {"type": "ENERGY", "volume": 10},
                        {"type": "TIME", "volume": 0.5},
                        {"type": "PARKING_TIME", "volume": 0.5},
                    ],
                }
            ],
        }
    },
}


def changed(change: Callable[[Json], object]) -> Json:
    case = copy.deepcopy(EXAMPLE)
    change(case)
    return case


def test_case_is_priced_with_its_explanation() -> None:
    answer = price_case(EXAMPLE)

    assert answer["total_cost"] == {"excl_vat": Decimal("4.5"), "incl_vat": Decimal("5.4")}
    assert answer["total_energy_cost"]["excl_vat"] == Decimal("2.5")
    assert answer["total_time_cost"]["excl_vat"] == Decimal(1)
    assert answer["total_parking_cost"]["excl_vat"] == 0
    assert answer["total_fixed_cost"]["excl_vat"] == 1
    assert answer["total_reservation_cost"]["excl_vat"] == 0
    assert answer["explanation"][2].startswith("12:00\N{EN DASH}12:30 · TIME 0.5 h")


def test_period_without_time_is_not_charged_for_time() -> None:
    def only_energy(case: Json) -> None:
        case["input"]["cdr"]["charging_periods"][0]["dimensions"] = [
            {"type": "ENERGY", "volume": 10}
        ]

    answer = price_case(changed(only_energy))

    assert answer["total_time_cost"]["excl_vat"] == 0
    assert answer["total_energy_cost"]["excl_vat"] == Decimal("2.5")


def test_time_that_is_told_counts_where_it_is_not_the_time_that_passed() -> None:
    def short(case: Json) -> None:
        case["input"]["cdr"]["charging_periods"][0]["dimensions"] = [
            {"type": "TIME", "volume": 0.25}
        ]

    assert price_case(changed(short))["total_time_cost"]["excl_vat"] == Decimal("0.5")


def test_periods_that_name_no_tariff_beside_others_cost_nothing() -> None:
    def half(case: Json) -> None:
        cdr = case["input"]["cdr"]
        first = cdr["charging_periods"][0] | {"tariff_id": "t"}
        cdr["end_date_time"] = "2024-06-03T12:00:00Z"
        second = first | {"start_date_time": "2024-06-03T11:00:00Z"}
        del second["tariff_id"]
        cdr["charging_periods"] = [first, second]

    assert price_case(changed(half))["total_energy_cost"]["excl_vat"] == Decimal("2.5")


def test_cdr_brings_its_own_tariffs_and_switches_between_them() -> None:
    def two(case: Json) -> None:
        cdr, tariff = case["input"]["cdr"], case.pop("tariff")
        dear = copy.deepcopy(tariff) | {"id": "DEAR"}
        dear["elements"][0]["price_components"][0]["price"] = 1
        cdr["tariffs"] = [tariff, dear]
        first = cdr["charging_periods"][0] | {"tariff_id": "T"}
        cdr["end_date_time"] = "2024-06-03T12:00:00Z"
        second = first | {"start_date_time": "2024-06-03T11:00:00Z", "tariff_id": "dear"}
        cdr["charging_periods"] = [first, second]

    answer = price_case(changed(two))

    assert answer["total_energy_cost"]["excl_vat"] == Decimal("12.5")
    assert answer["total_fixed_cost"]["excl_vat"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda case: case.update(version="3.0"), "version: must be one of"),
        (lambda case: case.update(timezone="Mars/Olympus"), "timezone: 'Mars/Olympus' is not"),
        (lambda case: case.update(timezone="../../etc/passwd"), "ZoneInfo keys must"),
        (lambda case: case.pop("input"), "input.cdr: a CDR is required"),
        (lambda case: case.update(tariff=None), "tariff: a Tariff is required"),
        (lambda case: case["tariff"].update(elements=[]), "elements: at least one is required"),
        (lambda case: case["tariff"].pop("currency"), "currency: three letters are required"),
        (lambda case: case["input"]["cdr"].pop("start_date_time"), "start_date_time: a date"),
        (
            lambda case: case["input"]["cdr"].update(end_date_time="2024-06-03T09:00:00Z"),
            "charging_periods: must be in order of time",
        ),
        (
            lambda case: case["input"]["cdr"].update(charging_periods=[]),
            "charging_periods: a list of 1 to",
        ),
        (
            lambda case: case["input"]["cdr"]["charging_periods"][0]["dimensions"].append(
                {"type": "ENERGY", "volume": -20}
            ),
            "energy: must not be negative",
        ),
        (
            lambda case: case["input"]["cdr"]["charging_periods"][0]["dimensions"].append(
                {"type": "ENERGY", "volume": "1e400"}
            ),
            "ENERGY: must be finite, below",
        ),
    ],
)
def test_bad_case_is_refused_with_the_field_and_the_rule(
    change: Callable[[Json], object], message: str
) -> None:
    with pytest.raises(InvalidDocument, match=message):
        price_case(changed(change))


def dimensions(**volumes: float | str) -> Callable[[Json], None]:
    def change(case: Json) -> None:
        period = case["input"]["cdr"]["charging_periods"][0]
        period["dimensions"] = [{"type": k, "volume": v} for k, v in volumes.items()]

    return change


def total_of(change: Callable[[Json], object]) -> Decimal:
    total: Decimal = price_case(changed(change))["total_cost"]["excl_vat"]
    return total


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        # An hour at 2.00, 10 kWh at 0.25, and the fee of 1.00; a time of zero is none.
        ({"ENERGY": 10, "TIME": 1}, "5.5"),
        ({"ENERGY": 10, "TIME": 1, "RESERVATION_TIME": 0}, "5.5"),
        ({"ENERGY": 10, "TIME": 1, "PARKING_TIME": 0}, "5.5"),
        ({"ENERGY": 10, "TIME": 0.9998, "PARKING_TIME": 0}, "5.5"),
        # Half an hour reserved, which nobody charges for, and then half an hour of charging.
        ({"ENERGY": 10, "TIME": 0.5, "RESERVATION_TIME": 0.5}, "4.5"),
    ],
)
def test_times_of_zero_are_none(volumes: Json, expected: str) -> None:
    assert total_of(dimensions(**volumes)) == Decimal(expected)


def test_mean_power_is_found_whatever_times_of_zero_are_told() -> None:
    def powers(case: Json) -> None:
        energy = {"type": "ENERGY", "step_size": 0}
        case["tariff"]["elements"] = [
            {"price_components": [energy | {"price": 1}], "restrictions": {"max_power": 50}},
            {"price_components": [energy | {"price": 2}]},
        ]
        dimensions(ENERGY=20, TIME=0, PARKING_TIME=0)(case)

    assert total_of(powers) == 20


def test_reservation_that_expired_is_so_whatever_else_is_told_of_nothing() -> None:
    def expired(case: Json) -> None:
        case["tariff"]["elements"] = [
            {
                "price_components": [{"type": "FLAT", "price": 4, "step_size": 1}],
                "restrictions": {"reservation": "RESERVATION_EXPIRES"},
            },
            {"price_components": [{"type": "FLAT", "price": 1, "step_size": 1}]},
        ]
        del case["tariff"]["min_price"]
        dimensions(RESERVATION_TIME=1, ENERGY=0)(case)
        case["input"]["cdr"]["charging_periods"].append(
            {
                "start_date_time": "2024-06-03T11:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": 0}],
            }
        )

    assert total_of(expired) == 4


def test_limits_of_a_tariff_that_never_held_do_not_count() -> None:
    def moment_of_another(case: Json) -> None:
        cdr, tariff = case["input"]["cdr"], case.pop("tariff")
        cdr["tariffs"] = [tariff, tariff | {"id": "CAP", "max_price": {"excl_vat": 1}}]
        first = cdr["charging_periods"][0] | {"tariff_id": "T"}
        last = {
            "start_date_time": cdr["end_date_time"],
            "dimensions": [{"type": "TIME", "volume": 0}],
            "tariff_id": "CAP",
        }
        cdr["charging_periods"] = [first, last]

    assert total_of(moment_of_another) == Decimal("4.5")


def test_given_tariff_holds_whatever_the_periods_call_it() -> None:
    def other_names(case: Json) -> None:
        cdr = case["input"]["cdr"]
        first = cdr["charging_periods"][0] | {"tariff_id": "T"}
        cdr["end_date_time"] = "2024-06-03T12:00:00Z"
        second = first | {"start_date_time": "2024-06-03T11:00:00Z", "tariff_id": "U"}
        cdr["charging_periods"] = [first, second]

    assert total_of(other_names) == 8


def test_2_1_1_has_no_taxes_even_where_a_rate_is_given() -> None:
    answer = price_case(changed(lambda case: case.update(version="2.1.1")))

    assert answer["total_cost"] == {"excl_vat": Decimal("4.5"), "incl_vat": None}


def component_of(case: Json) -> Json:
    component: Json = case["tariff"]["elements"][0]["price_components"][0]
    return component


@pytest.mark.parametrize(
    "change",
    [
        lambda case: case.update(timezone="Europe"),
        lambda case: case.update(timezone="a" * 300),
        lambda case: case["tariff"].update(currency="\ud800XX"),
        lambda case: component_of(case).update(price="1e999999"),
        lambda case: component_of(case).update(price="1e30"),
        lambda case: component_of(case).update(vat=-100),
        lambda case: component_of(case).update(step_size="1e3000000"),
        dimensions(ENERGY="1e900000000"),
        lambda case: case["input"]["cdr"].update(start_date_time="0001-01-01T00:00:00+14:00"),
        lambda case: case["input"]["cdr"].update(end_date_time="9998-12-31T00:00:00Z"),
        lambda case: case["input"]["cdr"].update(end_date_time="2030-12-31T00:00:00Z"),
        lambda case: (case.pop("tariff"), case["input"]["cdr"].update(tariffs=5)),
    ],
)
def test_hostile_case_is_refused_at_once(change: Callable[[Json], object]) -> None:
    with pytest.raises(InvalidDocument):
        price_case(changed(change))


JUNK: list[Any] = [None, "", "x", -1, 0, 10**15, 1.5, True, [], {}, [None], {"a": 1}, ["MONDAY"]]


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a document: what holds it, and its key there."""
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return []
    return [place for key, item in items for place in [(value, key), *places_in(item)]]


@pytest.mark.parametrize("seed", range(10))
def test_junk_anywhere_is_priced_or_refused_never_an_error(seed: int) -> None:
    dice = random.Random(seed)
    count = len(places_in(EXAMPLE))
    for number in range(count):
        case = copy.deepcopy(EXAMPLE)
        holder, key = places_in(case)[number]
        holder[key] = copy.deepcopy(dice.choice(JUNK))
        with contextlib.suppress(InvalidDocument):
            assert price_case(case)["total_cost"]["excl_vat"] is not None


@given(st.decimals(min_value=0, max_value=1000, places=4))
def test_energy_is_told_and_priced_exactly(energy: Decimal) -> None:
    def some(case: Json) -> None:
        case["tariff"] = {
            "id": "T",
            "currency": "EUR",
            "elements": [{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 0}]}],
        }
        case["input"]["cdr"]["charging_periods"][0]["dimensions"] = [
            {"type": "ENERGY", "volume": energy}
        ]

    whole_wh = Decimal(math.ceil(energy * 1000))
    assert price_case(changed(some))["total_cost"]["excl_vat"] == whole_wh / 1000


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("price", *args, stdout=out)
    return out.getvalue()


def test_command_prices_a_file(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_text(json.dumps(EXAMPLE), encoding="utf-8")

    assert json.loads(run(str(file)))["total_cost"] == {"excl_vat": 4.5, "incl_vat": 5.4}


def test_command_prices_a_batch_in_order_and_tells_what_failed(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    dear = changed(
        lambda case: case["tariff"]["elements"][1]["price_components"][0].update(price=2)
    )
    lines = [json.dumps(EXAMPLE), "{not json", json.dumps(dear), "[]"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = io.StringIO()

    with pytest.raises(CommandError, match="2 cases could not be priced"):
        call_command("price", batch=str(file), stdout=out)

    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [answer.get("total_cost", {}).get("excl_vat") for answer in answers] == [
        4.5,
        None,
        5.5,
        None,
    ]
    assert "error" in answers[1]
    assert answers[3]["error"] == "a case is a JSON object"


def test_command_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run(str(tmp_path / "missing.json"))

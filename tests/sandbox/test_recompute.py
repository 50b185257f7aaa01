"""The outsider's recomputation of a bill, against worked examples of the specification."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.emsp.recompute import recompute
from tests.sandbox import objects

DAY = "2026-07-01T"


def component(kind: str, price: float, step: int = 1, vat: float | None = None) -> dict[str, Any]:
    found = {"type": kind, "price": price, "step_size": step}
    return found if vat is None else {**found, "vat": vat}


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"price_components": list(components)}
    return {**found, "restrictions": restrictions} if restrictions else found


def bill(elements: list[dict[str, Any]], periods: list[Any], **tariff: Any) -> tuple[str, str]:
    cdr = objects.cdr(
        tariffs=[objects.tariff(elements=elements, **tariff)],
        charging_periods=[objects.period(f"{DAY}{at}:00Z", **v) for at, v in periods],
        start_date_time=f"{DAY}{periods[0][0]}:00Z",
    )
    again = recompute(cdr, "UTC")
    assert again is not None
    return f"{again.net:.4f}", f"{again.gross:.4f}"


@pytest.mark.parametrize(
    ("kwh", "expected"), [(20, ("5.0000", "5.5000")), (1, ("0.5000", "0.5500"))]
)
def test_min_price(kwh: float, expected: tuple[str, str]) -> None:
    limit = {"excl_vat": 0.5, "incl_vat": 0.55}
    elements = [element(component("ENERGY", 0.25, vat=10))]
    assert bill(elements, [("08:00", {"ENERGY": kwh})], min_price=limit) == expected


def test_max_price() -> None:
    limit = {"excl_vat": 10, "incl_vat": 11}
    elements = [element(component("FLAT", 0.5, vat=20), component("ENERGY", 0.25, vat=10))]
    assert bill(elements, [("08:00", {"ENERGY": 50})], max_price=limit) == ("10.0000", "11.0000")


def test_step_size_counts_once_on_the_last_component() -> None:
    elements = [
        element(component("TIME", 1.2, 1800), end_time="17:00"),
        element(component("TIME", 2.4, 900)),
        element(component("PARKING_TIME", 1, 900)),
    ]
    # 35 minutes from 16:35: 25 at 1.20, the rest up to 45 minutes at 2.40.
    periods = [("16:35", {"TIME": 25 / 60}), ("17:00", {"TIME": 10 / 60})]
    assert bill(elements, periods)[0] == "1.3000"
    # Followed by parking, time is not rounded up.
    periods = [("17:55", {"TIME": 10 / 60}), ("18:05", {"PARKING_TIME": 2 / 60})]
    assert bill(elements, periods)[0] == "0.6500"


def test_an_exact_multiple_stays_even_when_hours_have_four_decimals() -> None:
    elements = [element(component("PARKING_TIME", 3, 60))]
    assert bill(elements, [("08:00", {"PARKING_TIME": 0.6667})])[0] == "2.0000"


def test_restrictions_by_power_energy_and_weekday() -> None:
    elements = [
        element(component("ENERGY", 0.2), max_power=16),
        element(component("ENERGY", 0.35), max_power=32),
        element(component("ENERGY", 0.5)),
    ]
    periods = [
        ("08:00", {"ENERGY": 1, "MAX_POWER": 6}),
        ("08:10", {"ENERGY": 40, "MAX_POWER": 48}),
        ("09:00", {"ENERGY": 0.5, "MAX_POWER": 4}),
    ]
    assert bill(elements, periods)[0] == "20.3000"
    elements = [element(component("ENERGY", 1), max_kwh=2), element(component("ENERGY", 2))]
    assert bill(elements, [("08:00", {"ENERGY": 2}), ("09:00", {"ENERGY": 1})])[0] == "4.0000"
    elements = [element(component("ENERGY", 9), day_of_week=["SUNDAY"]), *elements[1:]]
    assert bill(elements, [("08:00", {"ENERGY": 1})])[0] == "2.0000"


def test_reservation_and_session_are_priced_apart() -> None:
    elements = [
        element(component("FLAT", 2, vat=20), component("TIME", 5, 900), reservation="RESERVATION"),
        element(component("FLAT", 0.5), component("ENERGY", 0.25)),
    ]
    periods = [("08:00", {"RESERVATION_TIME": 13 / 60}), ("08:13", {"ENERGY": 20})]
    assert bill(elements, periods)[0] == "8.7500"


def test_a_reservation_that_expires_is_priced_by_its_own_elements_first() -> None:
    time = component("TIME", 2, 600, vat=20)
    elements = [
        element(time, reservation="RESERVATION"),
        element(component("FLAT", 4, vat=20), reservation="RESERVATION_EXPIRES"),
        element(component("FLAT", 9), component("TIME", 9)),
    ]
    expired = [("08:00", {"RESERVATION_TIME": 1})]
    assert bill(elements, expired) == ("6.0000", "7.2000")
    # Used instead: what is due on expiry is not.
    used = [*expired, ("09:00", {"ENERGY": 1})]
    assert bill(elements[:2], used)[0] == "2.0000"
    # Both kinds have a time price: that of the expiry counts, whatever the order.
    late = element(component("TIME", 3), reservation="RESERVATION_EXPIRES")
    assert bill([elements[0], late], expired)[0] == "3.0000"


def test_the_verdict_compares_with_the_bill_to_a_cent() -> None:
    again = recompute(objects.cdr(), "Europe/Amsterdam")
    assert again is not None
    assert again.agrees
    assert [line.dimension for line in again.lines] == ["FLAT", "ENERGY", "PARKING_TIME"]
    wrong = recompute(objects.cdr(total_cost={"excl_vat": 7.02}))
    assert wrong is not None
    assert not wrong.agrees
    assert wrong.net.quantize(Decimal("0.01")) == Decimal("7.00")
    assert recompute(objects.cdr(tariffs=[])) is None
    odd = recompute(objects.cdr(), "Mars/Olympus")
    assert odd is not None
    assert odd.remarks == ["time zone Mars/Olympus is unknown here: UTC is used"]

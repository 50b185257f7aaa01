"""A stranger with nothing but our CDR, in any version, finds the price that we ask."""

import contextlib
import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cpo_platform.common.json import dumps, loads
from cpo_platform.common.shapes import ShapeError, parse
from roaming.ocpi.versions import VERSIONS
from sessions_app.metering import Reading
from sessions_app.models import Cdr
from sessions_app.operations import sessions
from tariffs.pricing.documents import price_case
from tariffs.pricing.types import TariffElement
from tariffs.shapes import TariffElementShape
from tests.factories import ConnectorFactory, SessionFactory, TariffFactory, evse, price
from tests.tariffs.pricing.test_against_naive import Dice

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
ZONE = "Europe/Amsterdam"


def driven(elements: list[Json], dice: random.Random, start: datetime, **tariff: Any) -> Cdr:
    """Charge for some minutes, with readings at odd times, then park; return the CDR."""
    # So strong that no CDR is held for the energy that is drawn here.
    connector = ConnectorFactory(
        tariff=TariffFactory(elements=elements, **tariff, now=start),
        evses=[evse("E1", power="DC")],
    )
    session = SessionFactory(connector=connector, now=start)
    readings, moment, kwh = [], start, Decimal(1000)
    for number in range(dice.randint(2, 12)):
        moment += timedelta(milliseconds=dice.randrange(1_000, 90_000))
        is_charging = number < 8
        kwh += Decimal(dice.randrange(9000) if is_charging else 0) / 10_000
        readings.append(
            Reading(
                moment,
                kwh,
                power_kw=Decimal(dice.randrange(40)),
                current_a=Decimal(dice.randrange(40)),
                requesting_power=is_charging,
            )
        )
    ended = moment + timedelta(milliseconds=dice.randrange(60_000))
    _session, cdr = sessions.stop_session(
        session_id=session.pk, ended_at=ended, now=ended, readings=readings
    )
    assert cdr is not None
    return cdr


def priced_again(cdr: Cdr, version: str) -> Json:
    document = loads(dumps(VERSIONS[version].shapes.cdr(cdr)))
    return price_case({"version": version, "timezone": ZONE, "input": {"cdr": document}})


def shown(cdr: Cdr, name: str = "total_cost") -> tuple[Decimal, Decimal | None]:
    price_of = cdr.costs[name]
    before = Decimal(price_of["before_taxes"])
    if "taxes" not in price_of:
        return before, None
    return before, before + sum(Decimal(tax["amount"]) for tax in price_of["taxes"])


def sendable(dice: Dice) -> list[Json]:
    """Return random elements that a tariff may have: for charging, one price per dimension."""
    while True:
        elements = [
            TariffElement(
                tuple(replace(c, grace_period=0) for c in element.price_components),
                replace(element.restrictions, reservation=None),
            ).to_json()
            for element in dice.tariff().elements
        ]
        with contextlib.suppress(ShapeError):
            for element in elements:
                parse(TariffElementShape, element)
            return elements


@pytest.mark.rule("CDR-27", "TAR-46")
@pytest.mark.parametrize("seed", range(40))
def test_cdr_of_any_tariff_is_priced_again_to_the_last_decimal(seed: int) -> None:
    dice = Dice(seed)
    elements = sendable(dice)
    cdr = driven(elements, dice.random, dice.start, tax_included="NO")

    for version in ("2.2.1", "2.3.0"):
        again = priced_again(cdr, version)
        for name in ("total_cost", "total_energy_cost", "total_time_cost", "total_parking_cost"):
            before, after = shown(cdr, name)
            assert again[name]["excl_vat"] == before, (version, name)
            if version == "2.3.0" or after is not None:
                assert again[name]["incl_vat"] == after, (version, name)
    # 2.1.1 cuts times to whole seconds, and has neither taxes nor the power of a period.
    bounds = {name.partition("_")[2] for e in elements for name in e.get("restrictions", {})}
    if not bounds & {"current", "power"}:
        before, _after = shown(cdr)
        steps = [c["step_size"] for element in elements for c in element["price_components"]]
        seconds = Decimal(9) / 3600 * (2 + max(steps))
        assert abs(priced_again(cdr, "2.1.1")["total_cost"]["excl_vat"] - before) <= seconds


@pytest.mark.rule("CDR-10", "CDR-27")
def test_free_parking_is_priced_again_where_periods_name_their_tariff() -> None:
    elements: list[Json] = [
        {
            "price_components": [
                price("ENERGY", "0.50"),
                price("PARKING_TIME", "6") | {"grace_period": 600},
            ]
        }
    ]
    start = datetime.fromisoformat("2026-06-01T08:00:00Z")
    session = SessionFactory(
        connector=ConnectorFactory(tariff=TariffFactory(elements=elements)), now=start
    )
    readings = [
        Reading(start + timedelta(minutes=30), Decimal(1010), requesting_power=False),
        Reading(start + timedelta(minutes=60), Decimal(1010), requesting_power=False),
    ]
    ended = start + timedelta(minutes=60)
    _session, cdr = sessions.stop_session(
        session_id=session.pk, ended_at=ended, now=ended, readings=readings
    )
    assert cdr is not None

    # 10 kWh, and 20 of 30 minutes of parking.
    assert shown(cdr)[0] == Decimal(7)
    assert [period.get("tariff_id", "") != "" for period in cdr.charging_periods] == [
        True,
        False,
        True,
    ]
    assert [priced_again(cdr, version)["total_cost"]["excl_vat"] for version in VERSIONS] == [
        # 2.1.1 names no tariff in its periods: the free ten minutes are charged for.
        Decimal(8),
        Decimal(7),
        Decimal(7),
    ]


def test_partners_are_told_the_nearest_tariff_and_drivers_the_rest() -> None:
    tariff = TariffFactory(
        elements=[
            {
                "price_components": [
                    price("ENERGY", "0.50"),
                    price("PARKING_TIME", "6") | {"grace_period": 1800},
                ]
            },
            {"price_components": [price("PARKING_TIME", "1")]},
        ],
        tariff_alt_text=[{"language": "en", "text": "Welcome."}],
    )

    for version in VERSIONS.values():
        document = loads(dumps(version.shapes.tariff(tariff)))

        assert [
            (
                [(c["type"], c["price"]) for c in element["price_components"]],
                element.get("restrictions"),
            )
            for element in document["elements"]
        ] == [
            ([("ENERGY", Decimal("0.5"))], None),
            ([("PARKING_TIME", 0)], {"max_duration": 1800}),
            ([("PARKING_TIME", 6)], {"min_duration": 1800}),
            ([("PARKING_TIME", 1)], None),
        ]
        assert "grace_period" not in str(document)
        assert document["tariff_alt_text"] == [
            {"language": "en", "text": "Welcome. The first 30 minutes of parking cost nothing."}
        ]

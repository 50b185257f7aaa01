"""Tariffs as each version has them: net or gross, limited, valid, for whom."""

from decimal import Decimal
from typing import Any

import pytest

from cpo_platform.common.shapes import ShapeError
from roaming.ocpi import schemas
from tariffs.models import Tariff
from tests.factories import LocationFactory, TariffFactory, evse, price
from tests.roaming.ocpi_shapes.objects import (
    ALL,
    LATER,
    bill,
    charge,
    render,
    rich_location,
    rich_tariff,
    whole,
)

pytestmark = pytest.mark.django_db
Json = dict[str, Any]


def components(document: Json) -> list[Json]:
    return [item for element in document["elements"] for item in element["price_components"]]


@pytest.mark.rule("TAR-12", "TAR-14")
def test_a_rich_tariff_in_2_1_1() -> None:
    document = render("2.1.1", rich_tariff())

    del document["energy_mix"]
    assert document == {
        "id": "T1",
        "currency": "EUR",
        "tariff_alt_text": [
            {
                "language": "en",
                "text": (
                    "Fair prices. Minimum price per session: 0.605 EUR. "
                    "Maximum price per session: 50 EUR before taxes. "
                    "Reservations have a price of their own. "
                    "Other prices apply depending on the current."
                ),
            }
        ],
        "tariff_alt_url": "https://cpo.example/tariff",
        "elements": [
            {
                "price_components": [
                    {"type": "ENERGY", "price": Decimal("0.4"), "step_size": 1},
                    {"type": "PARKING_TIME", "price": 5, "step_size": 1},
                ],
                "restrictions": {
                    "start_time": "22:00",
                    "end_time": "06:00",
                    "start_date": "2026-01-01",
                    "end_date": "2026-12-31",
                    "min_kwh": Decimal("1.5"),
                    "max_kwh": 90,
                    "min_power": Decimal("3.7"),
                    "max_power": Decimal("22.5"),
                    "min_duration": 60,
                    "max_duration": 7200,
                    "day_of_week": ["MONDAY", "SUNDAY"],
                },
            },
            {
                "price_components": [
                    {"type": "ENERGY", "price": Decimal("0.5"), "step_size": 1},
                    {"type": "FLAT", "price": 1, "step_size": 1},
                    {"type": "TIME", "price": 0, "step_size": 300},
                ]
            },
        ],
        "last_updated": "2026-06-01T08:30:15Z",
    }


@pytest.mark.rule("TAR-03", "TAR-04", "TAR-08", "TAR-12")
def test_a_rich_tariff_in_2_2_1_is_net() -> None:
    document = render("2.2.1", rich_tariff())

    assert document["min_price"] == {"excl_vat": Decimal("0.5"), "incl_vat": Decimal("0.605")}
    assert document["max_price"] == {"excl_vat": 50}
    assert document["type"] == "REGULAR"
    assert document["start_date_time"] == "2026-01-01T00:00:00Z"
    assert document["end_date_time"] == "2027-01-01T00:00:00.500Z"
    assert "tax_included" not in document
    assert document["elements"][0] == {
        "price_components": [{"type": "TIME", "price": 3, "vat": 21, "step_size": 1}],
        "restrictions": {"reservation": "RESERVATION"},
    }
    assert document["elements"][1]["restrictions"] == {"min_current": 16, "max_current": 32}
    assert document["tariff_alt_text"] == [{"language": "en", "text": "Fair prices."}]


@pytest.mark.rule("TAR-08", "TAR-09")
def test_a_rich_tariff_in_2_3_0_is_as_it_was_made() -> None:
    tariff = rich_tariff()

    document, older = render("2.3.0", tariff), render("2.2.1", tariff)

    assert document["tax_included"] == "YES"
    assert document["min_price"] == {
        "before_taxes": Decimal("0.5"),
        "after_taxes": Decimal("0.605"),
    }
    assert document["max_price"] == {"before_taxes": 50}
    assert [item["price"] for item in components(document)] == [
        *(Decimal("3.63"), Decimal("0.605"), Decimal("0.484")),
        *(Decimal("6.05"), Decimal("0.605"), Decimal("1.21"), 0),
    ]
    assert document["energy_mix"]["environ_impact"][1] == {"category": "METHANE", "amount": 1}
    # The rest is as in 2.2.1.
    same = older.keys() - {"elements", "min_price", "max_price", "energy_mix"}
    assert {name: document[name] for name in same} == {name: older[name] for name in same}


@pytest.mark.rule("TAR-09")
@pytest.mark.parametrize("tax_included", ["YES", "NO", "N/A"])
def test_2_3_0_always_says_whether_tax_is_included(tax_included: str) -> None:
    document = render("2.3.0", TariffFactory(tax_included=tax_included))

    assert document["tax_included"] == tax_included
    assert schemas.problems("2.3.0", "tariffs", document) == []


@pytest.mark.rule("TAR-09")
@pytest.mark.parametrize("tax_included", ["YES", "NO", "N/A"])
def test_the_tariffs_of_a_2_3_0_cdr_say_so_too(tax_included: str) -> None:
    location = rich_location()
    TariffFactory(id="REG", type="REGULAR", tax_included=tax_included)

    document = render("2.3.0", bill(charge(location=location)))

    assert [tariff["tax_included"] for tariff in document["tariffs"]] == [tax_included]


@pytest.mark.rule("TAR-10")
@pytest.mark.parametrize("number", LATER)
@pytest.mark.parametrize(
    ("tax_included", "vat", "told"),
    [("NO", None, None), ("NO", "0", 0), ("NO", "21", 21), ("N/A", "21", None)],
)
def test_no_vat_is_not_a_vat_of_nothing(
    number: str, tax_included: str, vat: str | None, told: int | None
) -> None:
    elements = [{"price_components": [price("ENERGY", "0.40", vat=vat)]}]

    document = render(number, TariffFactory(tax_included=tax_included, elements=elements))

    [component] = components(document)
    assert component.get("vat") == told
    assert component["price"] == Decimal("0.4")


@pytest.mark.rule("TAR-12")
@pytest.mark.parametrize("tax_included", ["YES", "NO", "N/A"])
def test_2_1_1_tells_no_vat(tax_included: str) -> None:
    document = render("2.1.1", TariffFactory(tax_included=tax_included))

    assert [component.keys() for component in components(document)] == [
        {"type", "price", "step_size"}
    ]


@pytest.mark.rule("TAR-11")
@pytest.mark.parametrize(("number", "told"), [("2.2.1", 1), ("2.3.0", Decimal("1.21"))])
def test_a_gross_price_is_split_where_only_net_can_be_told(number: str, told: Decimal) -> None:
    elements = [{"price_components": [price("ENERGY", "1.21")]}]

    document = render(number, TariffFactory(tax_included="YES", elements=elements))

    assert components(document) == [{"type": "ENERGY", "price": told, "vat": 21, "step_size": 1}]


@pytest.mark.rule("TAR-03")
@pytest.mark.parametrize("number", LATER)
@pytest.mark.parametrize(
    "type_", ["AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"]
)
def test_a_type_is_told_and_without_one_there_is_none(number: str, type_: str) -> None:
    assert render(number, TariffFactory(type=type_))["type"] == type_
    assert "type" not in render(number, TariffFactory())


@pytest.mark.rule("TAR-05")
@pytest.mark.parametrize("number", ALL)
def test_texts_for_drivers_stand_beside_the_elements(number: str) -> None:
    texts = [{"language": "nl", "text": "Groene stroom"}, {"language": "en", "text": "Green"}]

    document = render(number, TariffFactory(tariff_alt_text=texts))

    assert document["tariff_alt_text"] == texts
    assert len(document["elements"]) == 1


def test_what_2_1_1_cannot_say_is_told_in_english_beside_other_languages() -> None:
    texts = [{"language": "nl", "text": "Groene stroom"}]
    tariff = TariffFactory(tariff_alt_text=texts, min_price={"before_taxes": "1"})

    assert render("2.1.1", tariff)["tariff_alt_text"] == [
        *texts,
        {"language": "en", "text": "Minimum price per session: 1 EUR before taxes."},
    ]


def test_a_text_for_drivers_never_grows_beyond_its_length() -> None:
    texts = [{"language": "en", "text": "x" * 500}]
    tariff = TariffFactory(tariff_alt_text=texts, min_price={"before_taxes": "1"})

    document = render("2.1.1", tariff)

    assert document["tariff_alt_text"] == texts
    assert schemas.problems("2.1.1", "tariffs", document) == []


def test_a_tariff_of_which_2_1_1_can_say_nothing_is_no_tariff_there() -> None:
    tariff = TariffFactory(
        elements=[
            {
                "price_components": [price("TIME", "1")],
                "restrictions": {"reservation": "RESERVATION_EXPIRES"},
            }
        ]
    )

    assert schemas.problems("2.1.1", "tariffs", render("2.1.1", tariff)) == [
        '"elements" is a required property'
    ]


@pytest.mark.rule("TAR-06")
@pytest.mark.parametrize("number", ALL)
def test_free_of_charge_is_a_flat_price_of_zero_and_named_everywhere(number: str) -> None:
    free = [{"price_components": [price("FLAT", "0.00", vat=None, step_size=0)]}]
    tariff: Tariff = TariffFactory(id="FREE", elements=free)
    location = LocationFactory(tariff=tariff, evses=[evse("E1")])
    cdr = bill(charge(location=location))

    document = render(number, cdr)

    assert components(render(number, tariff)) == [{"type": "FLAT", "price": 0, "step_size": 0}]
    [plug] = render(number, whole(location))["evses"][0]["connectors"]
    assert plug.get("tariff_id", plug.get("tariff_ids")) in ("FREE", ["FREE"])
    assert [item["id"] for item in document["tariffs"]] == ["FREE"]
    total = document["total_cost"]
    assert (total if number == "2.1.1" else next(iter(total.values()))) == 0


@pytest.mark.rule("TAR-07")
@pytest.mark.parametrize("number", ALL)
def test_elements_keep_their_order(number: str) -> None:
    elements = [
        {
            "price_components": [price("ENERGY", str(number_ + 1))],
            "restrictions": {"min_kwh": number_},
        }
        for number_ in (3, 2, 1)
    ]

    document = render(number, TariffFactory(elements=elements))

    assert [item["price"] for item in components(document)] == [4, 3, 2]


@pytest.mark.rule("TAR-14")
@pytest.mark.parametrize("number", ALL)
def test_every_component_has_a_step_size_also_a_flat_one(number: str) -> None:
    elements = [
        {
            "price_components": [
                price("FLAT", "1", step_size=0),
                price("ENERGY", "1"),
                price("TIME", "1", step_size=300),
            ]
        }
    ]

    document = render(number, TariffFactory(elements=elements))

    assert [item["step_size"] for item in components(document)] == [0, 1, 300]
    with pytest.raises(ShapeError, match="step_size"):
        TariffFactory(elements=[{"price_components": [{"type": "FLAT", "price": "1"}]}])


@pytest.mark.rule("TAR-13")
def test_a_price_of_five_decimals_is_refused() -> None:
    with pytest.raises(ShapeError, match="price"):
        TariffFactory(elements=[{"price_components": [price("ENERGY", "0.12345")]}])


@pytest.mark.rule("TAR-15")
@pytest.mark.parametrize("number", ALL)
def test_the_amount_of_a_payment_terminal_is_no_part_of_the_core(number: str) -> None:
    assert "preauthorize_amount" not in render(number, TariffFactory(preauthorize_amount="60"))


@pytest.mark.rule("TAR-30")
@pytest.mark.parametrize("wrong", ["24:00", "7:00", "12:60", "1200"])
def test_a_time_is_one_of_a_day(wrong: str) -> None:
    restricted = {
        "price_components": [price("ENERGY", "1")],
        "restrictions": {"start_time": "00:00", "end_time": wrong},
    }

    with pytest.raises(ShapeError, match="end_time"):
        TariffFactory(elements=[restricted])

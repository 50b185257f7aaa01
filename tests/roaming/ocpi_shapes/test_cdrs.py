"""CDRs as each version has them: frozen at the start, complete, and of the version's own money."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from roaming.ocpi import schemas
from sessions_app.models import Cdr
from tests.factories import LocationFactory, TariffFactory, cdr_token, connector, evse, price
from tests.roaming.ocpi_shapes.objects import (
    ALL,
    LATER,
    MOMENT,
    bill,
    charge,
    render,
    rich_location,
)

pytestmark = pytest.mark.django_db
Json = dict[str, Any]
SIGNED = {
    "encoding_method": "OCMF",
    "encoding_method_version": 1,
    "public_key": "cHVibGlj",
    "signed_values": [
        {"nature": "Start", "plain_data": "x" * 5000, "signed_data": "eHg="},
        {"nature": "End", "plain_data": "y", "signed_data": "eXk="},
    ],
    "url": "https://verify.example",
}


def valid(number: str, row: Cdr) -> Json:
    """Return the CDR of a version, which has nothing wrong with it."""
    document = render(number, row)
    assert schemas.problems(number, "cdrs", document) == []
    return document


@pytest.mark.rule("CDR-05", "CDR-07", "CDR-17")
def test_a_cdr_in_2_1_1() -> None:
    cdr = bill(charge())

    document = valid("2.1.1", cdr)

    del document["location"]
    assert document == {
        "id": cdr.ocpi_id,
        "start_date_time": "2026-06-01T08:30:15Z",
        "stop_date_time": "2026-06-01T10:00:15Z",
        "auth_id": "NL-EMS-04AA",
        "auth_method": "WHITELIST",
        "meter_id": "METER-1",
        "currency": "EUR",
        "tariffs": [
            {
                "id": "REG",
                "currency": "EUR",
                "elements": [
                    {
                        "price_components": [
                            {"type": "ENERGY", "price": Decimal("0.4"), "step_size": 1}
                        ]
                    }
                ],
                "last_updated": "2026-06-01T08:00:00Z",
            }
        ],
        "charging_periods": [
            {
                "start_date_time": "2026-06-01T08:30:15Z",
                "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 1}],
            },
            {
                "start_date_time": "2026-06-01T09:30:15Z",
                "dimensions": [{"type": "PARKING_TIME", "volume": Decimal("0.5")}],
            },
        ],
        "total_cost": 4,
        "total_energy": 10,
        "total_time": Decimal("1.5"),
        "total_parking_time": Decimal("0.5"),
        "last_updated": "2026-06-01T10:00:15Z",
    }
    assert len(cdr.ocpi_id) <= 36


@pytest.mark.rule("CDR-07")
def test_the_location_of_a_2_1_1_cdr_is_that_of_its_session() -> None:
    session = charge()
    before = render("2.1.1", session)["location"]

    location = valid("2.1.1", bill(session))["location"]

    del before["time_zone"]
    before["evses"][0]["status"] = "UNKNOWN"
    assert location == before


@pytest.mark.rule("CDR-16", "CDR-17", "CDR-18", "CDR-19", "CDR-25", "CDR-26")
@pytest.mark.parametrize("number", LATER)
def test_a_cdr_in_later_versions(number: str) -> None:
    cdr = bill(charge())
    net: Json = {"2.2.1": {"excl_vat": 4}, "2.3.0": {"before_taxes": 4}}[number]
    taxes: dict[str, Json] = {
        "2.2.1": {"incl_vat": Decimal("4.84")},
        "2.3.0": {"taxes": [{"name": "VAT", "percentage": 21, "amount": Decimal("0.84")}]},
    }
    nothing: Json = {
        "2.2.1": {"excl_vat": 0, "incl_vat": 0},
        "2.3.0": {"before_taxes": 0},
    }[number]

    document = valid(number, cdr)

    [tariff] = document.pop("tariffs")
    assert tariff["id"] == "REG"
    assert document == {
        "country_code": "NL",
        "party_id": "TST",
        "id": cdr.ocpi_id,
        "start_date_time": "2026-06-01T08:30:15.250Z",
        "end_date_time": "2026-06-01T10:00:15.250Z",
        "session_id": cdr.session_ocpi_id,
        "cdr_token": {
            "country_code": "NL",
            "party_id": "EMS",
            "uid": "04AA",
            "type": "RFID",
            "contract_id": "NL-EMS-04AA",
        },
        "auth_method": "WHITELIST",
        "authorization_reference": "AUTH-1",
        # Neither the time zone nor the figures that only 2.1.1 wants.
        "cdr_location": {
            "id": "L1",
            "name": "Test location",
            "address": "A street with a name that is longer than fort",
            "city": "Amsterdam",
            "postal_code": "1000 AA",
            "state": "Noord-Holland en oms",
            "country": "NLD",
            "coordinates": {"latitude": "52.370216", "longitude": "4.895168"},
            "evse_uid": "E1",
            "evse_id": "NL*TST*E1",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "meter_id": "METER-1",
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-06-01T08:30:15.250Z",
                "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 1}],
                "tariff_id": "REG",
            },
            {
                "start_date_time": "2026-06-01T09:30:15.250Z",
                "dimensions": [{"type": "PARKING_TIME", "volume": Decimal("0.5")}],
                "tariff_id": "REG",
            },
        ],
        "total_cost": net | taxes[number],
        "total_fixed_cost": nothing,
        "total_energy_cost": net | taxes[number],
        "total_time_cost": nothing,
        "total_parking_cost": nothing,
        "total_reservation_cost": nothing,
        "total_energy": 10,
        "total_time": Decimal("1.5"),
        "total_parking_time": Decimal("0.5"),
        # The moment of its issue.
        "last_updated": "2026-06-01T10:00:15.250Z",
    }


@pytest.mark.rule("CDR-07")
@pytest.mark.parametrize("number", ALL)
def test_a_cdr_shows_location_and_tariff_as_they_were_at_the_start(number: str) -> None:
    plug = connector(tariff_ids=["T1"])
    TariffFactory(id="T1")
    location = LocationFactory(id="L1", evses=[evse("E1") | {"connectors": [plug]}])
    session = charge(location=location)

    TariffFactory(id="T1", elements=[{"price_components": [price("ENERGY", "9")]}], now=MOMENT)
    moved = evse("E1") | {"connectors": [plug | {"standard": "CHADEMO", "max_voltage": 500}]}
    LocationFactory(id="L1", name="Renamed", evses=[moved], now=MOMENT)

    document = valid(number, bill(session))

    place = document["location"] if number == "2.1.1" else document["cdr_location"]
    used = place["evses"][0]["connectors"][0] if number == "2.1.1" else place
    assert place["name"] == "Test location"
    assert used.get("standard", used.get("connector_standard")) == "IEC_62196_T2"
    assert used.get("voltage", 230) == 230
    [tariff] = document["tariffs"]
    assert tariff["elements"][0]["price_components"][0]["price"] == Decimal("0.4")


@pytest.mark.rule("CDR-08", "CDR-13", "CDR-15")
@pytest.mark.parametrize("number", ALL)
def test_the_volumes_of_the_periods_add_up_to_the_totals(number: str) -> None:
    document = valid(number, bill(charge()))

    volumes: Counter[str] = Counter()
    for period in document["charging_periods"]:
        assert period["dimensions"]
        for item in period["dimensions"]:
            volumes[item["type"]] += item["volume"]
    # kWh and hours.
    assert volumes["ENERGY"] == document["total_energy"] == 10
    assert volumes["PARKING_TIME"] == document["total_parking_time"]
    assert volumes["TIME"] + volumes["PARKING_TIME"] == document["total_time"]


@pytest.mark.rule("CDR-14")
@pytest.mark.parametrize("number", ALL)
def test_parking_is_when_the_vehicle_asks_for_no_power(number: str) -> None:
    document = valid(number, bill(charge()))

    assert [
        sorted(item["type"] for item in period["dimensions"])
        for period in document["charging_periods"]
    ] == [["ENERGY", "TIME"], ["PARKING_TIME"]]


@pytest.mark.rule("CDR-10")
@pytest.mark.parametrize("number", LATER)
def test_every_period_that_is_priced_names_its_tariff_and_the_tariff_is_there(number: str) -> None:
    document = valid(number, bill(charge()))

    named = {period["tariff_id"] for period in document["charging_periods"]}
    assert named == {tariff["id"] for tariff in document["tariffs"]} == {"REG"}


@pytest.mark.rule("CDR-10")
@pytest.mark.parametrize("number", LATER)
def test_without_a_tariff_no_period_names_one(number: str) -> None:
    location = LocationFactory(tariff=None, evses=[evse("E1")])

    document = valid(number, bill(charge(location=location)))

    assert "tariffs" not in document
    assert [period.get("tariff_id") for period in document["charging_periods"]] == [None]


@pytest.mark.rule("CDR-11", "SES-15")
@pytest.mark.parametrize(
    ("number", "types"),
    [
        ("2.1.1", ["ENERGY", "MAX_CURRENT", "FLAT"]),
        ("2.2.1", ["ENERGY", "MAX_CURRENT", "MAX_POWER"]),
        ("2.3.0", ["ENERGY", "MAX_CURRENT", "MAX_POWER"]),
    ],
)
def test_a_bill_has_the_dimensions_that_its_version_bills_by(number: str, types: list[str]) -> None:
    cdr = bill(charge())
    cdr.charging_periods[0]["dimensions"] = [
        {"type": name, "volume": "1"}
        for name in (
            *("ENERGY", "CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"),
            *("MAX_CURRENT", "MAX_POWER", "FLAT"),
        )
    ]

    document = valid(number, cdr)

    [first, _second] = document["charging_periods"]
    assert [item["type"] for item in first["dimensions"]] == types


@pytest.mark.rule("CDR-08", "CDR-12")
@pytest.mark.parametrize("number", ALL)
def test_no_period_is_ever_without_a_dimension(number: str) -> None:
    cdr = bill(charge())
    cdr.charging_periods[0]["dimensions"] = [{"type": "POWER", "volume": "11"}]

    document = valid(number, cdr)

    assert document["charging_periods"][0]["dimensions"] == [{"type": "TIME", "volume": 0}]
    assert len(document["charging_periods"]) == 2


@pytest.mark.rule("CDR-12")
@pytest.mark.parametrize("number", ALL)
def test_a_price_that_is_flat_only_still_has_energy_and_time_in_its_periods(number: str) -> None:
    tariff = TariffFactory(id="FLAT", elements=[{"price_components": [price("FLAT", "5")]}])
    location = LocationFactory(tariff=tariff, evses=[evse("E1")])

    document = valid(number, bill(charge(location=location)))

    types = {
        item["type"] for period in document["charging_periods"] for item in period["dimensions"]
    }
    assert types == {"ENERGY", "TIME", "PARKING_TIME"}
    cost = document["total_cost"]
    assert (cost if number == "2.1.1" else next(iter(cost.values()))) == 5


@pytest.mark.rule("CDR-09")
@pytest.mark.parametrize("number", ALL)
def test_a_new_price_begins_a_new_period_at_the_very_moment(number: str) -> None:
    TariffFactory(
        id="STEPS",
        elements=[
            {
                "price_components": [price("ENERGY", "0.20")],
                "restrictions": {"max_kwh": "5"},
            },
            {"price_components": [price("ENERGY", "0.50")]},
        ],
    )
    location = LocationFactory(evses=[evse("E1", tariff_ids=["STEPS"])])

    document = valid(number, bill(charge(location=location)))

    # 7.5 kWh in the first half hour: the fifth is full after twenty minutes.
    assert [period["start_date_time"][11:19] for period in document["charging_periods"]] == [
        "08:30:15",
        "08:50:15",
        "09:30:15",
    ]


@pytest.mark.rule("CDR-16")
@pytest.mark.parametrize("number", LATER)
def test_the_parts_of_the_cost_add_up(number: str) -> None:
    tariff = TariffFactory(
        id="ALL",
        elements=[
            {
                "price_components": [
                    price("FLAT", "1"),
                    price("ENERGY", "0.40"),
                    price("TIME", "2"),
                    price("PARKING_TIME", "6"),
                ]
            }
        ],
    )
    location = LocationFactory(tariff=tariff, evses=[evse("E1")])

    document = valid(number, bill(charge(location=location)))

    net = "excl_vat" if number == "2.2.1" else "before_taxes"
    parts = {
        name: document[f"total_{name}_cost"][net]
        for name in ("fixed", "energy", "time", "parking", "reservation")
    }
    assert parts == {"fixed": 1, "energy": 4, "time": 2, "parking": 3, "reservation": 0}
    assert document["total_cost"][net] == sum(parts.values())


@pytest.mark.rule("CDR-17")
def test_taxes_that_are_not_known_are_not_told() -> None:
    elements = [{"price_components": [price("ENERGY", "0.40", vat=None)]}]
    tariff = TariffFactory(id="T", tax_included="NO", elements=elements)
    cdr = bill(charge(location=LocationFactory(tariff=tariff, evses=[evse("E1")])))

    costs = [valid(number, cdr)["total_cost"] for number in ALL]

    assert costs == [4, {"excl_vat": 4}, {"before_taxes": 4}]


@pytest.mark.rule("CDR-17")
def test_several_taxes_are_one_sum_in_2_2_1_and_each_told_in_2_3_0() -> None:
    cdr = bill(charge())
    taxes = [
        {"name": "GST", "percentage": "5", "amount": "0.2"},
        {"name": "QST", "account_number": "QC-1", "amount": "0.399"},
    ]
    cdr.costs["total_cost"] = {"before_taxes": "4", "taxes": taxes}

    costs = [valid(number, cdr)["total_cost"] for number in ALL]

    assert costs == [
        4,
        {"excl_vat": 4, "incl_vat": Decimal("4.599")},
        {
            "before_taxes": 4,
            "taxes": [
                {"name": "GST", "percentage": 5, "amount": Decimal("0.2")},
                {"name": "QST", "account_number": "QC-1", "amount": Decimal("0.399")},
            ],
        },
    ]


@pytest.mark.rule("CDR-20", "TR-103")
@pytest.mark.parametrize("number", LATER)
def test_a_reservation_that_never_charged_is_billed_without_an_evse(number: str) -> None:
    document = valid(number, reservation_only())

    place = document["cdr_location"]
    assert {place["evse_uid"], place["evse_id"], place["connector_id"]} == {"#NA"}
    assert document["charging_periods"][0]["dimensions"] == [
        {"type": "RESERVATION_TIME", "volume": Decimal("0.25")}
    ]


@pytest.mark.rule("CDR-20", "TR-103")
def test_in_2_1_1_such_a_bill_has_a_location_without_evses() -> None:
    document = valid("2.1.1", reservation_only())

    assert "evses" not in document["location"]
    assert document["charging_periods"][0]["dimensions"] == [{"type": "TIME", "volume": 0}]


def reservation_only() -> Cdr:
    cdr = bill(charge())
    cdr.cdr_location = {
        name: value
        for name, value in cdr.cdr_location.items()
        if not name.startswith(("evse", "connector"))
    }
    cdr.charging_periods = [
        {
            "start_date_time": "2026-06-01T08:30:15.250Z",
            "dimensions": [{"type": "RESERVATION_TIME", "volume": "0.25"}],
        }
    ]
    return cdr


@pytest.mark.rule("CDR-22")
@pytest.mark.parametrize("number", ALL)
def test_signed_meter_values_are_told_whole_where_there_is_a_field(number: str) -> None:
    cdr = bill(charge())
    cdr.signed_data = SIGNED

    assert valid(number, cdr).get("signed_data") == (None if number == "2.1.1" else SIGNED)


@pytest.mark.rule("CDR-23", "CDR-24")
@pytest.mark.parametrize("number", ALL)
def test_what_came_after_2_1_1_is_left_out_there(number: str) -> None:
    cdr = bill(charge())
    cdr.home_charging_compensation, cdr.invoice_reference_id = True, "INV-1"

    document = valid(number, cdr)

    told = (document.get("home_charging_compensation"), document.get("invoice_reference_id"))
    assert told == ((None, None) if number == "2.1.1" else (True, "INV-1"))


@pytest.mark.rule("CDR-26")
@pytest.mark.parametrize("number", LATER)
def test_an_evse_without_an_id_is_billed_by_its_uid(number: str) -> None:
    location = LocationFactory(evses=[evse("E1", evse_id=None)])

    place = valid(number, bill(charge(location=location)))["cdr_location"]

    assert place["evse_id"] == "E1"


@pytest.mark.parametrize(
    ("number", "standard"),
    [("2.1.1", "IEC_62196_T2_COMBO"), ("2.2.1", "IEC_62196_T2_COMBO"), ("2.3.0", "MCS")],
)
def test_a_bill_for_a_plug_without_a_name_says_the_nearest(number: str, standard: str) -> None:
    cdr = bill(charge(location=rich_location(), connector_id="3"))

    document = valid(number, cdr)

    if number == "2.1.1":
        [plug] = document["location"]["evses"][0]["connectors"]
        assert plug["standard"] == standard
    else:
        assert document["cdr_location"]["connector_standard"] == standard


@pytest.mark.parametrize(
    ("plug", "power", "older", "old"),
    [
        ("SAE_J3400", "AC_1_PHASE", "TESLA_S", "TESLA_S"),
        ("CHAOJI", "DC", "CHADEMO", "CHAOJI"),
        ("GBT_DC", "DC", "CHADEMO", "GBT_DC"),
        ("NEMA_5_20", "AC_1_PHASE", "IEC_62196_T2", "NEMA_5_20"),
        ("PANTOGRAPH_TOP_DOWN", "DC", "IEC_62196_T2_COMBO", "PANTOGRAPH_TOP_DOWN"),
        ("SOMETHING_NEW", "AC_3_PHASE", "IEC_62196_T2", "IEC_62196_T2"),
    ],
)
def test_the_nearest_of_each_plug(plug: str, power: str, older: str, old: str) -> None:
    cdr = bill(charge())
    cdr.cdr_location |= {"connector_standard": plug, "connector_power_type": power}

    [connector_] = valid("2.1.1", cdr)["location"]["evses"][0]["connectors"]

    assert connector_["standard"] == older
    assert valid("2.2.1", cdr)["cdr_location"]["connector_standard"] == old
    assert valid("2.3.0", cdr)["cdr_location"]["connector_standard"] == plug


@pytest.mark.parametrize(("number", "type_"), [("2.2.1", "OTHER"), ("2.3.0", "EMAID")])
def test_a_plug_and_charge_token_is_another_in_2_2_1(number: str, type_: str) -> None:
    token = cdr_token().model_copy(update={"type": "EMAID"})

    assert valid(number, bill(charge(token=token)))["cdr_token"]["type"] == type_


@pytest.mark.parametrize(
    ("number", "method"), [("2.1.1", "AUTH_REQUEST"), ("2.2.1", "COMMAND"), ("2.3.0", "COMMAND")]
)
def test_a_command_is_a_request_in_2_1_1(number: str, method: str) -> None:
    assert valid(number, bill(charge(auth_method="COMMAND")))["auth_method"] == method


@pytest.mark.rule("CDR-27", "CDR-28")
@pytest.mark.parametrize("number", ALL)
def test_the_total_can_be_computed_again_from_periods_and_tariff(number: str) -> None:
    elements = [{"price_components": [price("ENERGY", "0.40"), price("PARKING_TIME", "6")]}]
    elements[0]["price_components"][1]["step_size"] = 2400
    tariff = TariffFactory(id="T", elements=elements)
    location = LocationFactory(tariff=tariff, evses=[evse("E1")])

    document = valid(number, bill(charge(location=location)))

    prices = {
        item["type"]: item["price"]
        for item in document["tariffs"][0]["elements"][0]["price_components"]
    }
    # Half an hour of parking is billed as forty minutes, once.
    energy = prices["ENERGY"] * document["total_energy"]
    parking = prices["PARKING_TIME"] * Decimal(2400) / 3600
    cost = document["total_cost"]
    net = cost if number == "2.1.1" else next(iter(cost.values()))
    assert net == energy + parking == 8


def test_a_cdr_that_froze_no_figures_takes_those_of_its_connector() -> None:
    cdr = bill(charge())
    for name in ("connector_max_voltage", "connector_max_amperage", "parking_type"):
        del cdr.cdr_location[name]

    [plug] = valid("2.1.1", cdr)["location"]["evses"][0]["connectors"]

    assert (plug["voltage"], plug["amperage"]) == (230, 32)


@pytest.mark.parametrize("number", ALL)
def test_rendering_a_cdr_runs_no_query(
    django_assert_num_queries: DjangoAssertNumQueries, number: str
) -> None:
    cdr = bill(charge())

    with django_assert_num_queries(0):
        render(number, cdr)

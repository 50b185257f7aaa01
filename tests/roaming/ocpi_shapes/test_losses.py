"""Staff read on an object's page what partners of older versions do not see of it."""

from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from locations.models import Location
from roaming.ocpi.losses import losses
from sessions_app.models import Cdr
from tariffs.models import Tariff
from tests.factories import LocationFactory, TariffFactory, cdr_token, connector, evse, price
from tests.roaming.ocpi_shapes.objects import (
    bill,
    charge,
    rich_location,
    rich_tariff,
    whole,
)

pytestmark = pytest.mark.django_db


def said(row: object) -> set[tuple[str, str]]:
    return {(loss.version, loss.what) for loss in losses(row)}


def text(row: object, version: str, what: str) -> str:
    [loss] = [loss for loss in losses(row) if (loss.version, loss.what) == (version, what)]
    return loss.text


def test_a_plain_location_loses_nothing_in_2_2_1_and_its_type_in_none() -> None:
    plain = evse("E1") | {"connectors": [connector() | {"max_electric_power": None}]}
    location = whole(LocationFactory(evses=[plain], parking_type="ON_STREET"))

    assert losses(location) == []


@pytest.mark.django_db
def test_every_loss_of_a_rich_location_is_named(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    location = rich_location()

    with django_assert_num_queries(0):
        found = said(location)

    both = {
        "help_phone",
        "parking_places",
        "facilities",
        "images",
        "energy_mix.environ_impact",
        "EVSE E1, connector 3, standard",
        "EVSE E1, capabilities",
        "EVSE E1, parking_restrictions",
        "EVSE E1, parking",
        "EVSE E1, accepted_service_providers",
        "EVSE E1, connector 1, capabilities",
        "EVSE E2",
    }
    older = {
        "type",
        "address",
        "state",
        "EVSE E1, connector 2, power_type",
        "EVSE E1, connector 1, tariff_ids",
        "EVSE E1, connector 1, max_electric_power",
        "EVSE E1, connector 2, max_electric_power",
        "EVSE E1, connector 3, max_electric_power",
        "EVSE E2, connector 3, max_electric_power",
    }
    assert found == {("2.2.1", what) for what in both} | {("2.1.1", what) for what in both | older}
    assert "MCS" in text(location, "2.2.1", "EVSE E1, connector 3, standard")
    assert text(location, "2.1.1", "facilities").endswith("TRAM_STOP, DOG_PARK.")
    assert text(location, "2.2.1", "facilities").endswith("DOG_PARK.")


def test_an_unpublished_location_is_said_to_be_withheld_from_2_1_1() -> None:
    location = whole(
        LocationFactory(publish=False, publish_allowed_to=[{"uid": "04AA", "type": "EMAID"}])
    )

    assert said(location) == {("2.1.1", "publish"), ("2.2.1", "publish_allowed_to.type")}


def test_every_loss_of_a_rich_tariff_is_named() -> None:
    tariff = rich_tariff()

    assert said(tariff) == {
        ("2.1.1", "elements[0]"),
        ("2.1.1", "elements[1]"),
        ("2.1.1", "min_price"),
        ("2.1.1", "max_price"),
        ("2.1.1", "start_date_time, end_date_time"),
        ("2.1.1", "vat"),
        ("2.1.1", "energy_mix.environ_impact"),
        ("2.2.1", "tax_included"),
        ("2.2.1", "energy_mix.environ_impact"),
    }


@pytest.mark.parametrize(
    ("tax_included", "expected"),
    [
        ("YES", {("2.1.1", "price"), ("2.2.1", "price"), ("2.2.1", "tax_included")}),
        ("NO", {("2.2.1", "vat")}),
        ("N/A", set()),
    ],
)
def test_prices_without_a_rate_are_pointed_out(
    tax_included: str, expected: set[tuple[str, str]]
) -> None:
    components = [price("ENERGY", "0.40", vat=None)]
    tariff = TariffFactory(tax_included=tax_included, elements=[{"price_components": components}])

    assert said(tariff) == expected


def test_tariffs_that_2_1_1_has_no_place_for_are_said_to_be_withheld() -> None:
    preference = TariffFactory(type="PROFILE_GREEN")
    reservation = TariffFactory(
        elements=[
            {
                "price_components": [price("TIME", "1")],
                "restrictions": {"reservation": "RESERVATION"},
            }
        ]
    )

    assert said(preference) == {("2.1.1", "type")}
    assert said(reservation) == {("2.1.1", "elements")}


def test_a_bill_for_a_new_plug_names_what_partners_read_instead() -> None:
    token = cdr_token().model_copy(update={"type": "EMAID"})
    cdr = bill(charge(connector_id="3", token=token, auth_method="COMMAND"))

    assert text(cdr, "2.2.1", "connector_standard") == (
        "Partners read IEC_62196_T2_COMBO instead of MCS."
    )
    assert said(cdr) == {
        ("2.1.1", "auth_method"),
        ("2.1.1", "authorization_reference"),
        ("2.1.1", "total_cost"),
        ("2.1.1", "connector_standard"),
        ("2.1.1", "address"),
        ("2.2.1", "cdr_token.type"),
        ("2.2.1", "connector_standard"),
        ("2.2.1", "address"),
        ("2.2.1", "state"),
        ("2.3.0", "address"),
        ("2.3.0", "state"),
    }


def test_two_taxes_are_one_sum_in_2_2_1() -> None:
    cdr: Cdr = bill(charge())
    taxes = [{"name": "GST", "amount": "0.20"}, {"name": "QST", "amount": "0.40"}]
    cdr.costs["total_cost"] = {"before_taxes": "4", "taxes": taxes}

    assert "GST, QST" in text(cdr, "2.2.1", "total_cost")


def test_a_reservation_is_said_to_be_withheld_from_2_1_1() -> None:
    session = charge(location=LocationFactory(evses=[evse("E1")]))
    cdr = bill(session)
    session.status = "RESERVATION"
    cdr.charging_periods = [
        {
            "start_date_time": "2026-06-01T08:30:15Z",
            "dimensions": [{"type": "RESERVATION_TIME", "volume": "1"}],
        }
    ]

    assert [loss.what for loss in losses(session) if loss.version == "2.1.1"] == ["status"]
    assert said(cdr) == {("2.1.1", "status")}


def test_a_credit_is_said_to_be_withheld_from_2_1_1() -> None:
    cdr = bill(charge(location=LocationFactory(evses=[evse("E1")])))
    cdr.credit = True

    assert said(cdr) == {("2.1.1", "credit")}


def test_what_replaces_a_bill_is_said_to_be_withheld_from_2_1_1() -> None:
    cdr = bill(charge(location=LocationFactory(evses=[evse("E1")])))
    cdr.replaces = cdr

    assert said(cdr) == {("2.1.1", "replaces")}
    assert "correction statement" in text(cdr, "2.1.1", "replaces")


def test_what_came_after_2_1_1_is_named_on_a_bill() -> None:
    cdr = bill(charge(location=LocationFactory(evses=[evse("E1")])))
    cdr.signed_data, cdr.invoice_reference_id = {"encoding_method": "OCMF"}, "INV-1"

    assert {what for version, what in said(cdr) if version == "2.1.1"} == {
        "authorization_reference",
        "total_cost",
        "signed_data",
        "invoice_reference_id",
    }


def test_the_page_of_a_location_shows_its_losses(admin_client: Client) -> None:
    location: Location = rich_location()

    page = admin_client.get(f"/admin/locations/location/{location.pk}/change/").content.decode()

    assert "What older versions cannot say" in page
    assert "there is no name for MCS" in page


def test_the_page_of_a_tariff_without_losses_says_so(admin_client: Client) -> None:
    tariff: Tariff = TariffFactory(
        elements=[{"price_components": [price("ENERGY", str(Decimal("0.40")), vat=None)]}],
        tax_included="N/A",
    )

    page = admin_client.get(f"/admin/tariffs/tariff/{tariff.pk}/change/").content.decode()

    assert "Partners of every version see this as it is." in page

"""Sessions as each version has them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from locations.models import Connector
from roaming.ocpi import schemas
from sessions_app.metering import Reading
from sessions_app.models import Session
from sessions_app.operations import sessions
from tests.factories import LocationFactory, SessionFactory, cdr_token, connector, evse
from tests.roaming.ocpi_shapes.objects import (
    ALL,
    LATER,
    MOMENT,
    bill,
    charge,
    render,
    rich_location,
    whole_session,
)

pytestmark = pytest.mark.django_db
Json = dict[str, Any]
TOKEN = {
    "country_code": "NL",
    "party_id": "EMS",
    "uid": "04AA",
    "type": "RFID",
    "contract_id": "NL-EMS-04AA",
}


@pytest.mark.rule("SES-22", "SES-16", "SES-17")
def test_a_session_in_2_1_1_holds_a_location_with_the_evse_and_connector_that_are_used() -> None:
    session = charge()

    assert render("2.1.1", session) == {
        "id": session.ocpi_id,
        "start_datetime": "2026-06-01T08:30:15Z",
        "kwh": 10,
        "auth_id": "NL-EMS-04AA",
        "auth_method": "WHITELIST",
        "location": {
            "id": "L1",
            "type": "OTHER",
            "name": "Test location",
            "address": "A street with a name that is longer than fort",
            "city": "Amsterdam",
            "postal_code": "1000 AA",
            "country": "NLD",
            "coordinates": {"latitude": "52.370216", "longitude": "4.895168"},
            "evses": [
                {
                    "uid": "E1",
                    "evse_id": "NL*TST*E1",
                    "status": "CHARGING",
                    "connectors": [
                        {
                            "id": "1",
                            "standard": "IEC_62196_T2",
                            "format": "SOCKET",
                            "power_type": "AC_3_PHASE",
                            "voltage": 230,
                            "amperage": 32,
                            "tariff_id": "REG",
                            "last_updated": "2026-06-01T08:30:15Z",
                        }
                    ],
                    "last_updated": "2026-06-01T08:30:15Z",
                }
            ],
            "time_zone": "Europe/Amsterdam",
            "last_updated": "2026-06-01T08:30:15Z",
        },
        "meter_id": "METER-1",
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-06-01T08:30:15Z",
                "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 1}],
            }
        ],
        "total_cost": 4,
        "status": "ACTIVE",
        "last_updated": "2026-06-01T09:45:15Z",
    }


@pytest.mark.rule("SES-16", "SES-17")
@pytest.mark.parametrize(
    ("number", "total_cost"),
    [
        ("2.2.1", {"excl_vat": 4, "incl_vat": Decimal("4.84")}),
        (
            "2.3.0",
            {
                "before_taxes": 4,
                "taxes": [{"name": "VAT", "percentage": 21, "amount": Decimal("0.84")}],
            },
        ),
    ],
)
def test_a_session_in_later_versions_refers_to_its_connector(number: str, total_cost: Json) -> None:
    session = charge()

    assert render(number, session) == {
        "country_code": "NL",
        "party_id": "TST",
        "id": session.ocpi_id,
        "start_date_time": "2026-06-01T08:30:15.250Z",
        "kwh": 10,
        "cdr_token": TOKEN,
        "auth_method": "WHITELIST",
        "authorization_reference": "AUTH-1",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "meter_id": "METER-1",
        "currency": "EUR",
        "charging_periods": [
            {
                "start_date_time": "2026-06-01T08:30:15.250Z",
                "dimensions": [{"type": "ENERGY", "volume": 10}, {"type": "TIME", "volume": 1}],
                "tariff_id": "REG",
            }
        ],
        "total_cost": total_cost,
        "status": "ACTIVE",
        "last_updated": "2026-06-01T09:45:15.250Z",
    }


@pytest.mark.rule("SES-08")
@pytest.mark.parametrize(
    ("number", "field", "end"),
    [
        ("2.1.1", "end_datetime", "2026-06-01T10:00:15Z"),
        ("2.2.1", "end_date_time", "2026-06-01T10:00:15.250Z"),
        ("2.3.0", "end_date_time", "2026-06-01T10:00:15.250Z"),
    ],
)
def test_a_session_ends_when_parking_ends_and_not_when_charging_does(
    number: str, field: str, end: str
) -> None:
    session = charge()
    assert field not in render(number, session)

    bill(session)

    document = render(number, whole_session(session.pk))
    assert (document["status"], document[field]) == ("COMPLETED", end)
    # It drew no more power from 09:30 on.
    last = document["charging_periods"][-1]
    assert last["start_date_time"].startswith("2026-06-01T09:30:15")
    assert [item["type"] for item in last["dimensions"]] == ["PARKING_TIME"]
    assert schemas.problems(number, "sessions", document) == []


@pytest.mark.rule("SES-22")
def test_the_status_of_an_evse_is_not_known_from_a_session_that_is_over() -> None:
    session = charge()
    bill(session)

    [item] = render("2.1.1", whole_session(session.pk))["location"]["evses"]

    assert item["status"] == "UNKNOWN"


@pytest.mark.rule("SES-09")
@pytest.mark.parametrize("number", ALL)
def test_a_cost_that_is_not_known_is_left_out_and_free_is_zero(number: str) -> None:
    location = LocationFactory(tariff=None, evses=[evse("E1")])
    plug = Connector.objects.get(evse__location=location)
    pending: Session = SessionFactory(connector=plug, active=False)

    unknown = render(number, whole_session(pending.pk))
    sessions.activate_session(session_id=pending.pk, now=MOMENT)
    free = render(number, whole_session(pending.pk))

    assert "total_cost" not in unknown
    zero: object = {
        "2.1.1": 0,
        "2.2.1": {"excl_vat": 0, "incl_vat": 0},
        "2.3.0": {"before_taxes": 0},
    }[number]
    assert free["total_cost"] == zero


@pytest.mark.rule("SES-14")
@pytest.mark.parametrize("number", ALL)
def test_there_is_a_period_for_every_moment_at_which_the_price_changes(number: str) -> None:
    session = charge()
    bill(session)

    periods = render(number, whole_session(session.pk))["charging_periods"]

    assert [item["start_date_time"][:19] for item in periods] == [
        "2026-06-01T08:30:15",
        "2026-06-01T09:30:15",
    ]


@pytest.mark.rule("SES-15", "CDR-11")
@pytest.mark.parametrize(
    ("number", "types"),
    [
        ("2.1.1", ["ENERGY"]),
        ("2.2.1", ["ENERGY", "STATE_OF_CHARGE", "POWER"]),
        ("2.3.0", ["ENERGY", "STATE_OF_CHARGE", "POWER"]),
    ],
)
def test_a_session_may_tell_more_than_its_bill(number: str, types: list[str]) -> None:
    session = charge()
    first = session.charging_periods.get()
    first.dimensions = [
        {"type": "ENERGY", "volume": "10"},
        {"type": "STATE_OF_CHARGE", "volume": "80"},
        {"type": "POWER", "volume": "11.5"},
        {"type": "HAPPINESS", "volume": "1"},
    ]
    first.save()

    document = render(number, whole_session(session.pk))

    [period] = document["charging_periods"]
    assert [item["type"] for item in period["dimensions"]] == types
    assert schemas.problems(number, "sessions", document) == []


@pytest.mark.rule("SES-15")
def test_a_period_of_which_2_1_1_can_say_nothing_took_no_time() -> None:
    session = charge()
    first = session.charging_periods.get()
    first.dimensions = [{"type": "RESERVATION_TIME", "volume": "0.5"}]
    first.save()

    [period] = render("2.1.1", whole_session(session.pk))["charging_periods"]

    assert period["dimensions"] == [{"type": "TIME", "volume": 0}]


@pytest.mark.rule("SES-17")
@pytest.mark.parametrize("number", ALL)
def test_the_energy_is_what_was_used_so_far(number: str) -> None:
    session = charge()
    later = MOMENT + timedelta(minutes=80)

    sessions.record_meter_values(
        session_id=session.pk, readings=[Reading(at=later, kwh=Decimal("1010.5"))], now=later
    )

    document = render(number, whole_session(session.pk))
    assert (document["kwh"], document["currency"]) == (Decimal("10.5"), "EUR")


@pytest.mark.parametrize(
    ("number", "method"), [("2.1.1", "AUTH_REQUEST"), ("2.2.1", "COMMAND"), ("2.3.0", "COMMAND")]
)
def test_a_session_that_was_commanded(number: str, method: str) -> None:
    session = charge(auth_method="COMMAND")

    assert render(number, session)["auth_method"] == method


@pytest.mark.parametrize(("number", "type_"), [("2.2.1", "OTHER"), ("2.3.0", "EMAID")])
def test_a_token_of_a_new_type_is_another_in_2_2_1(number: str, type_: str) -> None:
    token = cdr_token().model_copy(update={"type": "EMAID"})

    assert render(number, charge(token=token))["cdr_token"] == TOKEN | {"type": type_}


@pytest.mark.rule("TR-103")
@pytest.mark.parametrize("number", LATER)
def test_a_reservation_without_an_evse_says_that_there_is_none(number: str) -> None:
    session = reservation()

    document = render(number, session)

    assert (document["evse_uid"], document["connector_id"]) == ("#NA", "#NA")
    assert schemas.problems(number, "sessions", document) == []


@pytest.mark.rule("TR-103")
def test_2_1_1_has_no_word_for_what_does_not_exist() -> None:
    session = reservation()
    # As such it is not sent; once it is over, it may be.
    session.status = "COMPLETED"

    document = render("2.1.1", session)

    assert "evses" not in document["location"]
    assert schemas.problems("2.1.1", "sessions", document) == []


def reservation() -> Session:
    session = charge()
    session.status, session.evse, session.connector = "RESERVATION", None, None
    session.frozen_location = {
        name: value
        for name, value in session.frozen_location.items()
        if not name.startswith(("evse", "connector"))
    }
    return session


@pytest.mark.rule("SES-22")
def test_a_plug_that_2_1_1_has_no_name_for_is_called_as_the_nearest() -> None:
    session = charge(location=rich_location(), connector_id="3")

    document = render("2.1.1", session)

    [plug] = document["location"]["evses"][0]["connectors"]
    assert plug["standard"] == "IEC_62196_T2_COMBO"
    assert schemas.problems("2.1.1", "sessions", document) == []


def test_a_session_that_froze_no_figures_takes_those_of_its_connector() -> None:
    session = charge()
    for name in ("connector_max_voltage", "connector_max_amperage", "parking_type"):
        del session.frozen_location[name]

    location = render("2.1.1", session)["location"]

    [plug] = location["evses"][0]["connectors"]
    assert (plug["voltage"], plug["amperage"], location["type"]) == (230, 32, "UNKNOWN")


@pytest.mark.parametrize("number", ALL)
def test_a_location_that_is_renamed_keeps_its_name_in_what_was_frozen(number: str) -> None:
    plug = connector()
    location = LocationFactory(id="L1", evses=[evse("E1") | {"connectors": [plug]}])
    session = charge(location=location)

    LocationFactory(id="L1", name="Renamed", evses=[], tariff=None, now=MOMENT)

    document = render(number, whole_session(session.pk))
    if number == "2.1.1":
        assert document["location"]["name"] == "Test location"
    else:
        assert document["location_id"] == "L1"


@pytest.mark.parametrize("number", ALL)
def test_rendering_a_session_runs_no_query(
    django_assert_num_queries: DjangoAssertNumQueries, number: str
) -> None:
    session = charge()

    with django_assert_num_queries(0):
        render(number, session)

"""The demonstration network."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from cpo_platform import demo
from cpo_platform.common.shapes import parse
from locations import canonical
from locations.models import Capability, Evse, Location, LocationGroup, Status
from locations.shapes import LocationShape
from sessions_app.models import Cdr, Session, SessionStatus
from tariffs.models import Tariff, TariffElement, TariffType

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 24, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def said(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Sequence[str]]:
    """Load the demonstration once for all tests that only look at it; return what is said."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield demo.load(now=NOW)
        transaction.set_rollback(True)


def test_network_is_made_with_a_history(said: Sequence[str]) -> None:
    assert said == [
        "Made 2 parties.",
        "Made 9 tariffs.",
        "Made 12 locations with 45 EVSEs.",
        "Grouped locations: Randstad.",
        "Played 60 sessions of the past weeks, each with its CDR.",
    ]
    assert Session.objects.filter(status=SessionStatus.COMPLETED).count() == 60
    assert Cdr.objects.count() == 60


@pytest.mark.usefixtures("said")
def test_history_lies_in_the_past_and_is_worth_looking_at() -> None:
    cdrs = list(Cdr.objects.order_by("end_date_time"))
    assert all(NOW - timedelta(days=22) < cdr.start_date_time for cdr in cdrs)
    assert all(cdr.last_updated == cdr.end_date_time < NOW for cdr in cdrs)
    assert all(cdr.total_cost_before_taxes > 0 and cdr.total_energy > 0 for cdr in cdrs)
    assert any(cdr.total_parking_time > 0 for cdr in cdrs)
    assert any(Decimal(cdr.costs["total_parking_cost"]["before_taxes"]) > 0 for cdr in cdrs)
    assert any(Decimal(cdr.costs["total_fixed_cost"]["before_taxes"]) > 0 for cdr in cdrs)
    assert {cdr.token_party_id for cdr in cdrs} == {"EMS"}
    assert {cdr.country_code for cdr in cdrs} == {"NL", "DE"}
    assert len({tariff["id"] for cdr in cdrs for tariff in cdr.tariffs}) == 6
    assert not any(cdr.remark for cdr in cdrs)
    remarks = {
        remark for session in Session.objects.all() for remark in session.price_details["remarks"]
    }
    assert remarks == set()


@pytest.mark.usefixtures("said")
def test_whatever_a_partner_can_ask_for_can_be_tried_somewhere() -> None:
    evse = Evse.objects.get(uid="AMS-01-1")
    connector = evse.connectors.get()
    assert {
        Capability.RESERVABLE,
        Capability.UNLOCK_CAPABLE,
        Capability.CHARGING_PROFILE_CAPABLE,
        Capability.CHARGING_PREFERENCES_CAPABLE,
    } <= set(evse.capabilities)
    assert set(connector.tariffs.values_list("type", flat=True)) == {
        TariffType.REGULAR,
        TariffType.PROFILE_GREEN,
        TariffType.PROFILE_CHEAP,
    }
    reserving = TariffElement.objects.exclude(reservation="").filter(tariff__connectors=connector)
    assert set(reserving.values_list("reservation", flat=True)) == {
        "RESERVATION",
        "RESERVATION_EXPIRES",
    }
    assert Evse.objects.exclude(parking=None).values("location").distinct().count() == 1
    assert LocationGroup.objects.get().locations.count() == 4
    assert set(Tariff.objects.values_list("tax_included", flat=True)) == {"YES", "NO"}


@pytest.mark.usefixtures("said")
def test_every_status_but_those_of_use_and_removal_is_shown() -> None:
    assert set(Evse.objects.values_list("status", flat=True)) == {
        Status.AVAILABLE,
        Status.BLOCKED,
        Status.INOPERATIVE,
        Status.OUTOFORDER,
        Status.PLANNED,
        Status.UNKNOWN,
    }


@pytest.mark.usefixtures("said")
def test_network_passes_its_own_checks_once_more() -> None:
    for location in Location.objects.complete():
        shape = canonical.shape_of(location)
        assert parse(LocationShape, shape.model_dump(mode="json")) == shape
        location.full_clean()
        for evse in location.evses.all():
            evse.full_clean()
    for tariff in Tariff.objects.all():
        tariff.full_clean()

"""Locations, EVSEs and sessions that are written at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from cpo_platform.common import clock
from cpo_platform.common.operations import Outcome
from locations import canonical, operations
from locations.models import Evse, Location
from sessions_app.models import Session
from tariffs import operations as tariffs
from tariffs.models import Tariff
from tests.concurrency import elsewhere, just_before, until_somebody_waits_for_a_lock
from tests.factories import (
    NOW,
    ConnectorFactory,
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
    evse,
)

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + timedelta(hours=1)


def test_the_status_of_an_unknown_evse_names_the_evse() -> None:
    with pytest.raises(Evse.DoesNotExist):
        operations.set_evse_status(evse_id=1, status="CHARGING", now=NOW)


@pytest.mark.parametrize(("status", "changes"), [("CHARGING", False), ("BLOCKED", True)])
def test_a_status_that_had_to_wait_is_set_on_what_was_written_meanwhile(
    status: str, *, changes: bool
) -> None:
    connector = ConnectorFactory()
    evse = connector.evse
    far = NOW + timedelta(days=1)

    with ThreadPoolExecutor(max_workers=1) as executor:
        with transaction.atomic():
            operations.set_evse_status(evse_id=evse.pk, status="CHARGING", now=far)
            waiting = executor.submit(_set_status, evse.pk, status)
            until_somebody_waits_for_a_lock()
        assert waiting.result(10) is changes

    evse.refresh_from_db()
    location = Location.objects.get()
    assert evse.status == status
    assert evse.last_updated == location.last_updated
    assert evse.last_updated == far + (clock.RESOLUTION if changes else timedelta(0))


def _set_status(evse_id: int, status: str) -> bool:
    try:
        return operations.set_evse_status(evse_id=evse_id, status=status, now=LATER)
    finally:
        connection.close()


def test_a_session_starts_while_its_location_and_tariff_are_being_written() -> None:
    """A long import, or its dry run, holds the rows that a new session refers to."""
    connector = ConnectorFactory()
    location = Location.objects.complete().get()
    location_shape = canonical.shape_of(location).model_copy(update={"name": "Renamed"})
    tariff_shape = tariffs.shape_of(Tariff.objects.get()).model_copy(update={"currency": "SEK"})

    with transaction.atomic():
        tariffs.put_tariff(tariff=tariff_shape, now=LATER)
        operations.put_location(location=location_shape, now=LATER)
        elsewhere(lambda: SessionFactory(connector=connector))
        transaction.set_rollback(True)

    assert Session.objects.get().status == "ACTIVE"


def test_of_two_that_create_one_location_the_second_changes_it() -> None:
    PartyFactory()
    TariffFactory(id="T")
    shape = _shape(lambda: LocationFactory(id="SITE", name="Mine", tariff=Tariff.objects.get()))

    # After it was looked for, and not found.
    with just_before(
        'INSERT INTO "locations_location"', lambda: LocationFactory(id="site", name="Theirs")
    ):
        outcome = operations.put_location(location=shape, now=LATER)

    assert outcome.outcome is Outcome.CHANGED
    assert Location.objects.get().name == "Mine"
    assert Location.objects.get().ocpi_id == "site"


def test_of_two_that_create_one_tariff_the_second_changes_it() -> None:
    PartyFactory()
    shape = tariffs.shape_of(TariffFactory(id="other")).model_copy(
        update={"id": "T", "currency": "SEK"}
    )

    with just_before('INSERT INTO "tariffs_tariff"', lambda: TariffFactory(id="t")):
        _row, outcome = tariffs.put_tariff(tariff=shape, now=LATER)

    assert outcome is Outcome.CHANGED
    assert Tariff.objects.get(ocpi_id="T").currency == "SEK"


def _shape(make: Callable[[], Any]) -> Any:
    with transaction.atomic():
        shape = canonical.shape_of(Location.objects.complete().get(pk=make().pk))
        transaction.set_rollback(True)
    return shape


def test_a_location_is_as_new_as_the_newest_status_also_within_one_millisecond() -> None:
    """A partner is told of the EVSE alone, and takes its moment for the location's."""
    location = LocationFactory(evses=[evse("E1"), evse("E2")])
    for row in location.evses.all():
        assert operations.set_evse_status(evse_id=row.pk, status="CHARGING", now=LATER)
    location.refresh_from_db()
    moments = sorted(location.evses.values_list("last_updated", flat=True))
    assert moments == [LATER, LATER + timedelta(milliseconds=1)]
    assert location.last_updated == moments[-1]

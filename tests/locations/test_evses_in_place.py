"""A location knows whether it has EVSEs, and whether any is in place: the database keeps it."""

from datetime import timedelta

import pytest

from locations.models import Evse, Location
from locations.operations import set_evse_status
from tests.factories import NOW, LocationFactory, evse

pytestmark = pytest.mark.django_db


def in_place(location: Location) -> bool | None:
    location.refresh_from_db()
    return location.evses_in_place


def test_it_follows_every_evse_and_moves_last_updated_no_further() -> None:
    location = LocationFactory(id="L", evses=[])
    assert in_place(location) is None

    LocationFactory(id="L", evses=[evse("E1"), evse("E2")], now=NOW + timedelta(minutes=1))
    assert in_place(location) is True

    for number, uid in enumerate(("E1", "E2")):
        moment = NOW + timedelta(minutes=2 + number)
        set_evse_status(evse_id=Evse.objects.get(uid=uid).pk, status="REMOVED", now=moment)
        assert in_place(location) is (uid == "E1")
        assert location.last_updated == moment


def test_a_row_that_was_read_before_does_not_undo_it() -> None:
    location = LocationFactory(id="L", evses=[evse("E1")])
    stale = Location.objects.get(pk=location.pk)
    stale.evses_in_place = None
    stale.name = "New name"
    stale.touch(NOW + timedelta(minutes=1))

    stale.save()

    assert in_place(location) is True
    assert location.name == "New name"

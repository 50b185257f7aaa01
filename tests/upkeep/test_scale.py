"""A network to measure with: made of the demonstration's, and gone on with where it stopped."""

import io

import pytest
from django.core.management import call_command

from locations.models import Evse, Location, LocationUptime
from sessions_app.models import Cdr, Session

pytestmark = pytest.mark.django_db


def seed() -> str:
    said = io.StringIO()
    call_command("seed_scale", evses=90, sessions=150, stdout=said)
    return said.getvalue()


def test_a_network_of_the_size_that_is_asked_for_is_made_once() -> None:
    said = seed()
    assert "EVSEs: 90 of 90" in said
    assert "days of uptime: 60 of 60" in said
    assert Evse.objects.count() == 90
    assert Session.objects.count() >= 150
    measured = LocationUptime.objects.filter(measured__gt=0).values("location").distinct()
    assert measured.count() == Location.objects.count()

    made = (Evse.objects.count(), Session.objects.count(), Cdr.objects.count())
    assert "EVSEs" not in seed()
    assert (Evse.objects.count(), Session.objects.count(), Cdr.objects.count()) == made

"""The demonstration network is loaded into an empty platform, and once."""

from io import StringIO

import pytest
from django.core.management import call_command

from locations.models import Location
from sessions_app.models import Session
from tariffs.models import Party
from tests.factories import PartyFactory

pytestmark = pytest.mark.django_db


def test_platform_with_a_party_is_left_as_it_is() -> None:
    PartyFactory()
    out = StringIO()

    call_command("load_demo", stdout=out)

    assert out.getvalue() == (
        "There are parties already: the demonstration network was left out.\n"
    )
    assert (Party.objects.count(), Location.objects.count()) == (1, 0)


def test_second_load_does_nothing() -> None:
    call_command("load_demo", stdout=StringIO())
    before = Location.objects.order_by("pk").values_list("last_updated", flat=True)[0]

    call_command("load_demo", stdout=StringIO())

    assert Session.objects.count() == 60
    assert Location.objects.order_by("pk").values_list("last_updated", flat=True)[0] == before

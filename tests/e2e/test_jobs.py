"""The commonest jobs of staff, by keyboard alone, in a real browser."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from cpo_platform.alerting.models import Incident
from locations.models import Connector, Location, Status
from roaming.models import Feed, Lane
from sessions_app.metering import Reading
from sessions_app.models import Cdr, CdrHold
from sessions_app.operations import sessions
from tests.e2e.conftest import PASSWORD, SignedIn
from tests.factories import (
    NOW,
    EvseFactory,
    LocationFactory,
    PartyFactory,
    SessionFactory,
    TariffFactory,
    evse,
)
from tests.roaming.lanes import feed_of
from tests.staff.world import JUMP, make_incident, make_partner

# Together, they take the longest of all.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

HOUR = timedelta(hours=1)


def test_somebody_signs_in(newcomer: SignedIn) -> None:
    person = newcomer()
    person.open("/admin/")
    person.waits_for_focus("Username")
    person.type("ann")
    person.fill("Password", PASSWORD)
    person.enter()
    assert person.path == "/admin/"


def test_a_location_is_found_by_the_search_and_opened(signed_in: SignedIn) -> None:
    location = LocationFactory(name="Harbour garage", city="Rotterdam")
    person = signed_in()
    person.open("/admin/")
    person.press("Control+k")
    person.waits_for_focus("Search everything")
    person.type("harbour")
    person.sees("Harbour garage")
    person.enter()
    assert person.path == f"/admin/locations/location/{location.pk}/change/"


def test_an_evse_is_put_out_of_order_and_back(signed_in: SignedIn) -> None:
    evse = EvseFactory(status=Status.AVAILABLE)
    person = signed_in()
    person.open(f"/admin/locations/evse/{evse.pk}/change/")
    person.follow("Out of order")
    person.sees("1 EVSE is now: Out of order. Partners will be told.")
    evse.refresh_from_db()
    assert evse.status == Status.OUTOFORDER
    person.follow("Available")
    person.sees("1 EVSE is now: Available. Partners will be told.")
    evse.refresh_from_db()
    assert evse.status == Status.AVAILABLE


def test_a_location_is_added(signed_in: SignedIn) -> None:
    PartyFactory()
    person = signed_in()
    person.open("/admin/locations/location/")
    person.follow("Add location")
    for name, value in (
        *(("Id", "NEW1"), ("Name", "New site"), ("Address", "Kade 1"), ("City", "Delft")),
        *(("Country", "NLD"), ("Latitude", "52.01"), ("Longitude", "4.35")),
        ("Time zone", "Europe/Amsterdam"),
    ):
        person.fill(name, value)
    person.follow("Save")
    location = Location.objects.get()
    assert (location.ocpi_id, location.city, str(location.latitude)) == (
        "NEW1",
        "Delft",
        "52.0100000",
    )
    assert person.path == f"/admin/locations/location/{location.pk}/change/"


def test_the_power_and_the_tariff_of_a_connector_are_changed(signed_in: SignedIn) -> None:
    connector = Connector.objects.get(evse=EvseFactory(tariff=TariffFactory(id="DAY")))
    TariffFactory(id="NIGHT")
    person = signed_in()
    person.open(f"/admin/locations/evse/{connector.evse_id}/change/")
    person.fill("W", "11000")
    person.tab_to("DAY (EUR)")
    person.press("Space")
    person.tab_to("NIGHT (EUR)")
    person.press("Space")
    person.follow("Save")
    person.sees("is saved.")
    connector.refresh_from_db()
    assert connector.max_electric_power == 11000
    assert [tariff.ocpi_id for tariff in connector.tariffs.all()] == ["NIGHT"]


def test_a_held_cdr_is_released(signed_in: SignedIn) -> None:
    session = SessionFactory()
    sessions.stop_session(session_id=session.pk, ended_at=NOW + HOUR, now=NOW + HOUR, readings=JUMP)
    hold = CdrHold.objects.get()
    person = signed_in()
    person.open(f"/admin/sessions_app/cdrhold/{hold.pk}/change/")
    person.follow("Release…")
    person.fill("Note", "The car took it")
    person.follow("Release the CDR")
    cdr = Cdr.objects.get()
    hold.refresh_from_db()
    assert person.path == f"/admin/sessions_app/cdr/{cdr.pk}/change/"
    assert (hold.decided_by, hold.note) == ("ann", "The car took it")


def test_what_is_sent_to_a_partner_is_paused_and_goes_on(signed_in: SignedIn) -> None:
    partner = make_partner()
    person = signed_in()
    person.open(f"/admin/roaming/partner/{partner.pk}/health/")
    person.follow("Pause")
    person.sees("Nothing is sent to it from now on")
    person.follow("Pause")
    person.sees("Paused: nothing is sent to it.")
    assert Feed.objects.filter(partner=partner, paused_at=None).count() == 0
    person.follow("Go on")
    person.follow("Go on")
    person.sees("It goes on now.")
    assert feed_of(partner, Lane.NETWORK).paused_at is None


def test_somebody_sees_to_an_incident_in_japanese(signed_in: SignedIn) -> None:
    incident = make_incident(LocationFactory(), "Harbour garage")
    person = signed_in(language="ja")
    person.open("/admin/alerting/incident/")
    person.sees("インシデント")
    person.open(f"/admin/alerting/incident/{incident.pk}/change/")
    person.follow("対応します…")
    person.fill("メモ", "技術者が向かっています")
    person.follow("対応する")
    incident = Incident.objects.get()
    assert (incident.acknowledged_by, incident.note) == ("ann", "技術者が向かっています")


def test_somebody_looks_up_why_a_session_cost_what_it_did_in_the_dark(signed_in: SignedIn) -> None:
    session = SessionFactory(authorization_reference="CALLER-42")
    end = Reading(at=NOW + HOUR, kwh=session.meter_start + 10)
    sessions.stop_session(
        session_id=session.pk, ended_at=NOW + HOUR, now=NOW + HOUR, readings=[end]
    )
    person = signed_in(theme="dark")
    person.open("/admin/sessions_app/session/")
    person.fill("Search by id, token, contract, EVSE or location", "CALLER-42")
    person.enter()
    person.follow("2026-06-01 08:00")
    assert person.path.startswith(f"/admin/sessions_app/session/{session.pk}/change/")
    # 10 kWh at 0.40 EUR, and 21 % VAT
    person.sees("Price, line by line", "4.84")
    person.follow("Explain this session")
    person.sees("The session ends: 10 kWh, 4.00 EUR before taxes.")


def test_a_filtered_list_is_exported(signed_in: SignedIn) -> None:
    LocationFactory(evses=[evse("GOOD"), evse("BAD", status="OUTOFORDER")])
    person = signed_in()
    person.open("/admin/locations/evse/?status__exact=OUTOFORDER")
    person.follow("Export…")
    person.sees("Rows: 1.")
    lines = person.download("Download CSV").decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "BAD" in lines[1]


def test_somebody_new_gets_a_role(signed_in: SignedIn) -> None:
    person = signed_in()
    person.open("/admin/auth/user/")
    person.follow("Add user")
    person.fill("Username", "bob")
    person.fill("Password", PASSWORD)
    person.fill("Password confirmation", PASSWORD)
    person.tab_to("Support")
    person.press("Space")
    person.follow("Save")
    person.sees("bob")
    bob = User.objects.get(username="bob")
    assert [group.role.key for group in bob.groups.all()] == ["support"]
    assert bob.is_staff

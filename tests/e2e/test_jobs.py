"""The commonest jobs of staff, by keyboard alone, in a real browser."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from locations.models import Location, Status
from tests.factories import EvseFactory, PartyFactory

pytestmark = pytest.mark.django_db(transaction=True)


def focus(page: Page, text: str) -> None:
    """Walk with Tab until what has the focus is called so."""
    for _ in range(80):
        page.keyboard.press("Tab")
        named = page.evaluate(
            "(document.activeElement.innerText || document.activeElement.value || '').trim()"
        )
        if named == text:
            return
    raise AssertionError(f"Tab never reaches {text!r}")


def test_an_evse_is_put_out_of_order(page: Page, live_server: LiveServer) -> None:
    evse = EvseFactory(status=Status.AVAILABLE)
    page.goto(f"{live_server.url}/admin/locations/evse/{evse.pk}/change/")
    focus(page, "Out of order")
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    expect(page.locator("body")).to_contain_text("Out of order")
    evse.refresh_from_db()
    assert evse.status == Status.OUTOFORDER


def test_a_location_is_added(page: Page, live_server: LiveServer) -> None:
    PartyFactory()
    page.goto(f"{live_server.url}/admin/locations/location/add/")
    for label, text in (
        ("ocpi_id", "SITE-1"),
        ("name", "Central car park"),
        ("address", "Main street 1"),
        ("postal_code", "1012 AB"),
        ("city", "Amsterdam"),
        ("country", "NLD"),
        ("latitude", "52.370216"),
        ("longitude", "4.895168"),
        ("time_zone", "Europe/Amsterdam"),
    ):
        page.locator(f"[name={label}]").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    expect(page.locator("body")).to_contain_text("Central car park")
    location = Location.objects.get()
    assert (location.ocpi_id, location.time_zone) == ("SITE-1", "Europe/Amsterdam")

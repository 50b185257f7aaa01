"""Whoever saves something odd is told at once, and still has it saved."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import INFO, WARNING, get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cpo_platform.common import clock
from cpo_platform.common.admin.warnings import NAMED
from cpo_platform.staff import operations
from locations.models import Location, LocationGroup
from locations.operations import put_group
from tariffs.models import Tariff
from tests.admin_data import make_location, make_party, make_tariff
from tests.admin_pages import read_form, send_form

pytestmark = pytest.mark.django_db
LOCATIONS, EVSES = "/admin/locations/location/", "/admin/locations/evse/"
TARIFFS = "/admin/tariffs/tariff/"
HEAD = "It is saved. Look at this again:"


@pytest.fixture(autouse=True)
def _party() -> None:
    make_party()


def warned(response: Any) -> list[str]:
    """Return what a page says of what it saved, with its level."""
    assert response.status_code == 302
    said = [one for one in get_messages(response.wsgi_request) if HEAD in str(one.message)]
    assert len(said) <= 1
    if not said:
        return []
    _head, *items = str(said[0].message).replace("</ul>", "").split("<li>")
    level = {WARNING: "warning", INFO: "info"}[said[0].level]
    return [level, *(item.removesuffix("</li>") for item in items)]


def save_evse(client: Client, location: Location, **values: str) -> Any:
    url = f"{EVSES}{location.evses.order_by('pk')[0].pk}/change/"
    changes = {f"connectors-0-{name}": value for name, value in values.items()}
    return send_form(client, url, "evse_form", **changes)


def test_who_saves_a_connector_without_power_is_told_and_only_then(admin_client: Client) -> None:
    make_tariff()
    location = make_location(tariff_ids=["T1"])
    wrong = save_evse(admin_client, location, max_voltage="0", max_electric_power="22")
    assert warned(wrong) == [
        "warning",
        "DE*ABC*EL11: Power does not go with voltage and current",
        "DE*ABC*EL11: Power is below 1000 W",
    ]
    # It is no news any more, and what is mended is none.
    assert warned(save_evse(admin_client, location, max_amperage="16")) == []
    right = save_evse(admin_client, location, max_voltage="230", max_electric_power="7000")
    assert warned(right) == []


def test_a_new_evse_is_named_with_what_it_lacks(admin_client: Client) -> None:
    make_tariff()
    location = make_location(tariff_ids=["T1"])
    response = send_form(
        admin_client,
        f"{EVSES}add/?location={location.pk}",
        "evse_form",
        uid="NEW",
        physical_reference="2",
        **{"connectors-0-format": "CABLE", "connectors-0-tariff_ids": ["T1"]},
    )
    # The one that was there needs a sign from now on.
    assert warned(response) == [
        "warning",
        "NEW: No EVSE id",
        "DE*ABC*EL11: EVSE without a sign",
    ]


def new_location(client: Client, **values: str) -> Any:
    site = {
        "ocpi_id": "L9",
        "address": "Street 9",
        "city": "Town",
        "country": "DEU",
        "latitude": "48.1",
        "longitude": "9.2",
        "time_zone": "Asia/Tokyo",
    }
    return send_form(client, f"{LOCATIONS}add/", "location_form", **(site | values))


def test_five_are_named_and_a_link_leads_to_the_others(admin_client: Client) -> None:
    said = warned(new_location(admin_client))
    page = f"{LOCATIONS}{Location.objects.get().pk}/change/"
    assert said[:3] == ["warning", "No EVSE", "Time zone is not that of the country"]
    assert len(said) == 1 + NAMED + 1
    assert said[-1] == f'<a class="cpo-link" href="{page}#quality">and 6 more</a>'
    assert 'id="quality"' in admin_client.get(page).content.decode()


def test_what_could_be_better_only_is_no_warning(admin_client: Client) -> None:
    make_tariff()
    location = make_location(tariff_ids=["T1"])
    url = f"{LOCATIONS}{location.pk}/change/"
    assert warned(send_form(admin_client, url, "location_form", name="Street 1")) == [
        "info",
        "Name is the address",
    ]


def test_what_is_refused_is_not_said_to_be_saved(admin_client: Client) -> None:
    response = new_location(admin_client, latitude="x")
    assert response.status_code == 200
    assert HEAD not in response.content.decode()
    assert not Location.objects.exists()


def new_tariff(client: Client, **values: Any) -> Any:
    fields = {"ocpi_id": "NEW", "currency": "EUR", "elements-0-ENERGY_price": "0.59"}
    return send_form(client, f"{TARIFFS}add/", "tariff_form", **(fields | values))


def test_who_saves_a_strange_price_or_vat_is_told(admin_client: Client) -> None:
    response = new_tariff(
        admin_client, **{"elements-0-ENERGY_price": "-6", "elements-0-ENERGY_vat": "190"}
    )
    said = warned(response)
    assert said[0] == "warning"
    assert "Element 1: VAT of 190 percent for energy is very high." in said
    assert any("the price for energy is negative (-6.00" in one for one in said)
    page = admin_client.get(f"{TARIFFS}{Tariff.objects.get().pk}/change/").content.decode()
    panel = page.partition('id="check"')[2].partition("</section>")[0]
    assert "VAT of 190 percent" in panel


def test_a_new_version_is_compared_with_the_one_that_it_takes_over_from(
    admin_client: Client,
) -> None:
    tariff = make_tariff()
    make_location(tariff_ids=["T1"])
    response = send_form(
        admin_client,
        f"{TARIFFS}{tariff.pk}/change/",
        "tariff_form",
        change_at="",
        successor_id="T2",
        **{"elements-0-ENERGY_vat": "190"},
    )
    assert Tariff.objects.count() == 2
    assert warned(response) == [
        "warning",
        "Element 1: VAT of 190 percent for energy is very high.",
    ]


def test_who_may_not_see_locations_is_told_nothing_of_them(client: Client) -> None:
    make_tariff()
    location = make_location(tariff_ids=["T1"])
    user = User.objects.create_user("evses", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_evse", "change_evse", "view_tariff"])
    )
    client.force_login(user)
    assert warned(save_evse(client, location, max_voltage="0", max_electric_power="22")) == []
    assert location.evses.get().connectors.get().max_voltage == 0


def test_who_sees_some_locations_is_told_nothing_of_the_connectors_of_others(
    client: Client,
) -> None:
    ending = {"end_date_time": (clock.now() + timedelta(days=30)).isoformat()}
    tariff = make_tariff(**ending)
    own = make_location("OWN", tariff_ids=["T1"])
    make_location("OTHER", evses=6, tariff_ids=["T1"])
    group = put_group(group=LocationGroup(name="Own"), location_ids=[own.pk], now=clock.now())
    user = User.objects.create_user("scoped", is_staff=True)
    operations.set_roles(user_id=user.pk, roles=["operator_admin"])
    url = f"{TARIFFS}{tariff.pk}/change/"
    client.force_login(user)
    operations.set_scope(user_id=user.pk, everything=True)
    assert "no other tariff" in client.get(url).content.decode()
    operations.set_scope(user_id=user.pk, everything=False, group_ids=[group.pk])
    for page in (url, f"{TARIFFS}check/"):
        text = client.get(page).content.decode()
        assert "T1" in text
        assert "no other tariff" not in text


@pytest.mark.parametrize("kind", ["location", "evse", "tariff"])
def test_saving_takes_the_same_queries_for_any_size(admin_client: Client, kind: str) -> None:
    def queries(location: Location, tariff: Tariff) -> int:
        url, form, values = {
            "location": (f"{LOCATIONS}{location.pk}/change/", "location_form", {"name": "New"}),
            "evse": (
                f"{EVSES}{location.evses.order_by('pk')[0].pk}/change/",
                "evse_form",
                {"floor_level": "2"},
            ),
            "tariff": (f"{TARIFFS}{tariff.pk}/change/", "tariff_form", {"texts": "en: Cheap"}),
        }[kind]
        fields = read_form(admin_client, url, form)
        sent = {**fields, **{name: [value] for name, value in values.items()}, "_save": ["Save"]}
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert admin_client.post(url, sent).status_code == 302
        return len(found)

    component = {"type": "ENERGY", "price": "-0.50", "vat": "190", "step_size": 1}
    make_tariff("SMALL")
    # What is asked once in the life of a process is not counted.
    queries(make_location("WARM", tariff_ids=["SMALL"]), make_tariff("WARM"))
    few = queries(make_location("FEW", tariff_ids=["SMALL"]), make_tariff("FEW"))
    many = queries(
        make_location("MANY", evses=6, tariff_ids=["SMALL"]),
        make_tariff("MANY", elements=[{"price_components": [component]}] * 6),
    )
    assert many == few

"""Staff decides what a partner sees, and reads why it sees a location or why not."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from locations.models import Location, LocationGroup
from locations.operations import put_group
from roaming.models import Change, Partner
from roaming.operations.access import Access
from tariffs.models import Tariff
from tariffs.operations import put_tariff, shape_of
from tests.admin_pages import read_form
from tests.factories import NOW, LocationFactory, TariffFactory
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db

PARTNERS = "/admin/roaming/partner/"
GROUPS = "/admin/locations/locationgroup/"


@pytest.fixture
def partner(first: Registered) -> Partner:
    return first.partner


@pytest.fixture
def site() -> Location:
    location: Location = LocationFactory(id="SITE", name="Harbour")
    return location


def text_of(response: Any) -> str:
    return str(response.content.decode())


def form_of(client: Client, partner: Partner) -> dict[str, list[str]]:
    return read_form(client, f"{PARTNERS}{partner.pk}/access/", "access_form")


def save(client: Client, partner: Partner, **changes: list[str]) -> Any:
    fields = form_of(client, partner) | changes
    return client.post(f"{PARTNERS}{partner.pk}/access/", fields, follow=True)


def test_the_form_shows_what_holds_and_saving_it_unchanged_changes_nothing(
    admin_client: Client, partner: Partner
) -> None:
    before = Access.of(partner)
    Change.objects.all().delete()

    response = save(admin_client, partner)

    assert "Nothing was changed." in text_of(response)
    assert Access.of(Partner.objects.get()) == before
    assert not Change.objects.exists()


def test_staff_sets_a_dialect_with_ordinary_fields(admin_client: Client, partner: Partner) -> None:
    save(
        admin_client,
        partner,
        evse_status=["PUT"],
        push_off=["tariffs", "cdrs"],
        omit=["locations.images"],
        page_size=["25"],
        requests_per_minute=["60"],
        routing_headers=[],
        ascii_only=["on"],
    )

    dialect = Access.of(Partner.objects.get()).dialect
    assert dialect.model_dump() == {
        "evse_status": "PUT",
        "sessions": "PATCH",
        "push_off": ["tariffs", "cdrs"],
        "omit": ["locations.images"],
        "page_size": 25,
        "requests_per_minute": 60,
        "routing_headers": False,
        "ascii_only": True,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("page_size", "0"), ("requests_per_minute", "-1"), ("omit", "locations.address")],
)
def test_what_makes_no_sense_is_refused_at_its_field(
    admin_client: Client, partner: Partner, name: str, value: str
) -> None:
    response = save(admin_client, partner, **{name: [value]})

    assert response.context["form"].errors.keys() == {name}
    assert Partner.objects.get().dialect == {}


def test_narrowing_a_partner_to_a_group_announces_what_it_loses_and_nothing_else(
    admin_client: Client, partner: Partner, site: Location
) -> None:
    kept: Location = LocationFactory(id="KEPT")
    group = LocationGroup.objects.create(name="Fleet")
    group.locations.add(kept)
    moments = list(Location.objects.order_by("pk").values_list("last_updated", flat=True))
    Change.objects.all().delete()

    save(admin_client, partner, all_locations=[], location_groups=[str(group.pk)])

    announced = Change.objects.values_list("module", "object_id", "partner")
    assert list(announced) == [("locations", site.pk, partner.pk)]
    now = list(Location.objects.order_by("pk").values_list("last_updated", flat=True))
    assert now == moments


def test_a_tariff_is_given_to_a_partner_on_its_page(admin_client: Client, partner: Partner) -> None:
    own: Tariff = TariffFactory(id="OWN")
    put_tariff(tariff=shape_of(own), public=False, now=NOW)

    save(admin_client, partner, tariffs=[str(own.pk)])

    assert list(partner.tariffs.all()) == [own]
    page = text_of(admin_client.get(f"/admin/tariffs/tariff/{own.pk}/change/"))
    assert partner.name in page


def test_a_tariff_is_taken_from_the_others_on_its_own_page(admin_client: Client) -> None:
    tariff: Tariff = TariffFactory(id="T1")
    url = f"/admin/tariffs/tariff/{tariff.pk}/change/"
    fields = read_form(admin_client, url, "tariff_form")
    assert fields["public"] == ["on"]
    del fields["public"]

    admin_client.post(url, fields)

    assert Tariff.objects.get().public is False


def test_the_page_of_a_location_leads_to_who_sees_it(admin_client: Client, site: Location) -> None:
    make_partner("Sees it", "EM1")
    make_partner("Sees nothing", "EM2", status="INVITED")
    page = text_of(admin_client.get(f"/admin/locations/location/{site.pk}/change/"))
    assert f"{PARTNERS}sees/{site.pk}/" in page

    table = text_of(admin_client.get(f"{PARTNERS}sees/{site.pk}/"))

    first, second = table.split("Sees nothing")
    assert ">Why?<" in first
    assert ">Why not?<" in second


def test_the_steps_say_in_plain_words_what_is_in_the_way(
    admin_client: Client, partner: Partner, site: Location
) -> None:
    url = f"{PARTNERS}{partner.pk}/sees/{site.pk}/"
    assert "Why can First eMSP see Harbour?" in text_of(admin_client.get(url))
    Partner.objects.update(all_locations=False)

    page = text_of(admin_client.get(url))

    assert "Why can&#x27;t First eMSP see Harbour?" in page
    assert "The partner sees certain location groups only" in page


def test_a_partners_page_leads_to_its_locations_which_can_be_searched(
    admin_client: Client, partner: Partner, site: Location
) -> None:
    LocationFactory(id="OTHER", name="Old Mill")
    page = text_of(admin_client.get(f"{PARTNERS}{partner.pk}/change/"))
    assert f"{PARTNERS}{partner.pk}/locations/" in page

    found = text_of(admin_client.get(f"{PARTNERS}{partner.pk}/locations/?q=harb"))

    assert "Harbour" in found
    assert "Old Mill" not in found


@pytest.mark.parametrize("number", [1, 12])
def test_the_pages_take_the_same_queries_for_any_number(
    admin_client: Client, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for each in range(number):
        make_partner(f"Partner {each}", f"E{each:02}")
    site: Location = LocationFactory(id="SITE")
    partner = Partner.objects.first()
    assert partner is not None

    # Session, user, location, count, page, tariffs, held back, the answers.
    with django_assert_num_queries(8):
        admin_client.get(f"{PARTNERS}sees/{site.pk}/")
    # Session, user, partner, count, page, the answers.
    with django_assert_num_queries(6):
        admin_client.get(f"{PARTNERS}{partner.pk}/locations/")


@pytest.mark.parametrize(
    "where", ["sees/{site}/", "{partner}/sees/{site}/", "{partner}/locations/"]
)
def test_who_may_not_see_partners_is_told_nothing(
    client: Client, partner: Partner, site: Location, where: str
) -> None:
    user = User.objects.create_user("guest", password="guest-pass", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_location"))
    client.force_login(user)

    response = client.get(PARTNERS + where.format(site=site.pk, partner=partner.pk))

    assert response.status_code == 403


def test_who_may_only_look_cannot_change_what_a_partner_sees(
    client: Client, partner: Partner
) -> None:
    user = User.objects.create_user("guest", password="guest-pass", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_partner"))
    client.force_login(user)

    assert client.post(f"{PARTNERS}{partner.pk}/access/", {}).status_code == 403
    assert Partner.objects.get().all_locations is True


# Location groups


def test_staff_makes_a_group_and_its_partners_hear_of_its_locations(
    admin_client: Client, partner: Partner, site: Location
) -> None:
    admin_client.post(f"{GROUPS}add/", {"name": "Fleet", "locations": []})
    group = LocationGroup.objects.get()
    Partner.objects.update(all_locations=False)
    partner.location_groups.add(group)
    Change.objects.all().delete()

    admin_client.post(
        f"{GROUPS}{group.pk}/change/", {"name": "Fleet 2", "locations": [str(site.pk)]}
    )

    group.refresh_from_db()
    assert (group.name, list(group.locations.all())) == ("Fleet 2", [site])
    announced = Change.objects.values_list("module", "object_id", "partner")
    assert list(announced) == [("locations", site.pk, partner.pk)]


def test_a_group_that_is_deleted_is_announced_to_who_saw_it(
    admin_client: Client, partner: Partner, site: Location
) -> None:
    group = put_group(group=LocationGroup(name="Fleet"), location_ids=[site.pk], now=NOW)
    Partner.objects.update(all_locations=False)
    partner.location_groups.add(group)
    Change.objects.all().delete()

    admin_client.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"})

    assert not LocationGroup.objects.exists()
    assert list(Change.objects.values_list("object_id", "partner")) == [(site.pk, partner.pk)]


def test_a_group_without_a_name_of_its_own_is_refused(admin_client: Client) -> None:
    LocationGroup.objects.create(name="Fleet")

    response = admin_client.post(f"{GROUPS}add/", {"name": "Fleet", "locations": []})

    assert response.status_code == 200
    assert LocationGroup.objects.count() == 1

"""The admin pages of parties and tariffs save by one operation, and refuse without changing."""

from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import strip_tags

from cpo_platform.common import clock
from roaming.models import Change
from tariffs.models import Party, Tariff
from tariffs.operations import delete_tariff, shape_of
from tests.admin_data import make_location, make_party, make_tariff
from tests.admin_pages import errors_of, read_form, send_form
from tests.concurrency import just_before

pytestmark = pytest.mark.django_db
LIST = "/admin/tariffs/tariff/"
ADD = f"{LIST}add/"
FORM = "tariff_form"


def page(tariff: Tariff) -> str:
    return f"{LIST}{tariff.pk}/change/"


def test_a_party_is_created_in_capitals(admin_client: Client) -> None:
    send_form(
        admin_client,
        "/admin/tariffs/party/add/",
        "party_form",
        country_code="de",
        party_id="abc",
        name="Example",
        logo_line="OPERATOR https://example.com/logo.png 400x300",
    )
    party = Party.objects.get()
    assert (party.country_code, party.party_id, party.name) == ("DE", "ABC", "Example")
    assert party.logo == {
        "url": "https://example.com/logo.png",
        "category": "OPERATOR",
        "type": "png",
        "width": 400,
        "height": 300,
    }


def test_a_party_that_exists_is_not_overwritten_by_adding_it_again(admin_client: Client) -> None:
    make_party()
    response = send_form(
        admin_client,
        "/admin/tariffs/party/add/",
        "party_form",
        country_code="DE",
        party_id="ABC",
        name="Other",
    )
    assert errors_of(response) == {"party_id": ["This party exists already."]}
    assert Party.objects.get().name == "Example"


def test_adding_a_tariff_without_a_party_leads_to_the_party(admin_client: Client) -> None:
    response = admin_client.get(ADD)
    assert response.status_code == 302
    assert response.headers["Location"] == "/admin/tariffs/party/add/"


def new_tariff(client: Client, **values: Any) -> Any:
    fields = {
        "ocpi_id": "NEW",
        "currency": "eur",
        "elements-0-ENERGY_price": "0.59",
        "elements-0-ENERGY_vat": "19",
    }
    return send_form(client, ADD, FORM, **(fields | values))


def test_a_tariff_is_created_with_its_elements_in_the_order_of_their_numbers(
    admin_client: Client,
) -> None:
    make_party()
    second = {
        "elements-TOTAL_FORMS": "2",
        "elements-0-order": "2",
        "elements-1-order": "1",
        "elements-1-PARKING_TIME_price": "4.80",
        "elements-1-PARKING_TIME_step": "60",
        "elements-1-day_of_week": ["MONDAY", "TUESDAY"],
        "elements-1-start_time": "08:00",
        "elements-1-end_time": "20:00",
        "elements-1-min_duration": "90",
        "texts": "en: Cheap\nde: Billig",
        "max_price_before_taxes": "50",
    }
    response = new_tariff(admin_client, **second)
    assert response.status_code == 302
    shape = shape_of(Tariff.objects.get())
    assert shape.model_dump(mode="json", exclude_none=True) == {
        "country_code": "DE",
        "party_id": "ABC",
        "id": "NEW",
        "currency": "EUR",
        "tariff_alt_text": [
            {"language": "en", "text": "Cheap"},
            {"language": "de", "text": "Billig"},
        ],
        "max_price": {"before_taxes": "50.0000"},
        "elements": [
            {
                "price_components": [{"type": "PARKING_TIME", "price": "4.8000", "step_size": 60}],
                "restrictions": {
                    "start_time": "08:00",
                    "end_time": "20:00",
                    "min_duration": 5400,
                    "day_of_week": ["MONDAY", "TUESDAY"],
                },
            },
            {
                "price_components": [
                    {"type": "ENERGY", "price": "0.5900", "vat": "19.0000", "step_size": 1}
                ]
            },
        ],
        "tax_included": "NO",
    }
    assert Change.objects.filter(module="tariffs").count() == 1


def test_saving_a_tariff_unchanged_changes_nothing(admin_client: Client) -> None:
    make_party()
    restrictions = {
        "start_time": "08:00",
        "end_time": "00:00",
        "end_date": "2027-01-01",
        "min_kwh": "5.5",
        "max_duration": 100,
        "day_of_week": ["SUNDAY"],
        "reservation": "RESERVATION",
    }
    tariff = make_tariff(
        elements=[
            {
                "price_components": [
                    {"type": "TIME", "price": "1.2345", "vat": "0", "step_size": 300},
                    {"type": "FLAT", "price": "2", "step_size": 0},
                ],
                "restrictions": restrictions,
            }
        ],
        min_price={"before_taxes": "1", "after_taxes": "1.19"},
        tariff_alt_text=[{"language": "en", "text": "Hello"}],
        type="REGULAR",
        energy_mix={
            "is_green_energy": True,
            "energy_sources": [{"source": "SOLAR", "percentage": "100"}],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": "1"}],
        },
    )
    before, changes = tariff.last_updated, Change.objects.count()
    assert send_form(admin_client, page(tariff), FORM).status_code == 302
    tariff.refresh_from_db()
    assert tariff.last_updated == before
    assert Change.objects.count() == changes


@pytest.mark.parametrize(
    ("field", "value", "errors"),
    [
        (
            "texts",
            "Cheap",
            {"texts": ["Line 1: write two letters, a colon and the text: “en: …”."]},
        ),
        (
            "max_price_after_taxes",
            "5",
            {"max_price_before_taxes": ["A limit after taxes needs one before."]},
        ),
        ("supplier_name", "Sun", {"green": ["Say whether the energy is green."]}),
        (
            "currency",
            "xyz",
            {"currency": ["There is no currency with the code XYZ: the euro is EUR."]},
        ),
        (
            "currency",
            "euro",
            {"currency": ["There is no currency with the code EURO: the euro is EUR."]},
        ),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_saved(
    admin_client: Client, field: str, value: str, errors: dict[str, list[str]]
) -> None:
    make_party()
    assert errors_of(new_tariff(admin_client, **{field: value})) == errors
    assert not Tariff.objects.exists()


TAKEN = {"ocpi_id": ["There is, or was, a tariff with this id."]}


@pytest.mark.parametrize("name", ["T1", "t1"])
def test_a_tariff_that_exists_is_not_overwritten_by_adding_it_again(
    admin_client: Client, name: str
) -> None:
    make_party()
    before = shape_of(make_tariff())
    response = new_tariff(admin_client, ocpi_id=name, **{"elements-0-ENERGY_price": "0.77"})
    assert errors_of(response) == TAKEN
    assert shape_of(Tariff.objects.get()) == before


def test_the_id_of_a_deleted_tariff_is_not_given_again(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff("NEW")
    delete_tariff(tariff_id=tariff.pk, now=clock.now())
    assert errors_of(new_tariff(admin_client)) == TAKEN
    assert Tariff.objects.get().deleted_at is not None


@pytest.mark.django_db(transaction=True)
def test_two_who_add_one_tariff_at_once_do_not_write_over_each_other(admin_client: Client) -> None:
    make_party()
    with just_before('INSERT INTO "tariffs_tariff"', lambda: make_tariff("NEW", currency="JPY")):
        response = new_tariff(admin_client)
    assert errors_of(response) == TAKEN
    assert Tariff.objects.get().currency == "JPY"


def test_an_element_without_a_price_is_refused(admin_client: Client) -> None:
    make_party()
    response = new_tariff(
        admin_client, **{"elements-0-ENERGY_price": "", "elements-0-min_kwh": "1"}
    )
    assert "Give at least one price" in response.content.decode()
    assert errors_of(response) == {"__all__": ["Look at the elements below."]}
    assert not Tariff.objects.exists()


def test_an_empty_range_is_shown_at_its_element(admin_client: Client) -> None:
    make_party()
    response = new_tariff(admin_client, **{"elements-0-min_kwh": "10", "elements-0-max_kwh": "10"})
    assert errors_of(response) == {"__all__": ["Look at the elements below."]}
    assert "max_kwh must be greater than min_kwh" in response.content.decode()
    assert not Tariff.objects.exists()


TWO_WRONG = {
    "currency": "xyz",
    "max_price_after_taxes": "5",
    "supplier_name": "Sun",
    "elements-TOTAL_FORMS": "2",
    # It can be read, and breaks a rule of OCPI; the other one cannot be read.
    "elements-0-min_kwh": "10",
    "elements-0-max_kwh": "10",
    "elements-1-PARKING_TIME_price": "4",
    "elements-1-PARKING_TIME_grace": "soon",
}


def parts_of(response: Any) -> list[list[str]]:
    """Return the names of the fields that have errors, of each element."""
    elements = response.context["adminform"].form.elements
    return [list(part.errors) for part in elements.forms]


def test_all_that_is_wrong_with_a_tariff_is_said_at_once(admin_client: Client) -> None:
    make_party()
    response = new_tariff(admin_client, **TWO_WRONG)
    assert set(errors_of(response)) == {"currency", "max_price_before_taxes", "green"}
    assert parts_of(response) == [["__all__"], ["PARKING_TIME_grace"]]


def test_an_element_that_is_removed_has_nothing_to_be_corrected(admin_client: Client) -> None:
    make_party()
    removed = {
        "elements-TOTAL_FORMS": "3",
        "elements-1-ENERGY_price": "much",
        "elements-1-order": "9" * 5000,
        "elements-1-DELETE": "on",
        "elements-2-ENERGY_price": "little",
    }
    response = new_tariff(admin_client, **removed)
    page = response.content.decode()
    listed = page.partition('role="alert"')[2].partition("</ul>")[0]
    assert "Element 3" in listed
    assert "Element 2" not in listed


def test_what_is_beside_wrong_elements_is_said_with_them(admin_client: Client) -> None:
    make_party()
    response = new_tariff(admin_client, **(TWO_WRONG | {"currency": "EUR"}))
    assert errors_of(response) == {
        "__all__": ["Look at the elements below."],
        "max_price_before_taxes": ["A limit after taxes needs one before."],
        "green": ["Say whether the energy is green."],
    }
    assert parts_of(response) == [["__all__"], ["PARKING_TIME_grace"]]


@pytest.mark.parametrize(
    "field",
    [
        *("ocpi_id", "currency", "tax_included", "texts", "tariff_alt_url"),
        *("max_price_after_taxes", "preauthorize_amount", "start_date_time_0"),
        *("energy_sources", "supplier_name"),
    ],
)
def test_a_field_that_cannot_be_read_is_the_only_one_that_is_blamed(
    admin_client: Client, field: str
) -> None:
    make_party()
    wrong = {"ocpi_id": "", "supplier_name": "x" * 65}.get(field, "?")
    response = new_tariff(admin_client, green="yes", **{field: wrong})
    assert list(errors_of(response)) == [field.removesuffix("_0")]
    assert parts_of(response) == [[]]


class _Page(HTMLParser):
    """The ids of a page, and its links to places within it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "a" and (given.get("href") or "").startswith("#"):
            self.links.append((given["href"] or "").removeprefix("#"))


def test_the_top_of_a_refused_form_lists_each_mistake_with_a_link(admin_client: Client) -> None:
    make_party()
    text = new_tariff(
        admin_client,
        **(TWO_WRONG | {"start_date_time_0": "?", "elements-0-day_of_week": ["NODAY"]}),
    ).content.decode()
    listed = text.partition('role="alert"')[2].partition("</ul>")[0]
    items = [strip_tags(item).strip() for item in listed.split("<li>")[1:]]
    assert items == [
        "Currency: There is no currency with the code XYZ: the euro is EUR.",
        "Maximum price before taxes: A limit after taxes needs one before.",
        "Valid from: Enter a valid date.",
        "Green energy: Say whether the energy is green.",
        "Element 1, days of the week: Select a valid choice. NODAY is not one of the available "
        "choices.",
        "Element 2, Parking (per hour): free minutes: Write minutes, such as 90, or minutes and "
        "seconds: 1:30.",
    ]
    links = _Page(listed).links
    assert len(links) == len(items)
    assert set(links) <= set(_Page(text).ids)


def test_a_wrong_price_is_marked_and_its_row_is_not(admin_client: Client) -> None:
    make_party()
    text = new_tariff(
        admin_client,
        **{"elements-0-PARKING_TIME_price": "4", "elements-0-PARKING_TIME_grace": "soon"},
    ).content.decode()
    rows = [row for row in text.split("<tr")[1:] if 'name="elements-0-PARKING_TIME_grace"' in row]
    marked = [cell for cell in rows[0].split("<td")[1:] if 'class="group errors"' in cell]
    assert len(marked) == 1
    assert 'name="elements-0-PARKING_TIME_grace"' in marked[0]
    assert "errors" not in rows[0].partition("<td")[0]


def test_why_a_value_is_refused_is_said_in_the_language_of_the_page(admin_client: Client) -> None:
    make_party()
    admin_client.defaults["HTTP_ACCEPT_LANGUAGE"] = "ja"
    response = new_tariff(admin_client, **{"elements-0-min_kwh": "10", "elements-0-max_kwh": "10"})
    assert "max_kwh は min_kwh より大きくしてください" in response.content.decode()


def test_an_element_is_removed_by_its_box_and_the_last_one_is_not(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff()
    response = send_form(admin_client, page(tariff), FORM, **{"elements-0-DELETE": "on"})
    assert errors_of(response) == {"__all__": ["A tariff needs at least one element."]}
    assert tariff.elements.count() == 1


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff()
    fields = read_form(admin_client, page(tariff), FORM)
    make_tariff(currency="CHF")
    response = admin_client.post(page(tariff), fields)
    assert "Somebody else changed this" in response.content.decode()
    assert Tariff.objects.get().currency == "CHF"


def test_the_identity_of_a_tariff_cannot_be_changed(admin_client: Client) -> None:
    make_party()
    make_party("XYZ")
    tariff = make_tariff()
    send_form(
        admin_client,
        page(tariff),
        FORM,
        ocpi_id="T2",
        party="DE*XYZ",
        **{"elements-0-ENERGY_price": "0.7"},
    )
    tariff = Tariff.objects.with_elements().get()
    assert (tariff.party, tariff.ocpi_id) == ("DE*ABC", "T1")
    assert tariff.elements.get().price_components.get().price == Decimal("0.7")


def test_a_tariff_in_use_is_not_deleted_and_the_page_says_why(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff()
    make_location(tariff_ids=["T1"])
    for response in (
        admin_client.get(f"{LIST}{tariff.pk}/delete/"),
        admin_client.post(f"{LIST}{tariff.pk}/delete/"),
    ):
        text = response.content.decode()
        assert "1 connector still uses it" in text
        assert f"/admin/locations/evse/?tariff={tariff.pk}" in text
    tariff.refresh_from_db()
    assert tariff.deleted_at is None


@pytest.mark.parametrize(
    ("language", "text"), [("en", "Delete tariff"), ("ja", "料金プラン を削除")]
)
def test_the_button_that_deletes_reads_as_people_say_it(
    admin_client: Client, language: str, text: str
) -> None:
    make_party()
    response = admin_client.get(page(make_tariff()), headers={"accept-language": language})
    assert text in " ".join(response.content.decode().split())
    assert response.content.decode().count("/delete/") == 1


def test_browsers_are_told_where_the_icon_is(admin_client: Client) -> None:
    assert 'rel="icon" href="/static/cpo/favicon' in admin_client.get(LIST).content.decode()


def test_deleting_an_unused_tariff_asks_first_and_tells_partners(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff()
    changes = Change.objects.count()
    asked = admin_client.get(f"{LIST}{tariff.pk}/delete/")
    assert "Every partner that has it will be told that it is gone." in asked.content.decode()
    assert Tariff.objects.in_use().count() == 1
    assert admin_client.post(f"{LIST}{tariff.pk}/delete/").status_code == 302
    assert Tariff.objects.in_use().count() == 0
    assert Change.objects.count() == changes + 1


def test_a_deleted_tariff_is_shown_and_not_edited(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff()
    admin_client.post(f"{LIST}{tariff.pk}/delete/")
    response = admin_client.get(page(tariff))
    assert response.status_code == 200
    assert 'name="_save"' not in response.content.decode()
    assert admin_client.post(page(tariff), {"currency": "CHF"}).status_code == 200
    tariff.refresh_from_db()
    assert tariff.currency == "EUR"


def test_staff_that_may_only_look_gets_no_form(client: Client) -> None:
    make_party()
    tariff = make_tariff()
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_tariff"))
    client.force_login(user)
    text = client.get(page(tariff)).content.decode()
    assert "T1" in text
    assert 'name="_save"' not in text
    assert client.get(f"{LIST}{tariff.pk}/delete/").status_code == 403
    assert client.get(ADD).status_code == 403
    assert client.get("/admin/sessions_app/session/").status_code == 403


@pytest.mark.parametrize("size", [1, 7])
def test_the_list_takes_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, size: int
) -> None:
    make_party()
    for number in range(size):
        make_tariff(f"T{number}")
    admin_client.get(LIST)  # fills the caches that live longer than a request
    with django_assert_num_queries(8):
        assert admin_client.get(LIST).status_code == 200


def test_no_action_bypasses_the_operations(admin_client: Client) -> None:
    make_party()
    make_tariff()
    assert "delete_selected" not in admin_client.get(LIST).content.decode()

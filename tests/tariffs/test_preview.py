"""The preview shows what the form says, saves nothing, and is the same size whatever is asked."""

import time
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from roaming.models import Change
from tariffs.models import Tariff
from tests.admin_data import make_location, make_party, make_tariff
from tests.admin_pages import Fields, read_form

pytestmark = pytest.mark.django_db
LIST = "/admin/tariffs/tariff/"
ADD = f"{LIST}add/"
PREVIEW = f"{LIST}preview/"


def look(client: Client, fields: Any, url: str = PREVIEW, language: str = "en") -> Any:
    headers = {"X-Preview": "fragment", "accept-language": language}
    return client.post(url, fields, headers=headers)


def new_form(client: Client, **changes: str) -> Fields:
    fields = read_form(client, ADD, "tariff_form")
    day = {"elements-0-ENERGY_price": "0.59", "elements-0-ENERGY_vat": "20"}
    return fields | {"currency": ["eur"]} | {k: [v] for k, v in (day | changes).items()}


class _Texts(HTMLParser):
    """Collect the texts of a fragment, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))


def texts_of(response: Any) -> list[str]:
    reader = _Texts()
    reader.feed(response.content.decode())
    return reader.texts


def test_the_preview_shows_week_sessions_texts_and_sentences(admin_client: Client) -> None:
    make_party()
    fields = new_form(
        admin_client,
        **{
            "elements-0-start_time": "08:00",
            "elements-0-end_time": "20:30",
            "preview-time_zone": "Europe/Berlin",
            "preview-start": "2026-11-28T13:30",
        },
    )
    response = look(admin_client, fields)
    assert response.status_code == 200
    texts = texts_of(response)
    for expected in (
        "0.59 EUR per kWh (VAT 20 %) · 08:00–20:30",
        "The week of Nov. 23, 2026",
        "Mon 08:00–20:30: 0.59 EUR/kWh",
        "Mon–Sun",
        "20:30–24:00",
        "20 kWh AC in 3 h",
        "11.80 EUR",
        "14.16 EUR",
        "13:30–16:30 · ENERGY 20 kWh × 0.59 EUR/kWh, element 1 (08:00–24:00)"[:42],
        "08:00–20:30: 0.59 EUR per kWh. All prices plus 20 % VAT.",
        "08:00–20:30: 0,59 EUR pro kWh. Alle Preise zzgl. 20 % MwSt.",
    ):
        assert any(text.startswith(expected) for text in texts), expected
    assert response.content.decode().count("<svg") == 1
    assert not Tariff.objects.exists()
    assert not Change.objects.exists()


def test_prices_are_explained_in_the_language_of_staff(admin_client: Client) -> None:
    make_party()
    texts = texts_of(look(admin_client, new_form(admin_client), language="ja"))
    assert "18:00–21:00 · 電力量 20 kWh × 0.59 EUR/kWh、要素1" in texts


def test_what_partners_make_of_a_session_is_told_where_it_differs(admin_client: Client) -> None:
    make_party()
    parking = {"elements-0-PARKING_TIME_price": "6", "elements-0-PARKING_TIME_vat": "20"}
    free = {"elements-0-PARKING_TIME_grace": "30"}

    same = texts_of(look(admin_client, new_form(admin_client, **parking)))
    other = texts_of(look(admin_client, new_form(admin_client, **parking, **free)))

    assert "partners differ" not in same
    # Overnight: 30 kWh, then six hours of which half an hour is free; told as free at the start.
    place = other.index("Overnight: 30 kWh AC in 3 h, then 6 h parked")
    assert other[place + 1] == "partners differ"
    told = "A partner in OCPI 2.3.0 that prices it by the tariff it was told gets 53.70 EUR"
    assert any(text.startswith(told) for text in other[place:])
    assert "50.70 EUR" in other[place:]


def test_a_session_of_ones_own_is_priced_beside_the_typical_ones(admin_client: Client) -> None:
    make_party()
    own = {
        "preview-own_energy": "100",
        "preview-own_charging": "60",
        "preview-own_parked": "30",
        "elements-0-PARKING_TIME_price": "6",
        "elements-0-PARKING_TIME_vat": "20",
    }
    texts = texts_of(look(admin_client, new_form(admin_client, **own)))
    place = texts.index("Your own session")
    assert "62.00 EUR" in texts[place:]
    assert "74.40 EUR" in texts[place:]


def test_the_week_is_that_of_the_state_that_was_asked_for(admin_client: Client) -> None:
    make_party()
    fields = new_form(admin_client, **{"elements-0-min_power": "50", "preview-power": "60"})
    assert "Mon 00:00–24:00: 0.59 EUR/kWh" in texts_of(look(admin_client, fields))
    fields["preview-power"] = ["11"]
    texts = texts_of(look(admin_client, fields))
    assert "Mon 00:00–24:00: nothing is charged" in texts
    assert "Not in this picture: 0.59 EUR/kWh · from 50 kW" in texts


@pytest.mark.parametrize(
    ("name", "value", "texts"),
    [
        ("currency", "EURO", ["Currency", "id_currency"]),
        ("elements-0-ENERGY_vat", "-1", ["element 1, Energy (per kWh): VAT %"]),
        ("elements-0-end_time", "25:00", ["element 1, until time", "id_elements-0-end_time"]),
        ("elements-0-ENERGY_price", "", ["element 1"]),
        ("elements-0-max_kwh", "-1", ["element 1, until kWh"]),
        ("elements-0-PARKING_TIME_grace", "10081", ["free minutes", "At most 10080 minutes."]),
        ("elements-TOTAL_FORMS", "a", ["ManagementForm data is missing"]),
        ("elements-TOTAL_FORMS", "5000", ["at most 200 forms"]),
    ],
)
def test_a_wrong_form_names_the_field_and_shows_no_picture(
    admin_client: Client, name: str, value: str, texts: list[str]
) -> None:
    make_party()
    response = look(admin_client, new_form(admin_client, **{name: value}))
    assert response.status_code == 422
    page = response.content.decode()
    for text in texts:
        assert text.lower() in page.lower()
    assert "<svg" not in page


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("preview-time_zone", "Europe/Nowhere", "There is no such time zone"),
        ("preview-start", "yesterday", "Enter a valid date/time"),
        ("preview-start", "9999-12-31T23:00", "between 2000 and 2199"),
        ("preview-start", "0001-01-01T00:00", "between 2000 and 2199"),
        ("preview-own_charging", "1441", "less than or equal to 1440"),
        ("preview-own_energy", "5", "Energy takes time"),
        ("preview-power", "1e9", "less than or equal to 100000"),
    ],
)
def test_a_wrong_question_is_named_and_the_rest_is_shown(
    admin_client: Client, name: str, value: str, text: str
) -> None:
    make_party()
    response = look(admin_client, new_form(admin_client, **{name: value}))
    assert response.status_code == 200
    assert text in response.content.decode()
    assert "<svg" in response.content.decode()


def test_a_tariff_that_exists_is_looked_at_whatever_happened_to_it_meanwhile(
    admin_client: Client,
) -> None:
    make_party()
    tariff = make_tariff()
    make_location(tariff_ids=["T1"])
    fields = read_form(admin_client, f"{LIST}{tariff.pk}/change/", "tariff_form")
    make_tariff(currency="CHF")
    fields["elements-0-ENERGY_price"] = ["0.9"]
    response = look(admin_client, fields, f"{PREVIEW}?tariff={tariff.pk}")
    assert response.status_code == 200
    assert "0.90 EUR per kWh (VAT 19 %) · always" in texts_of(response)
    assert Tariff.objects.get().last_updated > tariff.last_updated


def test_without_scripts_the_preview_is_a_page_of_its_own(admin_client: Client) -> None:
    make_party()
    page = admin_client.post(PREVIEW, new_form(admin_client)).content.decode()
    assert "What this tariff means" in page
    assert "<html" in page
    assert "<svg" in page


def test_what_the_linter_finds_is_shown(admin_client: Client) -> None:
    make_party()
    assert "Look at this again" not in texts_of(look(admin_client, new_form(admin_client)))

    odd = new_form(admin_client, **{"elements-0-ENERGY_vat": "0.19"})

    texts = texts_of(look(admin_client, odd))
    place = texts.index("Look at this again")
    assert texts[place + 1] == "Error"
    assert "0.19 percent" in texts[place + 2]


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("person", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("permissions", "status", "status_of_one"),
    [
        ((), 403, 403),
        (("view_party",), 403, 403),
        (("view_tariff",), 200, 200),
        (("change_tariff",), 200, 200),
        (("add_tariff",), 200, 403),
    ],
)
def test_only_staff_that_may_see_tariffs_may_look(
    admin_client: Client, permissions: tuple[str, ...], status: int, status_of_one: int
) -> None:
    make_party()
    tariff = make_tariff()
    client, fields = staff(*permissions), new_form(admin_client)
    assert look(client, fields).status_code == status
    assert look(client, fields, f"{PREVIEW}?tariff={tariff.pk}").status_code == status_of_one


def test_nobody_looks_without_signing_in_or_without_sending_a_form(
    client: Client, admin_client: Client
) -> None:
    assert look(client, {}).status_code == 302
    assert admin_client.get(PREVIEW).status_code == 405
    assert Client(enforce_csrf_checks=True).post(PREVIEW).status_code in {302, 403}


def large_form(client: Client, count: int) -> Fields:
    """Return a form of many elements, each with another time of the day."""
    fields = new_form(client, **{"elements-TOTAL_FORMS": str(count)})
    for place in range(count):
        minute = place * 7
        fields |= {
            f"elements-{place}-order": [str(place + 1)],
            f"elements-{place}-ENERGY_price": [f"0.{place + 1:03}"],
            f"elements-{place}-TIME_price": ["1.2"],
            f"elements-{place}-start_time": [f"{minute // 60:02}:{minute % 60:02}"],
            f"elements-{place}-end_time": [f"{(minute + 3) // 60:02}:{(minute + 3) % 60:02}"],
        }
    return fields


@pytest.mark.parametrize("count", [1, 30])
def test_the_number_of_queries_does_not_depend_on_the_form(
    admin_client: Client, django_assert_num_queries: Any, count: int
) -> None:
    make_party()
    tariff = make_tariff()
    fields = large_form(admin_client, count)
    url = f"{PREVIEW}?tariff={tariff.pk}"
    look(admin_client, fields, url)  # fills the caches that live longer than a request
    with django_assert_num_queries(6):
        assert look(admin_client, fields, url).status_code == 200


def test_the_largest_form_is_answered_in_bounded_time_and_size(admin_client: Client) -> None:
    make_party()
    # As many as fit into the fields of one form: Django refuses more at once.
    assert look(admin_client, large_form(admin_client, 200)).status_code == 400
    fields = large_form(admin_client, 180)
    fields |= {
        f"preview-own_{name}": ["1440"] for name in ("charging", "parked", "reserved", "energy")
    }
    started = time.process_time()
    response = look(admin_client, fields)
    assert response.status_code == 200
    assert time.process_time() - started < 20
    assert len(response.content) < 3_000_000

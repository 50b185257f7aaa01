"""The admin pages of sessions, CDRs and tokens show everything and change nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from cpo_platform.common.admin import NONE
from roaming.models import Delivery, Message, Partner
from sessions_app.admin import costs_panel
from sessions_app.models import Cdr, Session, Token
from tests.admin_data import NOW, make_location, make_party, make_session, make_tariff

pytestmark = pytest.mark.django_db
SESSIONS = "/admin/sessions_app/session/"
CDRS = "/admin/sessions_app/cdr/"
TOKENS = "/admin/sessions_app/token/"


@pytest.fixture
def session() -> Session:
    make_party()
    make_tariff()
    return make_session(make_location(tariff_ids=["T1"]))


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_the_session_page_shows_price_periods_readings_and_its_cdr(
    admin_client: Client, session: Session
) -> None:
    text = text_of(admin_client, f"{SESSIONS}{session.pk}/change/")
    cdr = Cdr.objects.get()
    for expected in (
        session.ocpi_id,
        "Completed",
        "5.50 EUR",  # 11 kWh at 0.50
        "VAT 19 %: 1.045 EUR",
        "6.545 EUR",
        "0.50 EUR per kWh (VAT 19 %) · always",
        "energy 11 kWh, charging time 1 h",
        "111 kWh",
        # 10:00 UTC, as the clock at the location shows.
        "2026-05-04 12:00:00 CEST",
        "AC, 3 phases",
        "Europe/Berlin",
        f'href="{CDRS}{cdr.pk}/change/"',
        f'href="/admin/locations/evse/{session.evse_id}/change/"',
        "No partner has been sent this yet.",
    ):
        assert expected in text, expected


def test_no_taxes_are_written_like_every_other_amount() -> None:
    free = {"total_cost": {"before_taxes": "0", "taxes": []}}
    amounts = ("0.00 EUR", "0.00 EUR", "0.00 EUR")
    assert costs_panel(free, "EUR").rows == [("Total", *amounts)]
    unknown = {"total_cost": {"before_taxes": "0"}}
    assert costs_panel(unknown, "EUR").rows == [("Total", "0.00 EUR", NONE, NONE)]


def test_the_cdr_page_shows_where_the_partner_keeps_it(
    admin_client: Client, session: Session
) -> None:
    cdr = Cdr.objects.get()
    partner = Partner.objects.create(name="Partner One")
    Delivery.objects.create(
        partner=partner,
        module="cdrs",
        object_id=cdr.pk,
        url="https://partner.example/cdrs/77",
        delivered_at=NOW,
    )
    Message.objects.create(
        partner=partner,
        at=NOW,
        direction="OUT",
        method="POST",
        url="https://partner.example/cdrs",
        module="cdrs",
        object_id=cdr.pk,
        http_status=201,
    )
    text = text_of(admin_client, f"{CDRS}{cdr.pk}/change/")
    for expected in (
        cdr.ocpi_id,
        "https://partner.example/cdrs/77",
        "POST https://partner.example/cdrs",
        f'href="/admin/roaming/partner/{partner.pk}/change/"',
        f'href="{SESSIONS}{session.pk}/change/"',
        "Europe/Berlin",
        "11 kWh",
        "6.545 EUR",
    ):
        assert expected in text, expected


@pytest.mark.parametrize("model", ["session", "cdr", "token"])
def test_nobody_adds_changes_or_deletes_records(
    admin_client: Client, session: Session, model: str
) -> None:
    token = Token.objects.create(
        country_code="NL",
        party_id="EMS",
        uid="04AA",
        type="RFID",
        contract_id="C",
        issuer="EMS",
        valid=True,
        whitelist="ALWAYS",
        last_updated=NOW,
    )
    row: Any = {"session": session, "cdr": Cdr.objects.get(), "token": token}[model]
    base = f"/admin/sessions_app/{model}/"
    assert admin_client.get(f"{base}add/").status_code == 403
    assert admin_client.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert (
        admin_client.post(f"{base}{row.pk}/change/", {"kwh": "0", "valid": ""}).status_code == 200
    )
    before = row.__class__.objects.values().get()
    row.refresh_from_db()
    assert row.__class__.objects.values().get() == before
    assert "delete_selected" not in text_of(admin_client, base)


def test_a_session_is_found_by_contract_token_and_evse(
    admin_client: Client, session: Session
) -> None:
    page = f"{SESSIONS}{session.pk}/change/"
    for query in ("NL-EMS-1", "04AA", "DE*ABC*EL11", session.ocpi_id):
        assert page in text_of(admin_client, f"{SESSIONS}?q={query}")
    nothing = text_of(admin_client, f"{SESSIONS}?q=unknown-thing")
    assert page not in nothing
    assert "Try another search" in nothing


@pytest.mark.parametrize(
    "query",
    [
        "state=ongoing",
        "state=ended",
        "status__exact=ACTIVE",
        "auth_method__exact=COMMAND",
        "started=today",
        "started=7",
        "party=DE*ABC",
    ],
)
def test_sessions_are_filtered(admin_client: Client, session: Session, query: str) -> None:
    ended = query in {"state=ended", "party=DE*ABC"}
    text = text_of(admin_client, f"{SESSIONS}?{query}")
    assert (f"{SESSIONS}{session.pk}/change/" in text) is ended


def test_empty_lists_say_what_comes_next(admin_client: Client) -> None:
    assert "as soon as somebody starts to charge" in text_of(admin_client, SESSIONS)
    assert "A CDR is issued when a session ends." in text_of(admin_client, CDRS)
    assert "Tokens come from partners" in text_of(admin_client, TOKENS)


def test_a_page_that_does_not_exist_leads_to_the_list(admin_client: Client) -> None:
    response = admin_client.get(f"{SESSIONS}12345/change/")
    assert response.headers["Location"] == SESSIONS


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize(("url", "queries"), [(SESSIONS, 6), (CDRS, 6)])
def test_lists_take_the_same_queries_for_any_size(
    admin_client: Client, django_assert_num_queries: Any, url: str, queries: int, size: int
) -> None:
    make_party()
    make_tariff()
    location = make_location(evses=size)
    for evse in range(size):
        make_session(location, evse=evse)
    admin_client.get(url)  # fills the caches that live longer than a request
    with django_assert_num_queries(queries):
        assert admin_client.get(url).status_code == 200


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "12:00–13:00 · ENERGY 11 kWh × 0.50 EUR/kWh, element 1"),
        ("ja", "12:00–13:00 · 電力量 11 kWh × 0.50 EUR/kWh、要素1"),
    ],
)
def test_prices_are_explained_in_the_language_of_staff(
    admin_client: Client, session: Session, language: str, text: str
) -> None:
    for url in (f"{SESSIONS}{session.pk}/change/", f"{CDRS}{Cdr.objects.get().pk}/change/"):
        page = admin_client.get(url, headers={"accept-language": language}).content.decode()
        assert text in page


def test_lines_of_an_earlier_release_are_shown_as_they_were_stored(
    admin_client: Client, session: Session
) -> None:
    for line in session.price_details["lines"]:
        del line["kind"], line["phase"], line["element"]
    session.touch(NOW + timedelta(days=1))
    session.save(update_fields=["price_details", "last_updated"])
    url = f"{SESSIONS}{session.pk}/change/"
    page = admin_client.get(url, headers={"accept-language": "ja"}).content.decode()
    assert "12:00–13:00 · ENERGY 11 kWh × 0.50 EUR/kWh, element 1" in page

"""Staff that changes prices in use is asked from when on; everything else is saved in place."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from cpo_platform.common import clock
from locations.models import Connector
from sessions_app.models import Session
from tariffs import operations
from tariffs.models import Tariff
from tests.admin_data import make_location, make_party, make_session, make_tariff
from tests.admin_pages import errors_of, send_form
from tests.roaming.conftest import make_partner

pytestmark = pytest.mark.django_db
FORM = "tariff_form"
DEARER = {"elements-0-ENERGY_price": "0.70"}


def page(tariff: Tariff) -> str:
    return f"/admin/tariffs/tariff/{tariff.pk}/change/"


@pytest.fixture
def used() -> Tariff:
    make_party()
    tariff = make_tariff()
    make_location(tariff_ids=["T1"])
    return tariff


def price_of(tariff: Tariff) -> Decimal:
    return tariff.elements.get().price_components.get().price


def test_another_price_of_a_tariff_in_use_asks_first(admin_client: Client, used: Tariff) -> None:
    response = send_form(admin_client, page(used), FORM, **DEARER)
    assert list(errors_of(response)) == ["__all__"]
    text = response.content.decode()
    assert "From when on do the new prices hold?" in text
    assert 'value="T1-2"' in text
    assert 'name="elements-0-ENERGY_price" value="0.70"' in text
    used.refresh_from_db()
    assert (price_of(used), Tariff.objects.count()) == (Decimal("0.5"), 1)


def test_the_answer_at_once_supersedes_and_shows_the_new_version(
    admin_client: Client, used: Tariff
) -> None:
    before = clock.now()
    answer = {**DEARER, "successor_id": "T1-b", "change_at": "", "_continue": "1"}
    response = send_form(admin_client, page(used), FORM, **answer)
    new = Tariff.objects.get(ocpi_id="T1-b")
    assert response.headers["Location"] == page(new)
    used.refresh_from_db()
    assert used.end_date_time == new.start_date_time
    assert new.start_date_time is not None
    assert before <= new.start_date_time <= clock.now()
    assert (price_of(used), price_of(new)) == (Decimal("0.5"), Decimal("0.7"))
    assert set(Connector.objects.get().tariffs.all()) == {used, new}


def test_a_change_in_the_future_is_told_with_both_versions(
    admin_client: Client, used: Tariff
) -> None:
    answer = {**DEARER, "successor_id": "T1-2", "change_at": "2100-01-01T00:00"}
    response = send_form(admin_client, page(used), FORM, **answer)
    assert response.status_code == 302
    new = Tariff.objects.get(ocpi_id="T1-2")
    assert new.start_date_time == datetime(2100, 1, 1, tzinfo=UTC)
    text = admin_client.get(response.headers["Location"]).content.decode()
    assert "T1-2 takes over from 2100-01-01 00:00 (UTC) on." in text
    for tariff, other in ((used, new), (new, used)):
        text = admin_client.get(page(tariff)).content.decode()
        assert "Versions" in text
        assert f'href="{page(other)}"' in text
        assert "2100-01-01 00:00" in text


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"change_at": "2001-01-01T00:00"}, "change_at"),
        ({"change_at": "soon"}, "change_at"),
        ({"successor_id": ""}, "successor_id"),
        ({"successor_id": "t1"}, "successor_id"),
        ({"successor_id": "x" * 37}, "successor_id"),
        ({"type": "AD_HOC_PAYMENT"}, "type"),
        ({"public": None}, "public"),
    ],
)
def test_a_wrong_answer_is_asked_again_and_nothing_is_saved(
    admin_client: Client, used: Tariff, answer: dict[str, str | None], field: str
) -> None:
    given = {**DEARER, "successor_id": "T1-2", "change_at": "", **answer}
    response = send_form(admin_client, page(used), FORM, **given)
    assert list(errors_of(response)) == [field]
    assert "From when on do the new prices hold?" in response.content.decode()
    used.refresh_from_db()
    assert (used.end_date_time, Tariff.objects.count()) == (None, 1)


@pytest.mark.parametrize(
    "values",
    [
        {"texts": "en: Hello"},
        {"tariff_alt_url": "https://example.com/"},
        {"green": "yes"},
        {"end_date_time_0": "2100-01-01", "end_date_time_1": "00:00:00"},
    ],
)
def test_what_is_no_price_is_saved_in_place(
    admin_client: Client, used: Tariff, values: dict[str, str]
) -> None:
    assert send_form(admin_client, page(used), FORM, **values).status_code == 302
    tariff = Tariff.objects.get()
    assert tariff.last_updated > used.last_updated


def test_prices_that_nobody_pays_yet_are_saved_in_place(admin_client: Client) -> None:
    make_party()
    unused = make_tariff("UNUSED")
    later = make_tariff("LATER", start_date_time=(clock.now() + timedelta(days=1)).isoformat())
    make_location(tariff_ids=["LATER"])
    for tariff in (unused, later):
        assert send_form(admin_client, page(tariff), FORM, **DEARER).status_code == 302
        assert price_of(tariff) == Decimal("0.7")
    assert Tariff.objects.count() == 2


def test_a_tariff_that_has_a_new_version_is_not_given_another(
    admin_client: Client, used: Tariff
) -> None:
    answer = {**DEARER, "successor_id": "T1-2", "change_at": "2100-01-01T00:00"}
    send_form(admin_client, page(used), FORM, **answer)
    answer = {"elements-0-ENERGY_price": "0.80", "successor_id": "T1-3", "change_at": ""}
    response = send_form(admin_client, page(used), FORM, **answer)
    texts = errors_of(response)["__all__"]
    assert texts == ["This tariff has a new version already: change that one."]


def test_the_moment_of_a_change_that_is_to_come_is_moved_at_the_new_version(
    admin_client: Client, used: Tariff
) -> None:
    answer = {**DEARER, "successor_id": "T1-2", "change_at": "2100-01-01T00:00"}
    send_form(admin_client, page(used), FORM, **answer)
    new = Tariff.objects.get(ocpi_id="T1-2")
    send_form(admin_client, page(new), FORM, start_date_time_0="2099-01-01")
    used.refresh_from_db()
    assert used.end_date_time == datetime(2099, 1, 1, tzinfo=UTC)
    # The end of the old one is where the new one begins, and nothing else.
    send_form(admin_client, page(used), FORM, end_date_time_0="", end_date_time_1="")
    used.refresh_from_db()
    assert used.end_date_time == datetime(2099, 1, 1, tzinfo=UTC)
    response = send_form(admin_client, page(new), FORM, start_date_time_0="", start_date_time_1="")
    assert list(errors_of(response)) == ["start_date_time"]


def test_prices_that_have_ended_stay_as_they_are(admin_client: Client, used: Tariff) -> None:
    answer = {**DEARER, "successor_id": "T1-2", "change_at": ""}
    send_form(admin_client, page(used), FORM, **answer)

    again = {"elements-0-ENERGY_price": "0.97", "successor_id": "T1-3", "change_at": ""}
    response = send_form(admin_client, page(used), FORM, **again)

    assert "This tariff has ended." in errors_of(response)["__all__"][0]
    assert price_of(used) == Decimal("0.5")


def test_a_new_version_does_not_begin_in_the_past(admin_client: Client, used: Tariff) -> None:
    answer = {**DEARER, "successor_id": "T1-2", "change_at": "2100-01-01T00:00"}
    send_form(admin_client, page(used), FORM, **answer)
    new = Tariff.objects.get(ocpi_id="T1-2")

    response = send_form(admin_client, page(new), FORM, start_date_time_0="2020-01-01")
    assert list(errors_of(response)) == ["start_date_time"]

    past = {"start_date_time": datetime(2020, 1, 1, tzinfo=UTC)}
    shape = operations.shape_of(new).model_copy(update=past)
    operations.put_tariff(tariff=shape, now=clock.now())
    used.refresh_from_db()
    assert used.end_date_time == datetime(2100, 1, 1, tzinfo=UTC)


def test_an_import_of_the_old_tariff_leaves_the_seam_alone(
    admin_client: Client, used: Tariff
) -> None:
    shape = operations.shape_of(used)
    answer = {**DEARER, "successor_id": "T1-2", "change_at": ""}
    send_form(admin_client, page(used), FORM, **answer)
    new = Tariff.objects.get(ocpi_id="T1-2")
    for again in (shape, operations.shape_of(new).model_copy(update={"start_date_time": None})):
        _row, outcome = operations.put_tariff(tariff=again, now=clock.now())
        assert outcome.value == "unchanged"
    used.refresh_from_db()
    assert used.end_date_time == new.start_date_time


def test_the_page_shows_who_runs_by_it_and_who_has_it(admin_client: Client, used: Tariff) -> None:
    location = Connector.objects.get().evse.location
    partner = make_partner().partner
    partner.tariffs.add(used)
    running: Session = make_session(location, end=False)
    text = admin_client.get(page(used)).content.decode()
    assert f'href="/admin/sessions_app/session/{running.pk}/change/"' in text
    assert f'href="/admin/roaming/partner/{partner.pk}/change/"' in text
    unused = admin_client.get(page(make_tariff("T2"))).content.decode()
    assert "A session keeps the prices that it started with." in unused


def test_free_minutes_of_parking_are_written_in_minutes(admin_client: Client) -> None:
    make_party()
    tariff = make_tariff()
    prices: dict[str, Any] = {
        "elements-0-PARKING_TIME_price": "6",
        "elements-0-PARKING_TIME_grace": "30",
    }
    assert send_form(admin_client, page(tariff), FORM, **prices).status_code == 302
    (element,) = operations.shape_of(Tariff.objects.get()).elements
    assert [item.grace_period for item in element.price_components] == [None, 1800]
    text = admin_client.get(page(tariff)).content.decode()
    assert "6.00 EUR per hour of parking (the first 30 min free) · always" in text
    assert 'name="elements-0-PARKING_TIME_grace" value="30"' in text
    before = Tariff.objects.get().last_updated
    assert send_form(admin_client, page(tariff), FORM).status_code == 302
    assert Tariff.objects.get().last_updated == before


def test_staff_that_may_only_look_sees_prices_and_versions_and_no_question(
    client: Client, admin_client: Client, used: Tariff
) -> None:
    answer = {**DEARER, "successor_id": "T1-2", "change_at": "2100-01-01T00:00"}
    send_form(admin_client, page(used), FORM, **answer)
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_tariff"))
    client.force_login(user)
    text = client.get(page(used)).content.decode()
    assert "0.50 EUR per kWh (VAT 19 %) · always" in text
    assert "Versions" in text
    assert "T1-2" in text
    assert "New prices from" not in text

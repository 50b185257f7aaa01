"""The pages of drift checks: starting, watching, reading, healing; and who may."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common import clock
from roaming.models import Change, Drift, DriftCheck, DriftKind, DriftState, Partner, PartnerStatus
from roaming.operations import drift
from tests.factories import TariffFactory
from tests.roaming.conftest import make_partner
from tests.roaming.holding import Holder, holding, make_cdr, make_network

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/roaming/driftcheck/"


@pytest.fixture
def holder(settings: Settings, tmp_path: Path) -> Iterator[Holder]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with holding(tmp_path) as running:
        make_network()
        make_cdr()
        running.drain()
        yield running


@pytest.fixture
def spoilt(holder: Holder) -> DriftCheck:
    """A check with a finding of each kind."""
    holder.spoil("locations", "SITE1", name="<b>Spoilt</b>", crm=7)
    holder.lose("locations", "SITE2")
    cdr_id = holder.emsp.objects("cdrs")[0]["id"]
    holder.spoil("cdrs", cdr_id, total_energy=1)
    return holder.check()


def page_of(client: Client, check: DriftCheck, query: str = "") -> str:
    response = client.get(f"{LIST}{check.pk}/change/{query}")
    assert response.status_code == 200
    return str(response.content.decode())


def staff(*permissions: str) -> Client:
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def texts(page: str) -> str:
    """Return what a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_empty_list_says_what_to_do_next(admin_client: Client) -> None:
    page = admin_client.get(LIST).content.decode()
    assert "No check has run yet: start one." in page
    assert reverse("admin:drift_start") in page
    start = admin_client.get(reverse("admin:drift_start")).content.decode()
    assert "No partner is registered yet: invite one under Partners." in start


def test_a_check_is_started_from_the_partners_page(holder: Holder, admin_client: Client) -> None:
    partner = holder.partner
    its_page = admin_client.get(f"/admin/roaming/partner/{partner.pk}/change/").content.decode()
    its_list = f"{LIST}?partner__id__exact={partner.pk}"
    assert its_list in its_page
    start = reverse("admin:drift_start_with", args=[partner.pk])
    assert start in admin_client.get(its_list).content.decode()

    asked = texts(admin_client.get(start).content.decode())
    assert "Check all 5 objects" in asked
    response = admin_client.post(start, {"which": "all"})

    check = DriftCheck.objects.get()
    assert response.headers["Location"] == f"{LIST}{check.pk}/change/"
    assert (check.sample, check.started_by, check.total) == (None, "admin", 5)
    page = page_of(admin_client, check)
    assert "This page refreshes by itself." in page
    assert "refresh.js" in page


def test_a_sample_is_offered_where_it_is_less_than_all(
    holder: Holder, admin_client: Client, settings: Settings
) -> None:
    settings.DRIFT_SAMPLE = 1
    Partner.objects.update(dialect={"requests_per_minute": 30})
    start = reverse("admin:drift_start_with", args=[holder.partner.pk])

    asked = texts(admin_client.get(start).content.decode())

    assert "Check 1 of each kind: 4 objects" in asked
    assert "The partner takes 30 requests a minute." in asked
    admin_client.post(start, {"which": "sample"})
    assert DriftCheck.objects.get().sample == 1


def test_the_page_shows_both_sides_of_what_differs(
    spoilt: DriftCheck, admin_client: Client
) -> None:
    page = page_of(admin_client, spoilt)
    said = texts(page)
    assert "3 objects were not as they should be." in said
    assert "Location SITE1" in said
    assert "name Test location &lt;b&gt;Spoilt&lt;/b&gt;" in said
    assert "crm its own absent 7" in said
    assert "Fields of its own, which we do not send: crm." in said
    assert "does not have it" in said
    assert "To the CDR: credit it and bill again" in said
    assert "refresh.js" not in page


def test_findings_are_filtered_by_module_and_kind(spoilt: DriftCheck, admin_client: Client) -> None:
    only = page_of(admin_client, spoilt, "?module=locations&kind=MISSING")
    assert "Location SITE2" in only
    assert "Location SITE1" not in only
    assert "CDR " not in texts(only).split("Differences")[-1]
    assert "?kind=MISSING" in only
    odd = page_of(admin_client, spoilt, "?module=x&kind=%27&p=x")
    assert "Location SITE1" in odd


def test_everything_is_healed_with_one_click_after_a_question(
    spoilt: DriftCheck, admin_client: Client
) -> None:
    heal = reverse("admin:drift_heal", args=[spoilt.pk])
    page = page_of(admin_client, spoilt)
    assert heal in page
    assert "Heal all 2 objects…" in page

    asked = texts(admin_client.get(heal).content.decode())
    assert "Send 2 objects to First eMSP again?" in asked
    assert "Locations: 2" in asked
    assert not Drift.objects.filter(healed_at__isnull=False).exists()
    response = admin_client.post(heal, follow=True)

    assert "2 objects are on their way again." in response.content.decode()
    healed = Drift.objects.filter(healed_at__isnull=False)
    assert set(healed.values_list("module", flat=True)) == {"locations"}
    assert Change.objects.filter(partner=spoilt.partner).count() == 2
    again = admin_client.post(heal, follow=True)
    assert "There is nothing to heal here any more." in again.content.decode()
    assert Change.objects.filter(partner=spoilt.partner).count() == 2


def test_one_finding_is_healed_alone(spoilt: DriftCheck, admin_client: Client) -> None:
    row = spoilt.drifts.get(kind=DriftKind.MISSING)
    heal = reverse("admin:drift_heal", args=[spoilt.pk]) + f"?drift={row.pk}"
    assert "Send Location SITE2 to First eMSP again?" in admin_client.get(heal).content.decode()
    admin_client.post(heal)
    assert list(Drift.objects.filter(healed_at__isnull=False)) == [row]
    assert "Sent again (UTC)" in page_of(admin_client, spoilt)


def test_a_missing_cdr_is_sent_again_only_after_a_question_of_its_own(
    holder: Holder, admin_client: Client
) -> None:
    holder.lose("cdrs", holder.emsp.objects("cdrs")[0]["id"])
    holder.spoil("tariffs", "DAY", currency="USD")
    check = holder.check()
    heal = reverse("admin:drift_heal", args=[check.pk])
    admin_client.post(heal)
    assert check.drifts.get(module="cdrs").healed_at is None

    asked = admin_client.get(f"{heal}?cdrs=1").content.decode()
    assert "a CDR must never be booked twice" in asked
    assert "cpo-button-danger" in asked
    admin_client.post(f"{heal}?cdrs=1")

    assert check.drifts.get(module="cdrs").healed_at is not None
    holder.drain()
    assert len(holder.emsp.objects("cdrs")) == 1


def test_a_cdr_that_differs_cannot_be_healed_by_hand_made_requests(
    spoilt: DriftCheck, admin_client: Client
) -> None:
    row = spoilt.drifts.get(module="cdrs")
    for query in (f"?drift={row.pk}", "?cdrs=1", "?drift=x", f"?drift={10**20}"):
        url = reverse("admin:drift_heal", args=[spoilt.pk]) + query
        assert "nothing to heal" in admin_client.post(url, follow=True).content.decode()
    row.refresh_from_db()
    assert row.healed_at is None


def test_a_partner_without_get_is_called_so(holder: Holder, admin_client: Client) -> None:
    holder.emsp.misbehave("status", status=405)
    said = texts(page_of(admin_client, holder.check()))
    assert "Nothing could be compared." in said
    assert "the partner answers no GET here" in said


def test_a_check_is_stopped_and_goes_on(holder: Holder, admin_client: Client) -> None:
    check = drift.start_check(partner_id=holder.partner.pk, sample=None, now=clock.now())
    stop, resume = (reverse(f"admin:drift_{name}", args=[check.pk]) for name in ("stop", "resume"))
    admin_client.get(stop)
    check.refresh_from_db()
    assert check.state == DriftState.WAITING
    admin_client.post(stop)
    page = page_of(admin_client, check)
    assert "Stopped by staff." in page
    assert resume in page
    admin_client.post(resume)
    check.refresh_from_db()
    assert check.state == DriftState.RUNNING
    assert "It has ended already" in admin_client.post(resume, follow=True).content.decode()


def test_of_a_partner_that_is_gone_nothing_is_started_or_healed(
    spoilt: DriftCheck, admin_client: Client
) -> None:
    Partner.objects.update(status=PartnerStatus.SUSPENDED)
    heal = reverse("admin:drift_heal", args=[spoilt.pk])
    start = reverse("admin:drift_start_with", args=[spoilt.partner_id])
    assert heal not in page_of(admin_client, spoilt)
    said = admin_client.post(heal, follow=True).content.decode()
    assert "The partner is not registered: nothing was sent." in said
    assert "choose another" in admin_client.post(start, follow=True).content.decode()
    assert DriftCheck.objects.count() == 1


def test_who_may_view_may_not_start_or_heal(spoilt: DriftCheck) -> None:
    viewer = staff("view_driftcheck", "view_partner")
    page = page_of(viewer, spoilt)
    heal = reverse("admin:drift_heal", args=[spoilt.pk])
    assert "Location SITE1" in page
    assert heal not in page
    assert reverse("admin:drift_start") not in viewer.get(LIST).content.decode()
    partner_page = viewer.get(f"/admin/roaming/partner/{spoilt.partner_id}/change/")
    assert f"{LIST}?partner__id__exact" in partner_page.content.decode()
    refused: list[Any] = [
        viewer.post(heal),
        viewer.get(reverse("admin:drift_start")),
        viewer.post(reverse("admin:drift_start_with", args=[spoilt.partner_id])),
        viewer.post(reverse("admin:drift_stop", args=[spoilt.pk])),
        viewer.post(reverse("admin:drift_resume", args=[spoilt.pk])),
        staff("view_partner").get(f"{LIST}{spoilt.pk}/change/"),
        staff("change_partner").post(heal),
    ]
    assert [response.status_code for response in refused] == [403] * len(refused)
    assert not Drift.objects.filter(healed_at__isnull=False).exists()


def test_the_pages_take_as_many_queries_whatever_they_show(
    spoilt: DriftCheck, admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    url = f"{LIST}{spoilt.pk}/change/?module=tariffs"
    now = clock.now()

    def add(count: int) -> None:
        for number in range(count):
            tariff = TariffFactory()
            Drift.objects.create(
                check_run=spoilt,
                module="tariffs",
                object_id=tariff.pk,
                kind=DriftKind.DIFFERENT,
                differences=[{"path": f"f{number}", "ours": "1", "theirs": None}],
                found_at=now,
            )

    add(1)
    admin_client.get(url)
    with django_assert_num_queries(9):
        admin_client.get(url)
    add(30)
    with django_assert_num_queries(9):
        page = admin_client.get(url).content.decode()
    assert page.count("<h2>Tariff AUTO") == 20
    assert "Next page" in page
    assert "p=2" in page
    for number in range(3):
        partner = make_partner(f"Partner {number}", f"P{number}Q").partner
        drift.start_check(partner_id=partner.pk, sample=1, now=now)
    with django_assert_num_queries(5):
        admin_client.get(LIST)


def test_the_pages_speak_japanese(spoilt: DriftCheck, admin_client: Client) -> None:
    page = admin_client.get(
        f"{LIST}{spoilt.pk}/change/", headers={"Accept-Language": "ja"}
    ).content.decode()
    assert "3 件が本来の内容と異なっていました。" in page
    assert "objects" not in texts(page).replace("data-", "")

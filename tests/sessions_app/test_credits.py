"""Credit CDRs: how a bill that nobody can change is taken back."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.test import Client

from roaming.models import Partner, PartnerRole
from sessions_app.models import Cdr
from sessions_app.operations import sessions
from sessions_app.operations.credits import NotCreditable, credit_cdr, credit_of
from sessions_app.signals import cdr_issued
from tests.admin_data import make_location, make_party, make_session, make_tariff
from tests.factories import NOW, SessionFactory

pytestmark = pytest.mark.django_db

CDRS = "/admin/sessions_app/cdr/"
LATER = NOW + timedelta(days=1)


@pytest.fixture
def cdr() -> Cdr:
    """Return a CDR of 11 kWh at 0.50 EUR, plus 19 % VAT."""
    make_party()
    make_tariff()
    make_session(make_location(tariff_ids=["T1"]))
    return Cdr.objects.get()


def columns(row: Cdr) -> dict[str, Any]:
    return dict(Cdr.objects.values().get(pk=row.pk))


@pytest.mark.rule("CDR-06")
def test_a_credit_is_the_original_with_another_id_and_the_total_negative(cdr: Cdr) -> None:
    before = columns(cdr)

    credit = credit_cdr(cdr_id=cdr.pk, now=LATER)

    after = columns(credit)
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {
        *("id", "created_at", "last_updated", "ocpi_id", "credit", "credit_reference_id"),
        *("total_cost_before_taxes", "total_cost_after_taxes", "costs"),
    }
    assert (credit.ocpi_id, credit.credit) == (f"{cdr.ocpi_id}-C", True)
    assert (credit.credit_reference_id, credit.last_updated) == (cdr.ocpi_id, LATER)
    assert len(credit.ocpi_id) <= 39
    assert credit.total_cost_before_taxes == Decimal("-5.5")
    assert credit.total_cost_after_taxes == Decimal("-6.545")
    assert _amounts(credit) == [Decimal("-5.5"), Decimal("-1.045")]
    assert {name: value for name, value in credit.costs.items() if name != "total_cost"} == {
        name: value for name, value in cdr.costs.items() if name != "total_cost"
    }


def _amounts(credit: Cdr) -> list[Decimal]:
    total = credit.costs["total_cost"]
    return [Decimal(total["before_taxes"]), *(Decimal(tax["amount"]) for tax in total["taxes"])]


@pytest.mark.rule("CDR-01")
def test_the_original_stays_as_it_was_and_the_database_keeps_it_so(cdr: Cdr) -> None:
    before = columns(cdr)

    credit = credit_cdr(cdr_id=cdr.pk, now=LATER)

    assert columns(cdr) == before
    for row in (cdr, credit):
        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            Cdr.objects.filter(pk=row.pk).update(total_cost_before_taxes=0)
        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            Cdr.objects.filter(pk=row.pk).delete()


@pytest.mark.rule("CDR-06")
def test_a_cdr_is_credited_once_and_a_credit_never(cdr: Cdr) -> None:
    credit = credit_cdr(cdr_id=cdr.pk, now=LATER)

    with pytest.raises(NotCreditable, match=f"credited before by {credit.ocpi_id}"):
        credit_cdr(cdr_id=cdr.pk, now=LATER)
    with pytest.raises(NotCreditable, match="is a credit CDR itself"):
        credit_cdr(cdr_id=credit.pk, now=LATER)
    assert Cdr.objects.count() == 2
    assert credit_of(cdr) == credit
    assert credit_of(credit) is None


def test_a_credit_is_announced_as_a_cdr_of_its_own(cdr: Cdr) -> None:
    heard: list[int] = []

    def hear(*, cdr_id: int, **_kwargs: Any) -> None:
        heard.append(cdr_id)

    cdr_issued.connect(hear)
    try:
        credit = credit_cdr(cdr_id=cdr.pk, now=LATER)
    finally:
        cdr_issued.disconnect(hear)
    assert heard == [credit.pk]


@pytest.mark.rule("CDR-06")
def test_taxes_that_are_not_known_stay_unknown(cdr: Cdr) -> None:
    unknown = _without_known_taxes(cdr)

    credit = credit_cdr(cdr_id=unknown.pk, now=LATER)

    assert credit.total_cost_after_taxes is None
    assert credit.costs["total_cost"] == {"before_taxes": "-5.5000"}


def _without_known_taxes(cdr: Cdr) -> Cdr:
    row = Cdr.objects.get(pk=cdr.pk)
    row.pk = None
    row.ocpi_id, row.session = "UNKNOWN-TAXES", None
    row.total_cost_after_taxes = None
    row.costs = row.costs | {"total_cost": {"before_taxes": "5.5000"}}
    row.save(force_insert=True)
    return row


def test_a_bill_of_nothing_is_credited_with_nothing() -> None:
    session = SessionFactory()
    _session, cdr = sessions.stop_session(session_id=session.pk, ended_at=NOW, now=NOW)
    assert cdr is not None

    credit = credit_cdr(cdr_id=cdr.pk, now=LATER)

    assert str(credit.total_cost_before_taxes).startswith("0")
    assert not credit.costs["total_cost"]["before_taxes"].startswith("-")


# --- The admin


def test_staff_is_asked_before_and_shown_both_totals(admin_client: Client, cdr: Cdr) -> None:
    page = admin_client.get(f"{CDRS}{cdr.pk}/change/").content.decode()
    assert f'href="{CDRS}{cdr.pk}/credit/"' in page
    assert "Credit this CDR" in page

    asked = admin_client.get(f"{CDRS}{cdr.pk}/credit/").content.decode()

    for expected in ("6.545 EUR", "-6.545 EUR", f"{cdr.ocpi_id}-C", "cannot be undone"):
        assert expected in asked, expected
    assert Cdr.objects.count() == 1


def test_staff_credits_a_cdr_and_both_pages_name_each_other(admin_client: Client, cdr: Cdr) -> None:
    response = admin_client.post(f"{CDRS}{cdr.pk}/credit/")

    credit = Cdr.objects.get(credit=True)
    assert response.headers["Location"] == f"{CDRS}{credit.pk}/change/"
    original_page = admin_client.get(f"{CDRS}{cdr.pk}/change/").content.decode()
    credit_page = admin_client.get(f"{CDRS}{credit.pk}/change/").content.decode()
    assert f'href="{CDRS}{credit.pk}/change/"' in original_page
    assert f'href="{CDRS}{cdr.pk}/change/"' in credit_page
    # Neither can be credited again.
    assert "Credit this CDR" not in original_page
    assert "Credit this CDR" not in credit_page


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_was_credited_is_not_credited_again(
    admin_client: Client, cdr: Cdr, method: str
) -> None:
    credit = credit_cdr(cdr_id=cdr.pk, now=LATER)

    for row in (cdr, credit):
        response = getattr(admin_client, method)(f"{CDRS}{row.pk}/credit/")
        assert response.headers["Location"] == f"{CDRS}{row.pk}/change/"
    assert Cdr.objects.count() == 2


def test_only_who_may_add_cdrs_may_credit_them(client: Client, cdr: Cdr) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_cdr"))
    client.force_login(reader)

    page = client.get(f"{CDRS}{cdr.pk}/change/").content.decode()

    assert "Credit this CDR" not in page
    assert client.get(f"{CDRS}{cdr.pk}/credit/").status_code == 403
    assert client.post(f"{CDRS}{cdr.pk}/credit/").status_code == 403
    assert Cdr.objects.count() == 1


def test_crediting_a_cdr_that_does_not_exist_leads_to_the_list(admin_client: Client) -> None:
    response = admin_client.get(f"{CDRS}12345/credit/")

    assert response.headers["Location"] == CDRS


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
def test_staff_is_told_of_a_partner_that_knows_no_credit_cdrs(
    admin_client: Client, cdr: Cdr, version: str
) -> None:
    partner = Partner.objects.create(
        name="Old eMSP",
        status="REGISTERED",
        version=version,
        versions_url="https://emsp.example/versions",
        token_encrypted="x",
    )
    PartnerRole.objects.create(partner=partner, role="EMSP", country_code="NL", party_id="EMS")

    pages = [
        admin_client.get(f"{CDRS}{cdr.pk}/{page}/").content.decode()
        for page in ("change", "credit")
    ]

    sentence = "Old eMSP speaks OCPI 2.1.1, which has no credit CDRs"
    assert [sentence in page for page in pages] == [version == "2.1.1"] * 2
    assert ("is issued and sent to the partner" in pages[1]) == (version == "2.2.1")

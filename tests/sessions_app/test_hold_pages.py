"""The pages on which staff releases, corrects, and bills again."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from cpo_platform.common import clock
from roaming.models import Partner, PartnerRole
from sessions_app.admin.findings import READINGS_SHOWN, finding_text
from sessions_app.corrections import Correction
from sessions_app.metering import Reading
from sessions_app.models import Cdr, CdrHold, Session
from sessions_app.operations import holds, sessions
from sessions_app.operations.credits import credit_cdr
from sessions_app.operations.rebilling import rebill_cdr
from sessions_app.preflight import Code
from tariffs.models import Tariff
from tests.factories import NOW, SessionFactory, TariffFactory
from tests.sessions_app.test_holds import LATER, bill, held, minute, reading

pytestmark = pytest.mark.django_db

HOLDS = "/admin/sessions_app/cdrhold/"
CDRS = "/admin/sessions_app/cdr/"


@pytest.fixture
def hold() -> CdrHold:
    return held()


@pytest.fixture
def reader(client: Client) -> Client:
    """Return the browser of somebody who may look and not act."""
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_cdr", "view_cdrhold", "view_session"])
    )
    client.force_login(user)
    return client


def partner(version: str) -> Partner:
    row = Partner.objects.create(
        name="Some eMSP",
        status="REGISTERED",
        version=version,
        versions_url="https://emsp.example/versions",
        token_encrypted="x",
    )
    PartnerRole.objects.create(partner=row, role="EMSP", country_code="NL", party_id="EMS")
    return row


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, response
    return str(response.content.decode())


def hidden(text: str) -> dict[str, list[str]]:
    """Return what the button that confirms sends."""
    form = text.partition('value="confirm"')[0].rpartition("<form")[2]
    fields: dict[str, list[str]] = {"step": ["confirm"]}
    for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(value)
    return fields


# --- The list


def test_the_list_shows_what_waits_first_and_longest(admin_client: Client) -> None:
    rows = [held(*[reading(at, kwh) for at, kwh in ((30, "1900"), (60, "1901"))]) for _ in range(3)]
    holds.release_cdr(hold_id=rows[0].pk, by="anna", now=LATER)
    CdrHold.objects.filter(pk=rows[2].pk).update(held_at=NOW)

    text = page(admin_client, HOLDS)

    places = [text.index(f"{HOLDS}{row.pk}/change/") for row in (rows[2], rows[1], rows[0])]
    assert places == sorted(places)
    assert "The meter jumped by 900 kWh" in text
    assert "Issued as it was" in text
    assert '<span class="cpo-pill cpo-red">2</span> Held' in text


def test_the_empty_list_says_what_it_is_for(admin_client: Client) -> None:
    assert "Nothing is held. A CDR waits here when its numbers cannot be right" in page(
        admin_client, HOLDS
    )


@pytest.mark.parametrize("rows", [1, 5])
def test_the_list_takes_the_same_number_of_queries_whatever_is_held(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, rows: int
) -> None:
    for _number in range(rows):
        held()

    # Login (2), chips, count, rows.
    with django_assert_num_queries(5):
        admin_client.get(HOLDS)


def test_the_home_page_counts_what_waits_and_is_silent_otherwise(admin_client: Client) -> None:
    assert "held for staff" not in page(admin_client, "/admin/")
    hold = held()

    assert f'href="{HOLDS}?state__exact=HELD"' in page(admin_client, "/admin/")

    holds.release_cdr(hold_id=hold.pk, by="anna", now=LATER)
    assert "held for staff" not in page(admin_client, "/admin/")


# --- The page of one


def test_the_page_says_why_what_it_would_say_and_to_whom_it_goes(
    admin_client: Client, hold: CdrHold
) -> None:
    partner("2.2.1")

    text = page(admin_client, f"{HOLDS}{hold.pk}/change/")

    for expected in (
        "The meter ran backwards: 1904 kWh, then 1010 kWh at 2026-06-01 11:00:00 CEST.",
        "The meter jumped by 900 kWh in 1 min",
        "is more than a connector of 22 kW can give",
        "It goes to Some eMSP (NL*EMS), OCPI 2.2.1.",
        "Price, line by line",
        "Charging periods",
        '<span class="cpo-pill cpo-red">Doubtful</span>',
        f'href="{HOLDS}{hold.pk}/release/"',
        f'href="{HOLDS}{hold.pk}/correct/"',
        f'href="/admin/sessions_app/session/{hold.session_id}/change/"',
    ):
        assert expected in text, expected


def test_it_says_where_nobody_can_be_sent_it(admin_client: Client, hold: CdrHold) -> None:
    assert "No partner speaks for NL*EMS at the moment" in page(
        admin_client, f"{HOLDS}{hold.pk}/change/"
    )


def test_the_session_links_to_its_hold_and_then_to_its_cdr(
    admin_client: Client, hold: CdrHold
) -> None:
    url = f"/admin/sessions_app/session/{hold.session_id}/change/"
    assert f'href="{HOLDS}{hold.pk}/change/"' in page(admin_client, url)

    cdr = holds.release_cdr(hold_id=hold.pk, by="anna", now=LATER)

    text = page(admin_client, url)
    assert f'href="{CDRS}{cdr.pk}/change/"' in text
    assert "Doubtful when it ended" in text


def test_the_readings_come_in_pages_and_the_first_shows_the_doubtful_one(
    admin_client: Client,
) -> None:
    readings = [reading(number, str(1000 + number / 10)) for number in range(1, 180)]
    readings += [reading(number, str(1900 + number / 10)) for number in range(180, 241)]
    hold = held(*readings, minutes=240)

    text = page(admin_client, f"{HOLDS}{hold.pk}/change/")

    assert "page 4 of 5. Doubtful in all: 1." in text
    assert text.count(" kWh</td>") <= READINGS_SHOWN + 20
    assert text.count("Doubtful</span>") == 1
    assert 'href="?readings=3#readings"' in text
    for asked, shown in (("1", 1), ("5", 5), ("99", 5), ("0", 1), ("x", 4)):
        assert f"page {shown} of 5" in page(
            admin_client, f"{HOLDS}{hold.pk}/change/?readings={asked}"
        )


def test_every_code_has_its_words() -> None:
    session = SessionFactory()
    values = dict.fromkeys(
        ("before", "after", "kwh", "minutes", "limit", "power", "hours", "cost"), "1"
    ) | dict.fromkeys(("start", "stopped_at", "before_at", "at"), "2026-06-01T08:00:00Z")

    for code in Code:
        text = finding_text({"code": code.value, "values": values, "holds": True}, session)
        assert text.endswith((".", "."))
        assert "%" not in text


# --- Released


def test_staff_releases_it_and_is_told_first_what_happens(
    admin_client: Client, hold: CdrHold
) -> None:
    partner("2.3.0")
    url = f"{HOLDS}{hold.pk}/release/"

    asked = page(admin_client, url)
    for expected in ("The CDR is issued at once: ", "OCPI 2.3.0", "cannot be changed after that"):
        assert expected in asked, expected
    assert Cdr.objects.count() == 0

    response = admin_client.post(url, {"note": "It is right"})

    cdr = Cdr.objects.get()
    hold.refresh_from_db()
    assert response.headers["Location"] == f"{CDRS}{cdr.pk}/change/"
    assert (hold.state, hold.decided_by, hold.note) == ("RELEASED", "admin", "It is right")
    text = page(admin_client, f"{HOLDS}{hold.pk}/change/")
    assert f'href="{HOLDS}{hold.pk}/release/"' not in text
    assert f'href="{CDRS}{cdr.pk}/change/"' in text
    assert "It is right" in text


@pytest.mark.parametrize("action", ["release", "correct"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_was_decided_is_not_decided_again(
    admin_client: Client, hold: CdrHold, action: str, method: str
) -> None:
    holds.release_cdr(hold_id=hold.pk, by="anna", now=LATER)

    response = getattr(admin_client, method)(f"{HOLDS}{hold.pk}/{action}/")

    assert response.headers["Location"] == f"{HOLDS}{hold.pk}/change/"
    assert Cdr.objects.count() == 1


@pytest.mark.parametrize("action", ["release", "correct"])
def test_who_may_only_look_cannot_decide(reader: Client, hold: CdrHold, action: str) -> None:
    url = f"{HOLDS}{hold.pk}/{action}/"

    assert url not in page(reader, f"{HOLDS}{hold.pk}/change/")
    assert reader.get(url).status_code == 403
    assert reader.post(url, {"note": "x"}).status_code == 403
    assert Cdr.objects.count() == 0


def test_a_hold_that_does_not_exist_leads_to_the_list(admin_client: Client) -> None:
    for action in ("release", "correct"):
        assert admin_client.get(f"{HOLDS}12345/{action}/").headers["Location"] == HOLDS


# --- Corrected


def test_staff_corrects_it_in_steps(admin_client: Client, hold: CdrHold) -> None:
    url = f"{HOLDS}{hold.pk}/correct/"
    form = page(admin_client, url)
    assert "2026-06-01 10:21:00: 1904 kWh" in form
    assert "By the clock of Europe/Amsterdam" in form

    preview = admin_client.post(
        url, {"energy": "10", "end": "2026-06-01 10:50", "note": "A bad meter"}
    ).content.decode()

    assert Cdr.objects.count() == 0
    for expected in (
        "Issue the corrected CDR?",
        "2026-06-01 10:50:00 CEST",
        "4.00 EUR",
        "Nothing is doubtful.",
    ):
        assert expected in preview, expected

    response = admin_client.post(url, hidden(preview))

    cdr = Cdr.objects.get()
    assert response.headers["Location"] == f"{CDRS}{cdr.pk}/change/"
    assert (cdr.total_energy, cdr.end_date_time) == (Decimal(10), minute(50))
    assert "A bad meter" in page(admin_client, f"{CDRS}{cdr.pk}/change/")


def test_the_preview_leads_back_to_the_form_with_what_was_typed(
    admin_client: Client, hold: CdrHold
) -> None:
    url = f"{HOLDS}{hold.pk}/correct/"

    text = admin_client.post(
        url, {"energy": "10.5", "note": "A bad meter", "step": "edit"}
    ).content.decode()

    assert 'value="10.5"' in text
    assert 'value="A bad meter"' in text
    assert Cdr.objects.count() == 0


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"note": "x"}, "Nothing is corrected: fill in what was wrong."),
        ({"energy": "10"}, "This field is required."),
        ({"energy": "-1", "note": "x"}, "greater than or equal to 0"),
        ({"end": "2026-06-01 09:00", "note": "x"}, "The end must not be before the start."),
        ({"end": "2199-06-01 09:00", "note": "x"}, "The end must not be in the future."),
        ({"start": "yesterday", "note": "x"}, "Enter a valid date/time."),
        # The clock of Amsterdam skips this hour.
        ({"start": "2026-03-29 02:30", "note": "x"}, "couldn’t be interpreted in time zone"),
        ({"tariff": "12345", "note": "x"}, "Select a valid choice."),
        ({"without_readings": "2026-06-01T08:02:00+00:00", "note": "x"}, "Select a valid choice."),
    ],
)
def test_what_cannot_be_is_said_at_the_form(
    admin_client: Client, hold: CdrHold, typed: dict[str, str], text: str
) -> None:
    for step in ("preview", "confirm"):
        response = admin_client.post(f"{HOLDS}{hold.pk}/correct/", typed | {"step": step})
        assert text in response.content.decode(), step
    assert Cdr.objects.count() == 0


def test_what_changed_since_the_preview_is_shown_again_and_not_done(
    admin_client: Client, hold: CdrHold
) -> None:
    other = TariffFactory(id="OTHER")
    url = f"{HOLDS}{hold.pk}/correct/"
    preview = admin_client.post(url, {"tariff": str(other.pk), "note": "x"}).content.decode()
    TariffFactory(id="OTHER", elements=_dear(), now=clock.now())

    response = admin_client.post(url, hidden(preview))

    again = response.content.decode()
    assert "Something has changed meanwhile" in again
    assert Cdr.objects.count() == 0
    admin_client.post(url, hidden(again))
    assert Cdr.objects.get().tariffs[0]["id"] == "OTHER"


def _dear() -> list[dict[str, Any]]:
    return [{"price_components": [{"type": "ENERGY", "price": "9", "step_size": 1}]}]


def test_only_tariffs_of_the_party_and_currency_are_offered(
    admin_client: Client, hold: CdrHold
) -> None:
    TariffFactory(id="CROWNS", currency="SEK")
    TariffFactory(id="FOREIGN", party_id="XYZ")
    TariffFactory(id="FITS")
    Tariff.objects.filter(ocpi_id="GONE").update(deleted_at=NOW)

    text = page(admin_client, f"{HOLDS}{hold.pk}/correct/")

    assert "FITS" in text
    assert "CROWNS" not in text
    assert "FOREIGN" not in text


# --- Credited and billed again


def test_staff_bills_again_in_steps_and_sees_both_documents(admin_client: Client) -> None:
    cdr = bill()
    partner("2.2.1")
    url = f"{CDRS}{cdr.pk}/rebill/"
    assert f'href="{url}"' in page(admin_client, f"{CDRS}{cdr.pk}/change/")

    preview = admin_client.post(url, {"energy": "5", "note": "A complaint"}).content.decode()

    for expected in (
        "2.00 EUR less is due before taxes, 2.42 EUR less after taxes.",
        "First the credit CDR is issued and sent, then the new CDR.",
        "It goes to Some eMSP (NL*EMS), OCPI 2.2.1.",
        "-4.00 EUR",
        "-4.84 EUR",
        "2.42 EUR",
        f"Replaces CDR {cdr.ocpi_id}.",
    ):
        assert expected in preview, expected
    assert preview.index("-4.84 EUR") < preview.index('value="confirm"')
    assert Cdr.objects.count() == 1

    response = admin_client.post(url, hidden(preview))

    new = Cdr.objects.get(replaces=cdr)
    assert response.headers["Location"] == f"{CDRS}{new.pk}/change/"
    text = page(admin_client, f"{CDRS}{new.pk}/change/")
    assert f'href="{CDRS}{cdr.pk}/change/"' in text
    assert "Replacement" in text
    original = page(admin_client, f"{CDRS}{cdr.pk}/change/")
    assert f'href="{CDRS}{new.pk}/change/"' in original
    assert url not in original
    assert f'href="{CDRS}{cdr.pk}/statement/"' in original


def test_the_form_begins_with_the_correction_before(admin_client: Client) -> None:
    first = bill()
    new = rebill_cdr(
        cdr_id=first.pk, correction=Correction(energy=Decimal("5.5")), by="anna", now=LATER
    ).replacement

    text = page(admin_client, f"{CDRS}{new.pk}/rebill/")

    assert 'value="5.5"' in text


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_cannot_be_billed_again_leads_back_to_its_page(
    admin_client: Client, method: str
) -> None:
    cdr = bill()
    credit = credit_cdr(cdr_id=cdr.pk, now=LATER)
    orphan = Cdr.objects.get(pk=cdr.pk)
    orphan.pk, orphan.ocpi_id, orphan.session = None, "ORPHAN", None
    orphan.save(force_insert=True)

    for row in (cdr, credit, orphan):
        response = getattr(admin_client, method)(
            f"{CDRS}{row.pk}/rebill/", {"energy": "5", "note": "x", "step": "confirm"}
        )
        assert response.headers["Location"] == f"{CDRS}{row.pk}/change/"
    assert Cdr.objects.count() == 3
    assert admin_client.get(f"{CDRS}12345/rebill/").headers["Location"] == CDRS


def test_who_may_only_look_cannot_bill_again(reader: Client) -> None:
    cdr = bill()
    url = f"{CDRS}{cdr.pk}/rebill/"

    assert url not in page(reader, f"{CDRS}{cdr.pk}/change/")
    assert reader.get(url).status_code == 403
    assert reader.post(url, {"energy": "5", "note": "x", "step": "confirm"}).status_code == 403
    assert Cdr.objects.count() == 1


# --- What 2.1.1 partners get instead


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1"])
def test_staff_is_told_of_a_partner_that_is_sent_neither(
    admin_client: Client, version: str
) -> None:
    cdr = bill()
    partner(version)
    url = f"{CDRS}{cdr.pk}/rebill/"

    pages = [
        page(admin_client, f"{CDRS}{cdr.pk}/change/"),
        page(admin_client, url),
        admin_client.post(url, {"energy": "5", "note": "x"}).content.decode(),
    ]

    sentence = "it is sent neither a credit CDR nor one that replaces this"
    assert [sentence in text for text in pages] == [version == "2.1.1"] * 3
    assert ("First the credit CDR is issued and sent" in pages[2]) == (version == "2.2.1")
    # And once more when it is done.
    done = admin_client.post(url, hidden(pages[2]), follow=True).content.decode()
    assert (sentence in done) == (version == "2.1.1")


def test_the_statement_compares_what_was_billed_first_with_what_counts(
    admin_client: Client,
) -> None:
    first = bill()
    second = rebill_cdr(
        cdr_id=first.pk, correction=Correction(energy=Decimal(5)), by="anna", now=LATER
    ).replacement
    third = rebill_cdr(
        cdr_id=second.pk, correction=Correction(energy=Decimal(15)), by="anna", now=LATER
    ).replacement

    for row in (first, second, Cdr.objects.filter(credit=True).order_by("pk")[0]):
        text = page(admin_client, f"{CDRS}{row.pk}/statement/")
        for expected in (
            first.ocpi_id,
            f"{first.ocpi_id}-C",
            third.ocpi_id,
            "2.00 EUR more is due before taxes, 2.42 EUR more after taxes.",
            "Test Charging (NL*TST)",
            "NL*EMS",
        ):
            assert expected in text, expected
        assert f">{second.ocpi_id}<" not in text


def test_the_statement_of_what_was_only_credited_says_that_nothing_is_due(
    admin_client: Client,
) -> None:
    cdr = bill()
    credit_cdr(cdr_id=cdr.pk, now=LATER)

    response = admin_client.get(f"{CDRS}{cdr.pk}/statement/?download")

    text = response.content.decode()
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="correction-{cdr.pk}.html"'
    )
    assert "none: nothing is due" in text
    assert "4.00 EUR less is due before taxes, 4.84 EUR less after taxes." in text
    assert "Download" not in text


def test_there_is_no_statement_of_what_was_not_corrected(admin_client: Client) -> None:
    cdr = bill()

    response = admin_client.get(f"{CDRS}{cdr.pk}/statement/")

    assert response.headers["Location"] == f"{CDRS}{cdr.pk}/change/"
    assert admin_client.get(f"{CDRS}12345/statement/").headers["Location"] == CDRS


def test_the_statement_speaks_the_language_of_the_admin(admin_client: Client) -> None:
    cdr = bill()
    credit_cdr(cdr_id=cdr.pk, now=LATER)

    response = admin_client.get(f"{CDRS}{cdr.pk}/statement/", headers={"accept-language": "ja"})

    text = response.content.decode()
    assert '<html lang="ja">' in text
    assert "Billed first" not in text


def test_energy_that_was_replaced_is_sold_once(admin_client: Client) -> None:
    session = SessionFactory(now=clock.now() - timedelta(hours=1))
    end = clock.now()
    _session, cdr = sessions.stop_session(
        session_id=session.pk, ended_at=end, now=end, readings=[Reading(end, Decimal(1010))]
    )
    assert cdr is not None
    rebill_cdr(cdr_id=cdr.pk, correction=Correction(energy=Decimal(5)), by="anna", now=clock.now())

    assert "<b>5 kWh</b>" in page(admin_client, "/admin/")
    assert Session.objects.count() == 1

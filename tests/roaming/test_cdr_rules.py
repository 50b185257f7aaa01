"""CDRs on their way: to whom, where they are kept, and how one is taken back (OCPI, mod_cdrs)."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from roaming.models import Delivery, Endpoint, Lane, Partner
from roaming.operations import feed
from sessions_app.corrections import Correction
from sessions_app.metering import Reading
from sessions_app.models import Cdr
from sessions_app.operations import sessions
from sessions_app.operations.credits import credit_cdr
from sessions_app.operations.rebilling import Rebilling, rebill_cdr
from tests.factories import ConnectorFactory, SessionFactory, cdr_token
from tests.roaming import lanes
from tests.roaming.conftest import Registered, make_partner
from tests.roaming.listening import Listener, listening

pytestmark = pytest.mark.django_db(transaction=True)

ALL = ("2.1.1", "2.2.1", "2.3.0")
CREDITING = ("2.2.1", "2.3.0")
SUCCESS = {"status_code": 1000, "timestamp": "2026-06-01T08:00:00Z"}


@pytest.fixture
def listener(settings: Settings) -> Iterator[Listener]:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with listening() as one:
        yield one


@pytest.fixture
def partner(request: pytest.FixtureRequest, listener: Listener) -> Registered:
    """NL*EMS, in the version that the test is run for; it wants CDRs."""
    made = make_partner()
    return speaking(made, request.param, listener)


def speaking(made: Registered, version: str, listener: Listener) -> Registered:
    Partner.objects.filter(pk=made.partner.pk).update(version=version)
    made.partner.refresh_from_db()
    Endpoint.objects.create(
        partner=made.partner, identifier="cdrs", role="RECEIVER", url=f"{listener.url}/emsp/cdrs"
    )
    return made


def in_versions(*versions: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("partner", versions, indirect=True)


def charged(party_id: str = "EMS") -> Cdr:
    """Return the CDR of 11 kWh at 0.40 EUR, plus 21 % VAT."""
    started = clock.now() - timedelta(hours=1)
    session = SessionFactory(
        connector=ConnectorFactory(now=started), cdr_token=cdr_token(party_id=party_id), now=started
    )
    ended = clock.now()
    _session, cdr = sessions.stop_session(
        session_id=session.pk,
        ended_at=ended,
        now=ended,
        readings=[Reading(ended, session.meter_start + 11)],
    )
    assert cdr is not None
    return cdr


def drain(who: Registered) -> None:
    lanes.drain(who.partner)


def pulled(who: Registered) -> list[dict[str, Any]]:
    reply = who.call.get(f"/ocpi/{who.partner.version}/cdrs")
    assert reply.status == 200
    return list(reply.data)


# --- To whom


@in_versions(*ALL)
@pytest.mark.rule("CDR-04")
def test_a_cdr_is_for_the_emsp_of_its_token_only(partner: Registered, listener: Listener) -> None:
    stranger = speaking(make_partner("Other", "FOE"), partner.partner.version, listener)
    own, foreign = charged(), charged("FOE")

    drain(partner)
    drain(stranger)

    assert [one.body["id"] for one in listener.heard] == [own.ocpi_id, foreign.ocpi_id]
    assert [item["id"] for item in pulled(partner)] == [own.ocpi_id]
    assert [item["id"] for item in pulled(stranger)] == [foreign.ocpi_id]


@in_versions(*ALL)
@pytest.mark.rule("CDR-04")
def test_a_cdr_goes_out_as_soon_as_its_session_has_ended(
    partner: Registered, listener: Listener
) -> None:
    cdr = charged()

    feed.sequence_changes()
    its_feed = lanes.feed_of(partner.partner, Lane.CHARGING)
    assert its_feed.pk in feed.feeds_with_news(now=clock.now())
    drain(partner)

    assert [(one.method, one.path) for one in listener.heard] == [("POST", "/emsp/cdrs")]
    assert listener.heard[0].body["id"] == cdr.ocpi_id


# --- Where it is kept


@in_versions(*ALL)
@pytest.mark.rule("CDR-02")
@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("https://emsp.example/kept/77?x=1", "https://emsp.example/kept/77?x=1"),
        # The specification's own example is relative to the URL of the POST.
        ("/ocpi/emsp/2.0/cdrs/123456", "{url}/ocpi/emsp/2.0/cdrs/123456"),
        ("123456", "{url}/emsp/123456"),
    ],
)
def test_the_url_that_the_partner_gives_a_cdr_is_kept(
    partner: Registered, listener: Listener, location: str, kept: str
) -> None:
    listener.answers.append((201, SUCCESS, {"Location": location}))
    charged()

    drain(partner)

    delivery = Delivery.objects.get(module="cdrs")
    assert delivery.url == kept.format(url=listener.url)
    assert (delivery.error, delivery.refused_at) == ("", None)


@in_versions(*ALL)
@pytest.mark.rule("CDR-03")
def test_without_a_url_a_cdr_is_delivered_all_the_same_and_staff_is_told(
    partner: Registered, listener: Listener
) -> None:
    charged()

    drain(partner)
    drain(partner)

    assert len(listener.heard) == 1
    delivery = Delivery.objects.get(module="cdrs")
    assert (delivery.url, delivery.delivered_at is None) == ("", False)
    assert "no Location header" in delivery.error


@in_versions(*ALL)
@pytest.mark.rule("CDR-03")
def test_a_cdr_whose_answer_was_lost_and_that_exists_by_now_is_delivered(
    partner: Registered, listener: Listener
) -> None:
    listener.answers.append((500, {"status_code": 3000}, {}))
    listener.answers.append(
        (200, {"status_code": 2000, "status_message": "CDR already exists"}, {})
    )
    cdr = charged()
    drain(partner)
    assert Delivery.objects.get(module="cdrs").delivered_at is None

    drain(partner)
    drain(partner)

    assert [one.body["id"] for one in listener.heard if one.method == "POST"] == [cdr.ocpi_id] * 2
    delivery = Delivery.objects.get(module="cdrs")
    assert delivery.delivered_at is not None
    assert delivery.refused_at is None


# --- How one is taken back


@in_versions(*CREDITING)
@pytest.mark.rule("CDR-01", "CDR-06")
def test_a_credit_goes_out_as_a_cdr_of_its_own_and_the_original_is_not_sent_again(
    partner: Registered, listener: Listener
) -> None:
    cdr = charged()
    drain(partner)

    credit = credit_cdr(cdr_id=cdr.pk, now=clock.now())
    drain(partner)

    first, second = listener.heard
    assert (first.method, second.method) == ("POST", "POST")
    assert (first.body["id"], second.body["id"]) == (cdr.ocpi_id, credit.ocpi_id)
    assert "credit" not in first.body
    assert "credit_reference_id" not in first.body
    assert [item["id"] for item in pulled(partner)] == [cdr.ocpi_id, credit.ocpi_id]


@in_versions(*CREDITING)
@pytest.mark.rule("CDR-06")
def test_a_credit_differs_from_the_original_in_its_id_and_its_total_only(
    partner: Registered, listener: Listener
) -> None:
    cdr = charged()
    drain(partner)
    credit_cdr(cdr_id=cdr.pk, now=clock.now())
    drain(partner)

    original, credit = (one.body for one in listener.heard)
    same = {name for name, value in credit.items() if original.get(name) == value}
    assert set(credit) - same == {
        *("id", "last_updated", "credit", "credit_reference_id", "total_cost"),
    }
    assert set(original) <= set(credit)
    assert (credit["credit"], credit["credit_reference_id"]) == (True, original["id"])
    tax = {"name": "VAT", "percentage": 21, "amount": Decimal("-0.924")}
    assert (
        credit["total_cost"]
        == {
            "2.2.1": {"excl_vat": Decimal("-4.4"), "incl_vat": Decimal("-5.324")},
            "2.3.0": {"before_taxes": Decimal("-4.4"), "taxes": [tax]},
        }[partner.partner.version]
    )


@in_versions("2.1.1")
@pytest.mark.rule("CDR-01")
def test_a_credit_is_kept_from_partners_that_know_none(
    partner: Registered, listener: Listener
) -> None:
    cdr = charged()
    drain(partner)

    credit_cdr(cdr_id=cdr.pk, now=clock.now())
    drain(partner)

    assert [one.body["id"] for one in listener.heard] == [cdr.ocpi_id]
    assert [item["id"] for item in pulled(partner)] == [cdr.ocpi_id]


# --- How one is taken back and billed again


def billed_again(cdr: Cdr) -> Rebilling:
    return rebill_cdr(
        cdr_id=cdr.pk, correction=Correction(energy=Decimal(5)), by="anna", now=clock.now()
    )


@in_versions(*CREDITING)
@pytest.mark.rule("CDR-01", "CDR-05", "CDR-06")
def test_the_credit_goes_out_before_the_cdr_that_takes_its_place(
    partner: Registered, listener: Listener
) -> None:
    others = [charged() for _number in range(3)]
    cdr = charged()

    done = billed_again(cdr)
    again = billed_again(done.replacement)
    drain(partner)

    # In a row, though they are sent at once, and others in parallel.
    chain = [cdr, done.credit, done.replacement, again.credit, again.replacement]
    heard = [one.body["id"] for one in listener.heard]
    assert [name for name in heard if name in {row.ocpi_id for row in chain}] == [
        row.ocpi_id for row in chain
    ]
    assert len(heard) == len(chain) + len(others)
    new = next(one.body for one in listener.heard if one.body["id"] == done.replacement.ocpi_id)
    assert {"credit", "credit_reference_id"}.isdisjoint(new)
    assert new["session_id"] == cdr.session_ocpi_id
    assert new["total_energy"] == 5


@in_versions("2.1.1")
@pytest.mark.rule("CDR-01")
def test_a_partner_that_knows_no_credit_gets_no_second_bill(
    partner: Registered, listener: Listener
) -> None:
    cdr = charged()
    drain(partner)

    done = billed_again(cdr)
    drain(partner)

    assert [one.body["id"] for one in listener.heard] == [cdr.ocpi_id]
    assert [item["id"] for item in pulled(partner)] == [cdr.ocpi_id]

    # In a newer version it may pull all three, which add up to what is due; none is pushed.
    Partner.objects.filter(pk=partner.partner.pk).update(version="2.2.1")
    partner.partner.refresh_from_db()
    drain(partner)
    assert [item["id"] for item in pulled(partner)] == [
        row.ocpi_id for row in (cdr, done.credit, done.replacement)
    ]
    assert len(listener.heard) == 1

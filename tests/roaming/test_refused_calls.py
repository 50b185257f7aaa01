"""Calls without a good token are counted for staff; who calls is told no more than before."""

import time
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from cpo_platform.common import clock
from cpo_platform.common.secrets import TOKEN_LENGTH, new_token
from cpo_platform.staff import operations as staff
from roaming import message_log, refused_calls
from roaming.models import Message, Partner, PartnerStatus, RefusedCall, Why
from roaming.ocpi.common import limits
from roaming.operations import partners
from roaming.operations import refused_calls as counting
from roaming.tasks import tidy
from tests.conftest import Clock
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db

CALLER = "198.51.100.7"
VERSIONS = "/ocpi/versions"
REFUSED_CALLS = "/admin/roaming/refusedcall/"


def call(header: str | None, path: str = VERSIONS, address: str = CALLER) -> tuple[int, str]:
    """Return the HTTP status and the message that a stranger gets."""
    headers = {} if header is None else {"Authorization": header}
    response = Client().get(path, headers=headers, REMOTE_ADDR=address)
    return response.status_code, response.json()["status_message"]


def counted() -> list[tuple[str, str, str, str | None, int]]:
    refused_calls.flush()
    rows = RefusedCall.objects.order_by("pk")
    return list(rows.values_list("address", "module", "why", "partner__name", "count"))


def invited() -> Registered:
    return make_partner("Invited", "INV", status=PartnerStatus.INVITED)


def page(client: Client, partner: Partner) -> str:
    return client.get(f"/admin/roaming/partner/{partner.pk}/change/").content.decode()


def in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def mistyped(token: str) -> str:
    return token[:-1] + ("A" if token[-1] != "A" else "B")


# What is counted


def test_calls_of_an_hour_are_one_row_for_each_address_module_and_reason(
    platform_clock: Clock,
) -> None:
    token = mistyped(new_token())
    for _ in range(3):
        call(f"Token {token}")
    call(f"Token {token}", "/ocpi/2.2.1/credentials")
    call(f"Token {token}", "/ocpi/2.2.1/nothing-of-ours")
    call(f"Token {token}", address="2001:db8::1")
    call(f"Token {token}", address="2001:db8::2")

    assert counted() == [
        (CALLER, "", "UNKNOWN", None, 1),
        (CALLER, "credentials", "UNKNOWN", None, 1),
        (CALLER, "versions", "UNKNOWN", None, 3),
        ("2001:db8::", "versions", "UNKNOWN", None, 2),
    ]
    call(f"Token {token}")
    assert ("198.51.100.7", "versions", "UNKNOWN", None, 4) in counted()
    assert token not in str(list(RefusedCall.objects.values()))


REASONS: list[tuple[Callable[[str], str | None], Why, bool]] = [
    (lambda _token: None, Why.NO_TOKEN, False),
    (lambda _token: "", Why.NO_TOKEN, False),
    (lambda _token: "Token", Why.NO_FORM, False),
    (lambda _token: "Basic dTpw", Why.NO_FORM, False),
    (lambda _token: "Token " + "x" * 400, Why.NO_FORM, False),
    (lambda token: f"Token {token[:-3]}", Why.OTHER_LENGTH, False),
    (lambda token: f"Token {mistyped(token)}", Why.UNKNOWN, False),
    (lambda token: f"Token {in_base64(mistyped(token))}", Why.UNKNOWN, False),
    (lambda token: token, Why.MISWRITTEN, True),
    (lambda token: f"Bearer {token}", Why.MISWRITTEN, True),
    (lambda token: f"Basic {in_base64(token + ':')}", Why.MISWRITTEN, True),
    (lambda token: f'Token "{token}"', Why.MISWRITTEN, True),
    (lambda token: f"Token Token {token}", Why.MISWRITTEN, True),
    (lambda token: f"Token {in_base64(in_base64(token))}", Why.MISWRITTEN, True),
    (lambda token: f"Token {in_base64(token).rstrip('=')}", Why.MISWRITTEN, True),
]


@pytest.mark.parametrize(("header", "why", "is_known"), REASONS)
def test_the_reason_is_as_exact_as_can_be_known(
    header: Callable[[str], str | None], why: Why, *, is_known: bool
) -> None:
    token = invited().call.token
    assert call(header(token))[0] == 401
    assert counted() == [(CALLER, "versions", why, "Invited" if is_known else None, 1)]


def test_of_a_suspended_partner_and_of_a_replaced_token_the_partner_is_known(
    first: Registered,
) -> None:
    tokens = first.partner.tokens
    tokens.update(valid_until=clock.now() - timedelta(seconds=1))
    call(f"Token {first.call.token}")
    refused_calls.flush()
    tokens.update(valid_until=None)
    partners.suspend_partner(partner_id=first.partner.pk)
    call(f"Token {first.call.token}")

    assert counted() == [
        (CALLER, "versions", "EXPIRED", "First eMSP", 1),
        (CALLER, "versions", "SUSPENDED", "First eMSP", 1),
    ]


def test_a_wrong_form_of_a_token_that_is_not_good_is_not_the_reason(first: Registered) -> None:
    second = make_partner("Second", "SEC")
    first.partner.tokens.update(valid_until=clock.now() - timedelta(days=1))
    partners.suspend_partner(partner_id=second.partner.pk)
    call(f"Bearer {first.call.token}")
    call(f"Bearer {second.call.token}")
    assert {(row[2], row[3]) for row in counted()} == {
        ("EXPIRED", first.partner.name),
        ("SUSPENDED", "Second"),
    }


def test_no_stranger_hides_the_calls_of_a_partner_behind_its_own(
    admin_client: Client, first: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_AN_HOUR", 2)
    for network in range(3):
        call(None, address=f"2001:db8:0:{network}::1")
    refused_calls.flush()
    first.partner.tokens.update(valid_until=clock.now() - timedelta(seconds=1))
    call(f"Token {first.call.token}")
    assert counted()[-1] == ("", "", "EXPIRED", first.partner.name, 1)
    assert "A token that was replaced by a newer one" in page(admin_client, first.partner)
    assert "A token that was replaced" not in page(admin_client, invited().partner)


def test_a_partners_own_calls_stand_before_those_of_strangers(admin_client: Client) -> None:
    asked = invited()
    call(f"Bearer {asked.call.token}", address="203.0.113.5")
    refused_calls.flush()
    for number in range(10):
        call(None, address=f"198.51.100.{number}")
    refused_calls.flush()
    assert "203.0.113.5" in page(admin_client, asked.partner)


def test_a_token_that_is_good_again_by_the_time_of_counting_is_not_said_to_be_miswritten(
    first: Registered,
) -> None:
    partners.suspend_partner(partner_id=first.partner.pk)
    call(f"Token {first.call.token}")
    partners.resume_partner(partner_id=first.partner.pk, now=clock.now())

    assert counted() == [(CALLER, "versions", "UNKNOWN", None, 1)]


def test_who_calls_is_told_the_same_whatever_we_know(first: Registered) -> None:
    """Nor is it to be timed: what is known is looked up after the answer."""
    token = first.call.token
    partners.suspend_partner(partner_id=first.partner.pk)
    seen = []
    for header in (f"Token {token}", f"Token {mistyped(token)}", f"Token {in_base64(token * 2)}"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            seen.append((*call(header), len(queries)))
    assert seen == [(401, "the token is not known", 1)] * 3
    for header in (f"Bearer {token}", f"Bearer {mistyped(token)}"):
        with CaptureQueriesContext(connection) as queries:
            status, _text = call(header)
        assert (status, len(queries)) == (401, 0)


def test_a_good_token_is_not_counted_and_token_a_elsewhere_is_in_the_partners_messages(
    first: Registered,
) -> None:
    first.call.get("locations")
    inviting = invited()
    assert inviting.call.get("locations").status == 401
    message_log.flush()

    assert counted() == []
    assert inviting.partner.messages.get().error == (
        "this token is for the credentials handshake only"
    )


# A flood


def test_what_comes_from_further_addresses_is_counted_together(
    monkeypatch: pytest.MonkeyPatch, platform_clock: Clock
) -> None:
    monkeypatch.setattr(counting, "MOST_AN_HOUR", 2)
    for number in range(5):
        call(None, address=f"198.51.100.{number}")
    assert [row[::4] for row in counted()] == [("", 3), ("198.51.100.0", 1), ("198.51.100.1", 1)]

    for number in range(7):
        call(None, address=f"198.51.100.{number}")
    rows = {address: count for address, *_more, count in counted()}
    assert rows == {"": 8, "198.51.100.0": 2, "198.51.100.1": 2}


def test_who_is_told_to_wait_is_not_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "limiter", limits.Limiter())
    settings.OCPI_UNKNOWN_PER_MINUTE = 2
    monkeypatch.setattr(time, "time", lambda: 1_800_000_010.0)
    address = "203.0.113.99"
    assert [call(None, address=address)[0] for _ in range(4)] == [401, 401, 429, 429]
    assert counted() == [(address, "versions", "NO_TOKEN", None, 2)]


def test_the_answer_does_not_hang_on_the_database(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_values: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(counting, "add", refuse)
    assert call(None) == (401, "an Authorization header of the form 'Token <value>' is required")
    refused_calls.flush()
    assert "1 refused calls were not counted" in caplog.text


@pytest.mark.parametrize(("kept", "rows"), [("all", 1), ("errors", 1), ("off", 0)])
def test_where_nothing_is_written_down_this_is_not_either(
    settings: Settings, kept: str, rows: int
) -> None:
    settings.MESSAGE_LOG = kept
    call(None)
    assert len(counted()) == rows


def test_they_go_as_messages_do(settings: Settings) -> None:
    settings.MESSAGE_LOG_DAYS = 3
    for days in (2, 4):
        call(None, address=f"198.51.100.{days}")
        refused_calls.flush()
        RefusedCall.objects.filter(address=f"198.51.100.{days}").update(
            last_at=clock.now() - timedelta(days=days)
        )
    tidy()
    assert [row[0] for row in counted()] == ["198.51.100.2"]


def test_tokens_of_ours_have_the_length_that_is_told_apart() -> None:
    assert len(new_token()) == TOKEN_LENGTH


# What staff sees


def test_the_page_of_an_invited_partner_shows_calls_that_may_be_its_own(
    admin_client: Client, first: Registered
) -> None:
    partner = invited().partner
    assert "There was none yet." in page(admin_client, partner)
    assert "Calls without a good token" not in page(admin_client, partner)

    for _ in range(2):
        call(f"Token {mistyped(new_token())}")
    refused_calls.flush()

    text = page(admin_client, partner)
    for expected in (
        "But calls came that were refused",
        'href="#refused-calls"',
        "Calls without a good token in the last 24 hours",
        CALLER,
        "Unknown token: mistyped, used already, or ended",
        "Invite the partner again",
        f'href="{REFUSED_CALLS}"',
        f"/admin/roaming/partner/invite/?partner={partner.pk}",
    ):
        assert expected in text, expected
    assert CALLER not in page(admin_client, first.partner), "it is connected: they are not its own"

    RefusedCall.objects.update(last_at=clock.now() - timedelta(hours=25))
    assert CALLER not in page(admin_client, partner)


def test_a_suspended_partners_page_shows_its_own_calls_and_no_others(
    admin_client: Client, first: Registered
) -> None:
    partners.suspend_partner(partner_id=first.partner.pk)
    call(f"Token {first.call.token}")
    call(None, address="203.0.113.1")
    refused_calls.flush()

    text = page(admin_client, first.partner)
    assert CALLER in text
    assert "It is served again once you resume it." in text
    assert "203.0.113.1" not in text
    assert "They may be anybody" not in text


@pytest.mark.parametrize(
    ("role", "sees"), [("partner_manager", True), ("ops", True), ("finance", False)]
)
def test_who_may_see_messages_may_see_refused_calls(
    client: Client, role: str, *, sees: bool
) -> None:
    user = User.objects.create_user(role, is_staff=True)
    staff.set_roles(user_id=user.pk, roles=[role])
    client.force_login(user)
    call(None)
    refused_calls.flush()

    assert client.get(REFUSED_CALLS).status_code == (200 if sees else 403)
    assert (CALLER in page(client, invited().partner)) is sees
    may_invite = role == "partner_manager"
    assert ("Invite again" in page(client, Partner.objects.get())) is may_invite


@pytest.mark.parametrize("size", [1, 6])
def test_the_list_says_who_called_and_why_it_was_refused(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries, size: int
) -> None:
    token = invited().call.token
    for number in range(size):
        call(token, address=f"198.51.100.{number}")
    call(None, address="2001:db8::1")
    refused_calls.flush()
    admin_client.get(REFUSED_CALLS)  # fills the caches that live longer than a request

    with django_assert_num_queries(5):
        text = admin_client.get(REFUSED_CALLS).content.decode()

    for expected in ("198.51.100.0", "2001:db8::/64", "in a wrong form", "Invited", "versions"):
        assert expected in text, expected
    row = RefusedCall.objects.get(address="198.51.100.0")
    shown = admin_client.get(f"{REFUSED_CALLS}{row.pk}/change/").content.decode()
    assert "A new token changes nothing." in shown
    found = admin_client.get(f"{REFUSED_CALLS}?q=2001:db8").content.decode()
    assert "198.51.100.0" not in found
    assert Message.objects.count() == 0

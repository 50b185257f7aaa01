"""Tokens that partners push to us (OCPI 2.2.1, mod_tokens, Receiver interface)."""

from typing import Any

import pytest

from roaming.models import PartnerRole
from sessions_app.models import Token
from tests.roaming.conftest import Caller, Registered

pytestmark = pytest.mark.django_db

TOKEN: dict[str, Any] = {
    "country_code": "NL",
    "party_id": "EMS",
    "uid": "04AA",
    "type": "RFID",
    "contract_id": "NL-EMS-C1",
    "issuer": "First eMSP",
    "valid": True,
    "whitelist": "ALLOWED",
    "last_updated": "2026-06-01T08:00:00Z",
}
URL = "tokens/NL/EMS/04AA"


def test_put_creates_then_updates(call: Caller) -> None:
    created = call("PUT", URL, TOKEN)
    updated = call("PUT", URL, TOKEN | {"valid": False, "last_updated": "2026-06-01T09:00:00Z"})

    assert (created.status, created.code) == (201, 1000)
    assert (updated.status, updated.code) == (200, 1000)
    assert "data" not in created.body
    assert Token.objects.get().valid is False


def test_get_returns_the_token_as_it_was_given(call: Caller) -> None:
    given = TOKEN | {
        "visual_number": "DF-0001",
        "group_id": "G1",
        "language": "nl",
        "energy_contract": {"supplier_name": "Green", "contract_id": "E-1"},
        "of_our_own": {"kept": [1, "two"]},
        "last_updated": "2026-06-01T08:00:00.123Z",
    }
    call("PUT", URL, given)

    assert call.get(URL).data == given
    assert call.get("tokens/nl/ems/04aa").data == given


def test_put_without_an_optional_field_removes_it(call: Caller) -> None:
    call("PUT", URL, TOKEN | {"group_id": "G1"})
    call("PUT", URL, TOKEN | {"last_updated": "2026-06-01T09:00:00Z"})

    assert "group_id" not in call.get(URL).data


def test_the_type_is_part_of_the_identity(call: Caller) -> None:
    call("PUT", URL, TOKEN)
    call("PUT", f"{URL}?type=APP_USER", TOKEN | {"type": "APP_USER", "whitelist": "NEVER"})

    assert call.get(URL).data["type"] == "RFID"
    assert call.get(f"{URL}?type=APP_USER").data["whitelist"] == "NEVER"
    assert Token.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"uid": "04AB"}, "uid"),
        ({"party_id": "FOE"}, "party_id"),
        ({"country_code": "BE"}, "country_code"),
        ({"type": "APP_USER"}, "type"),
        ({"whitelist": "SOMETIMES"}, "whitelist"),
        ({"valid": None}, "valid"),
        ({"contract_id": "é"}, "contract_id"),
        ({"last_updated": "2026-06-01"}, "last_updated"),
        ({"issuer": "x" * 65}, "issuer"),
    ],
)
def test_a_bad_token_is_2001_names_the_field_and_changes_nothing(
    call: Caller, change: dict[str, Any], field: str
) -> None:
    reply = call("PUT", URL, TOKEN | change)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert Token.objects.count() == 0


def test_patch_changes_what_it_names(call: Caller) -> None:
    call("PUT", URL, TOKEN | {"group_id": "G1"})

    reply = call("PATCH", URL, {"valid": False, "last_updated": "2026-06-01T09:00:00Z"})

    assert (reply.status, reply.code) == (200, 1000)
    assert call.get(URL).data == TOKEN | {
        "group_id": "G1",
        "valid": False,
        "last_updated": "2026-06-01T09:00:00Z",
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"valid": False}, "last_updated"),
        ({"valid": "perhaps", "last_updated": "2026-06-01T09:00:00Z"}, "valid"),
        ({"uid": "OTHER", "last_updated": "2026-06-01T09:00:00Z"}, "uid"),
        ([], "object"),
    ],
)
def test_a_bad_patch_is_2001_and_changes_nothing(call: Caller, body: Any, field: str) -> None:
    call("PUT", URL, TOKEN)

    reply = call("PATCH", URL, body)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert call.get(URL).data == TOKEN


def test_patch_of_an_unknown_token_is_404(call: Caller) -> None:
    reply = call("PATCH", URL, {"valid": False, "last_updated": "2026-06-01T09:00:00Z"})

    assert (reply.status, reply.code) == (404, 2004)


def test_an_older_push_that_arrives_late_is_accepted_and_ignored(call: Caller) -> None:
    call("PUT", URL, TOKEN | {"last_updated": "2026-06-01T09:00:00Z"})

    reply = call("PUT", URL, TOKEN | {"valid": False})

    assert (reply.status, reply.code) == (200, 1000)
    assert Token.objects.get().valid is True


def test_another_partner_neither_reads_nor_writes_it(
    first: Registered, stranger: Registered
) -> None:
    first.call("PUT", URL, TOKEN)

    assert stranger.call.get(URL).status == 404
    assert stranger.call("PUT", URL, TOKEN | {"valid": False}).status == 404
    assert (
        stranger.call("PATCH", URL, {"valid": False, "last_updated": "2027-01-01T00:00:00Z"}).status
        == 404
    )
    assert first.call.get(URL).data == TOKEN


def test_two_partners_may_have_one_uid(first: Registered, stranger: Registered) -> None:
    first.call("PUT", URL, TOKEN)
    stranger.call("PUT", "tokens/NL/FOE/04AA", TOKEN | {"party_id": "FOE"})

    assert Token.objects.filter(uid="04aa").count() == 2


def test_the_party_in_another_role_does_not_write_its_tokens(
    first: Registered, stranger: Registered
) -> None:
    """Two partners may name one party: one as its eMSP, one as its navigation provider."""
    PartnerRole.objects.create(
        partner=stranger.partner, role="NSP", country_code="NL", party_id="EMS"
    )
    first.call("PUT", URL, TOKEN)

    reply = stranger.call("PUT", URL, TOKEN | {"last_updated": "2027-01-01T00:00:00Z"})

    assert (reply.status, reply.code) == (404, 2001)
    assert first.call.get(URL).data == TOKEN

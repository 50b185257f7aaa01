"""Tokens that partners push to us, in every version (OCPI mod_tokens, Receiver interface)."""

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
# OCPI 2.1.1, mod_tokens, Token: no owner, and another name for the contract.
TOKEN_211 = {
    "uid": "04AA",
    "type": "RFID",
    "auth_id": "NL-EMS-C1",
    "issuer": "First eMSP",
    "valid": True,
    "whitelist": "ALLOWED",
    "last_updated": "2026-06-01T08:00:00Z",
}
URL = "tokens/NL/EMS/04AA"
EVERY_VERSION = pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
WITH_TYPE = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])


def url(version: str, rest: str = URL) -> str:
    return f"/ocpi/{version}/{rest}"


def token(version: str, **changes: Any) -> dict[str, Any]:
    return (TOKEN_211 if version == "2.1.1" else TOKEN) | changes


@pytest.mark.rule("TOK-04", "TR-115")
@EVERY_VERSION
def test_put_creates_then_updates_and_nothing_is_deleted(call: Caller, version: str) -> None:
    created = call("PUT", url(version), token(version))
    updated = call(
        "PUT", url(version), token(version, valid=False, last_updated="2026-06-01T09:00:00Z")
    )

    assert (created.status, created.code) == (201, 1000)
    assert (updated.status, updated.code) == (200, 1000)
    assert "data" not in created.body
    assert Token.objects.get().valid is False
    for method in ("DELETE", "POST"):
        assert call(method, url(version), token(version)).status == 405


@pytest.mark.rule("TOK-07", "TR-101")
@EVERY_VERSION
def test_get_returns_the_token_as_it_was_given(call: Caller, version: str) -> None:
    given = token(
        version,
        visual_number="DF-0001",
        language="nl",
        of_our_own={"kept": [1, "two"]},
        last_updated="2026-06-01T08:00:00.123Z",
    )
    if version != "2.1.1":
        given |= {
            "group_id": "G1",
            "default_profile_type": "GREEN",
            "energy_contract": {"supplier_name": "Green", "contract_id": "E-1"},
        }
    assert call("PUT", url(version), given).status == 201

    assert call.get(url(version)).data == given
    assert call.get(url(version, "tokens/nl/ems/04aa")).data == given


@pytest.mark.rule("TOK-03", "TOK-07")
def test_a_token_that_came_in_one_version_reads_in_the_words_of_another(call: Caller) -> None:
    call("PUT", url("2.2.1", URL + "?type=APP_USER"), TOKEN | {"type": "APP_USER", "group_id": "G"})

    assert call.get(url("2.1.1")).data == TOKEN_211 | {"type": "OTHER"}


@pytest.mark.rule("TR-110")
@EVERY_VERSION
def test_put_without_an_optional_field_removes_it(call: Caller, version: str) -> None:
    call("PUT", url(version), token(version, visual_number="V", language="nl", extra=1))
    call("PUT", url(version), token(version, last_updated="2026-06-01T09:00:00Z"))

    assert call.get(url(version)).data == token(version, last_updated="2026-06-01T09:00:00Z")


@pytest.mark.rule("TR-110")
@EVERY_VERSION
def test_put_without_a_required_field_is_2001_and_changes_nothing(
    call: Caller, version: str
) -> None:
    for name in token(version):
        body = {key: value for key, value in token(version).items() if key != name}
        reply = call("PUT", url(version), body)
        assert (reply.status, reply.code) == (200, 2001), name
        assert name in reply.body["status_message"]

    assert not Token.objects.exists()


@pytest.mark.rule("TOK-01")
@WITH_TYPE
def test_the_type_is_part_of_the_identity(call: Caller, version: str) -> None:
    app = token(version, type="APP_USER", whitelist="NEVER")
    call("PUT", url(version), token(version))
    call("PUT", url(version, f"{URL}?type=APP_USER"), app)

    assert call.get(url(version)).data["type"] == "RFID"
    assert call.get(url(version, f"{URL}?type=APP_USER")).data["whitelist"] == "NEVER"
    assert Token.objects.count() == 2
    # Without the parameter it is RFID, whatever the body says.
    refused = call("PUT", url(version), app | {"last_updated": "2027-01-01T00:00:00Z"})
    assert (refused.status, refused.code) == (200, 2001)
    assert "type" in refused.body["status_message"]
    assert Token.objects.get(type="RFID").whitelist == "ALLOWED"


@pytest.mark.rule("TOK-03")
def test_in_2_1_1_the_uid_alone_tells_tokens_apart(call: Caller) -> None:
    call("PUT", url("2.1.1"), TOKEN_211)

    call("PUT", url("2.1.1"), TOKEN_211 | {"type": "OTHER", "last_updated": "2026-06-01T09:00:00Z"})

    assert [row.type for row in Token.objects.all()] == ["OTHER"]


@pytest.mark.rule("TOK-03")
def test_in_2_1_1_of_several_tokens_with_one_uid_the_card_is_meant(call: Caller) -> None:
    call("PUT", url("2.2.1", f"{URL}?type=APP_USER"), TOKEN | {"type": "APP_USER"})
    call("PUT", url("2.2.1"), TOKEN)

    assert call.get(url("2.1.1")).data["type"] == "RFID"
    call("PATCH", url("2.1.1"), {"valid": False})
    call("PUT", url("2.1.1"), TOKEN_211 | {"type": "OTHER", "whitelist": "NEVER"})

    stored = Token.objects.order_by("type").values_list("type", "valid", "whitelist")
    assert list(stored) == [("APP_USER", True, "NEVER"), ("RFID", False, "ALLOWED")]


@pytest.mark.rule("TR-102")
@pytest.mark.parametrize(
    ("version", "type_", "status"),
    [
        ("2.1.1", "APP_USER", 200),
        ("2.2.1", "EMAID", 200),
        ("2.2.1", "NEW", 200),
        ("2.3.0", "NEW", 201),
    ],
)
def test_an_unknown_type_is_refused_where_the_enum_is_closed(
    call: Caller, version: str, type_: str, status: int
) -> None:
    reply = call("PUT", url(version, f"{URL}?type={type_}"), token(version, type=type_))

    assert (reply.status, reply.code) == (status, 1000 if status == 201 else 2001)
    assert Token.objects.count() == (1 if status == 201 else 0)


@WITH_TYPE
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
@pytest.mark.rule("TOK-02", "TR-102", "TR-118")
def test_a_bad_token_is_2001_names_the_field_and_changes_nothing(
    call: Caller, version: str, change: dict[str, Any], field: str
) -> None:
    reply = call("PUT", url(version), TOKEN | change)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert Token.objects.count() == 0


@pytest.mark.rule("TR-102", "TR-118", "TOK-03")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"uid": "04AB"}, "uid"),
        ({"type": "APP_USER"}, "type"),
        ({"whitelist": "SOMETIMES"}, "whitelist"),
        ({"valid": None}, "valid"),
        ({"auth_id": "é"}, "auth_id"),
        ({"auth_id": None, "contract_id": "C1"}, "auth_id"),
    ],
)
def test_a_bad_token_of_2_1_1_is_2001_in_its_own_words(
    call: Caller, change: dict[str, Any], field: str
) -> None:
    reply = call("PUT", url("2.1.1"), TOKEN_211 | change)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert Token.objects.count() == 0


@pytest.mark.rule("TR-111", "TOK-04")
@EVERY_VERSION
def test_patch_changes_what_it_names(call: Caller, version: str) -> None:
    before = token(version, visual_number="V1", extra=[1])
    call("PUT", url(version), before)

    reply = call("PATCH", url(version), {"valid": False, "last_updated": "2026-06-01T09:00:00Z"})

    assert (reply.status, reply.code) == (200, 1000)
    after = {"valid": False, "last_updated": "2026-06-01T09:00:00Z"}
    assert call.get(url(version)).data == before | after


@pytest.mark.rule("TR-112", "TR-111")
def test_a_patch_of_2_1_1_need_not_say_when_and_keeps_what_2_1_1_cannot_say(
    call: Caller,
) -> None:
    call("PUT", url("2.2.1"), TOKEN | {"group_id": "G1"})

    reply = call("PATCH", url("2.1.1"), {"valid": False, "auth_id": "NL-EMS-C2"})

    assert (reply.status, reply.code) == (200, 1000)
    assert call.get(url("2.2.1")).data == TOKEN | {
        "group_id": "G1",
        "valid": False,
        "contract_id": "NL-EMS-C2",
    }


@pytest.mark.rule("TR-112", "TOK-02", "TR-102")
@WITH_TYPE
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"valid": False}, "last_updated"),
        ({"valid": "perhaps", "last_updated": "2026-06-01T09:00:00Z"}, "valid"),
        ({"uid": "OTHER", "last_updated": "2026-06-01T09:00:00Z"}, "uid"),
        ({"type": "APP_USER", "last_updated": "2026-06-01T09:00:00Z"}, "type"),
        ([], "object"),
    ],
)
def test_a_bad_patch_is_2001_and_changes_nothing(
    call: Caller, version: str, body: Any, field: str
) -> None:
    call("PUT", url(version), TOKEN)

    reply = call("PATCH", url(version), body)

    assert (reply.status, reply.code) == (200, 2001)
    assert field in reply.body["status_message"]
    assert call.get(url(version)).data == TOKEN


@pytest.mark.rule("TOK-05")
@EVERY_VERSION
def test_patch_of_an_unknown_token_is_404(call: Caller, version: str) -> None:
    reply = call("PATCH", url(version), {"valid": False, "last_updated": "2026-06-01T09:00:00Z"})

    assert (reply.status, reply.code) == (404, 2004)
    assert call.get(url(version)).status == 404


@pytest.mark.rule("TR-137")
@EVERY_VERSION
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_older_push_that_arrives_late_is_accepted_and_ignored(
    call: Caller, version: str, method: str
) -> None:
    call("PUT", url(version), token(version, last_updated="2026-06-01T09:00:00Z"))

    reply = call(method, url(version), token(version, valid=False))

    assert (reply.status, reply.code) == (200, 1000)
    assert Token.objects.get().valid is True


@pytest.mark.rule("TR-09", "TR-116", "TR-117")
@EVERY_VERSION
def test_a_token_of_a_party_that_is_not_the_partners_is_404(call: Caller, version: str) -> None:
    """An eMSP's party has nothing to do with the country and provider in its contract ids."""
    foreign = "tokens/NL/FOE/04AA"
    body = token(version) | ({} if version == "2.1.1" else {"party_id": "FOE"})

    assert call("PUT", url(version, foreign), body).status == 404
    assert call.get(url(version, foreign)).status == 404
    named = token(version) | (
        {"auth_id": "DE-XXX-1"} if version == "2.1.1" else {"contract_id": "DE-XXX-1"}
    )
    assert call("PUT", url(version), named).status == 201


@pytest.mark.rule("TR-09")
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


@pytest.mark.rule("TOK-08")
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

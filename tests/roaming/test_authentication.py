"""Who is calling: every way to write the header, and what each token opens (OCPI transport)."""

from base64 import b64encode

import pytest
from django.test import Client

from roaming import message_log
from roaming.models import Message, PartnerStatus, TokenPurpose
from roaming.operations.partner_tokens import give_token
from tests.factories import NOW, PartyFactory
from tests.roaming.conftest import Registered, make_partner

pytestmark = pytest.mark.django_db

VERSIONS = ["2.1.1", "2.2.1", "2.3.0"]
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)


def answer(path: str, header: str | None, **headers: str) -> tuple[int, int]:
    """Return the HTTP status and the OCPI status code."""
    sent = headers if header is None else headers | {"Authorization": header}
    response = Client().get(path, headers=sent)
    return response.status_code, response.json()["status_code"]


def in_base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.rule("TR-02", "TR-07", "TR-30")
@EVERY_VERSION
@pytest.mark.parametrize("path", ["", "/credentials", "/tariffs", "/tokens/NL/EMS/1"])
@pytest.mark.parametrize(
    "header",
    [None, "", "Token", "Token ", "Token unknown", "Token dW5rbm93bg==", "Basic dTpw", "\u00e9"],
)
def test_without_a_token_that_we_know_everything_is_401(
    version: str, path: str, header: str | None
) -> None:
    assert answer(f"/ocpi/{version}{path}", header) == (401, 2000)


@pytest.mark.rule("TR-03", "TR-04", "TR-05", "TR-10")
@EVERY_VERSION
@pytest.mark.parametrize(
    "token", ["plain", "a+b/c=d:e", "x" * 64, "dGVzdA==", in_base64("twice"), "YWJj"]
)
def test_a_token_opens_raw_and_in_base64_and_no_other_token_is_mistaken_for_it(
    first: Registered, version: str, token: str
) -> None:
    give_token(first.partner, token, purpose=TokenPurpose.OPERATION, now=NOW)
    forms = [token, in_base64(token), in_base64(f"{token}\n"), in_base64(f"{token}\r\n")]

    for form in forms:
        assert answer(f"/ocpi/{version}/tariffs", f"Token {form}") == (200, 1000), form
    assert answer(f"/ocpi/{version}/tariffs", f"Token {token}x")[0] == 401
    assert answer(f"/ocpi/{version}/tariffs", f"Token {in_base64(in_base64(token))}")[0] == 401
    lower = Client().get(f"/ocpi/{version}/tariffs", headers={"authorization": f"Token {token}"})
    assert lower.status_code == 200


@pytest.mark.rule("TR-08", "VE-03", "CR-29")
@EVERY_VERSION
def test_token_a_opens_versions_and_credentials_and_nothing_else(version: str) -> None:
    PartyFactory()
    header = f"Token {make_partner(status=PartnerStatus.INVITED).call.token}"

    for path in ("/ocpi/versions", f"/ocpi/{version}", f"/ocpi/{version}/credentials"):
        assert answer(path, header) == (200, 1000), path
    modules = ["tariffs", "locations", "cdrs", "tokens/NL/EMS/1"]
    if version != "2.1.1":
        modules.append("hubclientinfo/NL/EMS")
    for module in modules:
        assert answer(f"/ocpi/{version}/{module}", header) == (401, 2000), module


@pytest.mark.rule("TR-09")
def test_a_token_opens_what_is_its_partners_only(first: Registered, stranger: Registered) -> None:
    """The token stands for the platform: which party speaks is checked against its roles."""
    PartyFactory()
    speaking_for = {"OCPI_from_country_code": "NL", "OCPI_from_party_id": "EMS"}

    assert first.call.get("tariffs", **speaking_for).status == 200
    assert stranger.call.get("tariffs", **speaking_for).status == 404


@pytest.mark.rule("TR-43")
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_both_ids_of_a_message_are_logged(first: Registered, version: str) -> None:
    """A hub changes the one and keeps the other."""
    for request_id in ("by-emsp", "by-hub"):
        first.call(
            "PUT",
            f"/ocpi/{version}/tokens/NL/EMS/1",
            {},
            X_Request_ID=request_id,
            X_Correlation_ID="trace-7",
        )

    message_log.flush()
    logged = Message.objects.order_by("id").values_list("request_id", "correlation_id")
    assert list(logged) == [("by-emsp", "trace-7"), ("by-hub", "trace-7")]


@pytest.mark.rule("TR-46")
def test_2_1_1_needs_no_ids(first: Registered) -> None:
    reply = first.call.get("/ocpi/2.1.1/tariffs", X_Request_ID="", X_Correlation_ID="")

    assert (reply.status, reply.code) == (200, 1000)

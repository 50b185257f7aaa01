"""The rules that every endpoint keeps: authentication, envelope, status table, ids, routing."""

from base64 import b64encode

import pytest
from django.test import Client

from roaming.models import Message, PartnerStatus
from tests.factories import LocationFactory, PartyFactory
from tests.roaming.conftest import Caller, Registered, make_partner

pytestmark = pytest.mark.django_db

FUNCTIONAL = ["locations", "tariffs", "sessions?date_from=2020-01-01T00:00:00Z", "cdrs"]


def test_versions_and_details_say_what_is_served(call: Caller) -> None:
    versions = call.get("/ocpi/versions")
    details = call.get("/ocpi/2.2.1")

    assert versions.data == [{"version": "2.2.1", "url": "http://localhost:8000/ocpi/2.2.1"}]
    roles = {item["identifier"]: item["role"] for item in details.data["endpoints"]}
    assert roles == {
        "credentials": "SENDER",
        "locations": "SENDER",
        "tariffs": "SENDER",
        "sessions": "SENDER",
        "cdrs": "SENDER",
        "tokens": "RECEIVER",
        "commands": "RECEIVER",
    }
    assert {item["url"] for item in details.data["endpoints"]} >= {
        "http://localhost:8000/ocpi/2.2.1/locations"
    }


@pytest.mark.parametrize("path", ["versions", "2.2.1", *(f"2.2.1/{path}" for path in FUNCTIONAL)])
@pytest.mark.parametrize(
    "header", [None, "", "Token", "Token nonsense", "Bearer abc", "Token " * 99]
)
def test_without_a_good_token_everything_is_401_in_an_envelope(
    path: str, header: str | None, db: None
) -> None:
    headers = {} if header is None else {"Authorization": header}

    response = Client().get(f"/ocpi/{path}", headers=headers)

    assert response.status_code == 401
    assert response.json()["status_code"] == 2000
    assert "data" not in response.json()
    assert response.headers["X-Request-ID"]


def test_the_token_is_taken_raw_and_in_base64(first: Registered) -> None:
    token = first.call.token
    forms = [
        token,
        b64encode(token.encode()).decode(),
        # As in the specification's own example: with a line feed.
        b64encode(f"{token}\n".encode()).decode(),
    ]

    statuses = [
        Client().get("/ocpi/versions", headers={"Authorization": f"Token {form}"}).status_code
        for form in forms
    ]

    assert statuses == [200, 200, 200]


@pytest.mark.parametrize("path", FUNCTIONAL)
def test_a_registration_token_opens_versions_and_credentials_only(path: str) -> None:
    invited = make_partner(status=PartnerStatus.INVITED).call

    assert invited.get("/ocpi/versions").status == 200
    assert invited.get("/ocpi/2.2.1").status == 200
    assert invited.get("credentials").status == 200
    assert invited.get(path).status == 401


def test_a_suspended_partner_is_refused(first: Registered) -> None:
    first.partner.status = PartnerStatus.SUSPENDED
    first.partner.save()

    assert first.call.get("/ocpi/versions").status == 401


@pytest.mark.parametrize(
    "path", ["nothing", "2.1.1/locations", "2.2.1/nothing", "2.2.1/locations/a/b/c/d"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_url_is_404_in_an_envelope(call: Caller, method: str, path: str) -> None:
    reply = call(method, f"/ocpi/{path}")

    assert (reply.status, reply.code) == (404, 2001)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["locations", "tariffs", "sessions", "cdrs"])
def test_a_method_that_is_not_offered_is_405(call: Caller, method: str, path: str) -> None:
    reply = call(method, path, {})

    assert (reply.status, reply.code) == (405, 2000)


def test_ids_are_echoed_and_made_up_where_missing(call: Caller) -> None:
    echoed = call.get("locations", X_Request_ID="request-1", X_Correlation_ID="trace-1")
    made_up = call.get("locations", X_Request_ID="", X_Correlation_ID="")

    assert echoed.headers["X-Request-ID"] == "request-1"
    assert echoed.headers["X-Correlation-ID"] == "trace-1"
    assert len(made_up.headers["X-Request-ID"]) == 36
    assert len(made_up.headers["X-Correlation-ID"]) == 36


def test_routing_headers_come_back_swapped(call: Caller) -> None:
    PartyFactory()

    reply = call.get(
        "locations",
        OCPI_to_country_code="NL",
        OCPI_to_party_id="TST",
        OCPI_from_country_code="NL",
        OCPI_from_party_id="EMS",
    )

    assert reply.status == 200
    assert reply.headers["OCPI-to-party-id"] == "EMS"
    assert reply.headers["OCPI-from-party-id"] == "TST"


def test_configuration_modules_carry_no_routing_headers(call: Caller) -> None:
    reply = call.get("/ocpi/versions", OCPI_from_country_code="NL", OCPI_from_party_id="EMS")

    assert "OCPI-to-party-id" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"OCPI_to_country_code": "NL", "OCPI_to_party_id": "XXX"},
        {"OCPI_from_country_code": "NL", "OCPI_from_party_id": "FOE"},
    ],
)
def test_a_wrong_route_is_404(call: Caller, headers: dict[str, str]) -> None:
    PartyFactory()

    reply = call.get("locations", **headers)

    assert (reply.status, reply.code) == (404, 2001)


def test_a_request_to_one_of_our_parties_gets_that_party_only(call: Caller) -> None:
    LocationFactory(id="OURS")
    LocationFactory(id="THEIRS", party_id="TWO", evses=[])
    LocationFactory(id="ALSO", country_code="DE", party_id="TST", evses=[])

    reply = call.get("locations", OCPI_to_country_code="nl", OCPI_to_party_id="tst")

    assert [item["id"] for item in reply.data] == ["OURS"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_both_slash_forms_answer_without_a_redirect(call: Caller, slash: str) -> None:
    assert call.get(f"locations{slash}").status == 200
    assert call("PUT", f"locations{slash}", {}).status == 405


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"a": NaN}', b"[" * 200_000, b'{"a":"' + b"x" * 1_100_000 + b'"}']
)
def test_a_body_that_is_no_json_is_400_and_changes_nothing(call: Caller, body: bytes) -> None:
    reply = call("PUT", "tokens/NL/EMS/04AA", body)

    assert (reply.status, reply.code) == (400, 2001)
    assert call.get("tokens/NL/EMS/04AA").status == 404


def test_a_failure_of_ours_is_3000_and_tells_no_secrets(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("roaming.ocpi.views.lists.page", fail)

    reply = call.get("locations")

    assert (reply.status, reply.code) == (200, 3000)
    assert "hunter2" not in str(reply.body)


def test_the_envelope_says_when(call: Caller) -> None:
    body = call.get("/ocpi/versions").body

    assert body["timestamp"].endswith("Z")
    assert len(body["timestamp"]) <= 25
    assert body["status_code"] == 1000


def test_what_partners_send_and_what_we_refuse_is_logged(first: Registered) -> None:
    first.call.get("locations")
    first.call.get("locations?limit=x")
    first.call("PUT", "tokens/NL/EMS/04AA", {"uid": "04AA"})

    logged = list(
        Message.objects.order_by("id").values_list("direction", "method", "module", "status_code")
    )

    assert logged == [("IN", "GET", "locations", 2001), ("IN", "PUT", "tokens", 2001)]
    assert '"04AA"' in Message.objects.order_by("-id")[0].request_body


def test_the_log_keeps_no_credentials() -> None:
    invited = make_partner(status=PartnerStatus.INVITED).call

    invited("POST", "credentials", {"token": "very-secret", "url": "x", "roles": []})

    assert Message.objects.count() == 1
    assert "very-secret" not in str(list(Message.objects.values()))

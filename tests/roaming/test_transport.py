"""The rules that every endpoint keeps: authentication, envelope, status table, ids, routing."""

import gzip
from base64 import b64encode
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from cpo_platform.common import json
from roaming import message_log
from roaming.models import Message, MessageBody, PartnerStatus
from tests.concurrency import elsewhere
from tests.factories import LocationFactory, PartyFactory, TariffFactory, evse
from tests.roaming.conftest import Caller, Registered, Reply, make_partner

pytestmark = pytest.mark.django_db

FUNCTIONAL = ["locations", "tariffs", "sessions?date_from=2020-01-01T00:00:00Z", "cdrs"]


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
    "path", ["nothing", "2.0/locations", "2.2.1/nothing", "2.2.1/locations/a/b/c/d"]
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

    monkeypatch.setattr("roaming.ocpi.documents.page", fail)

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

    message_log.flush()
    logged = list(
        Message.objects.order_by("id").values_list("direction", "method", "module", "status_code")
    )

    assert logged == [
        ("IN", "GET", "locations", 1000),
        ("IN", "GET", "locations", 2001),
        ("IN", "PUT", "tokens", 2001),
    ]
    bodies = MessageBody.objects.order_by("-id")[0]
    assert '"04AA"' in bodies.request_body
    assert '"status_code":2001' in bodies.response_body


def test_the_log_keeps_no_credentials() -> None:
    invited = make_partner(status=PartnerStatus.INVITED).call

    invited("POST", "credentials", {"token": "very-secret", "url": "x", "roles": []})

    message_log.flush()
    assert Message.objects.count() == 1
    logged = [*Message.objects.values(), *MessageBody.objects.values()]
    assert '"token":"***"' in str(logged)
    assert "very-secret" not in str(logged)


VERSIONS = ["2.1.1", "2.2.1", "2.3.0"]
versions = pytest.mark.parametrize("version", VERSIONS)
later_versions = pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
OWN_TOKEN = {
    "uid": "04AA",
    "type": "RFID",
    "auth_id": "NL-EMS-C1",
    "contract_id": "NL-EMS-C1",
    "country_code": "NL",
    "party_id": "EMS",
    "issuer": "First eMSP",
    "valid": True,
    "whitelist": "ALLOWED",
    "last_updated": "2026-06-01T08:00:00Z",
}
ROUTED = {"OCPI_to_country_code": "NL", "OCPI_to_party_id": "TST"}
FROM_EMS = {"OCPI_from_country_code": "NL", "OCPI_from_party_id": "EMS"}


def own_token(version: str) -> dict[str, object]:
    """Return a token as the version has it."""
    unknown = {"contract_id", "country_code", "party_id"} if version == "2.1.1" else {"auth_id"}
    return {name: value for name, value in OWN_TOKEN.items() if name not in unknown}


def send(
    call: Caller, method: str, path: str, body: bytes = b"", *, content_type: str, **headers: str
) -> Any:
    authorization = "Token " + b64encode(call.token.encode()).decode()
    return Client().generic(
        method,
        path,
        data=body,
        content_type=content_type,
        headers={
            "Authorization": authorization,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


@pytest.mark.rule("TR-20")
@versions
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_a_body_is_json_whatever_its_content_type_says(
    call: Caller, version: str, content_type: str
) -> None:
    path = f"/ocpi/{version}/tokens/NL/EMS/04AA"

    response = send(call, "PUT", path, json.dumps(own_token(version)), content_type=content_type)

    assert (response.status_code, response.json()["status_code"]) == (201, 1000)


@pytest.mark.rule("TR-20", "TR-21")
@versions
def test_a_get_needs_no_content_type_and_every_answer_is_json(call: Caller, version: str) -> None:
    response = send(call, "GET", f"/ocpi/{version}/locations", content_type="")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"data", "status_code", "status_message", "timestamp"}
    assert type(body["status_code"]) is int


@pytest.mark.rule("TR-22", "TR-24")
@versions
@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs"])
def test_a_list_of_nothing_is_an_empty_array(call: Caller, version: str, module: str) -> None:
    reply = call.get(f"/ocpi/{version}/{module}?date_from=2020-01-01T00:00:00Z")

    assert (reply.code, reply.data) == (1000, [])


@pytest.mark.rule("TR-22", "TR-24")
@versions
def test_one_object_is_an_object(call: Caller, version: str) -> None:
    LocationFactory(id="SITE", evses=[evse("E1")])

    for path in ("SITE", "SITE/E1", "SITE/E1/1"):
        assert isinstance(call.get(f"/ocpi/{version}/locations/{path}").data, dict)


@pytest.mark.rule("TR-25")
@versions
def test_data_is_unset_where_the_specification_defines_none(call: Caller, version: str) -> None:
    path = f"/ocpi/{version}/tokens/NL/EMS/04AA"
    changes = {"valid": False, "last_updated": "2026-06-02T00:00:00Z"}

    created = call("PUT", path, own_token(version))
    updated = call("PUT", path, own_token(version))
    patched = call("PATCH", path, changes)

    assert [reply.status for reply in (created, updated, patched)] == [201, 200, 200]
    for reply in (created, updated, patched):
        assert set(reply.body) == {"status_code", "status_message", "timestamp"}


@pytest.mark.rule("TR-21", "TR-23", "TR-30")
@versions
@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "locations", None, (200, 1000)),
        ("PUT", "tokens/NL/EMS/04AA", b"{", (400, 2001)),
        ("GET", "locations/NOWHERE", None, (404, 2003)),
        ("GET", "nothing", None, (404, 2001)),
        ("GET", "tokens/NL/FOE/04AA", None, (404, 2001)),
        ("PUT", "tokens/NL/EMS/OTHER", "own token", (200, 2001)),
        ("PUT", "tokens/NL/EMS/04AA", {"uid": "04AA"}, (200, 2001)),
        ("GET", "sessions", None, (200, 2001)),
        ("GET", "locations?limit=none", None, (200, 2001)),
        ("POST", "locations", {}, (405, 2000)),
        ("DELETE", "tokens/NL/EMS/04AA", None, (405, 2000)),
        ("POST", "tokens/NL/EMS/04AA", {}, (405, 2000)),
        ("PUT", "commands/START_SESSION", {}, (405, 2000)),
        ("OPTIONS", "locations", None, (405, 2000)),
    ],
)
def test_every_situation_has_its_two_statuses(
    call: Caller, version: str, method: str, path: str, body: Any, expected: tuple[int, int]
) -> None:
    sent = own_token(version) if body == "own token" else body

    reply = call(method, f"/ocpi/{version}/{path}", sent)

    assert (reply.status, reply.code) == expected
    assert reply.body["timestamp"].endswith("Z")
    assert ("data" in reply.body) == (reply.code == 1000)


@pytest.mark.rule("TR-30", "TR-23")
@versions
@pytest.mark.parametrize("token", ["", "wrong"])
def test_who_is_not_known_is_401(version: str, token: str, db: None) -> None:
    reply = Caller(token, {} if token else {"Authorization": ""}).get(f"/ocpi/{version}/locations")

    assert (reply.status, reply.code) == (401, 2000)
    assert "data" not in reply.body


@pytest.mark.rule("TR-30")
@later_versions
def test_an_unknown_token_is_2004(call: Caller, version: str) -> None:
    reply = call.get(f"/ocpi/{version}/tokens/NL/EMS/NOBODY")

    assert (reply.status, reply.code) == (404, 2004)


@pytest.mark.rule("TR-30")
@versions
def test_a_failure_of_ours_is_http_200_with_3000(
    call: Caller, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr("roaming.ocpi.documents.bodies", fail)
    LocationFactory(id="SITE")

    reply = call.get(f"/ocpi/{version}/locations/SITE")

    assert (reply.status, reply.code) == (200, 3000)
    assert "a secret" not in str(reply.body)


ANSWERS: list[tuple[str, str, Any, int]] = [
    ("GET", "locations", None, 200),
    ("PUT", "tokens/NL/EMS/04AA", b"{", 400),
    ("GET", "locations/NOWHERE", None, 404),
    ("GET", "nothing", None, 404),
    ("POST", "locations", {}, 405),
]


@pytest.mark.rule("TR-40", "TR-41", "TR-44", "TR-46")
@versions
@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS)
def test_ids_come_back_with_every_answer(
    call: Caller, version: str, method: str, path: str, body: Any, status: int
) -> None:
    reply = call(
        method,
        f"/ocpi/{version}/{path}",
        body,
        X_Request_ID="5d0c2b6e-request",
        X_Correlation_ID="5d0c2b6e-trace",
    )

    assert reply.status == status
    assert reply.headers["X-Request-ID"] == "5d0c2b6e-request"
    assert reply.headers["X-Correlation-ID"] == "5d0c2b6e-trace"


@pytest.mark.rule("TR-42", "TR-44", "TR-46")
@versions
@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS)
def test_ids_that_are_missing_are_made(
    call: Caller, version: str, method: str, path: str, body: Any, status: int
) -> None:
    reply = call(method, f"/ocpi/{version}/{path}", body, X_Request_ID="", X_Correlation_ID="")

    assert reply.status == status
    for name in ("X-Request-ID", "X-Correlation-ID"):
        assert str(UUID(reply.headers[name])) == reply.headers[name]


@pytest.mark.rule("TR-45", "TR-44")
@pytest.mark.parametrize("path", ["versions", *VERSIONS, "2.2.1/credentials"])
def test_configuration_modules_have_ids_as_well(call: Caller, path: str) -> None:
    known = call.get(f"/ocpi/{path}", X_Request_ID="r", X_Correlation_ID="c")
    refused = Caller("wrong").get(f"/ocpi/{path}", X_Request_ID="r", X_Correlation_ID="c")

    assert (known.status, refused.status) == (200, 401)
    for reply in (known, refused):
        assert (reply.headers["X-Request-ID"], reply.headers["X-Correlation-ID"]) == ("r", "c")


@pytest.mark.rule("TR-50", "TR-52", "TR-57")
@later_versions
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [row for row in ANSWERS if row[1] != "nothing"],
)
def test_an_answer_goes_back_the_way_the_request_came(
    call: Caller, version: str, method: str, path: str, body: Any, status: int
) -> None:
    PartyFactory()

    reply = call(method, f"/ocpi/{version}/{path}", body, **ROUTED, **FROM_EMS)

    assert reply.status == status
    assert routing(reply) == {
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "EMS",
        "OCPI-from-country-code": "NL",
        "OCPI-from-party-id": "TST",
    }


def routing(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.startswith("OCPI-")}


@pytest.mark.rule("TR-51")
@pytest.mark.parametrize("path", ["versions", *VERSIONS, "2.2.1/credentials", "2.3.0/credentials"])
def test_configuration_modules_say_no_route(call: Caller, path: str) -> None:
    PartyFactory()

    reply = call.get(f"/ocpi/{path}", **ROUTED, **FROM_EMS)

    assert reply.status == 200
    assert routing(reply) == {}


@pytest.mark.rule("TR-50", "TR-46")
def test_2_1_1_knows_no_routes(call: Caller) -> None:
    LocationFactory(id="SITE")

    reply = call.get(
        "/ocpi/2.1.1/locations", OCPI_to_country_code="XX", OCPI_to_party_id="YYY", **FROM_EMS
    )

    assert [item["id"] for item in reply.data] == ["SITE"]
    assert routing(reply) == {}


@pytest.mark.rule("TR-53", "TR-57")
@later_versions
@pytest.mark.parametrize(
    "headers",
    [
        {"OCPI_to_country_code": "NL", "OCPI_to_party_id": "XXX"},
        {"OCPI_from_country_code": "NL", "OCPI_from_party_id": "FOE"},
    ],
)
def test_a_route_to_nobody_or_of_somebody_else_is_404(
    call: Caller, version: str, headers: dict[str, str]
) -> None:
    PartyFactory()

    reply = call.get(f"/ocpi/{version}/locations", **headers)

    assert (reply.status, reply.code) == (404, 2001)
    assert routing(reply)


@pytest.mark.rule("TR-54", "TR-50")
@later_versions
def test_without_a_route_every_party_of_ours_answers(call: Caller, version: str) -> None:
    LocationFactory(id="ONE")
    LocationFactory(id="OTHER", country_code="DE", party_id="TWO")

    reply = call.get(f"/ocpi/{version}/locations")

    assert [item["id"] for item in reply.data] == ["ONE", "OTHER"]
    assert routing(reply) == {}


@pytest.mark.rule("TR-55", "TR-94")
@later_versions
def test_a_route_to_one_party_reaches_that_party_only(call: Caller, version: str) -> None:
    LocationFactory(id="SAME", name="ours")
    LocationFactory(id="SAME", name="theirs", country_code="DE", party_id="TWO")
    LocationFactory(id="MORE", country_code="DE", party_id="TWO")
    to = {"OCPI_to_country_code": "de", "OCPI_to_party_id": "two"}

    listed = call.get(f"/ocpi/{version}/locations", **to)
    single = call.get(f"/ocpi/{version}/locations/same", **to)

    assert [item["id"] for item in listed.data] == ["SAME", "MORE"]
    assert listed.headers["X-Total-Count"] == "2"
    assert single.data["name"] == "theirs"


@pytest.mark.rule("TR-56")
@later_versions
def test_the_owner_in_the_body_must_be_the_one_in_the_url(call: Caller, version: str) -> None:
    body = own_token(version) | {"party_id": "FOE"}

    reply = call("PUT", f"/ocpi/{version}/tokens/NL/EMS/04AA", body)

    assert (reply.status, reply.code) == (200, 2001)
    assert call.get(f"/ocpi/{version}/tokens/NL/EMS/04AA").status == 404


@pytest.mark.rule("TR-94")
@versions
def test_ids_in_urls_are_found_whatever_their_case(call: Caller, version: str) -> None:
    LocationFactory(id="SiteA", evses=[evse("EvseA")])
    call("PUT", f"/ocpi/{version}/tokens/NL/EMS/04AA", own_token(version))

    assert call.get(f"/ocpi/{version}/locations/sITEa/eVSEa/1").data["id"] == "1"
    assert call.get(f"/ocpi/{version}/locations/SITEA").data["id"] == "SiteA"
    assert call.get(f"/ocpi/{version}/tokens/nl/ems/04aa").data["uid"] == "04AA"


@pytest.mark.rule("TR-120")
@versions
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_slash_at_the_end_changes_nothing(call: Caller, version: str, slash: str) -> None:
    LocationFactory(id="SITE", evses=[evse("E1")])
    root = f"/ocpi/{version}"

    assert call.get(f"{root}{slash}").status == 200
    assert call.get(f"{root}/locations/SITE/E1/1{slash}").status == 200
    assert call("PUT", f"{root}/tokens/NL/EMS/04AA{slash}", own_token(version)).status == 201
    assert call("POST", f"{root}/commands/START_SESSION{slash}", {}).status == 200


@pytest.mark.rule("TR-121")
def test_the_version_is_in_the_path(call: Caller) -> None:
    for number in VERSIONS:
        urls = [item["url"] for item in call.get(f"/ocpi/{number}").data["endpoints"]]
        assert urls
        assert all(url.startswith(f"http://localhost:8000/ocpi/{number}/") for url in urls)


@pytest.mark.rule("TR-122")
@versions
@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("A*B", "A*B"),
        ("A*B", "A%2AB"),
        ("A B", "A%20B"),
        ("A#B", "A%23B"),
        ("A?B", "A%3FB"),
        ("A%B", "A%25B"),
        ("A+B", "A+B"),
        ("A+B", "A%2BB"),
    ],
)
def test_ids_are_decoded(call: Caller, version: str, name: str, encoded: str) -> None:
    LocationFactory(id=name, evses=[evse(f"{name}-E")])

    assert call.get(f"/ocpi/{version}/locations/{encoded}").data["id"] == name
    assert call.get(f"/ocpi/{version}/locations/{encoded}/{encoded}-E").data["uid"] == f"{name}-E"


@pytest.mark.rule("TR-122")
@versions
def test_an_encoded_slash_is_part_of_an_id(call: Caller, version: str) -> None:
    LocationFactory(id="A/B", evses=[evse("E1")])
    LocationFactory(id="A", evses=[evse("B/1")])
    root = f"/ocpi/{version}/locations"

    assert call.get(f"{root}/A%2FB").data["id"] == "A/B"
    assert call.get(f"{root}/A%2FB/E1").data["uid"] == "E1"
    assert call.get(f"{root}/A/B%2F1").data["uid"] == "B/1"
    assert call.get(f"{root}/A%2FC").status == 404


@versions
def test_head_is_get_without_the_body(call: Caller, version: str) -> None:
    LocationFactory(id="SITE")
    got = send(call, "GET", f"/ocpi/{version}/locations", content_type="")

    head = send(call, "HEAD", f"/ocpi/{version}/locations", content_type="")

    assert (head.status_code, head.content) == (200, b"")
    assert (
        abs(int(head.headers["Content-Length"]) - len(got.content)) <= 4
    )  # milliseconds of `timestamp`
    assert head.headers["X-Total-Count"] == "1"


@versions
@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("deflate, gzip", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("br", False),
    ],
)
def test_a_large_answer_is_sent_with_gzip_to_who_asks_for_it(
    call: Caller,
    version: str,
    accepted: str,
    zipped: bool,  # noqa: FBT001
) -> None:
    tariff = TariffFactory()
    for number in range(3):
        LocationFactory(id=f"SITE{number}", tariff=tariff)
    headers: dict[str, Any] = {"Accept-Encoding": accepted} if accepted else {}

    response = send(call, "GET", f"/ocpi/{version}/locations", content_type="", **headers)

    assert (response.headers.get("Content-Encoding") == "gzip") == zipped
    assert "Accept-Encoding" in response.headers["Vary"]
    body = gzip.decompress(response.content) if zipped else response.content
    assert len(json.loads(body)["data"]) == 3


def test_a_small_answer_is_not_compressed(call: Caller) -> None:
    response = send(call, "GET", "/ocpi/2.2.1/locations", content_type="", Accept_Encoding="gzip")

    assert "Content-Encoding" not in response.headers


def test_a_connection_that_the_database_closed_is_opened_anew(
    transactional_db: None,
) -> None:
    from django.db import connection

    registered = make_partner()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    elsewhere(lambda: connection.cursor().execute("SELECT pg_terminate_backend(%s)", [process]))

    assert registered.call.get("locations").code == 1000


@pytest.mark.rule("TR-96")
def test_what_we_say_holds_no_control_characters(call: Caller) -> None:
    reply = call.get("tokens/NL/EMS/A%01%0AB")

    assert reply.status == 404
    assert reply.body["status_message"] == "unknown token A??B"

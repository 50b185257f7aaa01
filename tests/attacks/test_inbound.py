"""What partners send to hurt: answered in an envelope, as the sender's mistake, never as ours."""

from typing import Any

import pytest
from django.test import Client

from cpo_platform.common import json
from sessions_app.models import Token
from tests.factories import LocationFactory, TokenFactory
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


def raw(value: str, name: str = "of_our_own") -> bytes:
    """Return a token whose field `name` is the JSON text `value`."""
    fields = {key: item for key, item in TOKEN.items() if key != name}
    return json.dumps(fields)[:-1] + f', "{name}": {value}}}'.encode()


@pytest.mark.parametrize(
    "value",
    ["1.5", "1e18", "1e-300", "18446744073709551615", '"x"', "true", "[" * 90 + "]" * 90],
)
def test_unknown_fields_of_any_json_are_taken(call: Caller, value: str) -> None:
    reply = call("PUT", URL, raw(value))

    assert (reply.status, reply.code) == (201, 1000)
    assert call.get(URL).code == 1000


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("1e9999999999999999999", 400),
        ("NaN", 400),
        ("9" * 5000, 400),
        ("[" * 100_000 + "]" * 100_000, 400),
        ("1e300", 400),
        ("1e999999", 400),
        ("18446744073709551616", 400),
        ('"\\u0000"', 200),
        ('"\\ud800"', 200),
        ('{"\\u0000": 1}', 200),
        ('{"\\udfff": 1}', 200),
        ("[" * 400 + "]" * 400, 200),
    ],
)
def test_values_that_cannot_be_kept_are_refused(call: Caller, value: str, status: int) -> None:
    reply = call("PUT", URL, raw(value))

    assert (reply.status, reply.code) == (status, 2001)
    assert not Token.objects.exists()


@pytest.mark.parametrize("name", ["issuer", "uid", "visual_number", "last_updated", "type"])
@pytest.mark.parametrize("value", ['"\\u0000"', '"\\ud800"', "1e999999", "[]", "{}"])
def test_hostile_values_of_known_fields_are_refused(call: Caller, name: str, value: str) -> None:
    put = call("PUT", URL, raw(value, name))

    assert put.status in {200, 400}
    assert put.code == 2001


@pytest.mark.parametrize("name", ["issuer", "uid", "visual_number", "last_updated", "type", "x"])
@pytest.mark.parametrize("value", ['"\\u0000"', '"\\ud800"', "1e999999"])
def test_hostile_values_in_a_patch_are_refused(call: Caller, name: str, value: str) -> None:
    call("PUT", URL, TOKEN)
    body = f'{{"last_updated": "2026-06-02T00:00:00Z", "{name}": {value}}}'.encode()

    reply = call("PATCH", URL, body)

    assert reply.status in {200, 400}
    assert reply.code == 2001


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
    ],
)
def test_moments_out_of_range_are_refused(call: Caller, moment: str) -> None:
    token = call("PUT", URL, TOKEN | {"last_updated": moment})
    page = call.get(f"locations?date_from={moment.replace('+', '%2B')}")

    assert token.code == page.code == 2001


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"])
def test_the_first_and_the_last_moment_are_taken(call: Caller, value: str) -> None:
    assert call("PUT", URL, TOKEN | {"last_updated": value}).code == 1000
    assert call.get(URL).data["last_updated"] == value
    assert call.get(f"locations?date_from={value}").code == 1000


@pytest.mark.parametrize(
    "query",
    [
        "offset=-1",
        "offset=1e3",
        "offset=" + "9" * 30,
        "offset=" + "0" * 20 + "9" * 4400,
        "limit=0",
        "limit=%00",
        "limit=%EF%BC%91",
        "date_from=%00",
        "date_to=%ED%A0%80",
    ],
)
def test_pages_out_of_range_are_refused(call: Caller, query: str) -> None:
    assert call.get(f"locations?{query}").code == 2001


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ED%A0%80", "%2F", "x" * 3000, "%F0%9F%94%8C"])
@pytest.mark.parametrize(
    "path",
    [
        "locations/{}",
        "locations/SITE/{}",
        "locations/SITE/E1/{}",
        "tokens/NL/EMS/{}",
        "tokens/NL/{}/X",
        "tokens/NL/EMS/X?type={}",
        "commands/{}",
    ],
)
def test_hostile_names_in_urls_are_not_found(call: Caller, path: str, name: str) -> None:
    LocationFactory(id="SITE")
    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
        reply = call(method, path.format(name), TOKEN)
        assert reply.code // 1000 != 3, method
        assert reply.status in {200, 404, 405}, method


@pytest.mark.parametrize(
    "extra", ["18446744073709551616", '"\\ud800"', "1e999999", "[" * 400 + "]" * 400, '"\\u0000"']
)
@pytest.mark.parametrize("command", ["START_SESSION", "STOP_SESSION"])
def test_a_command_with_hostile_extras_is_answered(call: Caller, command: str, extra: str) -> None:
    body = f'{{"response_url": "https://emsp.example/r", "session_id": "S", "x": {extra}}}'

    reply = call("POST", f"commands/{command}", body.encode())

    assert reply.status in {200, 400}
    assert reply.code == 2001


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "HEAD", "PROPFINDXYZ", "get"])
def test_other_methods_keep_the_envelope(call: Caller, method: str) -> None:
    from base64 import b64encode

    for path in ("/ocpi/versions", "/ocpi/2.2.1/locations", "/ocpi/2.2.1/nothing"):
        response = Client().generic(
            method,
            path,
            headers={"Authorization": "Token " + b64encode(call.token.encode()).decode()},
        )
        assert response.status_code in {200, 404, 405}
        if method != "HEAD":
            assert "status_code" in json.loads(response.content), path


def test_a_role_that_is_no_emsp_does_not_write_an_emsps_tokens(
    first: Registered, stranger: Registered
) -> None:
    TokenFactory(uid="04AA", valid=True)
    stranger.partner.roles.create(role="NSP", country_code="nl", party_id="ems")

    changes = {"valid": False, "last_updated": "2027-01-01T00:00:00Z"}
    put = stranger.call("PUT", URL, TOKEN | changes)
    patch = stranger.call("PATCH", URL, changes)

    assert (put.status, patch.status) == (404, 404)
    assert Token.objects.get().valid is True


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"1", b'"x"', b"\xff", b"{", b"\x00"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", URL),
        ("PATCH", URL),
        ("POST", "commands/START_SESSION"),
        ("POST", "commands/STOP_SESSION"),
        ("PUT", "credentials"),
    ],
)
def test_bodies_that_are_no_objects_are_2001(
    call: Caller, method: str, path: str, body: bytes
) -> None:
    assert call(method, path, body).code == 2001

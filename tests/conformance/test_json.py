"""How objects look as JSON, whatever they are (OCPI 2.2.1, transport_and_format)."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from roaming.ocpi.versions import VERSIONS
from sessions_app.metering import Reading
from sessions_app.operations.sessions import stop_session
from tests.factories import NOW, LocationFactory, SessionFactory
from tests.roaming.conftest import Registered

every_version = pytest.mark.parametrize("version", list(VERSIONS))
LISTS = {
    "locations": "",
    "tariffs": "",
    "sessions": "?date_from=2026-01-01T00:00:00Z",
    "cdrs": "",
}


@pytest.fixture
def network(db: None) -> None:
    """A location, a running session, and a finished one with its CDR."""
    LocationFactory()
    SessionFactory()
    finished = SessionFactory()
    ended = NOW + timedelta(hours=1)
    reading = Reading(ended, Decimal("1010.5"))
    stop_session(session_id=finished.pk, ended_at=ended, now=ended, readings=[reading])


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from inside(inner)
    if isinstance(value, list):
        for inner in value:
            yield from inside(inner)


@pytest.mark.rule("TR-27", "TR-28", "TR-97")
@every_version
@pytest.mark.parametrize("module", LISTS)
def test_keys_are_snake_case_absent_rather_than_null_and_numbers_are_numbers(
    first: Registered, network: None, version: str, module: str
) -> None:
    reply = first.call.get(f"/ocpi/{version}/{module}{LISTS[module]}")

    assert reply.code == 1000
    assert reply.data
    for key, value in inside(reply.body):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", key), key
        assert value is not None, key
        if key in {"kwh", "total_energy", "volume", "price", "total_time"}:
            assert not isinstance(value, str), key


@pytest.mark.rule("TR-27")
@every_version
def test_ids_are_found_in_any_case_and_come_back_in_ours_but_enums_have_one_case(
    first: Registered, db: None, version: str
) -> None:
    LocationFactory(id="Site-One")
    found = first.call.get(f"/ocpi/{version}/locations/sITE-oNE")
    owner = {} if version == "2.1.1" else {"country_code": "NL", "party_id": "EMS"}
    contract = "auth_id" if version == "2.1.1" else "contract_id"
    refused = first.call(
        "PUT",
        f"/ocpi/{version}/tokens/NL/EMS/04AA",
        {
            **owner,
            "uid": "04AA",
            "type": "RFID",
            contract: "NL-EMS-C1",
            "issuer": "An eMSP",
            "valid": True,
            "whitelist": "allowed",
            "last_updated": "2026-06-01T08:00:00Z",
        },
    )

    assert found.data["id"] == "Site-One"
    assert (refused.status, refused.code) == (200, 2001)
    assert "whitelist" in refused.body["status_message"]


@pytest.mark.rule("TR-28")
@every_version
def test_optional_fields_that_are_null_are_as_absent(
    first: Registered, db: None, version: str
) -> None:
    owner = {} if version == "2.1.1" else {"country_code": "NL", "party_id": "EMS"}
    contract = "auth_id" if version == "2.1.1" else "contract_id"
    token = {
        **owner,
        "uid": "04AA",
        "type": "RFID",
        contract: "NL-EMS-C1",
        "issuer": "An eMSP",
        "valid": True,
        "whitelist": "ALLOWED",
        "visual_number": None,
        "language": None,
        "last_updated": "2026-06-01T08:00:00Z",
    }
    url = f"/ocpi/{version}/tokens/NL/EMS/04AA"

    assert first.call("PUT", url, token).status == 201
    assert first.call.get(url).data == {
        name: value for name, value in token.items() if value is not None
    }

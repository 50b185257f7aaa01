"""The sandbox as a hub, in the two ways OCPI has of saying so."""

from collections.abc import Iterator

import pytest

from sandbox.emsp import Emsp, RegistrationError, running_emsp
from tests.sandbox import objects
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.wire import call

Pair = tuple[Emsp, FakeCpo]
HUB = {"party_id": "HUB", "name": "Sandbox hub", "hub_for": "NL*EM1,DE*EM2"}
FROM_US = {"OCPI-from-party-id": "CPO", "OCPI-from-country-code": "NL"}


@pytest.fixture(params=["2.2.1", "2.3.0"])
def pair(request: pytest.FixtureRequest, cpo: FakeCpo) -> Iterator[Pair]:
    with running_emsp(ocpi_version=request.param, **HUB) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        yield emsp, cpo


def to(country_code: str, party_id: str) -> dict[str, str]:
    return {"OCPI-to-country-code": country_code, "OCPI-to-party-id": party_id, **FROM_US}


def rules(emsp: Emsp) -> list[str]:
    return [entry["rule"] for entry in emsp.violations()]


def test_a_hub_says_what_it_is_as_its_version_has_it(pair: Pair) -> None:
    _, cpo = pair
    roles = [(role["role"], role["party_id"]) for role in cpo.peer_credentials["roles"]]
    if cpo.version == "2.2.1":
        assert roles == [("HUB", "HUB")]
        assert "hub_party_id" not in cpo.peer_credentials
    else:
        assert roles == [("EMSP", "EM1"), ("EMSP", "EM2")]
        assert cpo.peer_credentials["hub_party_id"] == "NLHUB"
    assert ("hubclientinfo", "SENDER") in {(e["identifier"], e["role"]) for e in cpo.endpoints}


def test_it_lists_who_is_behind_it_and_tells_of_changes(pair: Pair) -> None:
    emsp, cpo = pair
    listed = cpo.push("GET", "hubclientinfo")
    assert [(c["party_id"], c["role"], c["status"]) for c in listed.data] == [
        ("EM1", "EMSP", "CONNECTED"),
        ("EM2", "EMSP", "CONNECTED"),
    ]
    assert listed.headers["X-Total-Count"] == "2"
    emsp.client_info("DE*EM2", "OFFLINE")
    assert cpo.calls[-1] == f"PUT /{cpo.version}/hubclientinfo/DE/EM2"
    assert "OCPI-to-party-id" not in cpo.headers_seen[-1]
    assert cpo.clients[-1]["status"] == "OFFLINE"
    with pytest.raises(ValueError, match="status is one of"):
        emsp.client_info("DE*EM2", "GONE")
    assert emsp.violations() == []


def test_commands_come_from_the_party_that_owns_the_token(pair: Pair) -> None:
    emsp, cpo = pair
    for party in ("EM1", "EM2"):
        emsp.start_session(location_id="L", evse_uid="E", token_uid=f"app-anna-{party}")
        sent = cpo.headers_seen[-1]
        assert (sent["OCPI-from-party-id"], sent["OCPI-to-party-id"]) == (party, "CPO")
    assert [c["token"]["country_code"] for c in cpo.commands] == ["NL", "DE"]
    url = cpo.commands[0]["response_url"]
    call("POST", url, {"result": "ACCEPTED"}, token=cpo.outbound, headers=to("DE", "EM2"))
    assert rules(emsp) == ["routing"]


def test_broadcasts_are_for_what_everybody_may_see(pair: Pair) -> None:
    emsp, cpo = pair
    place = objects.location(evses=[])
    hub = to("NL", "HUB")
    assert cpo.push("PUT", "locations/NL/CPO/LOC-1", place, headers=hub).status == 201
    token = objects.cdr_token(party_id="EM1", uid="app-anna-EM1", type="APP_USER")
    session = objects.session(cdr_token=token, total_cost=None)
    path = "sessions/NL/CPO/SESSION-1"
    assert cpo.push("PUT", path, session, headers=to("NL", "EM1")).status == 201
    assert emsp.violations() == []
    cpo.push("PUT", path, session, headers=hub)
    cpo.push("GET", "locations/NL/CPO/LOC-1", headers=hub)
    cpo.push("PUT", "locations/NL/CPO/LOC-1", place)
    assert rules(emsp) == ["routing", "routing", "routing"]
    assert cpo.push("PUT", path, session, headers=to("NL", "XXX")).status == 404


def test_tokens_are_listed_for_one_party_or_for_all(pair: Pair) -> None:
    _, cpo = pair
    one = cpo.push("GET", "tokens", headers=to("DE", "EM2")).data
    assert {token["party_id"] for token in one} == {"EM2"}
    everybody = cpo.push("GET", "tokens", headers=to("NL", "HUB")).data
    assert {token["party_id"] for token in everybody} == {"EM1", "EM2"}


def test_the_page_shows_who_is_behind_the_hub(pair: Pair) -> None:
    emsp, cpo = pair
    page = call("GET", emsp.url).text
    assert "A small hub, NL*HUB, for NL*EM1 and DE*EM2" in page
    assert page.count("/actions/client_info") == 2
    raw = b"back=/&party=NL*EM1&connection=SUSPENDED"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call("POST", f"{emsp.url}/actions/client_info", raw=raw, headers=headers)
    assert cpo.clients[-1]["status"] == "SUSPENDED"


def test_there_are_no_hubs_in_2_1_1(cpo: FakeCpo) -> None:
    with pytest.raises(ValueError, match="no hubs"), running_emsp(ocpi_version="2.1.1", **HUB):
        pass
    with running_emsp(ocpi_version="newest", **HUB) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        with pytest.raises(RegistrationError, match=r"2\.1\.1 knows no hubs"):
            emsp.switch_version("2.1.1")

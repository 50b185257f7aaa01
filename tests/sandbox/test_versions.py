"""The sandbox in every version: what is registered, judged, shown and computed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from sandbox.emsp import Emsp, PeerError, RegistrationError, running_emsp
from sandbox.emsp.recompute import recompute
from tests.sandbox import objects, other_versions
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.objects import T1, T2
from tests.sandbox.other_versions import CDRS, LOCATIONS, SESSIONS, TARIFFS
from tests.sandbox.wire import call

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
PAGES = ("", "locations", "tariffs", "tokens", "sessions", "cdrs", "cdrs/NL/CPO/CDR-1", "messages")
LOCATION = "locations/NL/CPO/LOC-1"
SESSION = "sessions/NL/CPO/SESSION-1"


@pytest.fixture(params=VERSIONS)
def pair(request: pytest.FixtureRequest, cpo: FakeCpo) -> Iterator[tuple[Emsp, FakeCpo]]:
    cpo.version = request.param
    with running_emsp(ocpi_version=request.param, own_token_a="own-token-a") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        yield emsp, cpo


def rules(emsp: Emsp) -> list[str]:
    return [entry["rule"] for entry in emsp.violations()]


def test_a_registration_has_the_credentials_and_endpoints_of_its_version(
    pair: tuple[Emsp, FakeCpo],
) -> None:
    emsp, cpo = pair
    assert emsp.version == cpo.version
    sent = cpo.peer_credentials
    identifiers = {entry["identifier"] for entry in cpo.endpoints}
    if cpo.plain:
        assert sent.keys() == {"token", "url", "business_details", "party_id", "country_code"}
        assert all("role" not in entry for entry in cpo.endpoints)
        assert "chargingprofiles" not in identifiers
        assert cpo.headers_seen[-1]["Authorization"] == f"Token {cpo.token_a}"
    else:
        assert [role["role"] for role in sent["roles"]] == ["EMSP"]
        assert "chargingprofiles" in identifiers
        assert cpo.token_a not in cpo.headers_seen[-1]["Authorization"]
    assert emsp.violations() == []


def test_the_cpo_may_start_in_any_version(cpo: FakeCpo) -> None:
    for version in VERSIONS:
        cpo.version, cpo.inbound = version, "token-of-the-cpo"
        with running_emsp(own_token_a="a", ocpi_version="newest") as emsp:
            answer = cpo.register_with(emsp.versions_url, "a")
            assert (answer.code, emsp.version) == (1000, version)
            assert cpo.push("GET", "tokens").code == 1000
            assert emsp.violations() == []


def test_a_token_written_as_another_version_writes_it_is_refused(
    pair: tuple[Emsp, FakeCpo],
) -> None:
    emsp, cpo = pair
    answer = call("GET", cpo.peer("tokens"), token=cpo.outbound, plain=not cpo.plain)
    assert answer.status == 401
    assert rules(emsp) == ["token-encoding"]


def test_the_newest_common_version_is_chosen(cpo: FakeCpo) -> None:
    cpo.offered = ["2.1.1", "2.2.1"]
    with running_emsp(ocpi_version="newest") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        assert emsp.version == "2.2.1"


def test_a_version_nobody_offers_is_not_registered(cpo: FakeCpo) -> None:
    cpo.offered = ["2.1.1"]
    with running_emsp(ocpi_version="2.3.0") as emsp:
        with pytest.raises(RegistrationError, match=r"does not offer OCPI 2\.3\.0"):
            emsp.register(cpo.versions_url, cpo.token_a)
        assert not emsp.registered


def test_switching_the_version_is_a_put_to_the_other_versions_credentials(cpo: FakeCpo) -> None:
    with running_emsp(ocpi_version="2.2.1") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        cpo.push("PUT", LOCATION, objects.location(evses=[]))
        old = cpo.outbound
        for version in ("2.3.0", "2.1.1"):
            emsp.switch_version(version)
            assert f"PUT /{version}/credentials" in cpo.calls
            assert (emsp.version, cpo.version) == (version, version)
            assert emsp.objects("locations") == []
            cpo.push("PUT", "tariffs/NL/CPO/TARIFF-1", TARIFFS[version]())
            body = LOCATIONS[version](evses=[])
            assert cpo.push("PUT", LOCATION, body).status == 201
        assert cpo.push("GET", LOCATION, token=old).status == 401
        assert emsp.violations() == []


def test_what_was_asked_for_in_2_1_1_has_no_reference_in_a_later_version(cpo: FakeCpo) -> None:
    cpo.version, cpo.command_answer = "2.1.1", {"result": "ACCEPTED"}
    with running_emsp(ocpi_version="2.1.1") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        token = objects.cdr_token()
        emsp.start_session(location_id="LOC-1", evse_uid="EVSE-1", token_uid=token["uid"])
        emsp.switch_version("2.2.1")
        session = objects.session(auth_method="COMMAND", cdr_token=token)
        other = objects.cdr_token(uid="04B0B0B0B0B0B0", contract_id="NL-EMS-C10000002")

        cpo.push("PUT", SESSION, session)
        assert emsp.violations("authorization-reference") == []

        cpo.push(
            "PUT", "sessions/NL/CPO/SESSION-2", session | {"id": "SESSION-2", "cdr_token": other}
        )
        assert len(emsp.violations("authorization-reference")) == 1


def test_valid_objects_of_a_version_break_no_rule(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    version = cpo.version
    assert cpo.push("PUT", "tariffs/NL/CPO/TARIFF-1", TARIFFS[version]()).status == 201
    assert cpo.push("PUT", LOCATION, LOCATIONS[version]()).status == 201
    assert cpo.push("PUT", SESSION, SESSIONS[version]()).status == 201
    posted = cpo.push("POST", "cdrs", CDRS[version]())
    assert posted.status == 201
    address = posted.headers["Location"]
    assert call("GET", address, token=cpo.outbound, plain=cpo.plain).data == CDRS[version]()
    assert emsp.violations() == []
    for page in PAGES:
        assert call("GET", f"{emsp.url}/{page}").status == 200
    assert f"OCPI {version}" in call("GET", emsp.url).text


def test_the_bill_is_computed_again_in_every_version(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    cpo.push("POST", "cdrs", CDRS[cpo.version]())
    (received,) = emsp.objects("cdrs")
    again = recompute(emsp.read("cdrs", received))
    assert again is not None
    assert (again.net, again.agrees) == (Decimal(7), True)
    assert "agrees" in call("GET", f"{emsp.url}/cdrs").text


def test_prices_with_their_taxes_in_them_give_the_same_bill() -> None:
    given = objects.cdr(tariffs=[other_versions.inclusive(objects.tariff())])
    again = recompute(given)
    assert again is not None
    assert round(again.net, 4) == Decimal("7.0000")
    assert round(again.gross, 4) == Decimal("7.9000")


@pytest.mark.parametrize(
    ("version", "path", "body", "rule"),
    [
        ("2.1.1", LOCATION, objects.location(), "required"),
        ("2.1.1", LOCATION, other_versions.old_location(publish=True), "unknown-field"),
        ("2.1.1", LOCATION, other_versions.old_location(address="x" * 46), "length"),
        ("2.1.1", LOCATION, other_versions.old_location(city="#NA"), "not-available"),
        (
            "2.1.1",
            LOCATION,
            other_versions.old_location(coordinates={"latitude": "5.10000", "longitude": "5.1"}),
            "coordinates",
        ),
        (
            "2.1.1",
            LOCATION,
            other_versions.old_location(last_updated="2026-07-01T10:00:00.5Z"),
            "datetime",
        ),
        ("2.1.1", SESSION, other_versions.old_session(status="RESERVATION"), "enum"),
        ("2.1.1", SESSION, other_versions.old_session(auth_method="COMMAND"), "enum"),
        ("2.1.1", SESSION, other_versions.old_session(auth_id="OTHER"), "unknown-token"),
        (
            "2.1.1",
            SESSION,
            other_versions.old_session(location=other_versions.old_location(evses=[])),
            "embedded-location",
        ),
        ("2.2.1", LOCATION, objects.location(help_phone="+31"), "unknown-field"),
        (
            "2.2.1",
            LOCATION,
            objects.location(evses=[objects.evse(connectors=[objects.connector(standard="MCS")])]),
            "enum",
        ),
        ("2.2.1", "tariffs/NL/CPO/TARIFF-1", other_versions.new_tariff(), "unknown-field"),
        ("2.3.0", "tariffs/NL/CPO/TARIFF-1", objects.tariff(), "required"),
        ("2.3.0", SESSION, objects.session(total_cost={"excl_vat": 1.0}), "required"),
        ("2.3.0", LOCATION, objects.location(opening_times={"twentyfourseven": False}), "hours"),
    ],
)
def test_each_version_is_judged_by_its_own_table(
    cpo: FakeCpo, version: str, path: str, body: dict[str, Any], rule: str
) -> None:
    cpo.version = version
    with running_emsp(ocpi_version=version) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        cpo.push("PUT", path, body)
        assert rule in rules(emsp)


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        (LOCATION, objects.location(publish_allowed_to=[{"issuer": "EMS"}]), "publish"),
        (
            LOCATION,
            objects.location(
                energy_mix={
                    "is_green_energy": True,
                    "energy_sources": [{"source": "WIND", "percentage": 99}],
                }
            ),
            "energy-mix",
        ),
        (
            LOCATION,
            objects.location(evses=[objects.evse(parking=[{"parking_id": "P9"}])]),
            "parking",
        ),
        (
            "tariffs/NL/CPO/TARIFF-1",
            other_versions.new_tariff(start_date_time=T2, end_date_time=T1),
            "tariff-times",
        ),
        (
            "tariffs/NL/CPO/TARIFF-1",
            other_versions.new_tariff(
                elements=[
                    {
                        "price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}],
                        "restrictions": {"reservation": "RESERVATION"},
                    }
                ]
            ),
            "reservation-element",
        ),
        (
            "tariffs/NL/CPO/TARIFF-1",
            other_versions.new_tariff(
                elements=[
                    {
                        "price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}],
                        "restrictions": {"end_time": "24:00"},
                    }
                ]
            ),
            "time",
        ),
    ],
)
def test_fields_are_judged_together(
    cpo: FakeCpo, path: str, body: dict[str, Any], rule: str
) -> None:
    cpo.version = "2.3.0"
    with running_emsp(ocpi_version="2.3.0") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        cpo.push("PUT", path, body)
        assert rule in rules(emsp)


def test_open_enums_are_open_in_2_3_0(cpo: FakeCpo) -> None:
    cpo.version = "2.3.0"
    with running_emsp(ocpi_version="2.3.0") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        place = objects.location(evses=[], facilities=["SWIMMING_POOL"])
        assert cpo.push("PUT", LOCATION, place).status == 201
        assert emsp.violations() == []


def test_a_patch_needs_last_updated_from_2_2_on(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    place = LOCATIONS[cpo.version]()
    cpo.push("PUT", "tariffs/NL/CPO/TARIFF-1", TARIFFS[cpo.version]())
    cpo.push("PUT", LOCATION, place)
    answer = cpo.push("PATCH", f"{LOCATION}/EVSE-1", {"status": "CHARGING"})
    assert answer.code == (1000 if cpo.plain else 2001)
    assert rules(emsp) == ([] if cpo.plain else ["missing-last-updated"])


def test_tariffs_are_patched_in_2_1_1_only(pair: tuple[Emsp, FakeCpo]) -> None:
    _, cpo = pair
    path = "tariffs/NL/CPO/TARIFF-1"
    cpo.push("PUT", path, TARIFFS[cpo.version]())
    answer = cpo.push("PATCH", path, {"currency": "SEK", "last_updated": T1})
    assert answer.status == (200 if cpo.plain else 405)
    assert cpo.push("GET", path).data["currency"] == ("SEK" if cpo.plain else "EUR")


def test_periods_in_a_patch_mean_nothing_in_2_1_1(cpo: FakeCpo) -> None:
    cpo.version = "2.1.1"
    with running_emsp(ocpi_version="2.1.1") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        cpo.push("PUT", SESSION, other_versions.old_session())
        period = {"start_date_time": T2, "dimensions": [{"type": "ENERGY", "volume": 1}]}
        cpo.push("PATCH", SESSION, {"charging_periods": [period], "last_updated": T2})
        assert rules(emsp) == ["nested-array-patch"]


def test_tokens_have_the_shape_of_the_version(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    emsp.push_tokens()
    app = cpo.tokens["app-anna"]
    listed = cpo.push("GET", "tokens").data
    assert next(token for token in listed if token["uid"] == "app-anna") == app
    if cpo.plain:
        assert (app["type"], app["auth_id"]) == ("OTHER", "NL-EMS-C10000001")
        assert {"country_code", "contract_id"}.isdisjoint(app)
        assert "." not in app["last_updated"]
        assert all("?type=" not in entry for entry in cpo.calls)
    else:
        assert (app["type"], app["contract_id"]) == ("APP_USER", "NL-EMS-C10000001")
    kind = "OTHER" if cpo.plain else "APP_USER"
    info = cpo.push("POST", f"tokens/app-anna/authorize?type={kind}").data
    assert info["allowed"] == "ALLOWED"
    assert ("token" in info) == ("authorization_reference" in info) == (not cpo.plain)
    unknown = cpo.push("POST", "tokens/NOPE/authorize")
    assert (unknown.status, unknown.code) == (404, 2004)


def test_an_old_partner_sends_and_gets_no_routing_headers(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    emsp.push_tokens()
    assert ("OCPI-to-party-id" in cpo.headers_seen[-1]) == (not cpo.plain)
    headers = {
        "OCPI-to-party-id": "EMS",
        "OCPI-to-country-code": "NL",
        "OCPI-from-party-id": "CPO",
        "OCPI-from-country-code": "NL",
    }
    cpo.push("GET", "tokens", headers=headers)
    assert rules(emsp) == (["routing"] if cpo.plain else [])


def test_a_push_to_a_version_that_is_not_registered_is_refused(cpo: FakeCpo) -> None:
    with running_emsp(ocpi_version="2.2.1", offers="2.3.0") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        url = f"{emsp.url}/ocpi/2.3.0/{LOCATION}"
        answer = call("PUT", url, objects.location(evses=[]), token=cpo.outbound)
        assert answer.status == 404
        assert rules(emsp) == ["version"]


def test_a_version_without_a_command_says_so(cpo: FakeCpo) -> None:
    cpo.version = "2.1.1"
    with running_emsp(ocpi_version="2.1.1") as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        with pytest.raises(PeerError, match=r"2\.1\.1 has no CANCEL_RESERVATION"):
            emsp.cancel_reservation("R1")

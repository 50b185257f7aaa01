"""What the eMSP accepts, refuses and records of what a CPO pushes."""

import threading
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import pytest

from sandbox.emsp import Emsp
from tests.sandbox import objects
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.objects import T0, T1, T2, T3
from tests.sandbox.wire import call

Pair = tuple[Emsp, FakeCpo]
LOCATION = "locations/NL/CPO/LOC-1"
SESSION = "sessions/NL/CPO/SESSION-1"


def rules(emsp: Emsp) -> list[tuple[str, str]]:
    return [(entry["rule"], entry["severity"]) for entry in emsp.violations()]


@pytest.fixture
def pushed(pair: Pair) -> Pair:
    _, cpo = pair
    assert cpo.push("PUT", "tariffs/NL/CPO/TARIFF-1", objects.tariff()).status == 201
    assert cpo.push("PUT", LOCATION, objects.location()).status == 201
    return pair


def test_ids_and_routing_headers_come_back(pair: Pair) -> None:
    _, cpo = pair
    headers = {
        "OCPI-to-party-id": "EMS",
        "OCPI-to-country-code": "NL",
        "OCPI-from-party-id": "CPO",
        "OCPI-from-country-code": "NL",
    }
    answer = cpo.push("PUT", LOCATION, objects.location(), headers=headers)
    assert answer.headers["X-Request-ID"] == "request-1"
    assert answer.headers["X-Correlation-ID"] == "correlation-1"
    assert answer.headers["OCPI-to-party-id"] == "CPO"
    assert answer.headers["OCPI-from-party-id"] == "EMS"
    assert "data" not in answer.json
    assert answer.json["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("name", "value"), [("OCPI-to-party-id", "XXX"), ("OCPI-from-party-id", "XXX")]
)
def test_misrouted_messages_are_404(pair: Pair, name: str, value: str) -> None:
    emsp, cpo = pair
    headers = {
        "OCPI-to-party-id": "EMS",
        "OCPI-to-country-code": "NL",
        "OCPI-from-party-id": "CPO",
        "OCPI-from-country-code": "NL",
        name: value,
    }
    answer = cpo.push("PUT", LOCATION, objects.location(), headers=headers)
    assert (answer.status, answer.code) == (404, 2001)
    assert rules(emsp) == [("routing", "refused")]
    assert emsp.objects("locations") == []


def test_three_levels_of_a_location_with_cascade(pushed: Pair) -> None:
    emsp, cpo = pushed
    patch = {"status": "CHARGING", "last_updated": T1}
    assert cpo.push("PATCH", f"{LOCATION}/evse-1", patch).code == 1000
    stored = cpo.push("GET", LOCATION).data
    assert stored["evses"][0]["status"] == "CHARGING"
    assert stored["last_updated"] == T1
    changed = objects.connector(max_amperage=16, last_updated=T2)
    assert cpo.push("PUT", f"{LOCATION}/EVSE-1/1", changed).status == 200
    stored = cpo.push("GET", LOCATION).data
    assert stored["evses"][0]["connectors"] == [changed]
    assert stored["evses"][0]["last_updated"] == stored["last_updated"] == T2
    added = objects.evse(uid="EVSE-2", last_updated=T3)
    assert cpo.push("PUT", f"{LOCATION}/EVSE-2", added).status == 201
    assert cpo.push("GET", f"{LOCATION}/EVSE-2").data == added
    assert cpo.push("GET", f"{LOCATION}/EVSE-2/1").data == objects.connector()
    assert len(emsp.objects("locations")[0]["evses"]) == 2
    assert emsp.violations() == []


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PATCH", "locations/NL/CPO/NOPE", 2003),
        ("PATCH", f"{LOCATION}/NOPE", 2003),
        ("PATCH", "sessions/NL/CPO/NOPE", 2001),
        ("GET", "locations/NL/CPO/NOPE", 2003),
        ("GET", f"{LOCATION}/EVSE-1/9", 2003),
        ("GET", "sessions/NL/CPO/NOPE", 2001),
        ("GET", "tariffs/NL/CPO/NOPE", 2001),
        ("DELETE", "tariffs/NL/CPO/NOPE", 2001),
        ("PUT", "tariffs/DE/XXX/TARIFF-1", 2001),
    ],
)
def test_unknown_objects_and_owners_are_404(
    pushed: Pair, method: str, path: str, code: int
) -> None:
    _, cpo = pushed
    body = {"last_updated": T1} if method == "PATCH" else None
    answer = cpo.push(method, path, objects.tariff() if method == "PUT" else body)
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", LOCATION), ("DELETE", LOCATION), ("PATCH", "tariffs/NL/CPO/T"), ("PUT", "cdrs")],
)
def test_methods_that_do_not_exist_are_405(pair: Pair, method: str, path: str) -> None:
    _, cpo = pair
    assert cpo.push(method, path, {}).status == 405


@pytest.mark.parametrize(
    ("path", "body", "rule"),
    [
        (LOCATION, objects.location(city=None), "required"),
        (LOCATION, objects.location(publish="yes"), "type"),
        (LOCATION, objects.location(last_updated="2026-07-01T10:00:00+00:00"), "datetime"),
        (LOCATION, objects.location(last_updated="2026-07-01T10:00:00.123456Z"), "datetime"),
        (LOCATION, objects.location(last_updated="2026-07-01T10:00:00"), "datetime"),
        (LOCATION, objects.location(country="NLDX"), "length"),
        (LOCATION, objects.location(id="LOC-2"), "id-mismatch"),
        (LOCATION, objects.location(evses=[objects.evse(status="FREE")]), "enum"),
        (LOCATION, objects.location(evses=[objects.evse(connectors=[])]), "required"),
        (LOCATION, objects.location(coordinates={"latitude": 5, "longitude": 5}), "type"),
        (LOCATION, objects.location(name="two\nlines"), "control-character"),
        (SESSION, objects.session(kwh="1.5"), "number-as-string"),
        (SESSION, objects.session(cdr_token=objects.cdr_token(party_id="XXX")), "foreign-token"),
        (SESSION, [], "type"),
    ],
)
def test_invalid_objects_are_refused_with_2001(pair: Pair, path: str, body: Any, rule: str) -> None:
    emsp, cpo = pair
    answer = cpo.push("PUT", path, body)
    assert (answer.status, answer.code) == (200, 2001)
    assert (rule, "refused") in rules(emsp)
    assert emsp.objects(path.partition("/")[0]) == []


def test_unknown_fields_are_stored_but_noted(pair: Pair) -> None:
    emsp, cpo = pair
    body = objects.location(parking_places=[], evses=[])
    assert cpo.push("PUT", LOCATION, body).status == 201
    assert rules(emsp) == [("unknown-field", "noted")]
    assert emsp.objects("locations") == [body]


def test_a_body_that_is_not_json_is_400(pair: Pair) -> None:
    emsp, cpo = pair
    headers = {"Content-Type": "application/json"}
    answer = cpo.push("PUT", LOCATION, raw=b"{", headers=headers)
    assert (answer.status, answer.code) == (400, 2001)
    assert rules(emsp) == [("not-json", "refused")]


def test_patch_without_last_updated_is_2001(pushed: Pair) -> None:
    emsp, cpo = pushed
    answer = cpo.push("PATCH", f"{LOCATION}/EVSE-1", {"status": "CHARGING"})
    assert (answer.status, answer.code) == (200, 2001)
    assert rules(emsp) == [("missing-last-updated", "refused")]
    assert emsp.objects("locations") == [objects.location()]


def test_an_older_object_is_ignored_and_recorded(pushed: Pair) -> None:
    emsp, cpo = pushed
    cpo.push("PUT", LOCATION, objects.location(name="new", last_updated=T2))
    assert cpo.push("PUT", LOCATION, objects.location(name="old", last_updated=T1)).code == 1000
    assert emsp.objects("locations")[0]["name"] == "new"
    assert rules(emsp) == [("order", "noted")]


def test_a_change_without_a_newer_last_updated_is_recorded(pushed: Pair) -> None:
    emsp, cpo = pushed
    cpo.push("PUT", LOCATION, objects.location(name="changed"))
    assert emsp.objects("locations")[0]["name"] == "changed"
    assert rules(emsp) == [("not-advanced", "noted")]


def test_tariffs_are_replaced_and_deleted(pair: Pair) -> None:
    emsp, cpo = pair
    path = "tariffs/NL/CPO/TARIFF-1"
    assert cpo.push("PUT", path, objects.tariff()).status == 201
    assert cpo.push("PUT", path, objects.tariff(currency="SEK", last_updated=T1)).status == 200
    assert cpo.push("GET", path).data["currency"] == "SEK"
    assert cpo.push("DELETE", path).code == 1000
    assert emsp.objects("tariffs") == []
    assert emsp.violations() == []


def test_a_tariff_in_use_or_unknown_is_recorded(pushed: Pair) -> None:
    emsp, cpo = pushed
    cpo.push("DELETE", "tariffs/NL/CPO/TARIFF-1")
    cpo.push("PUT", LOCATION, objects.location(last_updated=T1))
    assert rules(emsp) == [("tariff-in-use", "noted"), ("unknown-tariff", "noted")]


def test_session_periods_are_appended_by_patch_and_replaced_by_put(pair: Pair) -> None:
    emsp, cpo = pair
    assert cpo.push("PUT", SESSION, objects.session()).status == 201
    second = objects.period(T1, ENERGY=1)
    patch = {"kwh": 2.5, "charging_periods": [second], "last_updated": T1}
    assert cpo.push("PATCH", SESSION, patch).code == 1000
    cpo.push("PATCH", SESSION, {"status": "COMPLETED", "end_date_time": T2, "last_updated": T2})
    stored = cpo.push("GET", SESSION).data
    assert stored["charging_periods"] == [objects.period(T0, ENERGY=1.5), second]
    assert (stored["kwh"], stored["status"]) == (2.5, "COMPLETED")
    assert emsp.violations() == []
    body = objects.session(status="COMPLETED", kwh=2.5, last_updated=T3)
    del body["charging_periods"]
    cpo.push("PUT", SESSION, body)
    assert "charging_periods" not in cpo.push("GET", SESSION).data


def test_a_period_sent_twice_is_appended_twice_and_recorded(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("PUT", SESSION, objects.session())
    patch = {"charging_periods": [objects.period(T0, ENERGY=1.5)], "last_updated": T1}
    cpo.push("PATCH", SESSION, patch)
    assert len(emsp.objects("sessions")[0]["charging_periods"]) == 2
    assert rules(emsp) == [("duplicate-period", "noted")]


def test_a_session_only_moves_forward(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("PUT", SESSION, objects.session(status="COMPLETED"))
    cpo.push("PATCH", SESSION, {"status": "ACTIVE", "kwh": 1.0, "last_updated": T1})
    assert rules(emsp) == [("status-order", "noted"), ("kwh-decreased", "noted")]


def test_a_session_without_the_reference_of_our_command_is_recorded(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("PUT", SESSION, objects.session(auth_method="COMMAND"))
    assert rules(emsp) == [("authorization-reference", "noted")]


def test_a_cdr_is_taken_once_and_stays_as_it_is(pair: Pair) -> None:
    emsp, cpo = pair
    posted = cpo.push("POST", "cdrs", objects.cdr())
    assert (posted.status, posted.code) == (201, 1000)
    address = posted.headers["Location"]
    assert call("GET", address, token=cpo.outbound).data == objects.cdr()
    assert emsp.violations() == []
    again = cpo.push("POST", "cdrs", objects.cdr(remark="changed"))
    assert (again.status, again.code) == (200, 2001)
    assert "already exists" in again.json["status_message"]
    assert emsp.objects("cdrs") == [objects.cdr()]
    assert rules(emsp) == [("cdr-already-exists", "refused")]


def test_the_address_of_a_cdr_works_for_any_id(pair: Pair) -> None:
    emsp, cpo = pair
    body = objects.cdr(id="CDR #1/2 a")
    address = cpo.push("POST", "cdrs", body).headers["Location"]
    assert call("GET", address, token=cpo.outbound).data == body
    assert "CDR #1/2 a" in call("GET", f"{emsp.url}/cdrs/NL/CPO/CDR%20%231%2F2%20a").text


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (
            {"charging_periods": [objects.period(T0, POWER=5)]},
            ("session-only-dimension", "refused"),
        ),
        ({"total_energy": 21}, ("totals", "noted")),
        ({"total_cost": {"excl_vat": 8.0}}, ("totals", "noted")),
        ({"tariffs": []}, ("tariff-not-embedded", "noted")),
        ({"credit": True}, ("credit", "refused")),
        ({"cdr_token": objects.cdr_token(party_id="XXX")}, ("foreign-token", "refused")),
        ({"cdr_token": objects.cdr_token(uid="OTHER")}, ("unknown-token", "noted")),
        ({"end_date_time": "2026-07-01T09:00:00Z"}, ("cdr-times", "noted")),
    ],
)
def test_a_cdr_is_checked_against_itself(
    pair: Pair, changes: dict[str, Any], rule: tuple[str, str]
) -> None:
    emsp, cpo = pair
    cpo.push("POST", "cdrs", objects.cdr(**changes))
    assert rule in rules(emsp)
    assert len(emsp.objects("cdrs")) == (1 if rule[1] == "noted" else 0)


def test_a_credit_cdr_refers_to_the_original(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("POST", "cdrs", objects.cdr())
    credit = objects.cdr(
        id="CDR-1-C",
        credit=True,
        credit_reference_id="CDR-1",
        total_cost={"excl_vat": -7.0, "incl_vat": -7.9},
    )
    assert cpo.push("POST", "cdrs", credit).status == 201
    assert emsp.violations() == []


def test_an_evse_that_goes_back_inside_a_newer_location_is_recorded(pushed: Pair) -> None:
    emsp, cpo = pushed
    evse = objects.location()["evses"][0]
    newer = {"status": "CHARGING", "last_updated": T2}
    assert cpo.push("PATCH", f"{LOCATION}/{evse['uid']}", newer).code == 1000

    stale = objects.location(evses=[evse | {"last_updated": T1}], last_updated=T3)
    assert cpo.push("PUT", LOCATION, stale).code == 1000

    assert rules(emsp) == [("older-part", "noted")]


def test_two_requests_for_one_object_at_a_time_are_recorded(pushed: Pair) -> None:
    emsp, cpo = pushed
    uid = objects.location()["evses"][0]["uid"]
    emsp.misbehave("hang", seconds=30, stage="after", count=1)

    def push_first() -> None:
        # It is answered when the eMSP ends, by the end of its connection.
        with suppress(OSError, HTTPException):
            newer = {"status": "CHARGING", "last_updated": T2}
            cpo.push("PATCH", f"{LOCATION}/{uid}", newer)

    threading.Thread(target=push_first, daemon=True).start()
    emsp.wait_for(lambda e: e.objects("locations")[0]["evses"][0]["status"] == "CHARGING")

    cpo.push("PUT", LOCATION, objects.location(last_updated=T3))

    assert ("in-flight", "noted") in rules(emsp)

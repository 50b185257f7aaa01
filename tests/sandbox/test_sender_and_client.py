"""Our tokens, real-time authorization, commands, and pulling whole lists."""

import pytest

from sandbox.emsp import Emsp, PeerError, running_emsp
from tests.sandbox import objects
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.objects import T0, T1
from tests.sandbox.wire import call

Pair = tuple[Emsp, FakeCpo]
CARD = "04A1B2C3D4E5F6"
START = {"location_id": "LOC-1", "evse_uid": "EVSE-1", "token_uid": CARD}


def test_the_token_list_comes_in_pages(cpo: FakeCpo) -> None:
    with running_emsp(page_size=3) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        first = cpo.push("GET", "tokens?date_from=2020-01-01T00:00:00Z")
        assert (first.headers["X-Total-Count"], first.headers["X-Limit"]) == ("4", "3")
        following = first.headers["Link"].partition("<")[2].partition(">")[0]
        second = call("GET", following, token=cpo.outbound)
        assert "Link" not in second.headers
        assert "date_from=2020-01-01T00%3A00%3A00Z" in following
        assert [t["uid"] for t in first.data + second.data] == [
            t["uid"] for t in emsp.objects("tokens")
        ]
        assert cpo.push("GET", "tokens?date_to=2020-01-01T00:00:00Z").data == []
        assert cpo.push("GET", "tokens?offset=-1").code == 2001
        assert cpo.push("GET", "tokens?date_from=yesterday").code == 2001


def test_authorization_answers(pair: Pair) -> None:
    emsp, cpo = pair
    place = {"location_id": "LOC-1", "evse_uids": ["EVSE-1", "EVSE-2"]}
    allowed = cpo.push("POST", f"tokens/{CARD}/authorize", place).data
    assert allowed["allowed"] == "ALLOWED"
    assert allowed["token"]["uid"] == CARD
    assert allowed["location"] == place
    assert 0 < len(allowed["authorization_reference"]) <= 36
    blocked = cpo.push("POST", "tokens/04C4C4C4C4C4C4/authorize").data
    assert blocked["allowed"] == "BLOCKED"
    unknown = cpo.push("POST", "tokens/NOPE/authorize")
    assert (unknown.status, unknown.code) == (404, 2004)
    assert "data" not in unknown.json
    assert cpo.push("POST", "tokens/app-anna/authorize").status == 404
    assert cpo.push("POST", "tokens/app-anna/authorize?type=APP_USER").code == 1000
    assert emsp.violations() == []


def test_authorization_answers_are_configurable(pair: Pair) -> None:
    emsp, cpo = pair
    emsp.answer_authorization(CARD, "NO_CREDIT", info="Top up first")
    answer = cpo.push("POST", f"tokens/{CARD}/authorize").data
    assert (answer["allowed"], answer["info"]["text"]) == ("NO_CREDIT", "Top up first")
    emsp.answer_authorization(CARD, "ALLOWED", needs_location=True, evse_uids=["EVSE-2"])
    assert cpo.push("POST", f"tokens/{CARD}/authorize").code == 2002
    place = {"location_id": "LOC-1", "evse_uids": ["EVSE-1", "EVSE-2"]}
    answer = cpo.push("POST", f"tokens/{CARD}/authorize", place).data
    assert answer["location"]["evse_uids"] == ["EVSE-2"]
    with pytest.raises(ValueError, match="allowed is one of"):
        emsp.answer_authorization(CARD, "MAYBE")


def test_start_session_and_its_result(pair: Pair) -> None:
    emsp, cpo = pair
    command = emsp.start_session(**START, connector_id="1")
    assert command["response"] == {"result": "ACCEPTED", "timeout": 30}
    [sent] = cpo.commands
    assert (sent["name"], sent["evse_uid"], sent["connector_id"]) == (
        "START_SESSION",
        "EVSE-1",
        "1",
    )
    assert sent["token"]["uid"] == CARD
    result = call("POST", sent["response_url"], {"result": "ACCEPTED"}, token=cpo.outbound)
    assert result.code == 1000
    done = emsp.wait_for(lambda e: (e.command(command["id"]) or {}).get("result"))
    assert done == {"result": "ACCEPTED"}
    body = objects.session(
        auth_method="COMMAND", authorization_reference=sent["authorization_reference"]
    )
    cpo.push("PUT", "sessions/NL/CPO/SESSION-1", body)
    assert emsp.violations() == []
    emsp.stop_session("SESSION-1")
    assert cpo.commands[-1]["session_id"] == "SESSION-1"


def test_results_nobody_asked_for_are_recorded(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.command_answer = {"result": "REJECTED", "timeout": 30}
    emsp.start_session(**START)
    url = cpo.commands[0]["response_url"]
    for _ in range(2):
        call("POST", url, {"result": "FAILED"}, token=cpo.outbound)
    unknown = cpo.push("POST", "commands/START_SESSION/nope", {"result": "ACCEPTED"})
    assert unknown.status == 404
    assert [entry["rule"] for entry in emsp.violations()] == [
        "result-not-expected",
        "duplicate-result",
        "result-not-expected",
        "unknown-object",
    ]


def test_a_command_without_a_timeout_in_the_answer_is_recorded(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.command_answer = {"result": "ACCEPTED"}
    assert emsp.start_session(**START)["response"] is None
    assert [entry["rule"] for entry in emsp.violations()] == ["required"]


def test_pull_follows_the_pages_and_drops_what_is_gone(pair: Pair) -> None:
    emsp, cpo = pair
    names = [f"LOC-{number}" for number in range(5)]
    cpo.push("PUT", "locations/NL/CPO/GONE", objects.location(id="GONE", evses=[]))
    cpo.lists = {
        "locations": [objects.location(id=name) for name in names],
        "tariffs": [objects.tariff(), objects.tariff(id="BAD", currency=5)],
        "cdrs": [objects.cdr()],
        "sessions": [objects.session()],
    }
    assert emsp.pull() == {"tariffs": 1, "locations": 5, "sessions": 1, "cdrs": 1}
    assert [entry["id"] for entry in emsp.objects("locations")] == names
    assert [entry["id"] for entry in emsp.objects("tariffs")] == ["TARIFF-1"]
    assert [v["rule"] for v in emsp.violations(severity="refused")] == ["type"]
    assert any("sessions?date_from=" in entry for entry in cpo.calls)


def test_a_pull_leaves_a_newer_push_alone(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("PUT", "tariffs/NL/CPO/TARIFF-1", objects.tariff(currency="SEK", last_updated=T1))
    cpo.lists["tariffs"] = [objects.tariff(last_updated=T0)]
    emsp.pull("tariffs")
    assert emsp.objects("tariffs")[0]["currency"] == "SEK"


def test_a_changed_cdr_in_the_list_is_recorded_and_not_taken(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("POST", "cdrs", objects.cdr())
    cpo.lists["cdrs"] = [objects.cdr(remark="changed")]
    emsp.pull("cdrs")
    assert emsp.objects("cdrs") == [objects.cdr()]
    assert [entry["rule"] for entry in emsp.violations()] == ["cdr-changed"]


def test_a_next_page_at_another_host_is_not_fetched(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.lists["locations"] = [objects.location(id=f"LOC-{n}", evses=[]) for n in range(5)]
    cpo.next_link = "http://elsewhere.example/locations?offset=2"
    assert emsp.pull("locations") == {"locations": 2}
    assert [entry["rule"] for entry in emsp.violations()] == ["pagination"]


def test_calls_to_a_cpo_that_is_gone_fail_with_a_clear_message(cpo: FakeCpo) -> None:
    with running_emsp() as emsp:
        with pytest.raises(PeerError, match="not registered"):
            emsp.push_tokens()
        emsp.register(cpo.versions_url, cpo.token_a)
        cpo.down = 1
        with pytest.raises(PeerError, match="HTTP 503") as failed:
            emsp.push_tokens()
        assert failed.value.http == 503


def test_wait_for_says_what_was_there_instead(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("PATCH", "sessions/NL/CPO/NOPE", {"last_updated": T0})
    with pytest.raises(TimeoutError, match=r"(?s)a session did not .*PATCH of an unknown session"):
        emsp.wait_for(lambda e: e.objects("sessions"), timeout=0.05, what="a session")

"""Misbehaviour on request, the JSON inspection and the pages."""

import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.emsp import Emsp, running_emsp
from sandbox.emsp.__main__ import parse
from sandbox.emsp.pages_charging import sessions
from sandbox.emsp.peer import Peer
from sandbox.emsp.store import Store
from tests.sandbox import objects
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.objects import T1
from tests.sandbox.wire import call

Pair = tuple[Emsp, FakeCpo]
LOCATION = "locations/NL/CPO/LOC-1"
SCRIPT = "<script>alert(1)</script>"
PAGES = ("", "locations", "tariffs", "tokens", "sessions", "cdrs", "messages", "violations")


def test_down_for_one_module_and_a_number_of_calls(pair: Pair) -> None:
    emsp, cpo = pair
    emsp.misbehave("down", module="locations", count=2)
    body = objects.location(evses=[])
    assert [cpo.push("PUT", LOCATION, body).status for _ in range(3)] == [503, 503, 201]
    emsp.misbehave("down", module="locations")
    assert cpo.push("GET", "tokens").status == 200
    assert cpo.push("GET", LOCATION).status == 503
    emsp.behave()
    assert cpo.push("GET", LOCATION).status == 200


def test_an_answer_that_is_lost_after_the_message_was_processed(pair: Pair) -> None:
    emsp, cpo = pair
    emsp.misbehave("status", module="cdrs", count=1, stage="after", status=429, retry_after=7)
    answer = cpo.push("POST", "cdrs", objects.cdr())
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert emsp.objects("cdrs") == [objects.cdr()]


@pytest.mark.parametrize("kind", ["truncated", "html"])
def test_bodies_that_are_no_json(pair: Pair, kind: str) -> None:
    emsp, cpo = pair
    emsp.misbehave(kind)
    answer = cpo.push("GET", "tokens")
    assert answer.status == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        assert answer.json


def test_a_redirect_is_one_answer(pair: Pair) -> None:
    emsp, cpo = pair
    emsp.misbehave("redirect", location="http://127.0.0.1:9/x")
    answer = cpo.push("GET", "tokens")
    assert (answer.status, answer.headers["Location"]) == (301, "http://127.0.0.1:9/x")


def test_hanging_and_huge_answers_do_not_keep_it_from_stopping() -> None:
    with running_emsp() as emsp:
        emsp.misbehave("huge", module="tokens", count=1)
        emsp.misbehave("hang", module="locations", count=1, seconds=600)
        host = emsp.url.removeprefix("http://")
        huge, hanging = (http.client.HTTPConnection(host, timeout=10) for _ in range(2))
        huge.request("GET", "/ocpi/2.2.1/tokens")
        answer = huge.getresponse()
        assert len(answer.read(9_000_000)) == 9_000_000
        hanging.request("GET", "/ocpi/2.2.1/locations")
        while emsp.state["faults"]:
            call("GET", f"{emsp.url}/inspect/state")
        started = time.monotonic()
    # The answer that hangs would take ten minutes.
    assert time.monotonic() - started < 60
    answer.close()
    huge.close()
    hanging.close()


def test_misbehave_over_http_and_its_refusals(emsp: Emsp) -> None:
    url = f"{emsp.url}/inspect/misbehave"
    assert call("POST", url, {"kind": "down", "module": "cdrs"}).json[0]["module"] == "cdrs"
    for nonsense in (
        {"kind": "rude"},
        {"kind": "down", "color": 1},
        {},
        {"kind": "hang", "seconds": 1e6},
    ):
        assert call("POST", url, nonsense).status == 400
    assert call("POST", url, {"clear": True}).json == []
    assert call("POST", f"{emsp.url}/inspect/nonsense", {}).status == 404
    assert call("POST", url, raw=b"{").status == 400


def test_inspection_shows_what_is_held(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push("PUT", LOCATION, objects.location())
    cpo.push("POST", "cdrs", objects.cdr())
    url = f"{emsp.url}/inspect"
    assert call("GET", f"{url}/locations").json == [objects.location()]
    assert call("GET", f"{url}/cdrs?limit=1&offset=1").json == []
    assert call("GET", f"{url}/violations").json[0]["rule"] == "unknown-tariff"
    state = call("GET", f"{url}/state").json
    assert state["registered"] is True
    assert state["counts"]["locations"] == 1
    assert call("GET", f"{url}/nonsense").status == 404
    assert call("GET", f"{url}/cdrs?limit=x").status == 400


def test_start_and_stop_over_http(pair: Pair) -> None:
    emsp, cpo = pair
    body = {"location_id": "LOC-1", "evse_uid": "EVSE-1", "token_uid": "04A1B2C3D4E5F6"}
    assert call("POST", f"{emsp.url}/inspect/start", body).json["response"]["result"] == "ACCEPTED"
    call("POST", f"{emsp.url}/inspect/stop", {"session_id": "S"})
    assert [entry["name"] for entry in cpo.commands] == ["START_SESSION", "STOP_SESSION"]
    assert call("POST", f"{emsp.url}/inspect/start", {}).status == 400
    assert call("POST", f"{emsp.url}/inspect/start", {**body, "token_uid": "x"}).status == 502


def test_every_page_renders_and_escapes(pair: Pair) -> None:
    emsp, cpo = pair
    cpo.push(
        "PUT",
        "tariffs/NL/CPO/TARIFF-1",
        objects.tariff(
            tariff_alt_text=[{"language": "en", "text": SCRIPT}],
            min_price={"excl_vat": 1},
            last_updated=T1,
        ),
    )
    cpo.push("PUT", LOCATION, objects.location(name=SCRIPT, address='"><img src=x>'))
    cpo.push("PUT", "sessions/NL/CPO/SESSION-1", objects.session(meter_id=SCRIPT))
    cpo.push("PATCH", f"sessions/NL/CPO/{'%3Cscript%3E'}", {"last_updated": T1})
    place = {**objects.cdr()["cdr_location"], "name": SCRIPT}
    cpo.push("POST", "cdrs", objects.cdr(remark=SCRIPT, cdr_location=place))
    emsp.start_session(location_id="LOC-1", evse_uid="EVSE-1", token_uid="04A1B2C3D4E5F6")
    pages = [
        call("GET", f"{emsp.url}/{name}") for name in (*PAGES, "misbehave", "cdrs/NL/CPO/CDR-1")
    ]
    pages.append(call("GET", f"{emsp.url}/?notice={SCRIPT}"))
    for page in pages:
        assert page.status == 200
        assert "<script>" not in page.text
        assert "<img" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "&lt;script&gt;" in pages[1].text
    assert "EVSE-1" in pages[1].text
    for name in ("style.css", "refresh.js"):
        assert call("GET", f"{emsp.url}/static/{name}").status == 200
    for name in ("static/x", "nonsense", "cdrs/NL/CPO/NOPE"):
        assert call("GET", f"{emsp.url}/{name}").status == 404


def test_the_page_before_registration_shows_our_token_a(emsp: Emsp) -> None:
    assert "own-token-a" in call("GET", f"{emsp.url}/").text


def test_buttons_register_start_and_go_back(emsp: Emsp, cpo: FakeCpo) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    raw = f"back=/&versions_url={cpo.versions_url}&token_a=token-a%2B%2F%3D".encode()
    done = call("POST", f"{emsp.url}/actions/register", raw=raw, headers=form)
    assert done.status == 303
    assert emsp.registered
    raw = b"back=/sessions&location_id=L&evse_uid=E&connector_id=&token_uid=app-anna"
    done = call("POST", f"{emsp.url}/actions/start", raw=raw, headers=form)
    assert done.headers["Location"].startswith("/sessions?notice=")
    raw = b"back=//evil.example&kind=status&status=429&count=1&seconds=3"
    done = call("POST", f"{emsp.url}/actions/misbehave", raw=raw, headers=form)
    assert done.headers["Location"].startswith("/?notice=")
    assert emsp.state["faults"][0]["status"] == 429
    done = call("POST", f"{emsp.url}/actions/stop", raw=b"back=/sessions", headers=form)
    assert "error=" in done.headers["Location"]


def test_a_failed_registration_keeps_what_was_typed(emsp: Emsp, cpo: FakeCpo) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    raw = f"back=/&versions_url={cpo.versions_url}&token_a=mistyped".encode()
    call("POST", f"{emsp.url}/actions/register", raw=raw, headers=form)
    assert not emsp.registered
    text = call("GET", f"{emsp.url}/").text
    assert f'value="{cpo.versions_url}"' in text
    assert 'value="mistyped"' in text


def test_a_second_token_is_said_not_to_be_used(
    cpo: FakeCpo, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = str(tmp_path / "sandbox.sqlite")
    with running_emsp(database=database) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
    with running_emsp(database=database, versions_url=cpo.versions_url, token_a="b") as emsp:
        assert emsp.registered
    assert f"Already registered with {cpo.versions_url} since " in caplog.text
    assert f"or delete {database}." in caplog.text


@pytest.mark.parametrize(
    ("response", "result", "told"),
    [
        ({"result": "REJECTED"}, None, "refused"),
        ({"result": "ACCEPTED"}, None, "waiting"),
        (
            {"result": "ACCEPTED"},
            {"result": "FAILED", "message": [{"language": "en", "text": "No cable."}]},
            "No cable.",
        ),
    ],
)
def test_what_came_of_a_command_is_said(response: Any, result: Any, told: str) -> None:
    command = {
        "id": "1",
        "command": "START_SESSION",
        "sent_at": "2026-01-01T00:00:00Z",
        "request": {},
        "response": response,
        "result": result,
        "error": "",
    }
    store = Store(":memory:")
    store.add_command(command)
    assert told in sessions(store, Peer(store, "", ("2.2.1",)), 1)
    store.close()


def test_a_foreign_page_cannot_press_buttons(emsp: Emsp) -> None:
    headers = {"Origin": "http://evil.example"}
    assert call("POST", f"{emsp.url}/actions/pull", headers=headers).status == 403
    assert call("POST", f"{emsp.url}/inspect/clear", headers=headers).status == 403


def test_settings_come_from_flags_and_environment() -> None:
    settings = parse(
        ["--port", "9", "--token-a-file", "x.json"],
        {"SANDBOX_PORT": "8", "SANDBOX_NAME": "Other", "SANDBOX_PUSH_TOKENS": "false"},
    )
    assert (settings.port, settings.name, settings.push_tokens) == (9, "Other", False)
    assert settings.token_a_file == "x.json"
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("environment", "database"),
    [
        ({}, "var/sandbox.sqlite"),
        ({"VAR_DIR": ""}, "var/sandbox.sqlite"),
        ({"VAR_DIR": "/data"}, "/data/sandbox.sqlite"),
        ({"VAR_DIR": "/data", "SANDBOX_DATABASE": "x.sqlite"}, "x.sqlite"),
    ],
)
def test_the_database_stands_with_the_platforms_data(
    environment: dict[str, str], database: str
) -> None:
    assert parse([], environment).database == database


def test_the_process_serves_and_ends_by_sigterm(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "sandbox.emsp", "--port", "0"),
        *("--database", str(tmp_path / "x" / "sandbox.sqlite")),
        *("--versions-url", "http://127.0.0.1:9/versions", "--token-a", "a"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert "listens at http://127.0.0.1:" in lines[0]
        assert "not registered yet, next attempt in" in lines[1]
        url = lines[0].split()[-1]
        assert call("GET", f"{url}/inspect/state").json["registered"] is False
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 0

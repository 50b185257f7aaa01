"""The credentials handshake, in both directions."""

import json
from pathlib import Path

import pytest

from sandbox.emsp import Emsp, PeerError, RegistrationError, running_emsp
from tests.sandbox.fake_cpo import FakeCpo
from tests.sandbox.wire import call


def test_we_register_with_token_b_valid_before_it_is_sent(
    pair: tuple[Emsp, FakeCpo],
) -> None:
    emsp, cpo = pair
    assert cpo.callbacks_seen == [200, 200]
    assert emsp.registered
    assert (emsp.outbound_token, emsp.inbound_token) == (cpo.inbound, cpo.outbound)
    assert emsp.state["cpo"]["initiated_by"] == "emsp"
    assert {(e["identifier"], e["role"]) for e in cpo.endpoints} == {
        ("locations", "RECEIVER"),
        ("tariffs", "RECEIVER"),
        ("sessions", "RECEIVER"),
        ("cdrs", "RECEIVER"),
        ("tokens", "SENDER"),
        ("commands", "SENDER"),
        ("chargingprofiles", "SENDER"),
        ("credentials", "SENDER"),
    }
    assert emsp.violations() == []


def test_registering_again_does_nothing(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    calls = list(cpo.calls)
    emsp.register(cpo.versions_url, cpo.token_a)
    assert cpo.calls == calls


def test_a_wrong_token_a_leaves_nothing_behind(emsp: Emsp, cpo: FakeCpo) -> None:
    with pytest.raises(PeerError) as refused:
        emsp.register(cpo.versions_url, "wrong")
    assert refused.value.http == 401
    assert not emsp.registered
    assert cpo.callbacks_seen == []


def test_a_missing_endpoint_stops_the_handshake_before_the_post(emsp: Emsp, cpo: FakeCpo) -> None:
    cpo.modules.remove("locations")
    with pytest.raises(RegistrationError, match="missing endpoints: locations SENDER"):
        emsp.register(cpo.versions_url, cpo.token_a)
    assert [entry for entry in cpo.calls if entry.startswith("POST")] == []


def test_the_cpo_registers_with_our_token_a(emsp: Emsp, cpo: FakeCpo) -> None:
    cpo.inbound = "token-of-the-cpo"
    answer = cpo.register_with(emsp.versions_url, "own-token-a")
    assert (answer.status, answer.code) == (200, 1000)
    assert emsp.state["cpo"]["initiated_by"] == "cpo"
    assert answer.data["token"] == emsp.inbound_token
    assert emsp.outbound_token == cpo.inbound
    assert answer.data["roles"][0]["role"] == "EMSP"
    # Token A is dead, and a second POST is refused.
    assert call("GET", emsp.versions_url, token="own-token-a").status == 401
    assert cpo.push("POST", "credentials", cpo.credentials("x")).status == 405


def test_put_gives_a_new_token_and_delete_ends_it(emsp: Emsp, cpo: FakeCpo) -> None:
    cpo.register_with(emsp.versions_url, "own-token-a")
    old = cpo.outbound
    renewed = cpo.push("PUT", "credentials", cpo.credentials(cpo.inbound))
    assert renewed.code == 1000
    assert renewed.data["token"] != old
    assert cpo.push("GET", "credentials", token=old).status == 401
    cpo.outbound = renewed.data["token"]
    assert cpo.push("GET", "credentials").data["token"] == cpo.outbound
    assert cpo.push("DELETE", "credentials").code == 1000
    assert not emsp.registered
    assert cpo.push("GET", "credentials").status == 401
    # The fixed token A serves again.
    assert call("GET", emsp.versions_url, token="own-token-a").status == 200


def test_put_and_delete_before_the_registration_are_405(emsp: Emsp, cpo: FakeCpo) -> None:
    url = f"{emsp.url}/ocpi/2.2.1/credentials"
    for method in ("PUT", "DELETE"):
        assert call(method, url, cpo.credentials("x"), token="own-token-a").status == 405
    assert call("PATCH", url, {}, token="own-token-a").status == 405
    assert not emsp.registered


def test_token_a_opens_no_functional_module(emsp: Emsp) -> None:
    url = f"{emsp.url}/ocpi/2.2.1"
    assert call("GET", f"{url}/tokens", token="own-token-a").status == 401
    assert call("GET", url).status == 401
    assert call("GET", url, token="nonsense").status == 401


def test_a_token_that_is_not_base64_is_refused_and_recorded(emsp: Emsp) -> None:
    headers = {"Authorization": "Token own-token-a"}
    assert call("GET", emsp.versions_url, headers=headers).status == 401
    assert len(emsp.violations("token-encoding")) == 1


def test_a_cpo_whose_api_does_not_answer_gets_3001(emsp: Emsp, cpo: FakeCpo) -> None:
    cpo.down = 1
    answer = cpo.register_with(emsp.versions_url, "own-token-a")
    assert (answer.status, answer.code) == (200, 3001)
    assert not emsp.registered
    assert call("GET", emsp.versions_url, token="own-token-a").status == 200


def test_a_cpo_without_locations_gets_3003(emsp: Emsp, cpo: FakeCpo) -> None:
    cpo.modules.remove("locations")
    assert cpo.register_with(emsp.versions_url, "own-token-a").code == 3003
    assert not emsp.registered


def test_it_retries_until_the_cpo_is_up_and_sends_its_tokens(cpo: FakeCpo, tmp_path: Path) -> None:
    cpo.down = 2
    invitation = tmp_path / "token-a.json"
    with running_emsp(token_a_file=str(invitation), push_tokens=True) as emsp:
        invitation.write_text(
            json.dumps({"token_a": cpo.token_a, "versions_url": cpo.versions_url})
        )
        emsp.wait_for(lambda e: e.registered, what="the registration")
        emsp.wait_for(lambda e: len(e.messages(module="tokens", method="PUT")) == 4)
    assert sorted((t["uid"], t["whitelist"], t["valid"]) for t in cpo.tokens.values()) == [
        ("04A1B2C3D4E5F6", "ALLOWED", True),
        ("04B0B0B0B0B0B0", "NEVER", True),
        ("04C4C4C4C4C4C4", "ALLOWED", False),
        ("app-anna", "NEVER", True),
    ]


def test_when_the_cpo_starts_the_tokens_follow_once_it_can_take_them(cpo: FakeCpo) -> None:
    with running_emsp(own_token_a="a", push_tokens=True) as emsp:
        cpo.register_with(emsp.versions_url, "a")
        emsp.wait_for(lambda _: len(cpo.tokens) == 4, what="four tokens")


def test_a_restart_keeps_registration_and_objects(cpo: FakeCpo, tmp_path: Path) -> None:
    database = str(tmp_path / "sandbox.sqlite")
    with running_emsp(database=database) as emsp:
        emsp.register(cpo.versions_url, cpo.token_a)
        emsp.answer_authorization("04A1B2C3D4E5F6", "NO_CREDIT")
        token, own = emsp.inbound_token, emsp.own_token_a
    calls = list(cpo.calls)
    settings = {"versions_url": cpo.versions_url, "token_a": cpo.token_a}
    with running_emsp(database=database, **settings) as emsp:
        assert emsp.registered
        assert (emsp.inbound_token, emsp.own_token_a) == (token, own)
        assert len(emsp.objects("tokens")) == 4
        url = f"{emsp.url}/ocpi/2.2.1/tokens/04A1B2C3D4E5F6/authorize"
        assert call("POST", url, token=token).data["allowed"] == "NO_CREDIT"
    assert cpo.calls == calls


def test_renew_and_unregister_from_our_side(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    before = (emsp.inbound_token, emsp.outbound_token)
    emsp.renew()
    assert (emsp.outbound_token, emsp.inbound_token) == (cpo.inbound, cpo.outbound)
    assert set(before).isdisjoint({emsp.inbound_token, emsp.outbound_token})
    emsp.unregister()
    assert not emsp.registered
    assert cpo.inbound == ""
    with pytest.raises(RegistrationError):
        emsp.renew()


def test_no_token_value_reaches_the_log(pair: tuple[Emsp, FakeCpo]) -> None:
    emsp, cpo = pair
    emsp.renew()
    secrets = {cpo.token_a, emsp.own_token_a, emsp.inbound_token, emsp.outbound_token}
    text = call("GET", f"{emsp.url}/inspect/messages").text
    text += call("GET", f"{emsp.url}/messages").text
    text += call("GET", f"{emsp.url}/inspect/state").text
    assert [secret for secret in secrets if secret in text] == []
    assert "[redacted]" in text

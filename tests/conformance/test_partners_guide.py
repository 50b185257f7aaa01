"""What docs/partners.md tells a partner to do works, and it names all that can be set."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common import clock, json
from roaming.dialect import Dialect
from roaming.models import Partner, PartnerStatus, Role
from roaming.ocpi.versions import VERSIONS
from roaming.operations import partners
from roaming.operations.commands import TIMEOUT_SECONDS
from tests.conformance.collecting import ROOT
from tests.factories import PartyFactory
from tests.roaming.conftest import Caller

GUIDE = (ROOT / "docs" / "partners.md").read_text(encoding="utf-8")
START_SECONDS = 20
StartPeer = Callable[[str], None]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start_peer(tmp_path: Path, port: int) -> Iterator[StartPeer]:
    """Run the guide's own program, on a free port."""
    found = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    program = tmp_path / "peer.py"
    program.write_text(found[1].replace("9100", str(port)), encoding="utf-8")
    started: list[subprocess.Popen[bytes]] = []

    def start(version: str) -> None:
        started.append(subprocess.Popen([sys.executable, str(program), version]))
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert time.monotonic() < deadline, "the program of the guide does not listen"

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def credentials(version: str, port: int) -> Any:
    """Return the body that the guide registers with."""
    bodies = re.findall(r"/credentials -d '(\{.*?\})'", GUIDE, re.DOTALL)
    later, first = (json.loads(body.replace("9100", str(port))) for body in bodies)
    return first if version == "2.1.1" else later


@pytest.mark.parametrize("version", list(VERSIONS))
@pytest.mark.django_db(transaction=True)
def test_a_partner_that_follows_the_guide_is_registered_and_sends_a_token(
    version: str, start_peer: StartPeer, port: int, settings: Settings
) -> None:
    settings.OUTBOUND_ALLOW_PRIVATE = True
    PartyFactory()
    start_peer(version)
    invitation = partners.invite_partner(
        name="Sample eMSP", role=Role.EMSP, country_code="NL", party_id="SAM", now=clock.now()
    )

    answer = Caller(invitation.token_a)(
        "POST", f"/ocpi/{version}/credentials", credentials(version, port)
    )

    assert answer.code == 1000, answer.body
    partner = Partner.objects.get()
    assert (partner.status, partner.version) == (PartnerStatus.REGISTERED, version)
    call = Caller(answer.data["token"])
    assert call.get(f"/ocpi/{version}/locations").code == 1000
    assert Caller(invitation.token_a).get(f"/ocpi/{version}/locations").status == 401
    if version != "2.1.1":
        body = re.search(r"tokens/NL/SAM/04AABBCC -d '(\{.*?\})'", GUIDE, re.DOTALL)
        assert body
        put = call("PUT", f"/ocpi/{version}/tokens/NL/SAM/04AABBCC", json.loads(body[1]))
        assert put.status == 201


def test_the_guide_names_every_switch_and_the_time_a_command_takes() -> None:
    for switch in Dialect.model_fields:
        assert f"| `{switch}` |" in GUIDE
    assert f"`timeout` is **{TIMEOUT_SECONDS} seconds**" in GUIDE

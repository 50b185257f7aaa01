"""A CSMS of each version, and a charger that is connected to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ocpp_gateway.frames import Version
from sandbox.charger import Handle, running
from tests.sandbox.charger.csms import Csms, running_csms

# Quick, and without samples unless a test wants them.
QUICK = {
    "meter_seconds": 0,
    "time_factor": 1000,
    "plug_after": 0.01,
    "leave_after": None,
    "reconnect_seconds": 0.02,
    "restart_seconds": 0.02,
    "retry_seconds": 0.01,
    "firmware_seconds": 0.01,
}

Start = Callable[..., Handle]


@pytest.fixture
def csms_1_6() -> Iterator[Csms]:
    with running_csms(Version.V1_6) as csms:
        yield csms


@pytest.fixture
def csms_2_0_1() -> Iterator[Csms]:
    with running_csms(Version.V2_0_1) as csms:
        yield csms


@pytest.fixture(params=["1.6", "2.0.1"])
def csms(request: pytest.FixtureRequest) -> Csms:
    """A CSMS of either version."""
    name = "csms_1_6" if request.param == "1.6" else "csms_2_0_1"
    found: Csms = request.getfixturevalue(name)
    return found


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a charger CS-1 for a CSMS, and wait until it is online."""
    with ExitStack() as stack:

        def begin(csms: Csms, *, is_online: bool = True, **settings: Any) -> Handle:
            ocpp = "1.6" if csms.version is Version.V1_6 else "2.0.1"
            station = {"identity": "CS-1", "ocpp": ocpp, **QUICK, **settings}
            fleet = stack.enter_context(running({"stations": [station]}, url=csms.url))
            if is_online:
                fleet["CS-1"].wait_for(lambda charger: charger.connected, what="online")
            return fleet["CS-1"]

        yield begin

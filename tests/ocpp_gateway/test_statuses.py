"""The one table of statuses."""

from typing import get_args

import pytest

from locations.models import Status
from ocpp_gateway import statuses
from ocpp_gateway.facts import ChargingState


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Available", "AVAILABLE"),
        ("Preparing", "BLOCKED"),
        ("Charging", "CHARGING"),
        ("SuspendedEV", "CHARGING"),
        ("SuspendedEVSE", "CHARGING"),
        ("Finishing", "BLOCKED"),
        ("Reserved", "RESERVED"),
        ("Unavailable", "INOPERATIVE"),
        ("Faulted", "OUTOFORDER"),
        ("Melting", "UNKNOWN"),
    ],
)
def test_every_status_of_1_6_has_one_in_ocpi(status: str, expected: str) -> None:
    assert statuses.of_1_6(status) == expected


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("Available", None, "AVAILABLE"),
        ("Occupied", None, "BLOCKED"),
        ("Occupied", ChargingState.EV_CONNECTED, "BLOCKED"),
        ("Occupied", ChargingState.IDLE, "BLOCKED"),
        ("Occupied", ChargingState.CHARGING, "CHARGING"),
        ("Occupied", ChargingState.SUSPENDED_EV, "CHARGING"),
        ("Occupied", ChargingState.SUSPENDED_EVSE, "CHARGING"),
        ("Reserved", None, "RESERVED"),
        ("Unavailable", None, "INOPERATIVE"),
        ("Faulted", ChargingState.CHARGING, "OUTOFORDER"),
        ("Melting", None, "UNKNOWN"),
    ],
)
def test_every_status_of_2_0_1_has_one_in_ocpi(
    status: str, state: ChargingState | None, expected: str
) -> None:
    assert statuses.of_2_0_1(status, state) == expected


def test_states_of_1_6_are_read_from_the_connector() -> None:
    assert statuses.state_of_1_6("SuspendedEVSE") == ChargingState.SUSPENDED_EVSE
    assert statuses.state_of_1_6("Finishing") == ChargingState.EV_CONNECTED
    assert statuses.state_of_1_6("Faulted") is None


def test_every_status_is_one_that_the_platform_knows() -> None:
    assert set(get_args(statuses.OcpiStatus)) <= set(Status.values)

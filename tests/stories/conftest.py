"""Partners of any version, registered with the platform; and what the stories ask of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from cpo_platform.common import clock
from roaming.models import Partner
from roaming.operations import partners
from roaming.tasks import wake_feeds
from sandbox.emsp import Emsp, running_emsp
from sessions_app.simulator import SimulatedStations
from tests.conftest import Clock

Registered = Callable[..., Emsp]


@pytest.fixture
def registered(settings: Settings, tmp_path: Path, platform: str) -> Iterator[Registered]:
    """Run partners, each with settings of its own, and register them over HTTP.

    The first argument is the version; `party_id` (EMS) and the rest are the sandbox's settings.
    """
    settings.OUTBOUND_ALLOW_PRIVATE = True
    with ExitStack() as running:

        def register(
            version: str,
            *,
            party_id: str = "EMS",
            role: str = "EMSP",
            auto_grant: bool = False,
            **more: Any,
        ) -> Emsp:
            name = f"{party_id} {version}"
            emsp = running.enter_context(
                running_emsp(
                    name=name,
                    party_id=party_id,
                    ocpi_version=version,
                    database=str(tmp_path / f"{party_id}.sqlite"),
                    **more,
                )
            )
            invitation = partners.invite_partner(
                name=name, role=role, country_code="NL", party_id=party_id, now=clock.now()
            )
            Partner.objects.filter(pk=invitation.partner.pk).update(auto_grant=auto_grant)
            emsp.register(platform, invitation.token_a)
            return emsp

        yield register


def settle(platform_clock: Clock) -> None:
    """Let the time pass in which the platform gathers changes, and wake the feeds as beat does."""
    platform_clock.forward(seconds=3)
    wake_feeds.delay()


def result_of(emsp: Emsp, command: dict[str, str]) -> str:
    """Return the result of a command, "" until it is there."""
    stored = emsp.command(command["id"]) or {}
    return str((stored.get("result") or {}).get("result") or "")


def finished(command: dict[str, str]) -> Callable[[Emsp], str]:
    """Return what to wait for: the result of a command."""
    return lambda emsp: result_of(emsp, command)


def charge(platform_clock: Clock, *, minutes: float) -> None:
    """Let the simulated stations act: plug in, begin, and charge for some minutes."""
    station = SimulatedStations()
    for _step in range(3):
        platform_clock.forward(seconds=5)
        station.advance(now=clock.now())
    platform_clock.forward(minutes=minutes)
    station.advance(now=clock.now())


def session_of(emsp: Emsp) -> dict[str, Any]:
    """Return the last session the partner holds in the common form; {} when it has none."""
    sessions = emsp.objects("sessions")
    return emsp.read("sessions", sessions[-1]) if sessions else {}


def status_at(emsp: Emsp, uid: str) -> str:
    """Return the status of an EVSE of SITE as the partner knows it; "" when it does not."""
    location = emsp.get("locations", "NL", "TST", "SITE") or {"evses": []}
    return next((item["status"] for item in location["evses"] if item["uid"] == uid), "")

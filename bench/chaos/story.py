"""One story of chaos: rounds of load and havoc, each followed by a rest and a comparison."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection

from bench.chaos import load as loading
from bench.chaos import network
from bench.chaos.comparing import Comparison, compare
from bench.chaos.havoc import Havoc
from bench.chaos.judgement import Judgement
from bench.chaos.load import Load, Token
from bench.chaos.sandboxes import Sandbox
from bench.chaos.servers import Servers
from bench.stack import NotInTime, Stack, wait_until
from cpo_platform.common import clock
from roaming.models import Delivery, Feed, Partner
from roaming.ocpi.versions import versions_url
from roaming.operations import feed, partners, walks
from sessions_app.models import Session, SimulatedStation
from sessions_app.simulator import SimulatedStations

START_SECONDS = 90.0
# A partner that failed long is tried again after a minute at most, and needs its time then.
CALM_SECONDS = 150.0
EQUAL_SECONDS = 20.0


@dataclass
class Totals:
    """What all rounds came to."""

    rounds: int = 0
    compared: int = 0
    differences: list[str] = field(default_factory=list)
    slowest: float = 0.0


class Story:
    """Partners that are registered, a load, and havoc."""

    def __init__(
        self, stack: Stack, servers: Servers, sandboxes: Sequence[Sandbox], seed: int
    ) -> None:
        self.totals = Totals()
        self.judgement = Judgement()
        self._stack, self._sandboxes = stack, sandboxes
        self._seed = seed
        self.havoc = Havoc(stack, servers, sandboxes, seed + 1)
        self._load: Load | None = None

    @property
    def steps(self) -> Counter[str]:
        """Return how often the load has done what."""
        return self._load.done if self._load else Counter()

    def begin(self, var: Path) -> None:
        """Make the network, start every process, and register the partners."""
        network.make()
        for sandbox in self._sandboxes:
            self._stack.add(sandbox.name, invite(sandbox, var))
        self._stack.start(*self._stack.platform, *(sandbox.name for sandbox in self._sandboxes))
        for sandbox in self._sandboxes:
            wait_until(
                lambda: sandbox.registered,  # noqa: B023  called here only
                seconds=START_SECONDS,
                what=f"the registration of {sandbox.name}",
            )
        for partner in Partner.objects.order_by("pk"):
            walks.announce_everything(partner_id=partner.pk, now=clock.now())
        self._load = Load(self._sandboxes, [token_of(one) for one in self._sandboxes], self._seed)
        self._load.start()

    def round(self, seconds: float) -> str:
        """Let it rage for some seconds, then rest and compare; return a line about it."""
        assert self._load is not None, "begin first"
        self._load.go()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.havoc.tick()
            time.sleep(0.1)
        self._load.rest()
        self.havoc.heal()
        began = time.monotonic()
        wait_until(is_calm, seconds=CALM_SECONDS, what=f"calm ({_feeds()})", every=0.5)
        calm = time.monotonic() - began
        found = self._compare()
        self.judgement.read(self._sandboxes)
        self.totals.rounds += 1
        self.totals.compared += sum(one.compared for one in found.values())
        differences = [line for one in found.values() for line in one.differences]
        self.totals.differences += differences
        self.totals.slowest = max(self.totals.slowest, calm)
        counts = ", ".join(f"{name} {one.compared}" for name, one in found.items())
        return (
            f"round {self.totals.rounds}: calm after {calm:.0f} s; compared {counts}; "
            f"{len(differences)} differences, {len(self.judgement.mistakes)} mistakes so far"
        )

    def end(self) -> None:
        if self._load is not None:
            self._load.end()
            self._load.join()
        connection.close()

    def _compare(self) -> dict[str, Comparison]:
        """Compare until nothing differs: a station may have sent its last news a moment ago."""
        found: dict[str, Comparison] = {}

        def equal() -> bool:
            found.update({sandbox.name: compare(sandbox) for sandbox in self._sandboxes})
            return not any(one.differences for one in found.values())

        try:
            wait_until(equal, seconds=EQUAL_SECONDS, what="everybody has what we have", every=1)
        except NotInTime:
            return found
        return found


def invite(sandbox: Sandbox, var: Path) -> list[str]:
    """Invite a partner; return the command that starts it with the invitation."""
    invitation = partners.invite_partner(
        name=sandbox.name,
        role="EMSP",
        country_code="NL",
        party_id=sandbox.party_id,
        now=clock.now(),
    )
    return sandbox.command(var, versions_url=versions_url(), token_a=invitation.token_a)


def is_calm() -> bool:
    """End what still runs, and tell whether nothing moves and every feed is empty."""
    try:
        for session in Session.objects.ongoing():
            loading.end(session)
        busy = Session.objects.ongoing().exists() or _cars()
        put_off = Delivery.objects.filter(due_at__isnull=False).exists()
        waiting = any(feed.waiting(one) for one in Feed.objects.all())
    except (DatabaseError, InterfaceError):
        connection.close()
        return False
    return not busy and not put_off and not waiting


def _cars() -> bool:
    """Send the drivers away; tell whether any is still there."""
    stations = SimulatedStation.objects
    for evse_id in stations.filter(plugged_in=True).values_list("evse_id", flat=True):
        SimulatedStations().unplug(evse_id=evse_id, now=clock.now())
    return stations.filter(request__isnull=False).exists()


def _feeds() -> str:
    try:
        rows = Feed.objects.values("partner__name", "failures", "last_error")
        return "; ".join(f"{row}" for row in rows)
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        return str(error)


def token_of(sandbox: Sandbox) -> Token:
    """Return a card that the partner knows as its own."""
    rows = sandbox.objects("tokens")
    card = next(row for row in rows if row["type"] == "RFID" and row["valid"])
    return Token(sandbox.party_id, card["uid"], card["contract_id"])

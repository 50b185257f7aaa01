"""The load: what a network does all day, by the operations that do it, at random moments.

It reads what is true from the database before each step and remembers nothing: a step that was
interrupted may have happened or not, and the next one takes it from there.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import DatabaseError, InterfaceError, connection

from bench.chaos import network
from bench.chaos.sandboxes import Sandbox
from cpo_platform.common import clock
from cpo_platform.common.shapes import CdrToken
from locations.models import Connector, Evse, Location
from locations.operations import set_evse_status
from sessions_app.metering import Reading
from sessions_app.models import AuthMethod, Session, SessionStatus
from sessions_app.operations import sessions
from sessions_app.simulator import SimulatedStations

STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER")
RUNNING = 10
PAUSE = 0.05
POWER_KW = Decimal(11)


@dataclass(frozen=True)
class Token:
    """A card of a partner."""

    party_id: str
    uid: str
    contract_id: str


class Load(threading.Thread):
    """Takes steps until it is told to stop; `held` while it pauses."""

    def __init__(
        self,
        sandboxes: Sequence[Sandbox],
        tokens: Sequence[Token],
        seed: int,
        *,
        spared: Sequence[int] = (),
    ) -> None:
        """`spared` are locations, by key, at which something else happens."""
        super().__init__(name="load", daemon=True)
        self.done: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._sandboxes, self._tokens = sandboxes, tokens
        self._wanted, self._resting, self._ended = (threading.Event() for _ in range(3))
        self._stations = [*(location.pk for location in network.stations()), *spared]
        self._steps: dict[str, tuple[int, Callable[[], None]]] = {
            "status": (60, self._status),
            "session": (25, self._session),
            "tariff": (2, self._tariff),
            "new location": (1, self._new_location),
            "hidden location": (3, self._hide_location),
            "command": (2, self._command),
        }

    def go(self) -> None:
        self._resting.clear()
        self._wanted.set()

    def rest(self) -> None:
        """Take no further step; return once the last one has ended."""
        self._wanted.clear()
        self._resting.wait()

    def end(self) -> None:
        self._ended.set()
        self._wanted.set()

    def run(self) -> None:
        names = list(self._steps)
        weights = [self._steps[name][0] for name in names]
        while not self._ended.is_set():
            if not self._wanted.is_set():
                connection.close()
                self._resting.set()
                self._wanted.wait()
                continue
            (name,) = self._chance.choices(names, weights)
            self._step(name)
            time.sleep(PAUSE)
        connection.close()

    def _step(self, name: str) -> None:
        try:
            self._steps[name][1]()
        except (DatabaseError, InterfaceError):
            # The database is away: this may have happened or not.
            self.done["interrupted"] += 1
            connection.close()
            time.sleep(PAUSE * 4)
        except (OSError, http.client.HTTPException):
            self.done["partner away"] += 1
        except (sessions.EvseOccupied, sessions.SessionNotOngoing):
            self.done["not possible"] += 1
        else:
            self.done[name] += 1

    def _status(self) -> None:
        evses = Evse.objects.exclude(location__in=self._stations).order_by("pk")
        pk = self._chance.choice(list(evses.values_list("pk", flat=True)))
        set_evse_status(evse_id=pk, status=self._chance.choice(STATUSES), now=clock.now())

    def _session(self) -> None:
        running = list(_own_sessions(self._stations))
        if len(running) < RUNNING and self._chance.random() < 0.5:
            self._start()
            return
        if running:
            session = self._chance.choice(running)
            if session.status == SessionStatus.PENDING:
                sessions.activate_session(session_id=session.pk, now=clock.now())
            elif self._chance.random() < 0.25:
                end(session)
            else:
                _meter(session)

    def _start(self) -> None:
        connectors = Connector.objects.exclude(evse__location__in=self._stations)
        pk = self._chance.choice(list(connectors.order_by("pk").values_list("pk", flat=True)))
        token = self._chance.choice(self._tokens)
        session = sessions.start_session(
            connector_id=pk,
            cdr_token=CdrToken(
                country_code="NL",
                party_id=token.party_id,
                uid=token.uid,
                type="RFID",
                contract_id=token.contract_id,
            ),
            auth_method=AuthMethod.WHITELIST.value,
            meter_start=Decimal(self._chance.randrange(1000)),
            now=clock.now(),
        )
        sessions.activate_session(session_id=session.pk, now=clock.now())

    def _tariff(self) -> None:
        price = f"0.{self._chance.randrange(30, 80)}"
        network.write_tariff(self._chance.choice(network.TARIFFS), price=price)

    def _new_location(self) -> None:
        network.write_location(Location.objects.count(), publish=True)

    def _hide_location(self) -> None:
        number = self._chance.randrange(network.STATIONS, Location.objects.count())
        publish = self._chance.random() < 0.5
        name = f"Car park {number}, {self._chance.randrange(100)}"
        network.write_location(number, publish=publish, name=name)

    def _command(self) -> None:
        sandbox = self._chance.choice(list(self._sandboxes))
        number = self._chance.randrange(network.STATIONS)
        evse = f"EVSE{number:04}-{self._chance.randrange(network.EVSES)}"
        place = {"location_id": f"LOC{number:04}", "evse_uid": evse}
        if self._chance.random() < 0.5:
            token = next(one for one in self._tokens if one.party_id == sandbox.party_id)
            sandbox.post("start", place | {"token_uid": token.uid})
        else:
            sandbox.post("unlock", place | {"connector_id": "1"})


def _own_sessions(stations: Sequence[int]) -> list[Session]:
    return list(Session.objects.ongoing().exclude(location__in=stations).order_by("pk"))


def _meter(session: Session) -> None:
    """Report the energy of a car that has charged with 11 kW since the start."""
    reading = _reading(session)
    sessions.record_meter_values(session_id=session.pk, readings=[reading], now=reading.at)


def _reading(session: Session) -> Reading:
    now = clock.now()
    hours = Decimal((now - session.start_date_time).total_seconds()) / 3600
    energy = (POWER_KW * max(hours, Decimal(0))).quantize(Decimal("0.0001"))
    return Reading(at=now, kwh=session.meter_start + energy, power_kw=POWER_KW)


def end(session: Session) -> None:
    """Stop a session, wherever it runs."""
    if session.location_id in {location.pk for location in network.stations()}:
        SimulatedStations().stop(session_id=session.pk, now=clock.now())
        return
    reading = _reading(session)
    readings = [reading] if session.status == SessionStatus.ACTIVE else []
    sessions.stop_session(
        session_id=session.pk, ended_at=reading.at, now=reading.at, readings=readings
    )

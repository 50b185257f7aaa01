"""`manage.py simulate`: be the driver, the clock and the bad luck of the simulated stations."""

import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from cpo_platform.common import clock
from cpo_platform.common.shapes import parse_datetime
from locations.models import Connector, Evse
from locations.operations import EvseRemoved
from sessions_app.models import Session, SessionStatus, SimulatedStation, Token
from sessions_app.operations.sessions import EvseOccupied, SessionNotOngoing
from sessions_app.simulator import SimulatedStations
from sessions_app.simulator.history import Visit, play_session
from sessions_app.simulator.stations import Impossible
from sessions_app.simulator.traffic import keep_busy
from sessions_app.stations import StationAnswer, StationResult, station_control

HELD = "the session ended; its CDR is held for staff, see Held CDRs in the admin."


class Command(BaseCommand):
    """One subcommand for each thing that can happen at a station."""

    help = "Play a driver at the simulated stations: plug, present, stop, unplug, fault, run ..."
    stations = SimulatedStations()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(title="what happens", dest="action", required=True)

        def add(name: str, help_text: str, *, evse: bool = True) -> Any:
            action = actions.add_parser(name, help=help_text)
            action.set_defaults(act=getattr(self, f"_{name}"))
            if evse:
                action.add_argument("evse", metavar="EVSE", help="uid or EVSE id")
            return action

        plug = add("plug", "a car is plugged in")
        plug.add_argument("--power", type=_decimal, help="most it can take, in kW")
        plug.add_argument("--need", type=_decimal, help="energy until it is full, in kWh")
        present = add("present", "a token is held before the reader: start, or stop")
        present.add_argument("token", metavar="TOKEN_UID")
        present.add_argument("--type", default="RFID", help="token type (RFID)")
        add("stop", "the session is stopped; the car stays")
        add("unplug", "the car is unplugged")
        add("fault", "the station breaks")
        add("clear", "the station is back in service")
        limit = add("limit", "staff or the grid limits the station")
        limit.add_argument("--power", type=_decimal, help="kW at most; without it: no limit")
        add("status", "list the stations in use, or that are broken", evse=False)
        add("tick", "move every station to the present by one step", evse=False)
        run = add("run", "tick until Ctrl-C", evse=False)
        run.add_argument("--seconds", type=float, help="end after this time")
        run.add_argument("--interval", type=float, default=2.0, help="seconds between ticks (2)")
        run.add_argument("--busy", type=int, default=0, help="keep this many stations in use")
        session = add("session", "play a whole session in the past")
        session.add_argument("--token", required=True, metavar="UID")
        session.add_argument("--start", required=True, type=_moment, help="2026-01-31T12:00:00Z")
        session.add_argument("--minutes", required=True, type=int)
        session.add_argument("--energy", required=True, type=_decimal, help="kWh")
        session.add_argument("--power", type=_decimal, help="kW until full, then it parks")

    def handle(self, *, act: Callable[..., None], **options: Any) -> None:
        """Do what the subcommand says; an error is one sentence."""
        if not isinstance(station_control(), SimulatedStations):
            raise CommandError(
                "Stations are real here, or simulated over the wire (manage.py simulate_chargers): "
                "set STATION_CONTROL=sessions_app.simulator.SimulatedStations to play them here."
            )
        try:
            act(**options)
        except (Impossible, EvseRemoved, EvseOccupied, SessionNotOngoing) as error:
            raise CommandError(f"{error}.") from error

    def _plug(self, *, evse: str, power: Decimal | None, need: Decimal | None, **_: object) -> None:
        row = _evse(evse)
        self.stations.plug(evse_id=row.pk, now=clock.now(), power_kw=power, need_kwh=need)
        self.stdout.write(f"EVSE {row.uid}: a car is plugged in.")

    def _present(self, *, evse: str, token: str, type: str, **_: object) -> None:  # noqa: A002  OCPI's name
        row = _evse(evse)
        answer = self.stations.present_token(evse_id=row.pk, uid=token, type=type, now=clock.now())
        _require(answer)
        self.stdout.write(f"EVSE {row.uid}: token {token} was accepted.")

    def _stop(self, *, evse: str, **_: object) -> None:
        row = _evse(evse)
        session = Session.objects.ongoing().filter(evse=row).first()
        if session is None:
            raise CommandError(f"EVSE {row.uid}: no session is running.")
        _require(self.stations.stop(session_id=session.pk, now=clock.now()))
        self.stdout.write(f"EVSE {row.uid}: {_outcome(session)}")

    def _unplug(self, *, evse: str, **_: object) -> None:
        row = _evse(evse)
        self.stations.unplug(evse_id=row.pk, now=clock.now())
        self.stdout.write(f"EVSE {row.uid}: the car is unplugged.")

    def _fault(self, *, evse: str, **_: object) -> None:
        row = _evse(evse)
        self.stations.fault(evse_id=row.pk, now=clock.now())
        self.stdout.write(f"EVSE {row.uid} is broken.")

    def _clear(self, *, evse: str, **_: object) -> None:
        row = _evse(evse)
        self.stations.clear(evse_id=row.pk, now=clock.now())
        self.stdout.write(f"EVSE {row.uid} is back in service.")

    def _limit(self, *, evse: str, power: Decimal | None, **_: object) -> None:
        row = _evse(evse)
        self.stations.limit_power(evse_id=row.pk, power_kw=power, now=clock.now())
        limit = "has no limit of its own" if power is None else f"gives at most {power:f} kW"
        self.stdout.write(f"EVSE {row.uid} {limit}.")

    def _status(self, **_: object) -> None:
        stations = (
            SimulatedStation.objects.filter(
                Q(plugged_in=True) | Q(request__isnull=False) | Q(faulted=True)
            )
            .select_related("evse")
            .order_by("evse__uid")
        )
        running = {session.evse_id: session for session in Session.objects.ongoing()}
        for station in stations:
            self.stdout.write(_describe(station, running.get(station.evse_id)))
        idle = SimulatedStation.objects.count() - len(stations)
        self.stdout.write(f"{idle} stations are idle.")

    def _tick(self, **_: object) -> None:
        for sentence in self.stations.advance(now=clock.now()):
            self.stdout.write(sentence)

    def _run(self, *, seconds: float | None, interval: float, busy: int, **_: object) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        with suppress(KeyboardInterrupt):
            while True:
                now = clock.now()
                happened = keep_busy(self.stations, count=busy, now=now) if busy else []
                for sentence in [*happened, *self.stations.advance(now=now)]:
                    self.stdout.write(sentence)
                if end is not None and time.monotonic() >= end:
                    break
                time.sleep(interval)

    def _session(
        self,
        *,
        evse: str,
        token: str,
        start: datetime,
        minutes: int,
        energy: Decimal,
        power: Decimal | None,
        **_: object,
    ) -> None:
        row = Token.objects.filter(uid=token).order_by("-valid", "pk").first()
        if row is None:
            raise CommandError(f"No eMSP has given us a token with the uid {token}.")
        connector = (
            Connector.objects.filter(evse=_evse(evse)).select_related("evse").order_by("pk").first()
        )
        if connector is None:
            raise CommandError(f"EVSE {evse} has no connector.")
        cdr = play_session(
            connector=connector,
            cdr_token=row.cdr_token,
            visit=Visit(start, minutes, energy, power),
            now=clock.now(),
        )
        if cdr is None:
            self.stdout.write(f"EVSE {connector.evse.uid}: {HELD}")
            return
        self.stdout.write(
            f"EVSE {connector.evse.uid}: CDR {cdr.ocpi_id}, {cdr.total_energy:f} kWh, "
            f"{cdr.total_cost_before_taxes:f} {cdr.currency} before taxes."
        )


def _evse(name: str) -> Evse:
    evse = Evse.objects.filter(Q(uid=name) | Q(evse_id=name)).order_by("pk").first()
    if evse is None:
        raise CommandError(f"There is no EVSE {name}.")
    return evse


def _require(answer: StationAnswer) -> None:
    if answer.result is not StationResult.ACCEPTED:
        raise CommandError(f"{answer.result.value}: {answer.message.removesuffix('.')}.")


def _outcome(session: Session) -> str:
    cdr = session.cdrs.first()
    if cdr is None and session.status == SessionStatus.COMPLETED:
        return HELD
    if cdr is None:
        return "the session never became active and will not be billed."
    return (
        f"session {session.ocpi_id} ended, CDR {cdr.ocpi_id}: {cdr.total_energy:f} kWh, "
        f"{cdr.total_cost_before_taxes:f} {cdr.currency} before taxes."
    )


def _describe(station: SimulatedStation, session: Session | None) -> str:
    facts = [f"EVSE {station.evse.uid} {station.evse.status}"]
    if station.faulted:
        facts.append("broken")
    if station.request:
        facts.append("a start waits for a car")
    if station.plugged_in:
        facts.append(
            f"a car of {station.car_power_kw:f} kW wants {station.car_need_kwh:f} kWh more"
        )
    if session:
        facts.append(f"session {session.ocpi_id} {session.status}, {session.kwh:f} kWh")
    return ", ".join(facts)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text} is not a number") from error
    if not number.is_finite() or not 0 <= number < 10_000:
        raise ArgumentTypeError(f"{text} is not a number from 0 to 10000")
    return number


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text}: {error}") from error
    assert isinstance(moment, datetime)  # noqa: S101  it was a text
    return moment

"""A station at every EVSE that behaves as a real one does, and a driver with a car.

It is an edge, as the protocol of a real charger would be: what happens at a station is reported
by the operations of `locations` and `sessions_app`, which know nothing of it, and no price is made
here. The state is in the table `SimulatedStation`; whoever changes it holds the row's lock.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from cpo_platform.common.clock import truncate
from cpo_platform.common.shapes import CdrToken, plain
from locations import operations as locations
from locations.models import Capability, Connector, Evse, Status
from sessions_app.authorization import Allowed, Authorization, authorize
from sessions_app.models import AuthMethod, Session, SimulatedStation
from sessions_app.operations import sessions
from sessions_app.simulator import steps
from sessions_app.stations import StartRequest, StationAnswer, StationResult

# How long a station waits for a car once a start was accepted.
CONNECTION_TIMEOUT = timedelta(seconds=60)

logger = logging.getLogger(__name__)


class Impossible(ValueError):
    """What was asked of a station or its driver cannot happen now."""


class SimulatedStations:
    """A `StationControl` without hardware; the other methods are what people do at a station."""

    def start(self, request: StartRequest, *, now: datetime) -> StationAnswer:
        """Accept a remote start; `advance` opens the session once a car is plugged in."""
        connector = Connector.objects.select_related("evse").filter(pk=request.connector_id).first()
        if connector is None:
            return StationAnswer(StationResult.REJECTED, "The station has no such connector.")
        if Capability.REMOTE_START_STOP_CAPABLE not in connector.evse.capabilities:
            return StationAnswer(
                StationResult.NOT_SUPPORTED, f"EVSE {connector.evse.uid} has no remote start."
            )
        authorization = Authorization(
            Allowed.ALLOWED,
            request.cdr_token,
            AuthMethod.COMMAND,
            request.authorization_reference,
        )
        return _accept(connector, authorization, now)

    def stop(self, *, session_id: int, now: datetime) -> StationAnswer:
        """End a session; the car stays until its driver unplugs it."""
        evse_id = Session.objects.filter(pk=session_id).values_list("evse_id", flat=True).first()
        if evse_id is None:
            return StationAnswer(StationResult.REJECTED, "There is no such session.")
        with _held(evse_id) as station:
            session = steps.ongoing(station)
            if session is None or session.pk != session_id:
                return StationAnswer(StationResult.REJECTED, "The session has ended already.")
            steps.end(station, session, now)
        return StationAnswer(StationResult.ACCEPTED)

    def plug(
        self,
        *,
        evse_id: int,
        now: datetime,
        power_kw: Decimal | None = None,
        need_kwh: Decimal | None = None,
    ) -> None:
        """Plug a car in: it charges with at most `power_kw` until it has got `need_kwh`.

        Raises:
            Impossible: a car is plugged in already.

        """
        with _held(evse_id) as station:
            if station.plugged_in:
                raise Impossible(f"EVSE {station.evse.uid}: a car is plugged in already")
            steps.plug(station, power_kw, need_kwh, now)
            station.save()

    def unplug(self, *, evse_id: int, now: datetime) -> None:
        """Unplug the car; a session that is running ends.

        Raises:
            Impossible: no car is plugged in.

        """
        with _held(evse_id) as station:
            if not station.plugged_in:
                raise Impossible(f"EVSE {station.evse.uid}: no car is plugged in")
            session = steps.ongoing(station)
            if session is not None:
                steps.end(station, session, now)
            steps.unplug(station, now)

    def present_token(
        self,
        *,
        evse_id: int,
        uid: str,
        now: datetime,
        type: str = "RFID",  # noqa: A002  OCPI's name
    ) -> StationAnswer:
        """Hold a token before the reader: it starts a session, or stops the one it started.

        A refusal says why, in the words of OCPI's AllowedType where the eMSP refuses.
        """
        evse = Evse.objects.select_related("location").get(pk=evse_id)
        session = Session.objects.ongoing().filter(evse=evse).first()
        if session is not None and session.token_uid.lower() == uid.lower():
            return self.stop(session_id=session.pk, now=now)
        connector = evse.connectors.order_by("pk").first()
        if connector is None:
            return StationAnswer(StationResult.REJECTED, f"EVSE {evse.uid} has no connector.")
        with _held(evse_id) as station:
            refusal = _refusal(station, now)
        if refusal is not None:
            return refusal
        # Asks the eMSP over the network, so no lock may be held.
        authorization = authorize(uid=uid, evse=evse, type=type)
        if authorization.allowed is not Allowed.ALLOWED:
            reason = f" ({authorization.info})" if authorization.info else ""
            return StationAnswer(StationResult.REJECTED, f"{authorization.allowed.value}{reason}")
        return _accept(connector, authorization, now)

    def leave_at(self, *, evse_id: int, moment: datetime) -> None:
        """Say when the driver comes back, ends the session and unplugs."""
        with _held(evse_id) as station:
            station.leaves_at = truncate(moment)
            station.save(update_fields=["leaves_at"])

    def fault(self, *, evse_id: int, now: datetime) -> None:
        """Break the station: a session that is running ends and is billed so far.

        Raises:
            locations.operations.EvseRemoved: there is no station any more.

        """
        with _held(evse_id) as station:
            session = steps.ongoing(station)
            if session is not None:
                steps.end(station, session, now)
            station.faulted = True
            station.request = station.request_until = None
            station.save()
            locations.set_evse_status(evse_id=evse_id, status=Status.OUTOFORDER, now=now)

    def clear(self, *, evse_id: int, now: datetime) -> None:
        """Bring the station back into service, whatever kept it out.

        Raises:
            locations.operations.EvseRemoved: there is no station any more.

        """
        with _held(evse_id) as station:
            station.faulted = False
            station.save(update_fields=["faulted"])
            status = Status.CHARGING if station.plugged_in else Status.AVAILABLE
            locations.set_evse_status(evse_id=evse_id, status=status, now=now)

    def advance(self, *, now: datetime) -> list[str]:
        """Move every station to `now` by one step; return what happened, a sentence each.

        A station that another process is moving is left to it.
        """
        now = truncate(now)
        busy = SimulatedStation.objects.filter(
            Q(request__isnull=False) | Q(plugged_in=True), faulted=False
        )
        happened = []
        for station_id in list(busy.order_by("pk").values_list("pk", flat=True)):
            try:
                event = steps.advance_one(station_id, now)
            except (
                locations.EvseRemoved,
                sessions.EvseOccupied,
                sessions.SessionNotOngoing,
            ) as error:
                # Somebody else was faster; the next step starts from what is true then.
                event = str(error)
            except Exception:  # one broken station must not stop the others
                logger.exception("Simulated station %s could not be moved", station_id)
                continue
            if event:
                happened.append(event)
        return happened


@contextmanager
def _held(evse_id: int) -> Iterator[SimulatedStation]:
    """Hold the station of an EVSE for the length of a transaction; make it where there is none."""
    SimulatedStation.objects.get_or_create(evse_id=evse_id)
    with transaction.atomic():
        yield (
            SimulatedStation.objects.select_for_update(of=("self",))
            .select_related("evse")
            .get(evse_id=evse_id)
        )


def _accept(connector: Connector, authorization: Authorization, now: datetime) -> StationAnswer:
    assert authorization.cdr_token is not None  # noqa: S101  who is allowed has a token
    with _held(connector.evse_id) as station:
        refusal = _refusal(station, now)
        if refusal is not None:
            return refusal
        station.request = {
            "connector_id": connector.pk,
            "cdr_token": plain(CdrToken, authorization.cdr_token),
            "auth_method": authorization.auth_method.value,
            "authorization_reference": authorization.authorization_reference,
        }
        station.request_until = truncate(now) + CONNECTION_TIMEOUT
        station.save(update_fields=["request", "request_until"])
    return StationAnswer(StationResult.ACCEPTED)


def _refusal(station: SimulatedStation, now: datetime) -> StationAnswer | None:
    """Return why no session can start here, or None."""
    evse = station.evse
    if station.faulted or evse.status in steps.OUT_OF_SERVICE:
        status = Status.OUTOFORDER.value if station.faulted else evse.status
        return StationAnswer(StationResult.EVSE_INOPERATIVE, f"EVSE {evse.uid} is {status}.")
    if evse.status == Status.UNKNOWN:
        return StationAnswer(StationResult.TIMEOUT, f"EVSE {evse.uid} is offline.")
    reason = _occupied_by(station, now)
    if reason:
        return StationAnswer(StationResult.EVSE_OCCUPIED, f"EVSE {evse.uid}: {reason}.")
    return None


def _occupied_by(station: SimulatedStation, now: datetime) -> str:
    evse = station.evse
    if steps.ongoing(station) is not None:
        return "a session is running"
    if station.request_until is not None and now < station.request_until:
        return "another start waits for its car"
    if station.leaves_at is not None:
        return "the car of the last session is still plugged in"
    if evse.status in {Status.BLOCKED, Status.RESERVED}:
        return f"it is {evse.status}"
    if evse.status == Status.CHARGING and not station.plugged_in:
        return "it is in use"
    return ""

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
from cpo_platform.common.shapes import CdrToken, ChargingProfile, plain
from locations import operations as locations
from locations.models import Capability, Connector, Evse, Status
from sessions_app.authorization import Allowed, Authorization, authorize
from sessions_app.commanded import NEVER_ASKED, commanded_token
from sessions_app.models import AuthMethod, Session, SessionStatus, SimulatedStation, Token
from sessions_app.operations import reservations, sessions
from sessions_app.simulator import steps
from sessions_app.stations import (
    ProfileAnswer,
    ProfileResult,
    ReserveRequest,
    StartRequest,
    StationAnswer,
    StationResult,
)

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
        return _accept(connector, authorization, request.group_id, now)

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

    def reserve(self, request: ReserveRequest, *, now: datetime) -> StationAnswer:
        """Keep the EVSE free for a token; the EVSE shows RESERVED."""
        evse = Evse.objects.filter(pk=request.evse_id).first()
        if evse is None or Capability.RESERVABLE not in evse.capabilities:
            return StationAnswer(StationResult.NOT_SUPPORTED, "The EVSE cannot be reserved.")
        with _held(evse.pk) as station:
            known = steps.reservation_of(station, now)
            replaces = known is not None and known["number"] == request.number
            refusal = _refusal(station, now, reserved_by_asker=replaces)
            if refusal is None and station.plugged_in:
                refusal = _occupied(station.evse, "a car is plugged in")
            if refusal is not None:
                return refusal
            steps.reserve(
                station,
                number=request.number,
                token=request.cdr_token,
                group_id=request.group_id,
                until=request.expiry_date,
                now=now,
            )
        return StationAnswer(StationResult.ACCEPTED)

    def cancel_reservation(self, *, number: int, evse_id: int, now: datetime) -> StationAnswer:
        """Give the EVSE back; a start that was accepted on the reservation goes on without it."""
        with _held(evse_id) as station:
            if station.reservation is None or station.reservation["number"] != number:
                return StationAnswer(StationResult.REJECTED, "There is no such reservation.")
            steps.give_back(station, now)
        return StationAnswer(StationResult.ACCEPTED)

    def unlock(self, *, connector_id: int, now: datetime) -> StationAnswer:
        """Release the cable; a running session ends and is billed so far, as OCPP has it."""
        connector = Connector.objects.select_related("evse").filter(pk=connector_id).first()
        if connector is None:
            return StationAnswer(StationResult.REJECTED, "The station has no such connector.")
        if Capability.UNLOCK_CAPABLE not in connector.evse.capabilities:
            return StationAnswer(StationResult.NOT_SUPPORTED, "It cannot be unlocked remotely.")
        with _held(connector.evse_id) as station:
            evse = station.evse
            if station.faulted:
                return StationAnswer(StationResult.FAILED, f"EVSE {evse.uid}: the lock is stuck.")
            if evse.status == Status.UNKNOWN:
                return _offline(evse)
            session = steps.ongoing(station)
            if session is not None and session.connector_id != connector.pk:
                return _occupied(evse, "a session is running at another connector")
            if session is not None:
                steps.end(station, session, now)
            if station.plugged_in and station.has_driver:
                station.leaves_at = truncate(now)
                station.save(update_fields=["leaves_at"])
        return StationAnswer(StationResult.ACCEPTED)

    def set_charging_profile(
        self, *, session_id: int, profile: ChargingProfile, now: datetime
    ) -> ProfileAnswer:
        """Take a profile for the session that runs; it replaces an earlier one."""
        with _charging(session_id) as (station, session):
            if session is None:
                return _NOT_CHARGING
            told = (station.charging_profile or {}) | {
                "session_id": session.pk,
                "profile": plain(ChargingProfile, profile),
            }
            steps.set_limits(station, session, told, now)
        return ProfileAnswer(ProfileResult.ACCEPTED)

    def clear_charging_profile(self, *, session_id: int, now: datetime) -> ProfileAnswer:
        """Drop the profile of the session that runs."""
        with _charging(session_id) as (station, session):
            if session is None:
                return _NOT_CHARGING
            told = dict(station.charging_profile or {})
            if told.pop("session_id", None) != session.pk or not told.pop("profile", None):
                return ProfileAnswer(ProfileResult.UNKNOWN, "The session has no profile.")
            steps.set_limits(station, session, told, now)
        return ProfileAnswer(ProfileResult.ACCEPTED)

    def active_charging_profile(
        self, *, session_id: int, duration: int, now: datetime
    ) -> ProfileAnswer:
        """Compose all limits into one profile, as the station would."""
        session = (
            Session.objects.filter(pk=session_id, connector__isnull=False)
            .select_related("connector")
            .first()
        )
        if session is None:
            return _NOT_CHARGING
        station = SimulatedStation.objects.filter(evse__sessions=session).first()
        limits = steps.limits(station or SimulatedStation(), session)
        return ProfileAnswer(ProfileResult.ACCEPTED, profile=limits.active(now, duration))

    def limit_power(self, *, evse_id: int, power_kw: Decimal | None, now: datetime) -> None:
        """Limit the station itself, as staff or the grid would; None lifts that."""
        with _held(evse_id) as station:
            told = dict(station.charging_profile or {})
            told.pop("local_limit_w", None)
            if power_kw is not None:
                told["local_limit_w"] = str(power_kw * 1000)
            steps.set_limits(station, steps.ongoing(station), told, now)

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

        A token that came with a command is not asked about again (`sessions_app.commanded`). A
        refusal says why, in the words of OCPI's AllowedType where the eMSP refuses.
        """
        evse = Evse.objects.select_related("location").get(pk=evse_id)
        session = Session.objects.ongoing().filter(evse=evse).first()
        if session is not None and session.token_uid.lower() == uid.lower():
            return self.stop(session_id=session.pk, now=now)
        connector = evse.connectors.order_by("pk").first()
        if connector is None:
            return StationAnswer(StationResult.REJECTED, f"EVSE {evse.uid} has no connector.")
        with _held(evse_id) as station:
            if steps.waits_for(station, uid, now):
                # The driver of a remote start holds his card before the reader as well.
                return StationAnswer(StationResult.ACCEPTED)
            mine = steps.may_be_reserved_for(station, uid, now)
            refusal = _refusal(station, now, reserved_by_asker=mine)
        if refusal is not None:
            return refusal
        # Asks the eMSP over the network, so no lock may be held.
        authorization, group_id = _authorize(evse, uid, type, now)
        if authorization.allowed is not Allowed.ALLOWED:
            reason = f" ({authorization.info})" if authorization.info else ""
            return StationAnswer(StationResult.REJECTED, f"{authorization.allowed.value}{reason}")
        return _accept(connector, authorization, group_id, now)

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
            status = Status.CHARGING if station.plugged_in else steps.idle_status(station, now)
            locations.set_evse_status(evse_id=evse_id, status=status, now=now)

    def advance(self, *, now: datetime) -> list[str]:
        """Move every station to `now` by one step; return what happened, a sentence each.

        A station that another process is moving is left to it.
        """
        now = truncate(now)
        busy = SimulatedStation.objects.filter(
            Q(request__isnull=False) | Q(plugged_in=True) | Q(reservation__isnull=False),
            faulted=False,
        )
        happened = []
        for station_id in list(busy.order_by("pk").values_list("pk", flat=True)):
            try:
                event = steps.advance_one(station_id, now)
            except (
                locations.EvseRemoved,
                reservations.ReservationOver,
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


_NOT_CHARGING = ProfileAnswer(ProfileResult.REJECTED, "The session does not charge.")


@contextmanager
def _charging(session_id: int) -> Iterator[tuple[SimulatedStation, Session | None]]:
    """Hold the station of a session that is ACTIVE; without a session where it is not."""
    evse_id = (
        Session.objects.filter(pk=session_id, evse__isnull=False)
        .values_list("evse_id", flat=True)
        .first()
    )
    if evse_id is None:
        yield SimulatedStation(), None
        return
    with _held(evse_id) as station:
        session = steps.ongoing(station)
        charges = (
            session is not None
            and session.pk == session_id
            and session.status == SessionStatus.ACTIVE
        )
        yield station, session if charges else None


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


def _authorize(
    evse: Evse,
    uid: str,
    type: str,  # noqa: A002  OCPI's name
    now: datetime,
) -> tuple[Authorization, str]:
    """Decide on a token that was shown, and return its group as well. Makes a network call."""
    said = commanded_token(evse_id=evse.pk, uid=uid, type=type, now=now)
    if said is not None:
        return (
            Authorization(
                Allowed.ALLOWED, said.cdr_token, AuthMethod.COMMAND, said.authorization_reference
            ),
            said.group_id,
        )
    reserved = reservations.of_token(evse=evse, uid=uid, type=type, now=now)
    if type in NEVER_ASKED:
        answer = Authorization(Allowed.NOT_ALLOWED)
    else:
        answer = authorize(uid=uid, evse=evse, type=type)
    if reserved is not None and (type in NEVER_ASKED or answer.allowed is Allowed.UNKNOWN_TOKEN):
        # Only its command knows this token: the eMSP vouched for it until the reservation ends.
        token = reserved.session.cdr_token
        return Authorization(Allowed.ALLOWED, token, AuthMethod.COMMAND), reserved.group_id
    return answer, _group_of(answer.cdr_token)


def _group_of(token: CdrToken | None) -> str:
    if token is None:
        return ""
    rows = Token.objects.filter(
        country_code=token.country_code,
        party_id=token.party_id,
        uid=token.uid,
        type=token.type,
    )
    return rows.values_list("group_id", flat=True).first() or ""


def _accept(
    connector: Connector, authorization: Authorization, group_id: str, now: datetime
) -> StationAnswer:
    token = authorization.cdr_token
    assert token is not None  # noqa: S101  who is allowed has a token
    with _held(connector.evse_id) as station:
        reservation = reservations.usable_at(
            evse=station.evse, cdr_token=token, group_id=group_id, now=now
        )
        mine = steps.is_reserved_for(station, token, group_id, now)
        refusal = _refusal(station, now, reserved_by_asker=mine)
        if refusal is None and reservation is None:
            refusal = _kept_free(station, now)
        if refusal is not None:
            return refusal
        station.request = {
            "connector_id": connector.pk,
            "cdr_token": plain(CdrToken, token),
            "auth_method": authorization.auth_method.value,
            "authorization_reference": authorization.authorization_reference,
            "reservation": reservation and reservation.pk,
        }
        station.request_until = truncate(now) + CONNECTION_TIMEOUT
        station.save(update_fields=["request", "request_until"])
    return StationAnswer(StationResult.ACCEPTED)


def _refusal(
    station: SimulatedStation, now: datetime, *, reserved_by_asker: bool = False
) -> StationAnswer | None:
    """Return why no session can start here, or None."""
    evse = station.evse
    if station.faulted or evse.status in steps.OUT_OF_SERVICE:
        status = Status.OUTOFORDER.value if station.faulted else evse.status
        return StationAnswer(StationResult.EVSE_INOPERATIVE, f"EVSE {evse.uid} is {status}.")
    if evse.status == Status.UNKNOWN:
        return _offline(evse)
    reason = _occupied_by(station, now, reserved_by_asker=reserved_by_asker)
    return _occupied(evse, reason) if reason else None


def _offline(evse: Evse) -> StationAnswer:
    return StationAnswer(StationResult.TIMEOUT, f"EVSE {evse.uid} is offline.")


def _occupied(evse: Evse, reason: str) -> StationAnswer:
    return StationAnswer(StationResult.EVSE_OCCUPIED, f"EVSE {evse.uid}: {reason}.")


def _kept_free(station: SimulatedStation, now: datetime) -> StationAnswer | None:
    """Return a refusal where the EVSE is the last one for those who reserved any of its site."""
    waiting = SimulatedStation.objects.filter(
        evse__location_id=station.evse.location_id, request_until__gt=now
    )
    taken = list(waiting.values_list("evse_id", flat=True))
    if reservations.is_kept_free(evse=station.evse, taken=taken, now=now):
        return _occupied(station.evse, "it is kept free for a reservation")
    return None


def _occupied_by(station: SimulatedStation, now: datetime, *, reserved_by_asker: bool) -> str:
    if steps.ongoing(station) is not None:
        return "a session is running"
    if station.request_until is not None and now < station.request_until:
        return "another start waits for its car"
    if station.leaves_at is not None:
        return "the car of the last session is still plugged in"
    if not reserved_by_asker and steps.reservation_of(station, now) is not None:
        return "it is reserved"
    return _withheld(station)


def _withheld(station: SimulatedStation) -> str:
    """Return why the EVSE's status keeps it from use, where the station itself sees nothing."""
    status = station.evse.status
    if status == Status.BLOCKED or (status == Status.RESERVED and station.reservation is None):
        return f"it is {status}"
    if status == Status.CHARGING and not station.plugged_in:
        return "it is in use"
    return ""

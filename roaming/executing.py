"""Carry out what partners ask of stations: commands and profile requests, up to their results.

The station is asked outside of transactions. A command may be executed twice, or by two workers at
once: the first result counts.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from cpo_platform.common import clock
from cpo_platform.common.shapes import CdrToken, ChargingProfile, parse, parse_datetime
from roaming.models import Command, CommandState, ProfileAction, ProfileRequest
from roaming.operations import charging_profiles, commands
from sessions_app.models import Reservation
from sessions_app.operations import reservations
from sessions_app.stations import (
    ProfileAnswer,
    ReserveRequest,
    StartRequest,
    StationAnswer,
    StationResult,
    station_control,
)

UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"


def execute(command_id: int) -> None:
    """Pass a command on to the station, and note what it says; nothing if that was done."""
    command = Command.objects.get(pk=command_id)
    if command.state == CommandState.ACCEPTED:
        _EXECUTORS[command.command](command)


def execute_profile_request(request_id: int) -> None:
    """Pass a request on a charging profile on to the station, and note what it says."""
    request = ProfileRequest.objects.get(pk=request_id)
    if request.state != CommandState.ACCEPTED:
        return
    answer = _ask_for_profile(request)
    finished = charging_profiles.finish_profile_request(
        request_id=request_id,
        result=answer.result.value,
        message=answer.message,
        active_profile=answer.profile,
        now=clock.now(),
    )
    if not finished and charging_profiles.was_set_in_vain(request_id=request_id):
        # The partner was told that it is rejected: the station must not go by it.
        station_control().clear_charging_profile(session_id=request.session_id, now=clock.now())


def _ask_for_profile(request: ProfileRequest) -> ProfileAnswer:
    control = station_control()
    now = clock.now()
    session_id = request.session_id
    if request.action == ProfileAction.SET:
        profile = parse(ChargingProfile, request.charging_profile)
        return control.set_charging_profile(session_id=session_id, profile=profile, now=now)
    if request.action == ProfileAction.CLEAR:
        return control.clear_charging_profile(session_id=session_id, now=now)
    return control.active_charging_profile(
        session_id=session_id, duration=request.duration or 1, now=now
    )


class _TooLate(Exception):
    """The command has a result already: its timeout was told, or another worker was faster."""


def _start_session(command: Command) -> None:
    if command.connector_id is None:
        _finish(command, _gone())
        return
    request = StartRequest(
        connector_id=command.connector_id,
        cdr_token=parse(CdrToken, command.token),
        authorization_reference=command.authorization_reference,
        group_id=command.parameters.get("group_id", ""),
    )
    _finish(command, station_control().start(request, now=clock.now()))


def _stop_session(command: Command) -> None:
    assert command.session_id is not None  # noqa: S101  it was received with one
    _finish(command, station_control().stop(session_id=command.session_id, now=clock.now()))


def _unlock_connector(command: Command) -> None:
    if command.connector_id is None:
        _finish(command, _gone())
        return
    now = clock.now()
    # Once more: somebody may have begun to charge since it was received.
    if commands.is_used_by_others(command.partner, command.connector_id, now=now):
        _finish(command, StationAnswer(StationResult.REJECTED, commands.IN_USE))
        return
    _finish(command, station_control().unlock(connector_id=command.connector_id, now=now))


def _reserve_now(command: Command) -> None:
    """Have the station keep the EVSE free, then make the reservation and say so, both or neither.

    Without an EVSE no station is asked: the location's are kept free where starts are accepted.
    """
    now = clock.now()
    expiry_date = parse_datetime(command.parameters["expiry_date"])
    assert isinstance(expiry_date, datetime)  # noqa: S101  it was written by us
    before = _replaced(command)
    number = before.pk if before else command.parameters["number"]
    token = parse(CdrToken, command.token)
    if command.evse_id is not None:
        request = ReserveRequest(
            number=number,
            evse_id=command.evse_id,
            cdr_token=token,
            group_id=command.parameters.get("group_id", ""),
            expiry_date=expiry_date,
        )
        answer = station_control().reserve(request, now=now)
        if answer.result is not StationResult.ACCEPTED:
            _finish(command, answer)
            return
    try:
        with transaction.atomic():
            _make_reservation(command, number, token, expiry_date, now)
    except (
        reservations.IdInUse,
        reservations.NothingFree,
        reservations.ReservationOver,
    ) as error:
        _give_back(number, command.evse_id, now)
        occupied = isinstance(error, reservations.NothingFree)
        result = StationResult.EVSE_OCCUPIED if occupied else StationResult.REJECTED
        _finish(command, StationAnswer(result, str(error)))
        return
    except _TooLate:
        if not _is_made(number, command):
            _give_back(number, command.evse_id, now)
        return
    if before is not None and before.evse_id != command.evse_id:
        _give_back(number, before.evse_id, now)


def _replaced(command: Command) -> Reservation | None:
    """Return the reservation that the command changes: of this eMSP, with this id."""
    token = parse(CdrToken, command.token)
    return (
        Reservation.objects.active()
        .filter(
            owner_country_code=token.country_code,
            owner_party_id=token.party_id,
            reservation_id=command.parameters["reservation_id"],
            location=command.location,
        )
        .first()
    )


def _is_made(number: int, command: Command) -> bool:
    """Tell whether a reservation stands that an equal command, or its other run, has made."""
    reservation = Reservation.objects.active().filter(pk=number).first()
    return reservation is not None and reservation.evse_id == command.evse_id


def _make_reservation(
    command: Command, number: int, token: CdrToken, expiry_date: datetime, now: datetime
) -> None:
    assert command.location_id is not None  # noqa: S101  it was received with one
    reservation = reservations.make_reservation(
        number=number,
        reservation_id=command.parameters["reservation_id"],
        location_id=command.location_id,
        evse_id=command.evse_id,
        connector_id=command.connector_id,
        cdr_token=token,
        group_id=command.parameters.get("group_id", ""),
        expiry_date=expiry_date,
        authorization_reference=command.authorization_reference,
        now=now,
    )
    in_time = commands.finish_command(
        command_id=command.pk,
        result=StationResult.ACCEPTED.value,
        message="",
        reservation_id=reservation.pk,
        now=now,
    )
    if not in_time:
        raise _TooLate


def _give_back(number: int, evse_id: int | None, now: datetime) -> None:
    if evse_id is not None:
        station_control().cancel_reservation(number=number, evse_id=evse_id, now=now)


def _cancel_reservation(command: Command) -> None:
    """End the reservation, then free the EVSE: whether the station hears of it changes nothing."""
    now = clock.now()
    if command.reservation is None:
        _finish_as(command, UNKNOWN_RESERVATION, "There is no such reservation.", now)
        return
    number = command.reservation.pk
    try:
        reservations.cancel_reservation(number=number, now=now)
    except reservations.ReservationOver as error:
        _finish_as(command, UNKNOWN_RESERVATION, str(error), now)
        return
    _finish_as(command, StationResult.ACCEPTED.value, "", now)
    _give_back(number, command.reservation.evse_id, now)


def _gone() -> StationAnswer:
    return StationAnswer(StationResult.REJECTED, "The connector is not there any more.")


def _finish(command: Command, answer: StationAnswer) -> None:
    _finish_as(command, answer.result.value, answer.message, clock.now())


def _finish_as(command: Command, result: str, message: str, now: datetime) -> None:
    commands.finish_command(command_id=command.pk, result=result, message=message, now=now)


_EXECUTORS: dict[str, Callable[[Command], None]] = {
    "START_SESSION": _start_session,
    "STOP_SESSION": _stop_session,
    "RESERVE_NOW": _reserve_now,
    "CANCEL_RESERVATION": _cancel_reservation,
    "UNLOCK_CONNECTOR": _unlock_connector,
}

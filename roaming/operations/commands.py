"""Commands of partners: received, carried out by the station, answered.

The immediate answer says only whether a command was understood and passed on; what became of it is
told later, before the timeout, and only where it was accepted (OCPI 2.2.1, mod_commands).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from cpo_platform.common.http import UnsafeUrl, check_url
from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import CdrToken
from locations.models import Capability
from roaming import visibility, wake
from roaming.models import Command, CommandState, Partner
from roaming.operations import feed, places, refused_commands
from roaming.operations.command_requests import (
    AnyRequest,
    CancelReservationRequest,
    Reception,
    ReserveNowRequest,
    StartSessionRequest,
    StopSessionRequest,
    UnlockConnectorRequest,
)
from sessions_app.models import Reservation, ReservationQuerySet, Session
from sessions_app.operations import reservations

TIMEOUT_SECONDS = 60
# A station that has not answered by then is answered for: the beat and the feed need some time.
DEADLINE = timedelta(seconds=TIMEOUT_SECONDS - 15)
# What a reservation's end by ourselves is called to its eMSP (OCPI 2.2.1, CommandResultType).
CANCELED_RESERVATION = "CANCELED_RESERVATION"
IN_USE = "Somebody else's session is running at this connector."


def receive_start_session(
    *,
    partner: Partner,
    request: StartSessionRequest,
    now: datetime,
    receiver: tuple[str, str] | None = None,
) -> Reception:
    """Take a START_SESSION. The token is not checked: the eMSP has authorised it (OCPI 2.2.1).

    `receiver` is the party of ours that was asked (country code, party id): two of them may call
    different locations by one id. Without it the older location is meant.

    Raises:
        roaming.operations.places.ConnectorRequired: the EVSE needs `connector_id`.

    """

    def command() -> Command:
        _require_own_token(partner, request.token)
        location = places.find_location(partner, request.location_id, receiver, now)
        if request.evse_uid is None:
            evses = places.evses_of(location)
            places.require(evses, Capability.REMOTE_START_STOP_CAPABLE, "started")
            reserved = reservations.reserved_evses(
                location_id=location.pk, cdr_token=request.token, now=now
            )
            evse = places.choose_evse(location, reserved)
        else:
            evse = places.find_evse(location, request.evse_uid)
            places.require([evse], Capability.REMOTE_START_STOP_CAPABLE, "started")
        return Command(
            location=location,
            evse=evse,
            connector=places.start_connector(
                evse, request.connector_id, can_be_named=request.can_name_connector
            ),
            token=request.token.model_dump(),
            authorization_reference=request.authorization_reference,
            parameters=_present(group_id=request.group_id),
        )

    return _receive(partner, "START_SESSION", request, receiver=receiver, now=now, command=command)


def receive_stop_session(
    *,
    partner: Partner,
    request: StopSessionRequest,
    now: datetime,
    receiver: tuple[str, str] | None = None,
) -> Reception:
    """Take a STOP_SESSION. Another partner's session is as unknown as one that does not exist.

    `receiver` is as in `receive_start_session`.
    """

    def command() -> Command:
        session = (
            visibility.sessions_for(partner, now=now)
            .filter(places.of_party(receiver), ocpi_id=request.session_id)
            .select_related("evse", "location")
            .order_by("id")
            .first()
        )
        if session is None:
            raise _Refused("UNKNOWN_SESSION", f"session_id: {request.session_id} is not known")
        if not Session.objects.ongoing().filter(pk=session.pk).exists():
            raise _Refused("REJECTED", f"the session is {session.status}")
        if session.evse is not None:
            places.require([session.evse], Capability.REMOTE_START_STOP_CAPABLE, "stopped")
        return Command(location=session.location, evse=session.evse, session=session)

    return _receive(partner, "STOP_SESSION", request, receiver=receiver, now=now, command=command)


def receive_reserve_now(
    *,
    partner: Partner,
    request: ReserveNowRequest,
    now: datetime,
    receiver: tuple[str, str] | None = None,
) -> Reception:
    """Take a RESERVE_NOW: of one EVSE, or of any of a location.

    A `reservation_id` that the same eMSP has at the same location is replaced; the ids of other
    eMSPs are none of its business. `receiver` is as in `receive_start_session`.
    """

    def command() -> Command:
        _require_own_token(partner, request.token)
        location = places.find_location(partner, request.location_id, receiver, now)
        evse = places.find_evse(location, request.evse_uid) if request.evse_uid else None
        connector = (
            places.find_connector(evse, request.connector_id)
            if evse and request.connector_id
            else None
        )
        places.require(
            [evse] if evse else places.evses_of(location), Capability.RESERVABLE, "reserved"
        )
        if request.expiry_date <= now:
            raise _Refused("REJECTED", "expiry_date: has passed")
        owner = [(request.token.country_code, request.token.party_id)]
        known = _reservations_of(owner, request.reservation_id).first()
        if known is not None and known.location_id != location.pk:
            raise _Refused("REJECTED", "reservation_id: is in use at another location")
        if known is None:
            _require_few_reservations(partner, owner, now)
        return Command(
            location=location,
            evse=evse,
            connector=connector,
            token=request.token.model_dump(),
            authorization_reference=request.authorization_reference,
            parameters={
                "reservation_id": request.reservation_id,
                "expiry_date": format_datetime(request.expiry_date),
                # What the station knows it by; drawn here, so that a task that runs twice asks
                # for one reservation.
                "number": reservations.next_number(),
                **_present(group_id=request.group_id),
            },
        )

    return _receive(partner, "RESERVE_NOW", request, receiver=receiver, now=now, command=command)


def receive_cancel_reservation(
    *,
    partner: Partner,
    request: CancelReservationRequest,
    now: datetime,
    receiver: tuple[str, str] | None = None,
    sender: tuple[str, str] | None = None,
) -> Reception:
    """Take a CANCEL_RESERVATION; whether there is one is told by the result.

    `sender` is the eMSP that asks, where several are behind the partner and may have the same id.
    `receiver` is as in `receive_start_session`.
    """

    def command() -> Command:
        owners = visibility.emsps_of(partner)
        if sender is not None and visibility.is_emsp(partner, *sender):
            owners = [sender]
        reservation = (
            _reservations_of(owners, request.reservation_id)
            .filter(places.of_party(receiver, "location__"))
            .select_related("location", "evse", "session")
            .order_by("pk")
            .first()
        )
        if reservation is None:
            # The result comes from the party that was asked.
            return Command(
                parameters={
                    "reservation_id": request.reservation_id,
                    "asked": list(receiver or ()),
                }
            )
        return Command(
            location=reservation.location,
            evse=reservation.evse,
            session=reservation.session,
            reservation=reservation,
            parameters={"reservation_id": request.reservation_id},
        )

    return _receive(
        partner, "CANCEL_RESERVATION", request, receiver=receiver, now=now, command=command
    )


def receive_unlock_connector(
    *,
    partner: Partner,
    request: UnlockConnectorRequest,
    now: datetime,
    receiver: tuple[str, str] | None = None,
) -> Reception:
    """Take an UNLOCK_CONNECTOR: for an eMSP's help desk (OCPI 2.2.1: never directly by a driver).

    `receiver` is as in `receive_start_session`.
    """

    def command() -> Command:
        location = places.find_location(partner, request.location_id, receiver, now)
        evse = places.find_evse(location, request.evse_uid)
        connector = places.find_connector(evse, request.connector_id)
        places.require([evse], Capability.UNLOCK_CAPABLE, "unlocked")
        if is_used_by_others(partner, connector.pk, now=now):
            raise _Refused("REJECTED", IN_USE)
        return Command(location=location, evse=evse, connector=connector)

    return _receive(
        partner, "UNLOCK_CONNECTOR", request, receiver=receiver, now=now, command=command
    )


def is_used_by_others(partner: Partner, connector_id: int, *, now: datetime) -> bool:
    """Tell whether a session runs at a connector that the partner has no part in.

    Unlocking would end it, and that is for its own eMSP to ask for, and for us.
    """
    own = visibility.sessions_for(partner, now=now).values("pk")
    running = Session.objects.ongoing().filter(connector=connector_id)
    return running.exclude(pk__in=own).exists()


def finish_command(
    *,
    command_id: int,
    result: str,
    message: str,
    now: datetime,
    reservation_id: int | None = None,
) -> bool:
    """Set the result of a command, once; the partner is told by its feed.

    `reservation_id` is our row's, of a RESERVE_NOW that was accepted.

    Returns:
        Whether this call set it; False when it had a result already.

    """
    with transaction.atomic():
        command = Command.objects.select_for_update().get(pk=command_id)
        if command.state == CommandState.FINISHED:
            return False
        command.state = CommandState.FINISHED
        command.result = result
        command.message = message[:512]
        command.finished_at = now
        fields = ["state", "result", "message", "finished_at"]
        if reservation_id is not None:
            reservation = Reservation.objects.get(pk=reservation_id)
            command.reservation, command.session_id = reservation, reservation.session_id
            fields += ["reservation", "session"]
        command.save(update_fields=fields)
        feed.announce(module="commands", object_id=command.pk, partner_id=command.partner_id)
    return True


def tell_canceled_reservation(*, reservation_id: int, now: datetime) -> None:
    """Give the RESERVE_NOW of a reservation a second result: we have canceled it.

    It goes to the URL of the command that was accepted last (OCPI 2.2.1, mod_commands: "via the
    response_url"). A reservation that no command made has nobody to be told.
    """
    with transaction.atomic():
        made_by = (
            Command.objects.filter(
                reservation_id=reservation_id, command="RESERVE_NOW", follows__isnull=True
            )
            .order_by("-received_at", "-pk")
            .first()
        )
        if made_by is None:
            return
        told = Command.objects.create(
            follows=made_by,
            partner_id=made_by.partner_id,
            command=made_by.command,
            response_url=made_by.response_url,
            location_id=made_by.location_id,
            evse_id=made_by.evse_id,
            connector_id=made_by.connector_id,
            session_id=made_by.session_id,
            reservation_id=reservation_id,
            token=made_by.token,
            authorization_reference=made_by.authorization_reference,
            parameters=made_by.parameters,
            state=CommandState.FINISHED,
            result=CANCELED_RESERVATION,
            message="The reservation was canceled by the operator of the station.",
            # Not when the RESERVE_NOW came: an old result would not be sent any more.
            received_at=now,
            deadline=now + DEADLINE,
            finished_at=now,
        )
        feed.announce(module="commands", object_id=told.pk, partner_id=told.partner_id)


def expired_commands(*, now: datetime) -> list[int]:
    """Return the accepted commands whose station did not answer in time."""
    return list(
        Command.objects.filter(state=CommandState.ACCEPTED, deadline__lte=now)
        .order_by("deadline")
        .values_list("id", flat=True)[:1000]
    )


class _Refused(ValueError):
    """A command that is not passed on: `result` is the immediate answer."""

    def __init__(self, result: str, message: str) -> None:
        super().__init__(message)
        self.result = result


def _receive(
    partner: Partner,
    name: str,
    request: AnyRequest,
    *,
    receiver: tuple[str, str] | None,
    now: datetime,
    command: Callable[[], Command],
) -> Reception:
    """Keep a command that can be passed on, and have it executed; or say why it cannot.

    One that is running already is not run twice: the partner asks again with the same URL where
    our first answer was lost. One that is refused is kept for staff.
    """
    response_url = request.response_url

    def refuse(reception: Reception, url: str) -> Reception:
        refused_commands.keep(
            partner=partner,
            command=name,
            request=request,
            receiver=receiver,
            response_url=url,
            reception=reception,
            now=now,
        )
        return reception

    try:
        check_url(response_url)
    except UnsafeUrl as error:
        # It may hold a password.
        return refuse(Reception("REJECTED", f"response_url: {error}"), "")
    with transaction.atomic():
        # One after the other: two requests at once are one command as well.
        Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)
        running = Command.objects.filter(
            partner=partner, command=name, response_url=response_url, state=CommandState.ACCEPTED
        ).first()
        if running is not None:
            return Reception("ACCEPTED", command_id=running.pk)
        try:
            row = command()
        except (_Refused, places.NotCapable, places.NothingAvailable, places.UnknownPlace) as error:
            return refuse(_refusal(error), response_url)
        row.partner, row.command, row.response_url = partner, name, response_url
        row.received_at, row.deadline = now, now + DEADLINE
        row.save()
        wake.command(row.pk)
    return Reception("ACCEPTED", command_id=row.pk)


def _refusal(error: ValueError) -> Reception:
    match error:
        case _Refused():
            return Reception(error.result, str(error))
        case places.NotCapable():
            return Reception("NOT_SUPPORTED", str(error))
        case places.UnknownPlace():
            return Reception("REJECTED", str(error), unknown_location=True)
    return Reception("REJECTED", str(error))


def _require_own_token(partner: Partner, token: CdrToken) -> None:
    if not visibility.is_emsp(partner, token.country_code, token.party_id):
        raise _Refused("REJECTED", "token: is not one of yours")


def _require_few_reservations(
    partner: Partner, owners: list[tuple[str, str]], now: datetime
) -> None:
    """Keep an eMSP from reserving the whole network; the partner's row is locked."""
    most = settings.RESERVATIONS_PER_EMSP
    held = _active_of(owners).filter(expiry_date__gt=now).count()
    asked = Command.objects.filter(
        partner=partner, command="RESERVE_NOW", state=CommandState.ACCEPTED
    ).count()
    if held + asked >= most:
        raise _Refused("REJECTED", f"at most {most} reservations at a time")


def _active_of(owners: list[tuple[str, str]]) -> ReservationQuerySet:
    """Return the active reservations of these eMSPs."""
    theirs = Q(pk__in=[])
    for country_code, party_id in owners:
        theirs |= Q(owner_country_code=country_code, owner_party_id=party_id)
    return Reservation.objects.active().filter(theirs)


def _reservations_of(owners: list[tuple[str, str]], reservation_id: str) -> Any:
    """Return the active reservations of these eMSPs with this id of theirs."""
    return _active_of(owners).filter(reservation_id=reservation_id)


def _present(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}

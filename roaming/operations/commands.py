"""Commands of partners: received, carried out by the station, answered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from cpo_platform.common.http import UnsafeUrl, check_url
from cpo_platform.common.shapes import CdrToken
from locations.models import Capability, Connector, Evse, Location, Status
from roaming import visibility, wake
from roaming.models import Command, CommandState, Partner
from roaming.operations import feed
from sessions_app.models import Session

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class StartSessionRequest:
    """OCPI 2.2.1, mod_commands, StartSession."""

    response_url: str
    token: CdrToken
    location_id: str
    evse_uid: str | None
    connector_id: str | None
    authorization_reference: str


@dataclass(frozen=True)
class StopSessionRequest:
    """OCPI 2.2.1, mod_commands, StopSession."""

    response_url: str
    session_id: str


@dataclass(frozen=True)
class ReserveNowRequest:
    """OCPI 2.2.1, mod_commands, ReserveNow; `reservation_id` is a number in 2.1.1."""

    response_url: str
    token: CdrToken
    group_id: str
    expiry_date: datetime
    reservation_id: str
    location_id: str
    evse_uid: str | None
    connector_id: str | None
    authorization_reference: str


@dataclass(frozen=True)
class CancelReservationRequest:
    """OCPI 2.2.1, mod_commands, CancelReservation."""

    response_url: str
    reservation_id: str


@dataclass(frozen=True)
class UnlockConnectorRequest:
    """OCPI 2.2.1, mod_commands, UnlockConnector."""

    response_url: str
    location_id: str
    evse_uid: str
    connector_id: str


@dataclass(frozen=True)
class Reception:
    """The immediate answer: whether the command was understood and passed on.

    Only an ACCEPTED one has a `command_id`, and only that one gets a result later.
    """

    result: str
    message: str = ""
    command_id: int | None = None
    unknown_location: bool = False


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
    """
    refusal = _refuse(request.response_url)
    if refusal:
        return refusal
    if not visibility.is_emsp(partner, request.token.country_code, request.token.party_id):
        return Reception("REJECTED", "token: is not one of yours")
    place = _find(partner, request, receiver)
    if isinstance(place, Reception):
        return place
    location, evse, connector = place
    return _accept(
        Command(
            partner=partner,
            command="START_SESSION",
            response_url=request.response_url,
            location=location,
            evse=evse,
            connector=connector,
            token=request.token.model_dump(),
            authorization_reference=request.authorization_reference,
            received_at=now,
            deadline=now + timedelta(seconds=TIMEOUT_SECONDS - 5),
        )
    )


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
    refusal = _refuse(request.response_url)
    if refusal:
        return refusal
    session = (
        visibility.sessions_for(partner)
        .filter(_of(receiver), ocpi_id=request.session_id)
        .select_related("evse")
        .order_by("id")
        .first()
    )
    if session is None:
        return Reception("UNKNOWN_SESSION", f"session_id: {request.session_id} is not known")
    if not Session.objects.ongoing().filter(pk=session.pk).exists():
        return Reception("REJECTED", f"the session is {session.status}")
    return _accept(
        Command(
            partner=partner,
            command="STOP_SESSION",
            response_url=request.response_url,
            location=session.location,
            evse=session.evse,
            session=session,
            received_at=now,
            deadline=now + timedelta(seconds=TIMEOUT_SECONDS - 5),
        )
    )


def finish_command(*, command_id: int, result: str, message: str, now: datetime) -> bool:
    """Set the result of a command, once; the partner is told by its feed.

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
        command.save(update_fields=["state", "result", "message", "finished_at"])
        feed.announce(module="commands", object_id=command.pk, partner_id=command.partner_id)
    return True


def expired_commands(*, now: datetime) -> list[int]:
    """Return the accepted commands whose station did not answer in time."""
    return list(
        Command.objects.filter(state=CommandState.ACCEPTED, deadline__lte=now)
        .order_by("deadline")
        .values_list("id", flat=True)[:1000]
    )


def _refuse(response_url: str) -> Reception | None:
    try:
        check_url(response_url)
    except UnsafeUrl as error:
        return Reception("REJECTED", f"response_url: {error}")
    return None


def _of(receiver: tuple[str, str] | None) -> Q:
    if receiver is None:
        return Q()
    country_code, party_id = receiver
    return Q(country_code=country_code, party_id=party_id)


def _find(
    partner: Partner, request: StartSessionRequest, receiver: tuple[str, str] | None
) -> tuple[Location, Evse, Connector] | Reception:
    """Return where to start, or why not; without an EVSE the first that is free is taken."""
    location = (
        visibility.locations_for(partner)
        .filter(_of(receiver), ocpi_id=request.location_id)
        .prefetch_related("evses__connectors")
        .order_by("id")
        .first()
    )
    if location is None:
        return _unknown(f"location_id: {request.location_id} is not known")
    evses = [evse for evse in location.evses.all() if evse.status != Status.REMOVED]
    if request.evse_uid is None:
        free = [evse for evse in evses if evse.status == Status.AVAILABLE and _remote(evse)]
        evse = min(free, key=lambda item: item.pk, default=None)
        if evse is None:
            return Reception("REJECTED", "no EVSE of this location is available")
    else:
        wanted = request.evse_uid.lower()
        evse = next((item for item in evses if item.uid.lower() == wanted), None)
        if evse is None:
            return _unknown(f"evse_uid: {request.evse_uid} is not known at this location")
    if not _remote(evse):
        return Reception("NOT_SUPPORTED", "the EVSE cannot be started remotely")
    connector = _connector(evse, request.connector_id)
    if isinstance(connector, Reception):
        return connector
    return location, evse, connector


def _connector(evse: Evse, connector_id: str | None) -> Connector | Reception:
    connectors = sorted(evse.connectors.all(), key=lambda item: item.pk)
    if connector_id is None:
        if Capability.START_SESSION_CONNECTOR_REQUIRED in evse.capabilities:
            return Reception("REJECTED", "connector_id: is required at this EVSE")
        return connectors[0]
    for connector in connectors:
        if connector.ocpi_id.lower() == connector_id.lower():
            return connector
    return _unknown(f"connector_id: {connector_id} is not known at this EVSE")


def _remote(evse: Evse) -> bool:
    return Capability.REMOTE_START_STOP_CAPABLE in evse.capabilities


def _unknown(message: str) -> Reception:
    return Reception("REJECTED", message, unknown_location=True)


def _accept(command: Command) -> Reception:
    with transaction.atomic():
        command.save()
        wake.command(command.pk)
    return Reception("ACCEPTED", command_id=command.pk)

"""Charging profiles that partners ask for: received, carried out by the station, answered.

OCPI 2.2.1, mod_charging_profiles. Whoever has set a profile for a session is told of every later
change of what that session gets; nobody else ever is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from cpo_platform.common.http import UnsafeUrl, check_url
from cpo_platform.common.shapes import ActiveChargingProfile, ChargingProfile, plain
from locations.models import Capability
from roaming import visibility, wake
from roaming.models import (
    CommandState,
    Partner,
    ProfileAction,
    ProfileRequest,
    ProfileResult,
)
from roaming.operations import feed
from roaming.operations.places import of_party
from sessions_app.models import Session, SessionStatus

# After so long without a result the eMSP may think that none will come.
TIMEOUT_SECONDS = 60
# The beat must have time to answer for a station that does not.
DEADLINE = timedelta(seconds=TIMEOUT_SECONDS - 10)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class ProfileCall:
    """What a partner wants of a session: `duration` (s) goes with GET, `profile` with SET."""

    action: ProfileAction
    response_url: str
    duration: int | None = None
    profile: ChargingProfile | None = None


@dataclass(frozen=True)
class ProfileReception:
    """The immediate answer (OCPI 2.2.1, ChargingProfileResponse).

    Only an ACCEPTED one has a `request_id`, and only that one gets a result later.
    """

    result: str
    message: str = ""
    request_id: int | None = None


def receive_profile_call(
    *,
    partner: Partner,
    session_id: str,
    call: ProfileCall,
    now: datetime,
    receiver: tuple[str, str] | None = None,
) -> ProfileReception:
    """Take a request on a session's charging profile, and pass it on to the station.

    Another partner's session is as unknown as one that does not exist. `receiver` is the party of
    ours that was asked (country code, party id); without it any.
    """
    try:
        check_url(call.response_url)
    except UnsafeUrl as error:
        return ProfileReception("REJECTED", f"response_url: {error}")
    with transaction.atomic():
        # Locked, so that requests at the same time are counted one after the other.
        session = (
            visibility.sessions_for(partner, now=now)
            .filter(of_party(receiver), ocpi_id=session_id)
            .order_by("id")
            .select_for_update(of=("self",))
            .first()
        )
        if session is None:
            return ProfileReception("UNKNOWN_SESSION", f"session_id: {session_id} is not known")
        refusal = _refuse(partner, session, now)
        if refusal is not None:
            return refusal
        request = ProfileRequest.objects.create(
            partner=partner,
            session=session,
            action=call.action,
            response_url=call.response_url,
            duration=call.duration,
            charging_profile=call.profile and plain(ChargingProfile, call.profile),
            received_at=now,
            deadline=now + DEADLINE,
        )
        wake.profile_request(request.pk)
    return ProfileReception("ACCEPTED", request_id=request.pk)


def _refuse(partner: Partner, session: Session, now: datetime) -> ProfileReception | None:
    evse = session.evse
    if evse is None or Capability.CHARGING_PROFILE_CAPABLE not in evse.capabilities:
        return ProfileReception("NOT_SUPPORTED", "the EVSE takes no charging profiles")
    if session.status != SessionStatus.ACTIVE:
        return ProfileReception("REJECTED", f"the session is {session.status}")
    lately = ProfileRequest.objects.filter(
        partner=partner, session=session, received_at__gt=now - MINUTE
    ).count()
    most = settings.PROFILE_REQUESTS_PER_MINUTE
    if lately >= most:
        return ProfileReception("TOO_OFTEN", f"at most {most} requests per minute and session")
    return None


def finish_profile_request(
    *,
    request_id: int,
    result: str,
    message: str,
    now: datetime,
    active_profile: ActiveChargingProfile | None = None,
) -> bool:
    """Set the result of a request, once; the partner is told by its feed.

    Who has set a profile is told of the limits that hold since, as of all later changes of them.

    Returns:
        Whether this call set it; False when it had a result already.

    """
    with transaction.atomic():
        request = ProfileRequest.objects.select_for_update().get(pk=request_id)
        if request.state == CommandState.FINISHED:
            return False
        request.state = CommandState.FINISHED
        request.result = result
        request.message = message[:512]
        request.active_profile = active_profile and plain(ActiveChargingProfile, active_profile)
        request.finished_at = now
        request.save(update_fields=["state", "result", "message", "active_profile", "finished_at"])
        partner_id = request.partner_id
        feed.announce(module="profileresults", object_id=request.pk, partner_id=partner_id)
        if request.action == ProfileAction.SET and result == ProfileResult.ACCEPTED:
            feed.announce(
                module="chargingprofiles", object_id=request.session_id, partner_id=partner_id
            )
    return True


def was_set_in_vain(*, request_id: int) -> bool:
    """Tell whether a profile was rejected in the name of its station, and no other one followed."""
    request = ProfileRequest.objects.get(pk=request_id)
    if request.action != ProfileAction.SET or request.result != ProfileResult.REJECTED:
        return False
    later = ProfileRequest.objects.filter(session=request.session_id, pk__gt=request_id)
    return not later.filter(action=ProfileAction.SET).exists()


def expired_profile_requests(*, now: datetime) -> list[int]:
    """Return the accepted requests whose station did not answer in time."""
    return list(
        ProfileRequest.objects.filter(state=CommandState.ACCEPTED, deadline__lte=now)
        .order_by("deadline")
        .values_list("id", flat=True)[:1000]
    )


def announce_limits(*, session_id: int) -> None:
    """Announce to those who have set a profile in a session that its limits have changed.

    To nobody else: the CPO SHALL NOT (OCPI 2.2.1, mod_charging_profiles, 3.1).
    """
    setters = _accepted_sets().filter(session=session_id).values_list("partner", flat=True)
    for partner_id in sorted(set(setters)):
        feed.announce(module="chargingprofiles", object_id=session_id, partner_id=partner_id)


def set_by(partner: Partner) -> QuerySet[ProfileRequest]:
    """Return the profiles that the partner has set, and that a station took."""
    return _accepted_sets().filter(partner=partner)


def _accepted_sets() -> QuerySet[ProfileRequest]:
    return ProfileRequest.objects.filter(action=ProfileAction.SET, result=ProfileResult.ACCEPTED)

"""What is sent of charging profiles: results of requests, and limits that have changed."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Q

from cpo_platform.common import clock
from cpo_platform.common.shapes import ActiveChargingProfile, parse
from roaming import failures, visibility
from roaming.client import Party, endpoint_url
from roaming.draining.jobs import Job, gave_up, job_for
from roaming.models import Delivery, ProfileRequest
from roaming.ocpi.common.shapes import Json, ProfileShapes
from roaming.ocpi.pushing import Plan, Push
from roaming.ocpi.target import Target
from roaming.operations import charging_profiles
from sessions_app.models import Session
from sessions_app.stations import station_control

# After its timeout an eMSP expects no result any more (OCPI 2.2.1, ChargingProfileResponse).
RESULT_TIME = timedelta(seconds=charging_profiles.TIMEOUT_SECONDS)
# How far an update looks ahead: five minutes to an hour are of use (OCPI 2.2.1, 3.1), in seconds.
UPDATE_DURATION = 1800


def result_jobs(target: Target, deliveries: dict[int, Delivery]) -> Iterator[Job]:
    """Yield a POST to its `response_url` for each request that has a result."""
    shapes = target.version.shapes.charging_profiles
    if shapes is None:
        return
    rows = ProfileRequest.objects.filter(
        partner=target.partner, pk__in=list(deliveries)
    ).select_related("session")
    for request in rows:
        delivery = deliveries[request.pk]
        if delivery.sent.get("delivered") or gave_up(
            delivery, request.received_at + RESULT_TIME, failures.REQUEST_TOO_LATE
        ):
            continue
        plan = Plan((Push("POST", (), _result(shapes, request)),), {"delivered": True})
        job = _job(delivery, plan, request.response_url, request.session)
        job.exact_url = True
        yield job


def limit_jobs(target: Target, deliveries: dict[int, Delivery]) -> Iterator[Job]:
    """Yield a PUT of the limits that hold now, for each session that the partner limited once."""
    shapes = target.version.shapes.charging_profiles
    url = endpoint_url(target.partner, "chargingprofiles", "SENDER")
    if shapes is None or url is None or "chargingprofiles" in target.dialect.push_off:
        return
    now = clock.now()
    limited = charging_profiles.set_by(target.partner).values("session")
    sessions = visibility.sessions_for(target.partner, now=now).filter(
        Q(pk__in=list(deliveries)), pk__in=limited
    )
    for session in sessions:
        # A change that happens while we ask is announced again.
        answer = station_control().active_charging_profile(
            session_id=session.pk, duration=UPDATE_DURATION, now=now
        )
        if answer.profile is None:
            continue
        body = shapes.active_profile(answer.profile)
        note = {"start_date_time": body["start_date_time"]}
        plan = Plan((Push("PUT", (session.ocpi_id,), body),), note)
        yield _job(deliveries[session.pk], plan, url, session)


JOBS = {"profileresults": result_jobs, "chargingprofiles": limit_jobs}


def _result(shapes: ProfileShapes, request: ProfileRequest) -> Json:
    profile = request.active_profile
    return shapes.result(request.result, parse(ActiveChargingProfile, profile) if profile else None)


def _job(delivery: Delivery, plan: Plan, url: str, session: Session) -> Job:
    owner = Party(session.country_code, session.party_id)
    emsp = Party(session.token_country_code, session.token_party_id)
    return job_for(delivery, plan, url, owner=owner, receiver=emsp)

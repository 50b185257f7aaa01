"""What stations report, shown to partners: `statuses` says as what, and how often.

Maintenance goes before what a station says, and a station that was silent for too long is UNKNOWN.
EVSEs that are PLANNED or REMOVED stay what they are.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import models, transaction

from cpo_platform.common.locks import advisory_lock
from cpo_platform.common.saying import say
from locations.models import Status
from locations.operations import EvseRemoved, set_evse_status
from ocpp_gateway import statuses
from ocpp_gateway.frames import Version
from ocpp_gateway.models import AlertKind, Outlet, Station, StationState
from ocpp_gateway.operations.alerts import raise_alert

# The first of two numbers of a lock: the other one is the EVSE's.
PUBLISHING = 731_024_506
MOST_AT_ONCE = 500
_NOT_OURS = frozenset({Status.PLANNED.value, Status.REMOVED.value})

logger = logging.getLogger(__name__)


def publish_due(*, now: datetime) -> int:
    """Show what is due; return how many EVSEs were looked at."""
    due = (
        Outlet.objects.filter(publish_due_at__lte=now)
        .order_by("publish_due_at")
        .values_list("connector__evse_id", flat=True)[:MOST_AT_ONCE]
    )
    evses = list(dict.fromkeys(due))
    for evse_id in evses:
        try:
            # Two at one EVSE could publish in the wrong order. Rows are not locked: the gateway
            # would wait for us, and all its stations with it.
            with advisory_lock(PUBLISHING, evse_id) as alone:
                if alone:
                    _publish(evse_id, now)
        except Exception:  # one that cannot be shown must not keep the others
            logger.exception("the status of EVSE %s was not published", evse_id)
    return len(evses)


def _publish(evse_id: int, now: datetime) -> None:
    outlets = list(
        Outlet.objects.filter(connector__evse_id=evse_id).select_related(
            "station", "connector__evse"
        )
    )
    published = sorted({moment for outlet in outlets for moment in outlet.published})
    status = _status_of(outlets)
    evse = outlets[0].connector.evse
    is_news = status is not None and evse.status not in {status, *_NOT_OURS}
    at = statuses.may_publish_at(published, now=now) if is_news else now
    if is_news and at > now:
        # It is seen to then, with what is true then.
        _unchanged(outlets).update(publish_due_at=at)
        return
    with transaction.atomic():
        if is_news and status is not None:
            try:
                set_evse_status(evse_id=evse_id, status=status, now=now)
            except EvseRemoved:
                logger.debug("EVSE %s has been removed", evse_id)
            published = [*statuses.lately(published, now=now), now]
        for outlet in outlets:
            _unchanged([outlet]).update(publish_due_at=None, published=published)


def _unchanged(outlets: Sequence[Outlet]) -> models.QuerySet[Outlet]:
    """Select those of which nothing else was said since they were read."""
    wanted = models.Q(pk__in=[])
    for outlet in outlets:
        wanted |= models.Q(
            pk=outlet.pk,
            reported_status=outlet.reported_status,
            reported_at=outlet.reported_at,
            charging_state=outlet.charging_state,
            publish_due_at=outlet.publish_due_at,
        )
    return Outlet.objects.filter(wanted)


def _status_of(outlets: Sequence[Outlet]) -> str | None:
    """Return what an EVSE is shown as; None while its station has said nothing."""
    if any(outlet.station.in_maintenance for outlet in outlets):
        return Status.INOPERATIVE.value
    if any(outlet.station.offline_shown for outlet in outlets):
        return Status.UNKNOWN.value
    told = [ocpi_status(outlet) for outlet in outlets if outlet.reported_status]
    return statuses.together(told) if told else None


def ocpi_status(outlet: Outlet) -> statuses.OcpiStatus:
    """Return what an outlet is by the table, from what its station reported."""
    if outlet.station.ocpp_version == Version.V1_6.value:
        return statuses.of_1_6(outlet.reported_status)
    state = statuses.state_of_2_0_1(outlet.charging_state)
    return statuses.of_2_0_1(outlet.reported_status, state)


def show_offline(*, now: datetime, grace: timedelta) -> int:
    """Show the EVSEs of stations that were away for longer than `grace` as UNKNOWN."""
    gone = list(
        Station.objects.filter(
            state=StationState.PLACED, offline_shown=False, online_until__lt=now - grace
        ).values_list("pk", flat=True)[:MOST_AT_ONCE]
    )
    for station_id in gone:
        with transaction.atomic():
            # Who came back in between is not shown as gone.
            still = Station.objects.filter(
                pk=station_id, offline_shown=False, online_until__lt=now - grace
            ).update(offline_shown=True)
            if still:
                publish_station(station_id=station_id, now=now)
                raise_alert(
                    kind=AlertKind.OFFLINE,
                    station_id=station_id,
                    saying=say("It is not connected: its EVSEs are shown as unknown."),
                    now=now,
                )
    return len(gone)


def publish_station(*, station_id: int, now: datetime) -> None:
    """Have the EVSEs of a station looked at: something about it as a whole has changed.

    Whoever publishes at this moment sees by the time that there is more.
    """
    Outlet.objects.filter(station=station_id).update(publish_due_at=now)

"""What staff does with incidents: somebody has it, or wants to hear no more of it for a while."""

from datetime import datetime

from django.db import transaction

from cpo_platform.alerting.models import Incident


class IncidentOver(Exception):
    """The incident is over: there is nothing to do any more."""


def _open(incident_id: int) -> Incident:
    incident = Incident.objects.select_for_update().get(pk=incident_id)
    if incident.closed_at is not None:
        raise IncidentOver
    return incident


@transaction.atomic
def acknowledge(*, incident_id: int, by: str, note: str, now: datetime) -> Incident:
    """Say that somebody sees to an incident: nobody is reminded of it any more.

    Raises:
        IncidentOver: it is over.

    """
    incident = _open(incident_id)
    incident.acknowledged_at = now
    incident.acknowledged_by = by
    incident.note = note
    incident.save(update_fields=["acknowledged_at", "acknowledged_by", "note"])
    return incident


@transaction.atomic
def snooze(*, incident_id: int, until: datetime) -> Incident:
    """Have nobody told of an incident until then, but that it is over.

    Raises:
        IncidentOver: it is over.

    """
    incident = _open(incident_id)
    incident.snoozed_until = until
    incident.save(update_fields=["snoozed_until"])
    return incident

"""What comes after a job: the next step of who puts a network on the platform."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from cpo_platform.bulk.admin.persons import may_start
from cpo_platform.bulk.lists import list_of
from cpo_platform.bulk.models import Job, JobRow, JobState, RowOutcome
from cpo_platform.common.admin import visible
from locations.models import Location


@dataclass(frozen=True)
class NextStep:
    """A sentence, and where it is done; no address: not by this person."""

    sentence: str
    text: str = ""
    url: str = ""


def next_step(request: HttpRequest, job: Job) -> NextStep | None:
    """Return what locations that a job made still need, in one query; None: nothing."""
    made = job.state == JobState.DONE and job.counts.get(RowOutcome.CREATED)
    if job.label != "locations.location" or not made:
        return None
    created = JobRow.objects.filter(job=job, outcome=RowOutcome.CREATED)
    rows = Location.objects.filter(pk__in=created.values("object_id"), evses_in_place=None)
    number = visible(request, rows).count()
    if not number:
        return None
    sentence = ngettext(
        "%(number)s of these locations has no EVSEs yet, so no partner sees it.",
        "%(number)s of these locations have no EVSEs yet, so no partner sees them.",
        number,
    ) % {"number": f"{number:,}"}
    evses = list_of("locations.evse")
    if evses is None or not may_start(request, evses):
        return NextStep(sentence)
    url = reverse("admin:locations_evse_bulk_import")
    return NextStep(sentence, gettext("Import EVSEs…"), url)

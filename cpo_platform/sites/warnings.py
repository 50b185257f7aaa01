"""What the rules of quality find at a location, for whoever saved it or one of its EVSEs."""

from django.http import HttpRequest

from cpo_platform.common.admin import Warned, may
from cpo_platform.sites import operations
from cpo_platform.sites.phrases import PHRASES
from cpo_platform.sites.twins import with_twins
from locations.models import Location
from locations.quality import BETTER


def quality_warnings(request: HttpRequest, location_id: int) -> list[Warned]:
    """Return what is found at a location, the worst first, each with its EVSE."""
    if not may(request, "locations.view_location"):
        return []
    location = Location.objects.filter(pk=location_id).complete().first()
    if location is None:
        return []
    findings = operations.findings_of(location, has_twin=bool(with_twins([location_id])))
    names = {evse.uid: str(evse) for evse in location.evses.all()}
    return [
        Warned(
            f"{names[one.evse_uid]}: {PHRASES[one.rule].finds}"
            if one.evse_uid in names
            else str(PHRASES[one.rule].finds),
            is_hint=one.severity == BETTER,
        )
        for one in findings
    ]

"""One location, EVSE or connector (OCPI 2.2.1, mod_locations, Sender interface, GET object)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from locations.models import Location
from roaming import visibility
from roaming.ocpi.common.errors import NotFound
from roaming.ocpi.views.base import OcpiView

UNKNOWN_LOCATION = 2003

Json = dict[str, Any]


class LocationView(OcpiView):
    """A location as the list and the pushes have it, or a part of it.

    What a version cannot express (an EVSE whose only connector it has no name for) is no part.
    """

    def get(
        self,
        request: Request,
        location_id: str,
        evse_uid: str | None = None,
        connector_id: str | None = None,
        **_kwargs: Any,
    ) -> Response:
        document = self.spec.shapes.location(self._location(location_id), self.audience)
        if evse_uid is not None:
            document = _part(document.get("evses", []), "uid", evse_uid)
        if connector_id is not None:
            document = _part(document["connectors"], "id", connector_id)
        return self.done(document)

    def _location(self, location_id: str) -> Location:
        rows = visibility.locations_for(self.caller.partner).filter(ocpi_id=location_id)
        if self.route.receiver is not None:
            country_code, party_id = self.route.receiver
            rows = rows.filter(country_code=country_code, party_id=party_id)
        # Two of our parties may use one id; without a receiver the older object answers.
        location = rows.complete().order_by("id").first()
        if location is None:
            raise NotFound(f"unknown location {location_id}", status_code=UNKNOWN_LOCATION)
        return location


def _part(parts: list[Json], key: str, value: str) -> Json:
    for part in parts:
        if part[key].lower() == value.lower():
            return part
    raise NotFound(f"unknown {key} {value}", status_code=UNKNOWN_LOCATION)

"""One location, EVSE or connector (OCPI 2.2.1, mod_locations, Sender interface, GET object)."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from locations.models import Connector, Evse, Location
from roaming import visibility
from roaming.ocpi.common.errors import NotFound
from roaming.ocpi.views.base import OcpiView

UNKNOWN_LOCATION = 2003


class LocationView(OcpiView):
    def get(
        self,
        request: Request,
        location_id: str,
        evse_uid: str | None = None,
        connector_id: str | None = None,
        **_kwargs: Any,
    ) -> Response:
        location = self._location(location_id)
        if evse_uid is None:
            return self.done(self.spec.shapes.location(location))
        evse = _evse(location, evse_uid)
        if connector_id is None:
            return self.done(self.spec.shapes.evse(evse))
        return self.done(self.spec.shapes.connector(_connector(evse, connector_id)))

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


def _evse(location: Location, uid: str) -> Evse:
    for evse in location.evses.all():
        if evse.uid.lower() == uid.lower():
            return evse
    raise NotFound(f"unknown EVSE {uid}", status_code=UNKNOWN_LOCATION)


def _connector(evse: Evse, connector_id: str) -> Connector:
    for connector in evse.connectors.all():
        if connector.ocpi_id.lower() == connector_id.lower():
            return connector
    raise NotFound(f"unknown connector {connector_id}", status_code=UNKNOWN_LOCATION)

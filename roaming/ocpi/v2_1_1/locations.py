"""OCPI 2.1.1, mod_locations: Location, EVSE and Connector."""

from typing import Any

from locations.models import Location
from roaming.ocpi.common.audience import Audience


def render_location(row: Location, audience: Audience) -> dict[str, Any]:
    raise NotImplementedError

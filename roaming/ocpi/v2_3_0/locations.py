"""OCPI 2.3.0, mod_locations: what differs from 2.2.1. Most enums are open, and parking is told."""

from typing import Any

from locations.models import Connector, Evse, Location, ParkingPlace
from roaming.ocpi.common.audience import Audience
from roaming.ocpi.common.rendering import images, in_order, present
from roaming.ocpi.v2_2_1 import locations

Json = dict[str, Any]


class LocationRenderer(locations.LocationRenderer):
    capabilities = None
    connector_types = None
    environmental_impacts = None
    facilities = None
    image_categories = None
    parking_restrictions = None
    parking_types = None
    token_types = None

    def location(self, row: Location, audience: Audience) -> Json:
        return super().location(row, audience) | present(
            {
                "parking_places": [
                    self._parking(place) for place in in_order(row.parking_places.all())
                ],
                "help_phone": row.help_phone,
            }
        )

    def evse(self, row: Evse, audience: Audience) -> Json:
        return super().evse(row, audience) | present(
            {
                "parking": [
                    present(
                        {
                            "parking_id": parking.parking_place.ocpi_id,
                            "evse_position": parking.evse_position,
                        }
                    )
                    for parking in in_order(row.parking.all())
                ],
                "accepted_service_providers": row.accepted_service_providers,
            }
        )

    def connector(self, row: Connector, audience: Audience) -> Json:
        return super().connector(row, audience) | present({"capabilities": row.capabilities})

    def _parking(self, row: ParkingPlace) -> Json:
        return present(
            {
                "id": row.ocpi_id,
                "physical_reference": row.physical_reference,
                "vehicle_types": row.vehicle_types,
                "max_vehicle_weight": row.max_vehicle_weight,
                "max_vehicle_height": row.max_vehicle_height,
                "max_vehicle_length": row.max_vehicle_length,
                "max_vehicle_width": row.max_vehicle_width,
                "parking_space_length": row.parking_space_length,
                "parking_space_width": row.parking_space_width,
                "dangerous_goods_allowed": row.dangerous_goods_allowed,
                "direction": row.direction,
                "drive_through": row.drive_through,
                "restricted_to_type": row.restricted_to_type,
                "reservation_required": row.reservation_required,
                "time_limit": row.time_limit,
                "roofed": row.roofed,
                "images": images(row.images, self.image_categories),
                "lighting": row.lighting,
                "refrigeration_outlet": row.refrigeration_outlet,
                "standards": row.standards,
                "apds_reference": row.apds_reference,
            }
        )


render_location = LocationRenderer().location

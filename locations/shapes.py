"""The canonical form of a location on its way in: OCPI 2.3.0 Location, EVSE, Connector, checked."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from cpo_platform.common.shapes import (
    AdditionalGeoLocation,
    BusinessDetails,
    CountryAlpha3,
    CountryCode,
    DisplayText,
    EnergyMix,
    GeoLocation,
    Hours,
    Image,
    OpenEnum,
    PartyId,
    PublishTokenType,
    Shape,
    StatusSchedule,
    TimeZone,
    Url,
    ci_string,
    listed,
    string,
)

Measure = Annotated[Decimal, Field(max_digits=10, decimal_places=2, ge=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0, le=2_147_483_647)]
StatusName = Literal[
    "AVAILABLE",
    "BLOCKED",
    "CHARGING",
    "INOPERATIVE",
    "OUTOFORDER",
    "PLANNED",
    "REMOVED",
    "RESERVED",
    "UNKNOWN",
]
Required = StringConstraints(min_length=1)


class ConnectorShape(Shape):
    """OCPI 2.3.0, mod_locations, Connector: V, A, W."""

    id: ci_string(36)  # type: ignore[valid-type]
    standard: OpenEnum
    format: Literal["SOCKET", "CABLE"]
    power_type: Literal["AC_1_PHASE", "AC_2_PHASE", "AC_2_PHASE_SPLIT", "AC_3_PHASE", "DC"]
    max_voltage: Whole
    max_amperage: Whole
    max_electric_power: Whole | None = None
    tariff_ids: listed(ci_string(36)) | None = None  # type: ignore[valid-type]
    terms_and_conditions: Url | None = None
    capabilities: listed(OpenEnum) | None = None  # type: ignore[valid-type]


class EvseParkingShape(Shape):
    """OCPI 2.3.0, mod_locations, EVSEParking."""

    parking_id: ci_string(36)  # type: ignore[valid-type]
    evse_position: Literal["LEFT", "RIGHT", "CENTER"] | None = None


class EvseShape(Shape):
    """OCPI 2.3.0, mod_locations, EVSE."""

    uid: ci_string(36)  # type: ignore[valid-type]
    evse_id: ci_string(48) | None = None  # type: ignore[valid-type]
    status: StatusName
    status_schedule: listed(StatusSchedule) | None = None  # type: ignore[valid-type]
    capabilities: listed(OpenEnum) | None = None  # type: ignore[valid-type]
    connectors: Annotated[list[ConnectorShape], Field(min_length=1, max_length=100)]
    floor_level: string(4) | None = None  # type: ignore[valid-type]
    coordinates: GeoLocation | None = None
    physical_reference: string(16) | None = None  # type: ignore[valid-type]
    directions: listed(DisplayText) | None = None  # type: ignore[valid-type]
    parking_restrictions: listed(OpenEnum) | None = None  # type: ignore[valid-type]
    parking: listed(EvseParkingShape) | None = None  # type: ignore[valid-type]
    images: listed(Image) | None = None  # type: ignore[valid-type]
    accepted_service_providers: listed(string(50)) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _connector_ids_differ(self) -> "EvseShape":
        _refuse_twins("connectors", "id", [connector.id for connector in self.connectors])
        return self


class ParkingShape(Shape):
    """OCPI 2.3.0, mod_locations, Parking: kg, cm, minutes."""

    id: ci_string(36)  # type: ignore[valid-type]
    physical_reference: string(12) | None = None  # type: ignore[valid-type]
    vehicle_types: Annotated[list[OpenEnum], Field(min_length=1, max_length=100)]
    max_vehicle_weight: Measure | None = None
    max_vehicle_height: Measure | None = None
    max_vehicle_length: Measure | None = None
    max_vehicle_width: Measure | None = None
    parking_space_length: Measure | None = None
    parking_space_width: Measure | None = None
    dangerous_goods_allowed: bool | None = None
    direction: Literal["PARALLEL", "PERPENDICULAR", "ANGLE"] | None = None
    drive_through: bool | None = None
    restricted_to_type: bool
    reservation_required: bool
    time_limit: Measure | None = None
    roofed: bool | None = None
    images: listed(Image) | None = None  # type: ignore[valid-type]
    lighting: bool | None = None
    refrigeration_outlet: bool | None = None
    standards: listed(ci_string(36)) | None = None  # type: ignore[valid-type]
    apds_reference: ci_string(255) | None = None  # type: ignore[valid-type]


class LocationShape(Shape):
    """OCPI 2.3.0, mod_locations, Location.

    `evses` and `parking_places` left out (None) mean: leave those that exist as they are.
    """

    country_code: CountryCode
    party_id: PartyId
    id: ci_string(36)  # type: ignore[valid-type]
    publish: bool
    publish_allowed_to: listed(PublishTokenType) | None = None  # type: ignore[valid-type]
    name: string(255) | None = None  # type: ignore[valid-type]
    address: Annotated[string(255), Required]  # type: ignore[valid-type]
    city: Annotated[string(45), Required]  # type: ignore[valid-type]
    postal_code: string(10) | None = None  # type: ignore[valid-type]
    state: string(45) | None = None  # type: ignore[valid-type]
    country: CountryAlpha3
    coordinates: GeoLocation
    related_locations: listed(AdditionalGeoLocation) | None = None  # type: ignore[valid-type]
    parking_type: OpenEnum | None = None
    evses: Annotated[list[EvseShape], Field(max_length=10_000)] | None = None
    parking_places: listed(ParkingShape) | None = None  # type: ignore[valid-type]
    directions: listed(DisplayText) | None = None  # type: ignore[valid-type]
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: listed(OpenEnum) | None = None  # type: ignore[valid-type]
    time_zone: TimeZone
    opening_times: Hours | None = None
    charging_when_closed: bool = True
    images: listed(Image) | None = None  # type: ignore[valid-type]
    energy_mix: EnergyMix | None = None
    help_phone: ci_string(25) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _is_consistent(self) -> "LocationShape":
        if self.publish and self.publish_allowed_to:
            raise ValueError("publish_allowed_to is only allowed with publish=false")
        _refuse_twins("evses", "uid", [evse.uid for evse in self.evses or []])
        places: list[Any] = self.parking_places or []
        _refuse_twins("parking_places", "id", [place.id for place in places])
        return self


def _refuse_twins(name: str, key: str, ids: list[str]) -> None:
    lowered = [value.lower() for value in ids]
    twins = sorted({value for value in ids if lowered.count(value.lower()) > 1})
    if twins:
        raise ValueError(f"{name} has two with the {key} {twins[0]}")

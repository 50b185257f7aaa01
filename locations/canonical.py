"""Locations, EVSEs and connectors between their rows and their canonical form.

The canonical form is that of `locations.shapes`: OCPI 2.3.0, whatever version a partner speaks.
`shape_of` and its siblings read a row, with everything below it, into a shape. The `..._columns`
turn a shape into the values of one row; what names the row, and what is below it, is left to
`locations.operations`, which does the writing. The two agree, so that an object that is put as it
was read is found unchanged.

What OCPI leaves out is None in a shape, and in a row what its column has for nothing: NULL, "" or
[]. Structured values are plain JSON in a row. Coordinates have six decimals in both.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from cpo_platform.common.shapes import GeoLocation, plain
from locations.models import Connector, Evse, Location, ParkingPlace
from locations.shapes import ConnectorShape, EvseShape, LocationShape, ParkingShape


def shape_of(row: Location) -> LocationShape:
    """Return a location row in its canonical form. Fetch `complete()` to avoid queries."""
    return LocationShape(
        country_code=row.country_code,
        party_id=row.party_id,
        id=row.ocpi_id,
        publish=row.publish,
        publish_allowed_to=row.publish_allowed_to or None,
        name=row.name or None,
        address=row.address,
        city=row.city,
        postal_code=row.postal_code or None,
        state=row.state or None,
        country=row.country,
        coordinates=_coordinates(row.latitude, row.longitude),
        related_locations=row.related_locations or None,
        parking_type=row.parking_type or None,
        evses=[evse_shape_of(evse) for evse in sorted(row.evses.all(), key=lambda e: e.pk)],
        parking_places=[
            _parking_shape_of(place)
            for place in sorted(row.parking_places.all(), key=lambda p: p.pk)
        ],
        directions=row.directions or None,
        operator=row.operator,
        suboperator=row.suboperator,
        owner=row.owner,
        facilities=row.facilities or None,
        time_zone=row.time_zone,
        opening_times=row.opening_times,
        charging_when_closed=row.charging_when_closed,
        images=row.images or None,
        energy_mix=row.energy_mix,
        help_phone=row.help_phone or None,
    )


def evse_shape_of(row: Evse) -> EvseShape:
    """Return an EVSE row in its canonical form."""
    return EvseShape(
        uid=row.uid,
        evse_id=row.evse_id or None,
        status=row.status,
        status_schedule=row.status_schedule or None,
        capabilities=row.capabilities or None,
        connectors=[
            connector_shape_of(connector)
            for connector in sorted(row.connectors.all(), key=lambda c: c.pk)
        ],
        floor_level=row.floor_level or None,
        coordinates=_coordinates(row.latitude, row.longitude),
        physical_reference=row.physical_reference or None,
        directions=row.directions or None,
        parking_restrictions=row.parking_restrictions or None,
        parking=[
            {
                "parking_id": parking.parking_place.ocpi_id,
                "evse_position": parking.evse_position or None,
            }
            for parking in sorted(row.parking.all(), key=lambda p: p.pk)
        ]
        or None,
        images=row.images or None,
        accepted_service_providers=row.accepted_service_providers or None,
    )


def connector_shape_of(row: Connector) -> ConnectorShape:
    """Return a connector row in its canonical form."""
    return ConnectorShape(
        id=row.ocpi_id,
        standard=row.standard,
        format=row.format,
        power_type=row.power_type,
        max_voltage=row.max_voltage,
        max_amperage=row.max_amperage,
        max_electric_power=row.max_electric_power,
        tariff_ids=sorted(tariff.ocpi_id for tariff in row.tariffs.all()) or None,
        terms_and_conditions=row.terms_and_conditions or None,
        capabilities=row.capabilities or None,
    )


def _parking_shape_of(row: ParkingPlace) -> ParkingShape:
    values = {
        name: None if value == "" else value
        for name in ParkingShape.model_fields
        if name != "id" and (value := getattr(row, name)) != []
    }
    return ParkingShape(id=row.ocpi_id, **values)


def location_columns(shape: LocationShape) -> dict[str, Any]:
    """Return the column values of a location, without its identity and what is below it."""
    return {
        "publish": shape.publish,
        "publish_allowed_to": _plain_list(shape.publish_allowed_to),
        "name": shape.name or "",
        "address": shape.address,
        "city": shape.city,
        "postal_code": shape.postal_code or "",
        "state": shape.state or "",
        "country": shape.country,
        **_coordinate_columns(shape.coordinates),
        "related_locations": _plain_list(shape.related_locations),
        "parking_type": shape.parking_type or "",
        "directions": _plain_list(shape.directions),
        "operator": _plain_object(shape.operator),
        "suboperator": _plain_object(shape.suboperator),
        "owner": _plain_object(shape.owner),
        "facilities": shape.facilities or [],
        "time_zone": shape.time_zone,
        "opening_times": _plain_object(shape.opening_times),
        "charging_when_closed": shape.charging_when_closed,
        "images": _plain_list(shape.images),
        "energy_mix": _plain_object(shape.energy_mix),
        "help_phone": shape.help_phone or "",
    }


def evse_columns(shape: EvseShape) -> dict[str, Any]:
    """Return the column values of an EVSE, without its uid, connectors and parking."""
    return {
        "evse_id": shape.evse_id or "",
        "status": shape.status,
        "status_schedule": _plain_list(shape.status_schedule),
        "capabilities": shape.capabilities or [],
        "floor_level": shape.floor_level or "",
        **_coordinate_columns(shape.coordinates),
        "physical_reference": shape.physical_reference or "",
        "directions": _plain_list(shape.directions),
        "parking_restrictions": shape.parking_restrictions or [],
        "images": _plain_list(shape.images),
        "accepted_service_providers": shape.accepted_service_providers or [],
    }


def connector_columns(shape: ConnectorShape) -> dict[str, Any]:
    """Return the column values of a connector, without its id and tariffs."""
    return {
        "standard": shape.standard,
        "format": shape.format,
        "power_type": shape.power_type,
        "max_voltage": shape.max_voltage,
        "max_amperage": shape.max_amperage,
        "max_electric_power": shape.max_electric_power,
        "terms_and_conditions": shape.terms_and_conditions or "",
        "capabilities": shape.capabilities or [],
    }


def parking_place_columns(shape: ParkingShape) -> dict[str, Any]:
    """Return the column values of a parking place, without its id."""
    return {
        name: _parking_value(name, value)
        for name, value in shape.model_dump(exclude={"id", "images"}).items()
    } | {"images": _plain_list(shape.images)}


def _parking_value(name: str, value: Any) -> Any:
    if value is not None:
        return value
    # An absent value is what the column has for nothing: NULL, "" or [].
    return getattr(ParkingPlace(), name)


def coordinate_text(value: Decimal) -> str:
    """Return a coordinate as OCPI wants it: six decimals fit every version's length and pattern."""
    return f"{value:.6f}"


def _coordinates(latitude: Decimal | None, longitude: Decimal | None) -> GeoLocation | None:
    if latitude is None or longitude is None:
        return None
    return GeoLocation(latitude=coordinate_text(latitude), longitude=coordinate_text(longitude))


def _coordinate_columns(coordinates: GeoLocation | None) -> dict[str, Decimal | None]:
    if coordinates is None:
        return {"latitude": None, "longitude": None}
    # Kept as they are served, so that a second import finds no difference.
    six = Decimal("0.000001")
    return {
        "latitude": Decimal(coordinates.latitude).quantize(six),
        "longitude": Decimal(coordinates.longitude).quantize(six),
    }


def _plain_list(items: Sequence[Any] | None) -> list[Any]:
    return [plain(type(item), item) for item in items or []]


def _plain_object(item: Any) -> Any:
    return None if item is None else plain(type(item), item)

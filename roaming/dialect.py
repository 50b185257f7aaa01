"""What one partner wants said differently: data that staff sets, never an `if` for a name.

The meaning of each switch is in docs/partners.md; `Partner.dialect` holds the plain form.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from cpo_platform.common.shapes import Shape

Pushed = Literal["locations", "tariffs", "sessions", "cdrs", "chargingprofiles"]
PUSHED: tuple[Pushed, ...] = ("locations", "tariffs", "sessions", "cdrs", "chargingprofiles")

# What may be left out: the fields that OCPI has as optional (`?` or `*`), without those that say
# for whom or since when an object is. A required field is never left out.
OMITTABLE = frozenset(
    [
        "locations.charging_when_closed",
        "locations.directions",
        "locations.energy_mix",
        "locations.facilities",
        "locations.help_phone",
        "locations.images",
        "locations.name",
        "locations.opening_times",
        "locations.operator",
        "locations.owner",
        "locations.parking_places",
        "locations.parking_type",
        "locations.postal_code",
        "locations.related_locations",
        "locations.state",
        "locations.suboperator",
        "locations.time_zone",
        "locations.evses.accepted_service_providers",
        "locations.evses.capabilities",
        "locations.evses.coordinates",
        "locations.evses.directions",
        "locations.evses.evse_id",
        "locations.evses.floor_level",
        "locations.evses.images",
        "locations.evses.parking",
        "locations.evses.parking_restrictions",
        "locations.evses.physical_reference",
        "locations.evses.status_schedule",
        "locations.evses.connectors.capabilities",
        "locations.evses.connectors.max_electric_power",
        "locations.evses.connectors.tariff_id",
        "locations.evses.connectors.tariff_ids",
        "locations.evses.connectors.terms_and_conditions",
        "tariffs.energy_mix",
        "tariffs.max_price",
        "tariffs.min_price",
        "tariffs.preauthorize_amount",
        "tariffs.tariff_alt_text",
        "tariffs.tariff_alt_url",
        "sessions.authorization_reference",
        "sessions.charging_periods",
        "sessions.meter_id",
        "sessions.total_cost",
        "cdrs.authorization_reference",
        "cdrs.invoice_reference_id",
        "cdrs.meter_id",
        "cdrs.remark",
        "cdrs.signed_data",
        "cdrs.tariffs",
        "cdrs.total_energy_cost",
        "cdrs.total_fixed_cost",
        "cdrs.total_parking_cost",
        "cdrs.total_parking_time",
        "cdrs.total_reservation_cost",
        "cdrs.total_time_cost",
    ]
)
# Optional in some versions and required in these: there the switch does nothing.
REQUIRED_IN = {
    "locations.postal_code": frozenset(["2.1.1"]),
    "locations.time_zone": frozenset(["2.2.1", "2.3.0"]),
}


def _omittable(path: str) -> str:
    if path not in OMITTABLE:
        raise ValueError(f"{path} is no field that OCPI lets us leave out")
    return path


class Dialect(Shape):
    """How we speak to one partner; the defaults are OCPI's own advice."""

    # A status change: PATCH of the EVSE, or PUT of the whole EVSE.
    evse_status: Literal["PATCH", "PUT"] = "PATCH"
    # A change of a running session: PATCH of what changed, or PUT of the whole.
    sessions: Literal["PATCH", "PUT"] = "PATCH"
    # Modules that are not pushed: the partner pulls them.
    push_off: Annotated[list[Pushed], Field(max_length=5)] = []
    # Fields that are left out, such as `locations.images` or `locations.evses.images`.
    omit: Annotated[
        list[
            Annotated[
                str,
                StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=100),
                AfterValidator(_omittable),
            ]
        ],
        Field(max_length=60),
    ] = []
    # Objects in a page of ours, at most; None: the platform's own maximum.
    page_size: Annotated[int, Field(ge=1, le=1000)] | None = None
    # Requests of ours to the partner, at most; None: as fast as it answers.
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    # OCPI-to-* and OCPI-from-* on our requests (2.2.1 and later).
    routing_headers: bool = True
    # Texts in ASCII only, as 2.1.1 has it formally: é becomes e.
    ascii_only: bool = False

"""What a version cannot say of one object: for staff, who would else wonder what is missing.

The renderers leave out or replace what their version has no name for; this says it in words. It
names what this object has, not what versions lack in general.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from django.utils.translation import gettext as _

from locations.models import Connector, Evse, Location
from roaming.ocpi.common.rendering import (
    ENVIRONMENTAL_IMPACTS,
    IMAGE_CATEGORIES,
    in_order,
    nearest_connector_type,
)
from roaming.ocpi.common.tariffs import has_grace, is_known_in_2_1_1
from roaming.ocpi.v2_1_1 import locations as v2_1_1
from roaming.ocpi.v2_1_1.sessions import AUTH_METHODS, DIMENSIONS
from roaming.ocpi.v2_2_1 import locations as v2_2_1
from sessions_app.models import Cdr, Session, SessionStatus
from tariffs.models import Tariff, TariffType, TaxIncluded
from tariffs.operations import shape_of
from tariffs.shapes import TariffElementShape

Json = dict[str, Any]

# OCPI 2.1.1, Location, and OCPI 2.2.1 and 2.3.0, CdrLocation.
LONGEST_ADDRESS = 45
LONGEST_STATE = 20
# What the periods of a reservation that nobody came for consist of.
ONLY_RESERVED = {"RESERVATION_TIME"}


@dataclass(frozen=True)
class Loss:
    """What partners of a version do not read as it is: the field, and what they read instead."""

    version: str
    what: str
    text: str


@singledispatch
def losses(row: object) -> list[Loss]:
    """Return what each version cannot say of a location, tariff, session or CDR, oldest first."""
    raise TypeError(f"{type(row).__name__} is no object that partners are sent")


@losses.register
def _of_location(row: Location) -> list[Loss]:
    """Run no query for a location that was fetched `complete()`."""
    return [*_location_2_1_1(row), *_location_2_2_1(row)]


@losses.register
def _of_tariff(row: Tariff) -> list[Loss]:
    """Run no query for a tariff that was fetched `with_elements()`."""
    return [*_tariff_2_1_1(row), *_tariff_2_2_1(row), *_grace("2.3.0", row)]


@losses.register
def _of_session(row: Session) -> list[Loss]:
    """Run no query for a session that was fetched `complete()`."""
    periods = row.charging_periods.all()
    dimensions = {item["type"] for period in periods for item in period.dimensions}
    if row.status == SessionStatus.RESERVATION or dimensions == ONLY_RESERVED:
        older = iter([_withheld("status", _("It is not sent: 2.1.1 has no reservations."))])
    else:
        older = _charged_2_1_1(row, row.frozen_location, dimensions)
    return [*older, *_charged_2_2_1(row)]


@losses.register
def _of_cdr(row: Cdr) -> list[Loss]:
    dimensions = {item["type"] for period in row.charging_periods for item in period["dimensions"]}
    return [
        *_cdr_2_1_1(row, dimensions),
        *_charged_2_2_1(row),
        *_nearest("2.2.1", row.cdr_location, v2_2_1.CONNECTOR_TYPES),
        *_cut_place("2.2.1", row.cdr_location),
        *_cut_place("2.3.0", row.cdr_location),
    ]


def _location_2_1_1(row: Location) -> Iterator[Loss]:
    version = "2.1.1"
    if not row.publish:
        yield Loss(version, "publish", _("It is not sent at all: 2.1.1 cannot say “not public”."))
        return
    if row.parking_type and row.parking_type not in v2_1_1.LOCATION_TYPES:
        yield _replaced(version, "type", row.parking_type, "OTHER")
    if not row.postal_code:
        yield _replaced(version, "postal_code", "", v2_1_1.NO_POSTAL_CODE)
    if len(row.address) > LONGEST_ADDRESS:
        yield Loss(version, "address", _("It is cut to 45 characters."))
    yield from _absent(
        version,
        {
            "state": row.state,
            "help_phone": row.help_phone,
            "parking_places": [place.ocpi_id for place in row.parking_places.all()],
        },
    )
    yield from _unnamed(version, "facilities", row.facilities, v2_1_1.FACILITIES)
    yield from _place_lists(version, row)
    yield from _evses(version, row, v2_1_1)
    for connector in _connectors(row):
        if connector.power_type in v2_1_1.POWER_TYPES:
            yield _replaced(
                version,
                _connector_name(connector, "power_type"),
                connector.power_type,
                v2_1_1.power_type(connector.power_type),
            )
        yield from _absent(
            version,
            {_connector_name(connector, "max_electric_power"): connector.max_electric_power},
        )
        if len(connector.tariffs.all()) > 1:
            yield Loss(
                version,
                _connector_name(connector, "tariff_ids"),
                _("Only the tariff that is valid at the moment is named."),
            )


def _location_2_2_1(row: Location) -> Iterator[Loss]:
    version = "2.2.1"
    yield from _unnamed(version, "parking_type", [row.parking_type], v2_2_1.PARKING_TYPES)
    yield from _absent(
        version,
        {
            "help_phone": row.help_phone,
            "parking_places": [place.ocpi_id for place in row.parking_places.all()],
        },
    )
    yield from _unnamed(version, "facilities", row.facilities, v2_2_1.FACILITIES)
    for token in row.publish_allowed_to:
        if "type" in token and token["type"] not in v2_2_1.TOKEN_TYPES:
            yield _replaced(version, "publish_allowed_to.type", token["type"], "OTHER")
    yield from _place_lists(version, row)
    yield from _evses(version, row, v2_2_1)


def _place_lists(version: str, row: Location) -> Iterator[Loss]:
    yield from _unnamed(
        version, "images", [image["category"] for image in row.images], IMAGE_CATEGORIES
    )
    yield from _impacts(version, row.energy_mix)


def _impacts(version: str, energy_mix: Json | None) -> Iterator[Loss]:
    impacts = (energy_mix or {}).get("environ_impact", [])
    names = [impact["category"] for impact in impacts]
    yield from _unnamed(version, "energy_mix.environ_impact", names, ENVIRONMENTAL_IMPACTS)


def _evses(version: str, row: Location, names: Any) -> Iterator[Loss]:
    """Say what is lost of EVSEs and connectors; `names` is the module with the vocabularies."""
    for evse in in_order(row.evses.all()):
        connectors = in_order(evse.connectors.all())
        unknown = [item for item in connectors if item.standard not in names.CONNECTOR_TYPES]
        if len(unknown) == len(connectors):
            yield Loss(version, _evse_name(evse), _("The EVSE is left out: no connector is left."))
            continue
        for connector in unknown:
            yield Loss(
                version,
                _connector_name(connector, "standard"),
                _("The connector is left out: there is no name for %(standard)s.")
                % {"standard": connector.standard},
            )
        for field, known in (
            ("capabilities", names.CAPABILITIES),
            ("parking_restrictions", names.PARKING_RESTRICTIONS),
        ):
            yield from _unnamed(version, _evse_name(evse, field), getattr(evse, field), known)
        yield from _absent(
            version,
            {
                _evse_name(evse, "parking"): [
                    parking.parking_place.ocpi_id for parking in evse.parking.all()
                ],
                _evse_name(evse, "accepted_service_providers"): evse.accepted_service_providers,
                **{
                    _connector_name(connector, "capabilities"): connector.capabilities
                    for connector in connectors
                },
            },
        )


def _connectors(row: Location) -> Iterator[Connector]:
    for evse in in_order(row.evses.all()):
        yield from in_order(evse.connectors.all())


def _tariff_2_1_1(row: Tariff) -> Iterator[Loss]:
    version, shape = "2.1.1", shape_of(row)
    if row.type not in ("", TariffType.REGULAR):
        text = _("It is not sent at all: 2.1.1 has only ordinary tariffs.")
        yield Loss(version, "type", text)
        return
    kept = [element for element in shape.elements if is_known_in_2_1_1(element)]
    if not kept:
        yield Loss(version, "elements", _("It is not sent at all: no element is left."))
        return
    yield from _left_out(version, shape.elements)
    for field in ("min_price", "max_price"):
        if getattr(shape, field) is not None:
            yield Loss(version, field, _("It is only told in the text for drivers."))
    if row.start_date_time or row.end_date_time:
        yield Loss(
            version, "start_date_time, end_date_time", _("It is sent only while it is valid.")
        )
    if any(component.vat for element in kept for component in element.price_components):
        yield Loss(version, "vat", _("Prices are before VAT; no rate is told."))
    yield from _impacts(version, row.energy_mix)
    yield from _gross_without_rate(version, row)
    yield from _grace(version, row)


def _left_out(version: str, elements: Iterable[TariffElementShape]) -> Iterator[Loss]:
    text = _("The element is left out: it is for reservations, or depends on the current.")
    for position, element in enumerate(elements):
        if not is_known_in_2_1_1(element):
            yield Loss(version, f"elements[{position}]", text)


def _tariff_2_2_1(row: Tariff) -> Iterator[Loss]:
    version = "2.2.1"
    if row.tax_included == TaxIncluded.YES:
        yield Loss(version, "tax_included", _("Prices are told before VAT."))
    yield from _gross_without_rate(version, row)
    if row.tax_included == TaxIncluded.NO and _without_rate(row):
        text = _("A price without a rate reads as “no VAT applies”, not as “plus an unknown tax”.")
        yield Loss(version, "vat", text)
    yield from _impacts(version, row.energy_mix)
    yield from _grace(version, row)


def _grace(version: str, row: Tariff) -> Iterator[Loss]:
    if has_grace(shape_of(row)):
        text = _(
            "Free parking is told as free for the first minutes of the session, and in words. A "
            "partner that prices by the tariff gets more where parking was free after that."
        )
        yield Loss(version, "grace_period", text)


def _gross_without_rate(version: str, row: Tariff) -> Iterator[Loss]:
    if row.tax_included == TaxIncluded.YES and _without_rate(row):
        text = _("A price with tax but without its rate is told as it is, as if it were net.")
        yield Loss(version, "price", text)


def _without_rate(row: Tariff) -> bool:
    return any(
        component.vat is None and component.price
        for element in row.elements.all()
        for component in element.price_components.all()
    )


def _charged_2_1_1(row: Session | Cdr, place: Json, dimensions: set[str]) -> Iterator[Loss]:
    version = "2.1.1"
    if row.auth_method in AUTH_METHODS:
        yield _replaced(version, "auth_method", row.auth_method, AUTH_METHODS[row.auth_method])
    yield from _absent(version, {"authorization_reference": row.authorization_reference})
    yield from _unnamed(version, "charging_periods.dimensions", sorted(dimensions), DIMENSIONS)
    if row.total_cost_after_taxes is not None:
        yield Loss(version, "total_cost", _("It is told before taxes; no tax is told."))
    yield from _nearest(version, place, v2_1_1.CONNECTOR_TYPES)


def _charged_2_2_1(row: Session | Cdr) -> Iterator[Loss]:
    if row.token_type not in v2_2_1.TOKEN_TYPES:
        yield _replaced("2.2.1", "cdr_token.type", row.token_type, "OTHER")
    if len(_taxes(row)) > 1:
        text = _("The taxes are told as one sum: %(names)s.") % {"names": ", ".join(_taxes(row))}
        yield Loss("2.2.1", "total_cost", text)


def _taxes(row: Session | Cdr) -> list[str]:
    costs = row.costs if isinstance(row, Cdr) else row.price_details.get("costs", {})
    return [tax["name"] for tax in costs.get("total_cost", {}).get("taxes", [])]


def _cdr_2_1_1(row: Cdr, dimensions: set[str]) -> Iterator[Loss]:
    version = "2.1.1"
    if row.credit:
        yield _withheld("credit", _("It is not sent: 2.1.1 has no credit. Tell the partner."))
        return
    if row.replaces_id is not None:
        text = _(
            "It is not sent: 2.1.1 cannot take the first CDR back, and the partner would pay for "
            "both. Send it the correction statement."
        )
        yield _withheld("replaces", text)
        return
    if dimensions == ONLY_RESERVED:
        yield _withheld("status", _("It is not sent: 2.1.1 has no reservations."))
        return
    yield from _charged_2_1_1(row, row.cdr_location, dimensions)
    yield from _absent(
        version,
        {
            "signed_data": _("the signed meter values") if row.signed_data else "",
            "invoice_reference_id": row.invoice_reference_id,
            "home_charging_compensation": row.home_charging_compensation,
        },
    )
    if len(row.cdr_location["address"]) > LONGEST_ADDRESS:
        yield Loss(version, "address", _("It is cut to 45 characters."))


def _cut_place(version: str, place: Json) -> Iterator[Loss]:
    if len(place["address"]) > LONGEST_ADDRESS:
        yield Loss(version, "address", _("It is cut to 45 characters."))
    if len(place.get("state", "")) > LONGEST_STATE:
        yield Loss(version, "state", _("It is cut to 20 characters."))


def _withheld(what: str, text: str) -> Loss:
    return Loss("2.1.1", what, text)


def _nearest(version: str, place: Json, names: frozenset[str]) -> Iterator[Loss]:
    standard = place.get("connector_standard")
    if standard is not None and standard not in names:
        nearest = nearest_connector_type(standard, place["connector_power_type"])
        yield _replaced(version, "connector_standard", standard, nearest)


def _absent(version: str, values: Json) -> Iterator[Loss]:
    for field, value in values.items():
        if value not in (None, "", []):
            shown = ", ".join(value) if isinstance(value, list) else str(value)
            yield Loss(version, field, _("There is no such field: %(value)s.") % {"value": shown})


def _unnamed(
    version: str, field: str, values: Iterable[str], names: frozenset[str]
) -> Iterator[Loss]:
    unknown = [value for value in values if value and value not in names]
    if unknown:
        text = _("Left out, since there is no name for it: %(values)s.")
        yield Loss(version, field, text % {"values": ", ".join(unknown)})


def _replaced(version: str, field: str, value: str, other: str) -> Loss:
    if not value:
        return Loss(
            version, field, _("It is required: partners read %(other)s.") % {"other": other}
        )
    text = _("Partners read %(other)s instead of %(value)s.")
    return Loss(version, field, text % {"other": other, "value": value})


def _evse_name(evse: Evse, field: str = "") -> str:
    return f"EVSE {evse.uid}" + (f", {field}" if field else "")


def _connector_name(connector: Connector, field: str) -> str:
    return f"EVSE {connector.evse.uid}, connector {connector.ocpi_id}, {field}"

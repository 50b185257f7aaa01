"""Small steps that the renderers of every version share."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from cpo_platform.common.json import format_datetime
from cpo_platform.common.shapes import EnergyMix, Shape
from locations.canonical import coordinate_text
from tariffs.pricing.told import net_of
from tariffs.shapes import PriceComponentShape, TariffRestrictionsShape

Json = dict[str, Any]

# OCPI 2.2.1, types: fills a required string whose value cannot exist. 2.1.1 has no such thing.
NOT_AVAILABLE = "#NA"
# EVSE.status and StatusSchedule.status: closed, and the same in every version.
STATUSES = frozenset(
    [
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
)
# Closed in 2.1.1 and 2.2.1.
ENVIRONMENTAL_IMPACTS = frozenset(["NUCLEAR_WASTE", "CARBON_DIOXIDE"])
IMAGE_CATEGORIES = frozenset(
    ["CHARGER", "ENTRANCE", "LOCATION", "NETWORK", "OPERATOR", "OTHER", "OWNER"]
)


def present(document: Mapping[str, Any]) -> Json:
    """Return the document without absent fields: OCPI leaves them out, it does not send null."""
    return {name: value for name, value in document.items() if value not in (None, "", [], {})}


def moment(value: datetime | None) -> str | None:
    return None if value is None else format_datetime(value)


def known(values: Iterable[str], allowed: frozenset[str] | None) -> list[str]:
    """Return the values that a version's enum has; None: it is open, and has all."""
    return [value for value in values if allowed is None or value in allowed]


def cut(text: str, length: int) -> str:
    """Return at most `length` characters, and no space left over at the end."""
    return text[:length].rstrip()


def in_order(rows: Any) -> list[Any]:
    """Return rows as they were made; sorted here, since they were prefetched."""
    return sorted(rows, key=lambda row: row.pk)


def coordinates(latitude: Decimal | None, longitude: Decimal | None) -> Json | None:
    if latitude is None or longitude is None:
        return None
    return {"latitude": coordinate_text(latitude), "longitude": coordinate_text(longitude)}


def six_decimals(place: Json) -> Json:
    """Return a stored place with the six decimals that fit the length of every version."""
    return place | {
        name: coordinate_text(Decimal(place[name])) for name in ("latitude", "longitude")
    }


def opening_hours(hours: Json | None) -> Json | None:
    """Return stored Hours; with `twentyfourseven` there are no regular ones beside it."""
    if hours is None or not hours["twentyfourseven"]:
        return hours
    return {name: value for name, value in hours.items() if name != "regular_hours"}


def schedule(entries: Iterable[Json]) -> list[Json]:
    return [entry for entry in entries if entry["status"] in STATUSES]


def images(stored: Iterable[Json], categories: frozenset[str] | None) -> list[Json]:
    return [image for image in stored if categories is None or image["category"] in categories]


def business(details: Json | None, categories: frozenset[str] | None) -> Json | None:
    """Return BusinessDetails; a logo of a category that the version has no name for is left out."""
    if details is None or "logo" not in details or images([details["logo"]], categories):
        return details
    return {name: value for name, value in details.items() if name != "logo"}


def numbers(shape: Shape) -> Json:
    """Return a shape with its decimals as numbers and its moments as OCPI DateTimes."""
    return {
        name: _number(value)
        for name in type(shape).model_fields
        if (value := getattr(shape, name)) is not None
    }


def _number(value: Any) -> Any:
    if isinstance(value, Shape):
        return numbers(value)
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, datetime):
        return format_datetime(value)
    return value


def energy_mix(document: Json | None, impacts: frozenset[str] | None = None) -> Json | None:
    """Return a stored energy mix (its decimals are strings) as OCPI wants it: with numbers.

    `impacts` are the version's names of environmental impacts; None: it takes any.
    """
    if document is None:
        return None
    mix = numbers(EnergyMix.model_validate(document))
    if "environ_impact" in mix:
        mix["environ_impact"] = [
            impact
            for impact in mix["environ_impact"]
            if impacts is None or impact["category"] in impacts
        ]
    return present(mix)


def net_price(component: PriceComponentShape, tax_included: str) -> Decimal:
    """Return the price before VAT; one that includes tax of an unknown rate stays as it is."""
    return net_of(component.price, component.vat) if tax_included == "YES" else component.price


def restrictions(shape: TariffRestrictionsShape | None) -> Json | None:
    """Return TariffRestrictions with times and dates as text."""
    if shape is None:
        return None
    document = shape.model_dump(exclude_none=True)
    for name in ("start_time", "end_time"):
        if name in document:
            document[name] = document[name].strftime("%H:%M")
    for name in ("start_date", "end_date"):
        if name in document:
            document[name] = document[name].isoformat()
    return present(document)


def period(
    start_date_time: str,
    dimensions: Iterable[Json],
    *,
    allowed: frozenset[str] | None = None,
    tariff_id: str | None = None,
) -> Json:
    """Return a ChargingPeriod with the dimensions that are allowed; None: all.

    A period of which nothing is left says that it took no time: every version requires at least
    one dimension, and without the period the one before it would seem to last longer.
    """
    said = [
        {"type": item["type"], "volume": Decimal(item["volume"])}
        for item in dimensions
        if allowed is None or item["type"] in allowed
    ]
    return present(
        {
            "start_date_time": start_date_time,
            "dimensions": said or [{"type": "TIME", "volume": Decimal(0)}],
            "tariff_id": tariff_id,
        }
    )


def nearest_connector_type(standard: str, power_type: str) -> str:
    """Return what to call a plug in a CDR of a version that has no name for it.

    The bill must be sent, and needs a name: Tesla's for the plug that is the same, CHAdeMO's for
    its relatives, and otherwise the commonest of its current, CCS for DC and Type 2 for AC.
    """
    relatives = {"SAE_J3400": "TESLA_S", "CHAOJI": "CHADEMO", "GBT_DC": "CHADEMO"}
    commonest = "IEC_62196_T2_COMBO" if power_type == "DC" else "IEC_62196_T2"
    return relatives.get(standard, commonest)

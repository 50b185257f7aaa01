"""Tell OCPI's versions apart and respell 2.1.1 and 2.2.1 as 2.3.0. No rule is bent here."""

from collections.abc import Iterator, Mapping
from typing import Any

RENAMED_IN_2_2 = ("voltage", "amperage", "tariff_id")
NEW_IN_2_3 = ("parking_places", "help_phone", "tax_included")


def detect_version(location: Mapping[str, Any]) -> str:
    """Return the OCPI version that a location is written in, told from its fields."""
    connectors = list(_connectors(location))
    if (
        "type" in location
        or any(name in connector for connector in connectors for name in RENAMED_IN_2_2)
        or any("source" in impact for impact in _impacts(location))
        or not {"country_code", "party_id", "publish"} & location.keys()
    ):
        return "2.1.1"
    is_2_3 = (
        any(name in location for name in NEW_IN_2_3)
        or any(
            "parking" in evse or "accepted_service_providers" in evse for evse in evses(location)
        )
        or any("capabilities" in connector for connector in connectors)
    )
    return "2.3.0" if is_2_3 else "2.2.1"


def evses(location: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the EVSEs that are JSON objects."""
    return _objects(location.get("evses"))


def _connectors(location: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (item for evse in evses(location) for item in _objects(evse.get("connectors")))


def _impacts(location: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    mix = location.get("energy_mix")
    return _objects(mix.get("environ_impact") if isinstance(mix, dict) else None)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (
        (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
    )


def respell_location(location: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return a location in the spelling of 2.3.0, its EVSEs as they are."""
    result = _renamed(location, {"type": "parking_type"})
    # 2.1.1's two values for “nothing known”; later versions leave the field out.
    if result.get("parking_type") in ("OTHER", "UNKNOWN"):
        del result["parking_type"]
    if version == "2.1.1":
        result.setdefault("publish", True)  # it knows no hidden locations
    hours = result.get("opening_times")
    if isinstance(hours, dict) and "twentyfourseven" not in hours and hours.get("regular_hours"):
        result["opening_times"] = {"twentyfourseven": False, **hours}  # 2.1.1: one or the other
    return _with_energy_mix(result)


def respell_connector(connector: Mapping[str, Any]) -> dict[str, Any]:
    """Return a connector in the spelling of 2.3.0."""
    result = _renamed(connector, {"voltage": "max_voltage", "amperage": "max_amperage"})
    tariff_id = result.pop("tariff_id", None)
    if tariff_id not in (None, "") and "tariff_ids" not in result:
        result["tariff_ids"] = [tariff_id]
    return result


def respell_tariff(tariff: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tariff in the spelling of 2.3.0."""
    result = dict(tariff)
    for name in ("min_price", "max_price"):
        if isinstance(price := result.get(name), dict):
            result[name] = _renamed(price, {"excl_vat": "before_taxes", "incl_vat": "after_taxes"})
    return _with_energy_mix(result)


def _with_energy_mix(result: dict[str, Any]) -> dict[str, Any]:
    mix = result.get("energy_mix")
    if isinstance(mix, dict) and isinstance(impacts := mix.get("environ_impact"), list):
        respelled = [
            _renamed(impact, {"source": "category"}) if isinstance(impact, dict) else impact
            for impact in impacts
        ]
        result["energy_mix"] = {**mix, "environ_impact": respelled}
    return result


def _renamed(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    result = dict(value)
    for old, new in names.items():
        if old in result:
            result.setdefault(new, result[old])
            del result[old]
    return result

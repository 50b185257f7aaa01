"""What a station is set to, as name and value: pure.

1.6 has keys. 2.0.1 has variables of components, which are written `component/variable` here, with
what tells several of them apart: `Connector@1.2/Available` is at connector 2 of EVSE 1,
`SampledDataCtrlr[a]/Enabled[b]` has instances.
"""

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(
    r"(?P<component>[^/@\[\]]+)(?:\[(?P<instance>[^\]]+)\])?"
    r"(?:@(?P<evse>\d+)(?:\.(?P<connector>\d+))?)?"
    r"/(?P<variable>[^/@\[\]]+)(?:\[(?P<variable_instance>[^\]]+)\])?"
)
_ACTUAL = "Actual"


class NoSuchName(ValueError):
    """It is no name of a variable."""


def of_1_6(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of a GetConfiguration.conf with their values; "" where it has none."""
    return {one["key"]: one.get("value") or "" for one in answer.get("configurationKey", [])}


def of_2_0_1(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of a NotifyReport with their actual values."""
    values: dict[str, str] = {}
    for data in report.get("reportData", []):
        for attribute in data["variableAttribute"]:
            if attribute.get("type", _ACTUAL) == _ACTUAL:
                values[name_of(data)] = attribute.get("value", "")
    return values


def name_of(data: Mapping[str, Any]) -> str:
    """Return the name of what has a `component` and a `variable` (OCPP 2.0.1, part 2)."""
    component, variable = data["component"], data["variable"]
    evse = component.get("evse")
    place = ""
    if evse is not None:
        connector = evse.get("connectorId")
        place = f"@{evse['id']}" + ("" if connector is None else f".{connector}")
    return f"{_with_instance(component)}{place}/{_with_instance(variable)}"


def variable_of(name: str) -> dict[str, Any]:
    """Return the `component` and the `variable` that a name stands for.

    Raises:
        NoSuchName: it is not written as `component/variable`.

    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise NoSuchName(f"{name}: must be written as component/variable")
    component: dict[str, Any] = {"name": match["component"]}
    if match["instance"]:
        component["instance"] = match["instance"]
    if match["evse"]:
        component["evse"] = {"id": int(match["evse"])}
        if match["connector"]:
            component["evse"]["connectorId"] = int(match["connector"])
    variable = {"name": match["variable"]}
    if match["variable_instance"]:
        variable["instance"] = match["variable_instance"]
    return {"component": component, "variable": variable}


def _with_instance(named: Mapping[str, Any]) -> str:
    instance = named.get("instance")
    return f"{named['name']}[{instance}]" if instance else str(named["name"])

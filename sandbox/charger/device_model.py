"""Variables of OCPP 2.0.1, read, set and reported: part 2, B05 to B07."""

from functools import partial

from sandbox.charger.commands import Handler, integer, one_of, text
from sandbox.charger.core import Core
from sandbox.charger.link import Outgoing
from sandbox.charger.orders import Orders
from sandbox.charger.v1_6 import stamp
from sandbox.charger.variables import Variable
from sandbox.charger.wire import Json

_REPORTED_AT_ONCE = 10


class DeviceModel:
    """Answer GetVariables, SetVariables and GetBaseReport."""

    def __init__(self, core: Core, orders: Orders) -> None:
        self._core = core
        self._orders = orders

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {
            "GetBaseReport": self._get_base_report,
            "GetVariables": self._get_variables,
            "SetVariables": self._set_variables,
        }

    def _get_variables(self, payload: Json) -> Json:
        return {"getVariableResult": [self._got(item) for item in payload["getVariableData"]]}

    def _got(self, item: Json) -> Json:
        body, variable, status = self._find(item)
        if variable is not None and variable.kind == "secret":
            status = "Rejected"
        if variable is not None and status == "Accepted":
            body["attributeValue"] = self._core.variables.value(variable)
        return body | {"attributeStatus": status}

    def _set_variables(self, payload: Json) -> Json:
        items = payload["setVariableData"]
        values = [text(item, "attributeValue") for item in items]
        found = [self._find(item) for item in items]
        results = []
        for value, (body, variable, problem) in zip(values, found, strict=True):
            is_settable = variable is not None and problem == "Accepted"
            status = self._orders.set(variable, value) if variable and is_settable else problem
            results.append(body | {"attributeStatus": status})
        return {"setVariableResult": results}

    def _find(self, item: Json) -> tuple[Json, Variable | None, str]:
        """Return what a result repeats of its item, the variable, and what is wrong with it."""
        component, name = text(item["component"], "name"), text(item["variable"], "name")
        body: Json = {"component": item["component"], "variable": item["variable"]}
        if "attributeType" in item:
            body["attributeType"] = item["attributeType"]
        variable = self._core.variables.by_name(component, name)
        if variable is None:
            is_known = self._core.variables.has_component(component)
            return body, None, "UnknownVariable" if is_known else "UnknownComponent"
        if item.get("attributeType", "Actual") != "Actual":
            return body, variable, "NotSupportedAttributeType"
        return body, variable, "Accepted"

    def _get_base_report(self, payload: Json) -> Json:
        request_id = integer(payload, "requestId")
        base = one_of(
            payload, "reportBase", "ConfigurationInventory", "FullInventory", "SummaryInventory"
        )
        if base == "SummaryInventory":
            return {"status": "NotSupported"}
        variables = [
            one
            for one in self._core.variables.all
            if one.component and (one.is_writable or base == "FullInventory")
        ]
        self._core.promise(lambda: self._report(request_id, variables))
        return {"status": "Accepted"}

    def _report(self, request_id: int, variables: list[Variable]) -> None:
        parts = [
            variables[start : start + _REPORTED_AT_ONCE]
            for start in range(0, len(variables), _REPORTED_AT_ONCE)
        ]
        for number, part in enumerate(parts):
            payload: Json = {
                "requestId": request_id,
                "generatedAt": stamp(self._core.link.now()),
                "seqNo": number,
                "tbc": number < len(parts) - 1,
                "reportData": [self._data(one) for one in part],
            }
            self._core.link.put(Outgoing("NotifyReport", partial(dict, payload)))

    def _data(self, variable: Variable) -> Json:
        attribute: Json = {"type": "Actual", "mutability": "ReadOnly", "persistent": True}
        if variable.is_writable:
            attribute["mutability"] = "ReadWrite"
        if variable.kind == "secret":
            attribute["mutability"] = "WriteOnly"
        else:
            attribute["value"] = self._core.variables.value(variable)
        name: Json = {"name": variable.name}
        if variable.instance:
            name["instance"] = variable.instance
        kind = "string" if variable.kind == "secret" else variable.kind
        return {
            "component": {"name": variable.component},
            "variable": name,
            "variableAttribute": [attribute],
            "variableCharacteristics": {"dataType": kind, "supportsMonitoring": False},
        }

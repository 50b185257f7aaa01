"""Take secrets out of what is written down of a message, whichever way it went.

Secret are passwords and keys that a station is configured with, and what addresses of firmware and
logs have before the `@` or after the `?`. The uid of a token is none: it is what the message is
about.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

MASK = "***"
# Names of settings, of the standard's and of vendors', whose value is nobody's business.
_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|secret|authorizationkey|apikey|api_key|privatekey|psk|\bpin\b",
    re.IGNORECASE,
)
# Members of `SetNetworkProfile` (OCPP 2.0.1, APNType, VPNType).
_SECRET_MEMBERS = frozenset({"password", "key", "simPin"})
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@]*@)?(?P<rest>[^?#]*)(?P<query>.*)"
)

Payload = Mapping[str, Any]


def redact(action: str, payload: Payload) -> Payload:
    """Return a payload of an action, of its call or of its result, without secrets.

    What has none, which is most, is returned as it is.
    """
    redactor = _REDACTORS.get(action)
    return payload if redactor is None else redactor(payload)


def is_secret(name: str) -> bool:
    """Tell whether the value of a setting of this name is a secret."""
    return _SECRET_NAME.search(name) is not None


def redact_url(url: str) -> str:
    """Return an address without who may use it: user, password, and query."""
    match = _ADDRESS.fullmatch(url)
    if match is None:
        return url
    user = f"{MASK}@" if "@" in url[: match.start("rest")] else ""
    query = f"?{MASK}" if match["query"] else ""
    return f"{match['scheme']}{user}{match['rest']}{query}"


def _setting(payload: Payload) -> Payload:
    """Redact what has a `key` and a `value` (OCPP 1.6, ChangeConfiguration, KeyValue)."""
    if not is_secret(str(payload.get("key", ""))) or not payload.get("value"):
        return payload
    return {**payload, "value": MASK}


def _settings(payload: Payload) -> Payload:
    found = payload.get("configurationKey")
    if not isinstance(found, list):
        return payload
    return {
        **payload,
        "configurationKey": [_setting(one) if isinstance(one, dict) else one for one in found],
    }


def _variables(payload: Payload) -> Payload:
    """Redact each variable in a list, whatever the list is called (OCPP 2.0.1, B05 to B08)."""
    return {
        name: [_variable(one) for one in value] if isinstance(value, list) else value
        for name, value in payload.items()
    }


def _variable(data: Any) -> Any:
    # What breaks its schema is written down, too.
    variable = data.get("variable") if isinstance(data, dict) else None
    if not isinstance(variable, dict) or not is_secret(str(variable.get("name", ""))):
        return data
    redacted = dict(data)
    if redacted.get("attributeValue"):
        redacted["attributeValue"] = MASK
    attributes = redacted.get("variableAttribute")
    if isinstance(attributes, list):
        redacted["variableAttribute"] = [
            {**one, "value": MASK} if isinstance(one, dict) and one.get("value") else one
            for one in attributes
        ]
    return redacted


def _addresses(payload: Payload) -> Payload:
    """Redact every address, also one level down (OCPP 2.0.1, FirmwareType, LogParametersType)."""
    return {name: _without_addresses(value) for name, value in payload.items()}


def _without_addresses(value: Any) -> Any:
    if isinstance(value, str):
        return redact_url(value)
    return _addresses(value) if isinstance(value, dict) else value


def _members(payload: Payload) -> Payload:
    return {
        name: MASK
        if name in _SECRET_MEMBERS
        else _members(value)
        if isinstance(value, dict)
        else value
        for name, value in payload.items()
    }


_REDACTORS: dict[str, Callable[[Payload], Payload]] = {
    "ChangeConfiguration": _setting,
    "GetConfiguration": _settings,
    "GetDiagnostics": _addresses,
    "GetLog": _addresses,
    "GetVariables": _variables,
    "NotifyReport": _variables,
    "PublishFirmware": _addresses,
    "SetNetworkProfile": _members,
    "SetVariables": _variables,
    "SignedUpdateFirmware": _addresses,
    "UpdateFirmware": _addresses,
}

"""What a message of a station says, in a few words."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext

from ocpp_gateway.models import StationMessage

# What is shown of a payload that has no words of its own.
SHOWN_CHARACTERS = 80
Said = Mapping[str, Any]


def words_of(message: StationMessage) -> str:
    """Return what a message is about, or the beginning of what it says."""
    try:
        payload = json.loads(message.payload)
    except (ValueError, RecursionError):
        payload = None
    teller = _TELLERS.get(message.action)
    if teller is not None and isinstance(payload, dict):
        words = teller(payload)
        if words:
            return words
    text = message.payload[:SHOWN_CHARACTERS]
    return f"{text}…" if len(message.payload) > SHOWN_CHARACTERS else text


def _start(payload: Said) -> str:
    return gettext("connector %(connector)s, token %(token)s, register %(wh)s Wh") % {
        "connector": payload.get("connectorId", "?"),
        "token": payload.get("idTag", "?"),
        "wh": payload.get("meterStart", "?"),
    }


def _stop(payload: Said) -> str:
    return gettext("register %(wh)s Wh, reason %(reason)s") % {
        "wh": payload.get("meterStop", "?"),
        "reason": payload.get("reason", "Local"),
    }


def _event(payload: Said) -> str:
    info = payload.get("transactionInfo")
    known: Said = info if isinstance(info, dict) else {}
    names = ("chargingState", "stoppedReason")
    parts = [payload.get("eventType"), payload.get("triggerReason")]
    return _listed([*parts, *(known.get(name) for name in names), _values(payload)])


def _status(payload: Said) -> str:
    place = payload.get("connectorId", "")
    if "evseId" in payload:
        place = f"{payload['evseId']}.{place}"
    error = payload.get("errorCode", "")
    status = payload.get("status") or payload.get("connectorStatus")
    return _listed([f"#{place}", status, "" if error == "NoError" else error])


def _meter(payload: Said) -> str:
    place = payload.get("connectorId", payload.get("evseId", ""))
    return _listed([f"#{place}", _values(payload)])


def _values(payload: Said) -> str:
    """Return the values of the last moment: `4602895 Wh, 12800 W`."""
    moments = payload.get("meterValue")
    last = moments[-1] if isinstance(moments, list) and moments else None
    sampled = last.get("sampledValue") if isinstance(last, dict) else None
    if not isinstance(sampled, list):
        return ""
    return _listed([_value(one) for one in sampled[:4] if isinstance(one, dict)])


def _value(sampled: Said) -> str:
    if sampled.get("format") == "SignedData":
        return gettext("signed value")
    unit = sampled.get("unit")
    measure = sampled.get("unitOfMeasure")
    if isinstance(measure, dict):
        unit = measure.get("unit")
    return f"{sampled.get('value', '')} {unit or 'Wh'}"


def _boot(payload: Said) -> str:
    device = payload.get("chargingStation")
    said: Said = device if isinstance(device, dict) else payload
    names = ("vendorName", "chargePointVendor", "model", "chargePointModel", "firmwareVersion")
    return _listed([*(said.get(name) for name in names), payload.get("reason")])


def _token(payload: Said) -> str:
    token = payload.get("idToken")
    return str(token.get("idToken", "") if isinstance(token, dict) else payload.get("idTag", ""))


def _listed(parts: list[Any]) -> str:
    return ", ".join(str(part) for part in parts if part)


_TELLERS: Mapping[str, Callable[[Said], str]] = {
    "Authorize": _token,
    "BootNotification": _boot,
    "MeterValues": _meter,
    "StartTransaction": _start,
    "StatusNotification": _status,
    "StopTransaction": _stop,
    "TransactionEvent": _event,
}

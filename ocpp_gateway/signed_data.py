"""What a meter signed, as a CDR hands it on (OCPI 2.3.0, mod_cdrs, SignedData)."""

import base64
import re
from collections.abc import Sequence
from typing import Any

from cpo_platform.common.shapes import SignedData, normalise
from ocpp_gateway.facts import SignedValue
from ocpp_gateway.signatures import key_bytes, text_of

LONGEST_TEXT = 5000
LONGEST_KEY = 512
LONGEST_METHOD = 36
# A station may sign a value a minute for days: then the start and the end have to do.
MOST_VALUES = 100

_NATURES = {"Transaction.Begin": "Start", "Transaction.End": "End"}
_ASCII = re.compile(r"[\x20-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def signed_data(signed: Sequence[SignedValue], *, public_key: str) -> dict[str, Any] | None:
    """Return SignedData in its plain form; None where there is nothing that OCPI can carry.

    `public_key` is what is known of the meter; without it, the one that the station named is told.
    What was signed is handed on in base64, whichever way the station did. A value that is longer
    than OCPI allows is left out.
    """
    values = [(value, told) for value in signed if (told := _value(value)) is not None]
    if len(values) > MOST_VALUES:
        values = [pair for pair in values if pair[1]["nature"] != "Intermediate"][:MOST_VALUES]
    if not values:
        return None
    key = public_key or next((value.public_key for value, _ in values if value.public_key), "")
    document = {
        "encoding_method": _method(values[0][0]),
        "public_key": _key(key),
        "signed_values": [told for _, told in values],
    }
    plain: dict[str, Any] = normalise(SignedData, document)
    return plain


def _value(value: SignedValue) -> dict[str, str] | None:
    text = text_of(value.data)
    data = value.data.strip()
    if text is not None and not _is_base64_of(data, text):
        data = base64.b64encode(text.encode()).decode()
    plain = _CONTROL.sub(" ", data if text is None else text)
    if max(len(plain), len(data)) > LONGEST_TEXT or not _ASCII.fullmatch(data):
        return None
    return {
        "nature": _NATURES.get(value.context, "Intermediate"),
        "plain_data": plain,
        "signed_data": data,
    }


def _is_base64_of(data: str, text: str) -> bool:
    try:
        return base64.b64decode(data, validate=True).decode().strip() == text
    except ValueError:
        return False


def _method(value: SignedValue) -> str:
    method = value.encoding_method[:LONGEST_METHOD]
    if _ASCII.fullmatch(method):
        return method
    return "OCMF" if text_of(value.data) is not None else "unknown"


def _key(key: str) -> str | None:
    raw = key_bytes(key) if key else None
    text = None if raw is None else base64.b64encode(raw).decode()
    return text if text is None or len(text) <= LONGEST_KEY else None

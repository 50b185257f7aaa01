"""Is a signed meter value what the meter signed? (OCMF, with the key that the meter is known by.)

`pyocmf` reads and verifies. What is here is how chargers hand values and keys over: plain, in
base64 or in hex; keys as DER, or as the bare point of the curve that the signature names.
"""

import base64
import binascii
import re
import warnings
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyocmf import OCMF, PyOCMFError, SignatureVerificationError, SpecWarning

from cpo_platform.common.saying import say

# A transaction of a day with a reading a minute is some 200 KB.
LONGEST_VALUE = 1024 * 1024
LONGEST_KEY = 4096
HEADER = "OCMF|"
# As the Open Charge Alliance has it in its application note on signed meter values, 3.2.
_OCA_KEY = re.compile(r"oca:base(?P<base>16|64):asn1:(?P<key>.*)", re.DOTALL)
_PEM = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+").fullmatch
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "secp192r1": ec.SECP192R1,
    "secp256r1": ec.SECP256R1,
    "secp256k1": ec.SECP256K1,
    "secp384r1": ec.SECP384R1,
    "brainpool256r1": ec.BrainpoolP256R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpool384r1": ec.BrainpoolP384R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
}


class Verdict(StrEnum):
    """VALID: the meter signed this. BROKEN: it did not. UNVERIFIED: that cannot be told."""

    VALID = "VALID"
    BROKEN = "BROKEN"
    UNVERIFIED = "UNVERIFIED"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`reason` is empty where the verdict is VALID; in English, ours can be translated."""

    verdict: Verdict
    reason: str = ""


class _Unclear(ValueError):
    """It cannot be told whether the meter signed it; the message says why."""


def judge(value: str, public_key: str) -> Judgement:
    """Verify a signed meter value; never raises for what is in it.

    `value` is OCMF, or that in base64 or hex; `public_key` what is known of the meter, "" where
    that is nothing. A key that the value brings along itself proves nothing, and is not looked at.
    """
    try:
        parsed = _parsed(value)
        is_valid = parsed.verify_signature(_key(public_key, str(parsed.signature.SA or "")))
    except (PyOCMFError, ValueError, RecursionError) as error:
        if isinstance(error, SignatureVerificationError) and "curve mismatch" in str(error):
            return Judgement(Verdict.BROKEN, say("the meter has another kind of key").text)
        return Judgement(Verdict.UNVERIFIED, _line(error))
    if is_valid:
        return Judgement(Verdict.VALID)
    return Judgement(
        Verdict.BROKEN, say("the signature is not of this meter over these readings").text
    )


def text_of(value: str) -> str | None:
    """Return a value as OCMF is written, whichever way it was handed over; None: it is no OCMF."""
    text = value.strip()
    # OCMF begins with its name.
    candidates = (one for one in (text, _text(_bytes(text))) if one and one.startswith(HEADER))
    return next(candidates, None)


def key_bytes(key: str) -> bytes | None:
    """Return a public key as bytes, whichever way it is written; None where it is none."""
    return _key_bytes(key.strip()[:LONGEST_KEY])


def _parsed(value: str) -> OCMF:
    if len(value) > LONGEST_VALUE:
        raise _Unclear(say("the value is too long").text)
    text = text_of(value)
    if text is None:
        raise _Unclear(say("the value is not OCMF").text)
    with warnings.catch_warnings():
        # What deviates from the specification can be signed all the same.
        warnings.simplefilter("ignore", SpecWarning)
        return OCMF.from_string(text)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _key(key: str, method: str) -> str:
    """Return a key as DER in hex, whichever way it came."""
    if not key:
        raise _Unclear(say("no public key of the meter is known").text)
    raw = key_bytes(key)
    if raw is None:
        raise _Unclear(say("the public key is neither hex nor base64").text)
    # `ECDSA-secp256k1-SHA256`: the curve tells how long a bare point is.
    curve = _CURVES.get(method.split("-")[1] if method.count("-") == 2 else "")
    if curve is None or len(raw) > 2 * ((curve().key_size + 7) // 8) + 1:
        return raw.hex()
    point = raw if raw[:1] in {b"\2", b"\3", b"\4"} and len(raw) % 2 else b"\4" + raw
    found = ec.EllipticCurvePublicKey.from_encoded_point(curve(), point)
    return found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def _key_bytes(text: str) -> bytes | None:
    text = _PEM.sub("", text)
    oca = _OCA_KEY.fullmatch(text)
    if oca:
        return _bytes(oca["key"])
    raw = _bytes(text)
    inner = _text(raw)
    # In base64, hex or the Open Charge Alliance's form once more.
    if inner is not None and (_HEX(inner) or _OCA_KEY.fullmatch(inner)):
        return _key_bytes(inner)
    return raw


def _bytes(text: str) -> bytes | None:
    if _HEX(text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode().strip()
    except UnicodeDecodeError:
        return None

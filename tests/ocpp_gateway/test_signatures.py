"""Signed meter values: made with keys of our own, by nothing but `cryptography`."""

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ocpp_gateway.signatures import LONGEST_VALUE, Judgement, Verdict, judge

READINGS = {
    "FV": "1.0",
    "GI": "METER",
    "GS": "1",
    "PG": "T1",
    "MV": "Example",
    "MS": "42",
    "IS": True,
    "IF": ["RFID_PLAIN"],
    "IT": "ISO14443",
    "ID": "1F2D3A4F5506C7",
    "RD": [
        {
            "TM": "2026-11-01T10:00:00,000+0000 S",
            "TX": "B",
            "RV": 2935.6,
            "RI": "1-b:1.8.0",
            "RU": "kWh",
            "ST": "G",
        }
    ],
}


class Meter:
    """A meter with a key, which signs whatever it is given."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self._key = ec.generate_private_key(curve or ec.SECP256R1())
        self.method = f"ECDSA-{self._key.curve.name}-SHA256"

    def sign(self, payload: str) -> str:
        signed = self._key.sign(payload.encode(), ec.ECDSA(hashes.SHA256()))
        tail = json.dumps({"SA": self.method, "SD": signed.hex()})
        return f"OCMF|{payload}|{tail}"

    @property
    def der(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def point(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.fixture(scope="module")
def meter() -> Meter:
    return Meter()


@pytest.fixture(scope="module")
def value(meter: Meter) -> str:
    return meter.sign(json.dumps(READINGS))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP256K1(), ec.SECP384R1()])
def test_what_the_meter_signed_is_valid(curve: ec.EllipticCurve) -> None:
    meter = Meter(curve)

    assert judge(meter.sign(json.dumps(READINGS)), meter.der.hex()) == Judgement(Verdict.VALID)


@pytest.mark.parametrize(
    "written",
    [
        lambda der, _point: der.hex().upper(),
        lambda der, _point: base64.b64encode(der).decode(),
        lambda der, _point: (
            "-----BEGIN PUBLIC KEY-----\n"
            + base64.encodebytes(der).decode()
            + "-----END PUBLIC KEY-----\n"
        ),
        lambda der, _point: base64.b64encode(der.hex().encode()).decode(),
        lambda der, _point: f"oca:base16:asn1:{der.hex()}",
        lambda der, _point: f"oca:base64:asn1:{base64.b64encode(der).decode()}",
        lambda der, _point: base64.b64encode(f"oca:base16:asn1:{der.hex()}".encode()).decode(),
        lambda _der, point: point.hex(),
        lambda _der, point: point[1:].hex(),
    ],
)
def test_whichever_way_the_key_is_written(
    meter: Meter, value: str, written: Callable[[bytes, bytes], str]
) -> None:
    assert judge(value, written(meter.der, meter.point)).verdict is Verdict.VALID


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: f"\n{text}\n",
    ],
)
def test_whichever_way_the_value_is_handed_over(
    meter: Meter, value: str, wrapped: Callable[[str], str]
) -> None:
    assert judge(wrapped(value), meter.der.hex()).verdict is Verdict.VALID


def test_a_reading_that_was_changed_is_broken(meter: Meter, value: str) -> None:
    changed = value.replace("2935.6", "2934.6")

    assert judge(changed, meter.der.hex()).verdict is Verdict.BROKEN


def test_what_another_meter_signed_is_broken(value: str) -> None:
    assert judge(value, Meter().der.hex()).verdict is Verdict.BROKEN
    assert judge(value, Meter(ec.SECP256K1()).der.hex()).verdict is Verdict.BROKEN


def test_a_hash_in_the_place_of_the_signature_is_broken(meter: Meter) -> None:
    """Simulators do that."""
    tail = json.dumps({"SA": meter.method, "SD": "2e" * 32})

    found = judge(f"OCMF|{json.dumps(READINGS)}|{tail}", meter.der.hex())

    assert found.verdict is Verdict.BROKEN


def test_a_key_that_the_value_brings_along_proves_nothing(meter: Meter, value: str) -> None:
    assert judge(f"{value}|{meter.der.hex()}", "").verdict is Verdict.UNVERIFIED


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        ("", "00", "is not OCMF"),
        ("EDL40|x", "00", "is not OCMF"),
        ("OCMF|{", "00", ""),
        ("OCMF|{}|{}", "00", ""),
        ("OCMF|" + "[" * 5000 + "|{}", "00", ""),
        ("x" * (LONGEST_VALUE + 1), "00", "too long"),
    ],
)
def test_what_cannot_be_told_says_why(value: str, key: str, reason: str) -> None:
    found = judge(value, key)

    assert found.verdict is Verdict.UNVERIFIED
    assert found.reason
    assert reason in found.reason


@pytest.mark.parametrize("key", ["", "no key", "00", "zz" * 40, "30" * 91])
def test_a_key_that_is_none_tells_nothing(value: str, key: str) -> None:
    assert judge(value, key).verdict is Verdict.UNVERIFIED

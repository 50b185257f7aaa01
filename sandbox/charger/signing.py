"""Signed meter values: OCMF with an ECDSA signature, as a meter in a charger makes them.

Open Charge Metering Format 1.0. The key comes from the name of the charger, so that it is the same
after a restart; it keeps no secret.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.charger.wire import dump

METHOD = "ECDSA-secp256r1-SHA256"
ENCODING = "OCMF"


@dataclass(frozen=True, slots=True)
class Reading:
    """A register to be signed: `kind` is B at the begin of a transaction and E at its end."""

    at: datetime
    wh: Decimal
    kind: str


class Signer:
    """The meter of a charger; `breaks` makes it sign something else than it tells."""

    def __init__(self, identity: str, *, breaks: bool = False) -> None:
        digest = hashlib.sha256(identity.encode()).digest()
        self._key = ec.derive_private_key(int.from_bytes(digest[:31]) + 1, ec.SECP256R1())
        self._serial = digest[:6].hex().upper()
        self._pagination = 0
        self.breaks = breaks

    @property
    def public_key(self) -> str:
        """Return the key as DER in hex."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()

    @property
    def public_key_base64(self) -> str:
        """Return the key as the Open Charge Alliance has it, in base64."""
        return base64.b64encode(f"oca:base16:asn1:{self.public_key}".encode()).decode()

    def sign(self, readings: Sequence[Reading], *, card: str) -> str:
        """Return OCMF with the readings of one transaction."""
        self._pagination += 1
        payload = dump(
            {
                "FV": "1.0",
                "GI": "Sandbox",
                "GS": self._serial,
                "PG": f"T{self._pagination}",
                "MV": "Sandbox",
                "MS": self._serial,
                "IS": True,
                "IF": ["RFID_PLAIN"],
                "IT": "ISO14443" if _is_uid(card) else "CENTRAL",
                "ID": card,
                "RD": [_reading(one) for one in readings],
            }
        )
        signed = payload.replace('"ST":"G"', '"ST":"M"') if self.breaks else payload
        signature = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())).hex()
        return f"OCMF|{payload}|{dump({'SA': METHOD, 'SD': signature})}"


def _is_uid(card: str) -> bool:
    is_hex = all(letter in "0123456789ABCDEFabcdef" for letter in card)
    return is_hex and len(card) in {8, 14, 20}


def _reading(reading: Reading) -> dict[str, object]:
    at = reading.at
    return {
        # "I": informative, as no law checks the clock.
        "TM": f"{at:%Y-%m-%dT%H:%M:%S},{at.microsecond // 1000:03d}+0000 I",
        "TX": reading.kind,
        "RV": (reading.wh / 1000).quantize(Decimal("0.001")),
        "RI": "1-b:1.8.0",
        "RU": "kWh",
        "ST": "G",
    }

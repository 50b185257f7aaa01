"""The certificates of a charger: what it trusts, by their hashes, and its request for one."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sandbox.charger.wire import Json


class Certificates:
    """What has been installed, by type."""

    def __init__(self) -> None:
        self._installed: list[tuple[str, Json]] = []

    def install(self, kind: str, pem: str) -> bool:
        """Keep a certificate; return whether it is one."""
        data = hash_data(pem)
        if data is None:
            return False
        if (kind, data) not in self._installed:
            self._installed.append((kind, data))
        return True

    def ids(self, kinds: set[str] | None) -> list[tuple[str, Json]]:
        """Return types and hashes of what is installed; None: of every type."""
        return [one for one in self._installed if kinds is None or one[0] in kinds]

    def delete(self, data: Json) -> bool:
        """Drop the certificate of these hashes; return whether there was one."""
        before = len(self._installed)
        self._installed = [one for one in self._installed if not _is_same(one[1], data)]
        return len(self._installed) < before


def hash_data(pem: str) -> Json | None:
    """Return CertificateHashData of a certificate in PEM; None: it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": hashlib.sha256(certificate.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.sha256(key).hexdigest(),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def signing_request(identity: str, organization: str) -> str:
    """Return a request for a certificate of the charger, in PEM."""
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, identity),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization or "Sandbox"),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def _is_same(one: Json, other: Json) -> bool:
    names = ("issuerNameHash", "issuerKeyHash", "serialNumber")
    return all(str(one[name]).lower() == str(other[name]).lower() for name in names)

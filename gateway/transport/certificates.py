"""From the certificate of a connection, as gRPC shows it, to `ClientCertificate`.

Owns what is read out of it. Chain, dates and possession of the key were checked at the handshake, which lets nobody
through without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.model import ClientCertificate

_PEM = "x509_pem_cert"


def certificate_of(auth_context: Mapping[str, Iterable[bytes]]) -> ClientCertificate | None:
    """The certificate in a context's `auth_context()`; None where the caller showed none."""
    for pem in auth_context.get(_PEM, ()):
        return _read(pem)
    return None


# A caller's connections and calls all show the same bytes: it is read once.
@lru_cache(maxsize=4096)
def _read(pem: bytes) -> ClientCertificate:
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        # Names that cannot be read open nothing; the fingerprint still may.
        names = x509.SubjectAlternativeName([])
    return ClientCertificate(
        fingerprint=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        dns_names=tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        not_after=certificate.not_valid_after_utc.timestamp(),
    )

"""TLS of a port from PEM files, read again when they change: certificates are renewed without a restart.

Looks at the files' marks (time, size, inode) at each handshake, some microseconds beside some hundred. What cannot be
used, such as a certificate whose key is still the old one, is told once and passed over: the port goes on with what it
had. Connections that are open keep what they were opened with until they reach their maximal age.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


class TlsFilesError(Exception):
    """The files make no TLS; the text names the file and what is wrong, and repeats nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files of a port."""

    certificate: Path
    """PEM: the server's certificate, then its chain."""
    key: Path
    client_ca: Path | None = None
    """PEM: authorities; callers must then show a certificate of theirs."""

    def all(self) -> tuple[Path, ...]:
        """Every file that is named."""
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path is not None)


def server_credentials(files: TlsFiles, *, port: str) -> grpc.ServerCredentials:
    """Credentials for `add_secure_port`; `port` names it in the log.

    Raises `TlsFilesError` where the files cannot be used from the start.
    """
    reloading = _Reloading(files, port=port)
    return grpc.dynamic_ssl_server_credentials(
        reloading.first,
        reloading.fetch,  # type: ignore[arg-type]  # the stubs do not know that None stands for "as before"
        require_client_authentication=files.client_ca is not None,
    )


def pinned(certificate: Path) -> tuple[grpc.ChannelCredentials, str]:
    """Credentials that trust this certificate alone, and a name it has: for a client on the server's own machine.

    Raises `TlsFilesError`.
    """
    pem = _pem(certificate)
    leaf = _certificates(certificate, pem)[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    stated = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    if not stated:
        raise TlsFilesError(f"{certificate}: names no host (subject alternative name)")
    own = leaf.public_bytes(Encoding.PEM)
    # What a wildcard stands for is of no matter here.
    return grpc.ssl_channel_credentials(root_certificates=own), stated[0].replace("*", "any", 1)


class _Reloading:
    """What gRPC asks at each handshake, on threads of its own."""

    def __init__(self, files: TlsFiles, *, port: str) -> None:
        self._files = files
        self._port = port
        self._lock = threading.Lock()
        self._marks = self._look()
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.tls")
        self.first = _configuration(files)

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What the files say now; None while nothing changed. MUST NOT raise: its cause would be lost."""
        with self._lock:
            marks = self._look()
            if marks == self._marks:
                return None
            # Noted before reading: what changes meanwhile is seen by the next handshake.
            self._marks = marks
            try:
                changed = _configuration(self._files)
            except TlsFilesError as error:
                self._log.error("tls_files_unusable", port=self._port, cause=str(error))
                return None
            self._log.info("tls_files_reloaded", port=self._port)
            return changed

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_mark(path) for path in self._files.all())


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    chain, key = _pem(files.certificate), _pem(files.key)
    leaf = _certificates(files.certificate, chain)[0]
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise TlsFilesError(f"{files.key}: not an unencrypted PEM key") from error
    der = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*der) != leaf.public_key().public_bytes(*der):
        raise TlsFilesError(f"{files.key}: not the key of {files.certificate}")
    authorities = None
    if files.client_ca is not None:
        authorities = _pem(files.client_ca)
        _certificates(files.client_ca, authorities)
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise TlsFilesError(f"{path}: holds no PEM certificate") from error


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFilesError(f"{path}: {error.strerror}") from error

"""Opens the gRPC ports of a process, in clear or with TLS, as the settings name files."""

from __future__ import annotations

from pathlib import Path

from grpc.aio import Server

from adapters.tls_files import TlsFiles, server_credentials
from gateway.settings_access import MutualTlsSettings


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> TlsFiles | None:
    """The files of a port; None where it has no TLS."""
    if certificate is None or key is None:
        return None
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)


def mutual_files(settings: MutualTlsSettings) -> TlsFiles | None:
    """The files of the port for callers with certificates; None where it is off."""
    if settings.port is None:
        return None
    return tls_files(settings.cert_file, settings.key_file, settings.client_ca_file)


def open_port(server: Server, address: str, files: TlsFiles | None, *, name: str) -> None:
    """Have the server listen. `name` is the port's in the settings.

    Raises `TlsFilesError`, and `RuntimeError` where the port cannot be had.
    """
    if files is None:
        server.add_insecure_port(address)
    else:
        server.add_secure_port(address, server_credentials(files, port=name))

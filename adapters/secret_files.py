"""Key rings in files: `secrets/<name>/<version>.key`, 32 random bytes in hex, mode 0600.

The highest version is the current one. A file is never changed: rotation adds the next version.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway.model import Secret, VersionedSecret

API_KEY_PEPPER = "api-key-pepper"
SUBJECT_TOKEN = "subject-token"  # noqa: S105  the name of a key ring
CACHE_NAME = "cache-name"
CACHE_SEAL = "cache-seal"
ACCOUNT_SEAL = "account-seal"
_KEY_BYTES = 32


class SecretMissingError(Exception):
    """The key ring is empty or unreadable; the message names the directory."""


class KeyRing:
    """The versions of one key."""

    def __init__(self, directory: Path) -> None:
        """`directory`: that of this key alone."""
        self._directory = directory

    def versions(self) -> list[VersionedSecret]:
        """All versions, the current one last. Raises `SecretMissingError` when there is none."""
        paths = sorted(self._directory.glob("*.key"), key=lambda path: int(path.stem))
        if not paths:
            raise SecretMissingError(
                f"{self._directory} holds no key; the first `dancu up` makes one, other machines need a copy of it"
            )
        return [VersionedSecret(int(path.stem), Secret(_read(path))) for path in paths]

    def current(self) -> VersionedSecret:
        """The current version."""
        return self.versions()[-1]

    def ensure(self) -> VersionedSecret:
        """The current version, made now if there is none."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(self._directory.glob("*.key")):
            self._write(1)
        return self.current()

    def rotate(self) -> VersionedSecret:
        """A new current version."""
        self._write(self.current().version + 1)
        return self.current()

    def _write(self, version: int) -> None:
        write_private(self._directory / f"{version}.key", secrets.token_hex(_KEY_BYTES) + "\n")


def key_ring(data_dir: Path, name: str) -> KeyRing:
    """The key ring of that name in an installation."""
    return KeyRing(data_dir / "secrets" / name)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, and on disk before this returns."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    scratch.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise SecretMissingError(f"{path} is not readable as a key") from error
    if len(key) != _KEY_BYTES:
        raise SecretMissingError(f"{path} does not hold {_KEY_BYTES} bytes")
    return key

"""The keys that sign checkpoints, in files, with versions.

```
<folder>/<version>.signer      private key, mode 0600; every one that is there signs
<folder>/<version>.verifier    public key, kept for ever
```
Rotation adds a version, and both sign until the old one is retired: outsiders have that long to learn the new key.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from adapters.secret_files import SecretMissingError, write_private
from gateway.audit.notes import KeyFormatError, SignerKey, VerifierKey

_FILE = re.compile(r"([1-9]\d*)\.(signer|verifier)")
_SEED_BYTES = 32


class SigningKeys:
    """The versions of an installation's signing key."""

    def __init__(self, folder: Path, *, name: str) -> None:
        """`name`: the key name in notes, such as `dancu.example.gov.vn`; without spaces and plus signs."""
        self._folder = folder
        self._name = name

    def ensure(self) -> None:
        """Make the first version where there is none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._versions("verifier"):
            self._write(1)

    def rotate(self) -> VerifierKey:
        """Add a version; the ones before sign along until they are retired."""
        return self._write(max(self._versions("verifier"), default=0) + 1)

    def retire(self, version: int) -> None:
        """Destroy a private key. Its public key stays known, so that what it signed stays valid.

        Raises `ValueError` for the current version.
        """
        versions = self._versions("signer")
        if versions and version == versions[-1]:
            raise ValueError("the current key cannot be retired; rotate first")
        (self._folder / f"{version}.signer").unlink(missing_ok=True)

    def signers(self) -> list[SignerKey]:
        """The keys that sign, the current one last. Raises `SecretMissingError` where there is none."""
        found: list[SignerKey] = []
        for version in self._versions("signer"):
            path = self._folder / f"{version}.signer"
            try:
                found.append(SignerKey.parse(path.read_text().strip()))
            except (OSError, KeyFormatError) as error:
                raise SecretMissingError(f"{path} is not readable as a signing key") from error
        if not found:
            raise SecretMissingError(f"{self._folder} holds no signing key")
        return found

    def verifiers(self) -> list[VerifierKey]:
        """Every public key there ever was, the current one last."""
        return read_verifiers(self._folder)

    def publish(self, folder: Path) -> None:
        """Copy the public keys, as to a witness. Raises `OSError`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for version in self._versions("verifier"):
            name = f"{version}.verifier"
            text = (self._folder / name).read_text()
            if not (folder / name).exists():
                write_private(folder / name, text)

    def _versions(self, kind: str) -> list[int]:
        return _versions(self._folder, kind)

    def _write(self, version: int) -> VerifierKey:
        key = SignerKey(self._name, secrets.token_bytes(_SEED_BYTES))
        # The public half first: a signature whose key is unknown would look forged.
        write_private(self._folder / f"{version}.verifier", f"{key.verifier}\n")
        write_private(self._folder / f"{version}.signer", f"{key.reveal()}\n")
        return key.verifier


def read_verifiers(folder: Path) -> list[VerifierKey]:
    """The public keys in a folder, the current one last. Raises `KeyFormatError` and `OSError`."""
    return [
        VerifierKey.parse((folder / f"{version}.verifier").read_text().strip())
        for version in _versions(folder, "verifier")
    ]


def _versions(folder: Path, kind: str) -> list[int]:
    if not folder.is_dir():
        return []
    matches = (_FILE.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match is not None and match[2] == kind)

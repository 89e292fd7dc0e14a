"""The last known accounts in a file, so that a worker can start while the database is dead.

One file for each worker slot, mode 0600, with an HMAC over all of it: a file that somebody wrote by hand opens
nothing. It holds keyed hashes, never a secret. Of all slots' files the one that knows most is used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog

from adapters.secret_files import write_private
from adapters.sql.rows import MAPPINGS
from gateway.accounts.entries import (
    AccountEntry,
    BindingEntry,
    EntryKind,
    KeyEntry,
    OfficerEntry,
    OrganisationEntry,
)
from gateway.model import Secret

_KINDS: dict[str, EntryKind] = {
    "organisations": OrganisationEntry,
    "accounts": AccountEntry,
    "officers": OfficerEntry,
    "keys": KeyEntry,
    "bindings": BindingEntry,
}
_PURPOSE = b"dancu directory snapshot v1"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the accounts, and as of when."""

    lineage: str
    """Names the database this came from."""
    version: int
    organisations: list[OrganisationEntry]
    accounts: list[AccountEntry]
    officers: list[OfficerEntry]
    keys: list[KeyEntry]
    bindings: list[BindingEntry]


class SnapshotFile:
    """The snapshots of an installation's workers on this machine."""

    def __init__(self, directory: Path, *, slot: str, pepper: Secret) -> None:
        """`directory` is shared by the workers; `slot` names this one; `pepper` is what authenticates the files."""
        self._directory = directory
        self._path = directory / f"directory-{slot}.snapshot"
        self._key = hmac.digest(pepper.reveal(), _PURPOSE, hashlib.sha256)
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("dancu.directory")

    def write(self, known: Known) -> None:
        """Replace this slot's file; blocks for a disk sync. Raises `OSError`."""
        body = json.dumps(
            {
                "lineage": known.lineage,
                "version": known.version,
                **{name: [_plain(kind, entry) for entry in getattr(known, name)] for name, kind in _KINDS.items()},
            }
        )
        self._directory.mkdir(parents=True, exist_ok=True)
        write_private(self._path, f"{self._tag(body)}\n{body}\n")

    def read(self) -> Known | None:
        """The newest of all slots' files that is whole and ours; None where there is none. Blocks."""
        found = [known for path in sorted(self._directory.glob("directory-*.snapshot")) for known in self._one(path)]
        return max(found, key=lambda known: known.version, default=None)

    def _one(self, path: Path) -> Iterable[Known]:
        try:
            tag, _, body = path.read_text(encoding="utf-8").removesuffix("\n").partition("\n")
        except (OSError, UnicodeDecodeError) as error:
            self._log.warning("directory_snapshot_unreadable", file=path.name, error=type(error).__name__)
            return []
        if not hmac.compare_digest(tag.encode(), self._tag(body).encode()):
            self._log.warning("directory_snapshot_not_ours", file=path.name)
            return []
        stored = json.loads(body)
        entries: dict[str, list[Any]] = {
            # A file of an earlier release knows fewer kinds.
            name: [_entry(kind, row) for row in stored.get(name, ())]
            for name, kind in _KINDS.items()
        }
        return [Known(stored["lineage"], stored["version"], **entries)]

    def _tag(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()


def _plain(kind: EntryKind, entry: Any) -> dict[str, Any]:
    row = MAPPINGS[kind].to_row(entry)
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def _entry(kind: EntryKind, row: dict[str, Any]) -> Any:
    if kind is KeyEntry:
        row = row | {"secret_hash": bytes.fromhex(row["secret_hash"])}
    return MAPPINGS[kind].from_row(SimpleNamespace(**row))
